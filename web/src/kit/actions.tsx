// What can be done with a thing: shown by policy, asked about if dangerous,
// run as a task.
import { DownOutlined } from '@ant-design/icons'
import { App, Button, Flex, Tooltip } from 'antd'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, type Call, type Row, useCan } from './api'
import { DropMenu } from './dropmenu'
import { useFocusNext } from './focus'
import { FormDrawer, type FormSpec } from './form'
import { reason } from './reason'
import { run } from './tasks'

export interface Action {
  /** The key of the label below "actions.". */
  key: string
  rule?: string
  danger?: boolean
  /** Whether the thing has this action at all. */
  show?: (row: Row) => boolean
  /** Why it cannot be done now: a key below "why.". */
  disabled?: (row: Row) => string | undefined
  /** Ask before it is done; destructive ones by typing the name. */
  confirm?: boolean
  calls?: (row: Row, data: Row) => Call | Call[]
  form?: FormSpec
  /** Goes to a page instead. */
  go?: (row: Row) => void
}

/** What a thing is called. */
export function nameOf(row: Row): string {
  return row.name || row.floating_ip_address || row.id || ''
}

interface Props {
  actions: Action[]
  row: Row
  data: Row
  /** Buttons side by side; a menu otherwise. */
  buttons?: boolean
  after?: () => void
}

export function Actions({ actions, row, data, buttons, after }: Props) {
  const { t } = useTranslation()
  const { modal, message } = App.useApp()
  const can = useCan(actions.flatMap((a) => a.rule ?? []))
  const [form, setForm] = useState<FormSpec>()
  const trigger = useRef<HTMLButtonElement>(null)
  const settle = useFocusNext(trigger)
  const shown = actions.filter((a) => !a.show || a.show(row))

  const perform = async (a: Action) => {
    if (!a.calls) return
    try {
      await run(`${t(`actions.${a.key}`)} ${nameOf(row)}`, a.calls(row, data))
      after?.()
    } catch (e) {
      const err = e as ApiError
      message.error(`${err.message}${err.requestId ? ` (${err.requestId})` : ''}`)
    }
  }
  const start = (a: Action) => {
    if (a.go) a.go(row)
    else if (a.form) setForm(a.form)
    else if (a.confirm || a.danger) {
      modal.confirm({
        title: t('confirm.title', { action: t(`actions.${a.key}`), name: nameOf(row) }),
        content: /^(delete|release)/.test(a.key) ? t('confirm.final') : undefined,
        okText: t(`actions.${a.key}`),
        cancelText: t('common.cancel'),
        okButtonProps: { danger: a.danger },
        onOk: () => perform(a),
        afterClose: settle,
      })
    } else void perform(a)
  }
  const why = (a: Action): string | undefined => {
    const state = a.disabled?.(row)
    return reason(can(a.rule), t) ?? (state ? t(`why.${state}`) : undefined)
  }
  const close = () => {
    setForm(undefined)
    after?.()
  }
  const drawer = form ? <FormDrawer spec={form} data={data} row={row} onClose={close} /> : null
  if (buttons) {
    return (
      <Flex gap={8} wrap>
        {shown.map((a) => (
          <Tooltip key={a.key} title={why(a)}>
            <Button danger={a.danger} disabled={why(a) !== undefined} onClick={() => start(a)} data-action={a.key}>
              {t(`actions.${a.key}`)}
            </Button>
          </Tooltip>
        ))}
        {drawer}
      </Flex>
    )
  }
  return (
    <>
      <DropMenu
        at={trigger}
        items={shown.map((a) => ({
          key: a.key,
          danger: a.danger,
          disabled: why(a) !== undefined,
          'data-action': a.key,
          label: <span title={why(a)}>{t(`actions.${a.key}`)}</span>,
        }))}
        choose={(key) => {
          const a = shown.find((one) => one.key === key)
          if (a) start(a)
        }}
      >
        <Button ref={trigger} size="small" data-actions aria-label={t('common.actionsOf', { name: nameOf(row) })}>
          {t('common.actions')} <DownOutlined />
        </Button>
      </DropMenu>
      {drawer}
    </>
  )
}
