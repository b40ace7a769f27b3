import { describe, expect, it } from 'vitest'
import * as draft from '../kit/draft'
import type { Field } from '../kit/form'
import { fieldOf } from '../kit/refusal'

const fields: Field[] = [
  { name: 'name', required: true },
  { name: 'count', type: 'number', initial: 1 },
  { name: 'password', type: 'password' },
  { name: 'file', type: 'file' },
  { name: 'userData', type: 'area' },
  { name: 'image', type: 'select', options: [{ value: 'i1', label: 'one' }] },
  { name: 'networks', type: 'multi', options: [{ value: 'n1', label: 'one' }] },
]

describe('a draft', () => {
  it('keeps what was typed, not how the form began', () => {
    expect(draft.keepable(fields, { name: 'web', count: 1, networks: ['n1'] })).toEqual({ name: 'web', networks: ['n1'] })
  })
  it('keeps no passwords, files or keys', () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA'
    for (const userData of [key, '#cloud-config\nchpasswd:\n  list: a:b', 'passwd: x', 'password=x', 'API_TOKEN: y\ntoken: z']) {
      expect(draft.keepable(fields, { password: 'p', file: [{}], userData })).toEqual({})
    }
    expect(draft.keepable(fields, { userData: '#!/bin/sh\napt install nginx' })).toEqual({ userData: '#!/bin/sh\napt install nginx' })
  })
  it('chooses nothing that is gone', () => {
    expect(draft.takeable(fields, { name: 'web', image: 'i2', networks: ['n1', 'n2'], other: 1 })).toEqual({
      name: 'web',
      networks: ['n1'],
    })
    expect(draft.takeable(fields, { image: 'i1' })).toEqual({ image: 'i1' })
  })
})

describe('a refusal', () => {
  it('is shown at the field it names', () => {
    expect(fieldOf('Invalid input for field/attribute name. Value: . ', fields)).toBe('name')
    expect(fieldOf("Invalid input for cidr. Reason: 'x' is not a valid IP subnet.", [{ name: 'cidr' }])).toBe('cidr')
    expect(fieldOf("Failed validating 'pattern' in schema['properties']['user_data']", fields)).toBe('userData')
    expect(fieldOf('Quota exceeded for instances', fields)).toBeUndefined()
  })
})
