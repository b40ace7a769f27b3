// What the pages of the broker share: addresses in its API, the virtual host
// chosen, samples as lines of charts.
import { Link } from '@tanstack/react-router'
import { Flex, Progress, Select, Space, Tag } from 'antd'
import { useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import type { Call, PageData, Row } from '../../kit/api'
import type { ChartProps } from '../../kit/chart'
import type { Column } from '../../kit/filter'
import { t } from '../../kit/i18n'
import type { Long } from '../../kit/long'

export const rule = 'dashboard:broker'

/** A call to the broker's management API; the names in its path are escaped. */
export function call(method: Call['method'], path: string, names: string[], more: Partial<Call> = {}): Call {
  return { method, service: 'messaging', path: path + names.map((n) => `/${encodeURIComponent(n)}`).join(''), ...more }
}

/** A word as a shell takes it. */
export function word(s: unknown): string {
  const text = String(s)
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** A command of rabbitmqadmin: what to do, and key=value. */
export function admin(command: string, vhost: string | undefined, values: Row): string {
  const list = Object.entries(values).filter(([, v]) => v !== undefined && v !== '')
  const text = list.map(([k, v]) => word(`${k}=${typeof v === 'object' ? JSON.stringify(v) : v}`))
  return ['rabbitmqadmin', ...(vhost === undefined ? [] : [`--vhost=${word(vhost)}`]), command, ...text].join(' ')
}

/** A table of arguments that was typed as JSON. */
export function table(text?: string): Row {
  if (!text?.trim()) return {}
  const value = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(t('broker.noTable'))
  return value
}

// The virtual host that lists show; all if empty.
let chosen = localStorage.getItem('vhost') ?? ''
const watchers = new Set<() => void>()

export function useVHost(): string {
  return useSyncExternalStore(
    (w) => {
      watchers.add(w)
      return () => watchers.delete(w)
    },
    () => chosen,
  )
}

function choose(vhost: string) {
  localStorage.setItem('vhost', vhost)
  chosen = vhost
  for (const w of watchers) w()
}

/** Which virtual host's things a list shows. */
export function VHostChoice({ data }: { data: PageData }) {
  const { t } = useTranslation()
  const vhost = useVHost()
  const names: string[] = (data.vhosts ?? []).map((v: Row) => v.name)
  if (vhost && !names.includes(vhost)) names.push(vhost) // it is gone; one can still choose another
  return (
    <Space>
      {t('fields.vhost')}
      <Select
        aria-label={t('fields.vhost')}
        style={{ minWidth: 200 }}
        value={vhost}
        onChange={choose}
        options={[{ value: '', label: t('broker.allVhosts') }, ...names.map((value) => ({ value, label: value }))]}
      />
    </Space>
  )
}

/** The field of the virtual host something is made in. */
export function vhostField(data: Row) {
  const names: string[] = (data.vhosts ?? []).map((v: Row) => v.name)
  const initial = names.includes(chosen) ? chosen : (names[0] ?? '/')
  return { name: 'vhost', type: 'select' as const, required: true, initial, options: names.map((value) => ({ value, label: value })) }
}

/** The request of a list. */
export function paged(vhost: string): Record<string, string> {
  return vhost ? { vhost } : {}
}

/** What the broker can do with a long list: its pages have numbers. */
export const long = (part: string, sort: Record<string, string>): Long => ({
  sort: { name: 'name', vhost: 'vhost', ...sort },
  filter: {
    '': (words) => ({ name: words }),
    name: (value) => ({ name: value }),
    regex: (value) => ({ name: value, use_regex: 'true' }),
  },
  pieces: (data) => data[part]?.page_count ?? 1,
})

/** The rows of a list's page, each with an id. */
export function items(answer: Row | Row[] | undefined): Row[] {
  const list: Row[] = Array.isArray(answer) ? answer : (answer?.items ?? [])
  return list.map((r) => ({ ...r, id: `${r.vhost ?? ''} ${r.name}` }))
}

/** How many things a long list has. */
export function Total({ answer }: { answer?: Row }) {
  const { t } = useTranslation()
  if (!answer?.total_count || answer.total_count <= answer.item_count) return null
  return <Tag data-total={answer.total_count}>{t('broker.total', { count: answer.total_count })}</Tag>
}

type Kind = 'queues' | 'exchanges' | 'connections' | 'channels' | 'users' | 'nodes'

/** A link to a thing of the broker. */
export function To({ kind, vhost, name, children }: { kind: Kind; vhost?: string; name: string; children?: string }) {
  return (
    <Link to={`/broker/${kind}/detail` as never} search={{ vhost, name } as never}>
      {children ?? name}
    </Link>
  )
}

export function exchangeName(name: string): string {
  return name === '' || name === 'amq.default' ? t('broker.defaultExchange') : name
}

/** How much a second. */
export function rate(details?: Row, unit: 'count' | 'bytes' = 'count'): number | undefined {
  const r = details?.rate
  return r === undefined ? undefined : unit === 'bytes' ? Math.round(r) : Math.round(r * 10) / 10
}

/** A column with a rate out of message_stats. */
export function rateColumn(key: string, of: string, hidden = false): Column {
  const value = (row: Row) => rate(row.message_stats?.[`${of}_details`])
  return {
    key,
    hidden,
    text: (row) => value(row) ?? 0,
    render: (row) => (value(row) === undefined ? '–' : t('broker.perSecond', { n: value(row) })),
  }
}

/** A table of arguments as text. */
export function Args({ value }: { value?: Row }) {
  const list = Object.entries(value ?? {})
  if (list.length === 0) return <>–</>
  return list.map(([k, v]) => (
    <div key={k}>
      {k} = {typeof v === 'object' ? JSON.stringify(v) : String(v)}
    </div>
  ))
}

/** What kind of thing a queue or an exchange is, in short. */
export function Features({ row }: { row: Row }) {
  const { t } = useTranslation()
  const flags = ['durable', 'auto_delete', 'exclusive', 'internal'].filter((f) => row[f])
  const names = Object.keys(row.arguments ?? {}).filter((k) => k !== 'x-queue-type')
  if (flags.length + names.length === 0 && !row.policy && !row.operator_policy) return <>–</>
  return (
    <>
      {flags.map((f) => (
        <Tag key={f}>{t(`features.${f}`)}</Tag>
      ))}
      {names.length > 0 ? (
        <Tag title={names.map((n) => `${n}=${JSON.stringify(row.arguments[n])}`).join('\n')}>{t('features.args')}</Tag>
      ) : null}
      {row.policy ? <Tag color="blue">{row.policy}</Tag> : null}
      {row.operator_policy ? <Tag color="purple">{row.operator_policy}</Tag> : null}
    </>
  )
}

interface Sample {
  sample: number
  timestamp: number
}

/** The samples of some values, which all were taken at the same times, as a chart. */
export function chart(title: string, of: Row | undefined, keys: string[], unit: ChartProps['unit'] = 'count'): ChartProps {
  const lists = keys.map((k) => [...((of?.[`${k}_details`]?.samples ?? []) as Sample[])].reverse())
  const longest = lists.reduce<Sample[]>((a, b) => (b.length > a.length ? b : a), [])
  const times = longest.map((s) => s.timestamp / 1000)
  const lines = keys.map((key, i) => ({ key, values: unit === 'count' ? lengths(lists[i], times) : rates(lists[i], times) }))
  return { title, times, lines, unit }
}

function lengths(list: Sample[], times: number[]): number[] {
  return list.length === 0 ? times.map(() => 0) : list.map((s) => s.sample)
}

function rates(list: Sample[], times: number[]): (number | null)[] {
  if (list.length === 0) return times.map(() => 0)
  // A counter that began again, with its connection or broker, made no negative rate.
  return list.map((s, i) =>
    i === 0 ? null : Math.max(0, (s.sample - list[i - 1].sample) / ((s.timestamp - list[i - 1].timestamp) / 1000)),
  )
}

/** How much of something is used, as a bar below its words. */
export function Share({ used, of, text }: { used: number; of: number; text: string }) {
  const percent = of > 0 ? Math.min(100, Math.round((100 * used) / of)) : 0
  return (
    <Flex vertical style={{ minWidth: 150 }}>
      <span>{text}</span>
      <Progress aria-label={text} percent={percent} size="small" status={percent >= 90 ? 'exception' : 'normal'} />
    </Flex>
  )
}

/** Which of a node's alarms make publishers wait. */
export function Alarms({ node }: { node: Row }) {
  const { t } = useTranslation()
  if (!node.mem_alarm && !node.disk_free_alarm) return <Tag color="success">{t('broker.noAlarm')}</Tag>
  return (
    <>
      {node.mem_alarm ? <Tag color="error">{t('broker.memoryAlarm')}</Tag> : null}
      {node.disk_free_alarm ? <Tag color="error">{t('broker.diskAlarm')}</Tag> : null}
    </>
  )
}
