// Ctrl-K: go anywhere.
import { SearchOutlined } from '@ant-design/icons'
import { useNavigate } from '@tanstack/react-router'
import { Button, Descriptions, type DescriptionsProps, type InputRef, Modal, Skeleton } from 'antd'
import type { TFunction } from 'i18next'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { focusOn } from '../kit/focus'
import { sections as all, type Section } from './menu'

const Finder = lazy(() => import('./finder').then((m) => ({ default: m.Finder })))

const shortcuts: Record<string, string> = {
  s: '/servers',
  o: '/overview',
  i: '/images',
  n: '/networks',
  v: '/volumes',
  r: '/routers',
  f: '/floating-ips',
}

const titles = Object.fromEntries(all.flatMap((s) => s.items.map((i) => [i.to, i.key])))

/**
 * Whether a drawer or a dialog is open: the keys are its own. One that is leaving
 * is not, nor is the wrap that stays for a moment when its dialog is gone.
 */
const covered = () =>
  document.querySelector('.ant-drawer-open, .ant-modal-wrap:not([style*="display: none"]) .ant-modal:not(.ant-zoom-leave)') !== null

/** How long after g the second key may come, in ms. */
const patience = 1500

export function Palette({ sections }: { sections: Section[] }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [open, setOpen] = useState(false)
  const [help, setHelp] = useState(false)
  const input = useRef<InputRef>(null)
  const from = useRef('')
  useEffect(() => {
    let g = -patience
    const press = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault()
        if (!covered()) setOpen(true)
        return
      }
      const at = e.target as HTMLElement
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) || at.isContentEditable || covered()) return
      if (e.key === '?') setHelp(true)
      else if (e.key === '/') {
        e.preventDefault()
        document.querySelector<HTMLInputElement>('main input, [role=main] input')?.focus()
      } else if (e.key === 'c') {
        e.preventDefault() // it is no letter of the form that opens
        const button = document.querySelector<HTMLButtonElement>('[role=main] [data-create]')
        button?.focus() // where the focus comes back to
        button?.click()
      } else if (e.key === 'g') g = e.timeStamp
      else if (e.timeStamp - g < patience && shortcuts[e.key]) void navigate({ to: shortcuts[e.key] })
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [navigate])
  return (
    <>
      <Button type="text" icon={<SearchOutlined aria-hidden />} onClick={() => setOpen(true)}>
        <span className="word">
          {t('shell.search')} <kbd>Ctrl K</kbd>
        </span>
      </Button>
      <Modal
        open={open}
        onCancel={() => setOpen(false)}
        afterOpenChange={(opened) => {
          if (opened) {
            from.current = location.href
            input.current?.focus()
          } else if (from.current !== location.href) focusOn(document.getElementById('main'))
        }}
        footer={null}
        title={t('shell.search')}
        destroyOnHidden
      >
        <Suspense fallback={<Skeleton active />}>
          <Finder sections={sections} close={() => setOpen(false)} input={input} />
        </Suspense>
      </Modal>
      <Modal open={help} onCancel={() => setHelp(false)} footer={null} title={t('keys.title')} destroyOnHidden>
        <Descriptions size="small" column={1} items={keys(t)} />
      </Modal>
    </>
  )
}

/** Every key, and what it does. */
function keys(t: TFunction): DescriptionsProps['items'] {
  const key = (...names: string[]) => names.map((name) => <kbd key={name}>{name}</kbd>)
  return [
    { key: 'search', label: key('Ctrl', 'K'), children: t('shell.search') },
    { key: 'filter', label: key('/'), children: t('keys.filter') },
    { key: 'create', label: key('c'), children: t('keys.create') },
    ...Object.entries(shortcuts).map(([k, to]) => ({ key: to, label: key('g', k), children: t(`menu.${titles[to]}`) })),
    { key: 'help', label: key('?'), children: t('keys.title') },
  ]
}
