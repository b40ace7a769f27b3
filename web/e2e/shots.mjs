// Signs in and takes a picture of every page in both languages and themes, for
// a person to look at.
//
//   usage: node shots.mjs BASE PASSWORD [FOLDER]
import { mkdirSync } from 'node:fs'
import { launch, Person } from './ui.mjs'

const [base, password, out = new URL('../../test/out/shots', import.meta.url).pathname] = process.argv.slice(2)
const paths = [
  '/overview',
  '/servers',
  '/servers/new',
  '/images',
  '/flavors',
  '/keypairs',
  '/volumes',
  '/networks',
  '/routers',
  '/floating-ips',
  '/security-groups',
  '/topology',
  '/server-groups',
  '/ports',
  '/usage',
  '/api-access',
  '/app-credentials',
  '/account',
  '/admin/overview',
  '/admin/servers',
  '/admin/flavors',
  '/admin/hypervisors',
  '/admin/aggregates',
  '/admin/topology',
  '/admin/networks',
  '/admin/routers',
  '/admin/floating-ips',
  '/admin/agents',
  '/admin/placement',
  '/admin/quotas',
  '/admin/defaults',
  '/admin/usage',
  '/admin/volumes',
  '/admin/volume-types',
  '/identity/domains',
  '/identity/projects',
  '/identity/users',
  '/identity/groups',
  '/identity/roles',
  '/identity/assignments',
  '/identity/idps',
]
mkdirSync(out, { recursive: true })
const browser = await launch()
for (const language of ['en', 'zh-CN']) {
  for (const theme of ['light', 'dark']) {
    const person = await Person.open(browser, base, language, theme)
    const shot = (name) => person.page.screenshot({ path: `${out}/${name}.${language}.${theme}.png` })
    await shot('login')
    await person.signIn('admin', password)
    for (const path of paths) {
      await person.page.goto(base + path)
      await person.page.locator('h3').first().waitFor()
      await shot(path.slice(1).replaceAll('/', '-'))
    }
    for (const error of person.errors) console.log(`${language} ${theme}: ${error}`)
    await person.context.close()
  }
}
await browser.close()
