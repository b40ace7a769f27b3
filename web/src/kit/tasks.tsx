// The task log: what this tab asked for, how long it took, and what became of
// it.
import { HistoryOutlined } from '@ant-design/icons'
import { Link } from '@tanstack/react-router'
import { Badge, Button, Drawer, Empty, Flex, Typography } from 'antd'
import { useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { type Answer, ApiError, type Call, exchange } from './api'
import { time } from './format'
import { type Place, placeOf } from './links'
import { RequestId } from './requestid'

export interface Task {
  id: number
  label: string
  started: string
  took?: number
  state: 'running' | 'done' | 'failed'
  error?: string
  requestId?: string
  /** Where the thing is that it was done with. */
  place?: Place
  retry?: () => void
}

let tasks: Task[] = []
const watchers = new Set<() => void>()
let last = 0

function change(next: Task[]) {
  tasks = next.slice(0, 200)
  for (const w of watchers) w()
}

let shown = false
const showers = new Set<() => void>()

function show(next: boolean) {
  shown = next
  for (const tell of showers) tell()
}

/** Opens the log. */
export const openTasks = () => show(true)

function useShown() {
  return useSyncExternalStore(
    (tell) => {
      showers.add(tell)
      return () => showers.delete(tell)
    },
    () => shown,
  )
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
    let out: Answer<unknown> = { body: undefined }
    let place: Place | undefined
    for (const call of Array.isArray(calls) ? calls : [calls]) {
      out = await exchange(call)
      place = placeOf(call, out.body) ?? place
    }
    end({ state: 'done', requestId: out.requestId, place })
    return out.body as T
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
  const open = useShown()
  const running = all.filter((one) => one.state === 'running').length
  return (
    <>
      <Badge count={running} size="small">
        <Button type="text" icon={<HistoryOutlined aria-hidden />} onClick={openTasks}>
          <span className="word">{t('shell.tasks')}</span>
        </Button>
      </Badge>
      <Drawer placement="bottom" open={open} onClose={() => show(false)} title={t('shell.tasks')} size={360}>
        {all.length === 0 ? <Empty description={t('shell.noTasks')} /> : null}
        <ul className="tasks">
          {all.map((one) => (
            <li key={one.id}>
              <Entry task={one} leave={() => show(false)} />
            </li>
          ))}
        </ul>
      </Drawer>
    </>
  )
}

function Entry({ task, leave }: { task: Task; leave: () => void }) {
  const { t } = useTranslation()
  return (
    <Flex justify="space-between" align="start" gap={16} wrap>
      <Flex vertical>
        <Typography.Text>
          {task.place ? (
            <Link to={task.place.to as never} search={task.place.search as never} onClick={leave}>
              {task.label}
            </Link>
          ) : (
            task.label
          )}{' '}
          · {t(`taskState.${task.state}`)}
          {task.took === undefined ? '' : ` · ${task.took} ms`}
        </Typography.Text>
        {task.error ? <Typography.Text type="danger">{task.error}</Typography.Text> : null}
        <Typography.Text type="secondary">
          {time(task.started)}
          {task.requestId ? (
            <>
              {' · '}
              <RequestId id={task.requestId} leave={leave} />
            </>
          ) : null}
        </Typography.Text>
      </Flex>
      {task.retry ? (
        <Button size="small" onClick={task.retry}>
          {t('common.retry')}
        </Button>
      ) : null}
    </Flex>
  )
}
