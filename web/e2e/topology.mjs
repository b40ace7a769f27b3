// The topology at work: what is on it, connecting by dragging, states that
// change by themselves, the keyboard, the export.
//
//   usage: node topology.mjs BASE LANGUAGE PASSWORD
import { readFileSync } from 'node:fs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()

const same = (got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`)
}

try {
  const admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  const { page } = admin
  /** Asks the cloud for something in the session's name. */
  const api = async (method, path, body) => {
    const type = path.endsWith('/file') ? 'application/octet-stream' : 'application/json'
    const answer = await admin.request(method, `/dashboard/api/${path}`, body, type)
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }
  const box = (kind, name) => page.locator(`[data-box="${kind}"][data-name="${name}"]`)
  const wires = () => page.locator('[data-wire]').count()
  const until = async (want) => {
    await page.waitForFunction((n) => document.querySelectorAll('[data-wire]').length === n, want)
  }
  const drag = async (from, to) => {
    const [a, b] = [await from.boundingBox(), await to.boundingBox()]
    await page.mouse.move(a.x + a.width / 2, a.y + a.height / 2)
    await page.mouse.down()
    await page.mouse.move(b.x + b.width * 0.8, b.y + b.height / 2, { steps: 12 })
    await page.locator('.topo-over').waitFor()
    await page.mouse.up()
  }
  const made = {}
  await step('an empty topology tells what to do', async () => {
    await admin.menu('project', 'topology')
    await page.getByText(admin.t('topology.teach.network')).waitFor()
  })
  await step('networks, a router and a server appear without a reload', async () => {
    const network = async (name, more) => (await api('POST', 'network/networks', { network: { name, ...more } })).network.id
    const subnet = async (id, cidr) => (await api('POST', 'network/subnets', { subnet: { network_id: id, ip_version: 4, cidr } })).subnet.id
    made.ext = await network('ext', { 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': 'extnet' })
    await subnet(made.ext, '203.0.113.0/24')
    made.private = await network('private')
    await subnet(made.private, '10.11.0.0/24')
    made.back = await network('back')
    made.backSubnet = await subnet(made.back, '10.12.0.0/24')
    made.router = (await api('POST', 'network/routers', { router: { name: 'gate', external_gateway_info: { network_id: made.ext } } })).router.id
    made.image = (await api('POST', 'image/v2/images', { name: 'mini', disk_format: 'raw', container_format: 'bare' })).id
    await api('PUT', `image/v2/images/${made.image}/file`, 'x'.repeat(512))
    made.flavor = (await api('POST', 'compute/flavors', { flavor: { name: 'tiny', ram: 64, vcpus: 1, disk: 1 } })).flavor.id
    made.server = (await api('POST', 'compute/servers', { server: { name: 'web', imageRef: made.image, flavorRef: made.flavor, networks: [{ uuid: made.private }] } })).server.id
    for (const [kind, name] of [['network', 'ext'], ['network', 'private'], ['network', 'back'], ['router', 'gate'], ['server', 'web']]) await box(kind, name).waitFor()
    await box('server', 'web').locator('[data-status="ACTIVE"]').waitFor()
    await box('network', 'private').getByText('10.11.0.0/24').waitFor()
    await until(2)
  })
  await step('external networks are on top, servers below', async () => {
    const y = async (kind, name) => (await box(kind, name).boundingBox()).y
    const order = [await y('network', 'ext'), await y('router', 'gate'), await y('network', 'private'), await y('server', 'web')]
    same(order, [...order].sort((a, b) => a - b))
  })
  await step('drag a network to a router: it is connected', async () => {
    await drag(box('network', 'private'), box('router', 'gate'))
    await admin.send({})
    await until(3)
    const { ports } = await api('GET', `network/ports?device_id=${made.router}&network_id=${made.private}`)
    same(ports.length, 1)
  })
  await step('drag a server to a network: it gets an interface', async () => {
    await drag(box('server', 'web'), box('network', 'back'))
    await page.locator('.ant-drawer-open').getByText('back', { exact: true }).filter({ visible: true }).first().waitFor()
    await admin.send({})
    await until(4)
    const { ports } = await api('GET', `network/ports?device_id=${made.server}&network_id=${made.back}`)
    same(ports.length, 1)
  })
  await step('a drop that is called off changes nothing', async () => {
    await drag(box('network', 'back'), box('router', 'gate'))
    await page.locator('.ant-drawer-open .ant-drawer-footer button').first().click()
    await page.locator('.ant-drawer-open form').waitFor({ state: 'detached' })
    same(await wires(), 4)
  })
  await step("the server's state changes by itself", async () => {
    await page.evaluate(() => {
      window.stays = true
    })
    await api('POST', `compute/servers/${made.server}/action`, { 'os-stop': null })
    await box('server', 'web').locator('[data-status="SHUTOFF"]').waitFor()
    await api('POST', `compute/servers/${made.server}/action`, { 'os-start': null })
    await box('server', 'web').locator('[data-status="ACTIVE"]').waitFor()
    same(await page.evaluate(() => window.stays), true)
  })
  await step('a card opens by the keyboard and leads to the page', async () => {
    await box('server', 'web').focus()
    await page.keyboard.press('Enter')
    await page.locator('.ant-popover').getByRole('link', { name: admin.t('topology.page') }).waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.ant-popover').waitFor({ state: 'hidden' })
  })
  await step('what is typed narrows it', async () => {
    await page.getByPlaceholder(admin.t('topology.filter')).fill('gate')
    await box('server', 'web').waitFor({ state: 'detached' })
    await box('network', 'private').waitFor()
    await page.getByPlaceholder(admin.t('topology.filter')).fill('')
    await box('server', 'web').waitFor()
  })
  await step('it is saved as SVG and as PNG', async () => {
    for (const [name, begin] of [['SVG', '<svg '], ['PNG', '\u0089PNG']]) {
      const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()])
      same(readFileSync(await file.path(), 'latin1').slice(0, begin.length), begin)
    }
  })
  await step("the administrator's shows the server in its host", async () => {
    await admin.menu('admin', 'topology')
    const host = (await api('GET', `compute/servers/${made.server}`)).server['OS-EXT-SRV-ATTR:host']
    const [inner, outer] = [await box('server', 'web').boundingBox(), await box('host', host).boundingBox()]
    same([inner.y > outer.y, inner.y + inner.height <= outer.y + outer.height + 1], [true, true])
    await box('host', host).click({ position: { x: 40, y: 10 } })
    await page.locator('.ant-popover').getByText('DHCP agent').waitFor()
  })
  await step('what is deleted is gone from it', async () => {
    await admin.menu('project', 'topology')
    await box('server', 'web').waitFor()
    await api('DELETE', `compute/servers/${made.server}`)
    await box('server', 'web').waitFor({ state: 'detached' })
    const { subnets } = await api('GET', `network/subnets?network_id=${made.private}`)
    await api('PUT', `network/routers/${made.router}/remove_router_interface`, { subnet_id: subnets[0].id })
    await api('DELETE', `network/routers/${made.router}`)
    for (const id of [made.private, made.back, made.ext]) await api('DELETE', `network/networks/${id}`)
    await api('DELETE', `image/v2/images/${made.image}`)
    await api('DELETE', `compute/flavors/${made.flavor}`)
    await page.getByText(admin.t('topology.teach.network')).waitFor()
  })
  await step('no page has failed', async () => {
    if (admin.errors.length) throw new Error(admin.errors.join('\n'))
  })
} catch {
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-topology-${language}-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
