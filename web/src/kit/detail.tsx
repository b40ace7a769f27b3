// A detail page is a description: its facts, tabs and actions.
import { Link, useLocation, useNavigate, useSearch } from '@tanstack/react-router'
import { Descriptions, Flex, Result, Skeleton, Tabs, Typography } from 'antd'
import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions, nameOf } from './actions'
import type { ApiError, PageData, Row } from './api'
import { useCan, usePage, useSession } from './api'
import { foundPlace } from './links'
import { Missing, Problem } from './problem'
import { remember } from './recent'
import { Status } from './status'
import { SubTable, type SubTableSpec } from './subtable'

interface Tab {
  /** The key of the title below "tabs.". */
  key: string
  show?: (row: Row) => boolean
  table?: SubTableSpec
  render?: (row: Row, data: PageData) => ReactNode
}

export interface DetailSpec {
  page: string
  row: (data: PageData) => Row
  facts: (row: Row, data: PageData, reload: () => void) => [key: string, value: ReactNode][]
  status?: (row: Row) => { value?: string; task?: string | null }
  actions?: Action[]
  tabs?: Tab[]
}

interface Props {
  spec: DetailSpec
  id?: string
  /** What the page is asked for by, if it is not an id. */
  params?: Record<string, string>
}

export function DetailPage({ spec, id = '', params = { id } }: Props) {
  const { t } = useTranslation()
  const { data, error, refetch } = usePage(spec.page, params)
  // All of them at once, while the page is still awaited.
  useCan(
    [...(spec.actions ?? []), ...(spec.tabs ?? []).flatMap((tab) => [tab.table?.add, ...(tab.table?.actions ?? [])])].flatMap(
      (a) => a?.rule ?? [],
    ),
  )
  const navigate = useNavigate()
  const asked = useSearch({ strict: false }) as { tab?: string }
  const list = useLocation({ select: (l) => l.pathname.replace(/\/[^/]*$/, '') })
  useSeen(spec, id, data)
  const failure = error as ApiError | null
  if (!data) return failure ? <Problem error={failure} retry={() => refetch()} /> : <Skeleton active />
  const row = spec.row(data)
  if (failure?.code === 404) return <Gone name={nameOf(row)} list={list} />
  const status = spec.status?.(row)
  const tabs = (spec.tabs ?? []).filter((tab) => !tab.show || tab.show(row))
  // Who has deleted the thing is brought back to the list; others are told that it is gone.
  const reload = async () => {
    const now = await refetch()
    const gone = now.isError ? (now.error as ApiError).code === 404 : now.data && spec.status?.(spec.row(now.data)).task === 'deleting'
    if (gone) void navigate({ to: list })
  }
  return (
    <Flex vertical gap={16}>
      {failure ? <Problem error={failure} retry={() => refetch()} /> : null}
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Flex align="center" gap={12} wrap>
          <Typography.Title level={3} style={{ margin: 0 }}>
            {nameOf(row)}
          </Typography.Title>
          {status ? <Status value={status.value} task={status.task} /> : null}
        </Flex>
        {spec.actions ? <Actions actions={spec.actions} row={row} data={data} buttons after={reload} /> : null}
      </Flex>
      <Missing errors={data.errors} />
      <Descriptions
        bordered
        size="small"
        column={{ xs: 1, md: 2 }}
        items={spec.facts(row, data, reload).map(([key, value]) => ({ key, label: t(`fields.${key}`), children: value ?? '–' }))}
      />
      <Tabs
        activeKey={(tabs.find((tab) => tab.key === asked.tab) ?? tabs[0])?.key}
        onChange={(tab) => void navigate({ to: '.', search: ((old: object) => ({ ...old, tab })) as never })}
        items={tabs.map((tab) => ({
          key: tab.key,
          label: t(`tabs.${tab.key}`),
          children: tab.table ? <SubTable spec={tab.table} row={row} data={data} reload={reload} /> : tab.render?.(row, data),
        }))}
      />
    </Flex>
  )
}

/** Remembers that somebody looked at a thing. */
function useSeen(spec: DetailSpec, id: string, data: PageData | undefined) {
  const { i18n } = useTranslation()
  const session = useSession().data
  const project = session?.project?.id
  const kind = spec.page.replace('-', '')
  const name = data && id ? nameOf(spec.row(data)) : ''
  const who = `${session?.user.id}/${project ?? ''}`
  useEffect(() => {
    if (name && i18n.exists(`kinds.${kind}`)) remember(who, { kind, name, place: foundPlace({ kind, id }, project) })
  }, [who, kind, name, id, project, i18n])
}

/** What was shown is no more there. */
function Gone({ name, list }: { name: string; list: string }) {
  const { t } = useTranslation()
  return (
    <Result
      status="warning"
      title={t('detail.gone', { name })}
      subTitle={t('detail.goneMeans')}
      extra={
        <Link to={list} data-gone>
          {t('detail.list')}
        </Link>
      }
    />
  )
}

/** An id that can be copied; in short, its beginning stands for it. */
export function Id({ value, short }: { value?: string | null; short?: boolean }) {
  return value ? (
    <Typography.Text copyable={{ text: value }} className="id" title={short ? value : undefined}>
      {short ? `${value.slice(0, 8)}…` : value}
    </Typography.Text>
  ) : (
    <>–</>
  )
}
