import { useSearch } from '@tanstack/react-router'
import { Alert, Card, Col, Flex, Row as Grid } from 'antd'
import { type ReactNode, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from '../../kit/actions'
import type { Call, PageData, Row } from '../../kit/api'
import { Chart, SpanChoice, sampled, useSpan } from '../../kit/chart'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import type { Field, FormSpec } from '../../kit/form'
import { bytes } from '../../kit/format'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'
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
  word,
} from './common'
import { bind, bindings, GetMessages, publishing, unbind } from './messages'

const terraform = (v: Row, args: Row) =>
  `resource "rabbitmq_queue" "${v.name}" {\n  name  = "${v.name}"\n  vhost = "${v.vhost}"\n  settings {\n    durable        = ${v.durable ?? true}\n    auto_delete    = ${v.autoDelete ?? false}\n    arguments_json = jsonencode(${JSON.stringify(args)})\n  }\n}`

interface Argument extends Field {
  argument: string
  /** The types of queue that know it. */
  types: string[]
}

const [both, all] = [
  ['classic', 'quorum'],
  ['classic', 'quorum', 'stream'],
]
const choices = (values: string[]) => values.map((value) => ({ value, label: value }))

const known: Argument[] = [
  { name: 'messageTtl', argument: 'x-message-ttl', types: both, type: 'number', min: 0, help: 'messageTtl' },
  { name: 'expires', argument: 'x-expires', types: both, type: 'number', min: 1, help: 'expires' },
  { name: 'maxLength', argument: 'x-max-length', types: both, type: 'number', min: 0, help: 'maxLength' },
  { name: 'maxLengthBytes', argument: 'x-max-length-bytes', types: all, type: 'number', min: 0, help: 'maxLengthBytes' },
  {
    name: 'overflow',
    argument: 'x-overflow',
    types: both,
    type: 'select',
    help: 'overflow',
    options: choices(['drop-head', 'reject-publish', 'reject-publish-dlx']),
  },
  { name: 'deadLetterExchange', argument: 'x-dead-letter-exchange', types: both, help: 'deadLetterExchange' },
  { name: 'deadLetterRoutingKey', argument: 'x-dead-letter-routing-key', types: both, help: 'deadLetterRoutingKey' },
  { name: 'maxPriority', argument: 'x-max-priority', types: ['classic'], type: 'number', min: 1, max: 255, help: 'maxPriority' },
  { name: 'deliveryLimit', argument: 'x-delivery-limit', types: ['quorum'], type: 'number', min: 0, help: 'deliveryLimit' },
  { name: 'singleActiveConsumer', argument: 'x-single-active-consumer', types: both, type: 'switch', help: 'singleActiveConsumer' },
  { name: 'maxAge', argument: 'x-max-age', types: ['stream'], help: 'maxAge', pattern: /^\d+[YMDhms]$/ },
  {
    name: 'segmentSize',
    argument: 'x-stream-max-segment-size-bytes',
    types: ['stream'],
    type: 'number',
    min: 1,
    help: 'segmentSize',
  },
]

const creation: FormSpec = {
  title: 'createQueue',
  fields: (data) => [
    vhostField(data),
    {
      name: 'queueType',
      type: 'select',
      required: true,
      initial: 'classic',
      help: 'queueType',
      options: all.map((value) => ({ value, label: t(`queueTypes.${value}`) })),
    },
    { name: 'name', required: true },
    { name: 'durable', type: 'switch', initial: true, help: 'durable', when: (v) => v.queueType === 'classic' },
    { name: 'autoDelete', type: 'switch', initial: false, help: 'autoDelete', when: (v) => v.queueType === 'classic' },
    ...known.map((a) => ({ ...a, when: (v: Row) => a.types.includes(v.queueType) })),
    { name: 'arguments', type: 'area', help: 'json' },
  ],
  calls: (v) => {
    const classic = v.queueType === 'classic'
    const args: Row = { 'x-queue-type': v.queueType }
    for (const a of known) {
      const value = v[a.name]
      if (a.types.includes(v.queueType) && value !== undefined && value !== null && value !== '' && value !== false)
        args[a.argument] = value
    }
    Object.assign(args, table(v.arguments))
    const durable = classic ? v.durable : true
    const auto_delete = classic ? v.autoDelete : false
    return call('PUT', '/queues', [v.vhost, v.name ?? ''], {
      body: { durable, auto_delete, arguments: args },
      cli: admin('declare queue', v.vhost, { name: v.name, durable, auto_delete, arguments: args }),
      terraform: terraform({ ...v, durable, autoDelete: auto_delete }, args),
    })
  },
}

const purge: Action = {
  key: 'purge',
  rule,
  danger: true,
  show: (q) => q.type !== 'stream',
  calls: (q) => call('DELETE', '/queues', [q.vhost, q.name, 'contents'], { cli: `rabbitmqctl purge_queue -p ${q.vhost} ${q.name}` }),
}

const remove: Action = {
  key: 'delete',
  rule,
  danger: true,
  calls: (q) => call('DELETE', '/queues', [q.vhost, q.name], { cli: `rabbitmqctl delete_queue -p ${q.vhost} ${q.name}` }),
}

const publish: Action = {
  key: 'publish',
  rule,
  form: publishing(
    () => '',
    (q) => q.name,
  ),
}

/** The shovel that moves a queue's messages; RabbitMQ's page calls it so. */
const mover = (q: Row) => `Move from ${q.name}`

/** Moves what is in a queue to another of its virtual host, each message at least once: as RabbitMQ's page, by a shovel that ends. */
export function moving(q: Row, destination: string): Call[] {
  const uri = `amqp:///${encodeURIComponent(q.vhost)}`
  const value = {
    'src-protocol': 'amqp091',
    'src-uri': uri,
    'src-queue': q.name,
    'src-prefetch-count': 1000,
    'src-delete-after': 'queue-length',
    'dest-protocol': 'amqp091',
    'dest-uri': uri,
    'dest-queue': destination,
    'dest-add-forward-headers': false,
    'ack-mode': 'on-confirm',
  }
  return [
    call('GET', '/queues', [q.vhost, destination]), // it must be there
    call('PUT', '/parameters/shovel', [q.vhost, mover(q)], {
      body: { value },
      cli: `rabbitmqctl set_parameter -p ${word(q.vhost)} shovel ${word(mover(q))} ${word(JSON.stringify(value))}`,
    }),
  ]
}

const move: Action = {
  key: 'move',
  rule,
  show: (q) => q.type !== 'stream',
  form: {
    title: 'move',
    fields: () => [{ name: 'destination', required: true, help: 'destination' }],
    calls: (v, q) => moving(q, v.destination ?? ''),
  },
}

const endMove: Action = {
  key: 'endMove',
  rule,
  confirm: true,
  calls: (s) =>
    call('DELETE', '/parameters/shovel', [s.vhost, s.name], {
      cli: `rabbitmqctl clear_parameter -p ${word(s.vhost)} shovel ${word(s.name)}`,
    }),
}

/** How far a move is, or why it stands still. */
function Moving({ queue, data, after }: { queue: Row; data: PageData; after: () => void }) {
  const shovel: Row = (data.shovels ?? []).find((s: Row) => s.name === mover(queue))
  return (
    <Flex gap={8} wrap align="center">
      <span>→ {shovel.dest_queue ?? '?'}</span>
      <Status value={shovel.state} />
      {shovel.reason ? <span>{shovel.reason}</span> : null}
      <Actions actions={[endMove]} row={shovel} data={data} buttons after={after} />
    </Flex>
  )
}

const list = (vhost: string): ListSpec => ({
  key: 'queues',
  page: 'broker-queues',
  params: paged(vhost),
  long: long('queues', {
    type: 'type',
    state: 'state',
    ready: 'messages_ready',
    unacked: 'messages_unacknowledged',
    total: 'messages',
    consumers: 'consumers',
    memory: 'memory',
    node: 'node',
    incoming: 'message_stats.publish_details.rate',
    delivered: 'message_stats.deliver_get_details.rate',
    acked: 'message_stats.ack_details.rate',
  }),
  rows: (data) => items(data.queues),
  columns: [
    { key: 'name', width: 200, render: (q) => <To kind="queues" vhost={q.vhost} name={q.name} /> },
    { key: 'vhost', width: 90, hidden: vhost !== '' },
    { key: 'type', render: (q) => t(`queueTypes.${q.type}`) },
    { key: 'features', hidden: true, text: (q) => JSON.stringify(q.arguments), render: (q) => <Features row={q} /> },
    { key: 'state', render: (q) => <Status value={q.state} /> },
    { key: 'ready', text: (q) => q.messages_ready ?? 0, render: (q) => <span data-ready>{q.messages_ready ?? 0}</span> },
    { key: 'unacked', text: (q) => q.messages_unacknowledged ?? 0, render: (q) => q.messages_unacknowledged ?? 0 },
    { key: 'total', hidden: true, text: (q) => q.messages ?? 0, render: (q) => q.messages ?? 0 },
    rateColumn('incoming', 'publish'),
    { ...rateColumn('delivered', 'deliver_get'), width: 90 },
    rateColumn('acked', 'ack', true),
    { key: 'consumers', hidden: true },
    { key: 'memory', hidden: true, text: (q) => q.memory ?? 0, render: (q) => bytes(q.memory) },
    { key: 'node', hidden: true },
  ],
  actions: [publish, purge, remove],
  bulk: [remove],
  create: { rule, form: creation },
  extra: (data) => (
    <Flex gap={16} wrap>
      <VHostChoice data={data} />
      <Total answer={data.queues} />
    </Flex>
  ),
  call: call('GET', '/queues', [], { cli: 'rabbitmqctl list_queues' }),
})

export function Queues() {
  const vhost = useVHost()
  const { i18n } = useTranslation()
  // biome-ignore lint/correctness/useExhaustiveDependencies: its words are the language's
  const spec = useMemo(() => list(vhost), [vhost, i18n.language])
  return <ListPage spec={spec} />
}

function Charts({ queue }: { queue: Row }) {
  const rates = ['publish', 'deliver', 'deliver_no_ack', 'get', 'get_no_ack', 'redeliver', 'ack']
  return (
    <Flex vertical gap={16}>
      <SpanChoice longest="tenMinutes" />
      <Grid gutter={[16, 16]}>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('queued', queue, ['messages', 'messages_ready', 'messages_unacknowledged'])} />
          </Card>
        </Col>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('messageRates', queue.message_stats, rates, 'rate')} />
          </Card>
        </Col>
      </Grid>
    </Flex>
  )
}

const consumerTable: SubTableSpec = {
  rows: (q) => (q.consumer_details ?? []).map((c: Row) => ({ ...c, id: `${c.channel_details?.name} ${c.consumer_tag}` })),
  columns: [
    { key: 'channel', render: (c) => (c.channel_details?.name ? <To kind="channels" name={c.channel_details.name} /> : '–') },
    { key: 'consumerTag', render: (c) => c.consumer_tag },
    { key: 'ackRequired', render: (c) => (c.ack_required ? '✓' : '–') },
    { key: 'exclusive', render: (c) => (c.exclusive ? '✓' : '–') },
    { key: 'prefetch', render: (c) => c.prefetch_count },
    { key: 'active', render: (c) => (c.active === false ? '–' : '✓') },
    { key: 'arguments', render: (c) => <Args value={c.arguments} /> },
  ],
  empty: 'broker.noConsumers',
}

const bindingTable: SubTableSpec = {
  rows: (_, data) => bindings(data.bindings),
  columns: [
    {
      key: 'from',
      render: (b) => (
        <To kind="exchanges" vhost={b.vhost} name={b.source || 'amq.default'}>
          {exchangeName(b.source)}
        </To>
      ),
    },
    { key: 'routingKey', render: (b) => b.routing_key || '–' },
    { key: 'arguments', render: (b) => <Args value={b.arguments} /> },
  ],
  actions: [unbind],
  add: {
    rule,
    form: {
      title: 'bind',
      fields: (data) => [
        {
          name: 'exchange',
          type: 'select',
          required: true,
          options: choices((data.exchanges ?? []).map((x: Row) => x.name).filter(Boolean)),
        },
        { name: 'routingKey', initial: '' },
        { name: 'arguments', type: 'area', help: 'bindingArguments' },
      ],
      calls: (v, q) => bind(q.vhost, v.exchange ?? '', 'q', q.name, v),
    },
  },
}

const detail: DetailSpec = {
  page: 'broker-queue',
  row: (data) => data.queue,
  status: (q) => ({ value: q.state }),
  actions: [publish, move, purge, remove],
  facts: (q, data, reload) => [
    ['vhost', q.vhost],
    ['type', t(`queueTypes.${q.type}`)],
    [
      'ready',
      <span key="ready" data-ready>
        {q.messages_ready ?? 0}
      </span>,
    ],
    ['unacked', q.messages_unacknowledged ?? 0],
    ['total', q.messages ?? 0],
    ['consumers', q.consumers ?? 0],
    ...((data.shovels ?? []).some((s: Row) => s.name === mover(q))
      ? [['moving', <Moving key="moving" queue={q} data={data} after={reload} />] as [string, ReactNode]]
      : []),
    ['features', <Features key="features" row={q} />],
    ['arguments', <Args key="arguments" value={q.arguments} />],
    ['policy', q.policy],
    ['operatorPolicy', q.operator_policy],
    ['effective', <Args key="effective" value={q.effective_policy_definition} />],
    ['memory', bytes(q.memory)],
    ['messageBytes', bytes(q.message_bytes)],
    ['node', q.members ? `${q.leader} (${q.members.join(', ')})` : q.node],
  ],
  tabs: [
    { key: 'charts', render: (q) => <Charts queue={q} /> },
    { key: 'consumers', table: consumerTable },
    { key: 'bindings', table: bindingTable },
    { key: 'messages', render: (q) => <GetMessages queue={q} /> },
  ],
}

/** One queue or stream, named by ?vhost= and ?name=. */
export function Queue() {
  const { t } = useTranslation()
  const { vhost, name } = useSearch({ strict: false }) as { vhost?: string; name?: string }
  const span = useSpan('tenMinutes')
  if (!vhost || !name) return <Alert type="warning" title={t('errors.notFound')} />
  return <DetailPage spec={detail} params={{ vhost, name, ...sampled(span) }} />
}
