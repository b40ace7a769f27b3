// Consoles by mouse, on a simulated cloud: a server's screen shows its login
// prompt and takes what is typed, so does its serial port; they stay open from
// page to page, come back when the server does, and end with the session. The
// address "openstack console url show" prints works in a browser by itself.
//
//   usage: node console.mjs BASE LANGUAGE PASSWORD
import { launch, Person, Report } from './ui.mjs'
import { learn, read } from './canvas.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()

/** What a simulated screen's letters measure. */
const cell = { width: 7, height: 13 }

try {
  const p = await Person.open(browser, base, language)
  const call = (method, path, body, type = 'application/json') =>
    p.page.evaluate(
      async ([method, path, body, type]) => {
        const headers = { 'X-Nubo-Dashboard': '1', 'Content-Type': type }
        const r = await fetch(`/dashboard/api/${path}`, { method, headers, body: body === undefined ? undefined : type === 'application/json' ? JSON.stringify(body) : body })
        const text = await r.text()
        if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text}`)
        return text ? JSON.parse(text) : undefined
      },
      [method, path, body, type],
    )
  const until = async (what, ok) => {
    const end = Date.now() + 20_000
    for (let last; ; ) {
      try {
        last = await ok()
        if (last) return last
      } catch (e) {
        last = e
      }
      if (Date.now() > end) throw new Error(`never: ${what} (${last})`)
      await p.page.waitForTimeout(100)
    }
  }
  let id
  let log
  await step('a server runs', async () => {
    await p.signIn('admin', password)
    const name = `console-${language}`
    const image = await call('POST', 'image/v2/images', { name, disk_format: 'raw', container_format: 'bare' })
    await call('PUT', `image/v2/images/${image.id}/file`, 'disk', 'application/octet-stream')
    const { flavor } = await call('POST', 'compute/flavors', { flavor: { name, ram: 64, vcpus: 1, disk: 1 } })
    const { server } = await call('POST', 'compute/servers', { server: { name, imageRef: image.id, flavorRef: flavor.id, networks: 'none' } })
    id = server.id
    await until('the server is active', async () => (await call('GET', `compute/servers/${id}`)).server.status === 'ACTIVE')
    log = (await call('POST', `compute/servers/${id}/action`, { 'os-getConsoleOutput': {} })).output.split('\n')
  })

  const dock = p.page.locator('.console-dock')
  const state = (want) => dock.locator(`.ant-tabs-tabpane-active [data-console-state="${want}"], [data-console-state="${want}"]:visible`).first().waitFor()
  const lines = async (page = p.page) => read(page, 'canvas', cell)
  const font = { shapes: undefined }
  /** A row's text, without the cursor at its end. */
  const line = async (n, page) => font.shapes((await lines(page))[n]).trim().replace(/\?$/, '').trim()
  await step('the screen shows what the server has printed, and its login prompt', async () => {
    await p.menu('project', 'servers')
    await p.page.getByRole('link', { name: `console-${language}`, exact: true }).click()
    await p.page.locator('[data-action="console"]').click()
    await state('connected')
    // The letters' shapes are learned of the lines that are known, and then
    // read in the one that is not.
    await until('the prompt is shown', async () => {
      font.shapes = learn(await lines(), log.slice(0, 3))
      return /login:$/.test(await line(3))
    })
  })
  await step('what is typed is shown', async () => {
    await p.page.keyboard.type('demo')
    await until('the name is shown', async () => (await line(3)).endsWith('login: demo'))
  })
  await step('a pasted text is typed, too', async () => {
    await dock.getByRole('button', { name: p.t('console.paste') }).click()
    await p.page.getByRole('dialog').getByRole('textbox').fill('memo')
    await p.page.getByRole('button', { name: p.t('console.type') }).click()
    await until('the text is shown', async () => (await line(3)).endsWith('login: demomemo'))
  })
  await step('Ctrl-Alt-Del restarts the guest', async () => {
    await dock.getByRole('button', { name: 'Ctrl-Alt-Del' }).click()
    await until('the second boot is shown', async () => /simulated guest .* boot( [0-9])?$/.test(await line(4)))
  })
  if (process.env.SHOTS) await p.page.screenshot({ path: `${process.env.SHOTS}/console-${language}.png` })

  await step('the serial port shows the prompt and takes what is typed', async () => {
    await p.page.locator('[data-action="serialConsole"]').click()
    const text = dock.locator('[data-console="serial"] .xterm-rows')
    await text.getByText(`console-${language} login:`).first().waitFor()
    await p.page.keyboard.type('demo\r')
    await text.getByText('Password:').waitFor()
  })
  if (process.env.SHOTS) await p.page.screenshot({ path: `${process.env.SHOTS}/serial-${language}.png` })
  await step('what the terminal has printed is searched', async () => {
    const field = dock.getByLabel(p.t('console.find'))
    await field.fill('LOGIN:')
    await field.press('Enter')
    await dock.locator('[data-console="serial"] .xterm-selection div').first().waitFor({ state: 'attached' })
    await field.fill('kernel panic')
    await field.press('Enter')
    await dock.locator('.ant-input-affix-wrapper-status-error, .ant-input-search .ant-input-status-error').first().waitFor()
  })
  await step('both stay open on other pages', async () => {
    await p.menu('project', 'networks')
    await dock.getByRole('tab').nth(1).waitFor()
    if ((await dock.getByRole('tab').count()) !== 2) throw new Error('the consoles are gone')
    await dock.getByRole('tab').first().click()
    await state('connected')
  })
  await step('they end with the server and come back with it', async () => {
    await call('POST', `compute/servers/${id}/action`, { 'os-stop': null })
    await state('lost')
    await dock.getByText(`Instance ${id} is not ready`).first().waitFor()
    await until('the server has stopped', async () => (await call('GET', `compute/servers/${id}`)).server.status === 'SHUTOFF')
    await call('POST', `compute/servers/${id}/action`, { 'os-start': null })
    await state('connected')
  })
  await step('the log can be followed', async () => {
    await p.page.goto(`${base}/servers/${id}`)
    await p.page.getByRole('tab', { name: p.t('tabs.log'), exact: true }).click()
    await p.page.getByRole('switch', { name: p.t('console.follow') }).click()
    const boots = p.page.locator('.log').getByText('boot 4')
    if (await boots.count()) throw new Error('it has booted too often')
    await call('POST', `compute/servers/${id}/action`, { reboot: { type: 'HARD' } })
    await boots.waitFor()
  })
  await step('the address of a console works in a browser by itself', async () => {
    const out = await call('POST', `compute/servers/${id}/remote-consoles`, { remote_console: { protocol: 'vnc', type: 'novnc' } })
    const other = await (await browser.newContext()).newPage()
    await other.goto(out.remote_console.url)
    await other.locator('[data-state="connected"]').waitFor()
    await until('the prompt is shown', async () => /login:$/.test(await line(3, other)))
    if (process.env.SHOTS) await other.screenshot({ path: `${process.env.SHOTS}/vnc_auto-${language}.png` })
    await other.goto(`${out.remote_console.url}0`)
    await other.locator('[data-state="lost"]').waitFor()
    await other.context().close()
  })
  await step('one who has signed out has no console', async () => {
    await p.page.locator('[data-action="console"]').click()
    await state('connected')
    await p.page.evaluate(() => fetch('/dashboard/session', { method: 'DELETE', headers: { 'X-Nubo-Dashboard': '1' } }))
    await dock.getByRole('button', { name: p.t('console.reconnect') }).first().click()
    await state('lost')
  })
  await step('no page has failed', async () => {
    if (p.errors.length) throw new Error(p.errors.join('\n'))
  })
} catch {
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-console-${language}-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
