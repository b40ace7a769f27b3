import { Link } from '@tanstack/react-router'
import { Card, Col, Empty, Flex, Row as Grid, List, Progress, Skeleton, Steps, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type PageData, type Row, usePage, useSession } from '../../kit/api'
import { ago } from '../../kit/format'
import { Missing, Problem } from '../../kit/problem'
import { Status } from '../../kit/status'

export function Overview() {
  const { t } = useTranslation()
  const { data, error, refetch } = usePage('overview')
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.overview.title')}
      </Typography.Title>
      <Missing errors={data.errors} />
      <FirstSteps data={data} />
      <Card title={t('overview.quota')} size="small">
        <Grid gutter={[24, 8]}>
          {quotas(data).map(([key, used, max]) => (
            <Col key={key} xs={24} sm={12} lg={8}>
              <Flex justify="space-between">
                <span>{t(`fields.${key}`)}</span>
                <span>
                  {used} / {max < 0 ? '∞' : max}
                </span>
              </Flex>
              <Progress
                aria-label={t(`fields.${key}`)}
                percent={max <= 0 ? 0 : Math.round((100 * used) / max)}
                showInfo={false}
                status={max > 0 && used >= max ? 'exception' : 'normal'}
              />
            </Col>
          ))}
        </Grid>
      </Card>
      <Card title={t('overview.newest')} size="small">
        <List<Row>
          dataSource={data.servers ?? []}
          locale={{ emptyText: <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t('pages.servers.empty')} /> }}
          renderItem={(s) => (
            <List.Item extra={ago(s.created)}>
              <Flex gap={12} align="center">
                <Link to="/servers/$id" params={{ id: s.id }}>
                  {s.name}
                </Link>
                <Status value={s.status} task={s['OS-EXT-STS:task_state']} />
              </Flex>
            </List.Item>
          )}
        />
      </Card>
    </Flex>
  )
}

function quotas(data: PageData): [string, number, number][] {
  const c: Row = data.limits?.absolute ?? {}
  const v: Row = data.volume_limits?.absolute ?? {}
  const n: Row = data.network_quota ?? {}
  const out: [string, number, number][] = [
    ['servers', c.totalInstancesUsed ?? 0, c.maxTotalInstances ?? -1],
    ['vcpus', c.totalCoresUsed ?? 0, c.maxTotalCores ?? -1],
    ['ram', c.totalRAMUsed ?? 0, c.maxTotalRAMSize ?? -1],
    ['volumes', v.totalVolumesUsed ?? 0, v.maxTotalVolumes ?? -1],
    ['gigabytes', v.totalGigabytesUsed ?? 0, v.maxTotalVolumeGigabytes ?? -1],
  ]
  for (const [key, resource] of [
    ['networks', 'network'],
    ['floatingIps', 'floatingip'],
    ['routers', 'router'],
    ['securityGroups', 'security_group'],
  ]) {
    if (n[resource]) out.push([key, n[resource].used ?? 0, n[resource].limit ?? -1])
  }
  return out
}

/** What a newcomer does, and how far he has come. */
function FirstSteps({ data }: { data: PageData }) {
  const { t } = useTranslation()
  const project = useSession().data?.project?.id
  const own = (data.networks ?? []).filter((n: Row) => !n['router:external'] && (!project || n.shared || n.project_id === project))
  const done = [(data.images ?? []).length > 0, own.length > 0, (data.routers ?? []).length > 0, (data.servers ?? []).length > 0]
  if (done.every(Boolean)) return null
  const to = ['/images', '/networks', '/routers', '/servers/new']
  return (
    <Card title={t('overview.firstSteps')} size="small">
      <Steps
        responsive
        items={['image', 'network', 'router', 'server'].map((key, i) => ({
          title: <Link to={to[i]}>{t(`firstSteps.${key}`)}</Link>,
          status: done[i] ? 'finish' : done.findIndex((d) => !d) === i ? 'process' : 'wait',
        }))}
      />
    </Card>
  )
}
