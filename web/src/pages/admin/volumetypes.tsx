import type { Action } from '../../kit/actions'
import { Id } from '../../kit/detail'
import { ListPage, type ListSpec } from '../../kit/list'

const remove: Action = {
  key: 'delete',
  rule: 'volume_extension:type_delete',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'volume', path: `/types/${row.id}`, cli: `openstack volume type delete ${row.id}` }),
}

const spec: ListSpec = {
  key: 'volumeTypes',
  page: 'volume-types',
  rows: (data) => data.types,
  columns: [
    { key: 'name' },
    { key: 'description' },
    { key: 'public', text: (row) => String(row.is_public), render: (row) => (row.is_public ? '✓' : '–') },
    { key: 'id', render: (row) => <Id value={row.id} /> },
  ],
  actions: [remove],
  create: {
    rule: 'volume_extension:type_create',
    form: {
      title: 'createVolumeType',
      fields: () => [{ name: 'name', required: true }, { name: 'description' }, { name: 'public', type: 'switch', initial: true }],
      calls: (v) => ({
        method: 'POST',
        service: 'volume',
        path: '/types',
        body: { volume_type: { name: v.name, description: v.description ?? '', 'os-volume-type-access:is_public': v.public } },
        cli: `openstack volume type create ${v.public ? '--public' : '--private'} '${v.name}'`,
      }),
    },
  },
  call: { method: 'GET', service: 'volume', path: '/types', cli: 'openstack volume type list' },
}

export const VolumeTypes = () => <ListPage spec={spec} />
