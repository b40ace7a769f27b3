// The waterfall of a request: a table whose rows are its hops, each with a bar
// for when it was.

import { useQuery } from '@tanstack/react-query'
import { Alert, Descriptions, Flex, Skeleton, Table, Tag, Typography } from 'antd'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, request } from '../../kit/api'
import { Id } from '../../kit/detail'
import { time } from '../../kit/format'
import { Problem } from '../../kit/problem'
import { type Hop, opened, type Span, took, tree } from './tree'
import './trace.css'

interface Trace {
  request_id: string
  trace_id: string
  /** All of it is shown, as administrators see it. */
  whole: boolean
  spans: Span[]
}

/** The kind's family: what colour a bar has. */
const family = (s: Span) => s.kind.split('.')[0]

function Bar({ hop, all }: { hop: Hop; all: number }) {
  const at = (us: number) => `${(100 * us) / (all || 1)}%`
  const failed = hop.span.error || hop.inner?.error || (hop.span.status ?? 0) >= 400
  return (
    <div className="bar" aria-hidden="true">
      <div className="waits" style={{ insetInlineStart: at(hop.from), width: at(hop.to - hop.from) }} />
      <div
        className={`works ${failed ? 'failed' : family(hop.span)}`}
        style={{ insetInlineStart: at(hop.innerFrom), width: at(hop.innerTo - hop.innerFrom) }}
      />
    </div>
  )
}

/** Which way it went: over the bus that is exchange, key and queue. */
function Way({ hop }: { hop: Hop }) {
  const { t } = useTranslation()
  const s = hop.inner?.exchange ? hop.inner : hop.span
  const queue = hop.inner?.queue ?? s.queue
  return (
    <>
      {t(`traceKind.${hop.span.kind.replace('.', '_')}`)}
      {s.exchange ? <span className="id"> {[s.exchange, s.routing_key, queue].filter(Boolean).join(' → ')}</span> : null}
    </>
  )
}

/** A hop in words: what, and below it who and which way. */
function Name({ hop, severalHosts }: { hop: Hop; severalHosts: boolean }) {
  const { t } = useTranslation()
  const { span } = hop
  const status = span.status ?? hop.inner?.status
  const error = span.error || hop.inner?.error
  return (
    <div className="hop">
      <span className={span.kind === 'sql' && !hop.folded ? 'code' : undefined}>
        {hop.folded ? t('trace.statements', { count: hop.folded }) : span.name}
      </span>{' '}
      {status ? <Tag color={status >= 400 ? 'red' : undefined}>{status}</Tag> : null}
      {error ? <Tag color="red">{error}</Tag> : null}
      <Typography.Text type="secondary" className="way">
        {who(hop)} · <Way hop={hop} />
        {severalHosts ? ` · ${hosts(hop)}` : ''}
        {hop.inner?.waited && hop.inner.waited > 1e6 ? ` · ${t('trace.waited', { time: took(hop.inner.waited) })}` : ''}
      </Typography.Text>
    </div>
  )
}

function who(hop: Hop): string {
  const asker = hop.span.service
  const asked = hop.inner?.service
  return asked && asked !== asker ? `${asker} → ${asked}` : asker
}

function hosts(hop: Hop): string {
  return [...new Set([hop.span.host, hop.inner?.host].filter(Boolean))].join(' → ')
}

export function Waterfall({ id }: { id: string }) {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery({
    queryKey: ['trace', id],
    queryFn: () => request<Trace>('GET', `/dashboard/traces/${id}`),
    retry: false,
  })
  const shown = useMemo(() => tree(data?.spans ?? []), [data])
  const [open, setOpen] = useState<readonly string[]>()
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  const several = new Set(data.spans.map((s) => s.host)).size > 1
  return (
    <Flex vertical gap={16}>
      <Descriptions
        size="small"
        column={{ xs: 1, md: 2, xl: 4 }}
        items={[
          { key: 'request', label: t('trace.request'), children: <Id value={data.trace_id} /> },
          { key: 'begun', label: t('trace.begun'), children: time(data.spans[0].start) },
          { key: 'took', label: t('trace.took'), children: took(shown.took * 1000) },
          { key: 'hops', label: t('trace.hops'), children: data.spans.length },
        ]}
      />
      {data.whole ? null : <Alert type="info" title={t('trace.partly')} />}
      <Table<Hop>
        className="waterfall"
        size="small"
        pagination={false}
        dataSource={shown.hops}
        tableLayout="fixed"
        scroll={{ x: 640 }}
        expandable={{
          expandedRowKeys: open ?? opened(shown.hops),
          onExpandedRowsChange: (keys) => setOpen(keys as string[]),
          indentSize: 14,
        }}
        columns={[
          { key: 'name', title: t('trace.hop'), width: '50%', render: (_, h) => <Name hop={h} severalHosts={several} /> },
          { key: 'bar', title: <Legend />, render: (_, h) => <Bar hop={h} all={shown.took} /> },
          { key: 'at', title: t('trace.at'), width: 84, align: 'end', render: (_, h) => took(h.from * 1000) },
          { key: 'took', title: t('trace.took'), width: 84, align: 'end', render: (_, h) => took((h.inner ?? h.span).duration) },
        ]}
      />
    </Flex>
  )
}

function Legend() {
  const { t } = useTranslation()
  return (
    <span className="legend">
      {['http', 'rpc', 'sql', 'native', 'failed'].map((k) => (
        <span key={k}>
          <i className={`works ${k}`} />
          <Typography.Text type="secondary">{t(`traceFamily.${k}`)}</Typography.Text>
        </span>
      ))}
    </span>
  )
}
