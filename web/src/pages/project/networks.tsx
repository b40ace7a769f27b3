import { Link, useParams } from '@tanstack/react-router'
import { useMemo } from 'react'
import type { Action } from '../../kit/actions'
import { type Call, type PageData, type Row, useSession } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import type { Field, FormSpec } from '../../kit/form'
import { ListPage, type ListSpec } from '../../kit/list'
import { flag } from '../../kit/long'
import { projectColumn } from '../../kit/project'
import { Status } from '../../kit/status'
import type { SubTableSpec } from '../../kit/subtable'
import { run } from '../../kit/tasks'
import { networkLines, QuotaBars } from '../quota'
import { byName, ofProjects, withStatus } from './neutron'
import { ownerOf } from './ports'

const remove: Action = {
  key: 'delete',
  rule: 'delete_network',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'network', path: `/networks/${row.id}`, cli: `openstack network delete ${row.id}` }),
}

const cidr = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/

const subnetFields: Field[] = [
  { name: 'cidr', initial: '10.0.0.0/24', pattern: cidr, help: 'cidr' },
  { name: 'gateway', help: 'gateway' },
  { name: 'dhcp', type: 'switch', initial: true },
  { name: 'dns', type: 'tags', initial: [] },
]

function subnetCall(network: string, name: string, v: Row): Call {
  const subnet: Row = { network_id: network, name, ip_version: 4, cidr: v.cidr, enable_dhcp: v.dhcp ?? true }
  if (v.gateway) subnet.gateway_ip = v.gateway
  if (v.dns?.length) subnet.dns_nameservers = v.dns
  if (v.poolStart && v.poolEnd) subnet.allocation_pools = [{ start: v.poolStart, end: v.poolEnd }]
  return {
    method: 'POST',
    service: 'network',
    path: '/subnets',
    body: { subnet },
    cli: `openstack subnet create --network ${network} --subnet-range ${v.cidr}${v.gateway ? ` --gateway ${v.gateway}` : ''}${v.dhcp ? '' : ' --no-dhcp'} '${name}'`,
  }
}

const creation: FormSpec = {
  title: 'createNetwork',
  fields: () => [
    { name: 'name', required: true },
    { name: 'withSubnet', type: 'switch', initial: true },
    ...subnetFields.map((f) => ({ ...f, when: (v: Row) => v.withSubnet !== false })),
  ],
  calls: (v) => ({
    method: 'POST',
    service: 'network',
    path: '/networks',
    body: { network: { name: v.name } },
    cli: `openstack network create '${v.name}'${v.withSubnet ? `\n${subnetCall(v.name, `${v.name}-subnet`, v).cli}` : ''}`,
    terraform: `resource "openstack_networking_network_v2" "${v.name}" {\n  name = "${v.name}"\n}`,
  }),
  // The subnet needs the id of the network that was just made.
  done: (answer, v) => {
    if (v.withSubnet) void run(`${v.name}-subnet`, subnetCall(answer.network.id, `${v.name}-subnet`, v)).catch(() => undefined)
  },
}

export const networkActions: Action[] = [
  {
    key: 'rename',
    rule: 'update_network',
    form: {
      title: 'rename',
      fields: (_, row) => [{ name: 'name', required: true, initial: row?.name }],
      calls: (v, row) => ({
        method: 'PUT',
        service: 'network',
        path: `/networks/${row.id}`,
        body: { network: { name: v.name } },
        cli: `openstack network set --name '${v.name}' ${row.id}`,
      }),
    },
  },
  remove,
]

const long = withStatus(byName)

const own: ListSpec = {
  key: 'networks',
  page: 'networks',
  rows: (data) => data.networks,
  columns: [
    {
      key: 'name',
      render: (row) => (
        <Link to="/networks/$id" params={{ id: row.id }}>
          {row.name || row.id}
        </Link>
      ),
    },
    { key: 'status', render: (row) => <Status value={row.status} /> },
    {
      key: 'subnets',
      text: (row, data) => subnets(row, data).join(' '),
      render: (row, data) => subnets(row, data).map((s) => <div key={s}>{s}</div>),
    },
    { key: 'shared', text: (row) => String(row.shared), render: (row) => (row.shared ? '✓' : '–') },
    { key: 'external', text: (row) => String(row['router:external']), render: (row) => (row['router:external'] ? '✓' : '–') },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: networkActions,
  bulk: [remove],
  create: { rule: 'create_network', form: creation },
  extra: (data) => <QuotaBars lines={networkLines(data, 'network', 'subnet')} />,
  call: { method: 'GET', service: 'network', path: '/networks', cli: 'openstack network list' },
  long,
}

function subnets(row: Row, data: PageData): string[] {
  return (data.subnets ?? []).filter((s: Row) => s.network_id === row.id).map((s: Row) => `${s.name} ${s.cidr}`.trim())
}

/** Those one may use: what others share, and the project's own behind them. */
export function usable(data: PageData, project?: string): Row[] {
  const others: Row[] = [...(data.shared ?? []), ...(data.external ?? [])].filter((n: Row) => n.project_id !== project)
  return [...new Map([...others, ...data.networks].map((n) => [n.id, n])).values()]
}

export function Networks() {
  const project = useSession().data?.project?.id
  const spec = useMemo(() => ({ ...own, rows: (data: PageData) => usable(data, project) }), [project])
  return <ListPage spec={spec} />
}

const everybodys: ListSpec = {
  ...own,
  key: 'adminNetworks',
  page: 'admin-networks',
  extra: undefined,
  long: ofProjects({ ...long, filter: { ...long.filter, shared: flag('shared'), external: flag('router:external') } }),
  columns: [
    ...own.columns.slice(0, -1),
    {
      key: 'physical',
      text: (row) => row['provider:network_type'] ?? '',
      render: (row) =>
        `${row['provider:network_type'] ?? '–'} ${row['provider:physical_network'] ?? row['provider:segmentation_id'] ?? ''}`,
    },
    projectColumn,
  ],
  create: {
    rule: 'create_network:provider:network_type',
    form: {
      title: 'createExternalNetwork',
      fields: () => [
        { name: 'name', required: true },
        { name: 'physical', required: true, initial: 'extnet' },
        { name: 'external', type: 'switch', initial: true },
        { name: 'shared', type: 'switch', initial: false },
        { name: 'withSubnet', type: 'switch', initial: true },
        { name: 'cidr', initial: '', pattern: cidr, help: 'cidr', when: (v) => v.withSubnet !== false },
        { name: 'gateway', help: 'gateway', when: (v) => v.withSubnet !== false },
        { name: 'poolStart', when: (v) => v.withSubnet !== false },
        { name: 'poolEnd', when: (v) => v.withSubnet !== false },
        { name: 'dhcp', type: 'switch', initial: false, when: (v) => v.withSubnet !== false },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'network',
        path: '/networks',
        body: {
          network: {
            name: v.name,
            'router:external': v.external,
            shared: v.shared,
            'provider:network_type': 'flat',
            'provider:physical_network': v.physical,
          },
        },
        cli: `openstack network create ${v.external ? '--external ' : ''}${v.shared ? '--share ' : ''}--provider-network-type flat --provider-physical-network ${v.physical} '${v.name}'`,
      }),
      done: creation.done,
    },
  },
}

export const AdminNetworks = () => <ListPage spec={everybodys} />

const removeSubnet: Action = {
  key: 'delete',
  rule: 'delete_subnet',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'network', path: `/subnets/${row.id}`, cli: `openstack subnet delete ${row.id}` }),
}

const removePort: Action = {
  key: 'delete',
  rule: 'delete_port',
  danger: true,
  disabled: (row) => (row.device_id ? 'attached' : undefined),
  calls: (row) => ({ method: 'DELETE', service: 'network', path: `/ports/${row.id}`, cli: `openstack port delete ${row.id}` }),
}

const addSubnet: FormSpec = {
  title: 'createSubnet',
  fields: () => [{ name: 'name', required: true }, ...subnetFields],
  calls: (v, row) => subnetCall(row.id, v.name, v),
}

const subnetTable: SubTableSpec = {
  rows: (_, data) => data.subnets,
  columns: [
    { key: 'name' },
    { key: 'cidr' },
    { key: 'gateway', render: (s) => s.gateway_ip ?? '–' },
    { key: 'dhcp', render: (s) => (s.enable_dhcp ? '✓' : '–') },
    { key: 'pools', render: (s) => s.allocation_pools.map((p: Row) => `${p.start} – ${p.end}`).join(', ') },
  ],
  actions: [removeSubnet],
  empty: 'network.noSubnets',
  add: { form: addSubnet, rule: 'create_subnet' },
}

const portTable: SubTableSpec = {
  rows: (_, data) => data.ports,
  columns: [
    { key: 'name', render: (p) => p.name || <Id value={p.id} short /> },
    { key: 'addresses', render: (p) => p.fixed_ips.map((i: Row) => i.ip_address).join(', ') },
    { key: 'mac', render: (p) => p.mac_address },
    { key: 'owner', render: ownerOf },
    { key: 'status', render: (p) => <Status value={p.status} /> },
  ],
  actions: [removePort],
  empty: 'network.noPorts',
}

const detail: DetailSpec = {
  page: 'network',
  row: (data) => data.network,
  status: (row) => ({ value: row.status }),
  actions: [remove],
  facts: (row) => [
    ['id', <Id key="id" value={row.id} />],
    ['mtu', row.mtu],
    ['shared', row.shared ? '✓' : '–'],
    ['external', row['router:external'] ? '✓' : '–'],
  ],
  tabs: [
    { key: 'subnets', table: subnetTable },
    { key: 'ports', table: portTable },
  ],
}

export function Network() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={detail} id={id} />
}
