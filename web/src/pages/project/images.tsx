import { useQueryClient } from '@tanstack/react-query'
import { App, Button, Drawer, Flex, Form, Progress, Tooltip } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Action } from '../../kit/actions'
import { type ApiError, type Row, send, useCan } from '../../kit/api'
import { Id } from '../../kit/detail'
import { useFocusFirst } from '../../kit/focus'
import { type Field, Fields, initial } from '../../kit/form'
import { ago, bytes } from '../../kit/format'
import { t } from '../../kit/i18n'
import { ListPage, type ListSpec } from '../../kit/list'
import { isId, type Long } from '../../kit/long'
import { reason } from '../../kit/reason'
import { Status } from '../../kit/status'

const patch = 'application/openstack-images-v2.1-json-patch'
const formats = ['qcow2', 'raw', 'vmdk', 'vdi', 'vhd', 'iso'].map((value) => ({ value, label: value }))
const visible = ['private', 'shared', 'community', 'public']
const visibilities = () => visible.map((value) => ({ value, label: t(`visibility.${value}`) }))

const remove: Action = {
  key: 'deleteImage',
  rule: 'delete_image',
  danger: true,
  disabled: (row) => (row.protected ? 'protected' : undefined),
  calls: (row) => ({ method: 'DELETE', service: 'image', path: `/v2/images/${row.id}`, cli: `openstack image delete ${row.id}` }),
}

// Glance knows whole names only.
const long: Long = {
  sort: { name: 'name', status: 'status', disk_format: 'disk_format', size: 'size', created: 'created_at', id: 'id' },
  filter: {
    '': (words): Record<string, string> => (isId(words) ? { id: words } : { name: words }),
    name: (value) => ({ name: value }),
    status: (value) => ({ status: value.toLowerCase() }),
    visibility: (value): Record<string, string> => (visible.includes(value) ? { visibility: value } : {}),
    disk_format: (value) => ({ disk_format: value.toLowerCase() }),
    checksum: (value) => ({ checksum: value }),
    id: (value) => ({ id: value }),
  },
}

const spec: ListSpec = {
  key: 'images',
  page: 'images',
  rows: (data) => data.images,
  columns: [
    { key: 'name', render: (row) => row.name || row.id },
    { key: 'status', render: (row) => <Status value={row.status} of="image" /> },
    { key: 'visibility', text: (row) => row.visibility, render: (row) => t(`visibility.${row.visibility}`) },
    { key: 'disk_format', title: 'format' },
    { key: 'size', title: 'bytes', text: (row) => row.size ?? 0, render: (row) => bytes(row.size) },
    { key: 'created', text: (row) => row.created_at, render: (row) => ago(row.created_at) },
    { key: 'checksum', hidden: true, render: (row) => <Id value={row.checksum} /> },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [
    {
      key: 'edit',
      rule: 'modify_image',
      form: {
        title: 'edit',
        fields: (_, row) => [
          { name: 'name', required: true, initial: row?.name },
          { name: 'visibility', type: 'select', initial: row?.visibility, options: visibilities() },
          { name: 'protected', type: 'switch', initial: row?.protected },
        ],
        calls: (v, row) => ({
          method: 'PATCH',
          service: 'image',
          path: `/v2/images/${row.id}`,
          type: patch,
          body: ['name', 'visibility', 'protected'].map((key) => ({ op: 'replace', path: `/${key}`, value: v[key] })),
          cli: `openstack image set --name '${v.name}' --${v.visibility} ${v.protected ? '--protected' : '--unprotected'} ${row.id}`,
        }),
      },
    },
    remove,
  ],
  bulk: [remove],
  call: { method: 'GET', service: 'image', path: '/v2/images', cli: 'openstack image list --long' },
  long,
  create: { button: UploadImage },
}

export const Images = () => <ListPage spec={spec} />

const fields = (): Field[] => [
  { name: 'name', required: true },
  { name: 'file', type: 'file', required: true },
  { name: 'format', type: 'select', required: true, initial: 'qcow2', options: formats },
  { name: 'visibility', type: 'select', initial: 'private', options: visibilities() },
  { name: 'minDisk', type: 'number', min: 0, initial: 0 },
  { name: 'minRam', type: 'number', min: 0, initial: 0 },
]

/** Uploads a file, and shows how far it is. */
function UploadImage() {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const [form] = Form.useForm<Row>()
  const [open, setOpen] = useState(false)
  const client = useQueryClient()
  const [percent, setPercent] = useState<number>()
  const may = useCan(['add_image'])('add_image')
  const focusFirst = useFocusFirst()
  const all = fields()
  const submit = async () => {
    const v = form.getFieldsValue(true)
    const file = v.file[0].originFileObj as File
    try {
      setPercent(0)
      const image = await send<{ id: string }>({
        method: 'POST',
        service: 'image',
        path: '/v2/images',
        body: {
          name: v.name,
          disk_format: v.format,
          container_format: 'bare',
          visibility: v.visibility,
          min_disk: v.minDisk,
          min_ram: v.minRam,
        },
      })
      await upload(image.id, file, setPercent)
      setOpen(false)
      form.resetFields()
    } catch (e) {
      message.error((e as ApiError).message)
    } finally {
      setPercent(undefined)
      void client.invalidateQueries({ queryKey: ['page', 'images'] })
    }
  }
  return (
    <>
      <Tooltip title={reason(may, t)}>
        <Button type="primary" onClick={() => setOpen(true)} disabled={!may.allowed} data-create>
          {t('pages.images.create')}
        </Button>
      </Tooltip>
      <Drawer
        open={open}
        onClose={() => setOpen(false)}
        {...focusFirst}
        title={t('pages.images.create')}
        size={480}
        footer={
          <Flex justify="end" gap={8}>
            <Button onClick={() => setOpen(false)}>{t('common.cancel')}</Button>
            <Button type="primary" onClick={() => form.submit()} loading={percent !== undefined} data-submit>
              {t('common.ok')}
            </Button>
          </Flex>
        }
      >
        <Form form={form} layout="vertical" initialValues={initial(all)} onFinish={submit}>
          <Fields fields={all} values={{}} />
        </Form>
        {percent === undefined ? null : <Progress percent={percent} aria-label={t('common.progress')} />}
      </Drawer>
    </>
  )
}

/** fetch tells nothing of an upload's progress; XMLHttpRequest does. */
function upload(id: string, file: File, progress: (percent: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest()
    x.open('PUT', `/dashboard/api/image/v2/images/${id}/file`)
    x.setRequestHeader('Content-Type', 'application/octet-stream')
    x.setRequestHeader('X-Nubo-Dashboard', '1')
    x.upload.onprogress = (e) => e.lengthComputable && progress(Math.round((100 * e.loaded) / e.total))
    x.onload = () => (x.status < 300 ? resolve() : reject(new Error(x.responseText.replace(/<[^>]*>/g, ' ').trim() || x.statusText)))
    x.onerror = () => reject(new Error(x.statusText || 'offline'))
    x.send(file)
  })
}
