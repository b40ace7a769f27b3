// Every page the router knows, with one of everything to show: axe-core finds
// nothing serious in it, in either theme, nor in the form each opens, in a menu
// of actions and a question. NUBO_TEST_LOOKS=all has each theme in each
// language. With a FOLDER it does so too, and takes a picture of each page and
// form, of the pages with nothing to show and of what is refused, for a person
// to look at.
//
//   usage: node pages.mjs BASE PASSWORD [FOLDER]
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { furnish, seed, password as theirs, until } from './seed.mjs'
import { launch, Person, Report, routes } from './ui.mjs'

const [base, password, folder] = process.argv.slice(2)
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const ofAdmin = (route) => /^\/(admin|identity|broker)\//.test(route)
/** A page about one thing: its address is found in the list of such things. */
const aboutOne = (route) => route.includes('$') || route.endsWith('/detail')

const report = new Report()
const browser = await launch()

/** Where things are listed that have no list of their own. */
const listedAt = { '/broker/nodes': '/broker/overview' }

/** The address of one thing of a route, by the first link its list has to one. */
async function example(person, route) {
  const parent = route.replace(/\/[^/]+$/, '')
  await person.go(listedAt[parent] ?? parent)
  const pattern = new RegExp(`^${route.replace(/\$\w+/g, '[^/?]+')}(\\?|$)`)
  let found
  await until(`a link to ${route}`, async () => {
    const links = await person.page.locator(`[role=main] a[href^="${parent}/"]`).evaluateAll((all) => all.map((a) => a.getAttribute('href')))
    found = links.find((href) => pattern.test(href) && !routes.includes(href))
    return found
  })
  return found
}

/** What axe-core finds in the page, or in a part of it. */
async function check(person, part) {
  await person.page.evaluate(axe)
  const found = await person.page.evaluate(async (selector) => {
    const { violations } = await window.axe.run(selector ?? document, { resultTypes: ['violations'] })
    return violations
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.any[0]?.message ?? v.help}\n  ${n.html.slice(0, 200)}`))
  }, part)
  if (found.length) throw new Error(found.join('\n'))
}

const name = (route) => route.slice(1).replaceAll('/', '-').replaceAll('$', '')

async function visit(person, route, shot) {
  await person.go(aboutOne(route) ? await example(person, route) : route)
  if (shot) await person.page.screenshot({ path: `${folder}/${name(route)}.${shot}.png`, fullPage: true })
}

/** The form a page's button opens. */
async function form(person, route, shot) {
  const button = person.page.locator('[role=main] [data-create]').first()
  if (aboutOne(route) || (await button.count()) === 0 || !(await button.isEnabled())) return
  await button.click()
  const drawer = person.page.locator('.ant-drawer-open [data-submit]')
  if (!(await Promise.race([drawer.waitFor().then(() => true), person.there('/servers/new').then(() => false)]))) return
  await person.page.waitForFunction(() => {
    const at = document.activeElement
    return at?.matches('input:not([type=file]), textarea, button') && at.closest('.ant-form-item') === document.querySelector('.ant-drawer-open .ant-form-item')
  }).catch(() => { throw new Error('the first field of its form has not the focus') })
  if (shot) await person.page.screenshot({ path: `${folder}/form-${name(route)}.${shot}.png` })
  await check(person, '.ant-drawer-open')
  await person.page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
}

/** What asks and refuses: a row's actions, a question, a thing that is not there, a page one may not see. */
async function asides(person, shot) {
  const { page } = person
  const seen = async (what, part) => {
    if (shot) await page.screenshot({ path: `${folder}/${what}.${shot}.png` })
    await check(person, part)
  }
  await person.go('/servers')
  await page.locator('.ant-table-row [data-actions]').first().click()
  await page.locator('.ant-dropdown:visible [data-action="deleteServer"]').waitFor()
  await seen('actions', '.ant-dropdown')
  await page.locator('.ant-dropdown:visible [data-action="deleteServer"]').click()
  await page.locator('.ant-modal-confirm').waitFor()
  await seen('question', '.ant-modal-confirm')
  await page.keyboard.press('Escape')
  await page.locator('.ant-modal-confirm').waitFor({ state: 'detached' })
  for (const [what, path] of [
    ['not-there', '/servers/00000000-0000-0000-0000-000000000000'],
    ['not-allowed', '/admin/servers'],
  ]) {
    await person.go(path)
    await page.getByRole('alert').waitFor()
    await seen(what)
  }
}

async function somebody(user, pw, language, theme, viewport) {
  const person = await Person.open(browser, base, language, theme, viewport)
  await person.signIn(user, pw)
  return person
}

/** All pages as somebody of this language and theme sees them. */
async function look(language, theme, people, forms) {
  const shot = folder && `${language}.${theme}`
  const bad = []
  const member = await somebody(people.member, theirs, language, theme)
  const admin = await somebody('admin', password, language, theme)
  for (const [i, route] of routes.entries()) {
    const person = ofAdmin(route) ? admin : member
    try {
      await visit(person, route, shot)
      await check(person)
      if (forms(i)) await form(person, route, shot)
    } catch (e) {
      bad.push(`${route}: ${e.message}`)
    }
  }
  await asides(member, shot).catch((e) => bad.push(`asides: ${e.message}`))
  bad.push(...member.errors, ...admin.errors)
  await member.context.close()
  await admin.context.close()
  if (bad.length) throw new Error(bad.join('\n'))
}

try {
  const admin = await somebody('admin', password, 'en', 'light')
  const shared = await seed(admin)
  const member = await somebody(shared.people.member, theirs, 'en', 'light')
  await furnish(member, shared)
  await member.context.close()
  const looks = [
    ['en', 'light'],
    ['zh-CN', 'dark'],
  ]
  if (folder) mkdirSync(folder, { recursive: true })
  if (folder || process.env.NUBO_TEST_LOOKS === 'all') {
    looks.push(['en', 'dark'], ['zh-CN', 'light'])
  }
  for (const [n, [language, theme]] of looks.entries()) {
    // Of two looks each has every second form.
    const forms = (i) => looks.length > 2 || i % 2 === n
    await report.step(`${routes.length} pages and their forms, ${language}, ${theme}: axe-core finds nothing serious`, () => look(language, theme, shared.people, forms)).catch(() => undefined)
  }
  await report.step('the sign-in page: axe-core finds nothing serious', async () => {
    for (const [language, theme] of looks) {
      const nobody = await Person.open(browser, base, language, theme)
      await nobody.page.locator('#user').waitFor()
      await check(nobody)
      if (folder) await nobody.page.screenshot({ path: `${folder}/login.${language}.${theme}.png` })
      await nobody.context.close()
    }
  })
  if (folder) {
    await report.step('pictures of pages with nothing to show', async () => {
      for (const language of ['en', 'zh-CN']) {
        const person = await somebody('admin', password, language, 'light')
        for (const route of routes.filter((r) => !ofAdmin(r) && !aboutOne(r))) await visit(person, route, `${language}.empty`)
        await person.context.close()
      }
    })
  }
} catch (e) {
  if (report.failed === 0) report.broken(e)
} finally {
  await browser.close()
  report.end()
}
