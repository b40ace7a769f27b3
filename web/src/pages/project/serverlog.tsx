// What was done with a server, by whom asked and how long it took; while it is
// built, how far that is.
import { Descriptions, Flex, Steps, Tag, Timeline, Typography } from 'antd'
import dayjs from 'dayjs'
import i18next from 'i18next'
import { useTranslation } from 'react-i18next'
import type { PageData, Row } from '../../kit/api'
import { time } from '../../kit/format'
import { RequestId } from '../../kit/requestid'

/** How long something took, in the unit a person would say. */
export function took(from?: string | null, to?: string | null): string {
  if (!from || !to) return '–'
  const ms = dayjs(to).diff(dayjs(from))
  const [value, unit] = ms < 1000 ? [ms, 'millisecond'] : ms < 120_000 ? [ms / 1000, 'second'] : [ms / 60_000, 'minute']
  return new Intl.NumberFormat(i18next.language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(value)
}

const steps = ['scheduling', 'networking', 'block_device_mapping', 'spawning']

/** How far a server that is being built is: its task says so, and changes by events. */
export function Build({ row }: { row: Row }) {
  const { t } = useTranslation()
  const at = Math.max(0, steps.indexOf(row['OS-EXT-STS:task_state'] ?? 'scheduling'))
  return (
    <Steps
      data-build
      current={at}
      items={steps.map((key, i) => ({ title: t(`task.${key}`), status: i < at ? 'finish' : i === at ? 'process' : 'wait' }))}
    />
  )
}

export function ActionLog({ data }: { data: PageData }) {
  const { t, i18n } = useTranslation()
  const all: Row[] = data.actions ?? []
  if (all.length === 0) return <Typography.Text type="secondary">{t('server.noActions')}</Typography.Text>
  const name = (action: string) => (i18n.exists(`instanceActions.${action}`) ? t(`instanceActions.${action}`) : action)
  return (
    <Timeline
      items={all.map((a) => {
        const events: Row[] = data.action_details?.[a.request_id]?.events ?? []
        const running = events.some((e) => !e.finish_time)
        const failed = Boolean(a.message) || events.some((e) => e.result === 'Error')
        return {
          color: failed ? 'red' : running ? 'blue' : 'green',
          content: (
            <Flex vertical gap={4} data-instance-action={a.action}>
              <Flex gap={8} align="center" wrap>
                <Typography.Text strong>{name(a.action)}</Typography.Text>
                {failed ? (
                  <Tag color="error">{t('taskState.failed')}</Tag>
                ) : running ? (
                  <Tag color="processing">{t('taskState.running')}</Tag>
                ) : null}
                {running ? null : <Typography.Text type="secondary">{took(a.start_time, a.updated_at)}</Typography.Text>}
              </Flex>
              <Typography.Text type="secondary">
                {time(a.start_time)} · <RequestId id={a.request_id} />
              </Typography.Text>
              {a.message ? <Typography.Text type="danger">{a.message}</Typography.Text> : null}
              {events.length > 0 ? (
                <Descriptions
                  size="small"
                  column={1}
                  items={events.map((e) => ({
                    key: `${e.event} ${e.start_time}`,
                    label: <code>{e.event}</code>,
                    children: [
                      e.host,
                      e.finish_time ? took(e.start_time, e.finish_time) : t('taskState.running'),
                      e.result === 'Error' ? e.details : '',
                    ]
                      .filter(Boolean)
                      .join(' · '),
                  }))}
                />
              ) : null}
            </Flex>
          ),
        }
      })}
    />
  )
}
