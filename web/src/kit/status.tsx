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

/** A state by icon, colour and word: never by colour alone. Calm, being down is nothing bad. */
export function Status({ value, task, calm }: { value?: string; task?: string | null; calm?: boolean }) {
  const { t, i18n } = useTranslation()
  if (!value) return <>–</>
  const key = value.toLowerCase()
  const look = looks[task ? 'busy' : calm && kinds[key] === 'bad' ? 'off' : (kinds[key] ?? 'wait')] ?? {
    color: 'default',
    icon: <ClockCircleFilled />,
  }
  const word = i18n.exists(`status.${key}`) ? t(`status.${key}`) : value
  return (
    <Space size={4} data-status={value}>
      <Tag color={look.color} icon={look.icon}>
        {word}
      </Tag>
      {task ? <span className="task">{i18n.exists(`task.${task}`) ? t(`task.${task}`) : task}</span> : null}
    </Space>
  )
}
