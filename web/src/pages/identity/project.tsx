import { useParams } from '@tanstack/react-router'
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import { type FormSpec, options } from '../../kit/form'
import type { SubTableSpec } from '../../kit/subtable'
import { QuotaBars, quotaLines, resetQuota, setQuota, type Told } from '../quota'

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

const told = (_: Row, data: PageData): Told => ({ compute: data.compute_quota, volume: data.volume_quota, network: data.network_quota })

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
  actions: [setQuota(told), resetQuota],
  facts: (row) => [
    ['id', <Id key="id" value={row.id} />],
    ['domain', row.domain_id],
    ['description', row.description || '–'],
    ['parent', row.parent_id],
  ],
  tabs: [
    { key: 'members', table: members },
    { key: 'quota', render: (row, data) => <QuotaBars lines={quotaLines(told(row, data))} /> },
  ],
}

export function Project() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={spec} id={id} />
}
