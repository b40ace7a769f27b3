// Ctrl-K: go anywhere.
import { SearchOutlined } from '@ant-design/icons'
import { useNavigate } from '@tanstack/react-router'
import { Button, type InputRef, Modal, Skeleton } from 'antd'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Section } from './menu'

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

export function Palette({ sections }: { sections: Section[] }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [open, setOpen] = useState(false)
  const input = useRef<InputRef>(null)
  useEffect(() => {
    let g = 0
    const press = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault()
        setOpen(true)
        return
      }
      const at = e.target as HTMLElement
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) || at.isContentEditable) return
      if (e.key === '/') {
        e.preventDefault()
        document.querySelector<HTMLInputElement>('main input, [role=main] input')?.focus()
      } else if (e.key === 'c') document.querySelector<HTMLButtonElement>('[data-create]')?.click()
      else if (e.key === 'g') g = Date.now()
      else if (Date.now() - g < 1000 && shortcuts[e.key]) void navigate({ to: shortcuts[e.key] })
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
      <Modal open={open} onCancel={() => setOpen(false)} footer={null} title={t('shell.search')} destroyOnHidden>
        <Suspense fallback={<Skeleton active />}>
          <Finder sections={sections} close={() => setOpen(false)} input={input} />
        </Suspense>
      </Modal>
    </>
  )
}
