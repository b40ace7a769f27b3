// RabbitMQ's own words in the language of the page. What is typed in commands
// stays what it is; what it is called in them is every word's title.
import i18next from 'i18next'

type Kind = 'stability' | 'phase' | 'applyTo' | 'limit' | 'ratesMode' | 'nodeType' | 'hashing' | 'destinationType' | 'encoding' | 'about'

/** The word for one of RabbitMQ's; that itself if there is none. */
export function wordFor(kind: Kind, value: string | undefined, otherwise = value): string {
  const key = `brokerWords.${kind}.${value}`
  return i18next.exists(key) ? i18next.t(key) : (otherwise ?? '–')
}

/** The word for one of RabbitMQ's, whose own is shown when it is pointed at. */
export function Word({ kind, value }: { kind: Kind; value?: string }) {
  return <span title={value}>{wordFor(kind, value)}</span>
}

/** Some of RabbitMQ's words as the options of a select, which finds them by either. */
export function choicesOf(kind: Kind, values: string[]) {
  return values.map((value) => ({ value, label: wordFor(kind, value), title: value }))
}
