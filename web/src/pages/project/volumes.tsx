import { Link } from '@tanstack/react-router'
import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { options } from '../../kit/form'
import { ago } from '../../kit/format'
import { ListPage, type ListSpec } from '../../kit/list'
import { isId, type Long } from '../../kit/long'
import { projectColumn } from '../../kit/project'
import { Status } from '../../kit/status'
import { QuotaBars, volumeLines } from '../quota'

const remove: Action = {
  key: 'delete',
  rule: 'volume:delete',
  danger: true,
  disabled: (row) => (row.attachments?.length ? 'attached' : undefined),
  calls: (row) => ({ method: 'DELETE', service: 'volume', path: `/volumes/${row.id}`, cli: `openstack volume delete ${row.id}` }),
}

const long: Long = {
  sort: { name: 'name', status: 'status', size: 'size', bootable: 'bootable', created: 'created_at', id: 'id' },
  filter: {
    '': (words): Record<string, string> => (isId(words) ? { id: words } : { 'name~': words }),
    name: (value) => ({ 'name~': value }),
    status: (value) => ({ status: value.toLowerCase() }),
    volume_type: (value) => ({ volume_type: value }),
    bootable: (value) => ({ bootable: value }),
    id: (value) => ({ id: value }),
  },
}

const own: ListSpec = {
  key: 'volumes',
  page: 'volumes',
  rows: (data) => data.volumes,
  columns: [
    { key: 'name', render: (row) => row.name || row.id },
    { key: 'status', render: (row) => <Status value={row.status} /> },
    { key: 'size', title: 'bytes', text: (row) => row.size, render: (row) => `${row.size} GiB` },
    { key: 'volume_type', title: 'type' },
    { key: 'bootable', render: (row) => (row.bootable === 'true' ? '✓' : '–') },
    {
      key: 'attachedTo',
      text: (row) => row.attachments?.map((a: Row) => a.server_id).join(' ') ?? '',
      render: (row, data) =>
        row.attachments?.map((a: Row) => (
          <Link key={a.attachment_id} to="/servers/$id" params={{ id: a.server_id }}>
            {data.servers?.find((s: Row) => s.id === a.server_id)?.name ?? a.server_id} ({a.device})
          </Link>
        )),
    },
    { key: 'created', text: (row) => row.created_at, render: (row) => ago(row.created_at) },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [
    {
      key: 'attachTo',
      rule: 'os_compute_api:os-volumes-attachments:create',
      show: (row) => row.status === 'available',
      form: {
        title: 'attachTo',
        fields: (data) => [
          {
            name: 'server',
            type: 'select',
            required: true,
            options: options(data.servers),
          },
        ],
        calls: (v, row) => ({
          method: 'POST',
          service: 'compute',
          path: `/servers/${v.server}/os-volume_attachments`,
          body: { volumeAttachment: { volumeId: row.id } },
          cli: `openstack server add volume ${v.server} ${row.id}`,
        }),
      },
    },
    {
      key: 'detach',
      rule: 'os_compute_api:os-volumes-attachments:delete',
      show: (row) => row.attachments?.length > 0,
      confirm: true,
      calls: (row) =>
        row.attachments.map((a: Row) => ({
          method: 'DELETE',
          service: 'compute',
          path: `/servers/${a.server_id}/os-volume_attachments/${row.id}`,
          cli: `openstack server remove volume ${a.server_id} ${row.id}`,
        })),
    },
    {
      key: 'extend',
      rule: 'volume:extend',
      show: (row) => row.status === 'available',
      form: {
        title: 'extend',
        fields: (_, row) => [{ name: 'size', type: 'number', min: (row?.size ?? 0) + 1, required: true, initial: (row?.size ?? 0) + 1 }],
        calls: (v, row) => ({
          method: 'POST',
          service: 'volume',
          path: `/volumes/${row.id}/action`,
          body: { 'os-extend': { new_size: v.size } },
          cli: `openstack volume set --size ${v.size} ${row.id}`,
        }),
      },
    },
    {
      key: 'rename',
      rule: 'volume:update',
      form: {
        title: 'rename',
        fields: (_, row) => [{ name: 'name', required: true, initial: row?.name }],
        calls: (v, row) => ({
          method: 'PUT',
          service: 'volume',
          path: `/volumes/${row.id}`,
          body: { volume: { name: v.name } },
          cli: `openstack volume set --name '${v.name}' ${row.id}`,
        }),
      },
    },
    remove,
  ],
  bulk: [remove],
  create: {
    rule: 'volume:create',
    form: {
      title: 'createVolume',
      fields: (data) => [
        { name: 'name', required: true },
        { name: 'size', type: 'number', min: 1, required: true, initial: 1 },
        { name: 'type', type: 'select', options: (data.types ?? []).map((ty: Row) => ({ value: ty.name, label: ty.name })) },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'volume',
        path: '/volumes',
        body: { volume: { name: v.name, size: v.size, ...(v.type ? { volume_type: v.type } : {}) } },
        cli: `openstack volume create --size ${v.size} ${v.type ? `--type ${v.type} ` : ''}'${v.name}'`,
        terraform: `resource "openstack_blockstorage_volume_v3" "${v.name}" {\n  name = "${v.name}"\n  size = ${v.size}\n}`,
      }),
    },
  },
  extra: (data) => <QuotaBars lines={volumeLines(data.limits)} />,
  call: { method: 'GET', service: 'volume', path: '/volumes/detail', cli: 'openstack volume list --long' },
  long,
}

export const Volumes = () => <ListPage spec={own} />

const everybodys: ListSpec = {
  ...own,
  key: 'adminVolumes',
  params: { all_tenants: '1' },
  create: undefined,
  extra: undefined,
  columns: [...own.columns.slice(0, -1), projectColumn],
  long: { ...long, filter: { ...long.filter, project_id: (value) => ({ project_id: value }) } },
}

export const AdminVolumes = () => <ListPage spec={everybodys} />
