// Where everything of the topology is drawn. Networks are buses across the
// whole width, external ones on top; routers stand between them; servers stand
// in columns below their first network, or in their host. Every line runs in
// the gutters between the columns, so that none runs through a server.
import type { PageData, Row } from '../../kit/api'

export type Kind = 'network' | 'router' | 'server' | 'host' | 'loose'

export interface Box {
  id: string
  kind: Kind
  x: number
  y: number
  width: number
  height: number
  row: Row
  /** Which of the colours is a network's. */
  hue: number
}

export interface Wire {
  key: string
  hue: number
  points: [x: number, y: number][]
}

export interface Layout {
  boxes: Box[]
  wires: Wire[]
  width: number
  height: number
}

/** What the topology is made of, joined. */
export interface Model {
  networks: Row[]
  routers: Row[]
  servers: Row[]
  hosts: Row[]
  /** The networks of a server or a router by its id, in order. */
  links: Map<string, string[]>
}

/** The colours of networks: seen on light and on dark. */
export const hues = ['#1677ff', '#13a8a8', '#d46b08', '#722ed1', '#389e0d', '#c41d7f', '#b8860b', '#5b6ee1']
const serverWidth = 188
const serverHeight = 74
const pitch = 260 // of the columns
const rowGap = 16
const busHeight = 40
const gap = 28
const margin = 12 // of a host's frame

/** Joins a page's answers. */
export function model(data: PageData, hosts: boolean, project?: string): Model {
  // An administrator is told of all projects' things, also in one of them.
  const own = (r: Row) => hosts || !project || r.project_id === project
  const routers: Row[] = (data.routers ?? []).filter(own)
  const servers: Row[] = [...(data.servers ?? [])]
  const mine = new Set([...routers, ...servers].map((r) => r.id as string))
  const links = new Map<string, Set<string>>()
  const link = (from: string, network: string) => links.set(from, (links.get(from) ?? new Set()).add(network))
  for (const r of routers) if (r.external_gateway_info) link(r.id, r.external_gateway_info.network_id)
  for (const p of (data.ports ?? []) as Row[]) if (mine.has(p.device_id)) link(p.device_id, p.network_id)
  const used = new Set([...links.values()].flatMap((all) => [...all]))
  const routed = new Set(routers.flatMap((r) => [...(links.get(r.id) ?? [])]))
  // External networks, then those a router leads to, then the others.
  const rank = (n: Row) => (n['router:external'] ? 0 : routed.has(n.id) ? 1 : 2)
  const networks = ((data.networks ?? []) as Row[])
    .filter((n) => n['router:external'] || own(n) || used.has(n.id))
    .sort((a, b) => rank(a) - rank(b) || byName(a, b))
  return {
    networks,
    routers: routers.sort(byName),
    servers: servers.sort(byName),
    hosts: hosts ? [...(data.hypervisors ?? [])] : [],
    links: new Map([...links].map(([from, all]) => [from, networks.map((n) => n.id as string).filter((n) => all.has(n))])),
  }
}

const byName = (a: Row, b: Row) => String(a.name).localeCompare(String(b.name), undefined, { numeric: true })

/** What has the typed word in its name, id or addresses, and what is next to it. */
export function narrow(m: Model, typed: string): Model {
  const word = typed.trim().toLowerCase()
  if (!word) return m
  const has = (r: Row) =>
    `${r.name} ${r.id} ${Object.keys(r.addresses ?? {}).length ? JSON.stringify(r.addresses) : ''}`.toLowerCase().includes(word)
  const hit = new Set([...m.networks, ...m.routers, ...m.servers].filter(has).map((r) => r.id as string))
  const kept = new Set(hit)
  for (const [from, networks] of m.links) {
    for (const n of networks) {
      if (hit.has(from)) kept.add(n)
      if (hit.has(n)) kept.add(from)
    }
  }
  const of = (rows: Row[]) => rows.filter((r) => kept.has(r.id))
  return { ...m, networks: of(m.networks), routers: of(m.routers), servers: of(m.servers) }
}

interface Block {
  head?: { kind: Kind; row: Row }
  servers: Row[]
}

/** Which servers stand below which network, or in which host. */
function blocks(m: Model): { top: Block[]; below: Block[]; hosts: Block[]; loose: Block } {
  const external = new Set(m.networks.filter((n) => n['router:external']).map((n) => n.id as string))
  const of = (kind: Kind) => (row: Row) => ({ head: { kind, row }, servers: [] as Row[] })
  const top = m.networks.filter((n) => external.has(n.id)).map(of('network'))
  const below = m.networks.filter((n) => !external.has(n.id)).map(of('network'))
  const hosts = m.hosts.map(of('host'))
  const loose: Block = { servers: [] }
  const at = new Map<string, Block>()
  for (const b of [...top, ...below]) at.set(b.head.row.id, b)
  for (const b of hosts) at.set(`host ${b.head.row.service?.host ?? b.head.row.hypervisor_hostname}`, b)
  for (const s of m.servers) {
    const networks = (m.links.get(s.id) ?? []).filter((n) => at.has(n))
    const home = hosts.length > 0 ? `host ${s['OS-EXT-SRV-ATTR:host']}` : (networks.find((n) => !external.has(n)) ?? networks[0])
    ;(at.get(home) ?? loose).servers.push(s)
  }
  return { top, below, hosts, loose }
}

/** How many servers of a host are beside one another. */
const abreast = (b: Block, most: number) => Math.min(most, Math.max(1, Math.ceil(Math.sqrt(b.servers.length))))

/** Draws a model. */
export function layout(m: Model): Layout {
  const { top, below, hosts, loose } = blocks(m)
  const wanted = hosts.length > 0 ? hosts.reduce((n, b) => n + abreast(b, 8), 0) : Math.ceil(Math.sqrt(m.servers.length))
  const columns = Math.max(3, m.routers.length + 1, Math.min(hosts.length > 0 ? 8 : 10, wanted))
  const width = columns * pitch
  const boxes: Box[] = []
  const add = (kind: Kind, row: Row, x: number, y: number, wide: number, height: number, hue = 0) =>
    boxes.push({ id: row.id, kind, x, y, width: wide, height, row, hue })
  /** Puts servers below one another from a column on, and tells how high that is. */
  const rows = (servers: Row[], column: number, across: number, y: number): number => {
    const x = (i: number) => (column + (i % across)) * pitch + (pitch - serverWidth) / 2
    servers.forEach((row, i) => {
      add('server', row, x(i), y + Math.floor(i / across) * (serverHeight + rowGap), serverWidth, serverHeight)
    })
    return Math.ceil(servers.length / across) * (serverHeight + rowGap)
  }
  let y = 0
  const bus = (b: Block) => {
    if (b.head) add('network', b.head.row, 0, y, width, busHeight, m.networks.indexOf(b.head.row) % hues.length)
    else add('loose', { id: 'loose' }, 0, y, width, busHeight)
    y += busHeight + (b.servers.length > 0 && b.head ? gap : 0)
    y += rows(b.servers, 0, columns, y) + gap
  }
  top.forEach(bus)
  if (m.routers.length > 0) {
    y += gap / 2
    // A router stands over a gutter: its lines go straight down.
    m.routers.forEach((row, i) => {
      add('router', row, (i + 1) * pitch - serverWidth / 2, y, serverWidth, 54)
    })
    y += 54 + gap * 1.5
  }
  below.forEach(bus)
  let [column, tallest] = [0, 0]
  for (const b of hosts) {
    const across = abreast(b, columns)
    if (column + across > columns) {
      y += tallest + gap
      column = tallest = 0
    }
    const high = busHeight + margin + rows(b.servers, column, across, y + busHeight + margin)
    if (b.head) add('host', b.head.row, column * pitch + 3, y, across * pitch - 6, high)
    column += across
    tallest = Math.max(tallest, high)
  }
  if (hosts.length > 0) y += tallest + gap
  if (loose.servers.length > 0) bus(loose)
  return { boxes, wires: wires(boxes, m), width, height: Math.max(0, y - gap) }
}

/** How far from a server's side a network's line runs in the gutter. */
const lane = (n: number) => 8 + 5 * (n % 6)

function wires(boxes: Box[], m: Model): Wire[] {
  const buses = new Map(boxes.filter((b) => b.kind === 'network').map((b) => [b.id, b]))
  const order = new Map(m.networks.map((n, i) => [n.id as string, i]))
  const out: Wire[] = []
  for (const box of boxes) {
    const networks = (m.links.get(box.id) ?? []).flatMap((n) => buses.get(n) ?? [])
    networks.forEach((bus, i) => {
      const end = bus.y < box.y ? bus.y + bus.height : bus.y
      const wire = { key: `${box.id} ${bus.id}`, hue: bus.hue }
      if (box.kind === 'router') {
        const x = box.x + box.width / 2 + (i - (networks.length - 1) / 2) * 7
        const start: [number, number] = [x, bus.y < box.y ? box.y : box.y + box.height]
        out.push({ ...wire, points: [start, [x, end]] })
      } else {
        // On the left that of the network the server stands below, the others on the right.
        const [side, way] = i === 0 ? [box.x, -1] : [box.x + box.width, 1]
        const y = box.y + box.height / 2 + Math.max(0, i - 1) * 6
        const x = side + way * lane(order.get(bus.id) ?? 0)
        const start: [number, number] = [side, y]
        out.push({ ...wire, points: [start, [x, y], [x, end]] })
      }
    })
  }
  return out
}

/** A line as SVG's path says it. */
export const path = (w: Wire) => w.points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join('')

/** What is at a point: the box that is dropped on. */
export function at(boxes: Box[], kinds: Kind[], x: number, y: number): Box | undefined {
  return boxes.find((b) => kinds.includes(b.kind) && x >= b.x && x <= b.x + b.width && y >= b.y - 8 && y <= b.y + b.height + 8)
}
