import type { Action } from '../../kit/actions'
import type { Call, Row } from '../../kit/api'
import { options } from '../../kit/form'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'

/** On what a role is given, as its URL names it. */
function target(a: Row): { path: string; flag: string; label: string } {
  const { scope } = a
  if (scope.project) return { path: `/projects/${scope.project.id}`, flag: `--project ${scope.project.id}`, label: scope.project.name }
  if (scope.domain) return { path: `/domains/${scope.domain.id}`, flag: `--domain ${scope.domain.id}`, label: scope.domain.name }
  return { path: '/system', flag: '--system all', label: t('shell.system') }
}

function grant(
  method: 'PUT' | 'DELETE',
  on: { path: string; flag: string },
  who: string,
  id: string,
  role: string,
  inherited: boolean,
): Call {
  const path = `${on.path}/${who}s/${id}/roles/${role}`
  return {
    method,
    service: 'identity',
    path: inherited ? `/OS-INHERIT${path}/inherited_to_projects` : path,
    cli: `openstack role ${method === 'PUT' ? 'add' : 'remove'} ${on.flag} --${who} ${id}${inherited ? ' --inherited' : ''} ${role}`,
  }
}

const kind = (a: Row): 'project' | 'domain' | 'system' => (a.scope.project ? 'project' : a.scope.domain ? 'domain' : 'system')
const inherited = (a: Row): boolean => a.scope['OS-INHERIT:inherited_to'] === 'projects'

const withdraw: Action = {
  key: 'withdrawRole',
  rule: 'identity:revoke_grant',
  danger: true,
  calls: (a) => grant('DELETE', target(a), a.user ? 'user' : 'group', (a.user ?? a.group).id, a.role.id, inherited(a)),
}

const spec: ListSpec = {
  key: 'assignments',
  page: 'assignments',
  params: {},
  rows: (data) =>
    (data.assignments as Row[])
      .filter((a) => a.user ?? a.group)
      .map((a) => ({
        ...a,
        id: `${(a.user ?? a.group).id} ${a.role.id} ${target(a).path} ${inherited(a)}`,
        name: `${(a.user ?? a.group).name} ${a.role.name}`,
      })),
  columns: [
    { key: 'who', text: (a) => (a.user ?? a.group).name, render: (a) => (a.user ?? a.group).name },
    { key: 'kind', text: (a) => t(a.user ? 'fields.user' : 'fields.group'), render: (a) => t(a.user ? 'fields.user' : 'fields.group') },
    { key: 'domain', text: (a) => (a.user ?? a.group).domain?.name ?? '', render: (a) => (a.user ?? a.group).domain?.name ?? '–' },
    { key: 'role', text: (a) => a.role.name, render: (a) => a.role.name },
    { key: 'scope', text: (a) => t(`scopes.${kind(a)}`), render: (a) => t(`scopes.${kind(a)}`) },
    { key: 'target', text: (a) => target(a).label, render: (a) => target(a).label },
    { key: 'inherited', text: (a) => String(inherited(a)), render: (a) => (inherited(a) ? '✓' : '–') },
  ],
  actions: [withdraw],
  bulk: [withdraw],
  create: {
    rule: 'identity:create_grant',
    form: {
      title: 'grantRole',
      fields: (data) => [
        {
          name: 'kind',
          type: 'select',
          required: true,
          initial: 'user',
          options: ['user', 'group'].map((value) => ({ value, label: t(`fields.${value}`) })),
        },
        { name: 'user', type: 'select', required: true, options: options(data.users), when: (v) => v.kind !== 'group' },
        { name: 'group', type: 'select', required: true, options: options(data.groups), when: (v) => v.kind === 'group' },
        { name: 'role', type: 'select', required: true, options: options(data.roles) },
        {
          name: 'scope',
          type: 'select',
          required: true,
          initial: 'project',
          options: ['project', 'domain', 'system'].map((value) => ({ value, label: t(`scopes.${value}`) })),
        },
        {
          name: 'project',
          type: 'select',
          required: true,
          options: options(data.projects),
          when: (v) => (v.scope ?? 'project') === 'project',
        },
        { name: 'domain', type: 'select', required: true, options: options(data.domains), when: (v) => v.scope === 'domain' },
        { name: 'inherited', type: 'switch', initial: false, help: 'inherited', when: (v) => v.scope !== 'system' },
      ],
      calls: (v) => {
        const scope = v.scope === 'system' ? {} : { [v.scope]: { id: v[v.scope] } }
        return grant('PUT', target({ scope }), v.kind, v[v.kind], v.role, v.scope !== 'system' && Boolean(v.inherited))
      },
    },
  },
  call: { method: 'GET', service: 'identity', path: '/role_assignments?include_names', cli: 'openstack role assignment list --names' },
}

export const Assignments = () => <ListPage spec={spec} />
