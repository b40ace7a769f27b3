// Who may what: a member has no administrator's menus and gets 403 for their
// addresses called by hand; a reader sees what he may not do, and why.
//
//   usage: node roles.mjs BASE LANGUAGE PASSWORD
import { furnish, password as theirs, seed } from './seed.mjs'
import { launch, Person, Report, routes } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(name, what)
const browser = await launch()

/** What a page asks the dashboard's server for when somebody who may looks at it. */
async function asks(person, path) {
  const seen = new Set()
  const see = (r) => {
    const { pathname, search } = new URL(r.url())
    if (/^\/dashboard\/(pages|api)\//.test(pathname)) seen.add(pathname + search)
  }
  person.page.on('request', see)
  await person.go(path)
  person.page.off('request', see)
  return seen
}

try {
  const admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  const shared = await seed(admin)
  const member = await Person.open(browser, base, language)
  await member.signIn(shared.people.member, theirs)
  const { server, volume } = await furnish(member, shared)
  const reader = await Person.open(browser, base, language)
  await reader.signIn(shared.people.reader, theirs)
  const guarded = routes.filter((r) => /^\/(admin|identity|broker)\//.test(r) && !/\$|\/detail$/.test(r))

  await step('a member and a reader have the project menu only', async () => {
    for (const person of [member, reader]) {
      await person.page.getByRole('menuitem', { name: person.t('menu.project'), exact: true }).waitFor()
      for (const section of ['admin', 'identity', 'broker']) {
        if (await person.page.getByRole('menuitem', { name: person.t(`menu.${section}`), exact: true }).count()) throw new Error(`the menu ${section} is shown`)
      }
    }
  })
  await step(`${guarded.length} addresses by hand: each answers 403, and says so`, async () => {
    for (const path of guarded) {
      const answer = await member.page.goto(base + path)
      if (answer.status() !== 403) throw new Error(`${path} answers ${answer.status()}`)
      await member.page.getByRole('alert').getByText(member.t('errors.forbidden')).waitFor()
    }
    await member.page.goto(`${base}/overview`)
    await member.there('/overview')
  })
  await step('what only the administrator may is refused by the servers too', async () => {
    // What his pages ask for by GET, and some of what they change.
    const refused = []
    for (const path of guarded) {
      for (const asked of await asks(admin, path)) {
        const { status } = await member.request('GET', asked)
        if (status === 403) refused.push(asked)
        else if (status >= 500) throw new Error(`${asked} answers ${status}`)
      }
    }
    console.log(`    ${refused.length} requests of the administrator's pages are refused to a member`)
    for (const page of ['admin-overview', 'hypervisors', 'aggregates', 'domains', 'users', 'groups', 'roles']) {
      const { status } = await member.request('GET', `/dashboard/pages/${page}`)
      if (status !== 403) throw new Error(`the page ${page} answers ${status}`)
    }
    for (const [service, method, path, body] of [
      ['identity', 'POST', '/projects', { project: { name: 'mine', domain_id: 'default' } }],
      ['identity', 'DELETE', `/projects/${shared.project.id}`],
      ['compute', 'POST', '/flavors', { flavor: { name: 'mine', vcpus: 1, ram: 1, disk: 1 } }],
      ['compute', 'DELETE', `/flavors/${shared.flavor.id}`],
      ['compute', 'GET', '/servers/detail?all_tenants=1'],
      ['compute', 'POST', '/os-aggregates', { aggregate: { name: 'mine' } }],
      ['volume', 'POST', '/types', { volume_type: { name: 'mine' } }],
      ['network', 'POST', '/networks', { network: { name: 'mine', shared: true } }],
    ]) {
      const { status } = await member.api(service, method, path, body)
      if (status !== 403) throw new Error(`${method} ${service}${path} answers ${status}`)
    }
  })
  await step("a reader's create buttons are disabled, and say why", async () => {
    for (const [path, key] of [
      ['/servers', 'servers'],
      ['/volumes', 'volumes'],
      ['/networks', 'networks'],
      ['/security-groups', 'securityGroups'],
      ['/images', 'images'],
    ]) {
      await reader.go(path)
      const button = reader.page.getByRole('button', { name: reader.t(`pages.${key}.create`), exact: true })
      await reader.because(button)
    }
  })
  await step("a reader's actions on a row and on a thing's page are disabled, and say why", async () => {
    await reader.go('/servers')
    await reader.row('web').locator('button[data-actions]').click()
    const items = reader.page.locator('.ant-dropdown:not(.ant-dropdown-hidden) .ant-dropdown-menu-item')
    await items.first().waitFor()
    for (const item of await items.all()) {
      if ((await item.getAttribute('aria-disabled')) !== 'true') throw new Error(`${await item.innerText()} is not disabled`)
      if (!(await item.locator('[title]').getAttribute('title')).startsWith(reader.t('why.policy').split('{{')[0])) throw new Error(`${await item.innerText()} does not say why`)
    }
    await reader.page.keyboard.press('Escape')
    await reader.go(`/servers/${server.id}`)
    const buttons = reader.page.locator('[role=main] button[data-action]')
    await buttons.first().waitFor()
    for (const button of await buttons.all()) await reader.because(button)
  })
  await step('and the servers refuse a reader', async () => {
    for (const [service, method, path, body] of [
      ['compute', 'POST', `/servers/${server.id}/action`, { 'os-stop': null }],
      ['compute', 'DELETE', `/servers/${server.id}`],
      ['volume', 'DELETE', `/volumes/${volume.id}`],
      ['network', 'POST', '/networks', { network: { name: 'mine' } }],
    ]) {
      const { status } = await reader.api(service, method, path, body)
      if (status !== 403) throw new Error(`${method} ${service}${path} answers ${status}`)
    }
  })
  await step('no page has failed', () => {
    const errors = [...admin.errors, ...member.errors, ...reader.errors]
    if (errors.length) throw new Error(errors.join('\n'))
  })
} catch (e) {
  if (report.failed === 0) report.broken(e)
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-roles-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
