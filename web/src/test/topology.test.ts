import { describe, expect, it } from 'vitest'
import type { PageData, Row } from '../kit/api'
import { at, type Box, type Layout, layout, model, narrow } from '../pages/topology/layout'
import { svg, words } from '../pages/topology/svg'

const network = (id: string, external = false): Row => ({ id, name: id, project_id: 'p', 'router:external': external })
const server = (id: string, host = 'h1'): Row => ({
  id,
  name: id,
  status: 'ACTIVE',
  addresses: { some: [{ addr: `10.0.0.${id.length}`, 'OS-EXT-IPS:type': 'fixed' }] },
  'OS-EXT-SRV-ATTR:host': host,
})

const data = {
  errors: {},
  networks: [network('b'), network('ext', true), network('a'), { ...network('foreign'), project_id: 'q' }],
  routers: [{ id: 'r', name: 'gate', status: 'ACTIVE', project_id: 'p', external_gateway_info: { network_id: 'ext' } }],
  servers: [server('web'), server('app', 'h2'), server('alone')],
  ports: [
    { device_id: 'r', network_id: 'b' },
    { device_id: 'web', network_id: 'a' },
    { device_id: 'app', network_id: 'a' },
    { device_id: 'app', network_id: 'b' },
    { device_id: 'somebody', network_id: 'foreign' },
  ],
  hypervisors: [
    { id: 1, hypervisor_hostname: 'h1', service: { host: 'h1' } },
    { id: 2, hypervisor_hostname: 'h2', service: { host: 'h2' } },
  ],
} as PageData

const box = (l: Layout, id: unknown) => l.boxes.find((b) => b.id === id) as Box
const touch = (a: Box, b: Box) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height

/** The lines that go through a server. */
function crossed(l: Layout): string[] {
  const out: string[] = []
  for (const w of l.wires) {
    for (let i = 1; i < w.points.length; i++) {
      const [[x1, y1], [x2, y2]] = [w.points[i - 1], w.points[i]]
      for (const b of l.boxes.filter((one) => one.kind === 'server' && !w.key.startsWith(`${one.id} `))) {
        const inside =
          Math.max(x1, x2) > b.x && Math.min(x1, x2) < b.x + b.width && Math.max(y1, y2) > b.y && Math.min(y1, y2) < b.y + b.height
        if (inside) out.push(`${w.key} through ${b.id}`)
      }
    }
  }
  return out
}

describe('topology', () => {
  const l = layout(model(data, false, 'p'))

  it('has external networks on top, routers between, servers below their network', () => {
    const y = (id: string) => box(l, id).y
    expect([y('ext') < y('r'), y('r') < y('b'), y('a') < y('web'), y('b') < y('app')]).toEqual([true, true, true, true])
  })

  it('draws a line for each connection', () => {
    expect(l.wires.map((w) => w.key).sort()).toEqual(['app a', 'app b', 'r b', 'r ext', 'web a'])
  })

  it('leaves out what nothing of the project is on', () => expect(box(l, 'foreign')).toBeUndefined())

  it('shows a server that is on no network', () => expect(box(l, 'alone').y).toBeGreaterThan(box(l, 'loose').y))

  it('puts servers into their hosts', () => {
    const h = layout(model(data, true))
    const inside = (id: string, host: number) => touch(box(h, id), box(h, host))
    expect([inside('web', 1), inside('app', 2), inside('app', 1)]).toEqual([true, true, false])
    expect(box(h, 'foreign')).toBeDefined()
  })

  it('neither overlaps nor draws lines through servers when large', () => {
    const many = {
      ...data,
      servers: Array.from({ length: 60 }, (_, i) => server(`s${i}`)),
      ports: Array.from({ length: 60 }, (_, i) =>
        ['a', 'b', 'ext'].slice(0, 1 + (i % 3)).map((n) => ({ device_id: `s${i}`, network_id: n })),
      ).flat(),
      routers: Array.from({ length: 9 }, (_, i) => ({ ...data.routers[0], id: `r${i}` })),
    } as PageData
    for (const hosts of [false, true]) {
      const big = layout(model(many, hosts, 'p'))
      expect(crossed(big)).toEqual([])
      const solid = big.boxes.filter((b) => b.kind !== 'host')
      expect(
        solid.flatMap((b, i) =>
          solid
            .slice(i + 1)
            .filter((o) => touch(b, o))
            .map((o) => `${b.id} ${o.id}`),
        ),
      ).toEqual([])
    }
  })

  it('is narrowed to what is typed and its neighbours', () => {
    const ids = (typed: string) =>
      layout(narrow(model(data, false, 'p'), typed))
        .boxes.map((b) => b.id)
        .sort()
    expect(ids('web')).toEqual(['a', 'web'])
    expect(ids('gate')).toEqual(['b', 'ext', 'r'])
    expect(ids('nothing')).toEqual([])
  })

  it('knows what is dropped on', () => {
    const b = box(l, 'b')
    expect(at(l.boxes, ['network'], b.x + 5, b.y + 5)?.id).toBe('b')
    expect(at(l.boxes, ['router'], b.x + 5, b.y + 5)).toBeUndefined()
  })

  it('is a picture that is well formed whatever things are called', () => {
    const odd = { ...data, servers: [{ ...server('web'), name: '<b>&"' }] } as PageData
    const text = svg(layout(model(odd, false, 'p')), { background: '#fff', text: '#000', faint: '#555', line: '#ccc' }, (b) =>
      words(b, [], (s) => s),
    )
    expect(text).toContain('&#60;b&#62;&#38;&#34;')
    expect(text.match(/<path /g)).toHaveLength(3)
  })
})
