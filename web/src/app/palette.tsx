// Ctrl-K: go anywhere.
import { SearchOutlined } from '@ant-design/icons'
import { useNavigate } from '@tanstack/react-router'
import { Button, Input, Menu, Modal } from 'antd'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Section } from './menu'

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
  const [typed, setTyped] = useState('')
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
  const found = sections.flatMap((s) =>
    s.items
      .map((i) => ({ key: i.to, label: `${t(`menu.${s.key}`)} › ${t(`menu.${i.key}`)}` }))
      .filter((i) => i.label.toLowerCase().includes(typed.toLowerCase()) || i.key.includes(typed.toLowerCase())),
  )
  const go = (to: string) => {
    setOpen(false)
    setTyped('')
    void navigate({ to })
  }
  return (
    <>
      <Button type="text" icon={<SearchOutlined aria-hidden />} onClick={() => setOpen(true)}>
        <span className="word">
          {t('shell.search')} <kbd>Ctrl K</kbd>
        </span>
      </Button>
      <Modal open={open} onCancel={() => setOpen(false)} footer={null} title={t('shell.search')} destroyOnHidden>
        <Input
          autoFocus
          aria-label={t('shell.search')}
          value={typed}
          onChange={(e) => setTyped(e.target.value)}
          onPressEnter={() => found[0] && go(found[0].key)}
        />
        <Menu selectable={false} items={found} onClick={({ key }) => go(key)} />
      </Modal>
    </>
  )
}
