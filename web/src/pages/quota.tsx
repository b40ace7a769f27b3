// How much of a quota is used: where something is created, and where quotas
// are set.
import { Col, Flex, Row as Grid, Progress } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Action } from '../kit/actions'
import type { Call, PageData, Row } from '../kit/api'

/** The key of a title below "fields.", what is used, what is allowed, and what would be added. */
export type Line = [key: string, used: number, limit: number, more?: number]

/** One beside the other, or below in a narrow place. */
export function QuotaBars({ lines, wide }: { lines: Line[]; wide?: boolean }) {
  const { t } = useTranslation()
  if (lines.length === 0) return null
  return (
    <Grid gutter={[24, 8]} data-quota>
      {lines.map(([key, used, limit, more = 0]) => (
        <Col key={key} xs={24} {...(wide ? {} : { sm: 12, lg: 8, xl: 6 })}>
          <Flex justify="space-between">
            <span>{t(`fields.${key}`)}</span>
            <span>
              {used}
              {more ? ` + ${more}` : ''} / {limit < 0 ? '∞' : limit}
            </span>
          </Flex>
          <Progress
            aria-label={t(`fields.${key}`)}
            percent={limit <= 0 ? 0 : Math.min(100, Math.round((100 * (used + more)) / limit))}
            success={more && limit > 0 ? { percent: Math.round((100 * used) / limit) } : undefined}
            showInfo={false}
            size="small"
            status={limit >= 0 && used + more >= limit && (more === 0 || used + more > limit) ? 'exception' : 'normal'}
          />
        </Col>
      ))}
    </Grid>
  )
}

/** What of the limits compute tells, with what would be added. */
export function computeLines(data: Row, more: { servers?: number; vcpus?: number; ram?: number } = {}): Line[] {
  const c: Row | undefined = data.limits?.absolute
  if (!c) return []
  return [
    ['servers', c.totalInstancesUsed ?? 0, c.maxTotalInstances ?? -1, more.servers],
    ['vcpus', c.totalCoresUsed ?? 0, c.maxTotalCores ?? -1, more.vcpus],
    ['ram', c.totalRAMUsed ?? 0, c.maxTotalRAMSize ?? -1, more.ram],
  ]
}

export function volumeLines(limits: Row | undefined): Line[] {
  const v: Row | undefined = limits?.absolute
  if (!v) return []
  return [
    ['volumes', v.totalVolumesUsed ?? 0, v.maxTotalVolumes ?? -1],
    ['gigabytes', v.totalGigabytesUsed ?? 0, v.maxTotalVolumeGigabytes ?? -1],
  ]
}

/** The network's quota is told to those only whom the policy lets. */
export function networkLines(data: Row, ...resources: string[]): Line[] {
  return resources.filter((r) => data.quota?.[r]).map((r): Line => [`quota.${r}`, data.quota[r].used ?? 0, data.quota[r].limit ?? -1])
}

export const components = ['compute', 'volume', 'network'] as const
type Component = (typeof components)[number]

/** What may be limited. */
export const quotas: Record<Component, string[]> = {
  compute: ['instances', 'cores', 'ram', 'key_pairs', 'server_groups'],
  volume: ['volumes', 'gigabytes', 'snapshots', 'backups'],
  network: ['network', 'subnet', 'port', 'router', 'floatingip', 'security_group'],
}

/** A project's quotas as the components tell them: {compute: {instances: {in_use, limit}}}. */
export type Told = Partial<Record<Component, Row>>

export function quotaLines(told: Told): Line[] {
  return components.flatMap((c) =>
    quotas[c]
      .filter((key) => told[c]?.[key])
      .map((key): Line => [`quota.${key}`, told[c]?.[key].in_use ?? told[c]?.[key].used ?? 0, told[c]?.[key].limit ?? -1]),
  )
}

const flags = (set: Row) =>
  Object.entries(set)
    .map(([k, v]) => `--${k.replaceAll('_', '-')} ${v}`)
    .join(' ')

/** The calls that change what a form has changed. */
export function changes(values: Row, project: string, told: Told): Call[] {
  return components.flatMap((c): Call[] => {
    const set = Object.fromEntries(
      quotas[c]
        .filter((k) => values[`${c}.${k}`] !== undefined && values[`${c}.${k}`] !== told[c]?.[k]?.limit)
        .map((k) => [k, values[`${c}.${k}`]]),
    )
    if (Object.keys(set).length === 0) return []
    const [path, body] = c === 'network' ? [`/quotas/${project}`, { quota: set }] : [`/os-quota-sets/${project}`, { quota_set: set }]
    return [{ method: 'PUT', service: c, path, body, cli: `openstack quota set ${flags(set)} ${project}` }]
  })
}

/** Sets a project's quotas; told gives those it has. */
export function setQuota(told: (row: Row, data: PageData) => Told): Action {
  return {
    key: 'quota',
    rule: 'os_compute_api:os-quota-sets:update',
    form: {
      title: 'quota',
      fields: (data, row) => {
        const now = told(row ?? {}, data as PageData)
        return components.flatMap((c) =>
          quotas[c]
            .filter((key) => now[c]?.[key])
            .map((key) => ({
              name: `${c}.${key}`,
              label: `quota.${key}`,
              type: 'number' as const,
              min: -1,
              initial: now[c]?.[key].limit,
            })),
        )
      },
      calls: (v, row, data) => changes(v, row.id, told(row, data as PageData)),
    },
  }
}

/** Back to what everybody has. */
export const resetQuota: Action = {
  key: 'resetQuota',
  rule: 'os_compute_api:os-quota-sets:delete',
  confirm: true,
  calls: (row) => [
    { method: 'DELETE', service: 'compute', path: `/os-quota-sets/${row.id}`, cli: `openstack quota delete ${row.id}` },
    { method: 'DELETE', service: 'volume', path: `/os-quota-sets/${row.id}` },
    { method: 'DELETE', service: 'network', path: `/quotas/${row.id}` },
  ],
}
