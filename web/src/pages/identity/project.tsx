import { useParams } from '@tanstack/react-router'
import { Button, Descriptions, Flex, Table } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { DetailPage, type DetailSpec, Id } from '../../kit/detail'
import { FormDrawer, type FormSpec } from '../../kit/form'

const grant: FormSpec = {
  title: 'grantRole',
  fields: (data) => [
    { name: 'user', type: 'select', required: true, options: (data.users ?? []).map((u: Row) => ({ value: u.id, label: u.name })) },
    { name: 'role', type: 'select', required: true, options: (data.roles ?? []).map((r: Row) => ({ value: r.id, label: r.name })) },
  ],
  calls: (v, row) => ({
    method: 'PUT',
    service: 'identity',
    path: `/projects/${row.id}/users/${v.user}/roles/${v.role}`,
    cli: `openstack role add --project ${row.id} --user ${v.user} ${v.role}`,
  }),
}

const withdraw: Action = {
  key: 'withdrawRole',
  rule: 'identity:revoke_grant',
  danger: true,
  calls: (a) => {
    const [kind, who] = a.user ? ['users', a.user.id] : ['groups', a.group.id]
    return {
      method: 'DELETE',
      service: 'identity',
      path: `/projects/${a.scope.project.id}/${kind}/${who}/roles/${a.role.id}`,
      cli: `openstack role remove --project ${a.scope.project.id} --${kind.slice(0, -1)} ${who} ${a.role.id}`,
    }
  },
}

const quotas: Record<string, string[]> = {
  compute: ['instances', 'cores', 'ram', 'key_pairs', 'server_groups'],
  volume: ['volumes', 'gigabytes', 'snapshots'],
  network: ['network', 'subnet', 'port', 'router', 'floatingip', 'security_group'],
}

const setQuota: Action = {
  key: 'quota',
  rule: 'os_compute_api:os-quota-sets:update',
  form: {
    title: 'quota',
    fields: (data) =>
      Object.entries(quotas).flatMap(([component, keys]) =>
        keys
          .filter((key) => data[`${component}_quota`]?.[key] !== undefined)
          .map((key) => ({
            name: `${component}.${key}`,
            label: `quota.${key}`,
            type: 'number' as const,
            min: -1,
            initial: data[`${component}_quota`][key],
          })),
      ),
    calls: (v, row, data) => {
      const changed = (component: string) =>
        Object.fromEntries(
          quotas[component]
            .filter((k) => v[`${component}.${k}`] !== data[`${component}_quota`]?.[k] && v[`${component}.${k}`] !== undefined)
            .map((k) => [k, v[`${component}.${k}`]]),
        )
      const out = []
      for (const component of ['compute', 'volume'] as const) {
        const set = changed(component)
        if (Object.keys(set).length > 0)
          out.push({
            method: 'PUT' as const,
            service: component,
            path: `/os-quota-sets/${row.id}`,
            body: { quota_set: set },
            cli: `openstack quota set ${flags(set)} ${row.id}`,
          })
      }
      const net = changed('network')
      if (Object.keys(net).length > 0)
        out.push({
          method: 'PUT' as const,
          service: 'network' as const,
          path: `/quotas/${row.id}`,
          body: { quota: net },
          cli: `openstack quota set ${flags(net)} ${row.id}`,
        })
      return out
    },
  },
}

function flags(set: Row): string {
  return Object.entries(set)
    .map(([k, v]) => `--${k.replaceAll('_', '-')} ${v}`)
    .join(' ')
}

const spec: DetailSpec = {
  page: 'project',
  row: (data) => data.project,
  status: (row) => ({ value: row.enabled ? 'enabled' : 'disabled' }),
  actions: [setQuota],
  facts: (row) => [
    ['id', <Id key="id" value={row.id} />],
    ['domain', row.domain_id],
    ['description', row.description || '–'],
    ['parent', row.parent_id],
  ],
  tabs: [
    { key: 'members', render: (row, data, reload) => <Members row={row} data={data} reload={reload} /> },
    { key: 'quota', render: (_, data) => <Quotas data={data} /> },
  ],
}

export function Project() {
  const { id } = useParams({ strict: false }) as { id: string }
  return <DetailPage spec={spec} id={id} />
}

function Members({ row, data, reload }: { row: Row; data: PageData; reload: () => void }) {
  const { t } = useTranslation()
  const [adding, setAdding] = useState(false)
  return (
    <Flex vertical gap={8} align="start">
      <Button type="primary" onClick={() => setAdding(true)} data-create>
        {t('actions.grantRole')}
      </Button>
      <Table<Row>
        size="small"
        style={{ width: '100%' }}
        rowKey={(a) => `${a.user?.id ?? a.group?.id}/${a.role.id}`}
        pagination={false}
        dataSource={data.assignments ?? []}
        locale={{ emptyText: t('pages.projects.noMembers') }}
        columns={[
          { key: 'who', title: t('fields.user'), render: (_, a) => a.user?.name ?? a.group?.name },
          { key: 'role', title: t('fields.role'), render: (_, a) => a.role.name },
          {
            key: 'actions',
            render: (_, a) => (
              <Actions
                actions={[withdraw]}
                row={{ ...a, name: `${a.user?.name ?? a.group?.name} ${a.role.name}` }}
                data={data}
                after={reload}
              />
            ),
          },
        ]}
      />
      {adding ? (
        <FormDrawer
          spec={grant}
          data={data}
          row={row}
          onClose={() => {
            setAdding(false)
            reload()
          }}
        />
      ) : null}
    </Flex>
  )
}

function Quotas({ data }: { data: PageData }) {
  const { t } = useTranslation()
  return (
    <Descriptions
      bordered
      size="small"
      column={{ xs: 1, md: 3 }}
      items={Object.entries(quotas).flatMap(([component, keys]) =>
        keys
          .filter((key) => data[`${component}_quota`]?.[key] !== undefined)
          .map((key) => ({ key: `${component}.${key}`, label: t(`fields.quota.${key}`), children: data[`${component}_quota`][key] })),
      )}
    />
  )
}
