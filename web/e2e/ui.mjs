// A person at the dashboard: what he clicks and types, in either language. One
// who has no mouse is in keyboard.mjs.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags })

const router = readFileSync(new URL('../src/app/router.tsx', import.meta.url), 'utf8')
/** The pages the router knows, so that a new one is not forgotten. */
export const routes = [...router.matchAll(/^ {2}'(\/[^']+)': lazyRouteComponent/gm)].map((m) => m[1])
if (routes.length < 30) throw new Error(`the router has ${routes.length} pages`)

/** Prints what was seen, as test/lib does: "ok 1 …"; ends the process's luck at the first failure. */
export class Report {
  passed = 0
  failed = 0
  async step(name, what) {
    try {
      await what()
      this.passed++
      console.log(`ok ${this.passed + this.failed} ${name}`)
    } catch (e) {
      this.failed++
      console.log(`not ok ${this.passed + this.failed} ${name}\n${String(e?.stack ?? e).replace(/^/gm, '    ')}`)
      throw e
    }
  }
  /** Something outside of a step has failed. */
  broken(e) {
    this.failed++
    console.log(`not ok ${this.passed + this.failed} ${String(e?.stack ?? e)}`)
  }
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`)
    process.exitCode = this.failed === 0 ? 0 : 1
  }
}

export class Person {
  errors = []

  static async open(browser, base, language, theme = 'light', viewport = { width: 1280, height: 900 }, more = {}) {
    const p = new this()
    p.base = base
    p.context = await browser.newContext({ viewport, acceptDownloads: true, reducedMotion: 'reduce', ...more })
    p.page = await p.context.newPage()
    p.page.setDefaultTimeout(Number(process.env.PATIENCE ?? 20) * 1000)
    p.words = JSON.parse(readFileSync(new URL(`../src/locales/${language}.json`, import.meta.url), 'utf8'))
    p.page.on('pageerror', (e) => p.errors.push(String(e)))
    await p.page.addInitScript(
      ([l, t]) => {
        localStorage.setItem('language', l)
        localStorage.setItem('theme', t)
      },
      [language, theme],
    )
    await p.page.goto(base)
    return p
  }

  /** The word of a key in this person's language. */
  t(key) {
    const word = key.split('.').reduce((o, k) => o?.[k], this.words)
    if (typeof word !== 'string') throw new Error(`there is no word for ${key}`)
    return word
  }

  async signIn(user, password) {
    await this.page.locator('#user').fill(user)
    await this.page.locator('#password').fill(password)
    await this.page.getByRole('button', { name: this.t('login.signIn') }).click()
    await this.page.getByRole('navigation').waitFor()
  }

  /** Goes to a page by the menu. */
  async menu(section, item) {
    const group = this.page.getByRole('menuitem', { name: this.t(`menu.${section}`), exact: true }).first()
    await group.waitFor()
    if ((await group.getAttribute('aria-expanded')) !== 'true') await group.click()
    const path = { project: '/', admin: '/admin/', identity: '/identity/', broker: '/broker/' }[section]
    const link = this.page.locator(`nav a[href^="${path}"]`, { hasText: new RegExp(`^${this.t(`menu.${item}`)}$`) }).first()
    await link.click()
    await this.there(await link.getAttribute('href'))
  }

  /** Waits until the page of a path is shown in place of the one before. */
  there = (path) => this.page.locator(`[role=main][data-path="${path}"]`).waitFor()

  /** Follows a link to a path: nothing is loaded anew. Waits until the page has all it shows. */
  async go(path) {
    await this.page.evaluate((to) => window.history.pushState({}, '', to), path)
    await this.there(path.replace(/\?.*/, ''))
    await this.page.locator('[role=main] .ant-skeleton, [role=main] .ant-spin-spinning').first().waitFor({ state: 'detached' })
  }

  /** A button that is disabled, and says why when it is pointed at. */
  async because(button) {
    await button.waitFor()
    if (await button.isEnabled()) throw new Error(`${await button.innerText()} is enabled`)
    await button.hover({ force: true })
    const why = this.t('why.policy').split('{{')[0].trim()
    await this.page.locator('.ant-tooltip:not(.ant-tooltip-hidden)', { hasText: why }).waitFor()
    await this.page.mouse.move(0, 0)
    await this.page.locator('.ant-tooltip:not(.ant-tooltip-hidden)').waitFor({ state: 'hidden' })
  }

  /** Follows a link of the page. */
  async follow(name) {
    const link = this.page.locator('[role=main]').getByRole('link', { name, exact: true }).first()
    const to = await link.getAttribute('href')
    await this.press(link)
    await this.there(to.replace(/\?.*/, ''))
  }

  /** Presses a button or a link. */
  async press(thing) {
    await thing.click()
  }

  /** Goes into a console, to type there. */
  into = (console) => console.click()

  /** Leaves a console. */
  async out() {}

  create = () => this.page.locator('main [data-create], [role=main] [data-create]').first().click()

  /** Fills the fields of the form that is open. */
  async fill(values) {
    const form = this.page.locator('form:visible').last()
    for (const [name, value] of Object.entries(values)) {
      const input = form.locator(`[id="${name}"]`)
      await input.waitFor({ state: 'attached' })
      if (typeof value === 'boolean') {
        if ((await input.getAttribute('aria-checked')) !== String(value)) await input.click()
      } else if (value?.files) await form.locator('input[type=file]').setInputFiles(value.files)
      else if (value?.pick) await this.pick(input, value.pick)
      else await input.fill(String(value))
    }
  }

  /** Chooses an option of a select, and looks that it is chosen. */
  async pick(input, text) {
    const select = input.locator('xpath=ancestor::*[contains(concat(" ", @class, " "), " ant-select ")][1]')
    const chosen = select.locator('.ant-select-selection-item, .ant-select-content-has-value', { hasText: text })
    // Of several, one that is chosen already would be taken away.
    if (await select.evaluate((e) => e.classList.contains('ant-select-multiple')) && (await chosen.count())) return
    await this.search(select, input, text)
    const list = this.page.locator(`.ant-select-dropdown:not(.ant-select-dropdown-hidden):has([id="${await input.getAttribute('id')}_list"])`)
    await list.locator('.ant-select-item-option-active', { hasText: text }).waitFor()
    await this.page.keyboard.press('Enter')
    await chosen.waitFor()
    await this.page.keyboard.press('Tab')
    await list.waitFor({ state: 'detached' })
  }

  /** Opens a select and types what is looked for. */
  async search(select, input, text) {
    await select.click()
    await input.fill(text)
  }

  async submit() {
    await this.page.locator('[data-submit]:visible').last().click()
  }

  /** Fills a form, sends it and waits until it is gone. */
  async send(values) {
    await this.fill(values)
    await this.submit()
    await this.page.locator('.ant-drawer-open form').waitFor({ state: 'detached' })
  }

  row = (text) => this.page.locator('.ant-table-row', { hasText: text }).first()

  has = (text) => this.row(text).waitFor()

  gone = (text) => this.row(text).waitFor({ state: 'detached' })

  /** Waits for a thing's state, as the cloud names it. */
  status = (text, value) => this.row(text).locator(`[data-status="${value}"]`).waitFor()

  /** Chooses an action of a row by touch. */
  async touch(text, key) {
    await this.row(text).locator('button[data-actions]').tap()
    await this.page.locator(`.ant-dropdown:not(.ant-dropdown-hidden) [data-action="${key}"]`).tap()
  }

  /** Stops and starts a server of the list by touch. */
  async touchPower(text) {
    await this.touch(text, 'stop')
    await this.page.locator('.ant-modal-confirm-btns button').last().tap()
    await this.status(text, 'SHUTOFF')
    await this.touch(text, 'start')
    await this.status(text, 'ACTIVE')
  }

  /** Does something with a row by its menu. */
  async act(text, key) {
    await this.row(text).locator('button[data-actions]').click()
    await this.page
      .locator('.ant-dropdown:not(.ant-dropdown-hidden) .ant-dropdown-menu-item:not(.ant-dropdown-menu-item-disabled)', { hasText: new RegExp(`^${this.t(`actions.${key}`)}$`) })
      .click()
  }

  async confirm() {
    await this.page.locator('.ant-modal-confirm-btns button').last().click()
    await this.page.locator('.ant-modal-confirm').waitFor({ state: 'detached' })
  }

  async remove(text, key = 'delete') {
    await this.act(text, key)
    await this.confirm()
    await this.gone(text)
  }

  /** Asks a component for something, as a page does. */
  api(service, method, path, body, type = 'application/json') {
    return this.request(method, `/dashboard/api/${service}${path}`, body, type)
  }

  async request(method, path, body, type = 'application/json') {
    const content = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    return this.page.evaluate(
      async ([method, path, body, type]) => {
        const resp = await fetch(path, { method, body, headers: { 'X-Nubo-Dashboard': '1', ...(body === undefined ? {} : { 'Content-Type': type }) } })
        const text = await resp.text()
        let answer
        try {
          answer = JSON.parse(text)
        } catch {
          answer = text
        }
        return { status: resp.status, body: answer }
      },
      [method, path, content, type],
    )
  }

  /** The same, for what must succeed; gives what is in the answer's envelope. */
  async must(service, method, path, body, type) {
    const { status, body: answer } = await this.api(service, method, path, body, type)
    if (status >= 400) throw new Error(`${method} ${service}${path}: ${status} ${JSON.stringify(answer)}`)
    if (!answer || typeof answer !== 'object' || 'id' in answer) return answer
    const { links, ...rest } = answer
    return Object.values(rest).find(Array.isArray) ?? Object.values(rest)[0]
  }

  /** What of a phone's list is no card, lies outside of the screen, or is too much to be in the document. */
  cards() {
    return this.page.evaluate(() => {
      const found = []
      const { scrollWidth, clientWidth } = document.documentElement
      if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth} wide, the screen ${clientWidth}`)
      for (const box of document.querySelectorAll('.ant-table-content, .ant-table-tbody-virtual-holder'))
        if (box.scrollWidth > box.clientWidth) found.push(`a table is ${box.scrollWidth} wide in ${box.clientWidth}`)
      const rows = [...document.querySelectorAll('.ant-table-row')]
      if (rows.length === 0 || rows.length > 100) found.push(`${rows.length} rows are in the document`)
      for (const row of rows) {
        const name = row.querySelector('.row-name').getBoundingClientRect()
        for (const cell of row.querySelectorAll('[data-label]:not(.row-name)')) {
          const { top, left, right } = cell.getBoundingClientRect()
          const label = getComputedStyle(cell, '::before').content
          if (top < name.bottom || left < 0 || right > clientWidth || label !== JSON.stringify(cell.dataset.label))
            found.push(`${row.innerText}: ${label} is no line of a card`)
        }
      }
      return found
    })
  }

  /** Scrolls the page on by a screen, and waits until what is in view is there. Gives whether it was the last. */
  async further() {
    const last = await this.page.evaluate(() => {
      const { scrollTop, scrollHeight, clientHeight } = document.documentElement
      window.scrollBy(0, clientHeight)
      return scrollTop + clientHeight >= scrollHeight - 1
    })
    await this.page.waitForFunction(() =>
      [...document.querySelectorAll('[data-block]')].every((block) => {
        const { top, bottom } = block.getBoundingClientRect()
        return bottom < 0 || top > window.innerHeight || block.firstElementChild
      }),
    )
    return last
  }
}
