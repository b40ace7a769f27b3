import { DownOutlined, MoonOutlined, SunOutlined, UserOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate, useRouterState } from '@tanstack/react-router'
import { App, Badge, Button, Dropdown, Flex, Layout, Menu, Select, Skeleton, Typography } from 'antd'
import { lazy, Suspense, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, forgetAll, request, type Session, useCan, useSession } from '../kit/api'
import { useLive, useTicks } from '../kit/events'
import { type Language, languages, setLanguage } from '../kit/i18n'
import { Problem } from '../kit/problem'
import { TaskLog } from '../kit/tasks'
import { useConsoles } from '../pages/console/open'
import { sections } from './menu'
import { Palette } from './palette'
import { setCompact, setMode, useTheme } from './theme'

const Dock = lazy(() => import('../pages/console/dock'))

export function Shell() {
  const { t } = useTranslation()
  const session = useSession().data
  const can = useCan(sections.flatMap((s) => s.rule ?? []))
  const { pathname } = useLocation()
  const shownPath = useRouterState({ select: (s) => s.resolvedLocation?.pathname })
  const { dark } = useTheme()
  const consoles = useConsoles().all
  useTicks(pathname.startsWith('/broker/') && can('dashboard:broker').allowed ? 'broker' : '')
  const item = sections.flatMap((s) => s.items).find((i) => pathname === i.to || pathname.startsWith(`${i.to}/`))
  const title = item ? `${t(`menu.${item.key}`)} · nubo` : 'nubo'
  useEffect(() => {
    document.title = title
  }, [title])
  if (!session) return null
  const shown = sections.filter((s) => can(s.rule).allowed)
  const items = shown.map((s) => ({
    key: s.key,
    label: t(`menu.${s.key}`),
    children: s.items
      .filter((i) => !i.service || session.services.includes(i.service))
      .map((i) => ({ key: i.to, label: <Link to={i.to}>{t(`menu.${i.key}`)}</Link> })),
  }))
  return (
    <>
      <a className="skip" href="#main">
        {t('shell.skip')}
      </a>
      <Layout style={{ minHeight: '100vh' }}>
        <Layout.Sider theme={dark ? 'dark' : 'light'} breakpoint="lg" collapsedWidth={0} width={220}>
          <Flex align="center" gap={8} style={{ padding: 16 }}>
            <img src="/nubo.svg" alt="" width={28} />
            <Typography.Text strong style={{ fontSize: 18 }}>
              nubo
            </Typography.Text>
          </Flex>
          <nav aria-label={t('shell.menu')}>
            <Menu
              mode="inline"
              theme={dark ? 'dark' : 'light'}
              items={items}
              selectedKeys={item ? [item.to] : []}
              defaultOpenKeys={sections.filter((s) => s.items.some((i) => pathname.startsWith(i.to))).map((s) => s.key)}
            />
          </nav>
        </Layout.Sider>
        <Layout>
          <Layout.Header style={{ background: 'transparent', paddingInline: 24, height: 'auto', lineHeight: 'normal' }}>
            <Flex justify="space-between" align="center" wrap gap={8} style={{ paddingBlock: 12 }}>
              <Scope session={session} />
              <Flex align="center" gap={4} wrap>
                <Live />
                <Palette sections={shown} />
                <TaskLog />
                <Preferences />
                <Account session={session} />
              </Flex>
            </Flex>
          </Layout.Header>
          <Layout.Content
            id="main"
            role="main"
            aria-busy={shownPath !== pathname}
            data-path={shownPath}
            style={{ padding: '0 24px 24px' }}
            key={session.project?.id ?? session.domain?.id ?? 'system'}
          >
            <Allowed />
          </Layout.Content>
          {consoles.length > 0 ? (
            <Suspense>
              <Dock who={`${session.user.id}/${session.project?.id}`} />
            </Suspense>
          ) : null}
        </Layout>
      </Layout>
    </>
  )
}

/** The page, if it is of a section one may see. */
function Allowed() {
  const { pathname } = useLocation()
  const rule = sections.find((s) => s.base && pathname.startsWith(s.base))?.rule
  const may = useCan(rule ? [rule] : [])(rule)
  if (may.allowed) return <Outlet />
  return may.reason === undefined ? <Skeleton active /> : <Problem error={new ApiError(403, may.reason)} />
}

function Live() {
  const { t } = useTranslation()
  const live = useLive()
  return (
    <span role="status" style={{ marginInlineEnd: 8 }}>
      <Badge status={live === 'live' ? 'success' : live === 'lost' ? 'error' : 'processing'} text={t(`live.${live}`)} />
    </span>
  )
}

/** Which project, or the whole system, one acts in. */
function Scope({ session }: { session: Session }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const navigate = useNavigate()
  const { message } = App.useApp()
  const change = async (value: string) => {
    try {
      const body = value === 'system' ? { system: true } : { project_id: value }
      forgetAll(client, await request<Session>('PUT', '/dashboard/session/scope', body))
      await navigate({ to: '/overview' })
    } catch (e) {
      message.error((e as ApiError).message)
    }
  }
  return (
    <Select
      aria-label={t('shell.scope')}
      style={{ minWidth: 200 }}
      showSearch={{ optionFilterProp: 'label' }}
      value={session.project?.id ?? (session.system ? 'system' : session.domain?.id)}
      onChange={change}
      options={[
        ...session.projects.map((p) => ({ value: p.id, label: p.name })),
        ...(session.system_scope ? [{ value: 'system', label: t('shell.system') }] : []),
      ]}
    />
  )
}

function Preferences() {
  const { t, i18n } = useTranslation()
  const { mode, dark, compact } = useTheme()
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        selectedKeys: [`theme-${mode}`, `language-${i18n.language}`],
        items: [
          {
            type: 'group',
            label: t('shell.theme'),
            children: (['auto', 'light', 'dark'] as const).map((m) => ({ key: `theme-${m}`, label: t(`theme.${m}`) })),
          },
          { key: 'compact', label: compact ? t('theme.comfortable') : t('theme.compact') },
          {
            type: 'group',
            label: t('shell.language'),
            children: (Object.keys(languages) as Language[]).map((l) => ({ key: `language-${l}`, label: languages[l] })),
          },
        ],
        onClick: ({ key }) => {
          if (key === 'compact') setCompact(!compact)
          else if (key.startsWith('theme-')) setMode(key.slice(6) as typeof mode)
          else setLanguage(key.slice(9) as Language)
        },
      }}
    >
      <Button type="text" icon={dark ? <MoonOutlined /> : <SunOutlined />} aria-label={t('shell.preferences')} />
    </Dropdown>
  )
}

function Account({ session }: { session: Session }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const signOut = async () => {
    await request('DELETE', '/dashboard/session').catch(() => undefined)
    forgetAll(client, null)
  }
  return (
    <Dropdown
      trigger={['click']}
      menu={{
        items: [
          { key: 'roles', disabled: true, label: session.roles.join(', ') || t('shell.noRoles') },
          { key: 'account', label: <Link to="/account">{t('menu.account')}</Link> },
          { key: 'out', label: t('shell.signOut') },
        ],
        onClick: ({ key }) => key === 'out' && void signOut(),
      }}
    >
      <Button type="text" icon={<UserOutlined />}>
        {session.user.name} <DownOutlined />
      </Button>
    </Dropdown>
  )
}
