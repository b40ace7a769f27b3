// The task log: what this tab asked for, how long it took, and what became of
// it.
import { HistoryOutlined } from '@ant-design/icons'
import { Link } from '@tanstack/react-router'
import { App, Badge, Button, Drawer, Empty, Flex, Typography } from 'antd'
import i18next from 'i18next'
import { useEffect, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { type Answer, ApiError, type Call, exchange, onForget, useSession } from './api'
import { type Follow, follows, type Outcome, outcome } from './follow'
import { time } from './format'
import { type Place, placeOf } from './links'
import { RequestId } from './requestid'

export interface Task {
  id: number
  label: string
  started: string
  took?: number
  /** sent: it was accepted, and what became of it is not known. */
  state: 'running' | Outcome
  error?: string
  requestId?: string
  /** Where the thing is that it was done with. */
  place?: Place
  retry?: () => void
}

let tasks: Task[] = []
let owner = ''
const watchers = new Set<() => void>()
let last = 0

const kept = 'tasks'

function change(next: Task[]) {
  tasks = next.slice(0, 200)
  sessionStorage.setItem(kept, JSON.stringify({ owner, tasks: tasks.map(({ retry, ...task }) => task) }))
  for (const w of watchers) w()
}

/** Takes up the log of who is signed in, as it was before the page was loaded anew; another's is dropped. */
function claim(who: string) {
  if (owner === who) return
  const mine = owner === '' ? tasks : []
  owner = who
  change([...mine, ...before(who)])
}

/** What the log had when the page was left. What was running then went on without it. */
export function before(who: string): Task[] {
  try {
    const was = JSON.parse(sessionStorage.getItem(kept) ?? '{}') as { owner?: string; tasks?: Task[] }
    if (was.owner !== who || !Array.isArray(was.tasks)) return []
    return was.tasks.map((task) => ({ ...task, id: ++last, state: task.state === 'running' ? 'sent' : task.state }))
  } catch {
    return [] // somebody else wrote it
  }
}

onForget(() => {
  tasks = []
  owner = ''
  sessionStorage.removeItem(kept)
  for (const w of watchers) w()
})

// What has ended after its answer had come is told, several at once together.
let ended: Task[] = []
let teller: ((ended: Task[]) => void) | undefined

function tell(task: Task) {
  if (ended.push(task) > 1) return
  setTimeout(() => {
    teller?.(ended)
    ended = []
  }, 300)
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

/** Sends calls one after the other as one task of the log. What goes on after the answer is followed there. */
export async function run<T = unknown>(label: string, calls: Call | Call[]): Promise<T> {
  const id = ++last
  const began = performance.now()
  const since = Date.now()
  change([{ id, label, started: new Date().toISOString(), state: 'running' }, ...tasks])
  const note = (more: Partial<Task>) => change(tasks.map((one) => (one.id === id ? { ...one, ...more } : one)))
  const end = (more: Partial<Task>) => note({ ...more, took: Math.round(performance.now() - began) })
  try {
    let out: Answer<unknown> = { body: undefined }
    let place: Place | undefined
    let follow: Follow | undefined
    for (const call of Array.isArray(calls) ? calls : [calls]) {
      out = await exchange(call)
      place = placeOf(call, out.body) ?? place
      follow = follows(call, out.body)
    }
    const said = { requestId: out.requestId, place }
    if (follow) {
      note(said)
      void outcome(follow, since).then((state) => {
        end({ state, error: state === 'failed' ? i18next.t('tasks.inError') : undefined })
        const task = tasks.find((one) => one.id === id)
        if (task && state !== 'sent') tell(task)
      })
    } else end({ ...said, state: 'done' })
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
  const who = useSession().data?.user.id
  const { message } = App.useApp()
  useEffect(() => {
    if (who) claim(who)
  }, [who])
  useEffect(() => {
    teller = (ended) => {
      const failed = ended.filter((one) => one.state === 'failed')
      if (ended.length > 1) {
        const text = t('tasks.ended', { count: ended.length, failed: failed.length })
        message[failed.length > 0 ? 'error' : 'success'](text)
      } else for (const one of ended) message[failed.length > 0 ? 'error' : 'success'](`${one.label} · ${t(`taskState.${one.state}`)}`)
    }
    return () => {
      teller = undefined
    }
  }, [t, message])
  const running = all.filter((one) => one.state === 'running').length
  return (
    <>
      <Badge count={running} size="small">
        <Button type="text" icon={<HistoryOutlined aria-hidden />} onClick={openTasks}>
          <span className="word">{t('shell.tasks')}</span>
        </Button>
      </Badge>
      <Drawer placement="bottom" open={open} onClose={() => show(false)} title={t('shell.tasks')} size={360}>
        {all.length === 0 ? <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('shell.noTasks')} /> : null}
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
