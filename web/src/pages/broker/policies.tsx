import { Flex } from 'antd'
import { useMemo } from 'react'
import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import type { FormSpec } from '../../kit/form'
import { ListPage, type ListSpec } from '../../kit/list'
import { Args, call, items, rule, table, useVHost, VHostChoice, vhostField, word } from './common'
import { choicesOf, Word, wordFor } from './words'

type Kind = 'policies' | 'operator-policies'

const command = (kind: Kind, verb: string) => `rabbitmqctl ${verb}_${kind === 'policies' ? 'policy' : 'operator_policy'}`

/** What policies are applied to. */
const targets: Record<Kind, string[]> = {
  policies: ['all', 'queues', 'exchanges', 'classic_queues', 'quorum_queues', 'streams'],
  'operator-policies': ['queues', 'classic_queues', 'quorum_queues', 'streams'],
}

const form = (kind: Kind, title: string): FormSpec => ({
  title,
  fields: (data, p) => [
    ...(p ? [] : [vhostField(data), { name: 'name', required: true }]),
    { name: 'pattern', required: true, initial: p?.pattern ?? '', help: 'pattern' },
    {
      name: 'applyTo',
      type: 'select',
      required: true,
      initial: p?.['apply-to'] ?? targets[kind][0],
      options: choicesOf('applyTo', targets[kind]),
    },
    { name: 'priority', type: 'number', initial: p?.priority ?? 0, help: 'priority' },
    {
      name: 'definition',
      type: 'area',
      required: true,
      initial: p ? JSON.stringify(p.definition) : '',
      help: kind === 'policies' ? 'definition' : 'operatorDefinition',
    },
  ],
  calls: (v, p) => {
    const [vhost, name] = [v.vhost ?? p.vhost, v.name ?? p.name ?? '']
    const definition = table(v.definition)
    return call('PUT', `/${kind}`, [vhost, name], {
      body: { pattern: v.pattern, 'apply-to': v.applyTo, priority: v.priority ?? 0, definition },
      cli: `${command(kind, 'set')} -p ${word(vhost)} --priority ${v.priority ?? 0} --apply-to ${v.applyTo} ${word(name)} ${word(v.pattern ?? '')} '${JSON.stringify(definition)}'`,
      terraform: `resource "rabbitmq_${kind === 'policies' ? 'policy' : 'operator_policy'}" "${name}" {\n  name  = "${name}"\n  vhost = "${vhost}"\n  policy {\n    pattern    = "${v.pattern}"\n    priority   = ${v.priority ?? 0}\n    apply_to   = "${v.applyTo}"\n    definition = ${JSON.stringify(definition)}\n  }\n}`,
    })
  },
})

const actions = (kind: Kind): Action[] => [
  { key: 'edit', rule, form: form(kind, 'editPolicy') },
  {
    key: 'delete',
    rule,
    danger: true,
    calls: (p) => call('DELETE', `/${kind}`, [p.vhost, p.name], { cli: `${command(kind, 'clear')} -p ${word(p.vhost)} ${word(p.name)}` }),
  },
]

const description = (kind: Kind, vhost: string): Omit<ListSpec, 'key' | 'page'> => ({
  params: vhost ? { vhost } : {},
  rows: (data) => items(data.policies),
  columns: [
    { key: 'name' },
    { key: 'vhost', hidden: vhost !== '' },
    { key: 'pattern', render: (p) => <code>{p.pattern}</code> },
    { key: 'applyTo', text: (p) => wordFor('applyTo', p['apply-to']), render: (p) => <Word kind="applyTo" value={p['apply-to']} /> },
    { key: 'definition', text: (p: Row) => JSON.stringify(p.definition), render: (p) => <Args value={p.definition} /> },
    { key: 'priority' },
  ],
  actions: actions(kind),
  call: call('GET', `/${kind}`, [], { cli: command(kind, 'list').replace(/policy$/, 'policies') }),
})

const users = (vhost: string): ListSpec => ({
  key: 'policies',
  page: 'broker-policies',
  ...description('policies', vhost),
  extra: (data) => <VHostChoice data={data} />,
  create: { rule, form: form('policies', 'createPolicy') },
})

const operators = (vhost: string): ListSpec => ({
  key: 'operatorPolicies',
  page: 'broker-operator-policies',
  ...description('operator-policies', vhost),
  create: { rule, form: form('operator-policies', 'createOperatorPolicy') },
})

/** Policies, and those of the operator, which policies cannot loosen. */
export function Policies() {
  const vhost = useVHost()
  const [first, second] = useMemo(() => [users(vhost), operators(vhost)], [vhost])
  return (
    <Flex vertical gap={32}>
      <ListPage spec={first} />
      <ListPage spec={second} />
    </Flex>
  )
}
