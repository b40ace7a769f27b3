// What somebody looked at last: names and places, kept in this browser for him
// alone.
import { type Place, samePlace } from './links'

export interface Seen {
  /** The key of what it is below "kinds.". */
  kind: string
  name: string
  place: Place
}

const most = 12

const key = (who: string) => `recent.${who}`

/** What he saw last, the last first. */
export function recent(who: string): Seen[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key(who)) ?? '[]')
    if (!Array.isArray(kept)) return []
    return (kept as Seen[]).filter((s) => typeof s?.place?.to === 'string' && typeof s.kind === 'string' && typeof s.name === 'string')
  } catch {
    return [] // somebody else wrote it
  }
}

/** Keeps that he saw something. */
export function remember(who: string, seen: Seen) {
  const others = recent(who).filter((s) => !samePlace(s.place, seen.place))
  localStorage.setItem(key(who), JSON.stringify([seen, ...others].slice(0, most)))
}
