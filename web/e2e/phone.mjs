// What a phone's width and a small desktop's leave of the pages: nothing makes
// a page wider than the screen, what can be done with a row is within reach,
// and with a finger one finds a server, stops and starts it, sees its console.
//
//   usage: node phone.mjs BASE PASSWORD
import { mkdirSync } from 'node:fs'
import { furnish, seed, settled, password as theirs } from './seed.mjs'
import { launch, Person, Report, routes } from './ui.mjs'

const [base, password] = process.argv.slice(2)
const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 800 }
const shots = process.env.SHOTS
if (shots) mkdirSync(shots, { recursive: true })

const report = new Report()
const browser = await launch()

/** Somebody with this screen; a phone is touched. */
async function somebody(user, pw, viewport, touch = false) {
  const person = await Person.open(browser, base, 'en', 'light', viewport, touch ? { hasTouch: true, isMobile: true } : {})
  await person.page.locator('#user').fill(user)
  await person.page.locator('#password').fill(pw)
  await person.page.keyboard.press('Enter')
  await person.page.locator('#main').waitFor()
  return person
}

const ofAdmin = (route) => /^\/(admin|identity|broker)\//.test(route)
const lists = routes.filter((r) => !r.includes('$') && !r.endsWith('/detail'))

/** What of the page shown is out of reach. */
const outside = (person) =>
  person.page.evaluate(() => {
    const found = []
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} wide, the screen ${clientWidth}`)
    const button = document.querySelector('.ant-table-row [data-actions]')
    const at = button?.getBoundingClientRect()
    if (at && (at.left < 0 || at.right > clientWidth || at.width === 0)) found.push(`the first row's actions are at ${at.left}–${at.right}`)
    return found
  })

async function fits(people, viewport) {
  const bad = []
  const member = await somebody(people.member, theirs, viewport)
  const admin = await somebody('admin', password, viewport)
  for (const route of lists) {
    const person = ofAdmin(route) ? admin : member
    await person.go(route)
    for (const what of await outside(person)) bad.push(`${route}: ${what}`)
  }
  await member.context.close()
  await admin.context.close()
  if (bad.length) throw new Error(bad.join('\n'))
}

try {
  const admin = await Person.open(browser, base, 'en')
  await admin.signIn('admin', password)
  const shared = await seed(admin)
  const member = await Person.open(browser, base, 'en')
  await member.signIn(shared.people.member, theirs)
  const { server } = await furnish(member, shared)
  await report.step(`${lists.length} pages fit into ${phone.width} pixels`, () => fits(shared.people, phone))
  await report.step(`${lists.length} pages fit into ${desktop.width} pixels`, () => fits(shared.people, desktop))

  const hand = await somebody(shared.people.member, theirs, phone, true)
  const { page } = hand
  const choose = async (key) => {
    await hand.row('web').locator('button[data-actions]').tap()
    await page.locator(`.ant-dropdown:not(.ant-dropdown-hidden) [data-action="${key}"]`).tap()
  }
  await report.step('by touch: the menu leads to the servers', async () => {
    await page.getByRole('button', { name: hand.t('shell.menu') }).tap()
    await page.getByRole('navigation').getByRole('link', { name: hand.t('menu.servers'), exact: true }).tap()
    await hand.there('/servers')
    await page.getByRole('navigation').waitFor({ state: 'hidden' })
    await hand.status('web', 'ACTIVE')
  })
  await report.step('by touch: a server is stopped and started', async () => {
    await choose('stop')
    await page.locator('.ant-modal-confirm-btns button').last().tap()
    await hand.status('web', 'SHUTOFF')
    await choose('start')
    await hand.status('web', 'ACTIVE')
  })
  await report.step('by touch: its console is seen', async () => {
    await choose('console')
    const canvas = page.locator('.console-dock canvas').first()
    await canvas.waitFor()
    const box = await canvas.boundingBox()
    if (box.x < 0 || box.x + box.width > phone.width) throw new Error(`the screen is at ${box.x}, ${box.width} wide`)
    if (shots) await page.screenshot({ path: `${shots}/phone-console.png` })
    const wrong = await outside(hand)
    if (wrong.length || hand.errors.length) throw new Error([...wrong, ...hand.errors].join('\n'))
  })
  await settled(member, server.id, 'ACTIVE')
} catch (e) {
  if (report.failed === 0) report.broken(e)
} finally {
  await browser.close()
  report.end()
}
