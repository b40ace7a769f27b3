import { describe, expect, it } from 'vitest'
import type { Call } from '../kit/api'
import type { CloudEvent } from '../kit/events'
import { follows } from '../kit/follow'

const call = (method: Call['method'], service: Call['service'], path: string, body?: unknown): Call => ({ method, service, path, body })
const event = (type: string, more: Partial<CloudEvent> = {}): CloudEvent => ({ topic: 'server', type, id: 's1', time: '', ...more })

describe('what goes on after its answer', () => {
  it('is a server until it is built or in error', () => {
    const f = follows(call('POST', 'compute', '/servers', { server: {} }), { server: { id: 's1' } })
    expect(f?.id).toBe('s1')
    expect(f?.says(event('compute.instance.update', { status: 'building' }))).toBeUndefined()
    expect(f?.says(event('compute.instance.create.end', { status: 'active' }))).toBe('done')
    expect(f?.says(event('compute.instance.create.error'))).toBe('failed')
    expect(f?.says(event('compute.instance.update', { status: 'error' }))).toBe('failed')
  })
  it('is what is deleted, until it is gone', () => {
    const f = follows(call('DELETE', 'volume', '/volumes/v1'), undefined)
    expect(f?.id).toBe('v1')
    expect(f?.says(event('volume.delete.start'))).toBeUndefined()
    expect(f?.says(event('volume.delete.end', { gone: true }))).toBe('done')
  })
  it('is a server’s action until its own end', () => {
    const f = follows(call('POST', 'compute', '/servers/s1/action', { 'os-stop': null }), undefined)
    expect(f?.says(event('compute.instance.power_on.end'))).toBeUndefined()
    expect(f?.says(event('compute.instance.power_off.end'))).toBe('done')
  })
  it('is nothing of what is done with its answer, or whose things are not all named', () => {
    expect(follows(call('PUT', 'compute', '/servers/s1'), undefined)).toBeUndefined()
    expect(follows(call('POST', 'network', '/networks'), { network: { id: 'n' } })).toBeUndefined()
    expect(follows(call('POST', 'compute', '/servers', { server: { max_count: 3 } }), { server: { id: 's1' } })).toBeUndefined()
    expect(follows(call('POST', 'compute', '/servers/s1/os-volume_attachments', {}), undefined)).toBeUndefined()
    expect(follows(call('DELETE', 'compute', '/servers/s1/os-interface/p1'), undefined)).toBeUndefined()
    expect(follows(call('POST', 'compute', '/servers/s1/action', { addSecurityGroup: {} }), undefined)).toBeUndefined()
  })
})
