import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { sections } from '../app/menu'
import type { PageData } from '../kit/api'
import { each } from '../kit/bulk'
import { blockSize, blocksOf } from '../kit/cards'
import { completions, parts, withChip } from '../kit/chips'
import { filter, tokens, typedAs, valuesOf } from '../kit/filter'
import { placeOf } from '../kit/links'
import { flag, joined, order, pieceOf, serverQuery } from '../kit/long'
import { curl } from '../kit/showapi'
import { usable } from '../pages/project/networks'
import { byName, ofProjects, withStatus } from '../pages/project/neutron'
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

describe('chips', () => {
  it('are read as they are typed', () => {
    expect(tokens('web status:ERROR name:"two words" fa:16:3e status: "a b"')).toEqual([
      { value: 'web' },
      { key: 'status', value: 'ERROR' },
      { key: 'name', value: 'two words' },
      { key: 'fa', value: '16:3e' },
      { key: 'status', value: '' },
      { value: 'a b' },
    ])
  })
  it('come back as they were', () => {
    for (const typed of ['name:"two words"', 'status:ERROR', 'fe80::1', 'fa:16:3e:00', '10.0.0.1:80', '"a b"']) {
      expect(tokens(typed).map(typedAs).join(' ')).toBe(typed)
    }
  })
  it('are of known keys only', () => {
    expect(parts('status:ERROR web fa:16 status: x', (k) => k === 'status')).toEqual({
      chips: [{ key: 'status', value: 'ERROR' }],
      words: 'web fa:16 status: x',
    })
  })
  it('have one value a key', () => {
    expect(withChip([{ key: 'status', value: 'A' }], { key: 'Status', value: 'B' })).toEqual([{ key: 'Status', value: 'B' }])
  })
  it('are completed: keys by name or title, then values', () => {
    const keys = [
      { key: 'status', title: 'status', values: () => ['ACTIVE', 'SHUTOFF', 'not now'] },
      { key: 'host', title: 'host', values: () => [] },
    ]
    const offered = (typed: string) => completions(typed, keys, (k) => (k.key === 'host' ? '主机' : 'State')).map((o) => o.value)
    expect(offered('')).toEqual(['status:', 'host:'])
    expect(offered('web st')).toEqual(['status:'])
    expect(offered('主')).toEqual(['host:'])
    expect(offered('web status:')).toEqual(['status:ACTIVE', 'status:SHUTOFF', 'status:"not now"'])
    expect(offered('STATUS:shut')).toEqual(['status:SHUTOFF'])
    expect(offered('web status:"not n')).toEqual(['status:"not now"'])
    expect(offered('nothing:x')).toEqual([])
  })
  it('offer what is there, the commonest first', () => {
    const rows = ['b', 'a', 'b', '', 'x'.repeat(80)].map((status) => ({ status }))
    expect(valuesOf(rows, data, { key: 'status' }, 5)).toEqual(['b', 'a'])
  })
})

describe('several at once', () => {
  it('go a few at a time, and the failed are told', async () => {
    let now = 0
    let most = 0
    const rows = Array.from({ length: 20 }, (_, id) => ({ id }))
    const failed = await each(rows, async (row) => {
      most = Math.max(most, ++now)
      await Promise.resolve()
      now--
      if (row.id % 5 === 0) throw new Error('no')
    })
    expect(failed.map((r) => r.id).sort((a, b) => a - b)).toEqual([0, 5, 10, 15])
    expect(most).toBeLessThanOrEqual(6)
  })
})

describe('very many cards', () => {
  const rows = (n: number) => Array.from({ length: n }, (_, i) => i)
  it('are blocks, of which the last may be smaller', () => {
    expect(blocksOf(rows(2 * blockSize + 1)).map((b) => b.length)).toEqual([blockSize, blockSize, 1])
    expect(blocksOf(rows(2 * blockSize)).flat()).toEqual(rows(2 * blockSize))
  })
  it('are none without rows', () => expect(blocksOf([])).toEqual([]))
})

describe("Neutron's long lists", () => {
  const long = ofProjects(withStatus({ ...byName, filter: { ...byName.filter, external: flag('router:external') } }))
  const id = '4d9d1a0e-6e6c-4b7c-8a4e-1c2a3f0b5d6e'
  it('are asked for by name, id, state and project', () => {
    expect(serverQuery(long, 'web one', undefined)).toEqual({ name: 'web one' })
    expect(serverQuery(long, id, undefined)).toEqual({ id })
    expect(serverQuery(long, 'status:active project_id:p1', undefined)).toEqual({ status: 'ACTIVE', project_id: 'p1' })
  })
  it('are asked for by what is true or false once it is typed', () => {
    expect(serverQuery(long, 'external:tr', undefined)).toEqual({})
    expect(serverQuery(long, 'external:true', undefined)).toEqual({ 'router:external': 'true' })
  })
  it('are sorted', () => expect(serverQuery(long, '', '-project_id')).toEqual({ sort_key: 'project_id', sort_dir: 'desc' }))
})

describe('the networks one may use', () => {
  const net = (id: string, project_id: string) => ({ id, project_id })
  it("are others' that are shared or external, each once, and the project's own", () => {
    const shared = [net('a', 'other'), net('mine', 'p')]
    const answer = { ...data, networks: [net('mine', 'p'), net('b', 'p')], shared, external: [net('a', 'other'), net('c', 'other')] }
    expect(usable(answer as PageData, 'p').map((n) => n.id)).toEqual(['a', 'c', 'mine', 'b'])
  })
  it('are the own ones alone in what comes after the first', () =>
    expect(usable({ ...data, networks: [net('b', 'p')] } as PageData, 'p').map((n) => n.id)).toEqual(['b']))
})

describe('what is asked of the rows of several pieces', () => {
  const piece = (...subnets: string[]) => ({ ...data, quota: { used: 1 }, subnets: subnets.map((id) => ({ id })) }) as unknown as PageData
  it('is put together, each thing once', () =>
    expect(joined([piece('a', 'b'), piece('b', 'c')])).toEqual({ subnets: [{ id: 'a' }, { id: 'b' }, { id: 'c' }] }))
  it('is nothing before a piece is read', () => expect(joined([])).toEqual({}))
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
  it('knows the piece of a row, also if nothing comes after a full one', () => {
    const lengths = [200, 200, 0]
    expect([-50, 0, 199, 200, 399, 400, 1000].map((row) => pieceOf(row, lengths))).toEqual([0, 0, 0, 1, 1, 2, 2])
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
  it('is shown as Terraform, whatever it starts from', () => {
    expect(createServer(filled).terraform).toContain('image_id        = "i"')
    const { terraform } = createServer({ ...filled, source: 'imageVolume', volumeSize: 2, userData: '#!/bin/sh' })
    expect(terraform).not.toContain('image_id')
    expect(terraform).toContain('volume_size           = 2')
    expect(terraform).toContain('#!/bin/sh')
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
