// A table inside a detail page, as a description: its rows, what can be done
// with each, and the form that adds one.
import { Flex, Table, type TableColumnType } from 'antd'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from './actions'
import type { PageData, Row } from './api'
import { labelled } from './cards'
import type { Column } from './filter'
import { FormButton, type FormSpec } from './form'

export interface SubTableSpec {
  rows: (row: Row, data: PageData) => Row[] | undefined
  rowKey?: string | ((row: Row) => string)
  columns: Column[]
  actions?: Action[]
  /** The key of what is said of no rows. */
  empty?: string
  add?: { form: FormSpec; rule: string }
}

interface Props {
  spec: SubTableSpec
  row: Row
  data: PageData
  reload: () => void
}

export function SubTable({ spec, row, data, reload }: Props) {
  const { t } = useTranslation()
  const columns: TableColumnType<Row>[] = spec.columns.map((c) => ({
    key: c.key,
    title: t(`fields.${c.title ?? c.key}`),
    render: (_: unknown, r: Row) => (c.render ? c.render(r, data) : (r[c.key] ?? '–')),
  }))
  const { actions } = spec
  if (actions) {
    columns.push({
      key: 'actions',
      title: t('common.actions'),
      fixed: 'end',
      className: 'row-actions',
      render: (_, r) => <Actions actions={actions} row={r} data={data} after={reload} />,
    })
  }
  return (
    <Flex vertical gap={8} align="start">
      {spec.add ? <FormButton form={spec.add.form} rule={spec.add.rule} row={row} data={data} after={reload} /> : null}
      <Table<Row>
        rowKey={spec.rowKey ?? 'id'}
        size="small"
        pagination={false}
        scroll={{ x: 'max-content' }}
        style={{ width: '100%' }}
        dataSource={spec.rows(row, data) ?? []}
        locale={spec.empty ? { emptyText: t(spec.empty) } : undefined}
        columns={labelled(columns)}
      />
    </Flex>
  )
}
