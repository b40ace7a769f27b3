import { Link } from '@tanstack/react-router'
import { Typography } from 'antd'
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { ListPage, type ListSpec } from '../../kit/list'
import { isId } from '../../kit/long'
import { projectColumn } from '../../kit/project'
import { Status } from '../../kit/status'
import { networkLines, QuotaBars } from '../quota'
import { ofProjects, withStatus } from './neutron'

const release: Action = {
  key: 'release',
  rule: 'delete_floatingip',
  danger: true,
  calls: (row) => ({
    method: 'DELETE',
    service: 'network',
    path: `/floatingips/${row.id}`,
    cli: `openstack floating ip delete ${row.floating_ip_address}`,
  }),
}

const server = (row: Row, data: PageData): Row | undefined => {
  const port = (data.ports ?? []).find((p: Row) => p.id === row.port_id)
  return port && (data.servers ?? []).find((s: Row) => s.id === port.device_id)
}

const address = (value: string) => ({ floating_ip_address: value })

const long = withStatus({
  sort: { floating_ip_address: 'floating_ip_address', fixed_ip_address: 'fixed_ip_address', id: 'id' },
  filter: {
    '': (words): Record<string, string> => (isId(words) ? { id: words } : address(words)),
    floating_ip_address: address,
    fixed_ip_address: (value) => ({ fixed_ip_address: value }),
    id: (value) => ({ id: value }),
  },
})

const own: ListSpec = {
  key: 'floatingIps',
  page: 'floating-ips',
  rows: (data) => data.floatingips,
  columns: [
    {
      key: 'floating_ip_address',
      title: 'address',
      render: (row) => <Typography.Text copyable>{row.floating_ip_address}</Typography.Text>,
    },
    { key: 'status', render: (row) => <Status value={row.status} calm={!row.port_id} of={row.port_id ? undefined : 'floatingip'} /> },
    { key: 'fixed_ip_address', title: 'fixedIp' },
    {
      key: 'server',
      text: (row, data) => server(row, data)?.name ?? '',
      render: (row, data) => {
        const s = server(row, data)
        return s ? (
          <Link to="/servers/$id" params={{ id: s.id }}>
            {s.name}
          </Link>
        ) : (
          '–'
        )
      },
    },
    {
      key: 'network',
      text: (row, data) => (data.networks ?? []).find((n: Row) => n.id === row.floating_network_id)?.name ?? '',
      render: (row, data) => (data.networks ?? []).find((n: Row) => n.id === row.floating_network_id)?.name ?? '–',
    },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [
    {
      key: 'associate',
      rule: 'update_floatingip',
      show: (row) => !row.port_id,
      form: {
        title: 'associate',
        fields: (data) => [
          {
            name: 'port',
            type: 'select',
            required: true,
            options: (data.ports ?? [])
              .filter((p: Row) => String(p.device_owner).startsWith('compute:'))
              .map((p: Row) => ({
                value: p.id,
                label: `${(data.servers ?? []).find((s: Row) => s.id === p.device_id)?.name ?? p.device_id} ${p.fixed_ips.map((i: Row) => i.ip_address).join(', ')}`,
              })),
          },
        ],
        calls: (v, row) => ({
          method: 'PUT',
          service: 'network',
          path: `/floatingips/${row.id}`,
          body: { floatingip: { port_id: v.port } },
          cli: `openstack floating ip set --port ${v.port} ${row.floating_ip_address}`,
        }),
      },
    },
    {
      key: 'disassociate',
      rule: 'update_floatingip',
      show: (row) => Boolean(row.port_id),
      confirm: true,
      calls: (row) => ({
        method: 'PUT',
        service: 'network',
        path: `/floatingips/${row.id}`,
        body: { floatingip: { port_id: null } },
        cli: `openstack floating ip unset --port ${row.floating_ip_address}`,
      }),
    },
    release,
  ],
  bulk: [release],
  create: {
    rule: 'create_floatingip',
    form: {
      title: 'allocate',
      fields: (data) => {
        const options = (data.networks ?? [])
          .filter((n: Row) => n['router:external'])
          .map((n: Row) => ({ value: n.id, label: n.name || n.id }))
        return [{ name: 'network', label: 'externalNetwork', type: 'select', required: true, initial: options[0]?.value, options }]
      },
      calls: (v) => ({
        method: 'POST',
        service: 'network',
        path: '/floatingips',
        body: { floatingip: { floating_network_id: v.network } },
        cli: `openstack floating ip create ${v.network}`,
      }),
    },
  },
  extra: (data) => <QuotaBars lines={networkLines(data, 'floatingip')} />,
  call: { method: 'GET', service: 'network', path: '/floatingips', cli: 'openstack floating ip list' },
  long,
}

export const FloatingIps = () => <ListPage spec={own} />

const everybodys: ListSpec = {
  ...own,
  key: 'adminFloatingIps',
  page: 'admin-floating-ips',
  extra: undefined,
  create: undefined,
  columns: [...own.columns.slice(0, -1), projectColumn],
  long: ofProjects(long),
}

export const AdminFloatingIps = () => <ListPage spec={everybodys} />
