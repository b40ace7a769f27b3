// What the browser tests find: a project with one of everything, and people
// with different roles in it. What is there already stays.
import { generateKeyPairSync } from 'node:crypto'

export const password = 'class-pw'

/** The thing of that name; it is made if there is none. */
async function ensure(person, service, path, single, body) {
  const all = await person.must(service, 'GET', path)
  const found = all.map((one) => one[single] ?? one).find((one) => one.name === body.name)
  return found ?? person.must(service, 'POST', path, service === 'image' ? body : { [single]: body })
}

/** The administrator's part: a project, its people, what all projects share. */
export async function seed(admin) {
  const project = await ensure(admin, 'identity', '/projects', 'project', { name: 'class', domain_id: 'default', description: 'Cloud computing' })
  const people = {}
  for (const role of ['member', 'reader']) {
    const user = await ensure(admin, 'identity', '/users', 'user', { name: `class-${role}`, password, domain_id: 'default' })
    const [found] = await admin.must('identity', 'GET', `/roles?name=${role}`)
    await admin.must('identity', 'PUT', `/projects/${project.id}/users/${user.id}/roles/${found.id}`)
    people[role] = user.name
  }
  const flavor = await ensure(admin, 'compute', '/flavors', 'flavor', { name: 'class-tiny', vcpus: 1, ram: 256, disk: 1 })
  // The physical network can be had once: one that is there is taken.
  const [there] = await admin.must('network', 'GET', '/networks?router:external=true')
  const flat = { name: 'class-ext', 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': 'extnet' }
  const ext = there ?? (await admin.must('network', 'POST', '/networks', { network: flat }))
  if (ext.subnets.length === 0) {
    const pool = { start: '203.0.113.100', end: '203.0.113.200' }
    const subnet = { network_id: ext.id, name: 'class-ext-subnet', ip_version: 4, cidr: '203.0.113.0/24', gateway_ip: '203.0.113.1', enable_dhcp: false }
    await admin.must('network', 'POST', '/subnets', { subnet: { ...subnet, allocation_pools: [pool] } })
  }
  await ensure(admin, 'compute', '/os-aggregates', 'aggregate', { name: 'class-fast', availability_zone: 'east' })
  await ensure(admin, 'volume', '/types', 'volume_type', { name: 'class-ssd' })
  await ensure(admin, 'identity', '/groups', 'group', { name: 'class-pupils', domain_id: 'default' })
  return { project, people, flavor, ext }
}

/** A member's part: one of each thing a project has. */
export async function furnish(person, { flavor, ext }) {
  const image = await ensure(person, 'image', '/v2/images', 'image', { name: 'mini', disk_format: 'raw', container_format: 'bare' })
  if (image.status === 'queued') await person.must('image', 'PUT', `/v2/images/${image.id}/file`, '0'.repeat(4096), 'application/octet-stream')
  const network = await ensure(person, 'network', '/networks', 'network', { name: 'private' })
  const subnet = await ensure(person, 'network', '/subnets', 'subnet', { network_id: network.id, name: 'private-subnet', ip_version: 4, cidr: '10.11.0.0/24' })
  const router = await ensure(person, 'network', '/routers', 'router', { name: 'gate', external_gateway_info: { network_id: ext.id } })
  const [port] = await person.must('network', 'GET', `/ports?device_id=${router.id}&device_owner=network:router_interface`)
  if (!port) await person.must('network', 'PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })
  const group = await ensure(person, 'network', '/security-groups', 'security_group', { name: 'open', description: 'ssh from anywhere' })
  if (!group.security_group_rules.some((r) => r.protocol === 'tcp')) {
    const rule = { security_group_id: group.id, direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', port_range_min: 22, port_range_max: 22 }
    await person.must('network', 'POST', '/security-group-rules', { security_group_rule: rule })
  }
  await ensure(person, 'compute', '/os-keypairs', 'keypair', { name: 'laptop', type: 'ssh', public_key: publicKey() })
  const volume = await ensure(person, 'volume', '/volumes', 'volume', { name: 'data', size: 1 })
  const server = await ensure(person, 'compute', '/servers', 'server', {
    name: 'web',
    imageRef: image.id,
    flavorRef: flavor.id,
    networks: [{ uuid: network.id }],
  })
  await settled(person, server.id, 'ACTIVE')
  const [fip] = await person.must('network', 'GET', '/floatingips')
  if (!fip) await person.must('network', 'POST', '/floatingips', { floatingip: { floating_network_id: ext.id } })
  return { image, network, subnet, router, group, volume, server }
}

/** A fresh key as ssh writes it. */
function publicKey() {
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const text = (b) => Buffer.concat([Buffer.from([0, 0, 0, b.length]), b])
  return `ssh-ed25519 ${Buffer.concat([text(Buffer.from('ssh-ed25519')), text(Buffer.from(x, 'base64url'))]).toString('base64')} laptop`
}

/** Waits until something is so. */
export async function until(what, ask) {
  for (let i = 0; i < 240; i++) {
    if (await ask()) return
    await new Promise((done) => setTimeout(done, 250))
  }
  throw new Error(`it never gets so: ${what}`)
}

/** Waits until a server is what it should be. */
export const settled = (person, id, status) =>
  until(`the server ${id} ${status}`, async () => {
    const server = await person.must('compute', 'GET', `/servers/${id}`)
    if (server.status === 'ERROR') throw new Error(`the server has failed: ${server.fault?.message}`)
    return server.status === status
  })
