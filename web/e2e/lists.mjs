// What one finds, filters, keeps and does with several things at once.
//
//   usage: node lists.mjs BASE LANGUAGE PASSWORD
import { furnish, password as theirs, seed, settled, until } from './seed.mjs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(name, what)
const browser = await launch()

const same = (got, want) => {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)]
  if (a !== b) throw new Error(`it is ${a}, not ${b}`)
}

/** The search of everything. */
class Search {
  constructor(person) {
    this.page = person.page
    this.field = person.page.getByRole('dialog').getByRole('combobox')
  }
  async open(text) {
    await this.page.keyboard.press('Control+k')
    await this.field.fill(text)
  }
  /** Something that was found. */
  option = (kind, text) => this.page.locator(`[role=option][data-kind="${kind}"]`, { hasText: text })
  gone = () => this.field.waitFor({ state: 'detached' })
}

let admin
let member
try {
  admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  const shared = await seed(admin)
  member = await Person.open(browser, base, language)
  await member.signIn(shared.people.member, theirs)
  const { network, server, volume } = await furnish(member, shared)
  const search = new Search(member)

  await step('a server is found by a part of its name, by its id and by its address, and opened by key', async () => {
    const [address] = Object.values(await member.must('compute', 'GET', `/servers/${server.id}`).then((s) => s.addresses)).flat()
    for (const text of ['we', server.id, address.addr]) {
      await member.go('/overview')
      await search.open(text)
      await search.option('server', 'web').waitFor()
      await member.page.keyboard.press('Enter')
      await member.there(`/servers/${server.id}`)
      await search.gone()
    }
  })
  await step('Enter that comes before the answer opens what the answer has first', async () => {
    await member.go('/overview')
    await search.open(volume.id)
    await member.page.keyboard.press('Enter')
    await member.there('/volumes')
    await member.has('data')
  })
  await step('things of every kind are found, and arrows choose among them', async () => {
    await search.open('private')
    await search.option('subnet', 'private-subnet').waitFor()
    await search.option('network', 'private').waitFor()
    await member.page.keyboard.press('ArrowDown')
    await member.page.keyboard.press('ArrowUp')
    same(await member.page.locator('[role=option][aria-selected=true]').getAttribute('data-kind'), 'network')
    await member.page.keyboard.press('Enter')
    await member.there(`/networks/${network.id}`)
  })
  await step('what was looked at last is there again', async () => {
    await search.open('')
    await search.option('network', 'private').waitFor()
    await search.option('server', 'web').click()
    await member.there(`/servers/${server.id}`)
  })
  await step('a found server is stopped and started from the search', async () => {
    await member.go('/overview')
    await search.open('web')
    await member.page.locator('[data-action=stop]').click()
    await member.confirm()
    await search.gone()
    await settled(member, server.id, 'SHUTOFF')
    await search.open('web')
    await member.page.locator('[data-action=start]').click()
    await search.gone()
    await settled(member, server.id, 'ACTIVE')
  })
  await step('a project finds nothing of another; its administrator finds it and the people', async () => {
    await search.open('class-member')
    await member.page.getByText(member.t('finder.nothing')).waitFor()
    await member.page.keyboard.press('Escape')
    await search.gone()
    await admin.must('volume', 'POST', '/volumes', { volume: { name: 'hidden-disk', size: 1 } })
    await search.open('hidden-disk')
    await member.page.getByText(member.t('finder.nothing')).waitFor()
    await member.page.keyboard.press('Escape')
    const all = new Search(admin)
    await all.open('class-member')
    await all.option('user', 'class-member').click()
    await admin.has('class-member')
    await all.open('web')
    await all.option('server', 'web').waitFor()
    await admin.page.keyboard.press('Escape')
    await all.gone()
    const [hidden] = await admin.must('volume', 'GET', '/volumes?name=hidden-disk')
    await admin.must('volume', 'DELETE', `/volumes/${hidden.id}`)
  })
  const names = (person) => person.page.locator('.ant-table-row .row-name').allInnerTexts()
  const shows = (person, want) => until(`${want}`, async () => (await names(person)).map((n) => n.trim()).sort().join() === want)
  const field = member.page.locator('[data-filter] input')
  await step('key:value is completed to a chip, kept in the address, and undone by going back', async () => {
    for (const [name, size] of [
      ['one', 1],
      ['two', 2],
      ['two more', 2],
    ]) {
      const made = await member.must('volume', 'POST', '/volumes', { volume: { name, size } })
      await until(name, async () => (await member.must('volume', 'GET', `/volumes/${made.id}`)).status === 'available')
    }
    await member.menu('project', 'volumes')
    await shows(member, 'data,one,two,two more')
    await field.pressSequentially('siz')
    await member.page.locator('.ant-select-item-option', { hasText: 'size:' }).click()
    await member.page.locator('.ant-select-item-option', { hasText: /^2$/ }).click()
    await member.page.locator('[data-chip="size:2"]').waitFor()
    await shows(member, 'two,two more')
    await field.pressSequentially('name:"two more" ')
    await member.page.locator('[data-chip=\'name:"two more"\']').waitFor()
    await shows(member, 'two more')
    await member.page.reload()
    await shows(member, 'two more')
    same(await member.page.locator('[data-chip]').count(), 2)
    await member.page.goBack()
    await shows(member, 'two,two more')
    same(await member.page.locator('[data-chip]').count(), 1)
    await member.page.locator('[data-chip="size:2"]').getByRole('button').click()
    await shows(member, 'data,one,two,two more')
    await field.pressSequentially('more')
    await shows(member, 'two more')
    await field.fill('')
    await field.pressSequentially('name:one ')
    await member.page.locator('[data-chip="name:one"]').waitFor()
    await member.page.keyboard.press('Backspace')
    await shows(member, 'data,one,two,two more')
  })
  await step('a view is saved, found again, and deleted', async () => {
    await member.go('/volumes?q=size:2&sort=-name')
    await shows(member, 'two,two more')
    await member.page.getByRole('button', { name: member.t('views.title') }).click()
    const views = member.page.locator('[data-views]')
    await views.getByRole('textbox').fill('large')
    await member.page.keyboard.press('Enter')
    await views.waitFor({ state: 'hidden' })
    await member.menu('project', 'servers')
    await member.menu('project', 'volumes')
    await shows(member, 'data,one,two,two more')
    await member.page.getByRole('button', { name: member.t('views.title') }).click()
    await views.getByRole('button', { name: 'large', exact: true }).click()
    await shows(member, 'two,two more')
    same(await names(member), ['two more', 'two'])
    await member.page.getByRole('button', { name: member.t('views.title') }).click()
    await views.getByRole('button', { name: member.t('views.delete').replace('{{name}}', 'large') }).click()
    await views.getByText(member.t('views.none')).waitFor()
    await member.page.keyboard.press('Escape')
    await member.menu('project', 'servers')
    await member.menu('project', 'volumes')
    await shows(member, 'data,one,two,two more')
  })
  await step('several are deleted at once: their number is typed, each has its own outcome', async () => {
    const [one] = await member.must('volume', 'GET', '/volumes?name=one')
    await member.must('compute', 'POST', `/servers/${server.id}/os-volume_attachments`, { volumeAttachment: { volumeId: one.id } })
    await member.status('one', 'in-use')
    for (const name of ['one', 'two', 'two more']) {
      await member.page.locator('.ant-table-row', { has: member.page.locator('.row-name', { hasText: new RegExp(`^${name}$`) }) }).getByRole('checkbox').check()
    }
    await member.page.locator('[data-bulk=delete]').click()
    const dialog = member.page.locator('.ant-modal-confirm')
    const button = dialog.locator('.ant-modal-confirm-btns button').last()
    // One of the three is attached: it is left out, and the number is of the others.
    for (const typed of ['', '3']) {
      await dialog.getByRole('textbox').fill(typed)
      same(await button.isEnabled(), false)
    }
    same(await dialog.locator('li').allInnerTexts(), ['two', 'two more'])
    await dialog.getByRole('textbox').fill('2')
    await button.click()
    await dialog.waitFor({ state: 'detached' })
    await shows(member, 'data,one')
  })
  await step('what fails of several is told in the task log, and stays selected', async () => {
    await member.must('network', 'POST', '/networks', { network: { name: 'spare' } })
    await member.menu('project', 'networks')
    for (const name of ['private', 'spare']) await member.row(name).getByRole('checkbox').check()
    await member.page.locator('[data-bulk=delete]').click()
    const dialog = member.page.locator('.ant-modal-confirm')
    await dialog.getByRole('textbox').fill('2')
    await dialog.locator('.ant-modal-confirm-btns button').last().click()
    await member.gone('spare')
    const log = member.page.locator('.tasks')
    await log.locator('li', { hasText: 'private' }).getByText(/req-/).waitFor()
    await log.locator('li', { hasText: 'private' }).getByRole('button', { name: member.t('common.retry') }).waitFor()
    await log.locator('li', { hasText: 'spare' }).getByText(member.t('taskState.done')).waitFor()
    await member.page.keyboard.press('Escape')
    await member.page.locator('[data-bulk=delete]', { hasText: '(1)' }).waitFor()
    same(await member.row('private').getByRole('checkbox').isChecked(), true)
  })
  await step('servers are stopped and started from the list, those that are in a state for it', async () => {
    await member.menu('project', 'servers')
    await member.row('web').getByRole('checkbox').check()
    same(await member.page.locator('[data-bulk=start]').isEnabled(), false)
    await member.page.locator('[data-bulk=stop]').click()
    await member.confirm()
    await member.status('web', 'SHUTOFF')
    await member.row('web').getByRole('checkbox').check()
    await member.page.locator('[data-bulk=start]').click()
    await member.status('web', 'ACTIVE')
  })
  await step('the tab of a detail page is in the address', async () => {
    await member.go(`/servers/${server.id}`)
    await member.page.getByRole('tab', { name: member.t('tabs.interfaces') }).click()
    await member.page.waitForURL(/tab=interfaces/)
    await member.page.reload()
    await member.page.getByRole('tab', { name: member.t('tabs.interfaces'), selected: true }).waitFor()
    await member.page.getByRole('tab', { name: member.t('tabs.volumes') }).click()
    await member.page.goBack()
    await member.page.getByRole('tab', { name: member.t('tabs.interfaces'), selected: true }).waitFor()
  })
  await step('a form that was begun is there again when the page is loaded anew, without its secrets', async () => {
    await member.menu('project', 'servers')
    await member.create()
    await member.fill({ name: 'begun', count: 3, userData: '#!/bin/sh' })
    await member.page.reload()
    await member.page.locator('[data-draft]').waitFor()
    const values = () => Promise.all(['name', 'count', 'userData'].map((id) => member.page.locator(`form [id="${id}"]`).inputValue()))
    same(await values(), ['begun', '3', '#!/bin/sh'])
    await member.fill({ userData: '-----BEGIN PRIVATE KEY-----' })
    await member.page.reload()
    await member.page.locator('[data-draft]').waitFor()
    same(await values(), ['begun', '3', ''])
    await member.page.locator('[data-draft]').getByRole('button').click()
    same(await values(), ['', '1', ''])
    await member.page.reload()
    await member.page.locator('form [id="name"]').waitFor()
    same(await member.page.locator('[data-draft]').count(), 0)
    // What is more than the quota allows is said before it is asked for.
    await member.fill({ count: 30 })
    await member.page.locator('[data-over]').waitFor()
    await member.page.locator('[data-summary]').getByText('+ 30 /').first().waitFor()
    await member.fill({ count: 1 })
    await member.page.locator('[data-over]').waitFor({ state: 'detached' })
    // One in a drawer opens by itself, and is gone once it is closed.
    await member.menu('project', 'networks')
    await member.create()
    await member.fill({ name: 'half' })
    await member.page.reload()
    await member.page.locator('.ant-drawer-open [data-draft]').waitFor()
    same(await member.page.locator('.ant-drawer-open [id="name"]').inputValue(), 'half')
    await member.page.keyboard.press('Escape')
    await member.page.locator('.ant-drawer-open').waitFor({ state: 'detached' })
    await member.page.reload()
    await member.has('private')
    same(await member.page.locator('.ant-drawer-open').count(), 0)
  })
  await step('what a component refuses is said at the field it is about', async () => {
    await member.menu('project', 'networks')
    await member.create()
    await member.fill({ name: 'x'.repeat(300), withSubnet: false })
    await member.submit()
    await member.page.locator('.ant-form-item', { has: member.page.locator('[id="name"]') }).locator('.ant-form-item-explain-error').waitFor()
    await member.page.keyboard.press('Escape')
  })
  await step('the task log follows what goes on after its answer, outlasts a reload, and is gone with its owner', async () => {
    await member.menu('project', 'volumes')
    await member.create()
    await member.send({ name: 'followed', size: 1 })
    const word = `${member.t('actions.createVolume')} · ${member.t('taskState.done')}`
    await member.page.locator('.ant-message-success', { hasText: word }).waitFor()
    await member.remove('followed')
    await member.page.locator('.ant-message-success', { hasText: 'followed' }).waitFor()
    await member.page.reload()
    const log = member.page.getByRole('button', { name: member.t('shell.tasks') })
    await log.click()
    const made = member.page.locator('.tasks li', { hasText: word }).first()
    await made.getByText(/ms/).waitFor()
    await made.getByText(/req-/).waitFor()
    await member.page.keyboard.press('Escape')
    await member.page.locator('.tasks').waitFor({ state: 'hidden' })
    await member.page.getByRole('button', { name: shared.people.member }).click()
    await member.page.getByRole('menuitem', { name: member.t('shell.signOut') }).click()
    await member.signIn(shared.people.reader, theirs)
    await log.click()
    await member.page.getByText(member.t('shell.noTasks')).waitFor()
  })
  await step('no page has failed', () => same([...admin.errors, ...member.errors], []))
} catch (e) {
  if (report.failed === 0) report.broken(e)
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-lists-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
