// Two people in one project, and the administrator: what one does the others
// see within a second, by events. The network log shows that nobody asks
// unless an event told him to.
//
//   usage: node live.mjs BASE LANGUAGE PASSWORD
import { furnish, password as pw, seed, until } from './seed.mjs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(name, what)
const browser = await launch()

/** Somebody who only looks, and the log of what his page asks for. */
class Watcher {
  stray = []
  events = 0
  opened = 0
  on = false
  running = new Set()

  static async of(person) {
    const w = new Watcher()
    w.person = person
    const log = await person.context.newCDPSession(person.page)
    await log.send('Network.enable')
    log.on('Network.eventSourceMessageReceived', () => w.events++)
    person.page.on('request', (r) => w.saw(new URL(r.url())))
    const ended = (r) => w.running.delete(r.url())
    person.page.on('requestfinished', ended)
    person.page.on('requestfailed', ended)
    return w
  }

  // Each request must follow an event that came after the request before it.
  saw({ href, pathname }) {
    if (pathname === '/dashboard/events') this.opened++
    else this.running.add(href)
    // What is new on a page may have actions whose verdicts are a minute old.
    if (!this.on || pathname === '/dashboard/can') return
    if (!pathname.startsWith('/dashboard/pages/') || this.events === 0) this.stray.push(pathname)
    this.events = 0
  }

  /** Looks at a page; from here on it asks by events alone. */
  async look(section, item, title = item) {
    this.on = false
    await this.person.menu(section, item)
    await this.person.page.getByRole('heading', { name: this.person.t(`pages.${title}.title`), exact: true }).waitFor()
    await this.person.page.locator('.ant-table-row:visible, .ant-empty:visible').first().waitFor()
    let still = 0
    await until('quiet', () => {
      still = this.running.size === 0 ? still + 1 : 0
      return still > 2
    })
    this.events = 0
    this.on = true
  }
}

const took = []

/** Somebody does something; measures how long after its answer the watcher sees it. */
async function seen(watcher, what, act, see, who = anna) {
  const shown = see().then(() => performance.now())
  let answered = 0
  const answers = (r) => {
    if (r.url().includes('/dashboard/api/') && r.request().method() !== 'GET') answered = performance.now()
  }
  who.page.on('response', answers)
  await act()
  const at = await shown
  who.page.off('response', answers)
  const ms = Math.max(0, Math.round(at - answered))
  took.push(ms)
  console.log(`    ${what}: ${ms} ms`)
  if (watcher.stray.length) throw new Error(`${what}: it asked for ${watcher.stray.join(', ')} without an event`)
}

let anna
try {
  const admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  const shared = await seed(admin)
  anna = await Person.open(browser, base, language)
  const bert = await Person.open(browser, base, language)
  const name = shared.people.member
  await anna.signIn(name, pw)
  await bert.signIn(name, pw)
  await furnish(anna, shared)
  const b = await Watcher.of(bert)
  const a = await Watcher.of(admin)

  await step('networks: created, renamed, deleted', async () => {
    await anna.menu('project', 'networks')
    await b.look('project', 'networks')
    await a.look('admin', 'networks', 'adminNetworks')
    await anna.create()
    await seen(b, 'a network is made', () => anna.send({ name: 'seen', withSubnet: false }), () => bert.has('seen'))
    await admin.has('seen')
    await anna.act('seen', 'rename')
    await seen(b, 'it is renamed', () => anna.send({ name: 'other' }), () => bert.has('other'))
    await admin.has('other')
    await seen(a, 'it is deleted', () => anna.remove('other'), () => admin.gone('other'))
    await bert.gone('other')
  })
  await step('volumes: created, deleted', async () => {
    await anna.menu('project', 'volumes')
    await b.look('project', 'volumes')
    await anna.create()
    await seen(b, 'a volume is made', () => anna.send({ name: 'disk', size: 1 }), () => bert.has('disk'))
    await bert.status('disk', 'available')
    await anna.act('disk', 'rename')
    await seen(b, 'it is renamed', () => anna.send({ name: 'plate' }), () => bert.has('plate'))
    await anna.status('plate', 'available')
    await seen(b, 'it is deleted', () => anna.remove('plate'), () => bert.gone('plate'))
  })
  await step('floating IPs: allocated, released', async () => {
    await anna.menu('project', 'floatingIps')
    await b.look('project', 'floatingIps')
    await anna.remove('203.0.113.', 'release')
    await bert.gone('203.0.113.')
    await anna.create()
    await seen(b, 'a floating IP is allocated', () => anna.send({}), () => bert.has('203.0.113.'))
    await seen(b, 'it is released', () => anna.remove('203.0.113.', 'release'), () => bert.gone('203.0.113.'))
  })
  await step('security groups: created, with a rule, deleted', async () => {
    await anna.menu('project', 'securityGroups')
    await b.look('project', 'securityGroups')
    await anna.create()
    await seen(b, 'a group is made', () => anna.send({ name: 'web-only' }), () => bert.has('web-only'))
    await seen(b, 'it is deleted', () => anna.remove('web-only'), () => bert.gone('web-only'))
  })
  await step('routers: created, deleted', async () => {
    await anna.menu('project', 'routers')
    await b.look('project', 'routers')
    await anna.create()
    await seen(b, 'a router is made', () => anna.send({ name: 'way', network: { pick: shared.ext.name } }), () => bert.has('way'))
    await seen(b, 'it is deleted', () => anna.remove('way'), () => bert.gone('way'))
  })
  await step('servers: created, renamed, stopped, deleted; the administrator sees it too', async () => {
    await b.look('project', 'servers')
    await a.look('admin', 'servers', 'adminServers')
    await anna.menu('project', 'servers')
    await anna.create()
    await anna.fill({ name: 'mail', image: { pick: 'mini' }, flavor: { pick: 'class-tiny' }, networks: { pick: 'private' } })
    await seen(b, 'a server is made', () => anna.submit(), () => bert.has('mail'))
    await bert.status('mail', 'ACTIVE')
    await admin.status('mail', 'ACTIVE')
    await anna.menu('project', 'servers')
    await anna.act('mail', 'rename')
    await seen(b, 'it is renamed', () => anna.send({ name: 'post' }), () => bert.has('post'))
    await anna.act('post', 'stop')
    await seen(b, 'it is stopped', () => anna.confirm(), () => bert.status('post', 'SHUTOFF'))
    await seen(a, 'it is deleted', () => anna.remove('post', 'deleteServer'), () => admin.gone('post'))
    await bert.gone('post')
  })
  await step('images: uploaded, changed, deleted', async () => {
    await anna.menu('project', 'images')
    await b.look('project', 'images')
    await anna.create()
    const file = { name: 'seen.raw', mimeType: 'application/octet-stream', buffer: Buffer.alloc(4096) }
    await seen(b, 'an image is made', () => anna.send({ name: 'photo', file: { files: file }, format: { pick: 'raw' } }), () => bert.has('photo'))
    await bert.status('photo', 'active')
    await anna.act('photo', 'edit')
    await seen(b, 'it is renamed', () => anna.send({ name: 'drawing' }), () => bert.has('drawing'))
    await seen(b, 'it is deleted', () => anna.remove('drawing', 'deleteImage'), () => bert.gone('drawing'))
  })
  await step('half of it is seen within a second', () => {
    const half = took.sort((x, y) => x - y)[Math.floor(took.length / 2)]
    console.log(`    median ${half} ms, slowest ${took.at(-1)} ms of ${took.length}`)
    if (half > 1000) throw new Error(`half of it took longer than ${half} ms`)
  })
  await step('nobody asked without an event, and each has opened one stream', () => {
    for (const w of [a, b]) {
      if (w.stray.length) throw new Error(`${w.stray.join(', ')} without an event`)
      if (w.opened > 1) throw new Error(`${w.opened} streams`)
    }
  })
  await step('images and networks of another project: shown while they may be seen, gone when they may not', async () => {
    const away = await admin.must('identity', 'POST', '/projects', { project: { name: 'class-away', domain_id: 'default' } })
    const user = await admin.must('identity', 'POST', '/users', { user: { name: 'class-carl', password: pw, domain_id: 'default' } })
    const [role] = await admin.must('identity', 'GET', '/roles?name=member')
    await admin.must('identity', 'PUT', `/projects/${away.id}/users/${user.id}/roles/${role.id}`)
    const carl = await Person.open(browser, base, language)
    await carl.signIn('class-carl', pw)
    const image = (name) => anna.must('image', 'POST', '/v2/images', { name, disk_format: 'raw', container_format: 'bare' })
    const show = (id, visibility) =>
      admin.must('image', 'PATCH', `/v2/images/${id}`, JSON.stringify([{ op: 'replace', path: '/visibility', value: visibility }]), 'application/openstack-images-v2.1-json-patch')

    const poster = await image('poster')
    const letter = await image('letter')
    await anna.must('image', 'POST', `/v2/images/${letter.id}/members`, { member: away.id })
    await carl.must('image', 'PUT', `/v2/images/${letter.id}/members/${away.id}`, { status: 'accepted' })
    const c = await Watcher.of(carl)
    await c.look('project', 'images')
    await carl.has('letter')
    await seen(c, 'an image is made public', () => show(poster.id, 'public'), () => carl.has('poster'), admin)
    await seen(c, 'it is made private', () => show(poster.id, 'private'), () => carl.gone('poster'), admin)
    await seen(c, 'it is shared no more', () => anna.must('image', 'DELETE', `/v2/images/${letter.id}/members/${away.id}`), () => carl.gone('letter'))
    for (const one of [poster, letter]) await anna.must('image', 'DELETE', `/v2/images/${one.id}`)

    const network = await anna.must('network', 'POST', '/networks', { network: { name: 'common' } })
    await anna.must('network', 'POST', '/subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.41.0.0/24' } })
    const share = (attributes) => admin.must('network', 'PUT', `/networks/${network.id}`, { network: attributes })
    await c.look('project', 'networks')
    await carl.gone('common')
    await seen(c, 'a network is shared', () => share({ shared: true }), () => carl.has('10.41.0.0/24'), admin)
    const more = { subnet: { network_id: network.id, ip_version: 4, cidr: '10.42.0.0/24' } }
    await seen(c, 'it gets another subnet', () => anna.must('network', 'POST', '/subnets', more), () => carl.has('10.42.0.0/24'))
    await seen(c, 'it is made private', () => share({ shared: false }), () => carl.gone('common'), admin)
    await seen(c, 'it is made external', () => share({ 'router:external': true }), () => carl.has('common'), admin)
    c.on = false
    await carl.follow('common')
    await carl.page.getByRole('heading', { name: 'common' }).waitFor()
    await seen(c, 'it is external no more, its own page says', () => share({ 'router:external': false }), () => carl.page.locator('[data-gone]').waitFor(), admin)
    await anna.must('network', 'DELETE', `/networks/${network.id}`)
    for (const [kind, thing] of [['users', user], ['projects', away]]) await admin.must('identity', 'DELETE', `/${kind}/${thing.id}`)
  })
  await step('what is deleted elsewhere says so on its own page; who deletes it there is brought to the list', async () => {
    const network = await anna.must('network', 'POST', '/networks', { network: { name: 'short-lived' } })
    await bert.go(`/networks/${network.id}`)
    await bert.page.getByRole('heading', { name: 'short-lived' }).waitFor()
    await anna.must('network', 'DELETE', `/networks/${network.id}`)
    await bert.page.locator('[data-gone]').click()
    await bert.there('/networks')
    const group = await anna.must('network', 'POST', '/security-groups', { security_group: { name: 'short-lived' } })
    await anna.go(`/security-groups/${group.id}`)
    await anna.page.locator('[data-action=delete]').click()
    await anna.confirm()
    await anna.there('/security-groups')
    await anna.gone('short-lived')
  })
  await step('ten quiet minutes: the page asks for nothing', async () => {
    const clara = await Person.open(browser, base, language)
    await clara.page.clock.install()
    await clara.page.goto(base)
    await clara.signIn(name, pw)
    const c = await Watcher.of(clara)
    await c.look('project', 'servers')
    await clara.page.clock.runFor('10:00')
    if (c.stray.length) throw new Error(`it asked for ${c.stray.join(', ')}`)
  })
  await step('no page has failed', () => {
    const errors = [...admin.errors, ...anna.errors, ...bert.errors]
    if (errors.length) throw new Error(errors.join('\n'))
  })
} catch (e) {
  if (report.failed === 0) report.broken(e)
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-class-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
