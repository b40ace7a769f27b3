// On a phone each row of a table is a card: its cells then tell what they are.
import type { TableColumnType } from 'antd'

/** Columns whose cells know their titles; the row is called by the named one, the first if none is. */
export function labelled<T>(columns: TableColumnType<T>[], name = columns[0]?.key): TableColumnType<T>[] {
  return columns.map((c) => {
    if (c.key === 'actions') return c
    const label = typeof c.title === 'string' ? c.title : undefined
    return { ...c, className: c.key === name ? 'row-name' : c.className, onCell: () => ({ 'data-label': label }) as object }
  })
}
