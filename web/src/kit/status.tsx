import { CheckCircleFilled, ClockCircleFilled, CloseCircleFilled, LoadingOutlined, PauseCircleFilled, StopFilled } from '@ant-design/icons'
import { Space, Tag } from 'antd'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'

type Kind = 'good' | 'busy' | 'bad' | 'off' | 'wait'

const kinds: Record<string, Kind> = {
  active: 'good',
  available: 'good',
  up: 'good',
  enabled: 'good',
  'in-use': 'good',
  running: 'good',
  idle: 'good',
  flow: 'busy',
  blocked: 'wait',
  blocking: 'wait',
  crashed: 'bad',
  terminated: 'bad',
  permitted: 'good',
  denied: 'off',
  build: 'busy',
  building: 'busy',
  creating: 'busy',
  attaching: 'busy',
  detaching: 'busy',
  deleting: 'busy',
  saving: 'busy',
  importing: 'busy',
  uploading: 'busy',
  reboot: 'busy',
  hard_reboot: 'busy',
  error: 'bad',
  down: 'bad',
  killed: 'bad',
  error_deleting: 'bad',
  shutoff: 'off',
  stopped: 'off',
  disabled: 'off',
  'n/a': 'off',
  deactivated: 'off',
  paused: 'wait',
  suspended: 'wait',
  queued: 'wait',
  reserved: 'wait',
}

const looks: Record<Kind, { color: string; icon: ReactNode }> = {
  good: { color: 'success', icon: <CheckCircleFilled /> },
  busy: { color: 'processing', icon: <LoadingOutlined /> },
  bad: { color: 'error', icon: <CloseCircleFilled /> },
  off: { color: 'default', icon: <StopFilled /> },
  wait: { color: 'warning', icon: <PauseCircleFilled /> },
}

interface Props {
  value?: string
  task?: string | null
  /** Being down is nothing bad. */
  calm?: boolean
  /** What has the state, where that has a word of its own for it. */
  of?: 'image' | 'floatingip'
}

/** A state by icon, colour and word: never by colour alone. */
export function Status({ value, task, calm, of }: Props) {
  const { t, i18n } = useTranslation()
  if (!value) return <>–</>
  const key = value.toLowerCase()
  const look = looks[task ? 'busy' : calm && kinds[key] === 'bad' ? 'off' : (kinds[key] ?? 'wait')] ?? {
    color: 'default',
    icon: <ClockCircleFilled />,
  }
  const known = [`statusOf.${of}.${key}`, `status.${key}`].find((k) => i18n.exists(k))
  const word = known ? t(known) : value
  return (
    <Space size={4} data-status={value}>
      <Tag color={look.color} icon={look.icon} title={word === value ? undefined : value}>
        {word}
      </Tag>
      {task ? <span className="task">{i18n.exists(`task.${task}`) ? t(`task.${task}`) : task}</span> : null}
    </Space>
  )
}
