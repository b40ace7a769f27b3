// The broker's pages by mouse: what clients do is seen without a reload, and
// everything a broker holds is made, used and deleted.
//
//   usage: node broker.mjs BASE LANGUAGE PASSWORD AMQP-PORT
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { until } from './seed.mjs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password, amqp] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()
const client = (name) => new URL(`../../test/pika/${name}`, import.meta.url).pathname
const python = '/usr/bin/python3'

const started = []

/** Starts rev.py, and gives it when it has printed what is waited for. */
async function receive(until) {
  const rev = spawn(python, ['-u', client('rev.py'), amqp], { stdio: ['ignore', 'pipe', 'pipe'] })
  started.push(rev)
  rev.said = ''
  rev.stderr.on('data', (d) => (rev.said += d))
  rev.ended = new Promise((resolve) => rev.on('close', resolve))
  for await (const line of createInterface({ input: rev.stdout })) if (line.includes(until)) return rev
  throw new Error(`rev.py has ended: ${rev.said}`)
}

const paths = ['overview', 'connections', 'channels', 'exchanges', 'queues', 'users', 'vhosts', 'policies', 'limits', 'features']

try {
  const p = await Person.open(browser, base, language)
  const { page } = p
  const go = (item) => p.menu('broker', item)
  const open = (name) => page.getByRole('link', { name, exact: true }).first().click()
  const tab = (key) => page.getByRole('tab', { name: p.t(`tabs.${key}`), exact: true }).click()
  const ready = (n) => page.locator('[data-ready]', { hasText: new RegExp(`^${n}$`) }).first().waitFor()
  const press = (key) => page.locator(`button[data-action="${key}"]`).click()
  /** Who has deleted a queue is back at the list. */
  const gone = async (name) => {
    await p.there('/broker/queues')
    await p.gone(name)
  }

  /** Nothing that is shown is a word of the wire, but for names: they are code, or lead to what has them. */
  const worded = async (where) => {
    const raw = await page.locator('[role=main]').evaluate((main) => {
      const found = []
      const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT)
      while (texts.nextNode()) {
        const { parentElement, data } = texts.currentNode
        if (!parentElement.closest('code, pre, a')) found.push(...(data.match(/\b[a-z]+(_[a-z\d]+)+\b/g) ?? []))
      }
      return found
    })
    if (raw.length) throw new Error(`${where}: ${raw}`)
  }

  await step('the administrator sees what the broker does', async () => {
    await p.signIn('admin', password)
    await go('overview')
    await page.locator('[data-chart="queued"] canvas').waitFor()
    await p.has('rabbit@')
    if ((await page.locator('figure[data-chart] canvas').count()) !== 4) throw new Error('not all charts are drawn')
  })
  await step('every page has its words', async () => {
    for (const path of paths) {
      await page.goto(`${base}/broker/${path}`)
      await page.locator('h3').first().waitFor()
      await page.locator('.ant-table-row, .ant-empty').first().waitFor()
      const raw = (await page.locator('body').innerText()).match(/\b(fields|actions|tabs|broker|charts|lines|spans|help|pages|status|queueTypes|features)\.\w+/g)
      if (raw) throw new Error(`${path}: ${raw}`)
      if (path !== 'connections' && path !== 'channels') await worded(path) // clients name those
    }
  })
  await step('what send.py sends is shown without a reload', async () => {
    await go('queues')
    await p.has('dashboard')
    await page.evaluate(() => (window.since = 'the first load'))
    execFileSync(python, [client('send.py'), amqp])
    await p.row('hello').locator('[data-ready]', { hasText: /^1$/ }).waitFor()
    await open('hello')
    await ready(1)
  })
  await step('what rev.py takes is gone without a reload', async () => {
    const rev = await receive('Received')
    await ready(0)
    await tab('consumers')
    await page.locator('[role=tabpanel]:visible .ant-table-row').waitFor()
    rev.kill('SIGINT')
    await rev.ended
    await page.locator('[role=tabpanel]:visible .ant-table-row').waitFor({ state: 'detached' })
    if ((await page.evaluate(() => window.since)) !== 'the first load') throw new Error('the page was loaded anew')
  })
  await step('close a connection with a reason', async () => {
    const rev = await receive('Waiting')
    await go('connections')
    await p.has('127.0.0.1:')
    await p.act('127.0.0.1:', 'close')
    await p.send({ reason: 'maintenance tonight' })
    await rev.ended
    if (!rev.said.includes('maintenance tonight')) throw new Error(`rev.py was told: ${rev.said}`)
    await p.gone('127.0.0.1:')
  })
  await step('create a virtual host with a slash in its name', async () => {
    await go('vhosts')
    await p.create()
    await p.send({ name: 'shop/eu', description: 'orders', grantedUser: { pick: 'guest' } })
    await p.has('shop/eu')
  })
  await step('create an exchange', async () => {
    await go('exchanges')
    await p.create()
    await p.send({ vhost: { pick: 'shop/eu' }, name: 'orders', exchangeType: { pick: 'topic' } })
    await p.has('orders')
  })
  await step('create a quorum queue with a limit', async () => {
    await go('queues')
    await p.create()
    await p.fill({ vhost: { pick: 'shop/eu' }, queueType: { pick: p.t('queueTypes.quorum') }, name: 'in/out' })
    await p.send({ maxLength: 100 })
    await p.has('in/out')
  })
  await step('bind it', async () => {
    await open('in/out')
    await page.getByText('x-max-length = 100').waitFor()
    await tab('bindings')
    await p.create()
    await p.send({ exchange: { pick: 'orders' }, routingKey: 'order.*' })
    await p.has('order.*')
  })
  await step('publish to the exchange, with and without a queue for it', async () => {
    await go('exchanges')
    await open('orders')
    await press('publish')
    await p.fill({ routingKey: 'nobody', payload: 'lost' })
    await p.submit()
    await page.getByRole('alert').getByText(p.t('broker.unrouted')).waitFor()
    await p.send({ routingKey: 'order.new', payload: '订单 1', headers: '{"x-count": 2}' })
  })
  await step('look at the message; it stays', async () => {
    await p.row('order.*').getByRole('link', { name: 'in/out' }).click()
    await ready(1)
    await tab('messages')
    await page.locator('[data-get]').click()
    const message = page.locator('[data-message]')
    await message.getByText('订单 1').waitFor()
    await message.getByText('"x-count":2').waitFor()
    await ready(1)
  })
  await step('publish to the queue, and purge it', async () => {
    await press('publish')
    await p.send({ payload: 'two' })
    await ready(2)
    await press('purge')
    await p.confirm()
    await ready(0)
  })
  await step('move the messages to another queue; what is refused is told and stays', async () => {
    const queue = (name, args) => p.must('messaging', 'PUT', `/queues/${encodeURIComponent('shop/eu')}/${name}`, { durable: true, arguments: args })
    await queue('archive', {})
    await queue('tiny', { 'x-max-length': 1, 'x-overflow': 'reject-publish' })
    const publish = async (payload) => {
      await press('publish')
      await p.send({ payload })
    }
    for (const payload of ['three', 'four', 'five']) await publish(payload)
    await ready(3)
    await press('move')
    await p.fill({ destination: 'nowhere' })
    await p.submit()
    await page.locator('.ant-drawer-open').getByRole('alert').waitFor()
    await p.send({ destination: 'tiny' })
    await ready(2)
    await page.getByText("queue 'tiny' is full").waitFor()
    await page.locator('[data-action=endMove]').click()
    await p.confirm()
    await page.getByText("queue 'tiny' is full").waitFor({ state: 'detached' })
    await press('move')
    await p.send({ destination: 'archive' })
    await ready(0)
    await go('queues')
    await p.row('archive').locator('[data-ready]', { hasText: /^2$/ }).waitFor()
    await p.remove('archive')
    await p.remove('tiny')
    await open('in/out')
  })
  await step('unbind and delete', async () => {
    await tab('bindings')
    await p.remove('order.*', 'unbind')
    await press('delete')
    await p.confirm()
    await gone('in/out')
    await go('exchanges')
    await p.remove('orders')
  })
  await step('create a stream', async () => {
    await go('queues')
    await p.create()
    await p.fill({ queueType: { pick: p.t('queueTypes.stream') }, name: 'history' })
    await p.send({ maxAge: '7D' })
    await open('history')
    await page.getByText('x-max-age = 7D').waitFor()
    await press('delete')
    await p.confirm()
    await gone('history')
  })
  await step('a user: tags, permissions, limits', async () => {
    await go('users')
    await p.create()
    await p.send({ name: 'clerk', password: 'clerk-pw', vhost: { pick: 'shop/eu' }, tags: { pick: 'monitoring' } })
    await p.has('clerk')
    await open('clerk')
    await tab('permissions')
    await p.has('shop/eu')
    await p.create()
    await p.send({ vhost: { pick: 'shop/eu' }, configure: '^$' })
    await p.has('^$')
    await tab('limits')
    await page.locator('[role=tabpanel]:visible [data-create]').click()
    const limit = p.t('brokerWords.limit.max-channels')
    await p.send({ limit: { pick: limit }, value: 3 })
    await p.has(limit)
    await go('limits')
    await page.locator('[title="max-channels"]').waitFor()
    await p.remove(limit, 'clearLimit')
  })
  await step('policies of the user and the operator', async () => {
    await go('policies')
    await p.create()
    await p.send({ vhost: { pick: 'shop/eu' }, name: 'short', pattern: '^in', applyTo: { pick: p.t('brokerWords.applyTo.quorum_queues') }, definition: '{"message-ttl": 60000}' })
    await p.has('message-ttl = 60000')
    await p.row('short').locator('[title=quorum_queues]').waitFor()
    await p.act('short', 'edit')
    await p.send({ priority: 7 })
    await p.row('short').getByText('7', { exact: true }).waitFor()
    await p.remove('short')
  })
  await step('export the definitions, and import them', async () => {
    await go('overview')
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByText(p.t('actions.exportDefinitions'), { exact: true }).click()])
    const saved = await file.path()
    const all = JSON.parse(readFileSync(saved, 'utf8'))
    if (!all.users.some((u) => u.name === 'clerk')) throw new Error('the user is not among the definitions')
    await go('users')
    await p.remove('clerk')
    await go('overview')
    await p.create()
    await p.send({ file: { files: { name: 'definitions.json', mimeType: 'application/json', buffer: readFileSync(saved) } } })
    await go('users')
    await p.remove('clerk')
    await go('vhosts')
    await p.remove('shop/eu')
  })
  await step('a list of very many queues is read as one scrolls, filtered and sorted by the broker', async () => {
    const names = Array.from({ length: 1234 }, (_, i) => `many-${String(i).padStart(4, '0')}`)
    const queues = names.map((name) => ({ name, vhost: 'crowd', durable: false, auto_delete: false, arguments: {} }))
    const permissions = [{ user: 'guest', vhost: 'crowd', configure: '.*', write: '.*', read: '.*' }]
    const { status } = await p.api('messaging', 'POST', '/definitions', { vhosts: [{ name: 'crowd' }], permissions, queues })
    if (status >= 300) throw new Error(`the queues are not made: ${status}`)
    await go('queues')
    const total = Number(await page.locator('[data-total]').getAttribute('data-total'))
    if (total < names.length) throw new Error(`${total} queues in all`)
    const holder = page.locator('.ant-table-tbody-virtual-holder')
    const count = page.locator('[role=main] [aria-live=polite]').last()
    await until('the end of the list is reached', async () => {
      await holder.evaluate((e) => e.scrollTo(0, e.scrollHeight))
      return (await count.innerText()).includes(String(total))
    })
    const typed = page.locator('[data-filter] input')
    await typed.fill('many-0777')
    await p.has('many-0777')
    await p.gone('many-0001')
    await typed.fill('regex:many-00[01]5$')
    await typed.press('Enter')
    await p.gone('many-0777')
    await p.has('many-0005')
    await p.has('many-0015')
    await page.locator('[data-filter] .ant-tag-close-icon').first().click()
    await page.getByRole('columnheader', { name: p.t('fields.name') }).click()
    await page.getByRole('columnheader', { name: p.t('fields.name') }).click()
    await page.waitForURL(/sort=-name/)
    await until('the last comes first', async () => {
      await holder.evaluate((e) => e.scrollTo(0, 0))
      const shown = await page.locator('.ant-table-row').evaluateAll((all) => all.slice(0, 9).map((row) => row.querySelector('a')?.textContent ?? ''))
      return shown[0] > 'many' && shown.every((name, i) => i === 0 || name <= shown[i - 1])
    })
    await go('vhosts')
    await p.remove('crowd')
  })
  await step('a node tells what it takes and serves', async () => {
    await go('overview')
    await page.getByRole('link', { name: /^rabbit@/ }).click()
    for (const [key, text] of [['memory', /MiB|GiB/], ['listeners', /amqp/], ['exchangeTypes', /topic/], ['io', /./]]) {
      await tab(key)
      await page.locator('[role=tabpanel]:visible').getByText(text).first().waitFor()
      await worded(key)
    }
  })
  await step('a member sees no broker, and may not', async () => {
    await p.menu('identity', 'users')
    await p.create()
    await p.send({ name: 'visitor', password: 'visitor-pw' })
    await p.menu('identity', 'projects')
    await page.getByRole('link', { name: 'admin', exact: true }).click()
    await p.create()
    await p.send({ user: { pick: 'visitor' }, role: { pick: 'member' } })
    const visitor = await Person.open(browser, base, language)
    await visitor.signIn('visitor', 'visitor-pw')
    await visitor.page.getByRole('menuitem', { name: visitor.t('menu.project'), exact: true }).first().waitFor()
    if (await visitor.page.getByRole('menuitem', { name: visitor.t('menu.broker'), exact: true }).count()) throw new Error('the menu is shown')
    await visitor.page.goto(`${base}/broker/queues`)
    await visitor.page.getByRole('alert').getByText(visitor.t('errors.forbidden')).waitFor()
    const status = await visitor.page.evaluate(async () => (await fetch('/dashboard/api/messaging/queues/%2F/hello', { method: 'DELETE', headers: { 'X-Nubo-Dashboard': '1' } })).status)
    if (status !== 403) throw new Error(`deleting a queue is answered with ${status}`)
    await visitor.context.close()
    await p.menu('identity', 'users')
    await p.remove('visitor')
    await go('queues')
    await p.remove('hello')
  })
  await step('no page has failed', async () => {
    if (p.errors.length) throw new Error(p.errors.join('\n'))
  })
} catch {
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-broker-${language}-${i}.png` })
} finally {
  for (const one of started) one.kill()
  await browser.close()
  report.end()
}
