// The user's walkthrough: from a project to a server on its floating
// IP with a volume, and everything deleted again.
//
//   usage: node walkthrough.mjs BASE LANGUAGE PASSWORD IMAGE-FILE [keyboard] [guest]
//
// It is by mouse, or by keyboard alone. With "guest" the image boots, and what
// it does is looked at.
import { guest } from './guest.mjs'
import { KeyboardPerson, keys } from './keyboard.mjs'
import { launch, Person, Report } from './ui.mjs'

const [base, language, password, imageFile, ...how] = process.argv.slice(2)
const Somebody = how.includes('keyboard') ? KeyboardPerson : Person
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()

try {
  const admin = await Somebody.open(browser, base, language)
  await step('the administrator signs in', () => admin.signIn('admin', password))
  await step('create the project', async () => {
    await admin.menu('identity', 'projects')
    await admin.create()
    await admin.send({ name: 'course' })
    await admin.has('course')
  })
  await step('create the user', async () => {
    await admin.menu('identity', 'users')
    await admin.create()
    await admin.send({ name: 'pupil', password: 'pupil-pw' })
    await admin.has('pupil')
  })
  await step('give it the role member', async () => {
    await admin.menu('identity', 'projects')
    await admin.follow('course')
    await admin.create()
    await admin.send({ user: { pick: 'pupil' }, role: { pick: 'member' } })
    await admin.has('pupil')
  })
  await step('create the flavor', async () => {
    await admin.menu('admin', 'flavors')
    await admin.create()
    await admin.send({ name: 'course-tiny', vcpus: 1, ram: 256, disk: 1 })
    await admin.has('course-tiny')
  })
  await step('create the external network with its subnet', async () => {
    await admin.menu('admin', 'networks')
    await admin.create()
    await admin.send({ name: 'ext', cidr: '203.0.113.0/24', gateway: '203.0.113.1', poolStart: '203.0.113.100', poolEnd: '203.0.113.200' })
    await admin.has('203.0.113.0/24')
  })

  const pupil = await Somebody.open(browser, base, language)
  await step('the user signs in and sees no administrator menu', async () => {
    await pupil.signIn('pupil', 'pupil-pw')
    await pupil.page.getByRole('menuitem', { name: pupil.t('menu.project'), exact: true }).first().waitFor()
    for (const section of ['admin', 'identity']) {
      if (await pupil.page.getByRole('menuitem', { name: pupil.t(`menu.${section}`), exact: true }).count()) throw new Error(`the menu ${section} is shown`)
    }
  })
  await step('the address of an administrator page tells him that he may not', async () => {
    await pupil.page.goto(`${base}/admin/overview`)
    await pupil.page.getByRole('alert').getByText(pupil.t('errors.forbidden')).waitFor()
    await pupil.page.goto(`${base}/overview`)
  })
  if (Somebody === KeyboardPerson) await keys(pupil, step)
  await step('upload the image', async () => {
    await pupil.menu('project', 'images')
    await pupil.create()
    await pupil.send({ name: 'mini', file: { files: imageFile } })
    await pupil.status('mini', 'active')
  })
  await step('create the network with its subnet', async () => {
    await pupil.menu('project', 'networks')
    await pupil.create()
    await pupil.send({ name: 'private', cidr: '10.11.0.0/24' })
    await pupil.has('10.11.0.0/24')
  })
  await step('create the security group with rules for ssh and ICMP', async () => {
    await pupil.menu('project', 'securityGroups')
    await pupil.create()
    await pupil.send({ name: 'open' })
    await pupil.follow('open')
    await pupil.create()
    await pupil.send({})
    await pupil.has('22 – 22')
    await pupil.create()
    await pupil.send({ preset: { pick: pupil.t('presets.icmp') } })
    await pupil.has('icmp')
  })
  let keyFile
  await step('create the key pair: its private key comes as a file', async () => {
    await pupil.menu('project', 'keypairs')
    await pupil.create()
    const [file] = await Promise.all([pupil.page.waitForEvent('download'), pupil.send({ name: 'key' })])
    if (file.suggestedFilename() !== 'key.pem') throw new Error(`the file is called ${file.suggestedFilename()}`)
    keyFile = await file.path()
    await pupil.has('key')
  })
  await step('create the router with a gateway, connect the subnet', async () => {
    await pupil.menu('project', 'routers')
    await pupil.create()
    await pupil.send({ name: 'gate', network: { pick: 'ext' } })
    await pupil.has('gate')
    await pupil.act('gate', 'addSubnet')
    await pupil.send({ subnet: { pick: '10.11.0.0/24' } })
    await pupil.has('10.11.0.0/24')
  })
  await step('create the server; it gets active without a reload', async () => {
    await pupil.menu('project', 'servers')
    await pupil.create()
    await pupil.fill({ name: 'web', image: { pick: 'mini' }, flavor: { pick: 'course-tiny' }, networks: { pick: 'private' }, securityGroups: { pick: 'open' }, keypair: { pick: 'key' } })
    await pupil.submit()
    await pupil.page.waitForURL(/servers\/[0-9a-f-]{36}/)
    await pupil.page.locator('[data-status="ACTIVE"]').first().waitFor()
    const [port] = await pupil.must('network', 'GET', `/ports?device_id=${pupil.page.url().split('/').pop()}`)
    if (port.security_groups.length !== 2) throw new Error(`its port has ${port.security_groups.length} security groups, not default and open`)
  })
  await step('allocate a floating IP and associate it', async () => {
    await pupil.menu('project', 'floatingIps')
    await pupil.create()
    await pupil.send({})
    await pupil.has('203.0.113.')
    await pupil.act('203.0.113.', 'associate')
    await pupil.send({ port: { pick: 'web' } })
    await pupil.row('203.0.113.').getByRole('link', { name: 'web' }).waitFor()
  })
  if (how.includes('guest')) await guest(pupil, step, 'web', keyFile)
  await step('create a volume and attach it', async () => {
    await pupil.menu('project', 'volumes')
    await pupil.create()
    await pupil.send({ name: 'data', size: 1 })
    await pupil.status('data', 'available')
    await pupil.act('data', 'attachTo')
    await pupil.send({ server: { pick: 'web' } })
    await pupil.status('data', 'in-use')
  })
  await step('boot another server from a volume', async () => {
    await pupil.menu('project', 'servers')
    await pupil.create()
    await pupil.fill({ name: 'boot', source: { pick: pupil.t('sources.imageVolume') }, image: { pick: 'mini' }, flavor: { pick: 'course-tiny' }, networks: { pick: 'private' } })
    await pupil.submit()
    await pupil.page.waitForURL(/servers\/[0-9a-f-]{36}/)
    await pupil.page.locator('[data-status="ACTIVE"]').first().waitFor()
  })
  await step('the administrator makes a host aggregate', async () => {
    await admin.menu('admin', 'aggregates')
    await admin.create()
    await admin.send({ name: 'fast', zone: 'east' })
    await admin.has('fast')
  })
  await step('stop and start the server', async () => {
    await pupil.menu('project', 'servers')
    await pupil.act('web', 'stop')
    await pupil.confirm()
    await pupil.status('web', 'SHUTOFF')
    await pupil.act('web', 'start')
    await pupil.status('web', 'ACTIVE')
  })

  await step('delete everything again', async () => {
    await pupil.menu('project', 'volumes')
    await pupil.act('data', 'detach')
    await pupil.confirm()
    await pupil.status('data', 'available')
    await pupil.remove('data')
    await pupil.menu('project', 'servers')
    await pupil.remove('web', 'deleteServer')
    await pupil.remove('boot', 'deleteServer')
    await pupil.menu('project', 'floatingIps')
    await pupil.remove('203.0.113.', 'release')
    await pupil.menu('project', 'routers')
    await pupil.act('gate', 'removeSubnet')
    await pupil.send({ subnet: { pick: '10.11.0.0/24' } })
    await pupil.remove('gate')
    await pupil.menu('project', 'networks')
    await pupil.remove('private')
    await pupil.menu('project', 'securityGroups')
    await pupil.remove('open')
    await pupil.menu('project', 'keypairs')
    await pupil.remove('key')
    await pupil.menu('project', 'images')
    await pupil.remove('mini', 'deleteImage')
    await admin.menu('admin', 'aggregates')
    await admin.remove('fast')
    await admin.menu('admin', 'networks')
    await admin.remove('ext')
    await admin.menu('admin', 'flavors')
    await admin.remove('course-tiny')
    await admin.menu('identity', 'users')
    await admin.remove('pupil')
    await admin.menu('identity', 'projects')
    await admin.remove('course')
  })
  await step('no page has failed', async () => {
    const errors = [...admin.errors, ...pupil.errors]
    if (errors.length) throw new Error(errors.join('\n'))
  })
} catch {
  const dir = process.env.SHOTS
  if (dir) for (const [i, c] of browser.contexts().entries()) await c.pages()[0]?.screenshot({ path: `${dir}/failed-${language}-${i}.png` })
} finally {
  await browser.close()
  report.end()
}
