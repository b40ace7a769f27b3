import { useQueryClient } from '@tanstack/react-query'
import { Card, Descriptions, Flex, Skeleton, Typography } from 'antd'
import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, forgetAll, request, usePage, useSession } from '../../kit/api'
import { Id } from '../../kit/detail'
import { FormButton, type FormSpec } from '../../kit/form'
import { time } from '../../kit/format'
import { ListPage } from '../../kit/list'
import { Missing, Problem } from '../../kit/problem'
import { list } from './appcredentials'

/** One's own password: whoever changes it signs in anew. */
function changePassword(user: string, done: () => void): FormSpec {
  return {
    title: 'changePassword',
    fields: () => [
      { name: 'originalPassword', type: 'password', required: true },
      { name: 'newPassword', type: 'password', required: true, help: 'newPassword' },
    ],
    calls: (v) => ({
      method: 'POST',
      service: 'identity',
      path: `/users/${user}/password`,
      body: { user: { original_password: v.originalPassword, password: v.newPassword } },
      cli: 'openstack user password set',
    }),
    done,
  }
}

export function Account() {
  const { t } = useTranslation()
  const client = useQueryClient()
  const session = useSession().data
  const { data, error, refetch } = usePage('account')
  const form = useMemo(
    () =>
      changePassword(session?.user.id ?? '', () => {
        void request('DELETE', '/dashboard/session')
          .catch(() => undefined)
          .then(() => forgetAll(client, null))
      }),
    [session?.user.id, client],
  )
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!session || !data) return <Skeleton active />
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t('pages.account.title')}
        </Typography.Title>
        <FormButton form={form} data={data} after={() => undefined} />
      </Flex>
      <Missing errors={data.errors} />
      <Card size="small">
        <Descriptions
          size="small"
          column={{ xs: 1, md: 2 }}
          items={[
            { key: 'name', label: t('fields.name'), children: data.user.name },
            { key: 'id', label: t('fields.id'), children: <Id value={data.user.id} /> },
            { key: 'domain', label: t('fields.domain'), children: session.user.domain?.name },
            { key: 'email', label: t('fields.email'), children: data.user.email ?? '–' },
            { key: 'roles', label: t('fields.roles'), children: session.roles.join(', ') },
            { key: 'expires', label: t('fields.passwordExpires'), children: time(data.user.password_expires_at) },
            { key: 'session', label: t('fields.sessionEnds'), children: time(session.expires_at) },
            { key: 'projects', label: t('fields.projects'), children: session.projects.map((p) => p.name).join(', ') },
          ]}
        />
      </Card>
    </Flex>
  )
}

export function AppCredentials() {
  const session = useSession().data
  const spec = useMemo(() => session && list(session.user.id, session.auth_url), [session])
  return spec ? <ListPage spec={spec} /> : null
}
