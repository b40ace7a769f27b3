// How much of a quota is used: where something is created, and where quotas
// are set.
import { Col, Flex, Row as Grid, Progress } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Action } from '../kit/actions'
import type { Call, PageData, Row } from '../kit/api'
import type { Field, FormSpec } from '../kit/form'

/** The key of a title below "fields.", what is used, what is allowed, and what would be added. */
export type Line = [key: string, used: number, limit: number, more?: number]

/** Whether what would be added is more than is allowed. */
export const overQuota = ([, used, limit, more = 0]: Line) => more > 0 && limit >= 0 && used + more > limit

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
            success={more && limit > 0 ? { percent: Math.round((100 * used) / limit), strokeColor: 'var(--ant-color-primary)' } : undefined}
            strokeColor={
              overQuota([key, used, limit, more]) ? 'var(--ant-color-error)' : more ? 'var(--ant-color-primary-border-hover)' : undefined
            }
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
  compute: ['instances', 'cores', 'ram', 'key_pairs', 'metadata_items', 'server_groups', 'server_group_members'],
  volume: ['volumes', 'gigabytes', 'per_volume_gigabytes', 'snapshots', 'backups', 'backup_gigabytes'],
  network: ['network', 'subnet', 'port', 'router', 'floatingip', 'security_group', 'security_group_rule'],
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

/** What the openstack command calls otherwise than the APIs. */
const flag: Record<string, string> = {
  metadata_items: 'properties',
  network: 'networks',
  subnet: 'subnets',
  port: 'ports',
  router: 'routers',
  floatingip: 'floating-ips',
  security_group: 'secgroups',
  security_group_rule: 'secgroup-rules',
}

const flags = (set: Row) =>
  Object.entries(set)
    .map(([k, v]) => `--${flag[k] ?? k.replaceAll('_', '-')} ${v}`)
    .join(' ')

/** The limits of a component that a form has changed, if it has. */
function changed(c: Component, values: Row, was: (key: string) => number | undefined): Row | undefined {
  const keys = quotas[c].filter((k) => typeof values[`${c}.${k}`] === 'number' && values[`${c}.${k}`] !== was(k))
  return keys.length > 0 ? Object.fromEntries(keys.map((k) => [k, values[`${c}.${k}`]])) : undefined
}

/** The calls that change what a form has changed. */
export function changes(values: Row, project: string, told: Told): Call[] {
  return components.flatMap((c): Call[] => {
    const set = changed(c, values, (k) => told[c]?.[k]?.limit)
    if (!set) return []
    const [path, body] = c === 'network' ? [`/quotas/${project}`, { quota: set }] : [`/os-quota-sets/${project}`, { quota_set: set }]
    return [{ method: 'PUT', service: c, path, body, cli: `openstack quota set ${flags(set)} ${project}` }]
  })
}

const limitField = (c: Component, key: string, initial: number): Field => ({
  name: `${c}.${key}`,
  label: `quota.${key}`,
  type: 'number',
  min: -1,
  initial,
})

/** The components that keep a class of default quotas; the network's are its configuration's. */
const classed = ['compute', 'volume'] as const

/** The calls that change the defaults a form has changed; data is {compute: {instances: 10}}. */
export function defaultChanges(values: Row, data: Row): Call[] {
  return classed.flatMap((c): Call[] => {
    const set = changed(c, values, (k) => data[c]?.[k])
    if (!set) return []
    const body = { quota_class_set: set }
    return [
      { method: 'PUT', service: c, path: '/os-quota-class-sets/default', body, cli: `openstack quota set --class ${flags(set)} default` },
    ]
  })
}

/** Sets what projects may have until their own quotas are set. */
export const defaultsForm: FormSpec = {
  title: 'defaultQuotas',
  fields: (data) => classed.flatMap((c) => quotas[c].filter((k) => data[c]?.[k] !== undefined).map((k) => limitField(c, k, data[c][k]))),
  calls: (values, _, data) => defaultChanges(values, data),
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
        return components.flatMap((c) => quotas[c].filter((key) => now[c]?.[key]).map((key) => limitField(c, key, now[c]?.[key].limit)))
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
