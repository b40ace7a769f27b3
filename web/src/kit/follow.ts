// What a component has accepted and does afterwards: its events say what
// becomes of it.
import type { Call, Row } from './api'
import { type CloudEvent, onEvent } from './events'

export type Outcome = 'done' | 'failed' | 'sent'

/** What is waited for: a thing, and what an event of it says of the work. */
export interface Follow {
  id: string
  says: (e: CloudEvent) => Outcome | undefined
}

/** The event that ends each of a server's actions. */
const actions: Record<string, string> = { 'os-start': 'power_on', 'os-stop': 'power_off', reboot: 'reboot' }

const inError = (e: CloudEvent) => e.type.endsWith('.error') || e.status?.toLowerCase() === 'error'

const made =
  (type: string) =>
  (e: CloudEvent): Outcome | undefined =>
    inError(e) ? 'failed' : e.type === type ? 'done' : undefined

const gone = (e: CloudEvent): Outcome | undefined => (e.gone ? 'done' : inError(e) ? 'failed' : undefined)

/** What is to be waited for after a call's answer, if its work goes on. */
export function follows({ method, service, path, body }: Call, answer: unknown): Follow | undefined {
  const [, kind, id, sub] = /^\/(servers|volumes)(?:\/([^/?]+))?(?:\/(\w+))?$/.exec(path) ?? []
  if ((service !== 'compute' || kind !== 'servers') && (service !== 'volume' || kind !== 'volumes')) return undefined
  const thing = kind === 'servers' ? 'server' : 'volume'
  if (method === 'DELETE' && id && !sub) return { id, says: gone }
  if (method !== 'POST') return undefined
  if (!id) {
    const one = (answer as Row | undefined)?.[thing]?.id
    const several = ((body as Row | undefined)?.server?.max_count ?? 1) > 1 // only the first is named
    if (typeof one !== 'string' || several) return undefined
    return { id: one, says: made(thing === 'server' ? 'compute.instance.create.end' : 'volume.create.end') }
  }
  const action = actions[Object.keys(body ?? {})[0] ?? '']
  if (thing !== 'server' || sub !== 'action' || !action) return undefined
  return { id, says: made(`compute.instance.${action}.end`) }
}

// An event may come before the answer of the call it is about: the newest are
// kept.
const keptFor = 30_000
let newest: { at: number; e: CloudEvent }[] = []
const waiting = new Set<(e: CloudEvent) => void>()

onEvent((e) => {
  const now = Date.now()
  newest = [...newest.filter((one) => one.at > now - keptFor), { at: now, e }]
  for (const tell of waiting) tell(e)
})

/** How long is waited for an event: work that takes longer is said to be accepted. */
const patience = 10 * 60_000

/** What becomes of it; since is when the call was sent. */
export function outcome({ id, says }: Follow, since: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const end = (o: Outcome) => {
      waiting.delete(see)
      clearTimeout(timer)
      resolve(o)
    }
    const see = (e: CloudEvent) => {
      const said = e.id === id ? says(e) : undefined
      if (said) end(said)
    }
    const timer = setTimeout(() => end('sent'), patience)
    waiting.add(see)
    for (const { at, e } of newest) if (at >= since && waiting.has(see)) see(e)
  })
}
