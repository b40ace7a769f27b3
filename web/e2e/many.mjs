// A list of very many servers: how long its first rows take, that scrolling
// reads what comes into view and forgets the rest, and that the server filters
// and sorts. The servers are made through the API, like anybody's.
//
// usage: many.mjs BASE LANGUAGE PASSWORD COUNT
import { readFileSync } from 'node:fs'
import { Person, Report, launch } from './ui.mjs'

const [, , base, language, password, total = '1000'] = process.argv
const count = Number(total)
const batch = 100

const report = new Report()
const browser = await launch()
const p = await Person.open(browser, base, language)

async function api(method, path, body) {
  const resp = await p.page.request.fetch(`${base}/dashboard${path}`, {
    method,
    data: body,
    headers: { 'X-Nubo-Dashboard': '1', 'OpenStack-API-Version': 'compute 2.96', 'Content-Type': path.endsWith('/file') ? 'application/octet-stream' : 'application/json' },
  })
  if (!resp.ok()) throw new Error(`${method} ${path}: ${resp.status()} ${await resp.text()}`)
  return resp.status() === 204 ? undefined : resp.json()
}

const compute = '/api/compute'
const settle = (ms) => p.page.waitForTimeout(ms)
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

async function make() {
  const { project } = await api('GET', '/session')
  await api('PUT', `${compute}/os-quota-sets/${project.id}`, { quota_set: { instances: -1, cores: -1, ram: -1 } })
  const { flavor } = await api('POST', `${compute}/flavors`, { flavor: { name: `m${Date.now().toString(36)}`, vcpus: 1, ram: 64, disk: 0 } })
  const image = await api('POST', '/api/image/v2/images', { name: 'many', disk_format: 'raw', container_format: 'bare' })
  await api('PUT', `/api/image/v2/images/${image.id}/file`, Buffer.alloc(4096))
  const names = Array.from({ length: count / batch }, (_, i) => `many-${String(i).padStart(3, '0')}`)
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let name = names.pop(); name; name = names.pop()) {
        await api('POST', `${compute}/servers`, {
          server: { name, flavorRef: flavor.id, imageRef: image.id, networks: 'none', min_count: batch, max_count: batch, return_reservation_id: true },
        })
      }
    }),
  )
  while ((await api('GET', `${compute}/servers?status=BUILD&limit=1`)).servers.length > 0) await settle(500)
}

/** The heap in MiB, without what is garbage. */
async function heap() {
  const cdp = await p.context.newCDPSession(p.page)
  await cdp.send('HeapProfiler.collectGarbage')
  const { usedSize } = await cdp.send('Runtime.getHeapUsage')
  await cdp.detach()
  return usedSize / 2 ** 20
}

const body = p.page.locator('.ant-table-tbody-virtual-holder')
const drawn = () => p.page.locator('.ant-table-row').count()
const figures = {}

/** Scrolls down until so many are counted; gives how many rows were in the document at most. */
async function toEnd(rows) {
  const least = p.page.locator('main [aria-live=polite], [role=main] [aria-live=polite]').last()
  let most = await drawn()
  for (let n = 0; !(await least.innerText()).includes(`${rows}`); n++) {
    if (n > rows / 50) throw new Error(`the end is not reached: ${await least.innerText()}`)
    await body.evaluate((e) => e.scrollTo(0, e.scrollHeight))
    await settle(100)
    most = Math.max(most, await drawn())
  }
  return most
}

const networks = 1200

/** Networks with a subnet each. */
async function makeNetworks() {
  const { project } = await api('GET', '/session')
  await api('PUT', `/api/network/quotas/${project.id}`, { quota: { network: -1, subnet: -1 } })
  const wanted = Array.from({ length: networks }, (_, i) => ({ name: `lan-${String(i).padStart(4, '0')}` }))
  const made = await api('POST', '/api/network/networks', { networks: wanted })
  const subnets = made.networks.map((n) => ({ network_id: n.id, name: `of ${n.name}`, ip_version: 4, cidr: '10.0.0.0/24', enable_dhcp: false }))
  await api('POST', '/api/network/subnets', { subnets })
}

try {
  await p.signIn('admin', password)
  await report.step(`${count} servers are made`, async () => {
    const began = Date.now()
    const have = await api('GET', `${compute}/servers?name=%5Emany&limit=1000`)
    if (have.servers.length < Math.min(count, 1000)) await make()
    figures.made = (Date.now() - began) / 1000
  })
  await report.step('the first rows take the server less than half a second', async () => {
    const took = []
    for (let i = 0; i < 9; i++) {
      const began = performance.now()
      await api('GET', '/pages/servers?limit=200')
      took.push(performance.now() - began)
    }
    figures.first = median(took)
    const began = performance.now()
    await api('GET', '/pages/servers?limit=1000')
    figures.thousand = performance.now() - began
    if (figures.first > 500) throw new Error(`it took ${figures.first} ms`)
  })
  await report.step('the list shows them', async () => {
    const began = performance.now()
    await p.menu('project', 'servers')
    await p.page.locator('.ant-table-row', { hasText: 'many' }).first().waitFor()
    figures.shown = performance.now() - began
    figures.heapBefore = await heap()
  })
  await report.step('scrolling reads to the end, and the tab forgets what is out of view', async () => {
    figures.rows = await toEnd(count)
    await p.page.locator('.ant-table-row', { hasText: 'many-' }).first().waitFor()
    figures.heapAfter = await heap()
    if (figures.rows > 100) throw new Error(`${figures.rows} rows are in the document`)
    if (figures.heapAfter - figures.heapBefore > 32) throw new Error(`the heap grew from ${figures.heapBefore} to ${figures.heapAfter} MiB`)
  })
  await report.step('what is typed is looked for by the server, and can be kept as a file', async () => {
    await p.page.locator('[data-filter] input').fill('many-000-7')
    await p.page.locator('.ant-table-row', { hasText: 'many-000-7' }).first().waitFor()
    await p.page.waitForFunction(() => [...document.querySelectorAll('.ant-table-row')].every((r) => r.textContent.includes('many-000-7')))
    const [saved] = await Promise.all([
      p.page.waitForEvent('download'),
      (async () => {
        await p.page.getByRole('button', { name: p.t('list.export') }).click()
        await p.page.getByRole('menuitem', { name: 'CSV' }).click()
      })(),
    ])
    const lines = readFileSync(await saved.path(), 'utf8').trim().split('\r\n')
    if (lines.length < 2 || lines.slice(1).some((l) => !l.startsWith('many-000-7'))) throw new Error(`the CSV has ${lines}`)
    await p.page.locator('[data-filter] input').fill('')
  })
  await report.step('a column is sorted by the server, and the address says so', async () => {
    await p.page.getByRole('columnheader', { name: p.t('fields.name') }).click()
    await p.page.waitForURL(/sort=name/)
    await body.evaluate((e) => e.scrollTo(0, 0))
    await p.page.locator('.ant-table-row', { hasText: 'many-000-1' }).first().waitFor()
  })
  await report.step(`of ${networks} networks the last is reached, and has its subnet`, async () => {
    if ((await api('GET', '/api/network/networks?name=lan-0000')).networks.length === 0) await makeNetworks()
    await p.go('/networks?sort=name')
    await p.has('lan-0000')
    await toEnd(networks)
    await p.row('lan-1199').getByText('of lan-1199').waitFor()
    await p.page.locator('[data-filter] input').fill('lan-0777')
    await p.row('lan-0777').getByText('of lan-0777').waitFor()
    await p.gone('lan-1199')
  })
  const end = /many-000-1(?!\d)/
  const hand = await Person.open(browser, base, language, 'light', { width: 390, height: 844 }, { hasTouch: true, isMobile: true })
  await report.step('on a phone each is a card, and scrolling leads to the last', async () => {
    await hand.page.locator('#user').fill('admin')
    await hand.page.locator('#password').fill(password)
    await hand.page.keyboard.press('Enter')
    await hand.page.locator('#main').waitFor()
    await hand.go('/servers?sort=-name')
    const least = hand.page.locator('[role=main] [aria-live=polite]').last()
    for (let n = 0; !(await least.innerText()).includes(`${count}`) || !(await hand.further()); n++) {
      if (n > count / 50) throw new Error(`the end is not reached: ${await least.innerText()}`)
      const wrong = await hand.cards()
      if (wrong.length > 0) throw new Error(wrong.join('\n'))
      await hand.page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight))
      await settle(100)
    }
    await hand.row(end).waitFor()
  })
  await report.step('by touch: the last is stopped and started', () => hand.touchPower(end))
  await report.step('nothing has gone wrong in the browser', async () => {
    const wrong = [...p.errors, ...hand.errors]
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
  })
} catch {
  await p.page.screenshot({ path: `${process.env.SHOTS ?? '.'}/many-${language}.png` })
} finally {
  const f = figures
  const n = (v, digits = 0) => v?.toFixed(digits)
  console.log(
    `${count} servers made in ${n(f.made, 1)} s; first 200 rows ${n(f.first)} ms of server time, 1000 rows ${n(f.thousand)} ms; on screen after ${n(f.shown)} ms; ` +
      `at most ${f.rows} rows in the document; heap ${n(f.heapBefore, 1)} MiB before and ${n(f.heapAfter, 1)} MiB after scrolling through all`,
  )
  await browser.close()
  report.end()
}
