// A list page is a description: what it asks for, its columns and actions.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { App, Empty, Flex, Typography } from 'antd'
import { type ComponentType, type ReactNode, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from './actions'
import { type ApiError, type Call, type PageData, type Row, useCan, usePage } from './api'
import type { Key } from './chips'
import { csv, download } from './files'
import { type Column, filter, valuesOf } from './filter'
import type { FormSpec } from './form'
import { type Asked, Create, Selection, Toolbar } from './listtools'
import { hole, type Long, most, piece, readAll, serverQuery, useLong } from './long'
import { Missing, Problem } from './problem'
import { Rows, sorted, textOf } from './rows'
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
  const rowKey = spec.rowKey ?? 'id'
  const rows = useMemo(() => (first.data ? spec.rows(first.data) : []), [first.data, spec])
  // A list of which there is more than what was read is the server's to filter and sort.
  const far = spec.long && rows.length >= piece ? spec.long : undefined
  const typed = useSettled(asked.q ?? '')
  const query = { ...spec.params, ...(far ? serverQuery(far, typed, asked.sort) : {}) }
  const source = { page: spec.page, query, rowKey, rows: spec.rows, pieces: far?.pieces }
  const long = useLong(source, far !== undefined)
  const data = useMemo(() => first.data && { ...first.data, ...(far ? long.joined : {}) }, [first.data, far, long.joined])
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
    /** All of them, in the order that the table shows them in, and what is asked of them. */
    all: async () => (far ? readAll(source) : { rows: sorted(near, data, spec.columns, asked.sort), joined: {} }),
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
      const { rows: all, joined } = await list.all()
      const rows = () => all.map((row) => visible.map((c) => textOf(c, row, data && { ...data, ...joined }) ?? ''))
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
      <Rows
        spec={spec}
        visible={visible}
        data={data}
        rows={shown}
        rowKey={rowKey}
        sort={asked.sort}
        ask={(sort) => ask({ sort })}
        far={far}
        look={long.look}
        loading={list.loading}
        selected={selected}
        setSelected={setSelected}
        nothing={error ? ' ' : nothing}
        reload={reload}
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

function stored(key: string): string[] | undefined {
  const text = localStorage.getItem(`columns.${key}`)
  return text ? (JSON.parse(text) as string[]) : undefined
}

function store(key: string, hidden: string[]): string[] {
  localStorage.setItem(`columns.${key}`, JSON.stringify(hidden))
  return hidden
}
