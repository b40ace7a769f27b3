// What a server's page shows of its requests.
import { useQuery } from '@tanstack/react-query'
import { type ApiError, request } from '../../kit/api'
import { Problem } from '../../kit/problem'
import { Requests } from './traces'
import type { Span } from './tree'

/** The requests that acted on a server, as far as they are still known. */
export function ServerRequests({ id }: { id: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['traces', 'server', id],
    queryFn: () => request<{ requests: Span[] }>('GET', `/dashboard/traces?server=${id}&reads=true`),
  })
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  return <Requests spans={data?.requests} loading={!data} empty="trace.forgotten" />
}
