// Lists that are too long to be read whole: the server filters and sorts them,
// and what is in view is read in pieces as one scrolls. What is out of view is
// forgotten, so that a tab needs no more memory for ten thousand rows than for
// a few hundred.
import { useQueries } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import { type ApiError, type PageData, pageQuery, type Row } from './api'
import { tokens } from './filter'

/** What the server can do with a long list. */
export interface Long {
  /** Its sort key by column; by the others a long list cannot be sorted. */
  sort: Record<string, string>
  /** Its query by typed key; the key '' is for words without one. */
  filter: Record<string, (value: string) => Record<string, string>>
  /** How many pieces there are, where they have numbers and no markers: the broker's lists. */
  pieces?: (data: PageData) => number
}

/** Whether words are an id. */
export const isId = (words: string) => /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(words)

/** Whether words are a part of an address. */
export const isAddress = (words: string) => /^[0-9a-f]*[.:][0-9a-f.:]*$/i.test(words)

/** A filter by what is true or false, once that is typed. */
export const flag =
  (key: string) =>
  (value: string): Record<string, string> =>
    /^(true|false)$/i.test(value) ? { [key]: value } : {}

/** How many rows are in a piece. */
export const piece = 200

/** A row that is not read yet. */
export const hole = (row: Row) => row.hole === true

/** A sort order as the address has it: the column, with - before it for the last first. */
export function order(sort: string | undefined): { key: string; descend: boolean } | undefined {
  if (!sort) return undefined
  return sort.startsWith('-') ? { key: sort.slice(1), descend: true } : { key: sort, descend: false }
}

/** What is typed and how it is sorted, as the server's query. */
export function serverQuery(long: Long, typed: string, sort: string | undefined): Record<string, string> {
  const query: Record<string, string> = {}
  const words: string[] = []
  for (const { key, value } of tokens(typed)) {
    const by = key ? long.filter[key.toLowerCase()] : undefined
    if (by && value) Object.assign(query, by(value))
    else if (!by) words.push(key ? `${key}:${value}` : value)
  }
  if (words.length > 0) Object.assign(query, long.filter[''](words.join(' ')))
  const by = order(sort)
  if (by && long.sort[by.key]) Object.assign(query, { sort_key: long.sort[by.key], sort_dir: by.descend ? 'desc' : 'asc' })
  return query
}

interface Source {
  page: string
  query: Record<string, string>
  rowKey: string
  rows: (data: PageData) => Row[]
  pieces?: Long['pieces']
}

/** The marker that a piece of a size ends with, if another one follows. */
function after(source: Source, data: PageData, at: number, size: number): string | undefined {
  if (source.pieces) return at + 1 < source.pieces(data) ? String(at + 2) : undefined
  const rows = source.rows(data)
  return rows.length < size ? undefined : rows[rows.length - 1][source.rowKey]
}

/** How many rows a page of an API has at most; one of the broker's has fewer. */
export const most = 1000
const numbered = 500

/** What was asked of the rows of several pieces, together: the subnets of all their networks. */
export function joined(answers: PageData[]): Row {
  const out: Row = {}
  for (const answer of answers) {
    for (const [key, value] of Object.entries(answer)) if (Array.isArray(value)) out[key] = [...(out[key] ?? []), ...value]
  }
  // What has moved from one piece to the next is in both.
  for (const key of Object.keys(out)) out[key] = [...new Map(out[key].map((row: Row) => [row.id ?? row, row])).values()]
  return out
}

/** All rows of a long list, which are not kept, and what was asked of them. */
export async function readAll(source: Source): Promise<{ rows: Row[]; joined: Row }> {
  const { page, query } = source
  const size = source.pieces ? numbered : most
  const answers: PageData[] = []
  let marker: string | undefined = ''
  for (let at = 0; marker !== undefined; at++) {
    const data: PageData = await pageQuery(page, { ...query, limit: String(size), ...(marker ? { marker } : {}) }).queryFn()
    answers.push(data)
    marker = after(source, data, at, size)
  }
  return { rows: answers.flatMap(source.rows), joined: joined(answers) }
}

/** The piece a row is in; the last for one behind all of them. */
export function pieceOf(row: number, lengths: number[]): number {
  let end = 0
  const at = lengths.findIndex((n) => {
    end += n
    return row < end
  })
  return at < 0 ? lengths.length - 1 : at
}

interface Window {
  /** The markers behind which the known pieces begin. */
  starts: string[]
  /** The pieces in view. */
  from: number
  to: number
}

const top: Window = { starts: [''], from: 0, to: 0 }

/** The rows of a long list, holes where none are read, and how to look at others. */
export function useLong(source: Source, enabled: boolean) {
  const identity = JSON.stringify([source.page, source.query, enabled])
  const [state, setState] = useState({ identity, view: top })
  const view = state.identity === identity ? state.view : top
  const setView = (change: (old: Window) => Window) =>
    setState((old) => ({ identity, view: change(old.identity === identity ? old.view : top) }))

  const inView = enabled ? view.starts.slice(view.from, view.to + 1) : []
  const answers = useQueries({
    queries: inView.map((marker) => ({
      ...pageQuery(source.page, { limit: String(piece), ...source.query, ...(marker ? { marker } : {}) }),
      gcTime: 10_000,
    })),
  })
  // While a piece is read anew behind another marker, what it had stays; of one that is forgotten, how long it is.
  const had = useRef({ identity, rows: new Map<number, Row[]>(), lengths: new Map<number, number>() })
  if (had.current.identity !== identity) had.current = { identity, rows: new Map(), lengths: new Map() }
  const { rows: read, lengths } = had.current
  for (const at of [...read.keys()]) if (at < view.from || at > view.to) read.delete(at)
  for (const [i, a] of answers.entries()) if (a.data) read.set(view.from + i, source.rows(a.data))
  for (const [at, there] of read) lengths.set(at, there.length)
  const lengthOf = (at: number) => lengths.get(at) ?? piece

  const versions = answers.map((a) => `${a.dataUpdatedAt} ${a.status}`).join()
  // biome-ignore lint/correctness/useExhaustiveDependencies: versions stands for the answers
  useEffect(() => {
    for (const [i, a] of answers.entries()) {
      const at = view.from + i
      if (a.error && at > 0 && (a.error as ApiError).code === 400) {
        // The row it begins behind is gone: the piece before it says where it begins now.
        if (i === 0) setView((old) => ({ ...old, from: at - 1 }))
        else if (answers[i - 1].dataUpdatedAt < a.errorUpdatedAt) void answers[i - 1].refetch()
        return
      }
      if (!a.data) continue
      const next = after(source, a.data, at, piece)
      if (view.starts[at + 1] === next) continue
      setView((old) => {
        const starts = old.starts.slice(0, at + 1)
        if (next !== undefined) starts.push(next, ...old.starts.slice(at + 2))
        return { starts, from: Math.min(old.from, starts.length - 1), to: Math.min(old.to, starts.length - 1) }
      })
      return
    }
  }, [versions, identity, view])

  // biome-ignore lint/correctness/useExhaustiveDependencies: versions stands for what is read
  const rows = useMemo(() => {
    const out: Row[] = []
    const seen = new Set<string>()
    for (const at of view.starts.keys()) {
      const there = read.get(at)
      for (let n = 0; n < (there?.length ?? lengthOf(at)); n++) {
        const row = there?.[n] ?? { [source.rowKey]: `hole-${at}-${n}`, hole: true }
        if (seen.has(row[source.rowKey])) continue // it has moved from one piece to the next
        seen.add(row[source.rowKey])
        out.push(row)
      }
    }
    return out
  }, [versions, identity, view])
  // biome-ignore lint/correctness/useExhaustiveDependencies: versions stands for the answers
  const asked = useMemo(() => joined(answers.flatMap((a) => a.data ?? [])), [versions, identity])

  return {
    rows: enabled ? rows : [],
    /** What was asked of the rows in view. */
    joined: asked,
    /** How many rows there are at least. */
    least: (view.starts.length - 1) * piece,
    /** Whether nothing comes after what is known. */
    whole: (read.get(view.starts.length - 1)?.length ?? piece) < piece,
    error: answers.find((a) => a.error)?.error as ApiError | undefined,
    reading: answers.some((a) => a.isFetching),
    refetch: () => Promise.all(answers.map((a) => a.refetch())),
    /** Reads what lies between two rows; half a piece before and behind them is read ahead. */
    look: (first: number, last: number) => {
      const all = view.starts.map((_, at) => lengthOf(at))
      const from = pieceOf(first - piece / 2, all)
      const to = pieceOf(last + piece / 2, all)
      if (from !== view.from || to !== view.to) setView((old) => ({ ...old, from, to }))
    },
  }
}
