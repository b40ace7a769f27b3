// Requests to the dashboard's own server, which passes them on to the
// components in the session's name. The token never comes here.
import { keepPreviousData, type QueryClient, useQuery } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'
import type { Verdict } from './reason'

export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly requestId?: string,
  ) {
    super(message)
  }
}

/** A request to a component's API, as data: it can be sent, and shown. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  service: 'identity' | 'image' | 'compute' | 'placement' | 'network' | 'volume' | 'messaging'
  path: string
  body?: unknown
  /** The content type of the body, if it is not JSON. */
  type?: string
  headers?: Record<string, string>
  /** The microversion, if not the newest: "compute 2.91". */
  version?: string
  /** The same by the openstack command. */
  cli?: string
  /** The same as Terraform. */
  terraform?: string
}

async function failure(resp: Response): Promise<ApiError> {
  const text = await resp.text()
  let message = text.slice(0, 500) || resp.statusText
  let requestId = resp.headers.get('x-openstack-request-id') ?? undefined
  try {
    const body = JSON.parse(text)
    // Each component has its own envelope: {error: {message}}, {itemNotFound: {message}}, {NeutronError: {message}}, {errors: [{detail}]},
    // and the broker's {error: "bad_request", reason: "…"}.
    const inner = body.errors?.[0] ?? body.reason ?? Object.values(body)[0] ?? body
    if (typeof inner === 'string') message = inner
    else message = inner.message ?? inner.detail ?? inner.reason ?? message
    requestId = inner.request_id ?? requestId
  } catch {
    const title = /<br ?\/><br ?\/>\s*([^<]+)/.exec(text)
    if (title) message = title[1].trim()
  }
  return new ApiError(resp.status, message, requestId)
}

export interface Answer<T> {
  body: T
  requestId?: string
}

async function ask<T>(
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
  more?: Record<string, string>,
): Promise<Answer<T>> {
  const headers: Record<string, string> = { 'X-Nubo-Dashboard': '1', ...more }
  let content: BodyInit | undefined
  if (body !== undefined) {
    headers['Content-Type'] = type
    content = body instanceof Blob ? body : JSON.stringify(body)
  }
  let resp: Response
  try {
    resp = await fetch(path, { method, headers, body: content, credentials: 'same-origin' })
  } catch {
    throw new ApiError(0, 'offline')
  }
  if (!resp.ok) throw await failure(resp)
  const text = await resp.text()
  return { body: (text === '' ? undefined : JSON.parse(text)) as T, requestId: resp.headers.get('x-openstack-request-id') ?? undefined }
}

/** Sends a request to the dashboard's server. */
export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await ask<T>(method, path, body)).body
}

/** Sends a call to a component, and says which request it was. */
export function exchange<T = unknown>(call: Call): Promise<Answer<T>> {
  const headers = call.version ? { 'OpenStack-API-Version': call.version, ...call.headers } : call.headers
  return ask<T>(call.method, `/dashboard/api/${call.service}${call.path}`, call.body, call.type, headers)
}

/** Sends a call to a component. */
export async function send<T = unknown>(call: Call): Promise<T> {
  return (await exchange<T>(call)).body
}

export interface Session {
  user: { id: string; name: string; domain?: { id: string; name: string } }
  project: { id: string; name: string } | null
  domain: { id: string; name: string } | null
  system: boolean
  roles: string[]
  expires_at: string
  projects: { id: string; name: string; domain_id: string }[]
  system_scope: boolean
  services: string[]
  auth_url: string
}

export const sessionKey = ['session']

/** Who is signed in; null for nobody. */
export function useSession() {
  return useQuery({
    queryKey: sessionKey,
    queryFn: async () => {
      try {
        return await request<Session>('GET', '/dashboard/session')
      } catch (e) {
        if (e instanceof ApiError && e.code === 401) return null
        throw e
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
  })
}

// biome-ignore lint/suspicious/noExplicitAny: what components answer is described where it is shown
export type Row = Record<string, any>

export type PageData = Row & { errors: Record<string, { code: number; message: string }> }

/** What a page shows, as a query. */
export const pageQuery = (page: string, params: Record<string, string>) => ({
  queryKey: ['page', page, params],
  queryFn: () => request<PageData>('GET', `/dashboard/pages/${page}?${new URLSearchParams(params)}`),
})

/** One page's data: one request. */
export function usePage(page: string, params: Record<string, string> = {}, enabled = true) {
  return useQuery({
    ...pageQuery(page, params),
    enabled,
    // While a page asks for something else of the same, what it showed stays.
    placeholderData: keepPreviousData,
  })
}

/** A list a page of its own is not worth; it is asked for again after staleTime, if it is shown anew. */
export function useCall<T = Row>(call: Call, enabled = true, staleTime = 5_000) {
  return useQuery({ queryKey: ['call', call.service, call.path, call.body], queryFn: () => send<T>(call), enabled, staleTime })
}

// What the policies have said so far. All rules that are wanted at the same
// time, by whatever part of a page, are asked about in one request.
let verdicts = new Map<string, Verdict & { at: number }>()
const wanted = new Set<string>()
const askers = new Set<() => void>()
const verdictKept = 60_000
let asking = false

function want(rules: string[]) {
  const now = Date.now()
  for (const rule of rules) if ((verdicts.get(rule)?.at ?? 0) < now - verdictKept) wanted.add(rule)
  if (wanted.size === 0 || asking) return
  asking = true
  setTimeout(askAll, 0)
}

async function askAll() {
  const rules = [...wanted].sort().slice(0, 150)
  const of = verdicts
  for (const rule of rules) wanted.delete(rule)
  try {
    const answer = await request<Record<string, Verdict>>('GET', `/dashboard/can?rules=${rules.join(',')}`)
    if (of !== verdicts) return // they were another session's
    const at = Date.now()
    verdicts = new Map([...verdicts, ...rules.map((rule) => [rule, { ...(answer[rule] ?? { allowed: false }), at }] as const)])
    for (const tell of askers) tell()
  } catch (e) {
    if (e instanceof ApiError && e.code !== 0 && e.code < 500) return
    for (const rule of rules) wanted.add(rule)
    await new Promise((done) => setTimeout(done, 2000))
  } finally {
    asking = false
    want([])
  }
}

/** What the policies allow the session. */
export function useCan(rules: string[]): (rule?: string) => Verdict {
  const known = useSyncExternalStore(
    (tell) => {
      askers.add(tell)
      return () => askers.delete(tell)
    },
    () => verdicts,
  )
  const all = rules.join()
  useEffect(() => want(all.split(',').filter(Boolean)), [all])
  return (rule) => (rule ? (known.get(rule) ?? { allowed: false }) : { allowed: true })
}

const forgetters = new Set<() => void>()

/** Calls back when somebody signs out, to forget what was his. */
export function onForget(forget: () => void) {
  forgetters.add(forget)
}

/** Forgets everything a session saw. */
export function forgetAll(client: QueryClient, session: Session | null) {
  if (!session) for (const forget of forgetters) forget()
  const asked = [...verdicts.keys()]
  verdicts = new Map()
  for (const tell of askers) tell()
  if (session) want(asked)
  client.removeQueries({ predicate: (q) => q.queryKey[0] !== 'session' })
  client.setQueryData(sessionKey, session)
}
