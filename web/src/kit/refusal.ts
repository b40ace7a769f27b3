// Which field of a form a component refuses.
import type { Field } from './form'

/** The ways the components name what is wrong: compute and volume, network, and those that quote a schema. */
const naming = /(?:Invalid input for (?:field\/attribute )?|\['properties'\]\[')(\w+)/

const plain = (name: string) => name.toLowerCase().replaceAll('_', '')

/** The field a refusal is about, if it names one. */
export function fieldOf(message: string, fields: Field[]): string | undefined {
  const named = naming.exec(message)?.[1]
  return named && fields.find((f) => plain(f.name) === plain(named))?.name
}
