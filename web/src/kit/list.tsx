// A list page is a description: what it asks for, its columns and actions.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { App, Empty, Flex, Table, type TableColumnType, Typography } from 'antd'
import type { TFunction } from 'i18next'
import { type ComponentType, type ReactNode, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from './actions'
import { type ApiError, type Call, type PageData, type Row, useCan, usePage } from './api'
import { labelled } from './cards'
import type { Key } from './chips'
import { csv, download } from './files'
import { type Column, filter, valuesOf } from './filter'
import type { FormSpec } from './form'
import { type Asked, Create, Selection, Toolbar } from './listtools'
import { hole, type Long, most, order, piece, readAll, serverQuery, useLong } from './long'
import { Missing, Problem } from './problem'
import { useSettled } from './settled'

export type { Column }

export interface ListSpec {
  /** The key below "pages." for the title, the empty state and the help. */
  key: string
  page: string
  rows: (data: PageData) => Row[]
  params?: Record<string, string>
  columns: Column[]
  actions?: Action[]
  /** What may be done with several rows at once. */
  bulk?: Action[]
  /** What makes one: a form, a page, or a button of its own. */
  create?: { rule?: string; form?: FormSpec; to?: string; button?: ComponentType }
  rowKey?: string
  call?: Call
  extra?: (data: PageData) => ReactNode
  /** What the server can do when there are more rows than one would read at once. */
  long?: Long
}

/** A list's rows, as its address asks for them. */
function useRows(spec: ListSpec, asked: Asked) {
  const first = usePage(spec.page, spec.long ? { limit: String(piece), ...spec.params } : (spec.params ?? { limit: String(most) }))
  const { data } = first
  const rowKey = spec.rowKey ?? 'id'
  const rows = useMemo(() => (data ? spec.rows(data) : []), [data, spec])
  // A list of which there is more than what was read is the server's to filter and sort.
  const far = spec.long && rows.length >= piece ? spec.long : undefined
  const typed = useSettled(asked.q ?? '')
  const query = { ...spec.params, ...(far ? serverQuery(far, typed, asked.sort) : {}) }
  const source = { page: spec.page, query, rowKey, rows: spec.rows, pieces: far?.pieces }
  const long = useLong(source, far !== undefined)
  const near = useMemo(
    () => (data && !far ? filter(rows, data, spec.columns, asked.q ?? '') : []),
    [rows, data, far, spec.columns, asked.q],
  )
  return {
    data,
    rowKey,
    far,
    long,
    shown: far ? long.rows : near,
    error: (first.error as ApiError | null) ?? long.error,
    loading: first.isLoading,
    busy: first.isFetching || long.reading,
    /** Whether there may be more than was read. */
    cut: !spec.long && rows.length >= most,
    reload: () => void (far ? long.refetch() : first.refetch()),
    /** All of them, in the order that the table shows them in. */
    all: async () => (far ? readAll(source) : sorted(near, data, spec.columns, asked.sort)),
  }
}

export function ListPage({ spec }: { spec: ListSpec }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const asked = useSearch({ strict: false }) as Asked
  const ask = (change: Asked, replace = false) =>
    void navigate({ to: '.', search: ((old: object) => ({ ...old, ...change })) as never, replace })
  const list = useRows(spec, asked)
  const { data, rowKey, far, long, shown, error, reload } = list
  // All of them at once, while the page is still awaited.
  useCan([spec.create, ...(spec.bulk ?? []), ...(spec.actions ?? [])].flatMap((a) => a?.rule ?? []))
  const [selected, setSelected] = useState<Row[]>([])
  const [hidden, setHidden] = useState<string[]>(() => stored(spec.key) ?? spec.columns.filter((c) => c.hidden).map((c) => c.key))
  const visible = spec.columns.filter((c) => !hidden.includes(c.key))
  const { message } = App.useApp()
  const save = async (kind: string) => {
    try {
      const all = await list.all()
      const rows = () => all.map((row) => visible.map((c) => textOf(c, row, data) ?? ''))
      download(
        `${spec.key}.${kind}`,
        kind === 'json' ? JSON.stringify(all, null, 2) : csv([visible.map((c) => t(`fields.${c.title ?? c.key}`)), ...rows()]),
      )
    } catch (e) {
      message.error((e as ApiError).message)
    }
  }
  const at = new Map(shown.map((row) => [row[rowKey], row]))
  const chosen = selected.map((row) => at.get(row[rowKey]) ?? row)
  const creation = data && spec.create ? <Create spec={spec} create={spec.create} data={data} after={reload} /> : null
  const nothing = (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t(asked.q ? 'list.nothing' : `pages.${spec.key}.empty`)}>
      {asked.q ? null : creation}
    </Empty>
  )
  return (
    <Flex vertical gap={16}>
      <Toolbar
        spec={spec}
        asked={{ q: asked.q, sort: asked.sort }}
        ask={ask}
        keys={filterKeys(spec.columns, far, shown, data)}
        columns={spec.columns}
        hidden={hidden}
        setHidden={(next) => setHidden(store(spec.key, next))}
        busy={list.busy}
        empty={shown.length === 0}
        reload={reload}
        save={(kind) => void save(kind)}
        creation={creation}
      />
      {spec.bulk && selected.length > 0 && data ? (
        <Selection actions={spec.bulk} rows={chosen} data={data} select={setSelected} after={reload} />
      ) : null}
      {error ? <Problem error={error} retry={reload} /> : null}
      {data ? <Missing errors={data.errors} /> : null}
      {data && spec.extra ? spec.extra(data) : null}
      <Table<Row>
        rowKey={rowKey}
        loading={list.loading}
        dataSource={shown}
        columns={labelled(tableColumns(spec, visible, data, asked.sort, far, reload, t))}
        size="middle"
        virtual={shown.length > 100}
        scroll={shown.length > 100 ? { y: 640, x: 960 } : { x: 'max-content' }}
        pagination={false}
        onScroll={far ? long.onScroll : undefined}
        onChange={(_, __, by) => {
          const one = Array.isArray(by) ? by[0] : by
          ask({ sort: one?.order ? `${one.order === 'descend' ? '-' : ''}${one.columnKey}` : undefined })
        }}
        rowSelection={
          spec.bulk
            ? {
                selectedRowKeys: selected.map((r) => r[rowKey]),
                columnWidth: 48,
                preserveSelectedRowKeys: true,
                getCheckboxProps: (row) => ({ disabled: hole(row) }),
                onChange: (_, rows) => setSelected(rows.filter(Boolean)),
              }
            : undefined
        }
        locale={{ emptyText: error ? ' ' : nothing }}
      />
      <Typography.Text type="secondary" aria-live="polite">
        {far && !long.whole ? t('list.atLeast', { count: long.least }) : t('list.count', { count: shown.length })}
        {list.cut ? ` ${t('list.first')}` : ''}
        {far
          ? ` ${t('list.far', {
              keys: serverKeys(far)
                .map((k) => `${k}:`)
                .join(' '),
            })}`
          : ''}
      </Typography.Text>
    </Flex>
  )
}

/** The keys by which the server filters. */
const serverKeys = (far: Long) => Object.keys(far.filter).filter(Boolean)

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

/** What the list can be filtered by: any column, or what the server knows if the list is its to filter. */
function filterKeys(columns: Column[], far: Long | undefined, rows: Row[], data: PageData | undefined): Key[] {
  const all: Column[] = far ? serverKeys(far).map((key) => columns.find((c) => c.key.toLowerCase() === key) ?? { key }) : columns
  return all.map((c) => ({
    key: c.key,
    title: c.title ?? c.key,
    values: () => [
      ...new Set([
        ...(data
          ? valuesOf(
              rows.filter((row) => !hole(row)),
              data,
              c,
              50,
            )
          : []),
        ...(c.values ?? []),
      ]),
    ],
  }))
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
const textOf = (c: Column, row: Row, data?: PageData) => (data && c.text ? c.text(row, data) : row[c.key])

/** The rows in the order that the table shows them in. */
function sorted(rows: Row[], data: PageData | undefined, columns: Column[], sort?: string): Row[] {
  const by = order(sort)
  const c = columns.find((one) => one.key === by?.key)
  if (!c) return rows
  return rows.toSorted((a, b) => (by?.descend ? -1 : 1) * compare(textOf(c, a, data), textOf(c, b, data)))
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return String(a ?? '').localeCompare(String(b ?? ''), undefined, { numeric: true })
}

function stored(key: string): string[] | undefined {
  const text = localStorage.getItem(`columns.${key}`)
  return text ? (JSON.parse(text) as string[]) : undefined
}

function store(key: string, hidden: string[]): string[] {
  localStorage.setItem(`columns.${key}`, JSON.stringify(hidden))
  return hidden
}
