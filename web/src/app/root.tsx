import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { App, ConfigProvider, Spin, theme } from 'antd'
import { lazy, Suspense } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, useSession } from '../kit/api'
import { useEvents } from '../kit/events'
import { componentTexts } from '../kit/i18n'
import { Problem } from '../kit/problem'
import { router } from './router'
import { colours, useTheme } from './theme'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      retry: (count, e) => count < 2 && (!(e instanceof ApiError) || e.code === 0 || e.code >= 500),
      staleTime: 5_000,
      // A cloud on the same machine answers also when the browser thinks itself
      // offline, as it does where only the loopback interface is up.
      networkMode: 'always',
    },
  },
})

const Login = lazy(() => import('../pages/login').then((m) => ({ default: m.Login })))

const still = window.matchMedia('(prefers-reduced-motion: reduce)')

export function Root() {
  return (
    <QueryClientProvider client={client}>
      <Themed />
    </QueryClientProvider>
  )
}

function Themed() {
  useTranslation() // another language is another page
  const { dark, compact } = useTheme()
  const algorithm = [dark ? theme.darkAlgorithm : theme.defaultAlgorithm]
  if (compact) algorithm.push(theme.compactAlgorithm)
  const { token, components } = colours(dark)
  return (
    <ConfigProvider
      button={{ autoInsertSpace: false }}
      locale={componentTexts()}
      theme={{ algorithm, cssVar: {}, token: { ...token, motion: !still.matches }, components }}
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
  if (!session.data) {
    return (
      <Suspense fallback={<Spin fullscreen />}>
        <Login />
      </Suspense>
    )
  }
  return <RouterProvider router={router} />
}
