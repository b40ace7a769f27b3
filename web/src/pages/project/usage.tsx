import { Button, Card, Col, Empty, Flex, Row as Grid, Segmented, Skeleton, Statistic, Table, Typography } from 'antd'
import dayjs from 'dayjs'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, type Call, type Row, usePage } from '../../kit/api'
import { labelled } from '../../kit/cards'
import { csv, download } from '../../kit/files'
import { Missing, Problem } from '../../kit/problem'
import { ShowApi } from '../../kit/showapi'
import { Status } from '../../kit/status'

const spans = { day: 1, week: 7, month: 30, year: 365 }
type Span = keyof typeof spans

/** From when until now, as UTC. */
function period(span: Span): { start: string; end: string } {
  const utc = (d: dayjs.Dayjs) => d.toISOString().slice(0, 19)
  const end = dayjs()
  return { start: utc(end.subtract(spans[span], 'day')), end: utc(end) }
}

const round = (n: number) => Math.round(n * 100) / 100

interface Props {
  page: string
  title: string
  rows: (data: Row) => Row[]
  sum: (data: Row) => Row
  /** The first column: what is counted by. */
  name: [key: string, render: (row: Row, data: Row) => string]
  columns: [key: string, value: (row: Row) => number][]
  status?: boolean
  call: Call
}

function UsagePage({ page, title, rows, sum, name, columns, status, call }: Props) {
  const { t } = useTranslation()
  const [span, setSpan] = useState<Span>('month')
  const asked = useMemo(() => period(span), [span])
  const [api, setApi] = useState(false)
  const { data, error, refetch } = usePage(page, asked)
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  const all = data ? rows(data) : []
  const total: Row = data ? sum(data) : {}
  const save = () =>
    download(
      'usage.csv',
      csv([
        [name[0], ...columns.map(([key]) => key)],
        ...all.map((r) => [name[1](r, data ?? {}), ...columns.map(([, value]) => value(r))]),
      ]),
    )
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t(title)}
        </Typography.Title>
        <Flex gap={8} wrap>
          <Segmented<Span>
            aria-label={t('usage.period')}
            value={span}
            onChange={setSpan}
            options={(Object.keys(spans) as Span[]).map((value) => ({ value, label: t(`usage.${value}`) }))}
          />
          <Button disabled={all.length === 0} onClick={save}>
            CSV
          </Button>
          <Button onClick={() => setApi(!api)}>{t('showApi.title')}</Button>
        </Flex>
      </Flex>
      {api ? <ShowApi calls={[call]} /> : null}
      {data ? <Missing errors={data.errors} /> : <Skeleton active />}
      <Grid gutter={[16, 16]}>
        {(
          [
            ['vcpuHours', total.total_vcpus_usage],
            ['gibHours', (total.total_memory_mb_usage ?? 0) / 1024],
            ['diskHours', total.total_local_gb_usage],
          ] as [string, number | undefined][]
        ).map(([key, value]) => (
          <Col key={key} xs={24} md={8}>
            <Card size="small">
              <Statistic title={t(`fields.${key}`)} value={round(value ?? 0)} />
            </Card>
          </Col>
        ))}
      </Grid>
      <Table<Row>
        size="middle"
        rowKey={(r) => r.instance_id ?? r.tenant_id}
        dataSource={all}
        pagination={false}
        scroll={{ x: 'max-content' }}
        locale={{ emptyText: <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('usage.none')} /> }}
        columns={labelled<Row>([
          { key: 'name', title: t(`fields.${name[0]}`), render: (_, r) => name[1](r, data ?? {}) },
          ...(status ? [{ key: 'status', title: t('fields.status'), render: (_: unknown, r: Row) => <Status value={r.state} /> }] : []),
          ...columns.map(([key, value]) => ({
            key,
            title: t(`fields.${key}`),
            sorter: (a: Row, b: Row) => value(a) - value(b),
            render: (_: unknown, r: Row) => value(r),
          })),
        ])}
      />
    </Flex>
  )
}

export const Usage = () => (
  <UsagePage
    page="usage"
    title="pages.usage.title"
    rows={(d) => d.usage?.server_usages ?? []}
    sum={(d) => d.usage ?? {}}
    name={['server', (r) => r.name]}
    status
    columns={[
      ['vcpus', (r) => r.vcpus],
      ['ram', (r) => r.memory_mb],
      ['disk', (r) => r.local_gb],
      ['hours', (r) => round(r.hours)],
    ]}
    call={{ method: 'GET', service: 'compute', path: '/os-simple-tenant-usage/PROJECT', cli: 'openstack usage show' }}
  />
)

const add = (rows: Row[], key: string) => rows.reduce((n, r) => n + (r[key] ?? 0), 0)

export const AdminUsage = () => (
  <UsagePage
    page="admin-usage"
    title="pages.adminUsage.title"
    rows={(d) => d.usages ?? []}
    sum={(d) =>
      Object.fromEntries(['total_vcpus_usage', 'total_memory_mb_usage', 'total_local_gb_usage'].map((k) => [k, add(d.usages ?? [], k)]))
    }
    name={['project', (r, d) => (d.projects ?? []).find((p: Row) => p.id === r.tenant_id)?.name ?? r.tenant_id]}
    columns={[
      ['hours', (r) => round(r.total_hours ?? 0)],
      ['vcpuHours', (r) => round(r.total_vcpus_usage ?? 0)],
      ['gibHours', (r) => round((r.total_memory_mb_usage ?? 0) / 1024)],
      ['diskHours', (r) => round(r.total_local_gb_usage ?? 0)],
    ]}
    call={{ method: 'GET', service: 'compute', path: '/os-simple-tenant-usage', cli: 'openstack usage list' }}
  />
)
