import type { Action } from '../../kit/actions'
import { Id } from '../../kit/detail'
import { download } from '../../kit/files'
import { ListPage, type ListSpec } from '../../kit/list'

const remove: Action = {
  key: 'delete',
  rule: 'os_compute_api:os-keypairs:delete',
  danger: true,
  calls: (row) => ({
    method: 'DELETE',
    service: 'compute',
    path: `/os-keypairs/${encodeURIComponent(row.name)}`,
    cli: `openstack keypair delete '${row.name}'`,
  }),
}

const spec: ListSpec = {
  key: 'keypairs',
  page: 'keypairs',
  rowKey: 'name',
  rows: (data) => data.keypairs.map((k: { keypair: object }) => k.keypair),
  columns: [{ key: 'name' }, { key: 'type' }, { key: 'fingerprint', render: (row) => <Id value={row.fingerprint} /> }],
  actions: [remove],
  bulk: [remove],
  create: {
    rule: 'os_compute_api:os-keypairs:create',
    form: {
      title: 'createKeypair',
      fields: () => [
        { name: 'name', required: true, pattern: /^[\w @.-]+$/ },
        { name: 'publicKey', type: 'area', help: 'publicKey' },
      ],
      calls: (v) => ({
        method: 'POST',
        service: 'compute',
        path: '/os-keypairs',
        version: 'compute 2.91', // later ones make no pairs
        body: { keypair: { name: v.name, type: 'ssh', ...(v.publicKey ? { public_key: v.publicKey } : {}) } },
        cli: v.publicKey
          ? `openstack keypair create --public-key key.pub '${v.name}'`
          : `openstack keypair create '${v.name}' > '${v.name}.pem'`,
      }),
      // The private key is told once: it goes straight into a file.
      done: (answer) => answer.keypair?.private_key && download(`${answer.keypair.name}.pem`, answer.keypair.private_key),
    },
  },
  call: { method: 'GET', service: 'compute', path: '/os-keypairs', cli: 'openstack keypair list' },
}

export const Keypairs = () => <ListPage spec={spec} />
