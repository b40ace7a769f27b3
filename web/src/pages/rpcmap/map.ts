// The RPC map's lines and where its boxes stand.

/** Who asked whom for what in the last minute, as the server tells it; durations in milliseconds. */
export interface Route {
  caller: string
  kind: 'rpc.call' | 'rpc.cast' | 'rpc.fanout' | 'rpc.notify' | 'rpc.handle'
  exchange: string
  topic: string
  method: string
  calls: number
  errors: number
  rate: number
  p50?: number
  p99?: number
}

/** A line of the table: what one asks of a topic, with how its handler does. */
export interface Line extends Route {
  key: string
  handler?: string
  handled?: Route
}

const place = (r: Route) => `${r.exchange}/${r.topic}`

/** The lines: each asking joined with the handling of the same method. */
export function lines(routes: Route[]): Line[] {
  const handled = new Map(routes.filter((r) => r.kind === 'rpc.handle').map((r) => [`${place(r)}/${r.method}`, r]))
  return routes
    .filter((r) => r.kind !== 'rpc.handle')
    .map((r) => {
      const h = handled.get(`${place(r)}/${r.method}`)
      return { ...r, key: [r.kind, r.caller, r.exchange, r.topic, r.method].join(' '), handler: h?.caller, handled: h }
    })
}

export interface Box {
  id: string
  kind: 'module' | 'topic' | 'handler'
  label: string
  x: number
  y: number
}

export interface Edge {
  id: string
  from: string
  to: string
  rate: number
  errors: number
  /** The slowest method's. */
  p99: number
}

const columns = { module: 0, topic: 360, handler: 720 }
const rowHeight = 64

/** Who asks on the left, the topics in the middle, who answers on the right. */
export function layout(routes: Route[]): { boxes: Box[]; edges: Edge[] } {
  const boxes = new Map<string, Box>()
  const edges = new Map<string, Edge>()
  const box = (kind: Box['kind'], label: string) => {
    const id = `${kind}:${label}`
    if (!boxes.has(id)) boxes.set(id, { id, kind, label, x: columns[kind], y: 0 })
    return id
  }
  for (const r of routes) {
    const topic = box('topic', `${r.exchange} · ${r.topic}`)
    const [from, to] = r.kind === 'rpc.handle' ? [topic, box('handler', r.caller)] : [box('module', r.caller), topic]
    const id = `${from} → ${to}`
    const e = edges.get(id) ?? { id, from, to, rate: 0, errors: 0, p99: 0 }
    edges.set(id, { ...e, rate: e.rate + r.rate, errors: e.errors + r.errors, p99: Math.max(e.p99, r.p99 ?? 0) })
  }
  const all = [...boxes.values()]
  const tallest = Math.max(...(['module', 'topic', 'handler'] as const).map((k) => all.filter((b) => b.kind === k).length), 1)
  // Each column is ordered by where its lines come from, so that few cross.
  const height = (b: Box) => {
    const sources = [...edges.values()].filter((e) => e.to === b.id).map((e) => boxes.get(e.from)?.y ?? 0)
    return sources.length === 0 ? 0 : sources.reduce((sum, y) => sum + y, 0) / sources.length
  }
  for (const kind of ['module', 'topic', 'handler'] as const) {
    const column = all
      .filter((b) => b.kind === kind)
      .map((b) => ({ b, y: height(b) }))
      .sort((p, q) => p.y - q.y || p.b.label.localeCompare(q.b.label))
    const top = ((tallest - column.length) * rowHeight) / 2
    for (const [i, { b }] of column.entries()) b.y = top + i * rowHeight
  }
  return { boxes: all, edges: [...edges.values()] }
}
