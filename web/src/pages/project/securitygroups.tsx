import { Link, useParams } from '@tanstack/react-router'
import type { Action } from '../../kit/actions'
import type { Row } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import type { FormSpec } from '../../kit/form'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import type { Long } from '../../kit/long'
import type { SubTableSpec } from '../../kit/subtable'
import { networkLines, QuotaBars } from '../quota'
import { byName } from './neutron'

const remove: Action = {
  key: 'delete',
  rule: 'delete_security_group',
  danger: true,
  disabled: (row) => (row.name === 'default' ? 'defaultGroup' : undefined),
  calls: (row) => ({
    method: 'DELETE',
    service: 'network',
    path: `/security-groups/${row.id}`,
    cli: `openstack security group delete ${row.id}`,
  }),
}

const long: Long = { ...byName, filter: { ...byName.filter, description: (value) => ({ description: value }) } }

const spec: ListSpec = {
  key: 'securityGroups',
  page: 'security-groups',
  rows: (data) => data.security_groups,
  columns: [
    {
      key: 'name',
      render: (row) => (
        <Link to="/security-groups/$id" params={{ id: row.id }}>
          {row.name}
        </Link>
      ),
    },
    { key: 'description' },
    { key: 'rules', text: (row) => row.security_group_rules?.length ?? 0, render: (row) => row.security_group_rules?.length ?? 0 },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [remove],
  bulk: [remove],
  create: {
    rule: 'create_security_group',
    form: {
      title: 'createSecurityGroup',
      fields: () => [{ name: 'name', required: true }, { name: 'description' }],
      calls: (v) => ({
        method: 'POST',
        service: 'network',
        path: '/security-groups',
        body: { security_group: { name: v.name, description: v.description ?? '' } },
        cli: `openstack security group create '${v.name}'`,
      }),
    },
  },
  extra: (data) => <QuotaBars lines={networkLines(data, 'security_group')} />,
  call: { method: 'GET', service: 'network', path: '/security-groups', cli: 'openstack security group list' },
  long,
}

export const SecurityGroups = () => <ListPage spec={spec} />

/** What people open again and again: protocol and ports. */
export const presets: Record<string, { protocol: string | null; from?: number; to?: number }> = {
  ssh: { protocol: 'tcp', from: 22, to: 22 },
  http: { protocol: 'tcp', from: 80, to: 80 },
  https: { protocol: 'tcp', from: 443, to: 443 },
  rdp: { protocol: 'tcp', from: 3389, to: 3389 },
  icmp: { protocol: 'icmp' },
  allTcp: { protocol: 'tcp', from: 1, to: 65535 },
  allUdp: { protocol: 'udp', from: 1, to: 65535 },
  any: { protocol: null },
  custom: { protocol: 'tcp' },
}

const newRule: FormSpec = {
  title: 'addRule',
  fields: (data) => [
    {
      name: 'preset',
      type: 'select',
      required: true,
      initial: 'ssh',
      options: Object.keys(presets).map((value) => ({ value, label: t(`presets.${value}`) })),
    },
    {
      name: 'direction',
      type: 'select',
      required: true,
      initial: 'ingress',
      options: ['ingress', 'egress'].map((value) => ({ value, label: t(`presets.${value}`) })),
    },
    { name: 'protocol', initial: 'tcp', when: (v) => v.preset === 'custom' },
    { name: 'portFrom', type: 'number', min: 1, max: 65535, when: (v) => v.preset === 'custom' },
    { name: 'portTo', type: 'number', min: 1, max: 65535, when: (v) => v.preset === 'custom' },
    { name: 'remote', initial: '0.0.0.0/0', help: 'remote', when: (v) => !v.remoteGroup },
    { name: 'remoteGroup', type: 'select', options: (data.groups ?? []).map((g: Row) => ({ value: g.id, label: g.name })) },
  ],
  calls: (v, row) => {
    const p = v.preset === 'custom' ? { protocol: v.protocol, from: v.portFrom, to: v.portTo ?? v.portFrom } : presets[v.preset]
    const rule: Row = { security_group_id: row.id, direction: v.direction, ethertype: 'IPv4', protocol: p.protocol }
    if (p.from) Object.assign(rule, { port_range_min: p.from, port_range_max: p.to })
    if (v.remoteGroup) rule.remote_group_id = v.remoteGroup
    else if (v.remote) rule.remote_ip_prefix = v.remote
    return {
      method: 'POST',
      service: 'network',
      path: '/security-group-rules',
      body: { security_group_rule: rule },
      cli: `openstack security group rule create --${v.direction}${p.protocol ? ` --protocol ${p.protocol}` : ''}${p.from ? ` --dst-port ${p.from}:${p.to}` : ''}${v.remoteGroup ? ` --remote-group ${v.remoteGroup}` : ` --remote-ip ${v.remote}`} ${row.id}`,
    }
  },
}

const removeRule: Action = {
  key: 'delete',
  rule: 'delete_security_group_rule',
  danger: true,
  calls: (row) => ({
    method: 'DELETE',
    service: 'network',
    path: `/security-group-rules/${row.id}`,
    cli: `openstack security group rule delete ${row.id}`,
  }),
}

const rules: SubTableSpec = {
  rows: (row) => row.security_group_rules,
  columns: [
    { key: 'direction', render: (r) => t(`presets.${r.direction}`) },
    { key: 'ethertype' },
    { key: 'protocol', render: (r) => r.protocol ?? t('presets.any') },
    { key: 'ports', render: (r) => (r.port_range_min ? `${r.port_range_min} – ${r.port_range_max}` : '–') },
    {
      key: 'remote',
      render: (r, data) =>
        r.remote_ip_prefix ?? data.groups?.find((g: Row) => g.id === r.remote_group_id)?.name ?? r.remote_group_id ?? '–',
    },
  ],
  actions: [removeRule],
  add: { form: newRule, rule: 'create_security_group_rule' },
}

const detail: DetailSpec = {
  page: 'security-group',
  row: (data) => data.security_group,
  actions: [remove],
  facts: (row) => [
    ['id', <Id key="id" value={row.id} />],
    ['description', row.description || '–'],
  ],
  tabs: [{ key: 'rules', table: rules }],
}

export function SecurityGroup() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={detail} id={id} />
}
