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
}

/** The rows that have what is typed: words anywhere, key:value in one column. */
export function filter(rows: Row[], data: PageData, columns: Column[], typed: string): Row[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return rows
  return rows.filter((row) => {
    const text = (c: Column) => String((c.text ? c.text(row, data) : row[c.key]) ?? '').toLowerCase()
    return words.every((word) => {
      const [key, value] = word.split(/:(.*)/s)
      const named = value === undefined ? undefined : columns.find((c) => c.key.toLowerCase() === key)
      if (named) return text(named).includes(value)
      return String(row.id ?? '').includes(word) || columns.some((c) => text(c).includes(word))
    })
  })
}
