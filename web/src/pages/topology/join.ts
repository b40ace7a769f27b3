// What it means to drop one thing on another: the form that does the same by
// hand, filled in, so that the drop is asked about and shown as a command.
import type { Action } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import type { FormSpec } from '../../kit/form'
import { routerActions } from '../project/routers'
import { serverActions } from '../project/servers'
import type { Box } from './layout'

interface Join {
  rule?: string
  /** Why it cannot be: a key below "why.". */
  not?: string
  form: FormSpec
  row: Row
}

const named = (all: Action[], key: string): Action & { form: FormSpec } => all.find((a) => a.key === key) as Action & { form: FormSpec }
const attach = named(serverActions, 'attachInterface')
const connect = named(routerActions, 'addSubnet')
const gateway = named(routerActions, 'setGateway')

export const joinRules = [attach, connect, gateway].flatMap((a) => a.rule ?? [])

/** A form with one field filled in. */
function filled(form: FormSpec, name: string, value: unknown, among?: string[]): FormSpec {
  return {
    ...form,
    fields: (data, row) =>
      form
        .fields(data, row)
        .map((f) => (f.name === name ? { ...f, initial: value, options: f.options?.filter((o) => !among || among.includes(o.value)) } : f)),
  }
}

export function joins(one: Box, on: Box, data: PageData): Join | undefined {
  const thing = [one, on].find((b) => b.kind !== 'network')
  const network = [one, on].find((b) => b.kind === 'network')?.row
  if (!thing || !network) return undefined
  const { row } = thing
  if (thing.kind === 'server') {
    const not = attach.show?.(row) === false ? 'notNow' : undefined
    return { rule: attach.rule, not, row, form: filled(attach.form, 'network', network.id, [network.id]) }
  }
  if (network['router:external']) {
    const not = row.external_gateway_info ? 'hasGateway' : undefined
    return { rule: gateway.rule, not, row, form: filled(gateway.form, 'network', network.id, [network.id]) }
  }
  const taken = new Set(
    ((data.ports ?? []) as Row[]).filter((p) => p.device_id === row.id).flatMap((p) => p.fixed_ips.map((i: Row) => i.subnet_id)),
  )
  const free = ((data.subnets ?? []) as Row[]).filter((s) => s.network_id === network.id && !taken.has(s.id)).map((s) => s.id as string)
  return { rule: connect.rule, not: free.length === 0 ? 'noSubnet' : undefined, row, form: filled(connect.form, 'subnet', free[0], free) }
}
