import { useSyncExternalStore } from 'react'

export type Mode = 'auto' | 'light' | 'dark'

const prefers = window.matchMedia('(prefers-color-scheme: dark)')
const watchers = new Set<() => void>()
let now = read()

function read() {
  const mode = (localStorage.getItem('theme') as Mode | null) ?? 'auto'
  return { mode, dark: mode === 'dark' || (mode === 'auto' && prefers.matches), compact: localStorage.getItem('compact') === 'true' }
}

function changed() {
  now = read()
  document.documentElement.dataset.theme = now.dark ? 'dark' : 'light'
  for (const w of watchers) w()
}

prefers.addEventListener('change', changed)
changed()

export function setMode(mode: Mode) {
  localStorage.setItem('theme', mode)
  changed()
}

export function setCompact(compact: boolean) {
  localStorage.setItem('compact', String(compact))
  changed()
}

export function useTheme() {
  return useSyncExternalStore(
    (w) => {
      watchers.add(w)
      return () => watchers.delete(w)
    },
    () => now,
  )
}
