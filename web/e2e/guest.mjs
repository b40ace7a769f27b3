// What only a real guest can show: that one gets into it through the network,
// and that its screen is in the browser.
import { execFile } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { read, reader } from './canvas.mjs'

const patience = Number(process.env.PATIENCE ?? 20) * 1000

async function until(what, ok) {
  const end = Date.now() + patience
  for (let last; ; ) {
    try {
      last = await ok()
      if (last) return last
    } catch (e) {
      last = e
    }
    if (Date.now() > end) throw new Error(`never: ${what}: ${last}`)
    await new Promise((r) => setTimeout(r, 500))
  }
}

// A text screen of a PC: the letters' shapes are in its VGA BIOS.
const cell = { width: 9, height: 16 }
const letterA = Buffer.from('000010386cc6c6fec6c6c6c600000000', 'hex')

function vgaFont() {
  const bios = readFileSync('/usr/share/seabios/vgabios-stdvga.bin')
  const at = bios.indexOf(letterA) - 65 * cell.height
  if (at < 0) throw new Error('the VGA BIOS has no font')
  const letters = new Map()
  for (let code = 0x21; code < 0x7f; code++) {
    let shape = ''
    for (let y = 0; y < cell.height; y++) shape += `${bios[at + code * cell.height + y].toString(2).padStart(8, '0')}0`
    letters.set(shape, String.fromCharCode(code))
  }
  return reader(letters)
}

/** The end of a server's console log, by the dashboard's relay. */
const consoleLog = (page, name) =>
  page.evaluate(async (name) => {
    const api = '/dashboard/api/compute/servers'
    const { servers } = await (await fetch(`${api}?name=${name}`)).json()
    const headers = { 'X-Nubo-Dashboard': '1', 'Content-Type': 'application/json' }
    const body = JSON.stringify({ 'os-getConsoleOutput': { length: 30 } })
    return (await fetch(`${api}/${servers[0].id}/action`, { method: 'POST', headers, body })).text()
  }, name)

/** Looks at the server of that name, which has the floating IP and the key. */
export async function guest(person, step, name, keyFile) {
  const { page } = person
  await step('ssh to the floating IP works', async () => {
    await person.menu('project', 'floatingIps')
    const address = /\d+\.\d+\.\d+\.\d+/.exec(await person.row('203.0.113.').innerText())[0]
    chmodSync(keyFile, 0o600)
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'ConnectTimeout=5', 'BatchMode=yes'].flatMap((o) => ['-o', o])
    await until('ssh', async () => {
      const { stdout } = await promisify(execFile)('ssh', [...options, '-i', keyFile, `cirros@${address}`, 'hostname'])
      return stdout.trim() === name
    }).catch(async (e) => {
      throw new Error(`${e.message}\nits console log ends with:\n${await consoleLog(page, name)}`)
    })
  })
  const text = vgaFont()
  const screen = async () => (await read(page, 'canvas', cell)).map((row) => text(row).trimEnd()).join('\n')
  await step('the screen in the browser shows its login text', async () => {
    await person.menu('project', 'servers')
    await person.follow(name)
    await person.press(page.locator('[data-action="console"]'))
    await page.locator('[data-console-state="connected"]').waitFor()
    let seen = ''
    await until('the login text', async () => {
      seen = await screen()
      return new RegExp(`^${name} login:`, 'm').test(seen)
    }).catch((e) => {
      throw new Error(`${e.message}\nthe screen shows:\n${seen}`)
    })
  })
  await step('one logs in on it by keyboard', async () => {
    await person.into(page.locator('[data-console="vnc"]'))
    await page.keyboard.type('cirros\n', { delay: 100 })
    await until('the password is asked for', async () => /Password:/.test(await screen()))
    await page.keyboard.type('gocubsgo\n', { delay: 100 })
    await until('the shell is there', async () => /\$(\s|\?)*$/.test(await screen()))
    await person.out()
  })
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/guest.png` })
  await step('its serial port shows it, too', async () => {
    await person.press(page.locator('[data-action="serialConsole"]'))
    await page.locator('[data-console="serial"] .xterm-rows').getByText(`${name} login:`).first().waitFor()
    await person.into(page.locator('[data-console="serial"]'))
    await person.out()
    await person.press(page.locator('.console-dock').getByRole('button', { name: person.t('console.closeAll') }))
  })
}
