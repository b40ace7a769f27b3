// What a list shows of its rows.
import type { ReactNode } from 'react'
import type { PageData, Row } from './api'

export interface Column {
  key: string
  /** The key of the title below "fields."; the key if missing. */
  title?: string
  render?: (row: Row, data: PageData) => ReactNode
  /** What is searched and sorted by; the row's value of the key if missing. */
  text?: (row: Row, data: PageData) => string | number
  width?: number
  hidden?: boolean
  /** Values to be offered beside those of the rows that are there. */
  values?: string[]
}

/** A word of what is typed: key:value, or a word to be found anywhere. */
export interface Token {
  key?: string
  value: string
}

/** What is typed, word by word; "…" holds a value together that has spaces. */
export function tokens(typed: string): Token[] {
  return (typed.match(/(?:[\w.]+:)?"[^"]*"?|\S+/g) ?? []).map((word) => {
    const [, key, value] = /^([\w.]+):(.*)$/s.exec(word) ?? [undefined, undefined, word]
    return { key, value: value.replaceAll('"', '') }
  })
}

/** A word as it is typed. */
export function typedAs({ key, value }: Token): string {
  const text = /\s/.test(value) ? `"${value}"` : value
  return key ? `${key}:${text}` : text
}

/** The rows that have what is typed: words anywhere, key:value in one column. */
export function filter(rows: Row[], data: PageData, columns: Column[], typed: string): Row[] {
  const words = tokens(typed.toLowerCase())
  if (words.length === 0) return rows
  return rows.filter((row) => {
    const text = (c: Column) => String((c.text ? c.text(row, data) : row[c.key]) ?? '').toLowerCase()
    return words.every(({ key, value }) => {
      const named = key ? columns.find((c) => c.key.toLowerCase() === key) : undefined
      if (named) return text(named).includes(value)
      const word = key ? `${key}:${value}` : value
      return String(row.id ?? '').includes(word) || columns.some((c) => text(c).includes(word))
    })
  })
}

/** What a column has in the rows that are there, the commonest first. */
export function valuesOf(rows: Row[], data: PageData, column: Column, most: number): string[] {
  const counts = new Map<string, number>()
  for (const row of rows) {
    const value = String((column.text ? column.text(row, data) : row[column.key]) ?? '').trim()
    if (value !== '' && value.length <= 60) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a, n], [b, m]) => m - n || a.localeCompare(b, undefined, { numeric: true }))
    .slice(0, most)
    .map(([value]) => value)
}
