import type { Action } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import { options } from '../../kit/form'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'

const path = (id: string) => `/OS-FEDERATION/identity_providers/${encodeURIComponent(id)}`

const protocols = (row: Row, data: PageData): Row[] => data.protocols?.[row.id] ?? []

const change = (row: Row, body: Row, cli: string): Call => ({
  method: 'PATCH',
  service: 'identity',
  path: path(row.id),
  body: { identity_provider: body },
  cli: `openstack identity provider set ${cli} ${row.id}`,
})

const remove: Action = {
  key: 'delete',
  rule: 'identity:delete_identity_provider',
  danger: true,
  calls: (row) => ({ method: 'DELETE', service: 'identity', path: path(row.id), cli: `openstack identity provider delete ${row.id}` }),
}

const spec: ListSpec = {
  key: 'idps',
  page: 'idps',
  params: {},
  rows: (data) => data.idps,
  columns: [
    { key: 'id', title: 'name' },
    { key: 'description' },
    {
      key: 'domain',
      text: (row, data) => (data.domains ?? []).find((d: Row) => d.id === row.domain_id)?.name ?? row.domain_id ?? '',
      render: (row, data) => (data.domains ?? []).find((d: Row) => d.id === row.domain_id)?.name ?? row.domain_id ?? '–',
    },
    {
      key: 'remoteIds',
      text: (row) => row.remote_ids.join(' '),
      render: (row) => row.remote_ids.map((r: string) => <div key={r}>{r}</div>),
    },
    {
      key: 'protocols',
      text: (row, data) =>
        protocols(row, data)
          .map((p) => p.id)
          .join(' '),
      render: (row, data) => protocols(row, data).map((p) => <div key={p.id}>{`${p.id} → ${p.mapping_id}`}</div>),
    },
    { key: 'status', text: (row) => String(row.enabled), render: (row) => <Status value={row.enabled ? 'enabled' : 'disabled'} /> },
  ],
  actions: [
    {
      key: 'addProtocol',
      rule: 'identity:create_protocol',
      form: {
        title: 'addProtocol',
        fields: (data) => [
          { name: 'protocol', required: true, initial: 'openid' },
          { name: 'mapping', type: 'select', required: true, options: options(data.mappings) },
        ],
        calls: (v, row) => ({
          method: 'PUT',
          service: 'identity',
          path: `${path(row.id)}/protocols/${encodeURIComponent(v.protocol)}`,
          body: { protocol: { mapping_id: v.mapping } },
          cli: `openstack federation protocol create --identity-provider ${row.id} --mapping ${v.mapping} ${v.protocol}`,
        }),
      },
    },
    {
      key: 'enable',
      rule: 'identity:update_identity_provider',
      show: (row) => !row.enabled,
      calls: (row) => change(row, { enabled: true }, '--enable'),
    },
    {
      key: 'disable',
      rule: 'identity:update_identity_provider',
      show: (row) => row.enabled,
      confirm: true,
      calls: (row) => change(row, { enabled: false }, '--disable'),
    },
    remove,
  ],
  create: {
    rule: 'identity:create_identity_provider',
    form: {
      title: 'createIdp',
      fields: (data) => [
        { name: 'name', required: true, pattern: /^[\w.-]+$/ },
        { name: 'description' },
        { name: 'domain', type: 'select', options: options(data.domains), help: 'idpDomain' },
        { name: 'remoteIds', type: 'tags', initial: [], help: 'remoteIds' },
        { name: 'enabled', type: 'switch', initial: true },
      ],
      calls: (v) => ({
        method: 'PUT',
        service: 'identity',
        path: path(v.name),
        body: {
          identity_provider: {
            description: v.description ?? '',
            enabled: v.enabled,
            remote_ids: v.remoteIds ?? [],
            ...(v.domain ? { domain_id: v.domain } : {}),
          },
        },
        cli: `openstack identity provider create ${(v.remoteIds ?? []).map((r: string) => `--remote-id ${r} `).join('')}${v.domain ? `--domain ${v.domain} ` : ''}${v.name}`,
      }),
    },
  },
  call: { method: 'GET', service: 'identity', path: '/OS-FEDERATION/identity_providers', cli: 'openstack identity provider list' },
}

export const IdentityProviders = () => <ListPage spec={spec} />
