// The panel below all pages in which consoles are open.
import { CloseOutlined, DownOutlined, UpOutlined } from '@ant-design/icons'
import { Button, Flex, Spin, Tabs } from 'antd'
import { type KeyboardEvent, lazy, Suspense, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import './console.css'
import { useFocusBack } from '../../kit/focus'
import { closeConsole, ownConsoles, showConsole, useConsoles } from './open'

const kinds = { vnc: lazy(() => import('./screen')), serial: lazy(() => import('./serial')) }

/** A console takes every key but these, which lead out of it to its tab. */
function leave(e: KeyboardEvent<HTMLElement>) {
  if (!(e.ctrlKey && e.altKey && e.code === 'KeyG')) return
  e.preventDefault()
  e.stopPropagation()
  e.currentTarget.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus()
}

export default function Dock({ who }: { who: string }) {
  const { t } = useTranslation()
  useEffect(() => ownConsoles(who), [who])
  useFocusBack()
  const { all, active } = useConsoles()
  const [small, setSmall] = useState(false)
  return (
    <>
      <div className={small ? 'console-space small' : 'console-space'} />
      <section className={small ? 'console-dock small' : 'console-dock'} aria-label={t('console.title')} onKeyDownCapture={leave}>
        <Tabs
          type="editable-card"
          hideAdd
          size="small"
          activeKey={active}
          onChange={(key) => {
            setSmall(false)
            showConsole(key)
          }}
          onEdit={(key) => closeConsole(String(key))}
          tabBarExtraContent={
            <Flex gap={4} style={{ paddingInline: 8 }}>
              <Button
                size="small"
                type="text"
                icon={small ? <UpOutlined /> : <DownOutlined />}
                aria-label={t(small ? 'console.restore' : 'console.minimize')}
                onClick={() => setSmall(!small)}
              />
              <Button size="small" type="text" icon={<CloseOutlined />} aria-label={t('console.closeAll')} onClick={() => closeConsole()} />
            </Flex>
          }
          items={all.map((c) => {
            const Kind = kinds[c.kind]
            return {
              key: c.key,
              label: `${c.name} · ${t(`console.${c.kind}`)}`,
              children: (
                <Suspense fallback={<Spin />}>
                  <Kind console={c} />
                </Suspense>
              ),
            }
          })}
        />
      </section>
    </>
  )
}
