import { Link, useParams } from '@tanstack/react-router'
import { Alert, Typography } from 'antd'
import type { Action } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import { addresses, time } from '../../kit/format'
import { Status } from '../../kit/status'
import type { SubTableSpec } from '../../kit/subtable'
import { Log } from '../console/log'
import { ServerRequests } from '../trace/server'
import { Circumstances, Scheduling } from '../trace/why'
import { ActionLog, Build } from './serverlog'
import { imageName, serverActions } from './servers'

/** Why the server is in error: the fault says what each filter refused. */
function Fault({ row }: { row: Row }) {
  return (
    <Alert
      type="error"
      showIcon
      title={row.fault.message}
      description={
        <>
          <p>{time(row.fault.created)}</p>
          {row.fault.details ? <pre className="code">{row.fault.details}</pre> : null}
        </>
      }
    />
  )
}

const detach: Action = {
  key: 'detachVolume',
  rule: 'os_compute_api:os-volumes-attachments:delete',
  confirm: true,
  calls: (a) => ({
    method: 'DELETE',
    service: 'compute',
    path: `/servers/${a.serverId}/os-volume_attachments/${a.volumeId}`,
    cli: `openstack server remove volume ${a.serverId} ${a.volumeId}`,
  }),
}

const volumeOf = (a: Row, data: PageData): Row | undefined => data.volumes?.find((v: Row) => v.id === a.volumeId)

const volumes: SubTableSpec = {
  rows: (_, data) => data.attachments?.map((a: Row) => ({ ...a, name: volumeOf(a, data)?.name || a.volumeId })),
  rowKey: 'volumeId',
  columns: [{ key: 'name' }, { key: 'size', render: (a, data) => volumeOf(a, data)?.size ?? '–' }, { key: 'device' }],
  actions: [detach],
  empty: 'server.noVolumes',
  add: adding('attachVolume'),
}

const unplug: Action = {
  key: 'detachInterface',
  rule: 'os_compute_api:os-attach-interfaces:delete',
  confirm: true,
  calls: (p) => ({
    method: 'DELETE',
    service: 'compute',
    path: `/servers/${p.device_id}/os-interface/${p.id}`,
    cli: `openstack server remove port ${p.device_id} ${p.id}`,
  }),
}

const nameIn = (rows: Row[] | undefined, id: string): string => rows?.find((r) => r.id === id)?.name ?? id

const interfaces: SubTableSpec = {
  rows: (_, data) => data.ports,
  columns: [
    {
      key: 'network',
      render: (p, data) => (
        <Link to="/networks/$id" params={{ id: p.network_id }}>
          {nameIn(data.networks, p.network_id)}
        </Link>
      ),
    },
    { key: 'addresses', render: (p) => p.fixed_ips.map((i: Row) => i.ip_address).join(', ') },
    { key: 'mac', render: (p) => p.mac_address },
    { key: 'securityGroups', render: (p, data) => p.security_groups.map((g: string) => nameIn(data.security_groups, g)).join(', ') },
    { key: 'status', render: (p) => <Status value={p.status} /> },
  ],
  actions: [unplug],
  empty: 'server.noInterfaces',
  add: adding('attachInterface'),
}

const groupOf = (name: string, row: Row, data: PageData): Row | undefined =>
  data.security_groups?.find((g: Row) => g.name === name && (!g.project_id || g.project_id === row.tenant_id))

const groupCall = (row: Row, body: 'addSecurityGroup' | 'removeSecurityGroup', name: string): Call => ({
  method: 'POST',
  service: 'compute',
  path: `/servers/${row.id}/action`,
  body: { [body]: { name } },
  cli: `openstack server ${body === 'addSecurityGroup' ? 'add' : 'remove'} security group ${row.id} ${name}`,
})

const securityGroups: SubTableSpec = {
  rows: (row, data) => {
    const names = [...new Set((row.security_groups ?? []).map((g: Row) => g.name as string))] as string[]
    return names.map((name) => ({ ...groupOf(name, row, data), id: row.id, name, group: groupOf(name, row, data)?.id }))
  },
  rowKey: 'name',
  columns: [
    {
      key: 'name',
      render: (g) =>
        g.group ? (
          <Link to="/security-groups/$id" params={{ id: g.group }}>
            {g.name}
          </Link>
        ) : (
          g.name
        ),
    },
    { key: 'description' },
    { key: 'rules', render: (g) => g.security_group_rules?.length ?? '–' },
  ],
  actions: [
    {
      key: 'removeSecurityGroup',
      rule: 'os_compute_api:os-security-groups:remove',
      confirm: true,
      calls: (g) => groupCall(g, 'removeSecurityGroup', g.name),
    },
  ],
  empty: 'server.noSecurityGroups',
  add: {
    rule: 'os_compute_api:os-security-groups:add',
    form: {
      title: 'addSecurityGroup',
      fields: (data, row) => [
        {
          name: 'securityGroup',
          type: 'select',
          required: true,
          options: (data.security_groups ?? [])
            .filter((g: Row) => g.project_id === row?.tenant_id && !row?.security_groups?.some((had: Row) => had.name === g.name))
            .map((g: Row) => ({ value: g.name, label: g.name })),
        },
      ],
      calls: (v, row) => groupCall(row, 'addSecurityGroup', v.securityGroup),
    },
  },
}

/** The form one of the server's actions opens, beside the table of what it adds to. */
function adding(key: string): SubTableSpec['add'] {
  const action = serverActions.find((a) => a.key === key)
  return action?.form && action.rule ? { form: action.form, rule: action.rule } : undefined
}

const spec: DetailSpec = {
  page: 'server',
  row: (data) => data.server,
  status: (row) => ({ value: row.status, task: row['OS-EXT-STS:task_state'] }),
  actions: serverActions,
  facts: (row, data) => [
    ['id', <Id key="id" value={row.id} />],
    ['addresses', addresses(row).fixed.join(', ') || '–'],
    [
      'floatingIp',
      addresses(row).floating.length === 0
        ? '–'
        : addresses(row).floating.map((a) => (
            <Typography.Text copyable key={a}>
              {a}
            </Typography.Text>
          )),
    ],
    ['flavor', `${row.flavor?.original_name} (${row.flavor?.vcpus} vCPU, ${row.flavor?.ram} MiB, ${row.flavor?.disk} GiB)`],
    ['image', imageName(row, data) || '–'],
    ['keypair', row.key_name || '–'],
    ['zone', row['OS-EXT-AZ:availability_zone'] || '–'],
    ['host', row['OS-EXT-SRV-ATTR:host'] || '–'],
    ['created', time(row.created)],
    ['launched', time(row['OS-SRV-USG:launched_at'])],
  ],
  tabs: [
    { key: 'build', show: (row) => row.status === 'BUILD', render: (row) => <Build row={row} /> },
    {
      key: 'why',
      show: (row) => row.fault !== undefined,
      render: (row, data) => (
        <>
          <Fault row={row} />
          <Circumstances id={row.id} actions={data.actions} />
        </>
      ),
    },
    { key: 'log', render: (row) => <Log row={row} /> },
    { key: 'volumes', table: volumes },
    { key: 'interfaces', table: interfaces },
    { key: 'securityGroups', table: securityGroups },
    { key: 'actions', render: (_, data) => <ActionLog data={data} /> },
    { key: 'requests', render: (row) => <ServerRequests id={row.id} /> },
    { key: 'scheduling', render: (row) => <Scheduling id={row.id} /> },
  ],
}

export function Server() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={spec} id={id} />
}
