import { Link, useSearch } from '@tanstack/react-router'
import { Card, Col, Flex, Row as Grid } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { ApiError, type Row } from '../../kit/api'
import { Chart, SpanChoice, sampled, useSpan } from '../../kit/chart'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import type { Field, FormSpec } from '../../kit/form'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { Problem } from '../../kit/problem'
import type { SubTableSpec } from '../../kit/subtable'
import { call, chart, rateColumn, rule, To, word } from './common'
import { limitRows, limitTable } from './limits'
import { everything, permit } from './users'

const fields = (v?: Row): Field[] => [
  { name: 'description', initial: v?.description ?? '' },
  {
    name: 'defaultQueueType',
    type: 'select',
    required: true,
    initial: queueType(v),
    help: 'defaultQueueType',
    options: ['classic', 'quorum', 'stream'].map((value) => ({ value, label: t(`queueTypes.${value}`) })),
  },
  { name: 'tracing', type: 'switch', initial: v?.tracing ?? false, help: 'tracing' },
]

function queueType(v?: Row): string {
  const type = v?.default_queue_type
  return type && type !== 'undefined' ? type : 'classic'
}

const put = (name: string, v: Row) =>
  call('PUT', '/vhosts', [name], {
    body: { description: v.description, default_queue_type: v.defaultQueueType, tracing: v.tracing },
    cli: `rabbitmqctl add_vhost ${word(name)} --description ${word(v.description || '-')} --default-queue-type ${v.defaultQueueType}`,
    terraform: `resource "rabbitmq_vhost" "${name}" {\n  name = "${name}"\n}`,
  })

const creation: FormSpec = {
  title: 'createVhost',
  fields: (data) => [
    { name: 'name', required: true },
    ...fields(),
    {
      name: 'grantedUser',
      type: 'select',
      help: 'grantedUser',
      options: (data.users ?? []).map((u: Row) => ({ value: u.name, label: u.name })),
    },
  ],
  calls: (v) => {
    const made = put(v.name ?? '', v)
    return v.grantedUser ? [made, permit(v.name ?? '', v.grantedUser, everything)] : made
  },
}

const actions: Action[] = [
  { key: 'edit', rule, form: { title: 'editVhost', fields: (_, v) => fields(v), calls: (values, v) => put(v.name, values) } },
  {
    key: 'protect',
    rule,
    show: (v) => v.protected_from_deletion === false,
    calls: (v) =>
      call('POST', '/vhosts', [v.name, 'deletion', 'protection'], {
        cli: `rabbitmqctl enable_vhost_protection_from_deletion ${word(v.name)}`,
      }),
  },
  {
    key: 'unprotect',
    rule,
    show: (v) => v.protected_from_deletion === true,
    calls: (v) =>
      call('DELETE', '/vhosts', [v.name, 'deletion', 'protection'], {
        cli: `rabbitmqctl disable_vhost_protection_from_deletion ${word(v.name)}`,
      }),
  },
  {
    key: 'delete',
    rule,
    danger: true,
    disabled: (v) => (v.protected_from_deletion ? 'protected' : undefined),
    calls: (v) => call('DELETE', '/vhosts', [v.name], { cli: `rabbitmqctl delete_vhost ${word(v.name)}` }),
  },
]

const list: ListSpec = {
  key: 'vhosts',
  page: 'broker-vhosts',
  rowKey: 'name',
  rows: (data) => data.vhosts,
  columns: [
    {
      key: 'name',
      render: (v) => (
        <Link to={'/broker/vhosts/detail' as never} search={{ name: v.name } as never}>
          {v.name}
        </Link>
      ),
    },
    { key: 'description', render: (v) => v.description || '–' },
    { key: 'defaultQueueType', text: queueType, render: (v) => t(`queueTypes.${queueType(v)}`) },
    { key: 'ready', text: (v) => v.messages_ready ?? 0, render: (v) => v.messages_ready ?? 0 },
    { key: 'unacked', text: (v) => v.messages_unacknowledged ?? 0, render: (v) => v.messages_unacknowledged ?? 0 },
    rateColumn('published', 'publish'),
    rateColumn('delivered', 'deliver_get'),
    { key: 'tracing', hidden: true, text: (v) => String(v.tracing), render: (v) => (v.tracing ? '✓' : '–') },
    { key: 'protected', text: (v) => String(v.protected_from_deletion), render: (v) => (v.protected_from_deletion ? '✓' : '–') },
  ],
  actions,
  create: { rule, form: creation },
  call: call('GET', '/vhosts', [], { cli: 'rabbitmqctl list_vhosts' }),
}

export const VHosts = () => <ListPage spec={list} />

const permissions: SubTableSpec = {
  rows: (_, data) => (data.permissions ?? []).map((p: Row) => ({ ...p, id: p.user, name: p.user })),
  columns: [{ key: 'user', render: (p) => <To kind="users" name={p.user} /> }, { key: 'configure' }, { key: 'write' }, { key: 'read' }],
  empty: 'broker.noPermissions',
}

const detail: DetailSpec = {
  page: 'broker-vhost',
  row: (data) => data.vhost,
  actions,
  facts: (v) => [
    ['description', v.description],
    ['defaultQueueType', t(`queueTypes.${queueType(v)}`)],
    ['ready', v.messages_ready ?? 0],
    ['unacked', v.messages_unacknowledged ?? 0],
    ['tracing', v.tracing ? '✓' : '–'],
    ['protected', v.protected_from_deletion ? '✓' : '–'],
  ],
  tabs: [
    {
      key: 'charts',
      render: (v) => (
        <Flex vertical gap={16}>
          <SpanChoice longest="hour" />
          <Grid gutter={[16, 16]}>
            <Col xs={24} xl={12}>
              <Card size="small">
                <Chart {...chart('queued', v, ['messages', 'messages_ready', 'messages_unacknowledged'])} />
              </Card>
            </Col>
            <Col xs={24} xl={12}>
              <Card size="small">
                <Chart {...chart('messageRates', v.message_stats, ['publish', 'deliver_get', 'redeliver', 'ack'], 'rate')} />
              </Card>
            </Col>
            <Col xs={24} xl={12}>
              <Card size="small">
                <Chart {...chart('dataRates', v, ['recv_oct', 'send_oct'], 'bytes')} />
              </Card>
            </Col>
          </Grid>
        </Flex>
      ),
    },
    { key: 'permissions', table: permissions },
    { key: 'limits', table: limitTable('vhost', (v, data) => limitRows(data.limits, 'vhost', v.name)) },
  ],
}

/** One virtual host, named by ?name=. */
export function VHost() {
  useTranslation() // another language is another page
  const { name } = useSearch({ strict: false }) as { name?: string }
  const span = useSpan('hour')
  if (!name) return <Problem error={new ApiError(404, '')} />
  return <DetailPage spec={detail} params={{ name, ...sampled(span) }} />
}
