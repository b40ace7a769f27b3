import { Link } from '@tanstack/react-router'
import { Button, Card, Descriptions, Flex, Skeleton, Table, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type Row, type Session, usePage, useSession } from '../../kit/api'
import { labelled } from '../../kit/cards'
import { Id } from '../../kit/detail'
import { download } from '../../kit/files'
import { Problem } from '../../kit/problem'
import { ShowApi } from '../../kit/showapi'

/** A word a shell reads as it is. */
const quoted = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`

export function openrc(s: Session, region?: string): string {
  const lines = [
    'unset OS_TOKEN OS_SYSTEM_SCOPE OS_DOMAIN_ID OS_PROJECT_ID OS_PROJECT_NAME OS_PROJECT_DOMAIN_NAME',
    `export OS_AUTH_URL=${s.auth_url}`,
    'export OS_IDENTITY_API_VERSION=3',
    `export OS_USERNAME=${quoted(s.user.name)}`,
    `export OS_USER_DOMAIN_NAME=${quoted(s.user.domain?.name ?? 'Default')}`,
    ...(s.project
      ? [`export OS_PROJECT_ID=${s.project.id}`]
      : s.domain
        ? [`export OS_DOMAIN_ID=${s.domain.id}`]
        : ['export OS_SYSTEM_SCOPE=all']),
    ...(region ? [`export OS_REGION_NAME=${quoted(region)}`] : []),
    'export OS_INTERFACE=public',
    `printf '%s' ${quoted(`Password of ${s.user.name}: `)} && read -rs OS_PASSWORD && export OS_PASSWORD && echo`,
  ]
  return `${lines.join('\n')}\n`
}

export function cloudsYaml(s: Session, region?: string): string {
  return [
    'clouds:',
    '  nubo:',
    '    identity_api_version: 3',
    ...(region ? [`    region_name: ${JSON.stringify(region)}`] : []),
    '    interface: public',
    '    auth:',
    `      auth_url: ${s.auth_url}`,
    `      username: ${JSON.stringify(s.user.name)}`,
    `      user_domain_name: ${JSON.stringify(s.user.domain?.name ?? 'Default')}`,
    s.project ? `      project_id: ${s.project.id}` : s.domain ? `      domain_id: ${s.domain.id}` : '      system_scope: all',
    '      # password: or OS_PASSWORD',
    '',
  ].join('\n')
}

/** The endpoints of a service, the public one first. */
const byInterface = (a: Row, b: Row) => a.type.localeCompare(b.type) || b.interface.localeCompare(a.interface)

export function ApiAccess() {
  const { t } = useTranslation()
  const session = useSession().data
  const { data, error, refetch } = usePage('api-access')
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!session || !data) return <Skeleton active />
  const catalog: Row[] = data.catalog ?? []
  const region = catalog[0]?.endpoints[0]?.region_id
  const files = { openrc: openrc(session, region), 'clouds.yaml': cloudsYaml(session, region) }
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.apiAccess.title')}
      </Typography.Title>
      <Typography.Paragraph style={{ margin: 0 }}>{t('pages.apiAccess.text')}</Typography.Paragraph>
      <Card size="small" title={t('pages.apiAccess.credentials')}>
        <Descriptions
          size="small"
          column={{ xs: 1, md: 2 }}
          items={(
            [
              ['user', session.user.name],
              ['userId', session.user.id],
              ['domain', session.user.domain?.name],
              ['project', session.project?.name],
              ['projectId', session.project?.id],
              ['roles', session.roles.join(', ')],
              ['authUrl', session.auth_url],
              ['region', region],
            ] as [string, string | undefined][]
          ).map(([key, value]) => ({ key, label: t(`fields.${key}`), children: <Id value={value} /> }))}
        />
        <Typography.Text type="secondary" style={{ display: 'block', marginBlockStart: 12 }}>
          {t('pages.apiAccess.scripts')} <Link to="/app-credentials">{t('menu.appCredentials')}</Link>
        </Typography.Text>
      </Card>
      {Object.entries(files).map(([name, text]) => (
        <Card key={name} title={name} size="small" extra={<Button onClick={() => download(name, text)}>{t('common.download')}</Button>}>
          <Typography.Paragraph copyable={{ text }}>
            <pre className="code">{text}</pre>
          </Typography.Paragraph>
        </Card>
      ))}
      <Card size="small" title={t('pages.apiAccess.endpoints')}>
        <Table<Row>
          size="small"
          pagination={false}
          rowKey="id"
          scroll={{ x: 'max-content' }}
          dataSource={catalog.flatMap((s) => s.endpoints.map((e: Row) => ({ ...e, type: s.type, service: s.name }))).sort(byInterface)}
          columns={labelled<Row>([
            { key: 'type', title: t('fields.type'), dataIndex: 'type' },
            { key: 'service', title: t('fields.service'), dataIndex: 'service' },
            { key: 'interface', title: t('fields.interface'), dataIndex: 'interface' },
            { key: 'region', title: t('fields.region'), dataIndex: 'region_id' },
            { key: 'url', title: 'URL', render: (_, e) => <Id value={e.url} /> },
          ])}
        />
        <ShowApi calls={[{ method: 'GET', service: 'identity', path: '/auth/catalog', cli: 'openstack catalog list' }]} />
      </Card>
    </Flex>
  )
}
