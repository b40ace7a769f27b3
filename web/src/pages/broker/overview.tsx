import { Button, Card, Col, Flex, Row as Grid, Skeleton, Statistic, Table, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type PageData, type Row, usePage } from '../../kit/api'
import { Chart, SpanChoice, sampled, useSpan } from '../../kit/chart'
import { FormButton, type FormSpec } from '../../kit/form'
import { bytes, duration } from '../../kit/format'
import { Missing, Problem } from '../../kit/problem'
import { Alarms, call, chart, rule, Share, To } from './common'

const publishing = ['publish', 'confirm', 'return_unroutable', 'drop_unroutable', 'deliver_get', 'redeliver', 'ack']
const churn = [
  'connection_created',
  'connection_closed',
  'channel_created',
  'channel_closed',
  'queue_declared',
  'queue_created',
  'queue_deleted',
]

/** What the broker holds and does, on which nodes. */
export function Overview() {
  const { t } = useTranslation()
  const span = useSpan()
  const { data, error, refetch } = usePage('broker-overview', sampled(span))
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  const o: Row = data.overview
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t('pages.brokerOverview.title')}
        </Typography.Title>
        <SpanChoice />
      </Flex>
      <Typography.Text type="secondary">
        {o.cluster_name} · {o.product_name} {o.product_version} · {t('broker.compatible', { version: o.rabbitmq_version })}
      </Typography.Text>
      <Missing errors={data.errors} />
      <Grid gutter={[16, 16]}>
        {totals(o).map(([key, value]) => (
          <Col key={key} xs={12} sm={8} lg={3}>
            <Card size="small">
              <Statistic title={t(`fields.${key}`)} value={value} />
            </Card>
          </Col>
        ))}
      </Grid>
      <Grid gutter={[16, 16]}>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('queued', o.queue_totals, ['messages', 'messages_ready', 'messages_unacknowledged'])} />
          </Card>
        </Col>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('messageRates', o.message_stats, publishing, 'rate')} />
          </Card>
        </Col>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('dataRates', octets(data), ['recv_oct', 'send_oct'], 'bytes')} />
          </Card>
        </Col>
        <Col xs={24} xl={12}>
          <Card size="small">
            <Chart {...chart('churn', o.churn_rates, churn, 'rate')} />
          </Card>
        </Col>
      </Grid>
      <Nodes rows={data.nodes ?? []} />
      <Listeners rows={[...(o.listeners ?? [])]} />
      <Definitions data={data} reload={() => void refetch()} />
    </Flex>
  )
}

function totals(o: Row): [string, number][] {
  const all: [string, number | undefined][] = [
    ['messagesReady', o.queue_totals?.messages_ready],
    ['messagesUnacked', o.queue_totals?.messages_unacknowledged],
    ['messages', o.queue_totals?.messages],
    ['connections', o.object_totals?.connections],
    ['channels', o.object_totals?.channels],
    ['exchanges', o.object_totals?.exchanges],
    ['queues', o.object_totals?.queues],
    ['consumers', o.object_totals?.consumers],
  ]
  return all.map(([key, value]) => [key, value ?? 0])
}

/** The octets of all virtual hosts together: the API has no sum of them. */
function octets(data: PageData): Row {
  const sum: Row = {}
  for (const key of ['recv_oct_details', 'send_oct_details']) {
    const lists: Row[][] = (data.vhosts ?? []).map((v: Row) => v[key]?.samples ?? []).filter((l: Row[]) => l.length > 0)
    const samples = (lists[0] ?? []).map((s, i) => ({ ...s, sample: lists.reduce((n, l) => n + (l[i]?.sample ?? 0), 0) }))
    sum[key] = { samples }
  }
  return sum
}

function Nodes({ rows }: { rows: Row[] }) {
  const { t } = useTranslation()
  return (
    <Card size="small" title={t('fields.nodes')}>
      <Table<Row>
        size="small"
        rowKey="name"
        pagination={false}
        scroll={{ x: 'max-content' }}
        dataSource={rows}
        columns={[
          { key: 'name', title: t('fields.name'), render: (_, n) => <To kind="nodes" name={n.name} /> },
          {
            key: 'memory',
            title: t('fields.memory'),
            render: (_, n) => <Share used={n.mem_used} of={n.mem_limit} text={`${bytes(n.mem_used)} / ${bytes(n.mem_limit)}`} />,
          },
          {
            key: 'disk',
            title: t('fields.diskFree'),
            render: (_, n) => t('broker.low', { value: bytes(n.disk_free), low: bytes(n.disk_free_limit) }),
          },
          {
            key: 'files',
            title: t('fields.files'),
            render: (_, n) => <Share used={n.fd_used} of={n.fd_total} text={`${n.fd_used} / ${n.fd_total}`} />,
          },
          { key: 'processors', title: t('fields.processors'), dataIndex: 'processors' },
          { key: 'uptime', title: t('fields.uptime'), render: (_, n) => duration(n.uptime) },
          { key: 'alarms', title: t('fields.alarms'), render: (_, n) => <Alarms node={n} /> },
        ]}
      />
    </Card>
  )
}

function Listeners({ rows }: { rows: Row[] }) {
  const { t } = useTranslation()
  return (
    <Card size="small" title={t('fields.listeners')}>
      <Table<Row>
        size="small"
        rowKey={(l) => `${l.protocol} ${l.ip_address} ${l.port}`}
        pagination={false}
        dataSource={rows}
        columns={[
          { key: 'protocol', title: t('fields.protocol'), dataIndex: 'protocol' },
          { key: 'address', title: t('fields.address'), dataIndex: 'ip_address' },
          { key: 'port', title: t('fields.port'), dataIndex: 'port' },
        ]}
      />
    </Card>
  )
}

const importing: FormSpec = {
  title: 'importDefinitions',
  fields: () => [{ name: 'file', type: 'file', required: true, help: 'definitions' }],
  calls: (v) =>
    call('POST', '/definitions', [], { body: v.file?.[0]?.originFileObj, cli: 'rabbitmqctl import_definitions definitions.json' }),
}

function Definitions({ data, reload }: { data: PageData; reload: () => void }) {
  const { t } = useTranslation()
  return (
    <Card size="small" title={t('broker.definitions')}>
      <Flex gap={8} wrap align="center">
        <Typography.Text>{t('broker.definitionsAre')}</Typography.Text>
        <Button href="/dashboard/api/messaging/definitions" download={`${data.overview.cluster_name}.json`.replaceAll(/[^\w.-]/g, '-')}>
          {t('actions.exportDefinitions')}
        </Button>
        <FormButton form={importing} rule={rule} data={data} after={reload} />
      </Flex>
    </Card>
  )
}
