// Where a thing has its page, by the address the API has for it.
import type { Call } from './api'

const details: Record<string, string> = {
  'compute/servers': '/servers',
  'network/networks': '/networks',
  'network/security-groups': '/security-groups',
  'identity/projects': '/identity/projects',
}

/** Things without a page of their own are found in their list. */
const lists: Record<string, string> = {
  'image/v2/images': '/images',
  'volume/volumes': '/volumes',
  'network/routers': '/routers',
  'network/floatingips': '/floating-ips',
}

export interface Place {
  to: string
  search?: { q?: string; tab?: string }
}

/** The page of the thing a call is about, or has made. */
export function placeOf(call: Call, answer?: unknown): Place | undefined {
  if (call.method === 'DELETE') return undefined
  const at = `${call.service}${call.path.replace(/\?.*/, '')}`
  for (const [known, page] of [...Object.entries(details), ...Object.entries(lists)]) {
    if (at !== known && !at.startsWith(`${known}/`)) continue
    const id = at === known ? made(answer) : at.slice(known.length + 1).split('/')[0]
    if (!id) return undefined
    return known in details ? { to: `${page}/${id}` } : { to: page, search: { q: id } }
  }
}

/** The id of what was made: in its envelope, or bare as image answers. */
function made(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const bare = answer as { id?: unknown }
  if (typeof bare.id === 'string') return bare.id
  const [inner] = Object.values(answer) as { id?: unknown }[]
  return typeof inner?.id === 'string' ? inner.id : undefined
}

/** Whether two places are the same. */
export const samePlace = (a: Place, b: Place) => a.to === b.to && a.search?.q === b.search?.q && a.search?.tab === b.search?.tab

/** A thing that a search has found. */
export interface Found {
  kind: string
  id: string
  name?: string
  detail?: string
  status?: string
  project_id?: string
  /** The thing on whose page it is. */
  of?: string
}

/** Kinds with a page a thing, and those found in their list: in the administrator's if they are another project's. */
const pagesOf: Record<string, string> = {
  server: '/servers',
  network: '/networks',
  securitygroup: '/security-groups',
  project: '/identity/projects',
}
const listsOf: Record<string, [own: string, everybodys?: string]> = {
  volume: ['/volumes', '/admin/volumes'],
  image: ['/images'],
  router: ['/routers', '/admin/routers'],
  port: ['/ports'],
  floatingip: ['/floating-ips', '/admin/floating-ips'],
  keypair: ['/keypairs'],
  flavor: ['/flavors'],
  user: ['/identity/users'],
  host: ['/admin/hypervisors'],
}

/** Where a found thing is looked at. */
export function foundPlace(found: Found, project: string | undefined): Place {
  if (found.kind === 'subnet') return { to: `/networks/${found.of}`, search: { tab: 'subnets' } }
  if (found.kind in pagesOf) return { to: `${pagesOf[found.kind]}/${found.id}` }
  const [own, everybodys] = listsOf[found.kind] ?? ['/overview']
  const foreign = found.project_id !== undefined && found.project_id !== project
  if (foreign && found.kind === 'port') return { to: `/networks/${found.of}`, search: { tab: 'ports' } }
  return { to: foreign && everybodys ? everybodys : own, search: { q: found.kind === 'host' ? (found.name ?? found.id) : found.id } }
}
