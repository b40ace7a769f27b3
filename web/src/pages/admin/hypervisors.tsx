import type { Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'

const service = (row: Row, services: Row[] | undefined) => services?.find((s) => s.host === row.service?.host)

const spec: ListSpec = {
  key: 'hypervisors',
  page: 'hypervisors',
  rows: (data) => data.hypervisors,
  columns: [
    { key: 'name', text: (row) => row.hypervisor_hostname, render: (row) => row.hypervisor_hostname },
    { key: 'state', render: (row) => <Status value={row.state} /> },
    { key: 'status', render: (row) => <Status value={row.status} /> },
    { key: 'type', text: (row) => row.hypervisor_type, render: (row) => row.hypervisor_type },
    { key: 'address', text: (row) => row.host_ip, render: (row) => row.host_ip },
    { key: 'reason', render: (row) => row.service?.disabled_reason ?? '–' },
    { key: 'id', hidden: true, render: (row) => <Id value={row.id} /> },
  ],
  actions: [
    {
      key: 'disable',
      rule: 'os_compute_api:os-services:update',
      show: (row) => row.status === 'enabled',
      form: {
        title: 'disable',
        fields: () => [{ name: 'reason', required: true }],
        calls: (v, row, data) => ({
          method: 'PUT',
          service: 'compute',
          path: `/os-services/${service(row, data.services)?.id}`,
          body: { status: 'disabled', disabled_reason: v.reason },
          cli: `openstack compute service set --disable --disable-reason '${v.reason}' ${row.service?.host} nova-compute`,
        }),
      },
    },
    {
      key: 'enable',
      rule: 'os_compute_api:os-services:update',
      show: (row) => row.status === 'disabled',
      calls: (row, data) => ({
        method: 'PUT',
        service: 'compute',
        path: `/os-services/${service(row, data.services)?.id}`,
        body: { status: 'enabled' },
        cli: `openstack compute service set --enable ${row.service?.host} nova-compute`,
      }),
    },
  ],
  call: { method: 'GET', service: 'compute', path: '/os-hypervisors/detail', cli: 'openstack hypervisor list --long' },
}

export const Hypervisors = () => <ListPage spec={spec} />
