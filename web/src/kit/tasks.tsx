// The task log: what this tab asked for, how long it took, and what became of
// it.
import { Badge, Button, Drawer, Flex, List, Typography } from 'antd'
import { useState, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, type Call, send } from './api'
import { time } from './format'

export interface Task {
  id: number
  label: string
  started: string
  took?: number
  state: 'running' | 'done' | 'failed'
  error?: string
  requestId?: string
  retry?: () => void
}

let tasks: Task[] = []
const watchers = new Set<() => void>()
let last = 0

function change(next: Task[]) {
  tasks = next.slice(0, 200)
  for (const w of watchers) w()
}

function useTasks() {
  return useSyncExternalStore(
    (w) => {
      watchers.add(w)
      return () => watchers.delete(w)
    },
    () => tasks,
  )
}

/** Sends calls one after the other as one task of the log. */
export async function run<T = unknown>(label: string, calls: Call | Call[]): Promise<T> {
  const id = ++last
  const began = performance.now()
  change([{ id, label, started: new Date().toISOString(), state: 'running' }, ...tasks])
  const end = (more: Partial<Task>) =>
    change(tasks.map((one) => (one.id === id ? { ...one, ...more, took: Math.round(performance.now() - began) } : one)))
  try {
    let out: unknown
    for (const call of Array.isArray(calls) ? calls : [calls]) out = await send(call)
    end({ state: 'done' })
    return out as T
  } catch (e) {
    const err = e instanceof ApiError ? e : new ApiError(0, String(e))
    end({ state: 'failed', error: err.message, requestId: err.requestId, retry: () => void run(label, calls).catch(() => undefined) })
    throw err
  }
}

/** The button in the header, and the drawer it opens. */
export function TaskLog() {
  const { t } = useTranslation()
  const all = useTasks()
  const [open, setOpen] = useState(false)
  const running = all.filter((one) => one.state === 'running').length
  return (
    <>
      <Badge count={running} size="small">
        <Button type="text" onClick={() => setOpen(true)}>
          {t('shell.tasks')}
        </Button>
      </Badge>
      <Drawer placement="bottom" open={open} onClose={() => setOpen(false)} title={t('shell.tasks')} size={360}>
        <List
          dataSource={all}
          locale={{ emptyText: t('shell.noTasks') }}
          renderItem={(one) => (
            <List.Item
              actions={
                one.retry
                  ? [
                      <Button key="retry" size="small" onClick={one.retry}>
                        {t('common.retry')}
                      </Button>,
                    ]
                  : []
              }
            >
              <Flex vertical>
                <Typography.Text>
                  {one.label} · {t(`taskState.${one.state}`)}
                  {one.took === undefined ? '' : ` · ${one.took} ms`}
                </Typography.Text>
                <Typography.Text type="secondary">{time(one.started)}</Typography.Text>
                {one.error ? (
                  <Typography.Text type="danger" copyable={{ text: `${one.error} ${one.requestId ?? ''}` }}>
                    {one.error} {one.requestId}
                  </Typography.Text>
                ) : null}
              </Flex>
            </List.Item>
          )}
        />
      </Drawer>
    </>
  )
}
