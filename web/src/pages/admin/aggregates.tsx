import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import { ListPage, type ListSpec } from '../../kit/list'

const remove: Action = {
  key: 'delete',
  rule: 'os_compute_api:os-aggregates:delete',
  danger: true,
  disabled: (row) => (row.hosts?.length ? 'hasHosts' : undefined),
  calls: (row) => ({ method: 'DELETE', service: 'compute', path: `/os-aggregates/${row.id}`, cli: `openstack aggregate delete ${row.id}` }),
}

const host = (key: 'addHost' | 'removeHost', api: string, cli: string): Action => ({
  key,
  rule: `os_compute_api:os-aggregates:${api}`,
  form: {
    title: key,
    fields: (data, row) => [
      {
        name: 'host',
        type: 'select',
        required: true,
        options: (key === 'addHost'
          ? (data.hypervisors ?? []).map((h: Row) => h.hypervisor_hostname as string).filter((h: string) => !row?.hosts.includes(h))
          : (row?.hosts ?? [])
        ).map((value: string) => ({ value, label: value })),
      },
    ],
    calls: (v, row) => ({
      method: 'POST',
      service: 'compute',
      path: `/os-aggregates/${row.id}/action`,
      body: { [api]: { host: v.host } },
      cli: `openstack aggregate ${cli} host ${row.id} ${v.host}`,
    }),
  },
})

const spec: ListSpec = {
  key: 'aggregates',
  page: 'aggregates',
  rows: (data) => data.aggregates,
  columns: [
    { key: 'name' },
    { key: 'zone', text: (row) => row.availability_zone ?? '', render: (row) => row.availability_zone ?? '–' },
    { key: 'hosts', text: (row) => row.hosts.join(' '), render: (row) => row.hosts.join(', ') || '–' },
    {
      key: 'metadata',
      text: (row) => JSON.stringify(row.metadata),
      render: (row) => Object.entries(row.metadata).map(([k, v]) => <div key={k}>{`${k}=${v}`}</div>),
    },
  ],
  actions: [host('addHost', 'add_host', 'add'), host('removeHost', 'remove_host', 'remove'), remove],
  bulk: [remove],
  create: {
    rule: 'os_compute_api:os-aggregates:create',
    form: {
      title: 'createAggregate',
      fields: () => [{ name: 'name', required: true }, { name: 'zone' }],
      calls: (v) => ({
        method: 'POST',
        service: 'compute',
        path: '/os-aggregates',
        body: { aggregate: { name: v.name, availability_zone: v.zone || null } },
        cli: `openstack aggregate create ${v.zone ? `--zone ${v.zone} ` : ''}'${v.name}'`,
      }),
    },
  },
  call: { method: 'GET', service: 'compute', path: '/os-aggregates', cli: 'openstack aggregate list --long' },
}

export const Aggregates = () => <ListPage spec={spec} />
