// What was begun in a form and not sent is there again when the page is loaded
// anew: in this tab alone, and never what is secret.
import { useMemo, useState } from 'react'
import { onForget, type Row, useSession } from './api'
import type { Field } from './form'

const prefix = 'draft.'

/** What must not be kept: keys, and passwords that scripts set. */
const secret = /PRIVATE KEY|\b(?:passw(?:or)?d|chpasswd|secret|token)\b/i

/** What of a form's values may be kept: what differs from how it began and is no secret. */
export function keepable(fields: Field[], values: Row): Row {
  return Object.fromEntries(
    fields
      .filter((f) => f.type !== 'password' && f.type !== 'file' && values[f.name] !== undefined)
      .filter((f) => JSON.stringify(values[f.name]) !== JSON.stringify(f.initial))
      .map((f) => [f.name, values[f.name]])
      .filter(([, value]) => !secret.test(typeof value === 'string' ? value : JSON.stringify(value))),
  )
}

/** What of a draft the form still takes: an option that is gone is not chosen. */
export function takeable(fields: Field[], draft: Row): Row {
  const out: Row = {}
  for (const { name, options } of fields) {
    if (!(name in draft)) continue
    const known = (value: unknown) => !options || options.some((o) => o.value === value)
    const value = draft[name]
    if (Array.isArray(value)) out[name] = value.filter(known)
    else if (known(value)) out[name] = value
  }
  return out
}

function read(key: string): Row | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    return typeof kept === 'object' && kept !== null && !Array.isArray(kept) ? (kept as Row) : undefined
  } catch {
    return undefined // somebody else wrote it
  }
}

const stored = () => Object.keys(sessionStorage).filter((key) => key.startsWith(prefix))

/** The drafts that were there when the page was loaded: of before it was loaded anew. */
let before: Set<string> | undefined

function ofBefore() {
  before ??= new Set(stored())
  return before
}

onForget(() => {
  for (const key of stored()) sessionStorage.removeItem(key)
})

function useKey(name: string): string {
  const session = useSession().data
  return `${prefix}${session?.user.id}/${session?.project?.id ?? ''}/${name}`
}

/** The draft of a form: what it begins with, and what is to be called as it changes and ends. */
export function useDraft(name: string, fields: Field[]) {
  const key = useKey(name)
  ofBefore() // until now nothing is kept anew
  // biome-ignore lint/correctness/useExhaustiveDependencies: the form begins once
  const values = useMemo(() => takeable(fields, read(key) ?? {}), [key])
  const [kept, setKept] = useState(Object.keys(values).length > 0)
  const end = () => {
    sessionStorage.removeItem(key)
    setKept(false)
  }
  return {
    /** What the form begins with beside its own. */
    values,
    /** Whether the form began with a draft. */
    kept,
    keep: (now: Row) => {
      const draft = keepable(fields, now)
      if (Object.keys(draft).length > 0) sessionStorage.setItem(key, JSON.stringify(draft))
      else sessionStorage.removeItem(key)
    },
    /** Forgets the draft: the form is sent, closed, or begun anew. */
    end,
  }
}

/** Whether a form was open with a draft when the page was loaded anew; it is said once. */
export function useBegun(name: string): () => boolean {
  const key = useKey(name)
  return () => ofBefore().delete(key) && read(key) !== undefined
}
