// What can be done with several rows at once. Each row is a task of its own,
// with its own outcome; those that failed stay selected.
import { App, Button, Input, Space, Tooltip } from 'antd'
import { useTranslation } from 'react-i18next'
import { type Action, nameOf } from './actions'
import { type PageData, type Row, useCan } from './api'
import { useFocusLeft } from './focus'
import { reason } from './reason'
import { openTasks, run } from './tasks'

/** How many rows are worked on at the same time. */
const atOnce = 6

/** Does something with each row, a few at a time; gives the rows with which it failed. */
export async function each(rows: Row[], what: (row: Row) => Promise<unknown>): Promise<Row[]> {
  const failed: Row[] = []
  const waiting = [...rows]
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      const one = row
      await what(one).catch(() => failed.push(one))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, rows.length) }, worker))
  return failed
}

interface Props {
  actions: Action[]
  rows: Row[]
  data: PageData
  /** Called with the rows that failed. */
  done: (failed: Row[]) => void
}

/** The buttons for the rows that are selected. */
export function Bulk({ actions, rows, data, done }: Props) {
  const { t } = useTranslation()
  const { modal, message } = App.useApp()
  useFocusLeft('[data-bulk]')
  const can = useCan(actions.flatMap((a) => a.rule ?? []))
  /** The rows that are in a state for it. */
  const fitting = (a: Action) => rows.filter((row) => (!a.show || a.show(row)) && !a.disabled?.(row))

  const perform = async (a: Action, with_: Row[]) => {
    const { calls } = a
    if (!calls) return
    const failed = await each(with_, (row) => run(`${t(`actions.${a.key}`)} ${nameOf(row)}`, calls(row, data)))
    if (failed.length > 0) {
      message.error(t('confirm.failed', { failed: failed.length, count: with_.length }))
      openTasks()
    } else message.success(t('confirm.done', { action: t(`actions.${a.key}`), count: with_.length }))
    done(failed)
  }
  const start = (a: Action) => {
    const these = fitting(a)
    const others = rows.length - these.length
    const typing = a.danger === true && these.length > 1
    if (!a.danger && !a.confirm) {
      void perform(a, these)
      return
    }
    const ok = (disabled: boolean) => ({ okButtonProps: { danger: a.danger, disabled } })
    const dialog = modal.confirm({
      title: t('confirm.bulk', { action: t(`actions.${a.key}`), count: these.length }),
      content: (
        <Space orientation="vertical" style={{ width: '100%' }}>
          <ul className="bulk-names">
            {these.slice(0, 10).map((row) => (
              <li key={row.id ?? nameOf(row)}>{nameOf(row)}</li>
            ))}
            {these.length > 10 ? <li>{t('confirm.andMore', { count: these.length - 10 })}</li> : null}
          </ul>
          {others > 0 ? t('confirm.others', { count: others }) : null}
          {typing ? (
            <Input
              aria-label={t('confirm.type')}
              placeholder={t('confirm.type')}
              onChange={(e) => dialog.update(ok(e.target.value.trim() !== String(these.length)))}
            />
          ) : null}
        </Space>
      ),
      ...ok(typing),
      okText: t(`actions.${a.key}`),
      cancelText: t('common.cancel'),
      onOk: () => void perform(a, these),
    })
  }
  return actions.map((a) => {
    const count = fitting(a).length
    return (
      <Tooltip key={a.key} title={reason(can(a.rule), t) ?? (count === 0 ? t('why.noneFit') : undefined)}>
        <Button danger={a.danger} data-bulk={a.key} disabled={!can(a.rule).allowed || count === 0} onClick={() => start(a)}>
          {t(`actions.${a.key}`)} ({count})
        </Button>
      </Tooltip>
    )
  })
}
