import { Card, Col, Flex, Row as Grid, Progress, Skeleton, Statistic, Table, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type PageData, type Row, usePage } from '../../kit/api'
import { labelled } from '../../kit/cards'
import { ago } from '../../kit/format'
import { Missing, Problem } from '../../kit/problem'
import { Status } from '../../kit/status'

/** What runs, where, and when it was last heard of. */
export function AdminOverview() {
  const { t } = useTranslation()
  const { data, error, refetch } = usePage('admin-overview')
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  const hosts: Row[] = data.hypervisors ?? []
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.adminOverview.title')}
      </Typography.Title>
      <Missing errors={data.errors} />
      <Grid gutter={16}>
        {(
          [
            ['hypervisors', hosts.length],
            ['services', services(data).length],
            ['down', services(data).filter((s) => s.state !== 'up').length],
            ['projects', (data.projects ?? []).length],
          ] as [string, number][]
        ).map(([key, value]) => (
          <Col key={key} xs={12} md={6}>
            <Card size="small">
              <Statistic title={t(`fields.${key}`)} value={value} />
            </Card>
          </Col>
        ))}
      </Grid>
      <Card size="small" title={t('fields.services')}>
        <Table<Row>
          size="small"
          rowKey="key"
          pagination={false}
          scroll={{ x: 'max-content' }}
          dataSource={services(data)}
          columns={labelled<Row>([
            { key: 'binary', title: t('fields.service'), dataIndex: 'binary' },
            { key: 'host', title: t('fields.host'), dataIndex: 'host' },
            { key: 'zone', title: t('fields.zone'), dataIndex: 'zone' },
            { key: 'status', title: t('fields.status'), render: (_, s) => <Status value={s.status} /> },
            { key: 'state', title: t('fields.state'), render: (_, s) => <Status value={s.state} /> },
            { key: 'seen', title: t('fields.lastSeen'), render: (_, s) => ago(s.seen) },
          ])}
        />
      </Card>
      {hosts.some((h) => h.vcpus) ? (
        <Card size="small" title={t('fields.hypervisors')}>
          {hosts.map((h) => (
            <Progress key={h.id} percent={Math.round((100 * (h.vcpus_used ?? 0)) / (h.vcpus || 1))} format={() => h.hypervisor_hostname} />
          ))}
        </Card>
      ) : null}
    </Flex>
  )
}

/** The services of all components in one shape. */
function services(data: PageData): Row[] {
  const own = [...(data.compute_services ?? []), ...(data.volume_services ?? [])].map((s: Row) => ({
    key: `${s.binary}/${s.host}`,
    binary: s.binary,
    host: s.host,
    zone: s.zone,
    status: s.status,
    state: s.state,
    seen: s.updated_at,
  }))
  const agents = (data.agents ?? []).map((a: Row) => ({
    key: `${a.binary}/${a.host}`,
    binary: a.binary,
    host: a.host,
    zone: a.availability_zone || '–',
    status: a.admin_state_up ? 'enabled' : 'disabled',
    state: a.alive ? 'up' : 'down',
    seen: a.heartbeat_timestamp?.replace(' ', 'T'),
  }))
  return [...own, ...agents].sort((a, b) => a.key.localeCompare(b.key))
}
