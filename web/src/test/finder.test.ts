import { beforeEach, describe, expect, it } from 'vitest'
import { foundPlace } from '../kit/links'
import { recent, remember } from '../kit/recent'
import { dropView, savedViews, saveView } from '../kit/views'

const kept = new Map<string, string>()
globalThis.localStorage = {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
} as unknown as Storage

describe('what was found', () => {
  it('has a page of its own', () => expect(foundPlace({ kind: 'server', id: 's1' }, 'p')).toEqual({ to: '/servers/s1' }))
  it('or is in its list', () =>
    expect(foundPlace({ kind: 'volume', id: 'v1', project_id: 'p' }, 'p')).toEqual({ to: '/volumes', search: { q: 'v1' } }))
  it('another project’s is in the administrator’s list', () =>
    expect(foundPlace({ kind: 'volume', id: 'v1', project_id: 'other' }, 'p')).toEqual({ to: '/admin/volumes', search: { q: 'v1' } }))
  it('a subnet is on its network’s page', () =>
    expect(foundPlace({ kind: 'subnet', id: 'x', of: 'n1' }, 'p')).toEqual({ to: '/networks/n1', search: { tab: 'subnets' } }))
  it('another project’s port is on its network’s page', () =>
    expect(foundPlace({ kind: 'port', id: 'x', of: 'n1', project_id: 'other' }, 'p')).toEqual({
      to: '/networks/n1',
      search: { tab: 'ports' },
    }))
  it('a host is listed by its name', () =>
    expect(foundPlace({ kind: 'host', id: 'x', name: 'h1' }, 'p')).toEqual({ to: '/admin/hypervisors', search: { q: 'h1' } }))
})

describe('what was looked at last', () => {
  beforeEach(() => kept.clear())
  const seen = (id: string) => ({ kind: 'server', name: id, place: { to: `/servers/${id}` } })
  it('is kept for one alone, the last first, once', () => {
    for (const id of ['a', 'b', 'a']) remember('anna/p', seen(id))
    expect(recent('anna/p').map((s) => s.name)).toEqual(['a', 'b'])
    expect(recent('bert/p')).toEqual([])
  })
  it('is not kept for ever', () => {
    for (let i = 0; i < 50; i++) remember('anna/p', seen(`s${i}`))
    expect(recent('anna/p')).toHaveLength(12)
  })
  it('is nothing if something else is there', () => {
    for (const text of ['{', '{"a":1}', '[1]', '[{"place":{}}]']) {
      kept.set('recent.anna/p', text)
      expect(recent('anna/p')).toEqual([])
    }
  })
})

describe('saved views', () => {
  beforeEach(() => kept.clear())
  it('are of one list and one person, one a name', () => {
    saveView('anna', 'servers', { name: 'broken', q: 'status:ERROR', hidden: [] })
    saveView('anna', 'servers', { name: 'broken', q: 'status:ERROR host:h1', hidden: ['flavor'] })
    saveView('anna', 'servers', { name: 'old', sort: 'created', hidden: [] })
    expect(savedViews('anna', 'servers').map((v) => [v.name, v.q])).toEqual([
      ['broken', 'status:ERROR host:h1'],
      ['old', undefined],
    ])
    expect([...savedViews('anna', 'volumes'), ...savedViews('bert', 'servers')]).toEqual([])
    dropView('anna', 'servers', 'broken')
    expect(savedViews('anna', 'servers').map((v) => v.name)).toEqual(['old'])
  })
  it('are none if something else is there', () => {
    kept.set('views.anna.servers', '[{"q":1}]')
    expect(savedViews('anna', 'servers')).toEqual([])
  })
})
