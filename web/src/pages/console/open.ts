// The consoles that are open. They stay while one goes from page to page.
import { useSyncExternalStore } from 'react'

export type Kind = 'vnc' | 'serial'

export interface OpenConsole {
  key: string
  server: string
  name: string
  kind: Kind
}

interface Consoles {
  all: OpenConsole[]
  active?: string
}

let state: Consoles = { all: [] }
const listeners = new Set<() => void>()

function set(next: Consoles) {
  state = next
  for (const l of listeners) l()
}

/** Opens a server's console, or shows the one that is open. */
export function openConsole(server: string, name: string, kind: Kind) {
  const key = `${kind}/${server}`
  const known = state.all.some((c) => c.key === key)
  set({ all: known ? state.all : [...state.all, { key, server, name, kind }], active: key })
}

export function showConsole(key: string) {
  set({ ...state, active: key })
}

export function closeConsole(key?: string) {
  const all = key === undefined ? [] : state.all.filter((c) => c.key !== key)
  set({ all, active: all.some((c) => c.key === state.active) ? state.active : all.at(-1)?.key })
}

let owner: string | undefined

/** Whose consoles they are: another's, or another project's, are closed. */
export function ownConsoles(who: string) {
  if (owner !== undefined && owner !== who) closeConsole()
  owner = who
}

export function useConsoles(): Consoles {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed)
      return () => listeners.delete(changed)
    },
    () => state,
  )
}

/** Where a console's WebSocket is. */
export function socketPath(c: OpenConsole): string {
  return `/dashboard/console/${c.server}/${c.kind}`
}

export function socketUrl(c: OpenConsole): string {
  return new URL(socketPath(c), location.href.replace(/^http/, 'ws')).href
}
