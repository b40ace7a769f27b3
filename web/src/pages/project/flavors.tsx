import type { Action } from '../../kit/actions'
import { Id } from '../../kit/detail'
import { ListPage, type ListSpec } from '../../kit/list'

const own: ListSpec = {
  key: 'flavors',
  page: 'flavors',
  rows: (data) => data.flavors,
  columns: [
    { key: 'name' },
    { key: 'vcpus' },
    { key: 'ram' },
    { key: 'disk' },
    {
      key: 'public',
      text: (row) => String(row['os-flavor-access:is_public']),
      render: (row) => (row['os-flavor-access:is_public'] ? '✓' : '–'),
    },
    { key: 'id', render: (row) => <Id value={row.id} /> },
  ],
  call: { method: 'GET', service: 'compute', path: '/flavors/detail', cli: 'openstack flavor list' },
}

export const Flavors = () => <ListPage spec={own} />

const remove: Action = {
  key: 'delete',
  rule: 'os_compute_api:os-flavor-manage:delete',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'compute', path: `/flavors/${row.id}`, cli: `openstack flavor delete ${row.id}` }),
}

const everybodys: ListSpec = {
  ...own,
  key: 'adminFlavors',
  actions: [remove],
  bulk: [remove],
  create: {
    rule: 'os_compute_api:os-flavor-manage:create',
    form: {
      title: 'createFlavor',
      fields: () => [
        { name: 'name', required: true },
        { name: 'vcpus', type: 'number', min: 1, required: true, initial: 1 },
        { name: 'ram', type: 'number', min: 1, required: true, initial: 512 },
        { name: 'disk', type: 'number', min: 0, required: true, initial: 1 },
        { name: 'public', type: 'switch', initial: true },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'compute',
        path: '/flavors',
        body: { flavor: { name: v.name, vcpus: v.vcpus, ram: v.ram, disk: v.disk, 'os-flavor-access:is_public': v.public } },
        cli: `openstack flavor create --vcpus ${v.vcpus} --ram ${v.ram} --disk ${v.disk} ${v.public ? '--public' : '--private'} '${v.name}'`,
      }),
    },
  },
}

export const AdminFlavors = () => <ListPage spec={everybodys} />
