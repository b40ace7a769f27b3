// The rows of a list: a table, on a wide screen one to scroll in when it is
// long; on a phone cards.
import { Table, type TableColumnType, type TableProps } from 'antd'
import type { TFunction } from 'i18next'
import { type Dispatch, type ReactNode, type SetStateAction, type UIEvent, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { Actions } from './actions'
import type { PageData, Row } from './api'
import { Cards, labelled, usePhone } from './cards'
import type { Column } from './filter'
import type { ListSpec } from './list'
import { hole, type Long, order } from './long'

/** More rows than these are shown in part, those that are in view. */
const many = 100

interface Props {
  spec: ListSpec
  /** The columns that are shown. */
  visible: Column[]
  data: PageData | undefined
  rows: Row[]
  rowKey: string
  sort: string | undefined
  ask: (sort: string | undefined) => void
  /** What the server does if the list is its to sort, and how it is asked for the rows in view. */
  far: Long | undefined
  look: (first: number, last: number) => void
  loading: boolean
  selected: Row[]
  setSelected: Dispatch<SetStateAction<Row[]>>
  /** What is shown in place of no rows. */
  nothing: ReactNode
  reload: () => void
}

export function Rows({ spec, visible, data, rows, rowKey, sort, ask, far, look, loading, selected, setSelected, nothing, reload }: Props) {
  const { t } = useTranslation()
  const cards = usePhone() && rows.length > many
  const columns = labelled(tableColumns(spec, visible, data, sort, far, reload, t))
  const chosen = selected.map((r) => r[rowKey])
  const table = (some: Row[]): TableProps<Row> => ({
    rowKey,
    columns,
    dataSource: some,
    size: 'middle',
    scroll: { x: 'max-content' },
    pagination: false,
    rowSelection: spec.bulk
      ? {
          selectedRowKeys: chosen,
          columnWidth: 48,
          getCheckboxProps: (row) => ({ disabled: hole(row) }),
          // Those that are not in this table stay selected.
          onChange: (_, now) =>
            setSelected((old) => {
              const here = new Set(some.map((r) => r[rowKey]))
              return [...old.filter((r) => !here.has(r[rowKey])), ...now]
            }),
        }
      : undefined,
  })
  const ordered = useMemo(() => (cards && !far ? sorted(rows, data, spec.columns, sort) : rows), [cards, far, rows, data, spec, sort])
  if (cards) {
    const unsorted = columns.map((c) => ({ ...c, sorter: false }))
    return (
      <Cards
        rows={ordered}
        show={(some) => <Table<Row> {...table(some)} columns={unsorted} showHeader={false} />}
        look={far ? look : undefined}
      />
    )
  }
  return (
    <Table<Row>
      {...table(rows)}
      loading={loading}
      virtual={rows.length > many}
      scroll={rows.length > many ? { y: 640, x: 960 } : { x: 'max-content' }}
      onScroll={far ? (e) => look(...inView(e, rows.length)) : undefined}
      onChange={(_, __, by) => {
        const one = Array.isArray(by) ? by[0] : by
        ask(one?.order ? `${one.order === 'descend' ? '-' : ''}${one.columnKey}` : undefined)
      }}
      locale={{ emptyText: nothing }}
    />
  )
}

/** The rows that are in view in what is scrolled. */
function inView({ currentTarget: { scrollTop, scrollHeight, clientHeight } }: UIEvent<HTMLElement>, rows: number): [number, number] {
  const rowAt = (y: number) => (y / scrollHeight) * rows
  return [rowAt(scrollTop), rowAt(scrollTop + clientHeight)]
}

/** The table's columns: those that are shown, and the actions. */
function tableColumns(
  spec: ListSpec,
  visible: Column[],
  data: PageData | undefined,
  sort: string | undefined,
  far: Long | undefined,
  reload: () => void,
  t: TFunction,
): TableColumnType<Row>[] {
  // What a row is called stays in view when the table is scrolled sideways.
  const columns = visible.map((c, i) => ({
    ...column(c, data, t(`fields.${c.title ?? c.key}`), order(sort), far),
    ...(i === 0 ? { fixed: 'start' as const } : {}),
  }))
  const { actions } = spec
  if (!actions || !data) return columns
  return [
    ...columns,
    {
      key: 'actions',
      title: t('common.actions'),
      width: 120,
      fixed: 'end',
      className: 'row-actions',
      render: (_, row) => (hole(row) ? null : <Actions actions={actions} row={row} data={data} after={reload} />),
    },
  ]
}

function column(c: Column, data: PageData | undefined, title: string, by: ReturnType<typeof order>, far?: Long): TableColumnType<Row> {
  const text = (row: Row) => textOf(c, row, data)
  return {
    key: c.key,
    title,
    width: c.width,
    sorter: far ? c.key in far.sort : (a, b) => compare(text(a), text(b)),
    sortOrder: by?.key === c.key ? (by.descend ? 'descend' : 'ascend') : null,
    render: (_, row) => (hole(row) ? '…' : shown(data && c.render ? c.render(row, data) : row[c.key])),
  }
}

/** What is in a cell, or that nothing is. */
const shown = (value: ReactNode) =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0) ? '–' : value

/** What a cell is searched, sorted and kept by. */
export const textOf = (c: Column, row: Row, data?: PageData) => (data && c.text ? c.text(row, data) : row[c.key])

/** The rows in the order that the table shows them in. */
export function sorted(rows: Row[], data: PageData | undefined, columns: Column[], sort?: string): Row[] {
  const by = order(sort)
  const c = columns.find((one) => one.key === by?.key)
  if (!c) return rows
  return rows.toSorted((a, b) => (by?.descend ? -1 : 1) * compare(textOf(c, a, data), textOf(c, b, data)))
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a ?? '').localeCompare(String(b ?? ''), undefined, { numeric: true })
}
