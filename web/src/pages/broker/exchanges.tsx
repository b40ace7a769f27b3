import { useSearch } from '@tanstack/react-router'
import { Card, Flex } from 'antd'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { ApiError, type PageData, type Row } from '../../kit/api'
import { Chart, SpanChoice, sampled, useSpan } from '../../kit/chart'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import type { FormSpec } from '../../kit/form'
import { ListPage, type ListSpec } from '../../kit/list'
import { Problem } from '../../kit/problem'
import type { SubTableSpec } from '../../kit/subtable'
import {
  Args,
  admin,
  call,
  chart,
  exchangeName,
  Features,
  items,
  long,
  paged,
  rateColumn,
  rule,
  To,
  Total,
  table,
  useVHost,
  VHostChoice,
  vhostField,
} from './common'
import { bind, bindings, publishing, unbind } from './messages'
import { Word, wordFor } from './words'

/** The default exchange has no name; the API knows it by this. */
const named = (x: Row): Row => ({ ...x, name: x.name || 'amq.default' })

const types = ['direct', 'fanout', 'topic', 'headers'].map((value) => ({ value, label: value }))

const creation: FormSpec = {
  title: 'createExchange',
  fields: (data) => [
    vhostField(data),
    { name: 'name', required: true },
    { name: 'exchangeType', label: 'type', type: 'select', required: true, initial: 'direct', help: 'exchangeType', options: types },
    { name: 'durable', type: 'switch', initial: true, help: 'durable' },
    { name: 'autoDelete', type: 'switch', initial: false, help: 'autoDelete' },
    { name: 'internal', type: 'switch', initial: false, help: 'internal' },
    { name: 'alternateExchange', help: 'alternateExchange' },
    { name: 'arguments', type: 'area', help: 'json' },
  ],
  calls: (v) => {
    const args = table(v.arguments)
    if (v.alternateExchange) args['alternate-exchange'] = v.alternateExchange
    const body = { type: v.exchangeType, durable: v.durable, auto_delete: v.autoDelete, internal: v.internal, arguments: args }
    return call('PUT', '/exchanges', [v.vhost, v.name ?? ''], {
      body,
      cli: admin('declare exchange', v.vhost, { name: v.name, ...body }),
      terraform: `resource "rabbitmq_exchange" "${v.name}" {\n  name  = "${v.name}"\n  vhost = "${v.vhost}"\n  settings {\n    type        = "${v.exchangeType}"\n    durable     = ${v.durable}\n    auto_delete = ${v.autoDelete}\n  }\n}`,
    })
  },
}

const remove: Action = {
  key: 'delete',
  rule,
  danger: true,
  disabled: (x) => (x.name.startsWith('amq.') ? 'builtIn' : undefined),
  calls: (x) => call('DELETE', '/exchanges', [x.vhost, x.name], { cli: admin('delete exchange', x.vhost, { name: x.name }) }),
}

const publish: Action = { key: 'publish', rule, show: (x) => !x.internal, form: publishing((x) => x.name) }

const list = (vhost: string): ListSpec => ({
  key: 'exchanges',
  page: 'broker-exchanges',
  params: paged(vhost),
  long: long('exchanges', {
    type: 'type',
    rateIn: 'message_stats.publish_in_details.rate',
    rateOut: 'message_stats.publish_out_details.rate',
  }),
  rows: (data) => items(data.exchanges).map(named),
  columns: [
    {
      key: 'name',
      render: (x) => (
        <To kind="exchanges" vhost={x.vhost} name={x.name}>
          {exchangeName(x.name)}
        </To>
      ),
    },
    { key: 'vhost', hidden: vhost !== '' },
    { key: 'type' },
    { key: 'features', text: (x) => JSON.stringify(x.arguments), render: (x) => <Features row={x} /> },
    rateColumn('rateIn', 'publish_in'),
    rateColumn('rateOut', 'publish_out'),
  ],
  actions: [publish, remove],
  create: { rule, form: creation },
  extra: (data) => (
    <Flex gap={16} wrap>
      <VHostChoice data={data} />
      <Total answer={data.exchanges} />
    </Flex>
  ),
  call: call('GET', '/exchanges', [], { cli: 'rabbitmqctl list_exchanges' }),
})

export function Exchanges() {
  const vhost = useVHost()
  const spec = useMemo(() => list(vhost), [vhost])
  return <ListPage spec={spec} />
}

const arguments_ = { key: 'arguments', render: (b: Row) => <Args value={b.arguments} /> }
const routingKey = { key: 'routingKey', render: (b: Row) => b.routing_key || '–' }

const from: SubTableSpec = {
  rows: (_: Row, data: PageData) => bindings(data.from),
  columns: [
    {
      key: 'to',
      render: (b) => <To kind={b.destination_type === 'queue' ? 'queues' : 'exchanges'} vhost={b.vhost} name={b.destination} />,
    },
    { key: 'destinationType', render: (b) => <Word kind="destinationType" value={b.destination_type} /> },
    routingKey,
    arguments_,
  ],
  actions: [unbind],
  add: {
    rule,
    form: {
      title: 'bind',
      fields: () => [
        {
          name: 'destinationType',
          type: 'select',
          required: true,
          initial: 'q',
          options: [
            { value: 'q', label: wordFor('destinationType', 'queue') },
            { value: 'e', label: wordFor('destinationType', 'exchange') },
          ],
        },
        { name: 'destination', required: true },
        { name: 'routingKey', initial: '' },
        { name: 'arguments', type: 'area', help: 'bindingArguments' },
      ],
      calls: (v, x) => bind(x.vhost, x.name, v.destinationType, v.destination ?? '', v),
    },
  },
}

const to: SubTableSpec = {
  rows: (_: Row, data: PageData) => bindings(data.to),
  columns: [
    { key: 'from', render: (b) => <To kind="exchanges" vhost={b.vhost} name={b.source || 'amq.default'} /> },
    routingKey,
    arguments_,
  ],
  actions: [unbind],
}

const detail: DetailSpec = {
  page: 'broker-exchange',
  row: (data) => named(data.exchange),
  actions: [publish, remove],
  facts: (x) => [
    ['vhost', x.vhost],
    ['type', x.type],
    ['features', <Features key="features" row={x} />],
    ['arguments', <Args key="arguments" value={x.arguments} />],
    ['policy', x.policy],
  ],
  tabs: [
    { key: 'from', table: from },
    { key: 'to', table: to },
    {
      key: 'charts',
      render: (x) => (
        <Flex vertical gap={16}>
          <SpanChoice longest="tenMinutes" />
          <Card size="small">
            <Chart {...chart('messageRates', x.message_stats, ['publish_in', 'publish_out'], 'rate')} />
          </Card>
        </Flex>
      ),
    },
  ],
}

/** One exchange, named by ?vhost= and ?name=. */
export function Exchange() {
  useTranslation() // another language is another page
  const { vhost, name } = useSearch({ strict: false }) as { vhost?: string; name?: string }
  const span = useSpan('tenMinutes')
  if (!vhost || !name) return <Problem error={new ApiError(404, '')} />
  return <DetailPage spec={detail} params={{ vhost, name, ...sampled(span) }} />
}
