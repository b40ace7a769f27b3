import { useParams } from '@tanstack/react-router'
import { Descriptions } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import { type FormSpec, options } from '../../kit/form'
import type { SubTableSpec } from '../../kit/subtable'

const grant: FormSpec = {
  title: 'grantRole',
  fields: (data) => [
    { name: 'user', type: 'select', required: true, options: options(data.users) },
    { name: 'role', type: 'select', required: true, options: options(data.roles) },
  ],
  calls: (v, row) => ({
    method: 'PUT',
    service: 'identity',
    path: `/projects/${row.id}/users/${v.user}/roles/${v.role}`,
    cli: `openstack role add --project ${row.id} --user ${v.user} ${v.role}`,
  }),
}

const withdraw: Action = {
  key: 'withdrawRole',
  rule: 'identity:revoke_grant',
  danger: true,
  calls: (a) => {
    const [kind, who] = a.user ? ['users', a.user.id] : ['groups', a.group.id]
    return {
      method: 'DELETE',
      service: 'identity',
      path: `/projects/${a.scope.project.id}/${kind}/${who}/roles/${a.role.id}`,
      cli: `openstack role remove --project ${a.scope.project.id} --${kind.slice(0, -1)} ${who} ${a.role.id}`,
    }
  },
}

const quotas: Record<string, string[]> = {
  compute: ['instances', 'cores', 'ram', 'key_pairs', 'server_groups'],
  volume: ['volumes', 'gigabytes', 'snapshots'],
  network: ['network', 'subnet', 'port', 'router', 'floatingip', 'security_group'],
}

const setQuota: Action = {
  key: 'quota',
  rule: 'os_compute_api:os-quota-sets:update',
  form: {
    title: 'quota',
    fields: (data) =>
      Object.entries(quotas).flatMap(([component, keys]) =>
        keys
          .filter((key) => data[`${component}_quota`]?.[key] !== undefined)
          .map((key) => ({
            name: `${component}.${key}`,
            label: `quota.${key}`,
            type: 'number' as const,
            min: -1,
            initial: data[`${component}_quota`][key],
          })),
      ),
    calls: (v, row, data) => {
      const changed = (component: string) =>
        Object.fromEntries(
          quotas[component]
            .filter((k) => v[`${component}.${k}`] !== data[`${component}_quota`]?.[k] && v[`${component}.${k}`] !== undefined)
            .map((k) => [k, v[`${component}.${k}`]]),
        )
      const out = []
      for (const component of ['compute', 'volume'] as const) {
        const set = changed(component)
        if (Object.keys(set).length > 0)
          out.push({
            method: 'PUT' as const,
            service: component,
            path: `/os-quota-sets/${row.id}`,
            body: { quota_set: set },
            cli: `openstack quota set ${flags(set)} ${row.id}`,
          })
      }
      const net = changed('network')
      if (Object.keys(net).length > 0)
        out.push({
          method: 'PUT' as const,
          service: 'network' as const,
          path: `/quotas/${row.id}`,
          body: { quota: net },
          cli: `openstack quota set ${flags(net)} ${row.id}`,
        })
      return out
    },
  },
}

function flags(set: Row): string {
  return Object.entries(set)
    .map(([k, v]) => `--${k.replaceAll('_', '-')} ${v}`)
    .join(' ')
}

const who = (a: Row): string => a.user?.name ?? a.group?.name

const members: SubTableSpec = {
  rows: (_, data) => data.assignments?.map((a: Row) => ({ ...a, name: `${who(a)} ${a.role.name}` })),
  rowKey: (a) => `${a.user?.id ?? a.group?.id}/${a.role.id}`,
  columns: [
    { key: 'user', render: who },
    { key: 'role', render: (a) => a.role.name },
  ],
  actions: [withdraw],
  empty: 'pages.projects.noMembers',
  add: { form: grant, rule: 'identity:create_grant' },
}

const spec: DetailSpec = {
  page: 'project',
  row: (data) => data.project,
  status: (row) => ({ value: row.enabled ? 'enabled' : 'disabled' }),
  actions: [setQuota],
  facts: (row) => [
    ['id', <Id key="id" value={row.id} />],
    ['domain', row.domain_id],
    ['description', row.description || '–'],
    ['parent', row.parent_id],
  ],
  tabs: [
    { key: 'members', table: members },
    { key: 'quota', render: (_, data) => <Quotas data={data} /> },
  ],
}

export function Project() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={spec} id={id} />
}

function Quotas({ data }: { data: PageData }) {
  const { t } = useTranslation()
  return (
    <Descriptions
      bordered
      size="small"
      column={{ xs: 1, md: 3 }}
      items={Object.entries(quotas).flatMap(([component, keys]) =>
        keys
          .filter((key) => data[`${component}_quota`]?.[key] !== undefined)
          .map((key) => ({ key: `${component}.${key}`, label: t(`fields.quota.${key}`), children: data[`${component}_quota`][key] })),
      )}
    />
  )
}
