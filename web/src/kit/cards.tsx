// On a phone each row of a table is a card: its cells then tell what they are.
// A table of very many rows is no box to scroll in there, but the page itself:
// its rows are shown in blocks, and blocks far out of view are only as high as
// what they stand for.
import type { TableColumnType } from 'antd'
import { memo, type ReactNode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'

/** Columns whose cells know their titles; the row is called by the named one, the first if none is. */
export function labelled<T>(columns: TableColumnType<T>[], name = columns[0]?.key): TableColumnType<T>[] {
  return columns.map((c) => {
    if (c.key === 'actions') return c
    const label = typeof c.title === 'string' ? c.title : undefined
    return { ...c, className: c.key === name ? 'row-name' : c.className, onCell: () => ({ 'data-label': label }) as object }
  })
}

// As wide as table.css makes cards.
const phone = () => window.matchMedia('(max-width: 600px)')

/** Whether the screen is so narrow that rows are cards. */
export function usePhone(): boolean {
  return useSyncExternalStore(
    (changed) => {
      const query = phone()
      query.addEventListener('change', changed)
      return () => query.removeEventListener('change', changed)
    },
    () => phone().matches,
  )
}

/** How many rows are in a block. */
export const blockSize = 20
/** How high a block is about, in pixels, while none has been seen. */
const about = blockSize * 180

/** Rows in blocks; the last may have fewer. */
export function blocksOf<T>(rows: T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / blockSize) }, (_, i) => rows.slice(i * blockSize, (i + 1) * blockSize))
}

interface CardsProps<T> {
  rows: T[]
  /** Shows the rows of a block. */
  show: (rows: T[]) => ReactNode
  /** Is told which rows are in view, or nearly. */
  look?: (first: number, last: number) => void
}

/** Very many cards, of which those in view and a screen before and behind are there. */
export function Cards<T>({ rows, show, look }: CardsProps<T>) {
  const blocks = useMemo(() => blocksOf(rows), [rows])
  const host = useRef<HTMLDivElement>(null)
  const heights = useRef(new Map<number, number>())
  const [near, setNear] = useState<ReadonlySet<number>>(() => new Set([0]))
  const count = blocks.length
  useEffect(() => {
    const there = new Set<number>()
    const observer = new IntersectionObserver(
      (changes) => {
        for (const { target, isIntersecting, boundingClientRect } of changes) {
          const at = Number((target as HTMLElement).dataset.block)
          if (isIntersecting) there.add(at)
          else if (there.delete(at)) heights.current.set(at, boundingClientRect.height)
        }
        setNear(new Set(there))
      },
      { rootMargin: '100% 0%' },
    )
    for (const block of Array.from(host.current?.children ?? []).slice(0, count)) observer.observe(block)
    return () => observer.disconnect()
  }, [count])
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is what is near that makes one look
  useEffect(() => {
    if (near.size > 0) look?.(Math.min(...near) * blockSize, (Math.max(...near) + 1) * blockSize - 1)
  }, [near])
  const seen = [...heights.current.values()]
  const usual = seen.length > 0 ? seen.reduce((a, b) => a + b) / seen.length : about
  return (
    <div ref={host} className="cards">
      {blocks.map((some, at) =>
        near.has(at) ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: a block is its place
          <div key={at} data-block={at}>
            <Block rows={some} show={show as (rows: unknown[]) => ReactNode} />
          </div>
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: a block is its place
          <div key={at} data-block={at} style={{ height: heights.current.get(at) ?? (usual * some.length) / blockSize }} />
        ),
      )}
    </div>
  )
}

const Block = memo(({ rows, show }: { rows: unknown[]; show: (rows: unknown[]) => ReactNode }) => show(rows))
