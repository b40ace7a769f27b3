import type { Action } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import type { Column } from '../../kit/filter'
import type { Field } from '../../kit/form'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import type { SubTableSpec } from '../../kit/subtable'
import { call, rule, vhostField, word } from './common'
import { choicesOf, Word, wordFor } from './words'

type Owner = 'vhost' | 'user'

const names: Record<Owner, string[]> = { vhost: ['max-connections', 'max-queues'], user: ['max-connections', 'max-channels'] }

/** The limits of virtual hosts or users, a row each. */
export function limitRows(list: Row[] | undefined, owner: Owner, of?: string): Row[] {
  return (list ?? [])
    .filter((l) => of === undefined || l[owner] === of)
    .flatMap((l) =>
      Object.entries(l.value as Row).map(([limit, value]) => ({
        id: `${owner} ${l[owner]} ${limit}`,
        name: `${l[owner]} ${limit}`,
        owner,
        of: l[owner],
        limit,
        value,
      })),
    )
}

function set(owner: Owner, of: string, v: Row): Call {
  const json = JSON.stringify({ [v.limit]: v.value })
  return call('PUT', `/${owner}-limits`, [of, v.limit ?? ''], {
    body: { value: v.value },
    cli: owner === 'vhost' ? `rabbitmqctl set_vhost_limits -p ${word(of)} '${json}'` : `rabbitmqctl set_user_limits ${word(of)} '${json}'`,
  })
}

const clear: Action = {
  key: 'clearLimit',
  rule,
  danger: true,
  calls: (l) =>
    call('DELETE', `/${l.owner}-limits`, [l.of, l.limit], {
      cli:
        l.owner === 'vhost' ? `rabbitmqctl clear_vhost_limits -p ${word(l.of)}` : `rabbitmqctl clear_user_limits ${word(l.of)} ${l.limit}`,
    }),
}

const value: Field = { name: 'value', type: 'number', required: true, help: 'limitValue', min: -1 }

const limit = (owner: Owner): Field => ({
  name: 'limit',
  type: 'select',
  required: true,
  initial: names[owner][0],
  options: choicesOf('limit', names[owner]),
})

const which: Column = { key: 'limit', text: (l) => wordFor('limit', l.limit), render: (l) => <Word kind="limit" value={l.limit} /> }

/** The limits of one virtual host or user. */
export const limitTable = (owner: Owner, rows: (row: Row, data: PageData) => Row[]): SubTableSpec => ({
  rows,
  columns: [which, { key: 'value' }],
  actions: [clear],
  empty: 'broker.noLimits',
  add: { rule, form: { title: 'setLimit', fields: () => [limit(owner), value], calls: (v, row) => set(owner, row.name, v) } },
})

const list: ListSpec = {
  key: 'limits',
  page: 'broker-limits',
  rows: (data) => [...limitRows(data.vhost_limits, 'vhost'), ...limitRows(data.user_limits, 'user')],
  columns: [
    { key: 'vhost', text: (l) => of(l, 'vhost'), render: (l) => of(l, 'vhost') || '–' },
    { key: 'user', text: (l) => of(l, 'user'), render: (l) => of(l, 'user') || '–' },
    which,
    { key: 'value' },
  ],
  actions: [clear],
  create: {
    rule,
    form: {
      title: 'setLimit',
      fields: (data) => [
        {
          name: 'owner',
          type: 'select',
          required: true,
          initial: 'vhost',
          options: ['vhost', 'user'].map((v) => ({ value: v, label: t(`fields.${v}`) })),
        },
        { ...vhostField(data), when: (v) => v.owner === 'vhost' },
        {
          name: 'user',
          type: 'select',
          required: true,
          options: (data.users ?? []).map((u: Row) => ({ value: u.name, label: u.name })),
          when: (v) => v.owner === 'user',
        },
        { ...limit('vhost'), when: (v) => v.owner === 'vhost' },
        { ...limit('user'), name: 'userLimit', label: 'limit', when: (v) => v.owner === 'user' },
        value,
      ],
      calls: (v) => (v.owner === 'user' ? set('user', v.user ?? '', { ...v, limit: v.userLimit }) : set('vhost', v.vhost, v)),
    },
  },
  call: call('GET', '/vhost-limits', [], { cli: 'rabbitmqctl list_vhost_limits --global\nrabbitmqctl list_user_limits --global' }),
}

function of(l: Row, owner: Owner): string {
  return l.owner === owner ? l.of : ''
}

export const Limits = () => <ListPage spec={list} />
