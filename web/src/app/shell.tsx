import { DownOutlined, MenuOutlined, MoonOutlined, SunOutlined, UserOutlined } from '@ant-design/icons'
import { useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useLocation, useNavigate, useRouterState } from '@tanstack/react-router'
import { App, Badge, Breadcrumb, Button, Drawer, Flex, Grid, Layout, Select, Skeleton, Typography } from 'antd'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, forgetAll, request, type Session, useCan, useSession } from '../kit/api'
import { DropMenu } from '../kit/dropmenu'
import { useLive, useTicks } from '../kit/events'
import { focusOn } from '../kit/focus'
import { type Language, languages, setLanguage } from '../kit/i18n'
import { Problem } from '../kit/problem'
import { TaskLog } from '../kit/tasks'
import { useConsoles } from '../pages/console/open'
import { type Item, type Section, sections } from './menu'
import { Nav } from './nav'
import { Palette } from './palette'
import { setCompact, setMode, useTheme } from './theme'

const Dock = lazy(() => import('../pages/console/dock'))

export function Shell() {
  const { t } = useTranslation()
  const session = useSession().data
  const can = useCan(sections.flatMap((s) => s.rule ?? []))
  const { pathname } = useLocation()
  const shownPath = useRouterState({ select: (s) => s.resolvedLocation?.pathname })
  const consoles = useConsoles().all
  useTicks(pathname.startsWith('/broker/') && can('dashboard:broker').allowed ? 'broker' : '')
  const { section, item } = inMenu(pathname)
  const title = item ? `${t(`menu.${item.key}`)} · nubo` : 'nubo'
  useEffect(() => {
    document.title = title
  }, [title])
  // What had the focus is gone with its page: it is the new one's.
  const before = useRef(shownPath)
  useEffect(() => {
    if (before.current && before.current !== shownPath && document.activeElement === document.body) focusOn(document.getElementById('main'))
    before.current = shownPath
  }, [shownPath])
  const [menu, setMenu] = useState(false)
  const wide = Grid.useBreakpoint().lg ?? true
  if (!session) return null
  const shown = sections.filter((s) => can(s.rule).allowed)
  const nav = <Nav sections={shown} services={session.services} section={section} item={item} gone={() => setMenu(false)} />
  return (
    <>
      <a className="skip" href="#main">
        {t('shell.skip')}
      </a>
      <Layout hasSider={wide} style={{ minHeight: '100vh' }}>
        {wide ? (
          <Layout.Sider theme="light" width={220} className="side">
            <Logo />
            {nav}
          </Layout.Sider>
        ) : (
          <Drawer open={menu} onClose={() => setMenu(false)} placement="left" size={280} title={<Logo />} className="menu-drawer">
            {nav}
          </Drawer>
        )}
        <Layout>
          <Layout.Header className="head">
            {wide ? null : (
              <Button type="text" icon={<MenuOutlined />} aria-label={t('shell.menu')} aria-expanded={menu} onClick={() => setMenu(true)} />
            )}
            <Scope session={session} />
            <Flex align="center" gap={4} className="head-tools">
              <Live />
              <Palette sections={shown} />
              <TaskLog />
              <Preferences />
              <Account session={session} />
            </Flex>
          </Layout.Header>
          <Layout.Content
            id="main"
            role="main"
            tabIndex={-1}
            aria-busy={shownPath !== pathname}
            data-path={shownPath}
            className="page"
            key={session.project?.id ?? session.domain?.id ?? 'system'}
          >
            {section && item && pathname !== item.to ? <Way section={section} item={item} /> : null}
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

/** Where in the menu a page is, or the list that leads to it. */
function inMenu(pathname: string): { section?: Section; item?: Item } {
  for (const section of sections) {
    const item = section.items.find((i) => pathname === i.to || pathname.startsWith(`${i.to}/`))
    if (item) return { section, item }
  }
  return {}
}

function Logo() {
  return (
    <Flex align="center" gap={8} className="logo">
      <img src="/nubo.svg" alt="" width={28} />
      <Typography.Text strong style={{ fontSize: 18 }}>
        nubo
      </Typography.Text>
    </Flex>
  )
}

/** From a page about one thing back to the list of such things. */
function Way({ section, item }: { section: Section; item: Item }) {
  const { t } = useTranslation()
  return (
    <Breadcrumb
      className="way"
      aria-label={t('shell.way')}
      items={[{ title: t(`menu.${section.key}`) }, { title: <Link to={item.to}>{t(`menu.${item.key}`)}</Link> }]}
    />
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
    <span role="status" className="live">
      <Badge
        status={live === 'live' ? 'success' : live === 'lost' ? 'error' : 'processing'}
        text={<span className="word">{t(`live.${live}`)}</span>}
      />
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
      className="scope"
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
  const button = useRef<HTMLButtonElement>(null)
  return (
    <DropMenu
      at={button}
      selected={[`theme-${mode}`, `language-${i18n.language}`]}
      items={[
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
      ]}
      choose={(key) => {
        if (key === 'compact') setCompact(!compact)
        else if (key.startsWith('theme-')) setMode(key.slice(6) as typeof mode)
        else setLanguage(key.slice(9) as Language)
      }}
    >
      <Button ref={button} type="text" icon={dark ? <MoonOutlined /> : <SunOutlined />} aria-label={t('shell.preferences')} />
    </DropMenu>
  )
}

function Account({ session }: { session: Session }) {
  const { t } = useTranslation()
  const client = useQueryClient()
  const navigate = useNavigate()
  const button = useRef<HTMLButtonElement>(null)
  const signOut = async () => {
    await request('DELETE', '/dashboard/session').catch(() => undefined)
    forgetAll(client, null)
  }
  return (
    <DropMenu
      at={button}
      items={[
        { key: 'roles', disabled: true, label: session.roles.join(', ') || t('shell.noRoles') },
        { key: 'account', label: t('menu.account') },
        { key: 'out', label: t('shell.signOut') },
      ]}
      choose={(key) => void (key === 'out' ? signOut() : navigate({ to: '/account' }))}
    >
      <Button ref={button} type="text" icon={<UserOutlined />} aria-label={session.user.name}>
        <span className="word">
          {session.user.name} <DownOutlined />
        </span>
      </Button>
    </DropMenu>
  )
}
