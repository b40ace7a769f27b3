import { describe, expect, it } from 'vitest'
import type { PageData, Session } from '../kit/api'
import { csv } from '../kit/files'
import { credentialYaml } from '../pages/identity/appcredentials'
import { cloudsYaml, openrc } from '../pages/project/apiaccess'
import { took } from '../pages/project/serverlog'
import { createServer } from '../pages/project/servernew'
import { changes, computeLines, defaultChanges, networkLines, quotaLines } from '../pages/quota'
import { joins } from '../pages/topology/join'
import { type Box, layout, model } from '../pages/topology/layout'

const told = {
  compute: { instances: { in_use: 2, limit: 10 }, cores: { in_use: 0, limit: 20 } },
  network: { network: { used: 1, limit: -1 } },
}

describe('quotas', () => {
  it('change what the form has changed, each at its component', () => {
    const calls = changes({ 'compute.instances': 5, 'compute.cores': 20, 'network.network': 7 }, 'P', told)
    expect(calls.map((c) => [c.service, c.path, c.body])).toEqual([
      ['compute', '/os-quota-sets/P', { quota_set: { instances: 5 } }],
      ['network', '/quotas/P', { quota: { network: 7 } }],
    ])
  })
  it('are left alone by a form that changes nothing', () => expect(changes({ 'compute.instances': 10 }, 'P', told)).toEqual([]))
  it('of everybody change at the components that keep a class of them', () => {
    const data = { compute: { cores: 20, metadata_items: 128 }, volume: { volumes: 10 }, network: { network: 100 } }
    const calls = defaultChanges(
      { 'compute.cores': 20, 'compute.metadata_items': 9, 'volume.volumes': -1, 'volume.gigabytes': null, 'network.network': 5 },
      data,
    )
    expect(calls.map((c) => [c.service, c.path, c.body, c.cli])).toEqual([
      [
        'compute',
        '/os-quota-class-sets/default',
        { quota_class_set: { metadata_items: 9 } },
        'openstack quota set --class --properties 9 default',
      ],
      ['volume', '/os-quota-class-sets/default', { quota_class_set: { volumes: -1 } }, 'openstack quota set --class --volumes -1 default'],
    ])
  })
  it('are lines of what is used and allowed', () => {
    expect(quotaLines(told)).toEqual([
      ['quota.instances', 2, 10],
      ['quota.cores', 0, 20],
      ['quota.network', 1, -1],
    ])
  })
  it('say nothing to those who may not know them', () => {
    expect([computeLines({}), networkLines({}, 'network')]).toEqual([[], []])
  })
})

const session = {
  user: { id: 'u', name: "o'neil", domain: { id: 'd', name: 'Default' } },
  project: { id: 'p', name: 'course' },
  auth_url: 'http://cloud/v3',
} as Session

describe('what clients are configured with', () => {
  it('is read by a shell as it is', () => {
    const text = openrc(session, 'RegionOne')
    expect(text).toContain("export OS_USERNAME='o'\\''neil'\n")
    expect(text).toContain('export OS_PROJECT_ID=p\n')
    expect(text).not.toContain('OS_SYSTEM_SCOPE=all')
  })
  it('follows the scope', () => {
    const system = { ...session, project: null, domain: null } as Session
    expect([openrc(system), cloudsYaml(system)].map((s) => /OS_SYSTEM_SCOPE=all|system_scope: all/.test(s))).toEqual([true, true])
    const domain = { ...session, project: null, domain: { id: 'd', name: 'Default' } } as Session
    expect(cloudsYaml(domain)).toContain('domain_id: d\n')
  })
  it('has the secret of an application credential', () => {
    expect(credentialYaml({ id: 'i', secret: 'a"b' }, 'http://cloud/v3')).toContain('application_credential_secret: "a\\"b"\n')
  })
})

describe('csv', () => {
  it('quotes, and runs nothing in a spreadsheet', () => {
    expect(csv([['a,b', 'say "x"', '=1+1', 3]])).toBe('"a,b","say ""x""",\'=1+1,3\r\n')
  })
})

describe('took', () => {
  it('is in the unit a person would say', () => {
    const at = '2026-01-01T00:00:00'
    expect([took(at, `${at}.150`), took(at, '2026-01-01T00:00:03'), took(at, '2026-01-01T00:05:00')]).toEqual(['150 ms', '3 sec', '5 min'])
    expect(took(at, null)).toBe('–')
  })
})

describe('the launch form', () => {
  it('puts a server into a group by a hint', () => {
    const call = createServer({ name: 'web', source: 'image', image: 'i', flavor: 'f', networks: ['n'], serverGroup: 'g', count: 3 })
    expect(call.body).toMatchObject({ server: { min_count: 3 }, 'os:scheduler_hints': { group: 'g' } })
    expect(call.cli).toContain('--hint group=g --min 3 --max 3')
  })
})

describe('dropping', () => {
  const data = {
    errors: {},
    networks: [
      { id: 'a', name: 'a', project_id: 'p' },
      { id: 'ext', name: 'ext', 'router:external': true },
    ],
    subnets: [
      { id: 's1', name: '', network_id: 'a', cidr: '10.0.0.0/24' },
      { id: 's2', name: '', network_id: 'a', cidr: '10.1.0.0/24' },
    ],
    routers: [{ id: 'r', name: 'gate', project_id: 'p', external_gateway_info: null }],
    servers: [{ id: 'v', name: 'web', status: 'BUILD' }],
    ports: [{ device_id: 'r', network_id: 'a', fixed_ips: [{ subnet_id: 's1' }] }],
  } as unknown as PageData
  const box = (id: string) => layout(model(data, false, 'p')).boxes.find((b) => b.id === id) as Box
  const field = (one: string, on: string) => {
    const join = joins(box(one), box(on), data)
    return join?.form.fields(data, join.row)[0]
  }
  it('a network on a router asks for a subnet that is not connected yet', () => {
    expect(field('a', 'r')).toMatchObject({ name: 'subnet', initial: 's2', options: [{ value: 's2' }] })
  })
  it('an external network on a router makes it the gateway', () => {
    expect(field('ext', 'r')).toMatchObject({ name: 'network', initial: 'ext' })
  })
  it('a server that is being built cannot be connected', () => {
    expect(joins(box('v'), box('a'), data)).toMatchObject({ not: 'notNow', rule: 'os_compute_api:os-attach-interfaces:create' })
  })
  it('a router on a router is nothing', () => expect(joins(box('r'), box('r'), data)).toBeUndefined())
})
