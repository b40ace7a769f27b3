// The menu follows the catalog and the policies.

export interface Item {
  /** The path, and the key of the title below "menu.". */
  to: string
  key: string
  /** The service type without which there is no such page. */
  service?: string
  /** The key below "menuGroups." of the heading it stands under. */
  group?: string
}

export interface Section {
  key: string
  items: Item[]
  /** The rule somebody must be allowed to see the section, and what its pages' addresses begin with: ../../../dashboard/ui.go has them too. */
  rule?: string
  base?: string
}

export const sections: Section[] = [
  {
    key: 'project',
    items: [
      { to: '/overview', key: 'overview' },
      { to: '/servers', key: 'servers', service: 'compute', group: 'compute' },
      { to: '/images', key: 'images', service: 'image', group: 'compute' },
      { to: '/flavors', key: 'flavors', service: 'compute', group: 'compute' },
      { to: '/keypairs', key: 'keypairs', service: 'compute', group: 'compute' },
      { to: '/server-groups', key: 'serverGroups', service: 'compute', group: 'compute' },
      { to: '/volumes', key: 'volumes', service: 'block-storage', group: 'storage' },
      { to: '/topology', key: 'topology', service: 'network', group: 'network' },
      { to: '/networks', key: 'networks', service: 'network', group: 'network' },
      { to: '/ports', key: 'ports', service: 'network', group: 'network' },
      { to: '/routers', key: 'routers', service: 'network', group: 'network' },
      { to: '/floating-ips', key: 'floatingIps', service: 'network', group: 'network' },
      { to: '/security-groups', key: 'securityGroups', service: 'network', group: 'network' },
      { to: '/usage', key: 'usage', service: 'compute', group: 'access' },
      { to: '/traces', key: 'traces', group: 'access' },
      { to: '/api-access', key: 'apiAccess', group: 'access' },
      { to: '/app-credentials', key: 'appCredentials', group: 'access' },
    ],
  },
  {
    key: 'admin',
    rule: 'os_compute_api:os-hypervisors:list',
    base: '/admin/',
    items: [
      { to: '/admin/overview', key: 'overview' },
      { to: '/admin/servers', key: 'servers', service: 'compute', group: 'compute' },
      { to: '/admin/flavors', key: 'flavors', service: 'compute', group: 'compute' },
      { to: '/admin/hypervisors', key: 'hypervisors', service: 'compute', group: 'compute' },
      { to: '/admin/aggregates', key: 'aggregates', service: 'compute', group: 'compute' },
      { to: '/admin/placement', key: 'placement', service: 'placement', group: 'compute' },
      { to: '/admin/topology', key: 'topology', service: 'network', group: 'network' },
      { to: '/admin/networks', key: 'networks', service: 'network', group: 'network' },
      { to: '/admin/routers', key: 'routers', service: 'network', group: 'network' },
      { to: '/admin/floating-ips', key: 'floatingIps', service: 'network', group: 'network' },
      { to: '/admin/agents', key: 'agents', service: 'network', group: 'network' },
      { to: '/admin/volumes', key: 'volumes', service: 'block-storage', group: 'storage' },
      { to: '/admin/volume-types', key: 'volumeTypes', service: 'block-storage', group: 'storage' },
      { to: '/admin/quotas', key: 'quotas', group: 'limits' },
      { to: '/admin/defaults', key: 'defaultQuotas', group: 'limits' },
      { to: '/admin/usage', key: 'usage', service: 'compute', group: 'limits' },
    ],
  },
  {
    key: 'identity',
    rule: 'identity:list_projects',
    base: '/identity/',
    items: [
      { to: '/identity/domains', key: 'domains' },
      { to: '/identity/projects', key: 'projects' },
      { to: '/identity/users', key: 'users' },
      { to: '/identity/groups', key: 'groups' },
      { to: '/identity/roles', key: 'roles' },
      { to: '/identity/assignments', key: 'assignments' },
      { to: '/identity/idps', key: 'idps' },
    ],
  },
  {
    key: 'broker',
    rule: 'dashboard:broker',
    base: '/broker/',
    items: [
      { to: '/broker/overview', key: 'overview' },
      { to: '/broker/rpc-map', key: 'rpcMap' },
      { to: '/broker/connections', key: 'connections' },
      { to: '/broker/channels', key: 'channels' },
      { to: '/broker/exchanges', key: 'exchanges' },
      { to: '/broker/queues', key: 'queues' },
      { to: '/broker/users', key: 'users' },
      { to: '/broker/vhosts', key: 'vhosts' },
      { to: '/broker/policies', key: 'policies' },
      { to: '/broker/limits', key: 'limits' },
      { to: '/broker/features', key: 'featureFlags' },
    ],
  },
]
