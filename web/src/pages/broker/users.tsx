import { useSearch } from '@tanstack/react-router'
import { Tag } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { ApiError, type Call, type PageData, type Row } from '../../kit/api'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import type { Field, FormSpec } from '../../kit/form'
import { ListPage, type ListSpec } from '../../kit/list'
import { Problem } from '../../kit/problem'
import type { SubTableSpec } from '../../kit/subtable'
import { call, rule, To, vhostField, word } from './common'
import { limitRows, limitTable } from './limits'
import { Word, wordFor } from './words'

const tags = ['administrator', 'monitoring', 'policymaker', 'management'].map((value) => ({ value, label: value }))

const tagsField: Field = { name: 'tags', type: 'multi', initial: [], help: 'userTags', options: tags }

/** What a user may configure, write and read in a virtual host: three patterns of names. */
export function permit(vhost: string, user: string, v: Row): Call {
  const body = { configure: v.configure ?? '', write: v.write ?? '', read: v.read ?? '' }
  return call('PUT', '/permissions', [vhost, user], {
    body,
    cli: `rabbitmqctl set_permissions -p ${word(vhost)} ${word(user)} ${Object.values(body).map(word).join(' ')}`,
    terraform: `resource "rabbitmq_permissions" "${user}" {\n  user  = "${user}"\n  vhost = "${vhost}"\n  permissions {\n    configure = "${body.configure}"\n    write     = "${body.write}"\n    read      = "${body.read}"\n  }\n}`,
  })
}

export const everything = { configure: '.*', write: '.*', read: '.*' }

const creation: FormSpec = {
  title: 'createBrokerUser',
  fields: (data) => [
    { name: 'name', required: true },
    { name: 'password', type: 'password', required: true },
    tagsField,
    { ...vhostField(data), label: 'grantedVhost', required: false, help: 'grantedVhost' },
  ],
  calls: (v) => {
    const made = call('PUT', '/users', [v.name ?? ''], {
      body: { password: v.password ?? '', tags: v.tags },
      cli: [`rabbitmqctl add_user ${word(v.name ?? '')} PASSWORD`, tagging(v.name, v.tags)].filter(Boolean).join('\n'),
      terraform: `resource "rabbitmq_user" "${v.name}" {\n  name     = "${v.name}"\n  password = var.password\n  tags     = ${JSON.stringify(v.tags)}\n}`,
    })
    return v.vhost ? [made, permit(v.vhost, v.name ?? '', everything)] : made
  },
}

const tagging = (name: string, list?: string[]) =>
  list?.length ? `rabbitmqctl set_user_tags ${word(name ?? '')} ${list.join(' ')}` : undefined

const remove: Action = {
  key: 'delete',
  rule,
  danger: true,
  calls: (u) => call('DELETE', '/users', [u.name], { cli: `rabbitmqctl delete_user ${word(u.name)}` }),
}

const edit: Action = {
  key: 'edit',
  rule,
  form: {
    title: 'editBrokerUser',
    fields: (_, u) => [
      { ...tagsField, initial: u?.tags },
      { name: 'newPassword', type: 'password', help: 'newPassword' },
    ],
    calls: (v, u) =>
      call('PUT', '/users', [u.name], {
        // A user that is put without a password has none from then on.
        body: v.newPassword ? { tags: v.tags, password: v.newPassword } : { tags: v.tags, password_hash: u.password_hash },
        cli: [tagging(u.name, v.tags), v.newPassword ? `rabbitmqctl change_password ${word(u.name)} PASSWORD` : '']
          .filter(Boolean)
          .join('\n'),
      }),
  },
}

const Tags = ({ list }: { list?: string[] }) => (list?.length ? list.map((tag) => <Tag key={tag}>{tag}</Tag>) : '–')

const granted = (u: Row, data: PageData): string[] =>
  (data.permissions ?? []).filter((p: Row) => p.user === u.name).map((p: Row) => p.vhost)

const list: ListSpec = {
  key: 'brokerUsers',
  page: 'broker-users',
  rowKey: 'name',
  rows: (data) => data.users,
  columns: [
    { key: 'name', render: (u) => <To kind="users" name={u.name} /> },
    { key: 'tags', text: (u) => u.tags.join(' '), render: (u) => <Tags list={u.tags} /> },
    { key: 'vhosts', text: (u, data) => granted(u, data).join(' '), render: (u, data) => granted(u, data).join(', ') || '–' },
    {
      key: 'limits',
      text: (u) => JSON.stringify(u.limits ?? {}),
      render: (u) =>
        Object.entries(u.limits ?? {})
          .map(([k, v]) => `${wordFor('limit', k)} = ${v}`)
          .join(', ') || '–',
    },
  ],
  actions: [remove],
  create: { rule, form: creation },
  call: call('GET', '/users', [], { cli: 'rabbitmqctl list_users' }),
}

export const Users = () => <ListPage spec={list} />

const patterns: Field[] = [
  { name: 'configure', initial: '.*', help: 'configure' },
  { name: 'write', initial: '.*', help: 'write' },
  { name: 'read', initial: '.*', help: 'read' },
]

const permissions: SubTableSpec = {
  rows: (_, data) => (data.permissions ?? []).map((p: Row) => ({ ...p, id: p.vhost, name: p.vhost })),
  columns: [{ key: 'vhost' }, { key: 'configure' }, { key: 'write' }, { key: 'read' }],
  actions: [
    {
      key: 'clearPermissions',
      rule,
      danger: true,
      calls: (p) =>
        call('DELETE', '/permissions', [p.vhost, p.user], { cli: `rabbitmqctl clear_permissions -p ${word(p.vhost)} ${word(p.user)}` }),
    },
  ],
  empty: 'broker.noPermissions',
  add: {
    rule,
    form: {
      title: 'setPermissions',
      fields: (data) => [vhostField(data), ...patterns],
      calls: (v, u) => permit(v.vhost, u.name, v),
    },
  },
}

const topics: SubTableSpec = {
  rows: (_, data) => (data.topic_permissions ?? []).map((p: Row) => ({ ...p, id: `${p.vhost} ${p.exchange}`, name: p.exchange })),
  columns: [{ key: 'vhost' }, { key: 'exchange' }, { key: 'write' }, { key: 'read' }],
  actions: [
    {
      key: 'clearTopicPermissions',
      rule,
      danger: true,
      calls: (p) =>
        call('DELETE', '/topic-permissions', [p.vhost, p.user, p.exchange], {
          cli: `rabbitmqctl clear_topic_permissions -p ${word(p.vhost)} ${word(p.user)} ${word(p.exchange)}`,
        }),
    },
  ],
  empty: 'broker.noTopicPermissions',
  add: {
    rule,
    form: {
      title: 'setTopicPermissions',
      fields: (data) => [vhostField(data), { name: 'exchange', required: true, initial: 'amq.topic' }, ...patterns.slice(1)],
      calls: (v, u) => {
        const body = { exchange: v.exchange, write: v.write ?? '', read: v.read ?? '' }
        return call('PUT', '/topic-permissions', [v.vhost, u.name], {
          body,
          cli: `rabbitmqctl set_topic_permissions -p ${word(v.vhost)} ${word(u.name)} ${Object.values(body).map(word).join(' ')}`,
        })
      },
    },
  },
}

const detail: DetailSpec = {
  page: 'broker-user',
  row: (data) => data.user,
  actions: [edit, remove],
  facts: (u) => [
    ['tags', <Tags key="tags" list={u.tags} />],
    ['hashing', <Word key="hashing" kind="hashing" value={u.hashing_algorithm} />],
  ],
  tabs: [
    { key: 'permissions', table: permissions },
    { key: 'topicPermissions', table: topics },
    { key: 'limits', table: limitTable('user', (u, data) => limitRows(data.limits, 'user', u.name)) },
  ],
}

/** One user of the broker, named by ?name=. */
export function User() {
  useTranslation() // another language is another page
  const { name } = useSearch({ strict: false }) as { name?: string }
  if (!name) return <Problem error={new ApiError(404, '')} />
  return <DetailPage spec={detail} params={{ name }} />
}
