import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { App, ConfigProvider, Spin, theme } from 'antd'
import en from 'antd/locale/en_US'
import zh from 'antd/locale/zh_CN'
import { useTranslation } from 'react-i18next'
import { ApiError, useSession } from '../kit/api'
import { useEvents } from '../kit/events'
import { Problem } from '../kit/list'
import { Login } from '../pages/login'
import { router } from './router'
import { useTheme } from './theme'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      retry: (count, e) => count < 2 && (!(e instanceof ApiError) || e.code === 0 || e.code >= 500),
      staleTime: 5_000,
    },
  },
})

const still = window.matchMedia('(prefers-reduced-motion: reduce)')

export function Root() {
  return (
    <QueryClientProvider client={client}>
      <Themed />
    </QueryClientProvider>
  )
}

function Themed() {
  const { i18n } = useTranslation()
  const { dark, compact } = useTheme()
  const algorithm = [dark ? theme.darkAlgorithm : theme.defaultAlgorithm]
  if (compact) algorithm.push(theme.compactAlgorithm)
  return (
    <ConfigProvider
      button={{ autoInsertSpace: false }}
      locale={i18n.language === 'zh-CN' ? zh : en}
      theme={{ algorithm, cssVar: {}, token: { colorPrimary: '#1668dc', motion: !still.matches } }}
    >
      <App>
        <Gate />
      </App>
    </ConfigProvider>
  )
}

/** Nobody sees anything before he has signed in. */
function Gate() {
  const session = useSession()
  const who = session.data ? `${session.data.user.id}/${session.data.project?.id ?? session.data.domain?.id ?? 'system'}` : undefined
  useEvents(client, who)
  if (session.isLoading) return <Spin fullscreen />
  if (session.error) return <Problem error={session.error as ApiError} retry={() => session.refetch()} />
  if (!session.data) return <Login />
  return <RouterProvider router={router} />
}
