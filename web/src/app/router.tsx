import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { ApiError } from '../kit/api'
import { Problem } from '../kit/problem'
import { Shell } from './shell'

// Each page is loaded when it is first gone to.
const pages = {
  '/overview': lazyRouteComponent(() => import('../pages/project/overview'), 'Overview'),
  '/servers': lazyRouteComponent(() => import('../pages/project/servers'), 'Servers'),
  '/servers/new': lazyRouteComponent(() => import('../pages/project/servernew'), 'ServerNew'),
  '/servers/$id': lazyRouteComponent(() => import('../pages/project/server'), 'Server'),
  '/images': lazyRouteComponent(() => import('../pages/project/images'), 'Images'),
  '/flavors': lazyRouteComponent(() => import('../pages/project/flavors'), 'Flavors'),
  '/keypairs': lazyRouteComponent(() => import('../pages/project/keypairs'), 'Keypairs'),
  '/server-groups': lazyRouteComponent(() => import('../pages/project/servergroups'), 'ServerGroups'),
  '/volumes': lazyRouteComponent(() => import('../pages/project/volumes'), 'Volumes'),
  '/networks': lazyRouteComponent(() => import('../pages/project/networks'), 'Networks'),
  '/networks/$id': lazyRouteComponent(() => import('../pages/project/networks'), 'Network'),
  '/routers': lazyRouteComponent(() => import('../pages/project/routers'), 'Routers'),
  '/floating-ips': lazyRouteComponent(() => import('../pages/project/floatingips'), 'FloatingIps'),
  '/security-groups': lazyRouteComponent(() => import('../pages/project/securitygroups'), 'SecurityGroups'),
  '/security-groups/$id': lazyRouteComponent(() => import('../pages/project/securitygroups'), 'SecurityGroup'),
  '/topology': lazyRouteComponent(() => import('../pages/topology/topology'), 'ProjectTopology'),
  '/ports': lazyRouteComponent(() => import('../pages/project/ports'), 'Ports'),
  '/usage': lazyRouteComponent(() => import('../pages/project/usage'), 'Usage'),
  '/app-credentials': lazyRouteComponent(() => import('../pages/identity/account'), 'AppCredentials'),
  '/account': lazyRouteComponent(() => import('../pages/identity/account'), 'Account'),
  '/broker/rpc-map': lazyRouteComponent(() => import('../pages/rpcmap/rpcmap'), 'RpcMap'),
  '/traces': lazyRouteComponent(() => import('../pages/trace/traces'), 'Traces'),
  '/traces/$id': lazyRouteComponent(() => import('../pages/trace/traces'), 'TracePage'),
  '/api-access': lazyRouteComponent(() => import('../pages/project/apiaccess'), 'ApiAccess'),
  '/admin/overview': lazyRouteComponent(() => import('../pages/admin/overview'), 'AdminOverview'),
  '/admin/servers': lazyRouteComponent(() => import('../pages/project/servers'), 'AdminServers'),
  '/admin/flavors': lazyRouteComponent(() => import('../pages/project/flavors'), 'AdminFlavors'),
  '/admin/hypervisors': lazyRouteComponent(() => import('../pages/admin/hypervisors'), 'Hypervisors'),
  '/admin/aggregates': lazyRouteComponent(() => import('../pages/admin/aggregates'), 'Aggregates'),
  '/admin/networks': lazyRouteComponent(() => import('../pages/project/networks'), 'AdminNetworks'),
  '/admin/routers': lazyRouteComponent(() => import('../pages/project/routers'), 'AdminRouters'),
  '/admin/floating-ips': lazyRouteComponent(() => import('../pages/project/floatingips'), 'AdminFloatingIps'),
  '/admin/agents': lazyRouteComponent(() => import('../pages/admin/agents'), 'Agents'),
  '/admin/placement': lazyRouteComponent(() => import('../pages/admin/placement'), 'Placement'),
  '/admin/quotas': lazyRouteComponent(() => import('../pages/admin/quotas'), 'AdminQuotas'),
  '/admin/defaults': lazyRouteComponent(() => import('../pages/admin/quotas'), 'DefaultQuotas'),
  '/admin/usage': lazyRouteComponent(() => import('../pages/project/usage'), 'AdminUsage'),
  '/admin/topology': lazyRouteComponent(() => import('../pages/topology/topology'), 'AdminTopology'),
  '/admin/volumes': lazyRouteComponent(() => import('../pages/project/volumes'), 'AdminVolumes'),
  '/admin/volume-types': lazyRouteComponent(() => import('../pages/admin/volumetypes'), 'VolumeTypes'),
  '/identity/domains': lazyRouteComponent(() => import('../pages/identity/lists'), 'Domains'),
  '/identity/projects': lazyRouteComponent(() => import('../pages/identity/lists'), 'Projects'),
  '/identity/projects/$id': lazyRouteComponent(() => import('../pages/identity/project'), 'Project'),
  '/identity/users': lazyRouteComponent(() => import('../pages/identity/lists'), 'Users'),
  '/identity/groups': lazyRouteComponent(() => import('../pages/identity/lists'), 'Groups'),
  '/identity/roles': lazyRouteComponent(() => import('../pages/identity/lists'), 'Roles'),
  '/broker/overview': lazyRouteComponent(() => import('../pages/broker/overview'), 'Overview'),
  '/broker/connections': lazyRouteComponent(() => import('../pages/broker/connections'), 'Connections'),
  '/broker/connections/detail': lazyRouteComponent(() => import('../pages/broker/connections'), 'Connection'),
  '/broker/channels': lazyRouteComponent(() => import('../pages/broker/connections'), 'Channels'),
  '/broker/channels/detail': lazyRouteComponent(() => import('../pages/broker/connections'), 'Channel'),
  '/broker/exchanges': lazyRouteComponent(() => import('../pages/broker/exchanges'), 'Exchanges'),
  '/broker/exchanges/detail': lazyRouteComponent(() => import('../pages/broker/exchanges'), 'Exchange'),
  '/broker/queues': lazyRouteComponent(() => import('../pages/broker/queues'), 'Queues'),
  '/broker/queues/detail': lazyRouteComponent(() => import('../pages/broker/queues'), 'Queue'),
  '/identity/assignments': lazyRouteComponent(() => import('../pages/identity/assignments'), 'Assignments'),
  '/identity/idps': lazyRouteComponent(() => import('../pages/identity/idps'), 'IdentityProviders'),
  '/broker/nodes/detail': lazyRouteComponent(() => import('../pages/broker/node'), 'Node'),
  '/broker/users': lazyRouteComponent(() => import('../pages/broker/users'), 'Users'),
  '/broker/users/detail': lazyRouteComponent(() => import('../pages/broker/users'), 'User'),
  '/broker/vhosts': lazyRouteComponent(() => import('../pages/broker/vhosts'), 'VHosts'),
  '/broker/vhosts/detail': lazyRouteComponent(() => import('../pages/broker/vhosts'), 'VHost'),
  '/broker/policies': lazyRouteComponent(() => import('../pages/broker/policies'), 'Policies'),
  '/broker/limits': lazyRouteComponent(() => import('../pages/broker/limits'), 'Limits'),
  '/broker/features': lazyRouteComponent(() => import('../pages/broker/features'), 'Features'),
}

/** What a page is asked for by its address: what is searched and how it is sorted, the tab that is open, and the broker's things by their names. */
const asked = ['q', 'sort', 'tab', 'vhost', 'name'] as const

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Problem error={new ApiError(404, window.location.pathname)} />,
})

const routes = Object.entries(pages).map(([path, component]) =>
  createRoute({
    getParentRoute: () => root,
    path,
    // Each thing has a page of its own: nothing of the last one stays.
    component,
    remountDeps: ({ params, search }) => [params, search.vhost, search.name],
    validateSearch: (search: Record<string, unknown>): Partial<Record<(typeof asked)[number], string>> =>
      Object.fromEntries(asked.filter((key) => search[key] !== undefined).map((key) => [key, String(search[key])])),
  }),
)

const start = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/overview' as never })
  },
})

export const router = createRouter({
  routeTree: root.addChildren([start, ...routes]),
  // A page that fails says so in its place; the menu stays.
  defaultErrorComponent: ({ error, reset }) => <Problem error={new ApiError(-1, String(error))} retry={reset} />,
})
