// What a request did, as a tree of hops: what waits and what answers are one
// hop, statements that follow one another fold into one.

/** A hop as the dashboard's server tells it; durations are nanoseconds. */
export interface Span {
  trace_id: string
  request_id: string
  id: string
  parent_id?: string
  kind: Kind
  service: string
  host?: string
  name: string
  start: string
  duration: number
  waited?: number
  status?: number
  error?: string
  exchange?: string
  routing_key?: string
  queue?: string
}

export type Kind = 'http.server' | 'http.client' | 'rpc.call' | 'rpc.cast' | 'rpc.fanout' | 'rpc.notify' | 'rpc.handle' | 'sql' | 'native'

/** A row of the waterfall; times are microseconds from the trace's begin. */
export interface Hop {
  key: string
  span: Span
  /** The span of who answered what this one asked. */
  inner?: Span
  from: number
  to: number
  innerFrom: number
  innerTo: number
  children?: Hop[]
  /** How many statements are folded into this one. */
  folded?: number
}

/** Microseconds since 1970: a Date knows no more than milliseconds. */
export function micros(time: string): number {
  const [, head, fraction = '', zone] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [undefined, time, '', 'Z']
  return Date.parse(`${head}${zone}`) * 1000 + Number(fraction.slice(0, 6).padEnd(6, '0'))
}

const begins = (s: Span) => micros(s.start)
const ends = (s: Span) => begins(s) + s.duration / 1000

const asks = new Set<Kind>(['http.client', 'rpc.call', 'rpc.cast'])
const answers = new Set<Kind>(['http.server', 'rpc.handle'])

/** The hops by their cause, and how long all of it took. */
export function tree(spans: Span[]): { hops: Hop[]; took: number; begun: number } {
  if (spans.length === 0) return { hops: [], took: 0, begun: 0 }
  const known = new Set(spans.map((s) => s.id))
  const below = new Map<string, Span[]>()
  for (const s of spans) {
    const parent = s.parent_id && known.has(s.parent_id) ? s.parent_id : ''
    below.set(parent, [...(below.get(parent) ?? []), s])
  }
  const begun = Math.min(...spans.map(begins))
  const hop = (span: Span): Hop => {
    let kids = below.get(span.id) ?? []
    const answering = asks.has(span.kind) ? kids.filter((k) => answers.has(k.kind)) : []
    const inner = answering.length === 1 ? answering[0] : undefined
    if (inner) kids = [...kids.filter((k) => k !== inner), ...(below.get(inner.id) ?? [])]
    const children = fold(
      span.id,
      kids.map(hop).sort((a, b) => a.from - b.from),
    )
    const work = inner ?? span
    return {
      key: span.id,
      span,
      inner,
      from: begins(span) - begun,
      to: Math.max(ends(span), ends(work)) - begun,
      innerFrom: begins(work) - begun,
      innerTo: ends(work) - begun,
      children: children.length > 0 ? children : undefined,
    }
  }
  const hops = (below.get('') ?? []).map(hop).sort((a, b) => a.from - b.from)
  return { hops, took: Math.max(...spans.map(ends)) - begun, begun }
}

/** Folds what statements follow one another without a hop between. */
function fold(parent: string, hops: Hop[]): Hop[] {
  const out: Hop[] = []
  let run: Hop[] = []
  const close = () => {
    if (run.length > 1) out.push(folded(`${parent}/${run[0].key}`, run))
    else out.push(...run)
    run = []
  }
  for (const h of hops) {
    if (h.span.kind === 'sql' && !h.span.error) run.push(h)
    else {
      close()
      out.push(h)
    }
  }
  close()
  return out
}

function folded(key: string, run: Hop[]): Hop {
  const from = run[0].from
  const to = Math.max(...run.map((h) => h.to))
  const duration = run.reduce((sum, h) => sum + h.span.duration, 0)
  return { key, span: { ...run[0].span, duration }, from, to, innerFrom: from, innerTo: to, children: run, folded: run.length }
}

/** The keys of the hops that are open at first: all but statements. */
export function opened(hops: Hop[]): string[] {
  return hops.flatMap((h) => (h.children && !h.folded ? [h.key, ...opened(h.children)] : []))
}

/** A duration for people. */
export function took(ns: number): string {
  const us = ns / 1000
  if (us < 1000) return `${us < 10 && us > 0 ? us.toFixed(1) : Math.round(us)} µs`
  if (us < 1e6) return `${(us / 1000).toFixed(us < 1e4 ? 2 : us < 1e5 ? 1 : 0)} ms`
  return `${(us / 1e6).toFixed(us < 1e7 ? 2 : 1)} s`
}
