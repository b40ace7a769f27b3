// What a phone's width and a small desktop's leave of the pages: nothing makes
// a page wider than the screen, what can be done with a row is within reach,
// and with a finger one finds a server, stops and starts it, sees its console.
//
//   usage: node phone.mjs BASE PASSWORD
import { mkdirSync } from 'node:fs'
import { furnish, seed, settled, password as theirs, until } from './seed.mjs'
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
  const { image, server } = await furnish(member, shared)
  await report.step(`${lists.length} pages fit into ${phone.width} pixels`, () => fits(shared.people, phone))
  await report.step(`${lists.length} pages fit into ${desktop.width} pixels`, () => fits(shared.people, desktop))

  for (const language of ['en', 'zh-CN']) {
    await report.step(`${language}: nothing of the broker's lists is to be scrolled to sideways on ${desktop.width} pixels`, async () => {
      const at = await Person.open(browser, base, language, 'light', desktop)
      await at.signIn('admin', password)
      for (const list of ['connections', 'channels', 'exchanges', 'queues', 'vhosts']) {
        await at.go(`/broker/${list}`)
        await at.page.locator('.ant-table-row').first().waitFor()
        const [wide, width] = await at.page.locator('.ant-table-content, .ant-table-tbody-virtual-holder').evaluate((e) => [e.scrollWidth, e.clientWidth])
        if (wide > width) throw new Error(`${list} are ${wide} pixels wide in ${width}`)
      }
      await at.context.close()
    })
  }

  const hand = await somebody(shared.people.member, theirs, phone, true)
  const { page } = hand
  await report.step('by touch: the menu leads to the servers', async () => {
    await page.getByRole('button', { name: hand.t('shell.menu') }).tap()
    await page.getByRole('navigation').getByRole('link', { name: hand.t('menu.servers'), exact: true }).tap()
    await hand.there('/servers')
    await page.getByRole('navigation').waitFor({ state: 'hidden' })
    await hand.status('web', 'ACTIVE')
  })
  await report.step('by touch: a server is stopped and started', () => hand.touchPower('web'))
  await report.step('by touch: its console is seen', async () => {
    await hand.touch('web', 'console')
    const canvas = page.locator('.console-dock canvas').first()
    await canvas.waitFor()
    const box = await canvas.boundingBox()
    if (box.x < 0 || box.x + box.width > phone.width) throw new Error(`the screen is at ${box.x}, ${box.width} wide`)
    if (shots) await page.screenshot({ path: `${shots}/phone-console.png` })
    const wrong = await outside(hand)
    if (wrong.length || hand.errors.length) throw new Error([...wrong, ...hand.errors].join('\n'))
  })
  await settled(member, server.id, 'ACTIVE')
  await hand.context.close()

  const crowd = 150
  const project = shared.project.id
  await admin.must('compute', 'PUT', `/os-quota-sets/${project}`, { quota_set: { instances: -1, cores: -1, ram: -1 } })
  const body = { name: 'crowd', imageRef: image.id, flavorRef: shared.flavor.id, networks: 'none', min_count: crowd, max_count: crowd }
  const crowded = await somebody(shared.people.member, theirs, phone, true)
  await report.step(`${crowd} servers more are made`, async () => {
    await member.must('compute', 'POST', '/servers', { server: body })
    const building = async () => (await member.must('compute', 'GET', '/servers?status=BUILD&limit=1')).length
    await until('no server is being built', async () => (await building()) === 0)
  })
  await report.step('each is a card; scrolling shows all of them, and few at once are in the document', async () => {
    await crowded.go('/servers')
    await crowded.has('crowd')
    const names = new Set()
    for (let last = false; !last; last = await crowded.further()) {
      for (const name of await crowded.page.locator('.ant-table-row .row-name').allInnerTexts()) names.add(name.trim())
      const wrong = await crowded.cards()
      if (wrong.length) throw new Error(wrong.join('\n'))
    }
    if (shots) await crowded.page.screenshot({ path: `${shots}/phone-crowd.png` })
    if (names.size !== crowd + 1) throw new Error(`${names.size} servers were seen`)
  })
  await report.step('by touch: the last of them is stopped and started', async () => {
    await crowded.touchPower('web')
    if (crowded.errors.length) throw new Error(crowded.errors.join('\n'))
  })
  await report.step('the others are deleted, and the list says so', async () => {
    const all = await member.must('compute', 'GET', '/servers?name=crowd&limit=1000')
    for (const one of all) await member.must('compute', 'DELETE', `/servers/${one.id}`)
    await until('they are gone', async () => (await member.must('compute', 'GET', '/servers?name=crowd&limit=1')).length === 0)
    await crowded.gone('crowd')
    await crowded.has('web')
    await admin.must('compute', 'DELETE', `/os-quota-sets/${project}`)
  })
} catch (e) {
  if (report.failed === 0) report.broken(e)
} finally {
  await browser.close()
  report.end()
}
