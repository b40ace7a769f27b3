// A server's serial port.
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { Input } from 'antd'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Frame, useConnection } from './connection'
import { findAbove } from './find'
import { type OpenConsole, socketUrl } from './open'

export default function Serial({ console: c }: { console: OpenConsole }) {
  const connection = useConnection(c)
  const { attempt, connected, lost } = connection
  const box = useRef<HTMLDivElement>(null)
  const terminal = useRef<Terminal>(undefined)
  const { t } = useTranslation()
  const found = useRef<number>(undefined) // the line that was found last
  const [missing, setMissing] = useState(false)

  // What was printed stays when the connection is made anew.
  useEffect(() => {
    if (!box.current) return
    const term = new Terminal({ cursorBlink: false, scrollback: 5000, fontSize: 13, screenReaderMode: true })
    const fit = new FitAddon()
    term.loadAddon(fit)
    term.open(box.current)
    fit.fit()
    terminal.current = term
    const size = new ResizeObserver(() => fit.fit())
    size.observe(box.current)
    return () => {
      size.disconnect()
      term.dispose()
    }
  }, [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: each attempt is a connection of its own
  useEffect(() => {
    const term = terminal.current
    if (!term) return
    let over = false
    const ws = new WebSocket(socketUrl(c), 'binary')
    ws.binaryType = 'arraybuffer'
    ws.onopen = () => {
      connected()
      term.focus()
      ws.send('\r') // so that the prompt is shown again
    }
    ws.onmessage = (e) => term.write(new Uint8Array(e.data))
    ws.onclose = () => over || lost()
    const encoder = new TextEncoder()
    const typed = term.onData((data) => ws.readyState === WebSocket.OPEN && ws.send(encoder.encode(data)))
    return () => {
      over = true
      typed.dispose()
      ws.close()
    }
  }, [c, attempt, connected, lost])

  // Each Enter finds the next line above.
  const find = (text: string) => {
    const term = terminal.current
    if (!term) return
    const { active } = term.buffer
    const line = (row: number) => active.getLine(row)?.translateToString(true) ?? ''
    const at = text ? findAbove(active.length, line, text, found.current ?? active.length) : undefined
    found.current = at?.row
    setMissing(text !== '' && !at)
    if (!at) return term.clearSelection()
    term.select(at.column, at.row, text.length)
    term.scrollToLine(Math.max(0, at.row - Math.floor(term.rows / 2)))
  }

  return (
    <Frame
      connection={connection}
      buttons={
        <Input.Search
          size="small"
          aria-label={t('console.find')}
          placeholder={t('console.find')}
          allowClear
          status={missing ? 'error' : undefined}
          style={{ width: 200 }}
          onChange={() => {
            found.current = undefined
            setMissing(false)
          }}
          onSearch={find}
        />
      }
    >
      <div ref={box} className="console-body" data-console="serial" />
    </Frame>
  )
}
