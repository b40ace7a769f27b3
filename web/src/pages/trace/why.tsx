// Why a server is where it is, and why one is in error.
import { useQuery } from '@tanstack/react-query'
import { Alert, Card, Descriptions, Empty, Flex, Skeleton, Table, Tag, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type Call, type Row, send, useCall, useCan } from '../../kit/api'
import { ago, time } from '../../kit/format'
import { Problem } from '../../kit/problem'
import { RequestId } from '../../kit/requestid'
import { Status } from '../../kit/status'

interface Verdict {
  filter: string
  passed: number
  refused_count: number
  /** Which host was refused for what, for administrators. */
  refused?: Record<string, string>
}

interface Weighed {
  host: string
  node: string
  weight: number
  by?: Record<string, number>
}

interface Decision {
  request_id: string
  attempt: number
  created_at: string
  found: boolean
  candidates: number
  filters: Verdict[]
  weighed_count: number
  host?: string | null
  reason?: string | null
  weighed?: Weighed[]
}

const number = (n: number) => n.toLocaleString(undefined, { maximumFractionDigits: 3 })

function Filters({ of }: { of: Decision }) {
  const { t } = useTranslation()
  return (
    <Table<Verdict>
      size="small"
      rowKey="filter"
      pagination={false}
      dataSource={of.filters}
      locale={{ emptyText: t('scheduling.noneRefused') }}
      columns={[
        { key: 'filter', title: t('scheduling.filter'), dataIndex: 'filter' },
        { key: 'passed', title: t('scheduling.passed'), align: 'end', dataIndex: 'passed' },
        { key: 'count', title: t('scheduling.refused'), align: 'end', dataIndex: 'refused_count' },
        ...(of.weighed
          ? [
              {
                key: 'refused',
                title: t('fields.reason'),
                render: (_: unknown, v: Verdict) =>
                  Object.entries(v.refused ?? {}).map(([host, why]) => (
                    <div key={host}>
                      <strong>{host}</strong>: {why}
                    </div>
                  )),
              },
            ]
          : []),
      ]}
    />
  )
}

function Weights({ of }: { of: Decision }) {
  const { t } = useTranslation()
  const hosts = of.weighed ?? []
  const weighers = [...new Set(hosts.flatMap((h) => Object.keys(h.by ?? {})))].sort()
  return (
    <Table<Weighed>
      size="small"
      rowKey="node"
      pagination={false}
      scroll={{ x: 'max-content' }}
      dataSource={hosts}
      columns={[
        {
          key: 'host',
          title: t('fields.host'),
          render: (_, h) => (
            <>
              {h.host} {h.host === of.host ? <Tag color="green">{t('scheduling.chosen')}</Tag> : null}
            </>
          ),
        },
        { key: 'weight', title: t('scheduling.weight'), align: 'end', render: (_, h) => number(h.weight) },
        ...weighers.map((w) => ({ key: w, title: w, align: 'end' as const, render: (_: unknown, h: Weighed) => number(h.by?.[w] ?? 0) })),
      ]}
    />
  )
}

/** What the scheduler decided about a server, each time it was asked. */
export function Scheduling({ id }: { id: string }) {
  const { t } = useTranslation()
  const { data, error, refetch } = useCall<{ decisions: Decision[] }>({
    method: 'GET',
    service: 'compute',
    path: `/servers/${id}/nubo-decisions`,
  })
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  if (data.decisions.length === 0) return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('scheduling.none')} />
  return (
    <Flex vertical gap={16}>
      {data.decisions.map((d) => (
        <Card
          key={`${d.request_id}/${d.attempt}`}
          size="small"
          title={
            <>
              {t('scheduling.attempt', { number: d.attempt })}{' '}
              <Tag color={d.found ? 'green' : 'red'}>{d.found ? (d.host ?? t('scheduling.found')) : t('scheduling.noHost')}</Tag>
            </>
          }
        >
          <Flex vertical gap={12}>
            <Descriptions
              size="small"
              items={[
                { key: 'at', label: t('fields.created'), children: time(d.created_at) },
                { key: 'candidates', label: t('scheduling.candidates'), children: d.candidates },
                { key: 'weighed', label: t('scheduling.passedAll'), children: d.weighed_count },
                { key: 'request', label: t('trace.request'), children: <RequestId id={d.request_id} /> },
              ]}
            />
            {d.reason ? <Alert type="warning" title={d.reason} /> : null}
            <Filters of={d} />
            {d.weighed && d.weighed.length > 0 ? <Weights of={d} /> : null}
          </Flex>
        </Card>
      ))}
    </Flex>
  )
}

interface Action {
  action: string
  request_id: string
  start_time: string
  message?: string | null
  events?: {
    event: string
    start_time: string
    finish_time?: string
    result?: string
    details?: string
    traceback?: string
    host?: string
  }[]
}

/** What happened on the way to an error, and which of the services concerned do not answer. */
export function Circumstances({ id, actions }: { id: string; actions?: Row[] }) {
  const { t } = useTranslation()
  const can = useCan(['os_compute_api:os-services:list', 'get_agents'])
  const failed = actions?.find((a) => a.message) ?? actions?.[0]
  const { data } = useQuery({
    queryKey: ['call', 'compute', 'action', id, failed?.request_id],
    queryFn: () =>
      send<{ instanceAction: Action }>({
        method: 'GET',
        service: 'compute',
        path: `/servers/${id}/os-instance-actions/${failed?.request_id}`,
      }),
    enabled: failed !== undefined,
  })
  const events = data?.instanceAction.events ?? []
  return (
    <Flex vertical gap={16} style={{ marginTop: 16 }}>
      {failed ? (
        <Card size="small" title={t('circumstances.events', { action: failed.action })} extra={<RequestId id={failed.request_id} />}>
          <Table
            size="small"
            rowKey={(e) => `${e.event}/${e.start_time}/${e.host}`}
            pagination={false}
            dataSource={events}
            columns={[
              { key: 'event', title: t('circumstances.event'), dataIndex: 'event' },
              { key: 'start', title: t('trace.begun'), render: (_, e) => time(e.start_time) },
              {
                key: 'result',
                title: t('fields.status'),
                render: (_, e) => (e.result ? <Tag color={e.result === 'Success' ? 'green' : 'red'}>{e.result}</Tag> : '–'),
              },
              { key: 'host', title: t('fields.host'), render: (_, e) => e.host ?? '–' },
              { key: 'details', title: t('fields.reason'), render: (_, e) => e.details ?? e.traceback ?? '–' },
            ]}
          />
        </Card>
      ) : null}
      {can('os_compute_api:os-services:list').allowed ? <Down /> : null}
    </Flex>
  )
}

const services: Call = { method: 'GET', service: 'compute', path: '/os-services' }
const agents: Call = { method: 'GET', service: 'network', path: '/agents' }

function Down() {
  const { t } = useTranslation()
  const compute = useCall<{ services: Row[] }>(services)
  const network = useCall<{ agents: Row[] }>(agents)
  const down = [
    ...(compute.data?.services ?? [])
      .filter((s) => s.state !== 'up' || s.status !== 'enabled')
      .map((s) => ({
        key: `c${s.id}`,
        binary: s.binary,
        host: s.host,
        state: s.state === 'up' ? s.status : s.state,
        seen: s.updated_at,
        why: s.disabled_reason,
      })),
    ...(network.data?.agents ?? [])
      .filter((a) => !a.alive || !a.admin_state_up)
      .map((a) => ({
        key: `n${a.id}`,
        binary: a.binary,
        host: a.host,
        state: a.alive ? 'disabled' : 'down',
        seen: a.heartbeat_timestamp?.replace(' ', 'T'),
        why: '',
      })),
  ]
  if (!compute.data || !network.data) return null
  return (
    <Card size="small" title={t('circumstances.agents')}>
      {down.length === 0 ? (
        <Typography.Text type="secondary">{t('circumstances.allUp')}</Typography.Text>
      ) : (
        <Table
          size="small"
          rowKey="key"
          pagination={false}
          dataSource={down}
          columns={[
            { key: 'binary', title: t('fields.service'), dataIndex: 'binary' },
            { key: 'host', title: t('fields.host'), dataIndex: 'host' },
            { key: 'state', title: t('fields.state'), render: (_, s) => <Status value={s.state} /> },
            { key: 'seen', title: t('fields.lastSeen'), render: (_, s) => ago(s.seen) },
            { key: 'why', title: t('fields.reason'), dataIndex: 'why' },
          ]}
        />
      )}
    </Card>
  )
}
