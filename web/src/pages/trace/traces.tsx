// Requests of the last while, and what each of them did.
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Button, Empty, Flex, Input, Select, Switch, Table, Tag, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, request } from '../../kit/api'
import { labelled } from '../../kit/cards'
import { time } from '../../kit/format'
import { Problem } from '../../kit/problem'
import { type Span, took } from './tree'
import { Waterfall } from './waterfall'

function Switched({ label, checked, change }: { label: string; checked: boolean; change: (on: boolean) => void }) {
  return (
    <Flex gap={8} align="center">
      <Switch aria-label={label} checked={checked} onChange={change} />
      {label}
    </Flex>
  )
}

/** The newest requests. */
export function Traces() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [reads, setReads] = useState(false)
  const [failed, setFailed] = useState(false)
  const [slower, setSlower] = useState(0)
  const [wrong, setWrong] = useState(false)
  const query = new URLSearchParams({ reads: String(reads), failed: String(failed), slower: String(slower) })
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['traces', reads, failed, slower],
    queryFn: () => request<{ requests: Span[] }>('GET', `/dashboard/traces?${query}`),
  })
  const search = (typed: string) => {
    const id = typed.trim()
    setWrong(!/^req-[0-9A-Za-z-]{1,64}$/.test(id))
    if (/^req-[0-9A-Za-z-]{1,64}$/.test(id)) void navigate({ to: '/traces/$id', params: { id } })
  }
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t('pages.traces.title')}
        </Typography.Title>
        <Input.Search
          style={{ width: 440 }}
          placeholder="req-…"
          aria-label={t('trace.search')}
          enterButton={t('trace.show')}
          status={wrong ? 'error' : undefined}
          onSearch={search}
        />
      </Flex>
      <Typography.Text type="secondary">{t('trace.about')}</Typography.Text>
      <Flex gap={16} wrap align="center">
        <Switched label={t('trace.reads')} checked={reads} change={setReads} />
        <Switched label={t('trace.failed')} checked={failed} change={setFailed} />
        <Select
          aria-label={t('trace.slower')}
          value={slower}
          onChange={setSlower}
          style={{ width: 180 }}
          options={[0, 10, 100, 1000].map((ms) => ({ value: ms, label: ms ? t('trace.slowerThan', { ms }) : t('trace.anyTime') }))}
        />
        <Button onClick={() => refetch()} loading={isFetching}>
          {t('list.reload')}
        </Button>
      </Flex>
      {error ? <Problem error={error as ApiError} retry={() => refetch()} /> : null}
      <Requests spans={data?.requests} loading={!data && !error} />
    </Flex>
  )
}

/** A table of requests, each leading to its waterfall. */
export function Requests({ spans, loading, empty }: { spans?: Span[]; loading?: boolean; empty?: string }) {
  const { t } = useTranslation()
  return (
    <Table<Span>
      rowKey="id"
      size="small"
      pagination={false}
      loading={loading}
      dataSource={spans}
      scroll={{ x: 'max-content' }}
      locale={{ emptyText: loading ? ' ' : <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t(empty ?? 'pages.traces.empty')} /> }}
      expandable={{ expandedRowRender: (s) => <Waterfall id={s.request_id} /> }}
      columns={labelled<Span>(
        [
          { key: 'start', title: t('trace.begun'), render: (_, s) => time(s.start) },
          { key: 'name', title: t('trace.request'), width: 260, render: (_, s) => s.name },
          { key: 'service', title: t('fields.service'), render: (_, s) => s.service },
          {
            key: 'status',
            title: t('fields.status'),
            render: (_, s) => <Tag color={(s.status ?? 0) >= 400 ? 'red' : 'green'}>{s.status}</Tag>,
          },
          { key: 'took', title: t('trace.took'), align: 'end', render: (_, s) => took(s.duration) },
          {
            key: 'id',
            title: t('fields.id'),
            render: (_, s) => (
              <Link to={'/traces/$id'} params={{ id: s.request_id }} className="id">
                {s.request_id}
              </Link>
            ),
          },
        ],
        'name',
      )}
    />
  )
}

/** One request. */
export function TracePage() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.trace.title')}
      </Typography.Title>
      <Waterfall id={id} />
    </Flex>
  )
}
