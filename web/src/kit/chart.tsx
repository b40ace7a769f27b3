// A chart of what was sampled: lines over time, and what they are now.
import { Flex, Segmented, Typography, theme } from 'antd'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { ago, bytes, duration } from './format'

export interface Line {
  /** The key of the name below "lines.". */
  key: string
  values: (number | null)[]
}

export interface ChartProps {
  /** The key of the title below "charts.". */
  title: string
  /** Seconds since 1970, oldest first. */
  times: number[]
  lines: Line[]
  unit?: 'count' | 'rate' | 'bytes'
}

// Told apart on light and dark ground, and by those who see few colours.
const colors = ['#1668dc', '#d97706', '#16a34a', '#c026d3', '#0891b2', '#dc2626', '#65a30d', '#7c3aed']

const height = 180

function written(value: number | null | undefined, unit: ChartProps['unit'], language: string): string {
  if (value === null || value === undefined) return '–'
  if (unit === 'bytes') return `${bytes(value)}/s`
  const digits = unit === 'rate' ? 1 : 0
  const compact = new Intl.NumberFormat(language, { maximumFractionDigits: digits, notation: value >= 1e5 ? 'compact' : 'standard' })
  return unit === 'rate' ? `${compact.format(value)}/s` : compact.format(value)
}

export function Chart({ title, times, lines, unit = 'count' }: ChartProps) {
  const { t, i18n } = useTranslation()
  const { token } = theme.useToken()
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const data = useRef<uPlot.AlignedData>([[]])
  data.current = [times, ...lines.map((l) => l.values)]
  const names = lines.map((l) => l.key).join(' ')
  const language = i18n.language
  const [ink, grid] = [token.colorTextSecondary, token.colorBorderSecondary]

  useEffect(() => {
    const at = place.current
    if (!at) return
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } }
    const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
    const made = new uPlot(
      {
        width: Math.max(at.clientWidth, 200),
        height,
        legend: { show: false },
        cursor: { y: false },
        scales: { y: { range: (_, low, high) => [Math.min(0, low), Math.max(high * 1.1, unit === 'count' ? 4 : 1)] } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((s) => clock.format(s * 1000)), space: 90 },
          { ...axis, size: 84, values: (_, ticks) => ticks.map((v) => written(v, unit, language)) },
        ],
        series: [{}, ...names.split(' ').map((_, i) => ({ stroke: colors[i % colors.length], width: 2, points: { show: false } }))],
      },
      data.current,
      at,
    )
    plot.current = made
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(at.clientWidth, 200), height }))
    watch.observe(at)
    return () => {
      watch.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [ink, grid, names, unit, language])

  useEffect(() => plot.current?.setData(data.current))

  const last = times.at(-1)
  const now = lines.map((l, i) => ({ key: l.key, color: colors[i % colors.length], value: written(l.values.at(-1), unit, language) }))
  return (
    <figure className="chart" data-chart={title}>
      <figcaption>
        <Flex justify="space-between" wrap gap={8}>
          <Typography.Text strong>{t(`charts.${title}`)}</Typography.Text>
          <Typography.Text type="secondary">{last ? <Age last={last} step={last - (times.at(-2) ?? last)} /> : ''}</Typography.Text>
        </Flex>
      </figcaption>
      <div ref={place} aria-hidden="true" />
      <Flex wrap gap="0 16px" component="ul" className="legend">
        {now.map((l) => (
          <li key={l.key}>
            <span className="swatch" style={{ background: l.color }} aria-hidden="true" /> {t(`lines.${l.key}`)} <strong>{l.value}</strong>
          </li>
        ))}
      </Flex>
    </figure>
  )
}

/** When the last sample was taken, how long ago that is, and how far apart samples are: a chart that stands still may be right. */
function Age({ last, step }: { last: number; step: number }) {
  const { t, i18n } = useTranslation()
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  const at = {
    time: new Intl.DateTimeFormat(i18n.language, { timeStyle: 'medium' }).format(last * 1000),
    age: ago(new Date(last * 1000).toISOString(), Math.max(now, last * 1000)),
  }
  return <span data-age>{step > 0 ? t('charts.sampled', { ...at, step: duration(step * 1000) }) : t('charts.asOf', at)}</span>
}

/** How far back charts go, and how far apart their samples are, in seconds. */
const spans = { minute: [60, 5], tenMinutes: [600, 5], hour: [3600, 60], eightHours: [28_800, 600], day: [86_400, 1800] } as const
export type Span = keyof typeof spans

let chosen: Span = (localStorage.getItem('span') as Span | null) ?? 'tenMinutes'
const watchers = new Set<() => void>()

/** The span chosen, of those up to the longest there is. */
export function useSpan(longest: Span = 'day'): Span {
  const span = useSyncExternalStore(
    (w) => {
      watchers.add(w)
      return () => watchers.delete(w)
    },
    () => chosen,
  )
  return spans[span] && spans[span][0] <= spans[longest][0] ? span : longest
}

/** What a page asks for the samples of a span with. */
export function sampled(span: Span): Record<string, string> {
  const [age, incr] = spans[span]
  return { age: String(age), incr: String(incr) }
}

export function SpanChoice({ longest = 'day' }: { longest?: Span }) {
  const { t } = useTranslation()
  const span = useSpan(longest)
  const all = Object.keys(spans) as Span[]
  return (
    <Segmented<Span>
      aria-label={t('charts.span')}
      value={span}
      options={all.slice(0, all.indexOf(longest) + 1).map((value) => ({ value, label: t(`spans.${value}`) }))}
      onChange={(next) => {
        localStorage.setItem('span', next)
        chosen = next
        for (const w of watchers) w()
      }}
    />
  )
}
