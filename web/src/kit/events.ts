// One stream of events a tab. What an event says is put into the lists that
// are shown; a list that lacks the thing, or needs more of it, is read again.
import type { QueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'
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
  overview: ['server', 'volume', 'network', 'router', 'floatingip', 'port'],
  servers: ['server', 'port', 'floatingip'],
  server: ['server', 'port', 'volume', 'floatingip'],
  volumes: ['volume'],
  networks: ['network', 'subnet'],
  network: ['network', 'subnet', 'port', 'server'],
  routers: ['router', 'port'],
  'floating-ips': ['floatingip'],
  'security-groups': ['securitygroup'],
  topology: ['server', 'network', 'subnet', 'router', 'port', 'floatingip'],
  'admin-topology': ['server', 'network', 'subnet', 'router', 'port', 'floatingip'],
  aggregates: ['aggregate'],
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

/** Keeps the lists live while a session lasts. */
export function useEvents(client: QueryClient, session: string | undefined) {
  useEffect(() => {
    if (!session) return
    const source = new EventSource('/dashboard/events')
    const stale = new Set<string>()
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = (page: string) => {
      stale.add(page)
      timer ??= setTimeout(() => {
        timer = undefined
        for (const one of stale) client.invalidateQueries({ queryKey: ['page', one] })
        stale.clear()
      }, 150)
    }
    source.onopen = () => setState('live')
    source.onerror = () => {
      setState('lost')
      if (source.readyState === EventSource.CLOSED) client.invalidateQueries({ queryKey: ['session'] })
    }
    source.onmessage = (m) => {
      const e = JSON.parse(m.data) as CloudEvent
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
  }, [client, session])
}
