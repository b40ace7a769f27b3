import { describe, expect, it } from 'vitest'
import { type Hop, type Kind, micros, opened, type Span, took, tree } from '../pages/trace/tree'

const at = (us: number) => `2026-11-21T10:00:00.${String(us).padStart(6, '0')}789Z`

function span(id: string, parent: string | undefined, kind: Kind, from: number, us: number, more: Partial<Span> = {}): Span {
  return {
    trace_id: 'req-a',
    request_id: 'req-a',
    id,
    parent_id: parent,
    kind,
    service: 's',
    name: id,
    start: at(from),
    duration: us * 1000,
    ...more,
  }
}

/** The tree as text: key(children) in order. */
const shape = (hops: Hop[]): string =>
  hops.map((h) => (h.folded ? `${h.folded}x` : h.key) + (h.children ? `(${shape(h.children)})` : '')).join(' ')

describe('the tree of a trace', () => {
  it('joins who asks with who answers, and folds statements', () => {
    const { hops, took: all } = tree([
      span('root', undefined, 'http.server', 0, 100),
      span('q1', 'root', 'sql', 5, 1),
      span('q2', 'root', 'sql', 7, 1),
      span('call', 'root', 'rpc.call', 10, 50),
      span('q3', 'root', 'sql', 70, 1),
      span('handle', 'call', 'rpc.handle', 20, 30),
      span('q4', 'handle', 'sql', 25, 1),
      span('q5', 'handle', 'sql', 27, 1, { error: 'locked' }),
      span('cast', 'root', 'rpc.cast', 90, 1),
      span('later', 'cast', 'rpc.handle', 200, 300),
    ])
    expect(shape(hops)).toBe('root(2x(q1 q2) call(q4 q5) q3 cast)')
    expect(all).toBe(500)
    const call = hops[0].children?.[1] as Hop
    expect([call.inner?.id, call.from, call.innerFrom, call.innerTo, call.to]).toEqual(['handle', 10, 20, 50, 60])
    const cast = hops[0].children?.[3] as Hop
    expect([cast.from, cast.innerFrom, cast.to]).toEqual([90, 200, 500])
    expect(opened(hops)).toEqual(['root', 'call'])
  })

  it('shows what hangs on nothing that is known', () => {
    const { hops } = tree([span('b', 'gone', 'http.server', 10, 5), span('a', undefined, 'http.server', 0, 5)])
    expect(shape(hops)).toBe('a b')
    expect(tree([])).toEqual({ hops: [], took: 0, begun: 0 })
  })

  it('keeps a fan-out of several answers apart', () => {
    const { hops } = tree([span('c', undefined, 'rpc.cast', 0, 1), span('x', 'c', 'rpc.handle', 2, 1), span('y', 'c', 'rpc.handle', 3, 1)])
    expect(shape(hops)).toBe('c(x y)')
  })

  it('knows microseconds', () => {
    expect(micros('2026-11-21T10:00:00.000123456Z') - micros('2026-11-21T11:00:00+01:00')).toBe(123)
    expect(micros('1970-01-01T00:00:01Z')).toBe(1_000_000)
    expect([500, 12_000, 1_234_000, 23_400_000, 5_000_000_000].map(took)).toEqual(['0.5 µs', '12 µs', '1.23 ms', '23.4 ms', '5.00 s'])
  })
})
