// What is set beyond the walkthrough: quotas, roles, identity providers,
// agents, server groups, ports, application credentials, one's own password.
//
//   usage: node manage.mjs BASE LANGUAGE PASSWORD
import { readFileSync } from 'node:fs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()

const same = (got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`)
}

const made = {}
let admin
try {
  admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  await step('set quotas of a project, and reset them', async () => {
    made.project = await admin.must('identity', 'POST', '/projects', { project: { name: 'managed' } })
    await admin.menu('admin', 'quotas')
    await admin.row('managed').getByText('0 / 10', { exact: true }).first().waitFor()
    await admin.act('managed', 'quota')
    await admin.send({ 'compute.instances': 7, 'volume.volumes': 5, 'network.network': 3 })
    for (const text of ['0 / 7', '0 / 5', '0 / 3']) await admin.row('managed').getByText(text, { exact: true }).waitFor()
    same((await admin.must('compute', 'GET', `/os-quota-sets/${made.project.id}`)).instances, 7)
    await admin.act('managed', 'resetQuota')
    await admin.confirm()
    await admin.row('managed').getByText('0 / 100', { exact: true }).waitFor()
  })
  await step('the default quotas are told and can be changed: they are what a project has that has none of its own', async () => {
    await admin.menu('admin', 'defaultQuotas')
    for (const part of ['compute', 'volume', 'network']) await admin.page.getByText(admin.t(`components.${part}`), { exact: true }).first().waitFor()
    const change = async (cores, volumes) => {
      await admin.create()
      await admin.send({ 'compute.cores': cores, 'volume.volumes': volumes })
      for (const [part, value] of [['compute', cores], ['volume', volumes]]) {
        await admin.page.locator(`[data-quotas=${part}]`).getByText(String(value), { exact: true }).first().waitFor()
      }
      same((await admin.must('compute', 'GET', `/os-quota-sets/${made.project.id}`)).cores, cores)
      same((await admin.must('volume', 'GET', `/os-quota-sets/${made.project.id}`)).volumes, volumes)
    }
    await change(21, 12)
    await change(20, 10)
  })
  await step('resource providers are told with their ratios', async () => {
    await admin.menu('admin', 'placement')
    const [provider] = (await admin.must('placement', 'GET', '/resource_providers')).map((p) => p.name)
    await admin.row(provider).getByText('× 4').waitFor()
  })
  await step('disable a network agent and enable it again', async () => {
    await admin.menu('admin', 'agents')
    await admin.act('DHCP agent', 'disable')
    await admin.confirm()
    await admin.status('DHCP agent', 'disabled')
    await admin.act('DHCP agent', 'enable')
    await admin.status('DHCP agent', 'enabled')
  })
  await step('give a role on a domain, inherited, and withdraw it', async () => {
    made.user = await admin.must('identity', 'POST', '/users', { user: { name: 'manager', password: 'first-pw' } })
    await admin.menu('identity', 'assignments')
    await admin.create()
    await admin.send({ user: { pick: 'manager' }, role: { pick: 'reader' }, scope: { pick: admin.t('scopes.domain') }, domain: { pick: 'Default' }, inherited: true })
    await admin.has('manager')
    await admin.remove('manager', 'withdrawRole')
    await admin.create()
    await admin.send({ user: { pick: 'manager' }, role: { pick: 'member' }, project: { pick: 'managed' } })
    await admin.has('manager')
  })
  await step('register an identity provider, disable and delete it', async () => {
    await admin.menu('identity', 'idps')
    await admin.create()
    await admin.send({ name: 'campus', description: 'Single sign-on' })
    await admin.status('campus', 'enabled')
    await admin.act('campus', 'disable')
    await admin.confirm()
    await admin.status('campus', 'disabled')
    await admin.remove('campus')
  })

  const member = await Person.open(browser, base, language)
  await member.signIn('manager', 'first-pw')
  await step('nothing is missing from the overview of a member', async () => {
    await member.page.locator('h3').waitFor()
    await member.page.getByText(member.t('overview.quota')).waitFor()
    same(await member.page.getByText(member.t('errors.parts')).count(), 0)
  })
  await step('create a server group', async () => {
    await member.menu('project', 'serverGroups')
    await member.create()
    await member.send({ name: 'apart' })
    await member.row('apart').getByText(member.t('policies.anti-affinity'), { exact: true }).waitFor()
  })
  await step('create a port with a fixed address', async () => {
    const network = await member.must('network', 'POST', '/networks', { network: { name: 'ported' } })
    await member.must('network', 'POST', '/subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.21.0.0/24' } })
    await member.menu('project', 'ports')
    await member.create()
    await member.send({ name: 'fixed', network: { pick: 'ported' }, fixedIp: '10.21.0.77' })
    await member.row('fixed').getByText('10.21.0.77').waitFor()
    await member.remove('fixed')
    await member.must('network', 'DELETE', `/networks/${network.id}`)
  })
  await step('the launch form tells the quota before and after, and the room to whom may know', async () => {
    made.flavor = await admin.must('compute', 'POST', '/flavors', { flavor: { name: 'managed-tiny', vcpus: 2, ram: 64, disk: 1 } })
    for (const person of [admin, member]) {
      await person.menu('project', 'servers')
      await person.create()
      await person.fill({ flavor: { pick: 'managed-tiny' }, count: 2 })
      await person.page.locator('[data-summary]').getByText(/^\d+ \+ 4 \/ 20$/).waitFor()
    }
    await admin.page.locator('[data-room]').waitFor()
    same(await member.page.locator('[data-room]').count(), 0)
    same(Number(await admin.page.locator('[data-room]').getAttribute('data-room')) > 0, true)
    await member.fill({ serverGroup: { pick: 'apart' } })
    await member.page.getByText('--hint group=').waitFor()
    await member.menu('project', 'serverGroups')
    await member.remove('apart')
  })
  await step('an application credential comes as clouds.yaml and signs in', async () => {
    await member.menu('project', 'appCredentials')
    await member.create()
    const [file] = await Promise.all([member.page.waitForEvent('download'), member.send({ name: 'script' })])
    await member.has('script')
    const yaml = readFileSync(await file.path(), 'utf8')
    const value = (key) => new RegExp(`${key}: "?([^"\\n]+)`).exec(yaml)[1]
    const identity = { methods: ['application_credential'], application_credential: { id: value('application_credential_id'), secret: value('application_credential_secret') } }
    const answer = await fetch(`${value('auth_url')}/auth/tokens`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ auth: { identity } }) })
    same(answer.status, 201)
    await member.remove('script')
  })
  await step('API access names the endpoints and never the token', async () => {
    await member.menu('project', 'apiAccess')
    await member.row('compute').waitFor()
    same(/gAAAA/.test(await member.page.content()), false)
  })
  await step('change the password: the old one signs in no more', async () => {
    await member.page.goto(`${base}/account`)
    await member.create()
    await member.fill({ originalPassword: 'wrong-pw', newPassword: 'second-pw' })
    await member.submit()
    await member.page.locator('.ant-drawer-open').getByRole('alert').waitFor()
    await member.fill({ originalPassword: 'first-pw', newPassword: 'second-pw' })
    await member.submit()
    await member.page.locator('#user').waitFor()
    await member.signIn('manager', 'second-pw')
  })
  await step('the usage is told', async () => {
    await member.menu('project', 'usage')
    await member.page.getByText(member.t('usage.none')).waitFor()
    await admin.menu('admin', 'usage')
    await admin.page.getByText(admin.t('fields.vcpuHours')).first().waitFor()
  })
  await step('no page has failed', async () => {
    same([...admin.errors, ...member.errors], [])
  })
} catch {
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-manage-${language}-${i}.png` })
} finally {
  // What was made for it does not stay for the next.
  for (const [service, path, thing] of [['identity', '/users', made.user], ['identity', '/projects', made.project], ['compute', '/flavors', made.flavor]]) {
    if (thing) await admin.api(service, 'DELETE', `${path}/${thing.id}`)
  }
  await browser.close()
  report.end()
}
