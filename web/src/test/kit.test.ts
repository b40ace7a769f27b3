import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { sections } from '../app/menu'
import type { PageData } from '../kit/api'
import { filter } from '../kit/filter'
import { placeOf } from '../kit/links'
import { order, serverQuery } from '../kit/long'
import { curl } from '../kit/showapi'
import { createServer } from '../pages/project/servernew'

const data = { errors: {} } as PageData

describe('filter', () => {
  const columns = [{ key: 'name' }, { key: 'status' }]
  const rows = [
    { id: 'a1', name: 'web', status: 'ACTIVE' },
    { id: 'b2', name: 'database', status: 'SHUTOFF' },
  ]
  const names = (typed: string) => filter(rows, data, columns, typed).map((r) => r.name)
  it('takes words anywhere', () => expect(names('data')).toEqual(['database']))
  it('takes key:value', () => expect(names('status:active')).toEqual(['web']))
  it('takes ids', () => expect(names('b2')).toEqual(['database']))
  it('wants all words', () => expect(names('web shut')).toEqual([]))
  it('gives all for nothing', () => expect(names('  ')).toEqual(['web', 'database']))
})

describe('a long list', () => {
  const long = {
    sort: { name: 'display_name' },
    filter: {
      '': (words: string): Record<string, string> => ({ name: words }),
      status: (value: string): Record<string, string> => ({ status: value.toUpperCase() }),
    },
  }
  it('sends what is typed', () =>
    expect(serverQuery(long, ' web  one status:active', undefined)).toEqual({ name: 'web one', status: 'ACTIVE' }))
  it('takes a key it does not know for words', () => expect(serverQuery(long, 'a:b', undefined)).toEqual({ name: 'a:b' }))
  it('waits for a value', () => expect(serverQuery(long, 'status:', undefined)).toEqual({}))
  it('sorts by what the server knows', () => {
    expect(serverQuery(long, '', '-name')).toEqual({ sort_key: 'display_name', sort_dir: 'desc' })
    expect(serverQuery(long, '', 'image')).toEqual({})
  })
  it('reads an order', () => {
    expect(order('name')).toEqual({ key: 'name', descend: false })
    expect(order(undefined)).toBeUndefined()
  })
})

describe('a new server', () => {
  const filled = {
    name: 'web',
    source: 'image',
    image: 'i',
    flavor: 'f',
    networks: ['n'],
    securityGroups: ['default'],
    keypair: 'k',
    count: 1,
  }
  it('is a call', () => {
    expect(createServer(filled).body).toEqual({
      server: {
        name: 'web',
        imageRef: 'i',
        flavorRef: 'f',
        networks: [{ uuid: 'n' }],
        key_name: 'k',
        security_groups: [{ name: 'default' }],
      },
    })
  })
  it('boots from a new volume', () => {
    const { server } = createServer({ ...filled, source: 'imageVolume', volumeSize: 2 }).body as { server: Record<string, unknown> }
    expect(server.imageRef).toBeUndefined()
    expect(server.block_device_mapping_v2).toEqual([
      { boot_index: 0, uuid: 'i', source_type: 'image', destination_type: 'volume', volume_size: 2, delete_on_termination: true },
    ])
  })
  it('keeps user data as UTF-8', () => {
    const { server } = createServer({ ...filled, userData: '# 你好' }).body as { server: { user_data: string } }
    expect(new TextDecoder().decode(Uint8Array.from(atob(server.user_data), (c) => c.charCodeAt(0)))).toBe('# 你好')
  })
  it('is shown as the command and curl', () => {
    const call = createServer(filled)
    expect(call.cli).toBe('openstack server create --image i --flavor f --network n --security-group default --key-name k web')
    expect(curl(call)).toContain('curl -X POST "$COMPUTE_URL/servers"')
  })
})

describe('curl', () => {
  it('quotes what a shell would read', () => {
    expect(curl({ method: 'POST', service: 'volume', path: '/volumes', body: { name: "it's" } })).toContain("it'\\''s")
  })
})

describe('a place', () => {
  const call = (method: 'POST' | 'PUT' | 'DELETE', service: 'compute' | 'volume' | 'image' | 'identity', path: string) => ({
    method,
    service,
    path,
  })
  it('is that of the thing a call is about', () => {
    expect(placeOf(call('POST', 'compute', '/servers/s1/action'))).toEqual({ to: '/servers/s1' })
    expect(placeOf(call('PUT', 'volume', '/volumes/v1'))).toEqual({ to: '/volumes', search: { q: 'v1' } })
  })
  it('is that of the thing it has made', () => {
    expect(placeOf(call('POST', 'compute', '/servers'), { server: { id: 's2' } })).toEqual({ to: '/servers/s2' })
    expect(placeOf(call('POST', 'image', '/v2/images'), { id: 'i1', name: 'x' })).toEqual({ to: '/images', search: { q: 'i1' } })
  })
  it('is none of what is gone, or has no page', () => {
    expect(placeOf(call('DELETE', 'compute', '/servers/s1'))).toBeUndefined()
    expect(placeOf(call('POST', 'compute', '/servers'), undefined)).toBeUndefined()
    expect(placeOf(call('POST', 'identity', '/projects-of-old'), { x: { id: 'a' } })).toBeUndefined()
  })
})

describe('the menu', () => {
  it('has the rules by which the server refuses a section', () => {
    const server = readFileSync(new URL('../../../dashboard/ui.go', import.meta.url), 'utf8')
    const theirs = [...server.matchAll(/"(\w+)": "(\w+:[\w:-]+)"/g)].map(([, name, rule]) => [`/${name}/`, rule])
    expect(sections.filter((s) => s.rule).map((s) => [s.base, s.rule])).toEqual(theirs)
  })
})
