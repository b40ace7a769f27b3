import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { ListPage, type ListSpec } from '../../kit/list'
import { projectColumn } from '../../kit/project'
import { Status } from '../../kit/status'
import { networkLines, QuotaBars } from '../quota'
import { byName, ofProjects, withStatus } from './neutron'

const external = (data: Row) =>
  (data.networks ?? []).filter((n: Row) => n['router:external']).map((n: Row) => ({ value: n.id, label: n.name || n.id }))

const connected = (row: Row, data: Row): Row[] => (data.ports ?? []).filter((p: Row) => p.device_id === row.id)

const subnetName = (id: string, data: Row): string => {
  const s = (data.subnets ?? []).find((one: Row) => one.id === id)
  return s ? `${s.name} ${s.cidr}`.trim() : id
}

const remove: Action = {
  key: 'delete',
  rule: 'delete_router',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'network', path: `/routers/${row.id}`, cli: `openstack router delete ${row.id}` }),
}

export const routerActions: Action[] = [
  {
    key: 'setGateway',
    rule: 'update_router',
    show: (row) => !row.external_gateway_info,
    form: {
      title: 'setGateway',
      fields: (data) => [{ name: 'network', type: 'select', required: true, options: external(data) }],
      calls: (v, row) => ({
        method: 'PUT',
        service: 'network',
        path: `/routers/${row.id}`,
        body: { router: { external_gateway_info: { network_id: v.network } } },
        cli: `openstack router set --external-gateway ${v.network} ${row.id}`,
      }),
    },
  },
  {
    key: 'clearGateway',
    rule: 'update_router',
    show: (row) => Boolean(row.external_gateway_info),
    confirm: true,
    calls: (row) => ({
      method: 'PUT',
      service: 'network',
      path: `/routers/${row.id}`,
      body: { router: { external_gateway_info: {} } },
      cli: `openstack router unset --external-gateway ${row.id}`,
    }),
  },
  {
    key: 'addSubnet',
    rule: 'add_router_interface',
    form: {
      title: 'addSubnet',
      fields: (data) => [
        {
          name: 'subnet',
          type: 'select',
          required: true,
          options: (data.subnets ?? []).map((s: Row) => ({ value: s.id, label: subnetName(s.id, data) })),
        },
      ],
      calls: (v, row) => ({
        method: 'PUT',
        service: 'network',
        path: `/routers/${row.id}/add_router_interface`,
        body: { subnet_id: v.subnet },
        cli: `openstack router add subnet ${row.id} ${v.subnet}`,
      }),
    },
  },
  {
    key: 'removeSubnet',
    rule: 'remove_router_interface',
    form: {
      title: 'removeSubnet',
      fields: (data, row) => [
        {
          name: 'subnet',
          type: 'select',
          required: true,
          options: connected(row ?? {}, data).flatMap((p) =>
            p.fixed_ips.map((i: Row) => ({ value: i.subnet_id, label: subnetName(i.subnet_id, data) })),
          ),
        },
      ],
      calls: (v, row) => ({
        method: 'PUT',
        service: 'network',
        path: `/routers/${row.id}/remove_router_interface`,
        body: { subnet_id: v.subnet },
        cli: `openstack router remove subnet ${row.id} ${v.subnet}`,
      }),
    },
  },
  remove,
]

const long = withStatus(byName)

const own: ListSpec = {
  key: 'routers',
  page: 'routers',
  rows: (data) => data.routers,
  columns: [
    { key: 'name', render: (row) => row.name || row.id },
    { key: 'status', render: (row) => <Status value={row.status} /> },
    {
      key: 'gateway',
      text: (row) => row.external_gateway_info?.external_fixed_ips?.[0]?.ip_address ?? '',
      render: (row, data) =>
        row.external_gateway_info
          ? `${(data.networks ?? []).find((n: Row) => n.id === row.external_gateway_info.network_id)?.name ?? row.external_gateway_info.network_id} ${row.external_gateway_info.external_fixed_ips?.map((i: Row) => i.ip_address).join(', ') ?? ''}`
          : '–',
    },
    {
      key: 'subnets',
      render: (row, data) =>
        connected(row, data).map((p) => <div key={p.id}>{p.fixed_ips.map((i: Row) => subnetName(i.subnet_id, data)).join(', ')}</div>),
      text: (row, data) => connected(row, data).length,
    },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: routerActions,
  bulk: [remove],
  create: {
    rule: 'create_router',
    form: {
      title: 'createRouter',
      fields: (data) => [
        { name: 'name', required: true },
        { name: 'network', label: 'externalNetwork', type: 'select', options: external(data) },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'network',
        path: '/routers',
        body: { router: { name: v.name, ...(v.network ? { external_gateway_info: { network_id: v.network } } : {}) } },
        cli: `openstack router create ${v.network ? `--external-gateway ${v.network} ` : ''}'${v.name}'`,
      }),
    },
  },
  extra: (data) => <QuotaBars lines={networkLines(data, 'router')} />,
  call: { method: 'GET', service: 'network', path: '/routers', cli: 'openstack router list' },
  long,
}

export const Routers = () => <ListPage spec={own} />

const everybodys: ListSpec = {
  ...own,
  key: 'adminRouters',
  params: { all: '1' },
  create: undefined,
  extra: undefined,
  columns: [...own.columns.slice(0, -1), projectColumn],
  long: ofProjects(long),
}

export const AdminRouters = () => <ListPage spec={everybodys} />
