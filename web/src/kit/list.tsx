// A list page is a description: what it asks for, its columns and actions.
import { DownloadOutlined, ReloadOutlined, SettingOutlined } from '@ant-design/icons'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { App, Button, Checkbox, Dropdown, Empty, Flex, Space, Table, type TableColumnType, Tooltip, Typography } from 'antd'
import { type ComponentType, type ReactNode, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from './actions'
import { type ApiError, type Call, type PageData, type Row, useCan, usePage } from './api'
import { Bulk } from './bulk'
import { labelled } from './cards'
import { FilterField, type Key } from './chips'
import { csv, download } from './files'
import { type Column, filter, valuesOf } from './filter'
import { FormButton, type FormSpec } from './form'
import { hole, type Long, most, order, piece, readAll, serverQuery, useLong } from './long'
import { Missing, Problem } from './problem'
import { reason } from './reason'
import { useSettled } from './settled'
import { ShowApi } from './showapi'
import { Views } from './views'

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

export function ListPage({ spec }: { spec: ListSpec }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as { q?: string; sort?: string }
  const ask = (change: { q?: string; sort?: string }, replace = false) =>
    navigate({ to: '.', search: ((old: object) => ({ ...old, ...change })) as never, replace })
  const first = usePage(spec.page, spec.long ? { limit: String(piece), ...spec.params } : (spec.params ?? { limit: String(most) }))
  const { data, isLoading } = first
  // All of them at once, while the page is still awaited.
  useCan([spec.create, ...(spec.bulk ?? []), ...(spec.actions ?? [])].flatMap((a) => a?.rule ?? []))
  const [selected, setSelected] = useState<Row[]>([])
  const [hidden, setHidden] = useState<string[]>(() => stored(spec.key) ?? spec.columns.filter((c) => c.hidden).map((c) => c.key))
  const [api, setApi] = useState(false)
  const rowKey = spec.rowKey ?? 'id'
  const rows = useMemo(() => (data ? spec.rows(data) : []), [data, spec])
  // A list of which there is more than what was read is the server's to filter and sort.
  const far = spec.long && rows.length >= piece ? spec.long : undefined
  const typed = useSettled(search.q ?? '')
  const query = { ...spec.params, ...(far ? serverQuery(far, typed, search.sort) : {}) }
  const source = { page: spec.page, query, rowKey, rows: spec.rows, pieces: far?.pieces }
  const long = useLong(source, far !== undefined)
  const near = useMemo(
    () => (data && !far ? filter(rows, data, spec.columns, search.q ?? '') : []),
    [rows, data, far, spec.columns, search.q],
  )
  const shown = far ? long.rows : near
  const error = (first.error as ApiError | null) ?? long.error
  const isFetching = first.isFetching || long.reading
  const refetch = () => (far ? long.refetch() : first.refetch())
  // What a row is called stays in view when the table is scrolled sideways.
  const columns = spec.columns
    .filter((c) => !hidden.includes(c.key))
    .map((c, i) => ({
      ...column(c, data, t(`fields.${c.title ?? c.key}`), order(search.sort), far),
      ...(i === 0 ? { fixed: 'start' as const } : {}),
    }))
  if (spec.actions && data) {
    columns.push({
      key: 'actions',
      title: t('common.actions'),
      width: 120,
      fixed: 'end',
      className: 'row-actions',
      render: (_, row) => (hole(row) ? null : <Actions actions={spec.actions ?? []} row={row} data={data} after={refetch} />),
    })
  }
  const { message } = App.useApp()
  const save = async (kind: string) => {
    try {
      const all = far ? await readAll(source) : sorted(near, data, spec.columns, search.sort)
      const cells = spec.columns.filter((c) => !hidden.includes(c.key))
      download(
        `${spec.key}.${kind}`,
        kind === 'json'
          ? JSON.stringify(all, null, 2)
          : csv([cells.map((c) => t(`fields.${c.title ?? c.key}`)), ...all.map((row) => cells.map((c) => textOf(c, row, data) ?? ''))]),
      )
    } catch (e) {
      message.error((e as ApiError).message)
    }
  }
  const at = new Map(shown.map((row) => [row[rowKey], row]))
  const chosen = selected.map((row) => at.get(row[rowKey]) ?? row)
  const keys = filterKeys(spec.columns, far, shown, data)
  const creation = data && spec.create ? <Create spec={spec} create={spec.create} data={data} after={() => void refetch()} /> : null
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t(`pages.${spec.key}.title`)}
        </Typography.Title>
        <Space wrap>
          <FilterField keys={keys} value={search.q ?? ''} onChange={(q, begun) => ask({ q: q || undefined }, !begun)} />
          <Tooltip title={t('list.reload')}>
            <Button icon={<ReloadOutlined spin={isFetching} />} onClick={() => refetch()} aria-label={t('list.reload')} />
          </Tooltip>
          <Dropdown
            trigger={['click']}
            popupRender={() => <Chooser columns={spec.columns} hidden={hidden} change={(next) => setHidden(store(spec.key, next))} />}
          >
            <Button icon={<SettingOutlined />} aria-label={t('list.columns')} />
          </Dropdown>
          <Views
            list={spec.key}
            now={{ q: search.q, sort: search.sort, hidden }}
            show={({ q, sort, hidden: without }) => {
              setHidden(store(spec.key, without))
              void ask({ q, sort })
            }}
          />
          <Dropdown
            trigger={['click']}
            menu={{
              items: [
                { key: 'csv', label: 'CSV' },
                { key: 'json', label: 'JSON' },
              ],
              onClick: ({ key }) => void save(key),
            }}
          >
            <Button icon={<DownloadOutlined />} aria-label={t('list.export')} disabled={shown.length === 0} />
          </Dropdown>
          {spec.call ? <Button onClick={() => setApi(!api)}>{t('showApi.title')}</Button> : null}
          {creation}
        </Space>
      </Flex>
      {spec.bulk && selected.length > 0 && data ? (
        <Flex gap={8} align="center" wrap data-selection>
          <Typography.Text aria-live="polite">{t('list.selected', { count: selected.length })}</Typography.Text>
          <Bulk
            actions={spec.bulk}
            rows={chosen}
            data={data}
            done={(failed) => {
              setSelected(failed)
              void refetch()
            }}
          />
          <Button type="text" onClick={() => setSelected([])}>
            {t('list.selectNone')}
          </Button>
        </Flex>
      ) : null}
      {api && spec.call ? <ShowApi calls={[spec.call]} /> : null}
      {error ? <Problem error={error} retry={() => refetch()} /> : null}
      {data ? <Missing errors={data.errors} /> : null}
      {data && spec.extra ? spec.extra(data) : null}
      <Table<Row>
        rowKey={rowKey}
        loading={isLoading}
        dataSource={shown}
        columns={labelled(columns)}
        size="middle"
        virtual={shown.length > 100}
        scroll={shown.length > 100 ? { y: 640, x: 960 } : { x: 'max-content' }}
        pagination={false}
        onScroll={far ? long.onScroll : undefined}
        onChange={(_, __, sorted) => {
          const one = Array.isArray(sorted) ? sorted[0] : sorted
          ask({ sort: one?.order ? `${one.order === 'descend' ? '-' : ''}${one.columnKey}` : undefined })
        }}
        rowSelection={
          spec.bulk
            ? {
                selectedRowKeys: selected.map((r) => r[rowKey]),
                columnWidth: 48,
                preserveSelectedRowKeys: true,
                getCheckboxProps: (row) => ({ disabled: hole(row) }),
                onChange: (_, chosen) => setSelected(chosen.filter(Boolean)),
              }
            : undefined
        }
        locale={{
          emptyText: error ? (
            ' '
          ) : (
            <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t(search.q ? 'list.nothing' : `pages.${spec.key}.empty`)}>
              {search.q ? null : creation}
            </Empty>
          ),
        }}
      />
      <Typography.Text type="secondary" aria-live="polite">
        {far && !long.whole ? t('list.atLeast', { count: long.least }) : t('list.count', { count: shown.length })}
        {!spec.long && rows.length >= most ? ` ${t('list.first')}` : ''}
        {far
          ? ` ${t('list.far', {
              keys: Object.keys(far.filter)
                .filter(Boolean)
                .map((k) => `${k}:`)
                .join(' '),
            })}`
          : ''}
      </Typography.Text>
    </Flex>
  )
}

interface CreateProps {
  spec: ListSpec
  create: NonNullable<ListSpec['create']>
  data: PageData
  after: () => void
}

/** The button that makes one of what is listed. */
function Create({ spec, create: { rule, form, to, button: Own }, data, after }: CreateProps) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const may = useCan(rule ? [rule] : [])(rule)
  const label = t(`pages.${spec.key}.create`)
  if (Own) return <Own />
  if (form) return <FormButton form={form} rule={rule} data={data} label={label} after={after} />
  return (
    <Tooltip title={reason(may, t)}>
      <Button type="primary" data-create disabled={!may.allowed} onClick={() => navigate({ to })}>
        {label}
      </Button>
    </Tooltip>
  )
}

/** What the list can be filtered by: any column, or what the server knows if the list is its to filter. */
function filterKeys(columns: Column[], far: Long | undefined, rows: Row[], data: PageData | undefined): Key[] {
  const all: Column[] = far
    ? Object.keys(far.filter)
        .filter(Boolean)
        .map((key) => columns.find((c) => c.key.toLowerCase() === key) ?? { key })
    : columns
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

function Chooser({ columns, hidden, change }: { columns: Column[]; hidden: string[]; change: (hidden: string[]) => void }) {
  const { t } = useTranslation()
  return (
    <Flex vertical className="chooser">
      {columns.map((c) => (
        <Checkbox
          key={c.key}
          checked={!hidden.includes(c.key)}
          onChange={(e) => change(e.target.checked ? hidden.filter((k) => k !== c.key) : [...hidden, c.key])}
        >
          {t(`fields.${c.title ?? c.key}`)}
        </Checkbox>
      ))}
    </Flex>
  )
}

function stored(key: string): string[] | undefined {
  const text = localStorage.getItem(`columns.${key}`)
  return text ? (JSON.parse(text) as string[]) : undefined
}

function store(key: string, hidden: string[]): string[] {
  localStorage.setItem(`columns.${key}`, JSON.stringify(hidden))
  return hidden
}
