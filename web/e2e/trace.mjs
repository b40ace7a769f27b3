// What a request did, who calls whom over the bus, and why a server is where it
// is: the waterfall, the RPC map and the scheduler's decision on their pages.
//
//   usage: node trace.mjs BASE LANGUAGE PASSWORD
import { launch, Person, Report } from './ui.mjs'

const [base, language, password] = process.argv.slice(2)
const report = new Report()
const step = (name, what) => report.step(`${language}: ${name}`, what)
const browser = await launch()
const shot = (p, name) => process.env.SHOTS && p.page.screenshot({ path: `${process.env.SHOTS}/${name}-${language}.png`, fullPage: true })
const suffix = `${language}-${Date.now() % 100_000}`

/** Repeats a question until its answer is right. */
async function until(what, ask, right) {
  const end = Date.now() + 30_000
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(answer)}`)
    await new Promise((r) => setTimeout(r, 200))
  }
}

try {
  const admin = await Person.open(browser, base, language)
  await admin.signIn('admin', password)
  const { page } = admin
  const main = page.locator('[role=main]')
  const hop = (text) => main.locator('.waterfall .ant-table-row', { hasText: text }).first()
  const tab = (key) => main.getByRole('tab', { name: admin.t(`tabs.${key}`), exact: true }).click()
  const network = await admin.must('network', 'POST', '/networks', { network: { name: `trace-${suffix}` } })
  await admin.must('network', 'POST', '/subnets', { subnet: { network_id: network.id, ip_version: 4, cidr: '10.77.0.0/24' } })
  const image = await admin.must('image', 'POST', '/v2/images', { name: `trace-${suffix}`, disk_format: 'raw', container_format: 'bare' })
  await admin.must('image', 'PUT', `/v2/images/${image.id}/file`, 'bytes', 'application/octet-stream')
  const flavor = (name, disk) => admin.must('compute', 'POST', '/flavors', { flavor: { name: `${name}-${suffix}`, ram: 64, vcpus: 1, disk } })
  const small = await flavor('small', 1)
  const huge = await flavor('huge', 900_000_000) // no quota bounds disks, no host has one
  const create = (name, of, hints) =>
    admin.must('compute', 'POST', '/servers', {
      server: { name: `${name}-${suffix}`, flavorRef: of.id, imageRef: image.id, networks: [{ uuid: network.id }] },
      'os:scheduler_hints': hints,
    })
  const server = (id) => admin.must('compute', 'GET', `/servers/${id}`)
  const first = await create('first', small)
  await until('the server is active', () => server(first.id), (s) => s.status === 'ACTIVE')

  let request
  await step("a server's page lists its requests, each with its waterfall", async () => {
    await page.goto(`${base}/servers/${first.id}`)
    await tab('requests')
    await main.getByText('POST /v2.1/servers', { exact: true }).waitFor()
    request = await main.locator('a[href^="/traces/req-"]').first().textContent()
    await main.locator('a[href^="/traces/req-"]').first().click()
    await hop('schedule_and_build_instances').waitFor()
    for (const text of ['select_destinations', 'GET /allocation_candidates', 'build_and_run_instance', 'POST /v2.0/ports']) await hop(text).waitFor()
    await hop('nova → scheduler → scheduler').waitFor()
    await shot(admin, 'trace')
  })
  await step('the statements of a hop unfold', async () => {
    const folded = main.locator('.waterfall .ant-table-row', { hasText: new RegExp(admin.t('trace.statements_other').replace('{{count}}', '\\d+')) }).first()
    await folded.locator('.ant-table-row-expand-icon').click()
    await hop('SELECT').waitFor()
  })
  await step('a request is found by its id; an unknown one is told of', async () => {
    await admin.menu('project', 'traces')
    const search = main.getByLabel(admin.t('trace.search'))
    await search.fill('nonsense')
    await search.press('Enter')
    await main.locator('.ant-input-affix-wrapper-status-error, .ant-input-status-error, .ant-input-group-wrapper-status-error').first().waitFor()
    await shot(admin, 'requests')
    await search.fill(request)
    await search.press('Enter')
    await hop('select_destinations').waitFor()
    await page.goto(`${base}/traces/req-00000000-0000-4000-8000-000000000000`)
    await main.getByText(admin.t('errors.notFound')).waitFor()
  })
  await step("the scheduler's decision names the filter and the host it refused", async () => {
    const second = await create('second', small, { different_host: [first.id] })
    const { 'OS-EXT-SRV-ATTR:host': host } = await server(first.id)
    await until('the second server is active', () => server(second.id), (s) => s.status === 'ACTIVE')
    await page.goto(`${base}/servers/${second.id}`)
    await tab('scheduling')
    await main.locator('.ant-table-row', { hasText: 'DifferentHostFilter' }).getByText(host).waitFor()
    await main.getByText(admin.t('scheduling.chosen')).waitFor()
    await shot(admin, 'scheduling')
  })
  await step('a server in error says what happened on the way', async () => {
    const failed = await create('huge', huge)
    await until('the huge server is in error', () => server(failed.id), (s) => s.status === 'ERROR')
    await page.goto(`${base}/servers/${failed.id}`)
    await tab('why')
    await main.getByText('conductor_schedule_and_build_instances').waitFor()
    await main.getByText(admin.t('circumstances.agents')).waitFor()
    await shot(admin, 'why')
    await tab('scheduling')
    await main.getByText(admin.t('scheduling.noHost'), { exact: true }).waitFor()
  })
  await step('the RPC map counts without a reload', async () => {
    const asked = []
    await admin.menu('broker', 'rpcMap')
    const line = main.locator('.ant-table-row', { hasText: 'select_destinations' }).first()
    await line.waitFor()
    page.on('request', (r) => asked.push(r.url()))
    const calls = async () => Number(await line.locator('td').nth(6).textContent())
    const before = await calls()
    const third = await admin.must('compute', 'POST', '/servers', {
      server: { name: `third-${suffix}`, flavorRef: small.id, imageRef: image.id, networks: [{ uuid: network.id }] },
    })
    await until('the map counts the call', calls, (n) => n > before)
    await main.locator('.rpc-map .rpc-box.topic', { hasText: 'nova · scheduler' }).waitFor()
    await shot(admin, 'rpc-map')
    const again = asked.filter((u) => u.includes('/dashboard/rpc-map'))
    if (again.length > 0) throw new Error(`the map was asked for again: ${again}`)
    await until('the third server is active', () => server(third.id), (s) => s.status === 'ACTIVE')
  })
  await step('a member sees his requests, but not the inside of the cloud', async () => {
    const project = await admin.must('identity', 'POST', '/projects', { project: { name: `traced-${suffix}`, domain_id: 'default' } })
    const user = await admin.must('identity', 'POST', '/users', { user: { name: `traced-${suffix}`, password: 'traced-pw', domain_id: 'default' } })
    const [role] = await admin.must('identity', 'GET', '/roles?name=member')
    await admin.api('identity', 'PUT', `/projects/${project.id}/users/${user.id}/roles/${role.id}`)
    const member = await Person.open(browser, base, language)
    await member.signIn(`traced-${suffix}`, 'traced-pw')
    await member.must('network', 'POST', '/networks', { network: { name: 'own' } })
    await member.menu('project', 'traces')
    const mine = member.page.locator('[role=main]')
    await mine.getByText('POST /v2.0/networks', { exact: true }).waitFor()
    if (await mine.getByText('POST /v2.1/servers', { exact: true }).count()) throw new Error("another project's request is shown")
    await mine.locator('a[href^="/traces/req-"]').first().click()
    await mine.getByText(member.t('trace.partly')).waitFor()
    await member.page.goto(`${base}/traces/${request}`)
    await mine.getByText(member.t('errors.notFound')).waitFor()
    const { status } = await member.request('GET', '/dashboard/rpc-map')
    if (status !== 403) throw new Error(`the RPC map answers ${status}`)
    if (member.errors.length > 0) throw new Error(member.errors.join('\n'))
  })
  await step('what was made is deleted', async () => {
    for (const s of await admin.must('compute', 'GET', '/servers')) if (s.name.endsWith(suffix)) await admin.api('compute', 'DELETE', `/servers/${s.id}`)
    await until('the servers are gone', () => admin.must('compute', 'GET', '/servers'), (all) => !all.some((s) => s.name.endsWith(suffix)))
    for (const f of [small, huge]) await admin.api('compute', 'DELETE', `/flavors/${f.id}`)
    await admin.api('image', 'DELETE', `/v2/images/${image.id}`)
    await until('the network is gone', () => admin.api('network', 'DELETE', `/networks/${network.id}`), ({ status }) => status === 204 || status === 404)
    if (admin.errors.length > 0) throw new Error(admin.errors.join('\n'))
  })
} catch {
  // the report has it
} finally {
  await browser.close()
}
report.end()
