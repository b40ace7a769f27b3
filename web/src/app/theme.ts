import type { ThemeConfig } from 'antd'
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

// The component library's own colours of links, errors and lesser text have
// less contrast than WCAG AA wants (4.5:1); these have it on every background.
const link = { light: '#0958d9', dark: '#69b1ff' }

/** What the component library is told about colours. */
export function colours(dark: boolean): ThemeConfig {
  const colorLink = dark ? link.dark : link.light
  const ink = dark ? '255, 255, 255' : '0, 0, 0'
  return {
    token: {
      colorPrimary: '#1668dc',
      colorLink,
      colorLinkHover: colorLink,
      colorLinkActive: colorLink,
      colorError: dark ? '#f37370' : '#cf1322',
      colorErrorBg: dark ? '#2c1618' : '#fff2f0',
      colorTextTertiary: `rgba(${ink}, 0.65)`,
      colorTextDescription: `rgba(${ink}, 0.65)`,
      colorTextPlaceholder: `rgba(${ink}, 0.6)`,
    },
    components: {
      Button: { dangerColor: dark ? '#000' : '#fff' },
      Tabs: { itemSelectedColor: colorLink, itemHoverColor: colorLink, itemActiveColor: colorLink },
    },
  }
}
