// Views of a list that somebody has saved: what it is filtered and sorted by,
// and its columns, under a name. Kept in this browser for him alone.
import { DeleteOutlined, StarOutlined } from '@ant-design/icons'
import { Button, Flex, Input, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSession } from './api'
import { DropPanel } from './dropmenu'

export interface View {
  name: string
  q?: string
  sort?: string
  hidden: string[]
}

const key = (who: string, list: string) => `views.${who}.${list}`

/** The views somebody has of a list. */
export function savedViews(who: string, list: string): View[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key(who, list)) ?? '[]')
    return Array.isArray(kept) ? (kept as View[]).filter((v) => typeof v?.name === 'string' && Array.isArray(v.hidden)) : []
  } catch {
    return [] // somebody else wrote it
  }
}

/** Keeps a view, in place of one of the same name. */
export function saveView(who: string, list: string, view: View) {
  const others = savedViews(who, list).filter((v) => v.name !== view.name)
  localStorage.setItem(key(who, list), JSON.stringify([...others, view]))
}

export function dropView(who: string, list: string, name: string) {
  localStorage.setItem(key(who, list), JSON.stringify(savedViews(who, list).filter((v) => v.name !== name)))
}

interface Props {
  list: string
  /** The list as it is shown now. */
  now: Omit<View, 'name'>
  show: (view: View) => void
}

export function Views({ list, now, show }: Props) {
  const { t } = useTranslation()
  const who = useSession().data?.user.id ?? ''
  const [name, setName] = useState('')
  const [views, setViews] = useState(() => savedViews(who, list))
  const save = (close: () => void) => {
    if (name.trim() === '') return
    saveView(who, list, { name: name.trim(), ...now })
    setViews(savedViews(who, list))
    setName('')
    close()
  }
  return (
    <DropPanel
      label={t('views.title')}
      content={(close) => (
        <Flex vertical gap={4} data-views>
          {views.length === 0 ? <Typography.Text type="secondary">{t('views.none')}</Typography.Text> : null}
          {views.map((view) => (
            <Flex key={view.name} justify="space-between" gap={8}>
              <Button
                type="text"
                onClick={() => {
                  show(view)
                  close()
                }}
              >
                {view.name}
              </Button>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('views.delete', { name: view.name })}
                onClick={() => {
                  dropView(who, list, view.name)
                  setViews(savedViews(who, list))
                }}
              />
            </Flex>
          ))}
          <Flex gap={8}>
            <Input
              aria-label={t('views.name')}
              placeholder={t('views.name')}
              maxLength={60}
              value={name}
              onChange={(e) => setName(e.target.value)}
              onPressEnter={() => save(close)}
            />
            <Button onClick={() => save(close)} disabled={name.trim() === ''}>
              {t('views.save')}
            </Button>
          </Flex>
        </Flex>
      )}
    >
      <Button icon={<StarOutlined />} aria-label={t('views.title')} title={t('views.title')} />
    </DropPanel>
  )
}
