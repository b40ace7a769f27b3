// A server's screen.
import RFB from '@novnc/novnc'
import { Button, Flex, Input, Modal, Switch } from 'antd'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Frame, useConnection } from './connection'
import { keysOf } from './keys'
import { type OpenConsole, socketUrl } from './open'

export default function Screen({ console: c }: { console: OpenConsole }) {
  const { t } = useTranslation()
  const connection = useConnection(c)
  const { attempt, connected, lost } = connection
  const box = useRef<HTMLDivElement>(null)
  const rfb = useRef<RFB>(undefined)
  const [scale, setScale] = useState(true)
  const [pasting, setPasting] = useState(false)
  const [text, setText] = useState('')

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt is a connection of its own
  useEffect(() => {
    if (!box.current) return
    let over = false
    const r = new RFB(box.current, socketUrl(c), { shared: true, wsProtocols: ['binary'] })
    r.background = '#111'
    r.addEventListener('connect', () => {
      connected()
      const screen = box.current?.querySelector('canvas')
      screen?.setAttribute('role', 'application')
      screen?.setAttribute('aria-label', `${c.name} · ${t('console.vnc')}`)
      screen?.setAttribute('tabindex', '0') // whoever has left it comes back by Tab
      r.focus()
    })
    r.addEventListener('disconnect', () => over || lost())
    rfb.current = r
    // The keys that led out of it would stay pressed; it lets go of all when the window is left.
    const release = () => window.dispatchEvent(new Event('blur'))
    const at = box.current
    at.addEventListener('focusout', release)
    return () => {
      over = true
      at.removeEventListener('focusout', release)
      r.disconnect()
      rfb.current = undefined
    }
  }, [c, attempt, connected, lost])

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new connection is scaled, too
  useEffect(() => {
    if (rfb.current) rfb.current.scaleViewport = scale
  }, [scale, attempt])

  const paste = () => {
    setPasting(false)
    setText('')
    for (const key of keysOf(text)) rfb.current?.sendKey(key, null)
    rfb.current?.focus()
  }
  return (
    <Frame
      connection={connection}
      buttons={
        <>
          <Button size="small" onClick={() => rfb.current?.sendCtrlAltDel()}>
            Ctrl-Alt-Del
          </Button>
          <Button size="small" onClick={() => setPasting(true)}>
            {t('console.paste')}
          </Button>
          <Flex gap={4} align="center">
            <Switch size="small" aria-label={t('console.scale')} checked={scale} onChange={setScale} />
            {t('console.scale')}
          </Flex>
        </>
      }
    >
      <div ref={box} className="console-body" data-console="vnc" />
      <Modal
        open={pasting}
        title={t('console.paste')}
        okText={t('console.type')}
        cancelText={t('common.cancel')}
        onOk={paste}
        onCancel={() => setPasting(false)}
      >
        <p>{t('console.pasteHelp')}</p>
        <Input.TextArea aria-label={t('console.paste')} autoFocus rows={4} value={text} onChange={(e) => setText(e.target.value)} />
      </Modal>
    </Frame>
  )
}
