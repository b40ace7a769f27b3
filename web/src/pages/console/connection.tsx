// What all consoles have in common: whether they are connected, why not, and
// trying again.
import { Alert, Button, Flex, Tag, Typography } from 'antd'
import { type ReactNode, useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, request } from '../../kit/api'
import { type OpenConsole, socketPath } from './open'

type State = 'connecting' | 'connected' | 'lost'

/** A server that restarts is away for a while: it is tried again so often, every so many ms. */
const retries = 10
const pause = 3000

export interface Connection {
  state: State
  reason?: string
  /** Grows with each attempt. */
  attempt: number
  connected: () => void
  lost: () => void
  again: () => void
}

export function useConnection(c: OpenConsole): Connection {
  const [state, setState] = useState<State>('connecting')
  const [reason, setReason] = useState<string>()
  const [attempt, setAttempt] = useState(0)
  const left = useRef(0)
  const timer = useRef<number>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])

  const again = useCallback(() => {
    clearTimeout(timer.current)
    setState('connecting')
    setAttempt((n) => n + 1)
  }, [])
  const connected = useCallback(() => {
    left.current = retries
    setReason(undefined)
    setState('connected')
  }, [])
  const lost = useCallback(async () => {
    setState('lost')
    try {
      await request('GET', socketPath(c)) // says what a WebSocket cannot
    } catch (e) {
      const err = e as ApiError
      setReason(err instanceof ApiError && err.code !== 426 ? err.message : undefined)
      if (left.current > 0 && err.code !== 404 && err.code !== 403) {
        left.current--
        timer.current = window.setTimeout(again, pause)
      }
    }
  }, [c, again])
  return { state, reason, attempt, connected, lost, again }
}

/** A console's buttons, and over it, when it is not connected, why. */
export function Frame({ connection, buttons, children }: { connection: Connection; buttons?: ReactNode; children: ReactNode }) {
  const { t } = useTranslation()
  const whole = useRef<HTMLDivElement>(null)
  const { state, reason, again } = connection
  const colours = { connected: 'success', connecting: 'processing', lost: 'error' }
  return (
    <div ref={whole} className="console">
      <Flex gap={8} align="center" wrap style={{ padding: '4px 8px' }}>
        <Tag color={colours[state]} data-console-state={state}>
          {t(`console.${state}`)}
        </Tag>
        {buttons}
        <Button size="small" onClick={() => whole.current?.requestFullscreen()}>
          {t('console.fullScreen')}
        </Button>
        <Button size="small" onClick={again}>
          {t('console.reconnect')}
        </Button>
        <Typography.Text type="secondary">
          <kbd>Ctrl</kbd>
          <kbd>Alt</kbd>
          <kbd>G</kbd> {t('console.leave')}
        </Typography.Text>
      </Flex>
      {state === 'lost' ? (
        <Alert
          type="warning"
          showIcon
          title={reason ?? t('console.ended')}
          action={
            <Button size="small" onClick={again}>
              {t('console.reconnect')}
            </Button>
          }
        />
      ) : null}
      {children}
    </div>
  )
}
