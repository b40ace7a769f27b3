// What the walkthrough does not come to, by keyboard alone: every page from its
// first thing to its last, the topology without dragging, consoles and the way
// out of them, a queue's messages, several rows at once.
//
//   usage: node reach.mjs BASE LANGUAGE PASSWORD
import { KeyboardPerson } from './keyboard.mjs'
import { furnish, seed, password as theirs, until } from './seed.mjs'
import { launch, Person, Report, routes } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()

/** Goes through a page by Tab until it is left; tells what is wrong with it. */
async function through(person, route) {
  const { page } = person
  const bad = new Set()
  await person.go(route)
  await person.tabTo(page.locator('a.skip'))
  await page.keyboard.press('Enter')
  await person.at(page.locator('#main'))
  for (let stops = 0; stops < 400; stops++) {
    await page.keyboard.press('Tab')
    const { inside, wrong } = await person.look()
    for (const what of wrong) bad.add(`${route}: ${what}`)
    if (!inside) return [...bad]
  }
  throw new Error('Tab never comes to its end')
}

/** Goes through pages; fails with all that is wrong with them. */
async function each(all) {
  const bad = []
  for (const [person, route] of all) bad.push(...(await through(person, route).catch((e) => [`${route}: ${e.message}`])))
  if (bad.length) throw new Error(bad.join('\n'))
}

const mouse = await Person.open(browser, base, language)
await mouse.signIn('admin', password)
const shared = await seed(mouse)
const furnished = await Person.open(browser, base, language)
await furnished.signIn(shared.people.member, theirs)
const things = await furnish(furnished, shared)
await mouse.context.close()

const admin = await KeyboardPerson.open(browser, base, language)
const me = await KeyboardPerson.open(browser, base, language)
const { page } = me
const press = async (...keys) => {
  for (const key of keys) await page.keyboard.press(key)
}

try {
  await step('sign in', async () => {
    await admin.signIn('admin', password)
    await me.signIn(shared.people.member, theirs)
  })
  const plain = routes.filter((r) => !r.includes('$') && !r.endsWith('/detail'))
  await step(`${plain.length} pages from their first thing to their last: each has a name, and the focus is seen on it`, () =>
    each(plain.map((route) => [/^\/(admin|identity|broker)\//.test(route) ? admin : me, route])))
  await step('the pages of a server, a network and a security group', () =>
    each([`/servers/${things.server.id}`, `/networks/${things.network.id}`, `/security-groups/${things.group.id}`].map((route) => [me, route])))
  await step('a server gets an interface on the topology without dragging', async () => {
    const other = await me.must('network', 'POST', '/networks', { network: { name: 'other' } })
    await me.must('network', 'POST', '/subnets', { subnet: { network_id: other.id, ip_version: 4, cidr: '10.31.0.0/24' } })
    await me.go('/topology')
    const box = page.locator('[data-box=server][data-name=web]')
    await me.press(box)
    const card = page.getByRole('dialog', { name: 'web' })
    await me.at(card)
    me.opener = card.locator('[data-actions]')
    await me.choose(me.opener, 'attachInterface')
    await me.send({ network: { pick: 'other' } })
    await until('it has an interface', async () => (await me.must('network', 'GET', `/ports?device_id=${things.server.id}&network_id=${other.id}`)).length === 1)
    await press('Escape')
    await me.at(box, 'the server')
    const [port] = await me.must('network', 'GET', `/ports?device_id=${things.server.id}&network_id=${other.id}`)
    await me.must('compute', 'DELETE', `/servers/${things.server.id}/os-interface/${port.id}`)
    await until('it has none', async () => (await me.api('network', 'DELETE', `/networks/${other.id}`)).status === 204)
  })
  await step('the tabs of a server by arrows', async () => {
    await me.go(`/servers/${things.server.id}`)
    const tabs = page.locator('[role=main] [role=tab]')
    await me.tabTo(tabs.first())
    await press('ArrowRight', 'Enter')
    await page.waitForFunction(() => document.querySelectorAll('[role=main] [role=tab]')[1].getAttribute('aria-selected') === 'true')
    await me.where()
  })
  await step('consoles take the keys, Ctrl-Alt-G leaves them, Tab comes back', async () => {
    for (const [action, inside] of [['console', '[data-console=vnc] canvas'], ['serialConsole', '[data-console=serial] textarea']]) {
      await me.press(page.locator(`[data-action="${action}"]`))
      await me.at(page.locator(inside))
      await press('Tab', 'Escape')
      await me.at(page.locator(inside))
      await press('Control+Alt+g')
      const tab = page.locator('.console-dock [role=tab][aria-selected=true]')
      await me.at(tab)
      await me.tabTo(page.locator(inside))
      await press('Control+Alt+g')
      await me.at(tab)
      await me.press(page.getByRole('button', { name: me.t('console.closeAll') }))
      await page.locator('.console-dock').waitFor({ state: 'detached' })
      await me.at(page.locator(`[data-action="${action}"]`))
    }
  })
  await step('several rows at once', async () => {
    for (const name of ['row-1', 'row-2']) await me.must('network', 'POST', '/networks', { network: { name } })
    await me.menu('project', 'networks')
    for (const name of ['row-1', 'row-2']) {
      await me.tabTo(me.row(name).locator('input[type=checkbox]'))
      await press('Space')
    }
    await me.press(page.locator('[data-bulk=delete]'))
    const field = page.locator('.ant-modal-confirm input')
    await me.tabTo(field)
    await page.keyboard.type('2')
    await me.tabTo(page.locator('.ant-modal-confirm-btns button').last())
    await press('Enter')
    for (const name of ['row-1', 'row-2']) await me.gone(name)
    await me.somewhere()
  })
  await step('a menu keeps the focus when the item that has it goes away', async () => {
    await me.menu('project', 'volumes')
    const menu = page.locator('.ant-dropdown:not(.ant-dropdown-hidden)')
    const item = (key) => menu.locator(`[data-action="${key}"]`)
    await me.press(me.row('data').locator('button[data-actions]'))
    await me.at(item('attachTo'))
    await me.must('compute', 'POST', `/servers/${things.server.id}/os-volume_attachments`, { volumeAttachment: { volumeId: things.volume.id } })
    await item('attachTo').waitFor({ state: 'detached' })
    await me.at(menu)
    await press('Escape')
    await me.at(me.row('data').locator('button[data-actions]'))
    await me.must('compute', 'DELETE', `/servers/${things.server.id}/os-volume_attachments/${things.volume.id}`)
    await me.status('data', 'available')
  })
  await step('the columns of a list, and what opens at a button gives the focus back', async () => {
    const columns = page.getByRole('button', { name: me.t('list.columns') })
    await me.press(columns)
    await me.at(page.getByRole('dialog', { name: me.t('list.columns') }))
    await press('Tab', 'Space')
    const title = page.locator('[role=main] th', { hasText: me.t('fields.name') })
    await title.waitFor({ state: 'detached' })
    await press('Space')
    await title.waitFor()
    await press('Escape')
    await me.at(columns)
    const look = page.getByRole('button', { name: me.t('shell.preferences') })
    await me.press(look)
    await me.arrowTo(page.locator('.ant-dropdown:not(.ant-dropdown-hidden) [role=menuitem]', { hasText: me.t('theme.dark') }))
    await press('Enter')
    await page.locator('html[data-theme=dark]').waitFor()
    await me.at(look)
    await me.press(page.getByRole('button', { name: me.t('shell.tasks') }))
    await page.locator('.ant-drawer-open').waitFor()
    await press('Escape')
    await me.at(page.getByRole('button', { name: me.t('shell.tasks') }))
  })
  await step('a queue: publish, get, purge, delete', async () => {
    const main = admin.page.locator('[role=main]')
    await admin.menu('broker', 'queues')
    await admin.create()
    await admin.send({ vhost: { pick: '/' }, name: 'typed' })
    await admin.follow('typed')
    const ready = (n) => main.locator('[data-ready]', { hasText: new RegExp(`^${n}$`) }).waitFor()
    for (const n of [1, 2]) {
      admin.opener = main.locator('[data-action=publish]')
      await admin.press(admin.opener)
      await admin.send({ payload: 'by key' })
      await ready(n)
    }
    await admin.tabTo(main.locator('[role=tab]').first())
    await admin.arrowTo(main.locator('[role=tab]', { hasText: admin.t('tabs.messages') }), 'ArrowRight')
    await admin.page.keyboard.press('Enter')
    await admin.press(main.locator('[data-get]'))
    await main.locator('[data-message]').getByText('by key').waitFor()
    await admin.press(main.locator('[data-action=purge]'))
    await admin.confirm()
    await ready(0)
    await admin.press(main.locator('[data-action=delete]'))
    await admin.confirm()
  })
  await step('sign out', async () => {
    await me.press(page.getByRole('button', { name: shared.people.member }))
    await me.at(page.locator('.ant-dropdown:not(.ant-dropdown-hidden)'))
    await me.arrowTo(page.locator('.ant-dropdown:not(.ant-dropdown-hidden) [role=menuitem]', { hasText: me.t('shell.signOut') }))
    await press('Enter')
    await me.at(page.locator('#user'))
  })
  await step('no page has failed', () => {
    const errors = [...admin.errors, ...me.errors]
    if (errors.length) throw new Error(errors.join('\n'))
  })
} catch (e) {
  if (report.failed === 0) report.broken(e)
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-reach-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
