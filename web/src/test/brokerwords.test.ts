import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../locales/en.json'

const source = (name: string) => readFileSync(join(import.meta.dirname, '../../../broker', name), 'utf8')

describe('the words for what the broker calls its own', () => {
  it('are there for every feature', () => {
    const names = [...source('management/features.go').matchAll(/^\t\{"(\w+)", "/gm)].map((m) => m[1])
    expect(names.length).toBeGreaterThan(20)
    expect(names.filter((n) => !(n in en.brokerWords.about))).toEqual([])
  })

  it('are there for every phase and stability it tells of', () => {
    const told = [...source('management/features.go').matchAll(/"(stability|deprecation_phase)": "(\w+)"/g)]
    expect(new Set(told.map((m) => m[1])).size).toBe(2)
    for (const [, kind, value] of told) expect(Object.keys(en.brokerWords[kind === 'stability' ? kind : 'phase'])).toContain(value)
  })
})
