import { Typography } from 'antd'
import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { download } from '../../kit/files'
import { time } from '../../kit/format'
import { t } from '../../kit/i18n'
import type { ListSpec } from '../../kit/list'

const remove: Action = {
  key: 'delete',
  rule: 'identity:delete_application_credential',
  danger: true,
  calls: (row) => ({
    method: 'DELETE',
    service: 'identity',
    path: `/users/${row.user_id}/application_credentials/${row.id}`,
    cli: `openstack application credential delete ${row.id}`,
  }),
}

/** What a client needs to use a credential: the secret is told but once. */
export function credentialYaml(c: Row, authUrl: string): string {
  return [
    'clouds:',
    '  nubo:',
    '    identity_api_version: 3',
    '    auth_type: v3applicationcredential',
    '    auth:',
    `      auth_url: ${authUrl}`,
    `      application_credential_id: ${c.id}`,
    `      application_credential_secret: ${JSON.stringify(c.secret)}`,
    '',
  ].join('\n')
}

/** The list; who asks and where its API is, the session tells. */
export function list(user: string, authUrl: string): ListSpec {
  return {
    key: 'appCredentials',
    page: 'app-credentials',
    params: {},
    rows: (data) => data.credentials,
    columns: [
      { key: 'name' },
      { key: 'description' },
      {
        key: 'roles',
        text: (row) => row.roles.map((r: Row) => r.name).join(' '),
        render: (row) => row.roles.map((r: Row) => r.name).join(', '),
      },
      {
        key: 'expiresAt',
        text: (row) => row.expires_at ?? '',
        render: (row) => (row.expires_at ? time(row.expires_at) : t('appCredential.never')),
      },
      { key: 'unrestricted', text: (row) => String(row.unrestricted), render: (row) => (row.unrestricted ? '✓' : '–') },
      { key: 'project_id', title: 'project', render: (row) => <Id value={row.project_id} />, hidden: true },
      { key: 'id', render: (row) => <Id value={row.id} /> },
    ],
    actions: [remove],
    bulk: [remove],
    create: {
      rule: 'identity:create_application_credential',
      form: {
        title: 'createAppCredential',
        fields: () => [
          { name: 'name', required: true },
          { name: 'description' },
          {
            name: 'lifetime',
            type: 'select',
            required: true,
            initial: '90',
            options: ['7', '30', '90', '365', 'never'].map((value) => ({
              value,
              label: value === 'never' ? t('appCredential.never') : t('appCredential.days', { count: Number(value) }),
            })),
          },
          { name: 'unrestricted', type: 'switch', initial: false, help: 'unrestricted' },
        ],
        calls: (v) => {
          const expires =
            v.lifetime && v.lifetime !== 'never'
              ? new Date(Math.floor(Date.now() / 60_000) * 60_000 + Number(v.lifetime) * 86_400_000).toISOString().slice(0, 19)
              : undefined
          return {
            method: 'POST',
            service: 'identity',
            path: `/users/${user}/application_credentials`,
            body: {
              application_credential: {
                name: v.name,
                description: v.description ?? '',
                unrestricted: v.unrestricted ?? false,
                ...(expires ? { expires_at: expires } : {}),
              },
            },
            cli: `openstack application credential create ${expires ? `--expiration ${expires} ` : ''}${v.unrestricted ? '--unrestricted ' : ''}'${v.name}'`,
          }
        },
        // The secret is in this answer and nowhere else.
        done: (answer) => download('clouds.yaml', credentialYaml(answer.application_credential, authUrl)),
      },
    },
    extra: () => <Typography.Text type="secondary">{t('appCredential.text')}</Typography.Text>,
    call: {
      method: 'GET',
      service: 'identity',
      path: `/users/${user}/application_credentials`,
      cli: 'openstack application credential list',
    },
  }
}
