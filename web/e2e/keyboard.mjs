// A person without a mouse: does all that Person does by keys alone, and minds
// that he always sees where he is.
import { Person } from './ui.mjs'

const pointing = ['check', 'clear', 'click', 'dblclick', 'dispatchEvent', 'dragTo', 'fill', 'focus', 'hover', 'press', 'pressSequentially', 'selectOption', 'setChecked', 'setInputFiles', 'tap', 'type', 'uncheck']

/** Takes the mouse away, and all that is done to a thing without going there. */
function unplug(page) {
  const refuse = (thing, verbs) => {
    for (const verb of verbs) {
      thing[verb] = () => {
        throw new Error(`${verb} is not by keyboard`)
      }
    }
  }
  refuse(Object.getPrototypeOf(page.locator('body')), pointing)
  refuse(page, pointing)
  refuse(page.mouse, ['click', 'dblclick', 'down', 'move', 'up', 'wheel'])
}

/**
 * Looks, in the page, where the focus is: on the target, before or after it,
 * in the page's content or not. What had it when this was asked last must look
 * otherwise now, or it was not to be seen there.
 */
async function look(target) {
  const at = document.activeElement
  const style = (e) => {
    const s = getComputedStyle(e)
    return [s.outlineStyle === 'none' ? '' : s.outline, s.boxShadow, s.borderColor, s.backgroundColor].join()
  }
  const last = window.lastFocus
  let unseen
  if (last && last.at !== at) {
    const shown = last.around.filter((e) => e.isConnected)
    // A field has its frame also while what belongs to it has the focus; then its caret tells.
    const same = last.at.closest('.ant-input-affix-wrapper, .ant-select')?.contains(at)
    if (last.at.isConnected && last.at !== document.body && !same && shown.every((e) => style(e) === last.styles.get(e))) unseen = last.at.outerHTML.slice(0, 200)
  }
  if (last?.at !== at) {
    const around = [at, ...(at.parentElement?.children ?? [])]
    for (let e = at.parentElement, n = 0; e && n < 3; e = e.parentElement, n++) around.push(e)
    window.lastFocus = { at, around, styles: new Map(around.map((e) => [e, style(e)])) }
  }
  const whole = at === document.body || at.id === 'main'
  // What is scrolled away, or lies under something else, is seen at no part of it.
  const covered = () => {
    const box = at.getBoundingClientRect()
    const [left, right, upper, lower] = [Math.max(0, box.left), Math.min(innerWidth, box.right), Math.max(0, box.top), Math.min(innerHeight, box.bottom)]
    const parts = [0.5, 0.1, 0.9].map((part) => document.elementFromPoint(left + part * (right - left), upper + part * (lower - upper)))
    return !parts.some((top) => top && (at.contains(top) || top.contains(at) || at.parentElement.contains(top)))
  }
  let away = !whole && covered()
  // What goes away in a moment, such as the hint of what had the focus before, hides nothing.
  for (const soon = performance.now() + 1000; away && performance.now() < soon; away = covered()) await new Promise(requestAnimationFrame)
  const by = (at.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent)
  const icons = [...at.querySelectorAll('img, [role=img]')].map((i) => i.alt ?? i.getAttribute('aria-label'))
  const names = [at.getAttribute('aria-label'), at.title, at.textContent, at.placeholder, ...by, ...[...(at.labels ?? [])].map((l) => l.textContent), ...icons]
  return {
    where: !target ? undefined : target === at ? 'here' : target.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING ? 'behind' : 'before',
    inside: document.getElementById('main')?.contains(at),
    wrong: [unseen && `the focus is not seen on ${unseen}`, away && `the focus is out of sight on ${at.outerHTML.slice(0, 200)}, at ${JSON.stringify(at.getBoundingClientRect())}`, !whole && !names.some((n) => n?.trim()) && `nameless: ${at.outerHTML.slice(0, 200)}`].filter(Boolean),
  }
}

export class KeyboardPerson extends Person {
  /** The sections he has found by the menu, and not by typing. */
  known = new Set()

  static async open(...how) {
    const p = await super.open(...how)
    unplug(p.page)
    // The browser needs a moment until it tells of a file chooser: not only once it is asked to open.
    p.page.on('filechooser', () => {})
    return p
  }

  /** Where the focus is, and what is wrong with that. */
  look = (target) => (target ? target.evaluate(look) : this.page.evaluate(look))

  /** Where the focus is; it must be seen, on something that has a name. */
  async where(target) {
    const { where, wrong } = await this.look(target)
    if (wrong.length) throw new Error(wrong.join('\n'))
    return where
  }

  /** Goes to a thing by Tab. */
  async tabTo(target) {
    await target.waitFor({ state: 'attached' })
    for (let i = 0; i < 150; i++) {
      const where = await this.where(target)
      if (where === 'here') return
      await this.page.keyboard.press(where === 'behind' ? 'Shift+Tab' : 'Tab')
    }
    throw new Error(`Tab never comes to ${target}`)
  }

  /** Waits until a thing has the focus, or something in it. */
  async at(target, what = String(target)) {
    await target.waitFor({ state: 'attached' })
    try {
      const handle = await target.elementHandle()
      await this.page.waitForFunction((e) => e === document.activeElement || e.contains(document.activeElement), handle)
    } catch {
      throw new Error(`${what} has not the focus, but ${await this.page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200))}`)
    }
    await this.where()
  }

  /** Waits until the focus is somewhere. */
  async somewhere() {
    await this.page.waitForFunction(() => document.activeElement && document.activeElement !== document.body)
    await this.where()
  }

  /** Presses an arrow until the item that is wanted has the focus. */
  async arrowTo(item, key = 'ArrowDown') {
    const here = () => item.evaluate((e) => e === document.activeElement || e.contains(document.activeElement))
    for (let i = 0; i < 60; i++) {
      if (await here()) return
      const last = await this.page.evaluateHandle(() => document.activeElement)
      await this.page.keyboard.press(key)
      await this.page.waitForFunction((e) => e !== document.activeElement, last)
      await this.where(item)
    }
    throw new Error(`${key} never comes to ${item}`)
  }

  async signIn(user, password) {
    await this.at(this.page.locator('#user'))
    await this.page.keyboard.type(user)
    await this.page.keyboard.press('Tab')
    await this.page.keyboard.type(password)
    await this.page.keyboard.press('Enter')
    await this.page.getByRole('navigation').waitFor()
  }

  /** Goes to a page: the first time by the menu, then by its name. */
  async menu(section, item) {
    const path = { project: '/', admin: '/admin/', identity: '/identity/', broker: '/broker/' }[section]
    const [group, word] = [this.t(`menu.${section}`), this.t(`menu.${item}`)]
    if (this.known.has(section)) {
      await this.page.keyboard.press('Control+k')
      await this.at(this.page.locator('.ant-modal input'))
      await this.page.keyboard.type(`${group} › ${word}`)
      await this.page.keyboard.press('Enter')
      await this.page.locator('.ant-modal input').waitFor({ state: 'detached' })
    } else {
      const title = this.page.getByRole('menuitem', { name: group, exact: true }).first()
      await title.waitFor()
      await this.tabTo(this.page.locator('nav [role=menu]').first())
      await this.arrowTo(title)
      if ((await title.getAttribute('aria-expanded')) !== 'true') await this.page.keyboard.press('Enter')
      const link = this.page.locator(`nav a[href^="${path}"]`, { hasText: new RegExp(`^${word}$`) }).first()
      await link.waitFor()
      await this.arrowTo(link)
      await this.page.keyboard.press('Enter')
      this.known.add(section)
    }
    const chosen = this.page.locator('nav .ant-menu-item-selected', { hasText: new RegExp(`^${word}$`) }).locator(`a[href^="${path}"]`)
    await chosen.waitFor({ state: 'attached' })
    await this.there(await chosen.getAttribute('href'))
    await this.somewhere()
  }

  async press(thing) {
    await thing.waitFor()
    await this.tabTo(thing)
    await this.page.keyboard.press('Enter')
  }

  /** A console that is opened has the keys. */
  into = (console) => this.at(console)

  async out() {
    await this.page.keyboard.press('Control+Alt+g')
    await this.at(this.page.locator('.console-dock [role=tab][aria-selected=true]'))
  }

  /** What was done last opens a form or a question; the focus is to come back to it. */
  opener = undefined

  /** Opens the form of the page by its key. */
  create = async () => {
    this.opener = this.page.locator('[role=main] [data-create]').first()
    await this.opener.waitFor()
    await this.page.waitForFunction(() => !document.querySelector('[role=main] [data-create]')?.disabled)
    await this.page.keyboard.press('c')
  }

  async fill(values) {
    const form = this.page.locator('form:visible').last()
    for (const [name, value] of Object.entries(values)) {
      const input = form.locator(`[id="${name}"]`)
      await input.waitFor({ state: 'attached' })
      if (typeof value === 'boolean') {
        if ((await input.getAttribute('aria-checked')) === String(value)) continue
        await this.tabTo(input)
        await this.page.keyboard.press('Space')
      } else if (value?.files) {
        await this.tabTo(form.locator('.ant-upload button'))
        const [chooser] = await Promise.all([this.page.waitForEvent('filechooser'), this.page.keyboard.press('Enter')])
        await chooser.setFiles(value.files)
      } else if (value?.pick) await this.pick(input, value.pick)
      else await this.search(undefined, input, String(value))
    }
  }

  /** Goes to a field and types in place of what is there. */
  async search(_, input, text) {
    await this.tabTo(input)
    await this.page.keyboard.press('Control+a')
    await this.page.keyboard.type(text)
  }

  async submit() {
    await this.tabTo(this.page.locator('[data-submit]:visible').last())
    await this.page.keyboard.press('Enter')
  }

  async send(values) {
    await super.send(values)
    await this.at(this.opener, 'what had opened the form')
  }

  async act(text, key) {
    this.opener = this.row(text).locator('button[data-actions]')
    await this.choose(this.opener, key)
  }

  /** Chooses an action of a menu by its button. */
  async choose(button, key) {
    await this.press(button)
    const menu = this.page.locator('.ant-dropdown:not(.ant-dropdown-hidden)')
    await this.at(menu)
    const item = menu.locator('.ant-dropdown-menu-item:not(.ant-dropdown-menu-item-disabled)', { hasText: new RegExp(`^${this.t(`actions.${key}`)}$`) })
    await item.waitFor()
    await this.arrowTo(item)
    await this.page.keyboard.press('Enter')
  }

  async confirm() {
    await this.at(this.page.locator('.ant-modal-confirm-btns button').last())
    await this.page.keyboard.press('Enter')
    await this.page.locator('.ant-modal-confirm').waitFor({ state: 'detached' })
    await this.somewhere()
  }

  async remove(text, key) {
    await super.remove(text, key)
    await this.somewhere()
  }
}

/** The keys that are no walkthrough's: what leads past the menu, what leaves without a trace. */
export async function keys(person, step) {
  const { page } = person
  const press = async (...all) => {
    for (const key of all) await page.keyboard.press(key)
  }
  await step('the first thing Tab comes to leads to the content', async () => {
    await page.reload()
    await page.getByRole('navigation').waitFor()
    await press('Tab')
    await person.at(page.locator('a.skip'))
    await press('Enter')
    await person.at(page.locator('#main'))
  })
  await step('Ctrl-K finds a page, Escape leaves it where one was', async () => {
    const input = page.locator('.ant-modal input')
    await press('Tab')
    const before = await page.evaluateHandle(() => document.activeElement)
    await press('Control+k')
    await person.at(input)
    await press('Escape')
    await input.waitFor({ state: 'detached' })
    await page.waitForFunction((e) => e === document.activeElement, before)
  })
  await step('? tells the keys', async () => {
    await press('?')
    await page.getByRole('dialog').getByText(person.t('keys.filter')).waitFor()
    await press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })
  await step('the page has its keys the instant the dialog is gone', async () => {
    await press('?')
    await page.getByRole('dialog').waitFor()
    await page.evaluate(() => {
      const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
      new MutationObserver((_, watch) => {
        if (document.querySelector('[role=dialog]')) return
        watch.disconnect()
        press('g')
        press('v')
      }).observe(document.body, { subtree: true, childList: true })
    })
    await press('Escape')
    await person.there('/volumes')
  })
  await step('Escape leaves a form as if it had not been', async () => {
    await press('g', 'n')
    await person.there('/networks')
    await person.create()
    await person.at(page.locator('.ant-drawer-open #name'))
    await page.keyboard.type('never')
    await press('Escape')
    await page.locator('.ant-drawer-open').waitFor({ state: 'detached' })
    await person.at(person.opener)
    if (await person.row('never').count()) throw new Error('it was created')
    await person.create()
    await person.at(page.locator('.ant-drawer-open #name'))
    if (await page.locator('.ant-drawer-open #name').inputValue()) throw new Error('what was typed is there again')
    await press('Escape')
    await page.locator('.ant-drawer-open').waitFor({ state: 'detached' })
  })
  await step('/ goes to the filter', async () => {
    await press('/')
    await page.keyboard.type('nothing')
    await page.getByText(person.t('list.nothing')).waitFor()
    await press('Control+a', 'Delete')
    await page.getByText(person.t('list.nothing')).waitFor({ state: 'detached' })
  })
}
