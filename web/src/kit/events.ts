// One stream of events a tab. What an event says is put into the lists that
// are shown; a list that lacks the thing, or needs more of it, is read again.
import type { QueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import type { Row } from './api'

export interface CloudEvent {
  topic: string
  type: string
  id: string
  name?: string
  project_id?: string
  status?: string
  task_state?: string
  server_id?: string
  gone?: boolean
  time: string
}

/** The topics that change what a page shows. */
const topicsOf: Record<string, string[]> = {
  overview: ['server', 'volume', 'network', 'router', 'floatingip', 'port', 'image'],
  servers: ['server', 'port', 'floatingip'],
  server: ['server', 'port', 'volume', 'floatingip'],
  images: ['image'],
  volumes: ['volume'],
  networks: ['network', 'subnet'],
  'admin-networks': ['network', 'subnet'],
  network: ['network', 'subnet', 'port', 'server'],
  routers: ['router', 'port'],
  'floating-ips': ['floatingip'],
  'security-groups': ['securitygroup'],
  'security-group': ['securitygroup'],
  topology: ['server', 'network', 'subnet', 'router', 'port', 'floatingip'],
  'admin-topology': ['server', 'network', 'subnet', 'router', 'port', 'floatingip'],
  'admin-floating-ips': ['floatingip'],
  ports: ['port'],
  aggregates: ['aggregate'],
  keypairs: ['keypair'],
  domains: ['identity'],
  projects: ['identity'],
  project: ['identity'],
  users: ['identity'],
  groups: ['identity'],
  roles: ['identity'],
}

/** What is told of by ticks: that its figures have changed, not what. */
let ticking = ''
const tickWatchers = new Set<() => void>()

function setTicking(topic: string) {
  ticking = topic
  for (const w of tickWatchers) w()
}

/** Asks for the ticks of a topic while the caller is shown; none if empty. */
export function useTicks(topic: string) {
  useEffect(() => {
    setTicking(topic)
    return () => setTicking('')
  }, [topic])
}

function useTicking(): string {
  return useSyncExternalStore(
    (w) => {
      tickWatchers.add(w)
      return () => tickWatchers.delete(w)
    },
    () => ticking,
  )
}

type State = 'connecting' | 'live' | 'lost'

let state: State = 'connecting'
const watchers = new Set<() => void>()
const listeners = new Set<(e: CloudEvent) => void>()

function setState(next: State) {
  if (state === next) return
  state = next
  for (const w of watchers) w()
}

/** Whether what is shown is live. */
export function useLive(): State {
  return useSyncExternalStore(
    (w) => {
      watchers.add(w)
      return () => watchers.delete(w)
    },
    () => state,
  )
}

/** Calls back for each event. */
export function onEvent(listener: (e: CloudEvent) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function patch(data: Row, e: CloudEvent): Row {
  let changed = false
  const out: Row = { ...data }
  for (const [key, value] of Object.entries(data)) {
    if (!Array.isArray(value)) continue
    const at = value.findIndex((row) => row?.id === e.id)
    if (at < 0) continue
    const rows = value.slice()
    if (e.gone) rows.splice(at, 1)
    else if (e.topic !== 'server' && e.status) rows[at] = { ...rows[at], status: e.status }
    else continue
    out[key] = rows
    changed = true
  }
  return changed ? out : data
}

/**
 * Reads again what is shown of a page. What is being read for the first time
 * may have been answered before it changed: it is read again after that.
 */
export async function readAgain(client: QueryClient, page: string) {
  const queryKey = ['page', page]
  const first = client
    .getQueryCache()
    .findAll({ queryKey, fetchStatus: 'fetching' })
    .filter((query) => query.state.data === undefined)
  void client.invalidateQueries({ queryKey })
  await Promise.allSettled(first.map((query) => query.promise))
  for (const query of first) void client.invalidateQueries({ queryKey: query.queryKey, exact: true })
}

/** Keeps the lists live while a session lasts. */
export function useEvents(client: QueryClient, session: string | undefined) {
  const topic = useTicking()
  const seen = useRef({ session: '', last: '' })
  useEffect(() => {
    if (!session) return
    // Another stream goes on where the last one of the session ended.
    if (seen.current.session !== session) seen.current = { session, last: '' }
    const source = new EventSource(`/dashboard/events?${new URLSearchParams({ ticks: topic, last: seen.current.last })}`)
    const stale = new Set<string>()
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = (page: string) => {
      stale.add(page)
      timer ??= setTimeout(() => {
        timer = undefined
        for (const one of stale) void readAgain(client, one)
        stale.clear()
      }, 150)
    }
    const tick = () => {
      if (topic === '') return
      const predicate = ({ queryKey: [kind, name] }: { queryKey: readonly unknown[] }) =>
        kind === 'page' && String(name).startsWith(`${topic}-`)
      void client.invalidateQueries({ predicate }, { cancelRefetch: false })
    }
    source.onopen = () => {
      setState('live')
      tick() // those before were not for this stream
    }
    source.addEventListener('tick', tick)
    source.onerror = () => {
      setState('lost')
      if (source.readyState === EventSource.CLOSED) client.invalidateQueries({ queryKey: ['session'] })
    }
    source.onmessage = (m) => {
      const e = JSON.parse(m.data) as CloudEvent
      seen.current.last = m.lastEventId
      for (const [page, topics] of Object.entries(topicsOf)) {
        if (!topics.includes(e.topic)) continue
        client.setQueriesData<Row>({ queryKey: ['page', page] }, (old) => old && patch(old, e))
        refresh(page)
      }
      for (const l of listeners) l(e)
    }
    source.addEventListener('reset', () => client.invalidateQueries())
    return () => {
      clearTimeout(timer)
      source.close()
      setState('connecting')
    }
  }, [client, session, topic])
}
