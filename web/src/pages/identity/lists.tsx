// The lists of identity are alike: a name, a domain, enabled or not.
import { Link } from '@tanstack/react-router'
import type { Action } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { type Field, options } from '../../kit/form'
import { type Column, ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'

const domainOf = (row: Row, data: PageData): string =>
  (data.domains ?? []).find((d: Row) => d.id === row.domain_id)?.name ?? row.domain_id ?? '–'

const domain: Column = { key: 'domain', text: domainOf, render: domainOf }
const enabled: Column = {
  key: 'status',
  text: (row) => String(row.enabled),
  render: (row) => <Status value={row.enabled ? 'enabled' : 'disabled'} />,
}
const id: Column = { key: 'id', render: (row) => <Id value={row.id} /> }

interface Kind {
  /** The resource as its URL, its envelope, and the openstack command name it. */
  plural: string
  single: string
  /** The key below "pages.". */
  key: string
}

const change = (k: Kind, row: Row, body: Row, cli: string): Call => ({
  method: 'PATCH',
  service: 'identity',
  path: `/${k.plural}/${row.id}`,
  body: { [k.single]: body },
  cli: `openstack ${k.single} set ${cli} ${row.id}`,
})

function remove(k: Kind): Action {
  return {
    key: 'delete',
    rule: `identity:delete_${k.single}`,
    danger: true,
    disabled: k.single === 'domain' ? (row) => (row.enabled ? 'enabledDomain' : undefined) : undefined,
    calls: (row) => ({
      method: 'DELETE',
      service: 'identity',
      path: `/${k.plural}/${row.id}`,
      cli: `openstack ${k.single} delete ${row.id}`,
    }),
  }
}

function toggles(k: Kind): Action[] {
  return [
    {
      key: 'enable',
      rule: `identity:update_${k.single}`,
      show: (row) => row.enabled === false,
      calls: (row) => change(k, row, { enabled: true }, '--enable'),
    },
    {
      key: 'disable',
      rule: `identity:update_${k.single}`,
      show: (row) => row.enabled === true,
      confirm: true,
      calls: (row) => change(k, row, { enabled: false }, '--disable'),
    },
  ]
}

function edit(k: Kind): Action {
  return {
    key: 'edit',
    rule: `identity:update_${k.single}`,
    form: {
      title: 'edit',
      fields: (_, row) => [
        { name: 'name', required: true, initial: row?.name },
        ...(row && 'description' in row ? [{ name: 'description', initial: row.description }] : []),
      ],
      calls: (v, row) =>
        change(k, row, 'description' in row ? { name: v.name, description: v.description ?? '' } : { name: v.name }, `--name '${v.name}'`),
    },
  }
}

function list(
  k: Kind,
  columns: Column[],
  fields: (data: PageData) => Field[],
  body: (v: Row) => Row,
  more: Action[] = [],
  flags: (v: Row) => string = () => '',
): ListSpec {
  return {
    key: k.key,
    page: k.plural,
    params: {},
    rows: (data) => data[k.plural],
    columns,
    actions: [...more, edit(k), remove(k)],
    bulk: [remove(k)],
    create: {
      rule: `identity:create_${k.single}`,
      form: {
        title: `create_${k.single}`,
        fields: (data) => fields(data as PageData),
        calls: (v) => ({
          method: 'POST',
          service: 'identity',
          path: `/${k.plural}`,
          body: { [k.single]: body(v) },
          cli: `openstack ${k.single} create ${flags(v)}'${v.name}'`,
        }),
      },
    },
    call: { method: 'GET', service: 'identity', path: `/${k.plural}`, cli: `openstack ${k.single} list` },
  }
}

const name: Field = { name: 'name', required: true }
const description: Field = { name: 'description' }
const inDomain = (data: PageData): Field => ({
  name: 'domain',
  type: 'select',
  required: true,
  initial: 'default',
  options: options(data.domains),
})

const domains: Kind = { plural: 'domains', single: 'domain', key: 'domains' }
const domainsSpec = list(
  domains,
  [{ key: 'name' }, { key: 'description' }, enabled, id],
  () => [name, description],
  (v) => ({ name: v.name, description: v.description ?? '' }),
  toggles(domains),
)
export const Domains = () => <ListPage spec={domainsSpec} />

const projects: Kind = { plural: 'projects', single: 'project', key: 'projects' }
const projectsSpec = list(
  projects,
  [
    {
      key: 'name',
      render: (row) => (
        <Link to="/identity/projects/$id" params={{ id: row.id }}>
          {row.name}
        </Link>
      ),
    },
    { key: 'description' },
    domain,
    enabled,
    id,
  ],
  (data) => [name, description, inDomain(data)],
  (v) => ({ name: v.name, description: v.description ?? '', domain_id: v.domain }),
  toggles(projects),
  (v) => `--domain ${v.domain} `,
)
export const Projects = () => <ListPage spec={projectsSpec} />

const users: Kind = { plural: 'users', single: 'user', key: 'users' }
const usersSpec = list(
  users,
  [{ key: 'name' }, { key: 'email' }, domain, enabled, id],
  (data) => [
    name,
    { name: 'password', type: 'password', required: true },
    { name: 'email' },
    { ...inDomain(data) },
    { name: 'project', label: 'defaultProject', type: 'select', options: options(data.projects) },
  ],
  (v) => ({
    name: v.name,
    password: v.password,
    domain_id: v.domain,
    ...(v.email ? { email: v.email } : {}),
    ...(v.project ? { default_project_id: v.project } : {}),
  }),
  [
    ...toggles(users),
    {
      key: 'password',
      rule: 'identity:update_user',
      form: {
        title: 'password',
        fields: () => [{ name: 'password', type: 'password', required: true }],
        calls: (v, row) => change(users, row, { password: v.password }, '--password-prompt'),
      },
    },
  ],
  () => '--password-prompt ',
)
export const Users = () => <ListPage spec={usersSpec} />

const groups: Kind = { plural: 'groups', single: 'group', key: 'groups' }
const member = (key: 'addUser' | 'removeUser', method: 'PUT' | 'DELETE', rule: string, cli: string): Action => ({
  key,
  rule: `identity:${rule}`,
  form: {
    title: key,
    fields: (data) => [{ name: 'user', type: 'select', required: true, options: options(data.users) }],
    calls: (v, row) => ({
      method,
      service: 'identity',
      path: `/groups/${row.id}/users/${v.user}`,
      cli: `openstack group ${cli} user ${row.id} ${v.user}`,
    }),
  },
})
const groupsSpec = list(
  groups,
  [{ key: 'name' }, { key: 'description' }, domain, id],
  (data) => [name, description, inDomain(data)],
  (v) => ({ name: v.name, description: v.description ?? '', domain_id: v.domain }),
  [member('addUser', 'PUT', 'add_user_to_group', 'add'), member('removeUser', 'DELETE', 'remove_user_from_group', 'remove')],
  (v) => `--domain ${v.domain} `,
)
export const Groups = () => <ListPage spec={groupsSpec} />

const roles: Kind = { plural: 'roles', single: 'role', key: 'roles' }
const rolesSpec = list(
  roles,
  [{ key: 'name' }, { key: 'description' }, id],
  () => [name, description],
  (v) => ({ name: v.name, description: v.description ?? '' }),
)
export const Roles = () => <ListPage spec={rolesSpec} />
