import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Alert, Button, Card, Divider, Flex, Form, Input, Segmented } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, forgetAll, request, type Session } from '../kit/api'
import { type Language, languages, setLanguage } from '../kit/i18n'

/** An identity provider at which one may sign in. */
interface Choice {
  label: string
  href: string
}

export function Login() {
  const { t, i18n } = useTranslation()
  const client = useQueryClient()
  const [error, setError] = useState<ApiError>()
  const [busy, setBusy] = useState(false)
  const choices = useQuery({
    queryKey: ['websso'],
    queryFn: async () => (await request<{ choices: Choice[] }>('GET', '/dashboard/websso/choices')).choices,
    staleTime: Infinity,
  })
  const refused = new URLSearchParams(window.location.search).get('sso') === 'refused'
  const signIn = async (values: { domain: string; user: string; password: string }) => {
    setBusy(true)
    setError(undefined)
    try {
      forgetAll(client, await request<Session>('POST', '/dashboard/session', values))
    } catch (e) {
      setError(e as ApiError)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Flex vertical align="center" justify="center" gap={24} style={{ minHeight: '100vh' }} role="main">
      <Flex align="center" gap={12}>
        <img src="/nubo.svg" alt="" width={48} />
        <h1 style={{ margin: 0 }}>nubo</h1>
      </Flex>
      <Card style={{ width: 360 }}>
        <Form layout="vertical" onFinish={signIn} initialValues={{ domain: 'Default' }} requiredMark={false}>
          {refused && !error ? <Alert type="error" showIcon role="alert" style={{ marginBottom: 16 }} title={t('login.refused')} /> : null}
          {error ? (
            <Alert
              type="error"
              showIcon
              role="alert"
              style={{ marginBottom: 16 }}
              title={error.code === 401 ? t('login.wrong') : error.message}
            />
          ) : null}
          <Form.Item name="domain" label={t('login.domain')} rules={[{ required: true, message: t('form.required') }]}>
            <Input autoComplete="organization" />
          </Form.Item>
          <Form.Item name="user" label={t('login.user')} rules={[{ required: true, message: t('form.required') }]}>
            <Input autoComplete="username" autoFocus />
          </Form.Item>
          <Form.Item name="password" label={t('login.password')} rules={[{ required: true, message: t('form.required') }]}>
            <Input.Password autoComplete="current-password" />
          </Form.Item>
          <Button type="primary" htmlType="submit" block loading={busy}>
            {t('login.signIn')}
          </Button>
        </Form>
        {choices.data?.length ? (
          <>
            <Divider plain>{t('login.or')}</Divider>
            <Flex vertical gap={8}>
              {choices.data.map((c) => (
                <Button key={c.href} href={c.href} block>
                  {t('login.with', { name: c.label })}
                </Button>
              ))}
            </Flex>
          </>
        ) : null}
      </Card>
      <Segmented
        aria-label={t('shell.language')}
        value={i18n.language}
        options={(Object.keys(languages) as Language[]).map((value) => ({ value, label: languages[value] }))}
        onChange={(v) => setLanguage(v as Language)}
      />
    </Flex>
  )
}
