import { describe, expect, it } from 'vitest'
import { layout, lines, type Route } from '../pages/rpcmap/map'

const route = (caller: string, kind: Route['kind'], topic: string, method: string, more: Partial<Route> = {}): Route => ({
  caller,
  kind,
  exchange: 'nova',
  topic,
  method,
  calls: 60,
  errors: 0,
  rate: 1,
  ...more,
})

const routes = [
  route('compute-agent', 'rpc.call', 'conductor', 'heartbeat', { p99: 3 }),
  route('compute-agent', 'rpc.call', 'conductor', 'update', { rate: 2, p99: 9, errors: 1 }),
  route('compute-conductor', 'rpc.handle', 'conductor', 'heartbeat', { p99: 2 }),
  route('compute-conductor', 'rpc.cast', 'compute', 'build'),
]

describe('the RPC map', () => {
  it('joins who asks with who answers', () => {
    expect(lines(routes).map((l) => [l.caller, l.method, l.handler, l.handled?.p99])).toEqual([
      ['compute-agent', 'heartbeat', 'compute-conductor', 2],
      ['compute-agent', 'update', undefined, undefined],
      ['compute-conductor', 'build', undefined, undefined],
    ])
  })

  it('draws a box a module and a topic, and sums what runs between two', () => {
    const { boxes, edges } = layout(routes)
    expect(boxes.map((b) => b.id).sort()).toEqual([
      'handler:compute-conductor',
      'module:compute-agent',
      'module:compute-conductor',
      'topic:nova · compute',
      'topic:nova · conductor',
    ])
    expect(new Set(boxes.map((b) => `${b.x},${b.y}`)).size).toBe(boxes.length)
    const busy = edges.find((e) => e.from === 'module:compute-agent')
    expect([busy?.rate, busy?.errors, busy?.p99]).toEqual([3, 1, 9])
    expect(layout([])).toEqual({ boxes: [], edges: [] })
  })
})
