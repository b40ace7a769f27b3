import { Link } from '@tanstack/react-router'
import i18next from 'i18next'
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { options } from '../../kit/form'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { isAddress, type Long } from '../../kit/long'
import { Status } from '../../kit/status'
import { networkLines, QuotaBars } from '../quota'
import { byName, withStatus } from './neutron'

const remove: Action = {
  key: 'delete',
  rule: 'delete_port',
  danger: true,
  disabled: (row) => (row.device_id ? 'attached' : undefined),
  calls: (row) => ({ method: 'DELETE', service: 'network', path: `/ports/${row.id}`, cli: `openstack port delete ${row.id}` }),
}

const named = (rows: Row[] | undefined, id: string): string => (rows ?? []).find((r) => r.id === id)?.name || id
const ips = (row: Row): string => row.fixed_ips.map((i: Row) => i.ip_address).join(', ')

const edit: Action = {
  key: 'edit',
  rule: 'update_port',
  form: {
    title: 'edit',
    fields: (data, row) => [
      { name: 'name', initial: row?.name },
      { name: 'securityGroups', type: 'multi', initial: row?.security_groups, options: options(data.security_groups) },
      { name: 'adminUp', type: 'switch', initial: row?.admin_state_up },
    ],
    calls: (v, row) => ({
      method: 'PUT',
      service: 'network',
      path: `/ports/${row.id}`,
      body: { port: { name: v.name ?? '', security_groups: v.securityGroups ?? [], admin_state_up: v.adminUp } },
      cli: `openstack port set --name '${v.name ?? ''}' --no-security-group ${(v.securityGroups ?? []).map((g: string) => `--security-group ${g} `).join('')}--${v.adminUp ? 'enable' : 'disable'} ${row.id}`,
    }),
  },
}

/** What kind of thing has a port: its own word if it is a known one. */
export function ownerOf(row: Row): string {
  const [kind, what = ''] = String(row.device_owner ?? '').split(':')
  const key = `portOwners.${kind === 'compute' ? kind : what}`
  return i18next.exists(key) ? t(key) : row.device_owner || '–'
}

/** Where a port is plugged in. */
function Device({ row, data }: { row: Row; data: PageData }) {
  if (!row.device_id) return <>–</>
  const server = (data.servers ?? []).find((s: Row) => s.id === row.device_id)
  if (!server) return <>{ownerOf(row)}</>
  return (
    <Link to="/servers/$id" params={{ id: server.id }}>
      {server.name}
    </Link>
  )
}

const address = (part: string) => ({ fixed_ips: `ip_address_substr=${part}` })

const things = withStatus(byName)

const long: Long = {
  sort: { ...things.sort, mac: 'mac_address' },
  filter: {
    ...things.filter,
    '': (words) => (isAddress(words) ? address(words) : things.filter[''](words)),
    addresses: address,
    mac: (value) => ({ mac_address: value }),
  },
}

const spec: ListSpec = {
  key: 'ports',
  page: 'ports',
  rows: (data) => data.ports,
  columns: [
    { key: 'name', text: (row) => row.name || row.id, render: (row) => row.name || <Id value={row.id} short /> },
    { key: 'status', render: (row) => <Status value={row.status} /> },
    {
      key: 'network',
      text: (row, data) => named(data.networks, row.network_id),
      render: (row, data) => (
        <Link to="/networks/$id" params={{ id: row.network_id }}>
          {named(data.networks, row.network_id)}
        </Link>
      ),
    },
    { key: 'addresses', text: ips, render: ips },
    { key: 'mac', text: (row) => row.mac_address, render: (row) => row.mac_address },
    {
      key: 'attachedTo',
      text: (row, data) => `${named(data.servers, row.device_id)} ${row.device_owner}`,
      render: (row, data) => <Device row={row} data={data} />,
    },
    {
      key: 'securityGroups',
      text: (row, data) => row.security_groups.map((g: string) => named(data.security_groups, g)).join(' '),
      render: (row, data) => row.security_groups.map((g: string) => named(data.security_groups, g)).join(', ') || '–',
      hidden: true,
    },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [edit, remove],
  bulk: [remove],
  create: {
    rule: 'create_port',
    form: {
      title: 'createPort',
      fields: (data) => [
        { name: 'name' },
        {
          name: 'network',
          type: 'select',
          required: true,
          options: options((data.networks ?? []).filter((n: Row) => !n['router:external'])),
        },
        { name: 'fixedIp', help: 'fixedIp' },
        { name: 'securityGroups', type: 'multi', options: options(data.security_groups) },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'network',
        path: '/ports',
        body: {
          port: {
            name: v.name ?? '',
            network_id: v.network,
            ...(v.fixedIp ? { fixed_ips: [{ ip_address: v.fixedIp }] } : {}),
            ...(v.securityGroups?.length ? { security_groups: v.securityGroups } : {}),
          },
        },
        cli: `openstack port create --network ${v.network}${v.fixedIp ? ` --fixed-ip ip-address=${v.fixedIp}` : ''}${(v.securityGroups ?? []).map((g: string) => ` --security-group ${g}`).join('')} '${v.name ?? ''}'`,
        terraform: `resource "openstack_networking_port_v2" "port" {\n  name       = "${v.name ?? ''}"\n  network_id = "${v.network}"\n}`,
      }),
    },
  },
  extra: (data) => <QuotaBars lines={networkLines(data, 'port')} />,
  call: { method: 'GET', service: 'network', path: '/ports', cli: 'openstack port list --long' },
  long,
}

export const Ports = () => <ListPage spec={spec} />
