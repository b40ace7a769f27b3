import { Link } from '@tanstack/react-router'
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { QuotaBars } from '../quota'

const remove: Action = {
  key: 'delete',
  rule: 'os_compute_api:os-server-groups:delete',
  danger: true,
  calls: (row) => ({
    method: 'DELETE',
    service: 'compute',
    path: `/os-server-groups/${row.id}`,
    cli: `openstack server group delete ${row.id}`,
  }),
}

const policies = ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity']

const name = (id: string, data: PageData): string => (data.servers ?? []).find((s: Row) => s.id === id)?.name ?? id

const spec: ListSpec = {
  key: 'serverGroups',
  page: 'server-groups',
  rows: (data) => data.groups,
  columns: [
    { key: 'name' },
    { key: 'policy', text: (row) => row.policy, render: (row) => t(`policies.${row.policy}`) },
    {
      key: 'servers',
      text: (row, data) => row.members.map((id: string) => name(id, data)).join(' '),
      render: (row, data) =>
        row.members.map((id: string) => (
          <div key={id}>
            <Link to="/servers/$id" params={{ id }}>
              {name(id, data)}
            </Link>
          </div>
        )),
    },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [remove],
  bulk: [remove],
  create: {
    rule: 'os_compute_api:os-server-groups:create',
    form: {
      title: 'createServerGroup',
      fields: () => [
        { name: 'name', required: true },
        {
          name: 'policy',
          type: 'select',
          required: true,
          initial: 'anti-affinity',
          options: policies.map((value) => ({ value, label: t(`policies.${value}`) })),
        },
        { name: 'maxPerHost', type: 'number', min: 1, when: (v) => v.policy === 'anti-affinity', help: 'maxPerHost' },
      ],
      calls: (v) => {
        const most = v.policy === 'anti-affinity' && v.maxPerHost ? { rules: { max_server_per_host: v.maxPerHost } } : {}
        return {
          method: 'POST',
          service: 'compute',
          path: '/os-server-groups',
          body: { server_group: { name: v.name, policy: v.policy, ...most } },
          cli: `openstack server group create --policy ${v.policy}${v.maxPerHost ? ` --rule max_server_per_host=${v.maxPerHost}` : ''} '${v.name}'`,
          terraform: `resource "openstack_compute_servergroup_v2" "${v.name}" {\n  name     = "${v.name}"\n  policies = ["${v.policy}"]\n}`,
        }
      },
    },
  },
  extra: (data) => {
    const l = data.limits?.absolute
    return l ? <QuotaBars lines={[['quota.server_groups', data.groups.length, l.maxServerGroups ?? -1]]} /> : null
  },
  call: { method: 'GET', service: 'compute', path: '/os-server-groups', cli: 'openstack server group list --long' },
}

export const ServerGroups = () => <ListPage spec={spec} />
