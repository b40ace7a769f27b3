import { Button, Card, Flex, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type Session, useSession } from '../../kit/api'
import { download } from './keypairs'

export function openrc(s: Session): string {
  const lines = [
    'unset OS_TOKEN OS_SYSTEM_SCOPE OS_PROJECT_NAME OS_PROJECT_DOMAIN_NAME',
    `export OS_AUTH_URL=${s.auth_url}`,
    'export OS_IDENTITY_API_VERSION=3',
    `export OS_USERNAME='${s.user.name}'`,
    `export OS_USER_DOMAIN_NAME='${s.user.domain?.name ?? 'Default'}'`,
    s.project ? `export OS_PROJECT_ID=${s.project.id}` : 'export OS_SYSTEM_SCOPE=all',
    `read -rsp "Password of ${s.user.name}: " OS_PASSWORD && export OS_PASSWORD && echo`,
  ]
  return `${lines.join('\n')}\n`
}

export function cloudsYaml(s: Session): string {
  return [
    'clouds:',
    '  nubo:',
    '    identity_api_version: 3',
    '    auth:',
    `      auth_url: ${s.auth_url}`,
    `      username: ${JSON.stringify(s.user.name)}`,
    `      user_domain_name: ${JSON.stringify(s.user.domain?.name ?? 'Default')}`,
    s.project ? `      project_id: ${s.project.id}` : '      system_scope: all',
    '      # password: or OS_PASSWORD',
    '',
  ].join('\n')
}

export function ApiAccess() {
  const { t } = useTranslation()
  const session = useSession().data
  if (!session) return null
  const files = { openrc: openrc(session), 'clouds.yaml': cloudsYaml(session) }
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.apiAccess.title')}
      </Typography.Title>
      <Typography.Paragraph>{t('pages.apiAccess.text')}</Typography.Paragraph>
      {Object.entries(files).map(([name, text]) => (
        <Card key={name} title={name} size="small" extra={<Button onClick={() => download(name, text)}>{t('common.download')}</Button>}>
          <Typography.Paragraph copyable={{ text }}>
            <pre className="code">{text}</pre>
          </Typography.Paragraph>
        </Card>
      ))}
    </Flex>
  )
}
