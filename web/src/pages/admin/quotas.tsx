import { Link } from '@tanstack/react-router'
import { Alert, Descriptions, Flex, Skeleton, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import { type ApiError, type PageData, type Row, usePage } from '../../kit/api'
import { FormButton } from '../../kit/form'
import { type Column, ListPage, type ListSpec } from '../../kit/list'
import { Missing, Problem } from '../../kit/problem'
import { ShowApi } from '../../kit/showapi'
import { components, defaultsForm, quotas, resetQuota, setQuota, type Told } from '../quota'

const told = (row: Row, data: PageData): Told => Object.fromEntries(components.map((c) => [c, data[c]?.[row.id]]))

const column = (component: (typeof components)[number], key: string): Column => {
  const of = (row: Row, data: PageData): Row | undefined => data[component]?.[row.id]?.[key]
  const used = (q: Row) => q.in_use ?? q.used ?? 0
  return {
    key,
    title: `quota.${key}`,
    text: (row, data) => used(of(row, data) ?? {}),
    render: (row, data) => {
      const q = of(row, data)
      if (!q) return '–'
      const full = q.limit >= 0 && used(q) >= q.limit
      return (
        <Typography.Text type={full ? 'danger' : undefined} strong={full}>
          {used(q)} / {q.limit < 0 ? '∞' : q.limit}
        </Typography.Text>
      )
    },
  }
}

const shown = new Set(['instances', 'cores', 'ram', 'volumes', 'gigabytes', 'network', 'floatingip'])

const spec: ListSpec = {
  key: 'adminQuotas',
  page: 'admin-quotas',
  params: {},
  rows: (data) => data.projects,
  columns: [
    {
      key: 'name',
      render: (row) => (
        <Link to="/identity/projects/$id" params={{ id: row.id }}>
          {row.name}
        </Link>
      ),
    },
    ...components.flatMap((c) => quotas[c].map((key) => ({ ...column(c, key), hidden: !shown.has(key) }))),
  ],
  actions: [setQuota(told), resetQuota],
  call: { method: 'GET', service: 'compute', path: '/os-quota-sets/PROJECT/detail', cli: 'openstack quota list --detail --compute' },
}

export const AdminQuotas = () => <ListPage spec={spec} />

/** What a project has until its quotas are set. */
export function DefaultQuotas() {
  const { t } = useTranslation()
  const { data, error, refetch } = usePage('default-quotas')
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  if (!data) return <Skeleton active />
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t('pages.defaultQuotas.title')}
        </Typography.Title>
        <FormButton form={defaultsForm} rule="os_compute_api:os-quota-class-sets:update" data={data} after={() => void refetch()} />
      </Flex>
      <Missing errors={data.errors} />
      <Alert type="info" showIcon title={t('pages.defaultQuotas.text')} />
      {components.map((c) =>
        data[c] ? (
          <Descriptions
            key={c}
            data-quotas={c}
            bordered
            size="small"
            column={{ xs: 1, md: 3 }}
            title={t(`components.${c}`)}
            items={quotas[c]
              .filter((key) => data[c][key] !== undefined)
              .map((key) => ({ key, label: t(`fields.quota.${key}`), children: data[c][key] < 0 ? '∞' : data[c][key] }))}
          />
        ) : null,
      )}
      <Typography.Text type="secondary">{t('pages.defaultQuotas.network')}</Typography.Text>
      <ShowApi
        calls={[
          { method: 'GET', service: 'compute', path: '/os-quota-sets/PROJECT/defaults', cli: 'openstack quota show --default' },
          { method: 'GET', service: 'volume', path: '/os-quota-sets/PROJECT/defaults' },
          { method: 'GET', service: 'network', path: '/quotas/PROJECT/default' },
        ]}
      />
    </Flex>
  )
}
