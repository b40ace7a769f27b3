import type { Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { ago, time } from '../../kit/format'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'

const heard = (row: Row): string | undefined => row.heartbeat_timestamp?.replace(' ', 'T')

const update = (row: Row, up: boolean) => ({
  method: 'PUT' as const,
  service: 'network' as const,
  path: `/agents/${row.id}`,
  body: { agent: { admin_state_up: up } },
  cli: `openstack network agent set --${up ? 'enable' : 'disable'} ${row.id}`,
})

const spec: ListSpec = {
  key: 'agents',
  page: 'agents',
  params: {},
  rows: (data) => [...(data.agents ?? [])].sort((a: Row, b: Row) => `${a.agent_type} ${a.host}`.localeCompare(`${b.agent_type} ${b.host}`)),
  columns: [
    { key: 'agent_type', title: 'type' },
    { key: 'host' },
    { key: 'zone', text: (row) => row.availability_zone ?? '', render: (row) => row.availability_zone ?? '–' },
    {
      key: 'status',
      text: (row) => (row.admin_state_up ? 'enabled' : 'disabled'),
      render: (row) => <Status value={row.admin_state_up ? 'enabled' : 'disabled'} />,
    },
    { key: 'state', text: (row) => (row.alive ? 'up' : 'down'), render: (row) => <Status value={row.alive ? 'up' : 'down'} /> },
    { key: 'lastSeen', text: (row) => heard(row) ?? '', render: (row) => <span title={time(heard(row))}>{ago(heard(row))}</span> },
    { key: 'binary', title: 'service', hidden: true },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [
    { key: 'enable', rule: 'update_agent', show: (row) => !row.admin_state_up, calls: (row) => update(row, true) },
    { key: 'disable', rule: 'update_agent', show: (row) => row.admin_state_up, confirm: true, calls: (row) => update(row, false) },
    {
      key: 'delete',
      rule: 'delete_agent',
      danger: true,
      disabled: (row) => (row.alive ? 'alive' : undefined),
      calls: (row) => ({
        method: 'DELETE',
        service: 'network',
        path: `/agents/${row.id}`,
        cli: `openstack network agent delete ${row.id}`,
      }),
    },
  ],
  call: { method: 'GET', service: 'network', path: '/agents', cli: 'openstack network agent list' },
}

export const Agents = () => <ListPage spec={spec} />
