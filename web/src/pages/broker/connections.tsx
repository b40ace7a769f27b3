import { useSearch } from '@tanstack/react-router'
import { Card, Flex } from 'antd'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { ApiError, type PageData, type Row } from '../../kit/api'
import { Chart, SpanChoice, sampled, useSpan } from '../../kit/chart'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import { bytes, time } from '../../kit/format'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { Problem } from '../../kit/problem'
import { Status } from '../../kit/status'
import type { SubTableSpec } from '../../kit/subtable'
import { Args, call, chart, items, long, paged, rate, rateColumn, rule, To, Total, useVHost, VHostChoice, word } from './common'

const close: Action = {
  key: 'close',
  rule,
  danger: true,
  form: {
    title: 'closeConnection',
    // The reason goes into a header, which holds ASCII alone.
    fields: () => [{ name: 'reason', initial: '', help: 'closeReason', pattern: /^[\x20-\x7e]*$/ }],
    calls: (v, c) =>
      call('DELETE', '/connections', [c.name], {
        headers: v.reason ? { 'X-Reason': v.reason } : undefined,
        cli: `rabbitmqctl close_all_user_connections ${word(c.user ?? '')} ${word(v.reason || 'Closed')}\nrabbitmqadmin close connection name=${word(c.name)}`,
      }),
  },
}

const since = (milliseconds?: number) => (milliseconds ? time(new Date(milliseconds).toISOString()) : '–')

const octets = (key: string, of: string) => ({
  key,
  text: (c: Row) => c[`${of}_details`]?.rate ?? 0,
  render: (c: Row) => `${bytes(rate(c[`${of}_details`], 'bytes') ?? 0)}/s`,
})

function Above({ data, part }: { data: PageData; part: string }) {
  return (
    <Flex gap={16} wrap>
      <VHostChoice data={data} />
      <Total answer={data[part]} />
    </Flex>
  )
}

const connections = (vhost: string): ListSpec => ({
  key: 'connections',
  page: 'broker-connections',
  params: paged(vhost),
  long: long('connections', {
    user: 'user',
    state: 'state',
    protocol: 'protocol',
    channels: 'channels',
    fromClient: 'recv_oct_details.rate',
    toClient: 'send_oct_details.rate',
    connectedAt: 'connected_at',
  }),
  rows: (data) => items(data.connections),
  columns: [
    { key: 'name', width: 170, render: (c) => <To kind="connections" name={c.name} /> },
    { key: 'client', width: 170, text: (c) => client(c), render: (c) => client(c) || '–' },
    { key: 'vhost', hidden: true },
    { key: 'user', width: 90 },
    { key: 'state', render: (c) => <Status value={c.state} /> },
    { key: 'tls', text: (c) => String(c.ssl), render: (c) => (c.ssl ? '✓' : '–') },
    { key: 'protocol', hidden: true },
    { key: 'channels', text: (c) => c.channels ?? 0 },
    octets('fromClient', 'recv_oct'),
    octets('toClient', 'send_oct'),
    { key: 'connectedAt', hidden: true, text: (c) => c.connected_at ?? 0, render: (c) => since(c.connected_at) },
  ],
  actions: [close],
  extra: (data) => <Above data={data} part="connections" />,
  call: call('GET', '/connections', [], { cli: 'rabbitmqctl list_connections' }),
})

function client(c: Row): string {
  const p: Row = c.client_properties ?? {}
  return [c.user_provided_name ?? p.connection_name, p.product, p.version].filter(Boolean).join(' ')
}

export function Connections() {
  const vhost = useVHost()
  const spec = useMemo(() => connections(vhost), [vhost])
  return <ListPage spec={spec} />
}

const channelColumns = [
  { key: 'name', width: 180, render: (c: Row) => <To kind="channels" name={c.name} /> },
  { key: 'mode', text: mode, render: (c: Row) => mode(c) || '–' },
  { key: 'state', render: (c: Row) => <Status value={c.state} /> },
  { key: 'unconfirmed', text: (c: Row) => c.messages_unconfirmed ?? 0, render: (c: Row) => c.messages_unconfirmed ?? 0 },
  { key: 'prefetch', text: (c: Row) => c.prefetch_count ?? 0, render: (c: Row) => c.prefetch_count || '–' },
  { key: 'unacked', text: (c: Row) => c.messages_unacknowledged ?? 0, render: (c: Row) => c.messages_unacknowledged ?? 0 },
  rateColumn('published', 'publish'),
  rateColumn('delivered', 'deliver_get'),
  rateColumn('acked', 'ack'),
]

function mode(c: Row): string {
  if (c.transactional) return t('broker.transactional')
  return c.confirm ? t('broker.confirming') : ''
}

const channelTable: SubTableSpec = { rows: (_, data) => items(data.channels), columns: channelColumns }

const connection: DetailSpec = {
  page: 'broker-connection',
  row: (data) => data.connection,
  status: (c) => ({ value: c.state }),
  actions: [close],
  facts: (c) => [
    ['user', c.user],
    ['vhost', c.vhost],
    ['client', client(c)],
    ['protocol', c.protocol],
    ['tls', c.ssl ? `${c.ssl_protocol} ${c.ssl_cipher}` : '–'],
    ['mechanism', c.auth_mechanism],
    ['peer', `${c.peer_host}:${c.peer_port}`],
    ['address', `${c.host}:${c.port}`],
    ['connectedAt', since(c.connected_at)],
    ['heartbeat', c.timeout ? t('broker.seconds', { n: c.timeout }) : '–'],
    ['frameMax', bytes(c.frame_max)],
    ['channels', `${c.channels} / ${c.channel_max}`],
    ['received', bytes(c.recv_oct)],
    ['sent', bytes(c.send_oct)],
  ],
  tabs: [
    {
      key: 'charts',
      render: (c) => (
        <Flex vertical gap={16}>
          <SpanChoice longest="tenMinutes" />
          <Card size="small">
            <Chart {...chart('dataRates', c, ['recv_oct', 'send_oct'], 'bytes')} />
          </Card>
        </Flex>
      ),
    },
    { key: 'channels', table: channelTable },
    { key: 'clientProperties', render: (c) => <Args value={c.client_properties} /> },
  ],
}

const channels = (vhost: string): ListSpec => ({
  key: 'channels',
  page: 'broker-channels',
  params: paged(vhost),
  long: long('channels', {
    user: 'user',
    state: 'state',
    unconfirmed: 'messages_unconfirmed',
    prefetch: 'prefetch_count',
    unacked: 'messages_unacknowledged',
    consumers: 'consumer_count',
    published: 'message_stats.publish_details.rate',
    delivered: 'message_stats.deliver_get_details.rate',
    acked: 'message_stats.ack_details.rate',
  }),
  rows: (data) => items(data.channels),
  columns: [
    channelColumns[0],
    { key: 'vhost', hidden: true },
    { key: 'user', width: 90 },
    ...channelColumns.slice(1).map((c) => ({ ...c, hidden: c.key === 'prefetch' })),
    { key: 'consumers', hidden: true, text: (c) => c.consumer_count ?? 0, render: (c) => c.consumer_count ?? 0 },
  ],
  extra: (data) => <Above data={data} part="channels" />,
  call: call('GET', '/channels', [], { cli: 'rabbitmqctl list_channels' }),
})

export function Channels() {
  const vhost = useVHost()
  const spec = useMemo(() => channels(vhost), [vhost])
  return <ListPage spec={spec} />
}

const consumers: SubTableSpec = {
  rows: (c) => (c.consumer_details ?? []).map((x: Row) => ({ ...x, id: x.consumer_tag })),
  columns: [
    { key: 'queue', render: (x) => <To kind="queues" vhost={x.queue.vhost} name={x.queue.name} /> },
    { key: 'consumerTag', render: (x) => x.consumer_tag },
    { key: 'ackRequired', render: (x) => (x.ack_required ? '✓' : '–') },
    { key: 'exclusive', render: (x) => (x.exclusive ? '✓' : '–') },
    { key: 'prefetch', render: (x) => x.prefetch_count || '–' },
    { key: 'arguments', render: (x) => <Args value={x.arguments} /> },
  ],
}

const channel: DetailSpec = {
  page: 'broker-channel',
  row: (data) => data.channel,
  status: (c) => ({ value: c.state }),
  facts: (c) => [
    ['connection', c.connection_details ? <To key="connection" kind="connections" name={c.connection_details.name} /> : '–'],
    ['user', c.user],
    ['vhost', c.vhost],
    ['mode', mode(c)],
    ['prefetch', c.prefetch_count || '–'],
    ['prefetchGlobal', c.global_prefetch_count || '–'],
    ['unacked', c.messages_unacknowledged ?? 0],
    ['unconfirmed', c.messages_unconfirmed ?? 0],
    ['uncommitted', c.messages_uncommitted ?? 0],
    ['acksUncommitted', c.acks_uncommitted ?? 0],
  ],
  tabs: [
    {
      key: 'charts',
      render: (c) => (
        <Flex vertical gap={16}>
          <SpanChoice longest="tenMinutes" />
          <Card size="small">
            <Chart
              {...chart(
                'messageRates',
                c.message_stats,
                ['publish', 'confirm', 'return_unroutable', 'deliver', 'deliver_no_ack', 'get', 'redeliver', 'ack'],
                'rate',
              )}
            />
          </Card>
        </Flex>
      ),
    },
    { key: 'consumers', table: consumers },
  ],
}

function Named({ spec }: { spec: DetailSpec }) {
  useTranslation() // another language is another page
  const { name } = useSearch({ strict: false }) as { name?: string }
  const span = useSpan('tenMinutes')
  if (!name) return <Problem error={new ApiError(404, '')} />
  return <DetailPage spec={spec} params={{ name, ...sampled(span) }} />
}

/** One connection, named by ?name=. */
export const Connection = () => <Named spec={connection} />

/** One channel, named by ?name=. */
export const Channel = () => <Named spec={channel} />
