// Goes anywhere: pages by their names, things by name, address or id, what one
// looked at last. What can be done with a server is below it.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Flex, Input, type InputRef, Typography } from 'antd'
import { type KeyboardEvent, type Ref, useEffect, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Actions } from '../kit/actions'
import { type ApiError, type PageData, type Row, request, send, useSession } from '../kit/api'
import { type Found, foundPlace, type Place } from '../kit/links'
import { recent, remember } from '../kit/recent'
import { useSettled } from '../kit/settled'
import { Status } from '../kit/status'
import { serverActions } from '../pages/project/servers'
import type { Section } from './menu'
import './finder.css'

interface Option {
  /** The key of what it is below "kinds.". */
  kind: string
  name: string
  place: Place
  detail?: string
  status?: string
  server?: string
}

interface Group {
  key: string
  options: Option[]
}

interface Answer {
  found: Found[]
  more: string[]
  errors: Record<string, { message: string }>
}

/** How long a text must be to be looked for. */
const shortest = 2

export function Finder({ sections, close, input }: { sections: Section[]; close: () => void; input: Ref<InputRef> }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const session = useSession().data
  const project = session?.project?.id
  const who = `${session?.user.id}/${project ?? ''}`
  const id = useId()
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const [entered, setEntered] = useState(false)
  const text = useSettled(typed.trim(), 200)
  const search = useQuery({
    queryKey: ['search', who, text],
    queryFn: () => request<Answer>('GET', `/dashboard/search?${new URLSearchParams({ q: text })}`),
    enabled: text.length >= shortest && text.length <= 100,
    placeholderData: keepPreviousData,
    staleTime: 0,
    gcTime: 10_000,
  })
  /** Whether what is shown is of what is typed. */
  const known = text === typed.trim() && !search.isFetching
  const there = text.length >= shortest ? search.data : undefined
  const lower = typed.trim().toLowerCase()
  const pages: Option[] = sections.flatMap((s) =>
    s.items
      .filter((i) => !i.service || session?.services.includes(i.service))
      .map((i) => ({ kind: 'page', name: `${t(`menu.${s.key}`)} › ${t(`menu.${i.key}`)}`, place: { to: i.to } }))
      .filter((o) => o.name.toLowerCase().includes(lower) || o.place.to.includes(lower)),
  )
  // What is called just so comes before what is called so among other things.
  const exact = (o: Option) => [o.name, o.name.split(' › ')[1]].some((name) => name?.toLowerCase() === lower)
  pages.sort((a, b) => Number(exact(b)) - Number(exact(a)))
  const things: Option[] = (there?.found ?? []).map((f) => ({
    kind: f.kind,
    name: f.name || f.detail || f.id,
    detail: [f.name ? f.detail : '', f.project_id && project && f.project_id !== project ? t('finder.elsewhere') : '']
      .filter(Boolean)
      .join(' · '),
    status: f.status,
    place: foundPlace(f, project),
    server: f.kind === 'server' ? f.id : undefined,
  }))
  const named = { key: 'pages', options: pages }
  const begins = pages.some((o) => o.name.toLowerCase().split(' › ')[1]?.startsWith(lower))
  const groups: Group[] = (
    lower === ''
      ? [{ key: 'recent', options: recent(who) }, named]
      : begins
        ? [named, { key: 'things', options: things }]
        : [{ key: 'things', options: things }, named]
  ).filter((g) => g.options.length > 0)
  const all = groups.flatMap((g) => g.options)
  const now = Math.min(at, all.length - 1)
  const chosen = all[now] as Option | undefined

  const go = (o: Option) => {
    if (o.kind !== 'page') remember(who, { kind: o.kind, name: o.name, place: o.place })
    close()
    void navigate({ to: o.place.to as never, search: (o.place.search ?? {}) as never })
  }
  const press = (e: KeyboardEvent) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (move && all.length > 0) {
      e.preventDefault()
      setAt((now + move + all.length) % all.length)
    } else if (e.key === 'Enter' && !e.nativeEvent.isComposing) {
      e.preventDefault()
      if (chosen && (known || chosen.kind === 'page')) go(chosen)
      else setEntered(true)
    }
  }
  // Enter that came before the answer means the answer's first.
  useEffect(() => {
    if (!entered || !known) return
    setEntered(false)
    if (chosen) go(chosen)
  })
  useEffect(() => {
    document.getElementById(`${id}-${now}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, now])
  const failed = Object.keys(there?.errors ?? {})
  return (
    <>
      <Input
        ref={input}
        autoFocus
        role="combobox"
        aria-label={t('shell.search')}
        aria-expanded={all.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={chosen ? `${id}-${now}` : undefined}
        aria-autocomplete="list"
        placeholder={t('finder.placeholder')}
        value={typed}
        maxLength={100}
        onChange={(e) => {
          setTyped(e.target.value)
          setAt(0)
          setEntered(false)
        }}
        onKeyDown={press}
      />
      <div className="found" role="listbox" id={`${id}-list`} aria-label={t('shell.search')} aria-busy={search.isFetching}>
        {groups.map((g) => (
          // biome-ignore lint/a11y/useSemanticElements: it is a group of options, not of fields
          <div key={g.key} role="group" aria-labelledby={`${id}-${g.key}`}>
            <div className="found-group" id={`${id}-${g.key}`}>
              {t(`finder.${g.key}`)}
            </div>
            {g.options.map((o) => {
              const n = all.indexOf(o)
              return (
                // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
                // biome-ignore lint/a11y/useFocusableInteractive: the field above has the focus
                <div
                  key={`${o.kind} ${o.place.to} ${o.place.search?.q ?? ''} ${o.name}`}
                  role="option"
                  id={`${id}-${n}`}
                  aria-selected={n === now}
                  data-kind={o.kind}
                  onClick={() => go(o)}
                  onMouseMove={() => setAt(n)}
                >
                  {o.kind === 'page' ? <span /> : <Typography.Text type="secondary">{t(`kinds.${o.kind}`)}</Typography.Text>}
                  <span>
                    {o.name} {o.detail ? <Typography.Text type="secondary">{o.detail}</Typography.Text> : null}
                  </span>
                  {o.status ? <Status value={o.status} /> : null}
                </div>
              )
            })}
          </div>
        ))}
      </div>
      <div role="status">
        {lower !== '' && all.length === 0 && known ? t('finder.nothing') : ''}
        {there && there.more.length > 0 ? (
          <Typography.Text type="secondary">
            {t('finder.more', { kinds: there.more.map((k) => t(`kinds.${k}`)).join(', ') })}
          </Typography.Text>
        ) : null}
        {failed.length > 0 ? (
          <Typography.Text type="danger">{t('finder.failed', { kinds: failed.map((k) => t(`kinds.${k}`)).join(', ') })}</Typography.Text>
        ) : null}
        {search.error && there ? <Typography.Text type="danger">{(search.error as ApiError).message}</Typography.Text> : null}
      </div>
      {chosen?.server && known ? <ServerActions key={chosen.server} id={chosen.server} close={close} /> : null}
    </>
  )
}

/** What can be done with a server without going to its page. */
function ServerActions({ id, close }: { id: string; close: () => void }) {
  const { data } = useQuery({
    queryKey: ['found', id],
    queryFn: () => send<{ server: Row }>({ method: 'GET', service: 'compute', path: `/servers/${id}` }),
    gcTime: 0, // what it was is no news
  })
  const actions = serverActions
    .filter((a) => !a.form && !a.danger)
    .map((a) => {
      const { go } = a
      return go
        ? {
            ...a,
            go: (row: Row) => {
              close()
              go(row)
            },
          }
        : a
    })
  return (
    <Flex style={{ marginBlockStart: 12, minHeight: 32 }}>
      {data ? <Actions buttons actions={actions} row={data.server} data={{ errors: {} } as PageData} after={close} /> : null}
    </Flex>
  )
}
