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

// The page lies behind, what one reads and works with lies on it.
const ground = {
  light: { colorBgLayout: '#f4f6f9', colorBorderSecondary: '#e6e9ef' },
  dark: {
    colorBgBase: '#0d0f12',
    colorBgLayout: '#101317',
    colorBgContainer: '#181c21',
    colorBgElevated: '#20252b',
    colorBgSpotlight: '#3a414b',
    colorBorder: '#414953',
    colorBorderSecondary: '#2b313a',
  },
}

/** What the component library is told about colours and measures. */
export function colours(dark: boolean): ThemeConfig {
  const colorLink = dark ? link.dark : link.light
  const ink = dark ? '255, 255, 255' : '0, 0, 0'
  return {
    token: {
      ...(dark ? ground.dark : ground.light),
      colorPrimary: '#1668dc',
      colorLink,
      colorLinkHover: colorLink,
      colorLinkActive: colorLink,
      colorError: dark ? '#ff8683' : '#cf1322',
      colorErrorBg: dark ? '#2c1618' : '#fff2f0',
      colorTextTertiary: `rgba(${ink}, 0.65)`,
      colorTextDescription: `rgba(${ink}, 0.65)`,
      colorTextPlaceholder: `rgba(${ink}, 0.6)`,
      fontFamily:
        "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif",
      fontSizeHeading3: 22,
      lineHeightHeading3: 1.45,
    },
    components: {
      // Pointed at, a button is darker, and what is written on it still to be read.
      Button: {
        dangerColor: dark ? '#000' : '#fff',
        colorPrimaryHover: '#1254b3',
        colorPrimaryActive: '#0d4290',
        defaultHoverColor: colorLink,
        defaultHoverBorderColor: colorLink,
        defaultActiveColor: colorLink,
        defaultActiveBorderColor: colorLink,
      },
      Tabs: { itemSelectedColor: colorLink, itemHoverColor: colorLink, itemActiveColor: colorLink },
      Menu: {
        itemHeight: 34,
        itemMarginBlock: 2,
        itemMarginInline: 8,
        itemBorderRadius: 6,
        itemSelectedColor: colorLink,
        subMenuItemSelectedColor: colorLink,
        subMenuItemBg: 'transparent',
        groupTitleFontSize: 12,
        groupTitleColor: `rgba(${ink}, 0.65)`,
        activeBarBorderWidth: 0,
      },
      Table: { headerSplitColor: 'transparent', cellPaddingBlockMD: 10 },
    },
  }
}
