import { Link } from '@tanstack/react-router'
import { Typography } from 'antd'
import type { Action } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { options } from '../../kit/form'
import { addresses, ago, time } from '../../kit/format'
import type { ListSpec } from '../../kit/list'
import { ListPage } from '../../kit/list'
import { isAddress, type Long } from '../../kit/long'
import { projectColumn } from '../../kit/project'
import { Status } from '../../kit/status'
import { openConsole } from '../console/open'
import { computeLines, QuotaBars } from '../quota'

const act = (row: Row, body: unknown, cli: string): Call => ({
  method: 'POST',
  service: 'compute',
  path: `/servers/${row.id}/action`,
  body,
  cli: `openstack server ${cli} ${row.id}`,
})

const rule = (name: string) => `os_compute_api:${name}`
const busy = (row: Row) => (row['OS-EXT-STS:task_state'] ? 'busy' : undefined)
const status =
  (...all: string[]) =>
  (row: Row) =>
    all.includes(row.status)

const remove: Action = {
  key: 'deleteServer',
  rule: rule('servers:delete'),
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'compute', path: `/servers/${row.id}`, cli: `openstack server delete ${row.id}` }),
}

export const serverActions: Action[] = [
  {
    key: 'console',
    rule: rule('os-remote-consoles'),
    show: status('ACTIVE', 'PAUSED', 'REBOOT', 'HARD_REBOOT'),
    go: (row) => openConsole(row.id, row.name, 'vnc'),
  },
  {
    key: 'serialConsole',
    rule: rule('os-remote-consoles'),
    show: status('ACTIVE', 'PAUSED', 'REBOOT', 'HARD_REBOOT'),
    go: (row) => openConsole(row.id, row.name, 'serial'),
  },
  {
    key: 'start',
    rule: rule('servers:start'),
    show: status('SHUTOFF'),
    disabled: busy,
    calls: (row) => act(row, { 'os-start': null }, 'start'),
  },
  {
    key: 'stop',
    rule: rule('servers:stop'),
    show: status('ACTIVE', 'ERROR'),
    disabled: busy,
    confirm: true,
    calls: (row) => act(row, { 'os-stop': null }, 'stop'),
  },
  {
    key: 'reboot',
    rule: rule('servers:reboot'),
    show: status('ACTIVE'),
    disabled: busy,
    confirm: true,
    calls: (row) => act(row, { reboot: { type: 'SOFT' } }, 'reboot'),
  },
  {
    key: 'rebootHard',
    rule: rule('servers:reboot'),
    show: status('ACTIVE', 'SHUTOFF', 'ERROR'),
    disabled: busy,
    confirm: true,
    calls: (row) => act(row, { reboot: { type: 'HARD' } }, 'reboot --hard'),
  },
  {
    key: 'rename',
    rule: rule('servers:update'),
    form: {
      title: 'rename',
      fields: (_, row) => [{ name: 'name', required: true, initial: row?.name }],
      calls: (v, row) => ({
        method: 'PUT',
        service: 'compute',
        path: `/servers/${row.id}`,
        body: { server: { name: v.name } },
        cli: `openstack server set --name '${v.name}' ${row.id}`,
      }),
    },
  },
  {
    key: 'attachVolume',
    rule: rule('os-volumes-attachments:create'),
    show: status('ACTIVE', 'SHUTOFF'),
    form: {
      title: 'attachVolume',
      fields: (data) => [
        {
          name: 'volume',
          type: 'select',
          required: true,
          options: (data.volumes ?? [])
            .filter((v: Row) => v.status === 'available')
            .map((v: Row) => ({ value: v.id, label: `${v.name || v.id} (${v.size} GiB)` })),
        },
        { name: 'device', help: 'device' },
      ],
      calls: (v, row) => ({
        method: 'POST',
        service: 'compute',
        path: `/servers/${row.id}/os-volume_attachments`,
        body: { volumeAttachment: { volumeId: v.volume, ...(v.device ? { device: v.device } : {}) } },
        cli: `openstack server add volume ${row.id} ${v.volume}${v.device ? ` --device ${v.device}` : ''}`,
      }),
    },
  },
  {
    key: 'attachInterface',
    rule: rule('os-attach-interfaces:create'),
    show: status('ACTIVE', 'SHUTOFF'),
    form: {
      title: 'attachInterface',
      fields: (data) => [
        {
          name: 'network',
          type: 'select',
          required: true,
          options: options(data.networks),
        },
      ],
      calls: (v, row) => ({
        method: 'POST',
        service: 'compute',
        path: `/servers/${row.id}/os-interface`,
        body: { interfaceAttachment: { net_id: v.network } },
        cli: `openstack server add network ${row.id} ${v.network}`,
      }),
    },
  },
  {
    key: 'addFloatingIp',
    rule: 'update_floatingip',
    show: status('ACTIVE', 'SHUTOFF'),
    form: {
      title: 'addFloatingIp',
      fields: (data) => [
        {
          name: 'floatingip',
          type: 'select',
          required: true,
          options: (data.floatingips ?? []).filter((f: Row) => !f.port_id).map((f: Row) => ({ value: f.id, label: f.floating_ip_address })),
        },
        {
          name: 'port',
          type: 'select',
          required: true,
          initial: data.ports?.[0]?.id,
          options: (data.ports ?? []).map((p: Row) => ({ value: p.id, label: p.fixed_ips.map((i: Row) => i.ip_address).join(', ') })),
        },
      ],
      calls: (v, row, data) => ({
        method: 'PUT',
        service: 'network',
        path: `/floatingips/${v.floatingip}`,
        body: { floatingip: { port_id: v.port } },
        cli: `openstack server add floating ip ${row.id} ${(data.floatingips ?? []).find((f: Row) => f.id === v.floatingip)?.floating_ip_address ?? ''}`,
      }),
    },
  },
  remove,
]

export const imageName = (row: Row, data: PageData): string => {
  const id = row.image?.id
  if (!id) return ''
  return (data.images ?? []).find((i: Row) => i.id === id)?.name ?? id
}

const columns: ListSpec['columns'] = [
  {
    key: 'name',
    render: (row) => (
      <Link to="/servers/$id" params={{ id: row.id }}>
        {row.name || row.id}
      </Link>
    ),
  },
  {
    key: 'status',
    values: ['ACTIVE', 'BUILD', 'ERROR', 'PAUSED', 'SHUTOFF'],
    render: (row) => <Status value={row.status} task={row['OS-EXT-STS:task_state']} />,
  },
  { key: 'addresses', text: (row) => addresses(row).fixed.join(' '), render: (row) => addresses(row).fixed.join(', ') || '–' },
  {
    key: 'floatingIp',
    text: (row) => addresses(row).floating.join(' '),
    render: (row) =>
      addresses(row).floating.map((a) => (
        <Typography.Text copyable key={a}>
          {a}
        </Typography.Text>
      )),
  },
  { key: 'image', text: imageName, render: (row, data) => imageName(row, data) || '–' },
  { key: 'flavor', text: (row) => row.flavor?.original_name ?? '', render: (row) => row.flavor?.original_name ?? '–' },
  {
    key: 'zone',
    text: (row) => row['OS-EXT-AZ:availability_zone'] ?? '',
    render: (row) => row['OS-EXT-AZ:availability_zone'] || '–',
    hidden: true,
  },
  { key: 'created', text: (row) => row.created, render: (row) => <span title={time(row.created)}>{ago(row.created)}</span> },
  { key: 'id', render: (row) => <Id value={row.id} />, hidden: true },
]

const listActions = serverActions.filter((a) => !['attachVolume', 'attachInterface', 'addFloatingIp'].includes(a.key))

// Nova's filters by name and address are regular expressions.
const literal = (typed: string) => `(?i)${typed.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`

const long: Long = {
  sort: {
    name: 'display_name',
    status: 'vm_state',
    zone: 'availability_zone',
    created: 'created_at',
    host: 'host',
    project_id: 'project_id',
    id: 'uuid',
  },
  filter: {
    '': (words): Record<string, string> => (isAddress(words) ? { ip: literal(words) } : { name: literal(words) }),
    name: (value) => ({ name: literal(value) }),
    status: (value) => ({ status: value.toUpperCase() }),
    addresses: (value) => ({ ip: literal(value) }),
    zone: (value) => ({ availability_zone: value }),
  },
}

const own: ListSpec = {
  key: 'servers',
  page: 'servers',
  rows: (data) => data.servers,
  columns,
  actions: listActions,
  bulk: [...serverActions.filter((a) => ['start', 'stop', 'reboot'].includes(a.key)), remove],
  create: { rule: rule('servers:create'), to: '/servers/new' },
  extra: (data) => <QuotaBars lines={computeLines(data)} />,
  call: { method: 'GET', service: 'compute', path: '/servers/detail', cli: 'openstack server list --long' },
  long,
}

export const Servers = () => <ListPage spec={own} />

const everybodys: ListSpec = {
  ...own,
  key: 'adminServers',
  params: { all_tenants: '1' },
  create: undefined,
  extra: undefined,
  columns: [
    columns[0],
    { key: 'host', text: (row) => row['OS-EXT-SRV-ATTR:host'] ?? '', render: (row) => row['OS-EXT-SRV-ATTR:host'] || '–' },
    projectColumn,
    ...columns.slice(1),
  ],
  call: { method: 'GET', service: 'compute', path: '/servers/detail?all_tenants=1', cli: 'openstack server list --all-projects --long' },
  long: { ...long, filter: { ...long.filter, host: (value) => ({ host: value }), project_id: (value) => ({ project_id: value }) } },
}

export const AdminServers = () => <ListPage spec={everybodys} />
