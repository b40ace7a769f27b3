// The field a list is filtered by: words, and key:value as chips that are
// completed while one types.
import { AutoComplete, Flex, Tag } from 'antd'
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Token, tokens, typedAs } from './filter'

export interface Key {
  key: string
  /** The key of its title below "fields.". */
  title: string
  /** What is offered for it. */
  values: () => string[]
}

interface Props {
  keys: Key[]
  /** What is filtered by, as one types it and as the address has it. */
  value: string
  /** begun says that a change begins with this letter, click or key: going back undoes the whole of it. */
  onChange: (value: string, begun: boolean) => void
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** What is typed, taken apart: chips, and the words that are none. */
export function parts(value: string, known: (key: string) => boolean): { chips: Token[]; words: string } {
  const all = tokens(value)
  const isChip = (one: Token) => one.key !== undefined && one.value !== '' && known(one.key)
  return {
    chips: all.filter(isChip),
    words: all
      .filter((one) => !isChip(one))
      .map(typedAs)
      .join(' '),
  }
}

/** Chips with one more: a key has one value. */
export function withChip(chips: Token[], one: Token): Token[] {
  return [...chips.filter((c) => !same(c.key ?? '', one.key ?? '')), one]
}

const lastWord = /(?:[\w.]+:"[^"]*"?|\S*)$/

/** What may be meant by the last word typed. */
export function completions(typed: string, keys: Key[], title: (key: Key) => string): { value: string; label: string }[] {
  const last = lastWord.exec(typed)?.[0] ?? ''
  const [, name, begun] = /^([\w.]+):(.*)$/s.exec(last) ?? []
  const key = name === undefined ? undefined : keys.find((k) => same(k.key, name))
  if (key) {
    const wanted = (begun ?? '').replaceAll('"', '').toLowerCase()
    return key
      .values()
      .filter((v) => v.toLowerCase().includes(wanted))
      .slice(0, 10)
      .map((v) => ({ value: typedAs({ key: key.key, value: v }), label: v }))
  }
  const lower = last.toLowerCase()
  return keys
    .filter((k) => k.key.toLowerCase().startsWith(lower) || title(k).toLowerCase().includes(lower))
    .map((k) => ({ value: `${k.key}:`, label: `${k.key}: ${title(k)}` }))
}

export function FilterField({ keys, value, onChange }: Props) {
  const { t } = useTranslation()
  const known = (key: string) => keys.some((k) => same(k.key, key))
  const title = (k: Key) => t(`fields.${k.title}`)
  // What the address says is taken apart; what is typed stays words until it is whole.
  const [state, setState] = useState({ value, ...parts(value, known) })
  const [open, setOpen] = useState(false)
  /** Whether the value of a key that was picked is to be picked now. */
  const goesOn = useRef(false)
  /** What was said and has not come back by the address yet. */
  const said = useRef(new Set<string>())
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the address that has changed
  useEffect(() => {
    if (value === state.value) said.current.clear()
    else if (!said.current.has(value)) setState({ value, ...parts(value, known) })
  }, [value])
  const change = (chips: Token[], words: string) => {
    const next = [...chips.map(typedAs), words].join(' ').trim()
    setState({ value: next, chips, words })
    if (next === value) return
    said.current.add(next)
    onChange(next, state.words === '')
  }
  /** Makes chips of what is whole. */
  const take = (words: string) => {
    const { chips, words: rest } = parts(words, known)
    if (chips.length > 0) change(chips.reduce(withChip, state.chips), rest)
    return chips.length > 0
  }
  const options = completions(state.words, keys, title)
  const press = (e: KeyboardEvent) => {
    // An option that is marked is meant, not what is typed.
    if (e.key === 'Enter' && document.querySelector('.filter-options:not(.ant-select-dropdown-hidden) .ant-select-item-option-active'))
      return
    if (e.key === 'Enter' || (e.key === ' ' && state.words.split('"').length % 2 === 1)) {
      if (take(state.words)) e.preventDefault()
    } else if (e.key === 'Backspace' && state.words === '' && state.chips.length > 0) change(state.chips.slice(0, -1), '')
  }
  return (
    <Flex gap={4} align="center" wrap data-filter>
      {state.chips.map((c) => {
        const key = keys.find((k) => same(k.key, c.key ?? ''))
        return (
          <Tag
            key={c.key}
            data-chip={typedAs(c)}
            closable={{ 'aria-label': t('list.removeFilter', { filter: typedAs(c) }) }}
            onClose={(e) => {
              e.preventDefault()
              change(
                state.chips.filter((one) => one !== c),
                state.words,
              )
            }}
          >
            {key ? title(key) : c.key}: {c.value}
          </Tag>
        )
      })}
      <AutoComplete
        allowClear
        aria-label={t('list.filter')}
        placeholder={t('list.filter')}
        style={{ width: 240 }}
        value={state.words}
        options={options}
        open={open && options.length > 0}
        onOpenChange={(next) => {
          if (next || !goesOn.current) setOpen(next)
          goesOn.current = false
        }}
        defaultActiveFirstOption={false}
        classNames={{ popup: { root: 'filter-options' } }}
        showSearch={{ filterOption: false }}
        onChange={(words: string) => {
          setOpen(true)
          change(state.chips, words ?? '')
        }}
        onSelect={(picked: string) => {
          const before = state.words.replace(lastWord, '')
          goesOn.current = picked.endsWith(':')
          if (goesOn.current) change(state.chips, before + picked)
          else take(before + picked)
        }}
        onInputKeyDown={press}
      />
    </Flex>
  )
}
