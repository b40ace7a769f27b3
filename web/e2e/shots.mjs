// Signs in and takes a picture of every page, for a person to look at.
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

const [base, out = 'shots'] = process.argv.slice(2)
const paths = (process.env.PATHS ?? '/overview,/servers,/servers/new,/images,/flavors,/keypairs,/volumes,/networks,/routers,/floating-ips,/security-groups,/api-access,/admin/overview,/admin/servers,/admin/flavors,/admin/hypervisors,/admin/aggregates,/admin/networks,/admin/routers,/admin/volumes,/admin/volume-types,/identity/domains,/identity/projects,/identity/users,/identity/groups,/identity/roles').split(',')
mkdirSync(out, { recursive: true })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
for (const language of ['en', 'zh-CN']) {
  for (const theme of ['light', 'dark']) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    page.on('console', (m) => m.type() === 'error' && console.log(language, theme, page.url(), m.text()))
    page.on('pageerror', (e) => console.log(language, theme, page.url(), String(e)))
    await page.addInitScript(([l, t]) => { localStorage.setItem('language', l); localStorage.setItem('theme', t) }, [language, theme])
    await page.goto(base)
    await page.screenshot({ path: `${out}/login.${language}.${theme}.png` })
    await page.fill('#user', 'admin')
    await page.fill('#password', process.env.PASSWORD ?? 'secret')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/overview')
    for (const path of paths) {
      await page.goto(base + path)
      await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => undefined)
      await page.waitForTimeout(400)
      await page.screenshot({ path: `${out}/${path.slice(1).replaceAll('/', '-')}.${language}.${theme}.png` })
    }
    await page.close()
    if (process.env.ONCE) process.exit(0)
  }
}
await browser.close()
