// What stands above a list: how it is filtered, shown and kept, what can be
// done with the rows that are selected, and what makes one more.
import { DownloadOutlined, ReloadOutlined, SettingOutlined } from '@ant-design/icons'
import { useNavigate } from '@tanstack/react-router'
import { Button, Checkbox, Flex, Space, Tooltip, Typography } from 'antd'
import { type ReactNode, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from './actions'
import { type PageData, type Row, useCan } from './api'
import { Bulk } from './bulk'
import { FilterField, type Key } from './chips'
import { DropMenu, DropPanel } from './dropmenu'
import type { Column } from './filter'
import { FormButton } from './form'
import type { ListSpec } from './list'
import { reason } from './reason'
import { ShowApi } from './showapi'
import { Views } from './views'

/** What of a list is in its address. */
export interface Asked {
  q?: string
  sort?: string
}

interface ToolbarProps {
  spec: ListSpec
  asked: Asked
  ask: (change: Asked, replace?: boolean) => void
  keys: Key[]
  columns: Column[]
  hidden: string[]
  setHidden: (hidden: string[]) => void
  busy: boolean
  empty: boolean
  reload: () => void
  save: (kind: string) => void
  creation: ReactNode
}

export function Toolbar({ spec, asked, ask, keys, columns, hidden, setHidden, busy, empty, reload, save, creation }: ToolbarProps) {
  const { t } = useTranslation()
  const [api, setApi] = useState(false)
  const saving = useRef<HTMLButtonElement>(null)
  return (
    <>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t(`pages.${spec.key}.title`)}
        </Typography.Title>
        <Space wrap>
          <FilterField keys={keys} value={asked.q ?? ''} onChange={(q, begun) => ask({ q: q || undefined }, !begun)} />
          <Tooltip title={t('list.reload')}>
            <Button icon={<ReloadOutlined spin={busy} />} onClick={reload} aria-label={t('list.reload')} />
          </Tooltip>
          <DropPanel label={t('list.columns')} content={() => <Chooser columns={columns} hidden={hidden} change={setHidden} />}>
            <Button icon={<SettingOutlined />} aria-label={t('list.columns')} />
          </DropPanel>
          <Views
            list={spec.key}
            now={{ ...asked, hidden }}
            show={({ q, sort, hidden: without }) => {
              setHidden(without)
              ask({ q, sort })
            }}
          />
          <DropMenu
            at={saving}
            items={[
              { key: 'csv', label: 'CSV' },
              { key: 'json', label: 'JSON' },
            ]}
            choose={save}
          >
            <Button ref={saving} icon={<DownloadOutlined />} aria-label={t('list.export')} disabled={empty} />
          </DropMenu>
          {spec.call ? <Button onClick={() => setApi(!api)}>{t('showApi.title')}</Button> : null}
          {creation}
        </Space>
      </Flex>
      {api && spec.call ? <ShowApi calls={[spec.call]} /> : null}
    </>
  )
}

interface SelectionProps {
  actions: Action[]
  rows: Row[]
  data: PageData
  /** Selects these instead. */
  select: (rows: Row[]) => void
  after: () => void
}

/** How many rows are selected, and what can be done with them. */
export function Selection({ actions, rows, data, select, after }: SelectionProps) {
  const { t } = useTranslation()
  return (
    <Flex gap={8} align="center" wrap data-selection>
      <Typography.Text aria-live="polite">{t('list.selected', { count: rows.length })}</Typography.Text>
      <Bulk
        actions={actions}
        rows={rows}
        data={data}
        done={(failed) => {
          select(failed)
          after()
        }}
      />
      <Button type="text" onClick={() => select([])}>
        {t('list.selectNone')}
      </Button>
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
export function Create({ spec, create: { rule, form, to, button: Own }, data, after }: CreateProps) {
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

function Chooser({ columns, hidden, change }: { columns: Column[]; hidden: string[]; change: (hidden: string[]) => void }) {
  const { t } = useTranslation()
  return (
    <Flex vertical>
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
