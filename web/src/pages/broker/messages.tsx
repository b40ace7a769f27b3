// Messages put in and taken out by hand, and bindings made by hand.
import { Button, Card, Descriptions, Empty, Flex, Form, InputNumber, Select, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { ApiError, type Call, type Row } from '../../kit/api'
import type { Field, FormSpec } from '../../kit/form'
import { t } from '../../kit/i18n'
import { Problem } from '../../kit/problem'
import { ShowApi } from '../../kit/showapi'
import { run } from '../../kit/tasks'
import { admin, call, rule, table } from './common'
import { choicesOf, wordFor } from './words'

const message = (): Field[] => [
  { name: 'payload', type: 'area' },
  {
    name: 'encoding',
    type: 'select',
    required: true,
    initial: 'string',
    help: 'encoding',
    options: choicesOf('encoding', ['string', 'base64']),
  },
  { name: 'persistent', type: 'switch', initial: true, help: 'persistent' },
  { name: 'headers', type: 'area', help: 'json' },
  { name: 'properties', type: 'area', help: 'properties' },
]

/** Publishes to an exchange; to a queue by the default exchange, which knows it by its name. */
export function publishing(exchange: (row: Row) => string, key?: (row: Row) => string): FormSpec {
  return {
    title: 'publish',
    fields: () => (key ? message() : [{ name: 'routingKey', initial: '' }, ...message()]),
    calls: (v, row) => {
      const properties: Row = { delivery_mode: v.persistent ? 2 : 1, ...table(v.properties) }
      const headers = table(v.headers)
      if (Object.keys(headers).length > 0) properties.headers = headers
      const routing_key = key ? key(row) : (v.routingKey ?? '')
      return call('POST', '/exchanges', [row.vhost, exchange(row) || 'amq.default', 'publish'], {
        body: { routing_key, payload: v.payload ?? '', payload_encoding: v.encoding, properties },
        cli: admin('publish', row.vhost, {
          exchange: exchange(row) || 'amq.default',
          routing_key,
          payload: v.payload ?? '',
          payload_encoding: v.encoding,
          properties,
        }),
      })
    },
    done: (answer) => {
      if (!answer.routed) throw new ApiError(0, t('broker.unrouted'))
    },
  }
}

const modes = ['ack_requeue_true', 'ack_requeue_false', 'reject_requeue_true', 'reject_requeue_false']

/** Takes messages out of a queue, to look at them or for good. */
export function GetMessages({ queue }: { queue: Row }) {
  const { t } = useTranslation()
  const [got, setGot] = useState<Row[]>()
  const [error, setError] = useState<ApiError>()
  const [values, setValues] = useState({ ackmode: modes[0], count: 1, encoding: 'auto', truncate: 50_000 })
  const get: Call = call('POST', '/queues', [queue.vhost, queue.name, 'get'], {
    body: values,
    cli: admin('get', queue.vhost, { queue: queue.name, ackmode: values.ackmode, count: values.count }),
  })
  if (queue.type === 'stream') return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('broker.noGet')} />
  const submit = async () => {
    setError(undefined)
    try {
      setGot(await run<Row[]>(`${t('actions.getMessages')} ${queue.name}`, get))
    } catch (e) {
      setError(e as ApiError)
    }
  }
  return (
    <Flex vertical gap={16}>
      <Form layout="inline" onFinish={submit}>
        <Form.Item label={t('fields.ackMode')} htmlFor="ackmode">
          <Select
            id="ackmode"
            style={{ minWidth: 300 }}
            value={values.ackmode}
            onChange={(ackmode) => setValues({ ...values, ackmode })}
            options={modes.map((value) => ({ value, label: t(`ackModes.${value}`) }))}
          />
        </Form.Item>
        <Form.Item label={t('fields.count')} htmlFor="count">
          <InputNumber
            id="count"
            min={1}
            max={1000}
            value={values.count}
            onChange={(count) => setValues({ ...values, count: count ?? 1 })}
          />
        </Form.Item>
        <Button type="primary" htmlType="submit" data-get danger={values.ackmode.endsWith('false')}>
          {t('actions.getMessages')}
        </Button>
      </Form>
      <Typography.Text type="secondary">{t('broker.getMeans')}</Typography.Text>
      {error ? <Problem error={error} /> : null}
      <div aria-live="polite">
        {got?.length === 0 ? <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('broker.noMessages')} /> : null}
        {got?.map((m, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: messages have no name, and the list is not changed
          <Message key={i} number={i + 1} message={m} />
        ))}
      </div>
      <ShowApi calls={[get]} />
    </Flex>
  )
}

function Message({ number, message: m }: { number: number; message: Row }) {
  const { t } = useTranslation()
  return (
    <Card size="small" title={t('broker.message', { number })} style={{ marginBlockEnd: 8 }} data-message>
      <Descriptions
        size="small"
        column={1}
        items={[
          { key: 'exchange', label: t('fields.exchange'), children: m.exchange || t('broker.defaultExchange') },
          { key: 'key', label: t('fields.routingKey'), children: m.routing_key || '–' },
          { key: 'redelivered', label: t('fields.redelivered'), children: m.redelivered ? '✓' : '–' },
          { key: 'properties', label: t('fields.properties'), children: <pre className="code">{JSON.stringify(m.properties)}</pre> },
          {
            key: 'payload',
            label: `${t('fields.payload')} (${m.payload_bytes} B, ${wordFor('encoding', m.payload_encoding)})`,
            children: <pre className="code">{m.payload}</pre>,
          },
        ]}
      />
    </Card>
  )
}

/** The call that makes a binding. */
export function bind(vhost: string, source: string, kind: 'q' | 'e', destination: string, v: Row): Call {
  const routing_key = v.routingKey ?? ''
  const args = table(v.arguments)
  return call('POST', '/bindings', [vhost, 'e', source, kind, destination], {
    body: { routing_key, arguments: args },
    cli: admin('declare binding', vhost, {
      source,
      destination,
      destination_type: kind === 'q' ? 'queue' : 'exchange',
      routing_key,
      arguments: Object.keys(args).length > 0 ? args : undefined,
    }),
    terraform: `resource "rabbitmq_binding" "binding" {\n  source           = "${source}"\n  vhost            = "${vhost}"\n  destination      = "${destination}"\n  destination_type = "${kind === 'q' ? 'queue' : 'exchange'}"\n  routing_key      = "${routing_key}"\n}`,
  })
}

export const unbind: Action = {
  key: 'unbind',
  rule,
  danger: true,
  show: (b) => b.source !== '', // what the default exchange knows a queue by stays
  calls: (b) =>
    call('DELETE', '/bindings', [b.vhost, 'e', b.source, b.destination_type === 'queue' ? 'q' : 'e', b.destination, b.properties_key], {
      cli: admin('delete binding', b.vhost, {
        source: b.source,
        destination: b.destination,
        destination_type: b.destination_type,
        properties_key: b.properties_key,
      }),
    }),
}

/** Bindings as rows with a name and an id. */
export function bindings(list: Row[] | undefined): Row[] {
  return (list ?? []).map((b) => ({
    ...b,
    id: `${b.source} ${b.destination_type} ${b.destination} ${b.properties_key}`,
    name: `${b.source} → ${b.destination}`,
  }))
}
