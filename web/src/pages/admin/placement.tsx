import { Flex, Progress, Tag } from 'antd'
import type { PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'

const classes = ['VCPU', 'MEMORY_MB', 'DISK_GB']

const inventories = (row: Row, data: PageData): Record<string, Row> => data.inventories?.[row.uuid] ?? {}
const used = (row: Row, data: PageData, c: string): number => data.usages?.[row.uuid]?.[c] ?? 0

/** What may be promised of a thing: more than there is, by the ratio. */
const capacity = (i: Row) => Math.floor((i.total - i.reserved) * i.allocation_ratio)

/** What is allocated of what may be, and of what there really is. */
function Share({ row, data, name }: { row: Row; data: PageData; name: string }) {
  const i = inventories(row, data)[name]
  if (!i) return <>–</>
  const now = used(row, data, name)
  return (
    <div style={{ minWidth: 150 }}>
      <Flex justify="space-between" gap={8}>
        <span>
          {now} / {capacity(i)}
        </span>
        <span title={t('placement.total', { total: i.total, reserved: i.reserved })}>× {i.allocation_ratio}</span>
      </Flex>
      <Progress
        aria-label={name}
        size="small"
        showInfo={false}
        percent={Math.min(100, Math.round((100 * now) / Math.max(1, capacity(i))))}
        status={now > i.total - i.reserved ? 'exception' : 'normal'}
      />
    </div>
  )
}

const spec: ListSpec = {
  key: 'placement',
  page: 'placement',
  params: {},
  rows: (data) => [...(data.providers ?? [])].sort((a: Row, b: Row) => a.name.localeCompare(b.name)),
  rowKey: 'uuid',
  columns: [
    { key: 'name' },
    ...classes.map((name) => ({
      key: name,
      title: `resource.${name}`,
      text: (row: Row, data: PageData) => used(row, data, name),
      render: (row: Row, data: PageData) => <Share row={row} data={data} name={name} />,
    })),
    {
      key: 'otherResources',
      text: (row, data) => Object.keys(inventories(row, data)).join(' '),
      render: (row, data) =>
        Object.entries(inventories(row, data))
          .filter(([name]) => !classes.includes(name))
          .map(([name, i]) => <div key={name}>{`${name} ${used(row, data, name)} / ${capacity(i)}`}</div>),
      hidden: true,
    },
    {
      key: 'traits',
      text: (row, data) => (data.traits?.[row.uuid] ?? []).join(' '),
      render: (row, data) => (data.traits?.[row.uuid] ?? []).map((name: string) => <Tag key={name}>{name}</Tag>),
      hidden: true,
    },
    { key: 'uuid', title: 'id', hidden: true, render: (row) => <Id value={row.uuid} /> },
  ],
  call: { method: 'GET', service: 'placement', path: '/resource_providers', cli: 'openstack resource provider list' },
}

export const Placement = () => <ListPage spec={spec} />
