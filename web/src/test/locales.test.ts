import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../locales/en.json'
import zh from '../locales/zh-CN.json'

function keys(o: object, at = ''): string[] {
  return Object.entries(o).flatMap(([k, v]) => (typeof v === 'string' ? [at + k] : keys(v, `${at}${k}.`)))
}

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? sources(join(dir, e.name)) : /\.tsx?$/.test(e.name) && !e.name.includes('.test.') ? [join(dir, e.name)] : [],
  )
}

/** Chinese has one plural form, English two. */
const plain = (all: string[]) => new Set(all.map((k) => k.replace(/_(one|other)$/, '')))

const root = join(import.meta.dirname, '..')
const text = sources(root)
  .map((f) => readFileSync(f, 'utf8'))
  .join('\n')

describe('locales', () => {
  it('have the same keys', () => {
    expect([...plain(keys(zh))].sort()).toEqual([...plain(keys(en))].sort())
  })

  it('have every key the source names', () => {
    const known = plain(keys(en))
    const named = [...text.matchAll(/\bt\('([\w.-]+)'/g)].map((m) => m[1])
    expect(named.length).toBeGreaterThan(50)
    expect(named.filter((k) => !known.has(k))).toEqual([])
  })

  it('have every field, action, reason and page a description names', () => {
    const known = plain(keys(en))
    const missing = (prefix: string, names: Iterable<string>) =>
      [...new Set(names)].map((n) => `${prefix}.${n}`).filter((k) => !known.has(k))
    const all = (re: RegExp) => [...text.matchAll(re)].map((m) => m[1])
    // The specs in pages/: columns and fields are named by title, label or key.
    const pages = sources(join(root, 'pages')).map((f) => readFileSync(f, 'utf8'))
    for (const page of pages) {
      for (const m of page.matchAll(/\{ name: '(\w+)'([^{}]*)/g)) {
        const label = /label: '([\w.]+)'/.exec(m[2])?.[1]
        expect(missing('fields', [label ?? m[1]])).toEqual([])
      }
    }
    expect(missing('actions', all(/\btitle: '(\w+)',\n\s+fields/g))).toEqual([])
    expect(missing('help', all(/help: '(\w+)'/g))).toEqual([])
    expect(
      missing(
        'pages',
        all(/^ {2}key: '(\w+)',\n {2}page:/gm).map((k) => `${k}.title`),
      ),
    ).toEqual([])
    expect(missing('why', all(/(?:disabled|busy)\b.*\? '(\w+)' : undefined/g))).toEqual([])
  })

  it('fill in the same things', () => {
    const flat = (o: object) =>
      new Map(keys(o).map((k) => [k, k.split('.').reduce<unknown>((v, p) => (v as Record<string, unknown>)[p], o) as string]))
    const other = flat(zh)
    for (const [key, value] of flat(en)) {
      const holes = (s = '') => [...s.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort()
      if (other.has(key)) expect([key, holes(other.get(key))]).toEqual([key, holes(value)])
    }
  })
})
