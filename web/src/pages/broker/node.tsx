// One node of the broker: what it takes, what it serves, what it has enabled.
import { useSearch } from '@tanstack/react-router'
import { Alert, Flex, Progress, Tag } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Row } from '../../kit/api'
import { DetailPage, type DetailSpec } from '../../kit/detail'
import type { Column } from '../../kit/filter'
import { bytes, duration } from '../../kit/format'
import { t } from '../../kit/i18n'
import { Status } from '../../kit/status'
import type { SubTableSpec } from '../../kit/subtable'
import { Alarms, rate, Share } from './common'
import { Word, wordFor } from './words'

const listeners: SubTableSpec = {
  rows: (n) => (n.listeners ?? []).map((l: Row) => ({ ...l, id: `${l.protocol} ${l.ip_address} ${l.port}` })),
  columns: [{ key: 'protocol' }, { key: 'address', render: (l) => l.ip_address }, { key: 'port' }],
}

const description: Column = { key: 'description', render: (x) => wordFor('about', x.name, x.description) }

const named = (key: string): SubTableSpec => ({
  rows: (n) => n[key] ?? [],
  rowKey: 'name',
  columns: [{ key: 'name' }, description, { key: 'enabled', render: (x) => (x.enabled === false ? '–' : '✓') }],
})

const applications: SubTableSpec = {
  rows: (n) => n.applications ?? [],
  rowKey: 'name',
  columns: [{ key: 'name' }, description, { key: 'version' }],
}

/** The parts of a node's memory that are not nothing, the largest first; what comes beside them is no part. */
export function memoryParts(memory: Row | undefined): [part: string, size: number][] {
  return Object.entries(memory ?? {})
    .filter((e): e is [string, number] => typeof e[1] === 'number' && e[1] > 0)
    .toSorted((a, b) => b[1] - a[1])
}

function Memory({ node }: { node: Row }) {
  const { t, i18n } = useTranslation()
  const parts = memoryParts(node.memory)
  const sum = parts.reduce((n, [, size]) => n + size, 0)
  return (
    <Flex vertical gap={8}>
      {parts.map(([part, size]) => {
        const name = i18n.exists(`memoryParts.${part}`) ? t(`memoryParts.${part}`) : part
        return (
          <div key={part}>
            <Flex justify="space-between">
              <span>{name}</span>
              <span>{bytes(size)}</span>
            </Flex>
            <Progress aria-label={name} percent={Math.round((100 * size) / sum)} size="small" showInfo={false} status="normal" />
          </div>
        )
      })}
    </Flex>
  )
}

/** What RabbitMQ counts of a node's work, with how much there is of it a second. */
const work = [
  'io_read_count',
  'io_read_bytes',
  'io_write_count',
  'io_write_bytes',
  'io_sync_count',
  'io_seek_count',
  'msg_store_read_count',
  'msg_store_write_count',
  'queue_index_read_count',
  'queue_index_write_count',
  'gc_num',
  'gc_bytes_reclaimed',
  'context_switches',
]

const counters: SubTableSpec = {
  rows: (n) => work.filter((key) => n[key] !== undefined).map((key) => ({ id: key, value: n[key], details: n[`${key}_details`] })),
  columns: [
    { key: 'counter', render: (r) => t(`nodeCounters.${r.id}`) },
    { key: 'total', render: (r) => (r.id.includes('bytes') ? bytes(r.value) : r.value) },
    {
      key: 'rate',
      render: (r) => t('broker.perSecond', { n: r.id.includes('bytes') ? bytes(rate(r.details, 'bytes') ?? 0) : (rate(r.details) ?? 0) }),
    },
  ],
}

const used = (n: Row, key: string) => (
  <Share used={n[`${key}_used`]} of={n[`${key}_total`]} text={`${n[`${key}_used`]} / ${n[`${key}_total`]}`} />
)

/** A plugin by the name one enables it by. */
const plugin = (name: string) => (
  <Tag key={name}>
    <code>{name}</code>
  </Tag>
)

const detail: DetailSpec = {
  page: 'broker-node',
  row: (data) => data.node,
  status: (n) => ({ value: n.running ? 'running' : 'down' }),
  facts: (n) => [
    ['uptime', duration(n.uptime)],
    ['memory', <Share key="memory" used={n.mem_used} of={n.mem_limit} text={`${bytes(n.mem_used)} / ${bytes(n.mem_limit)}`} />],
    ['diskFree', t('broker.low', { value: bytes(n.disk_free), low: bytes(n.disk_free_limit) })],
    ['alarms', <Alarms key="alarms" node={n} />],
    ['files', used(n, 'fd')],
    ['sockets', used(n, 'sockets')],
    ['processes', used(n, 'proc')],
    ['processors', n.processors],
    ['osPid', n.os_pid],
    ['nodeType', <Word key="nodeType" kind="nodeType" value={n.type} />],
    ['ratesMode', <Word key="ratesMode" kind="ratesMode" value={n.rates_mode} />],
    ['dataDirectory', n.db_dir],
    ['configFiles', (n.config_files ?? []).join(', ') || '–'],
    ['logFiles', (n.log_files ?? []).join(', ') || '–'],
    ['plugins', (n.enabled_plugins ?? []).map(plugin)],
    ['maintenance', n.being_drained ? <Status key="maintenance" value="draining" /> : '–'],
  ],
  tabs: [
    { key: 'memory', render: (n) => <Memory node={n} /> },
    { key: 'io', table: counters },
    { key: 'listeners', table: listeners },
    { key: 'exchangeTypes', table: named('exchange_types') },
    { key: 'authMechanisms', table: named('auth_mechanisms') },
    { key: 'applications', table: applications },
  ],
}

/** The node that ?name= names. */
export function Node() {
  const { t } = useTranslation()
  const { name } = useSearch({ strict: false }) as { name?: string }
  if (!name) return <Alert type="warning" title={t('errors.notFound')} />
  return <DetailPage spec={detail} params={{ name }} />
}
