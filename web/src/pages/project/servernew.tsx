import { useNavigate } from '@tanstack/react-router'
import { Alert, Button, Card, Col, Descriptions, Flex, Form, Row as Grid, Skeleton, Typography } from 'antd'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiError, type Call, type PageData, type Row, useCall, usePage, useSession } from '../../kit/api'
import { useDraft } from '../../kit/draft'
import { Draft, type Field, Fields, initial, options } from '../../kit/form'
import { t } from '../../kit/i18n'
import { Missing, Problem } from '../../kit/problem'
import { fieldOf } from '../../kit/refusal'
import { ShowApi } from '../../kit/showapi'
import { run } from '../../kit/tasks'
import { computeLines, type Line, overQuota, QuotaBars, volumeLines } from '../quota'

/** One page, in sections: a name and an image are enough. */
export function ServerNew() {
  const { data, error, refetch } = usePage('server-new')
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  return data ? <Wizard data={data} /> : <Skeleton active />
}

function sections(data: PageData, project?: string): { key: string; fields: Field[] }[] {
  const images: Row[] = (data.images ?? []).filter((i: Row) => i.status === 'active')
  const flavors: Row[] = [...(data.flavors ?? [])].sort((a, b) => a.ram - b.ram)
  const networks: Row[] = (data.networks ?? []).filter(
    (n: Row) => !n['router:external'] && n.subnets.length > 0 && (n.shared || !project || n.project_id === project),
  )
  return [
    {
      key: 'base',
      fields: [
        { name: 'name', required: true },
        {
          name: 'source',
          type: 'select',
          required: true,
          initial: 'image',
          options: ['image', 'imageVolume', 'volume'].map((value) => ({ value, label: t(`sources.${value}`) })),
        },
        {
          name: 'image',
          type: 'select',
          required: true,
          initial: images[0]?.id,
          options: options(images),
          when: (v) => v.source !== 'volume',
        },
        {
          name: 'volume',
          type: 'select',
          required: true,
          options: options((data.volumes ?? []).filter((v: Row) => v.bootable === 'true')),
          when: (v) => v.source === 'volume',
        },
        { name: 'volumeSize', type: 'number', min: 1, required: true, initial: 1, when: (v) => v.source === 'imageVolume' },
        {
          name: 'flavor',
          type: 'select',
          required: true,
          initial: flavors[0]?.id,
          options: flavors.map((f) => ({ value: f.id, label: `${f.name} · ${f.vcpus} vCPU · ${f.ram} MiB · ${f.disk} GiB` })),
        },
        { name: 'count', type: 'number', min: 1, max: 100, initial: 1 },
      ],
    },
    {
      key: 'network',
      fields: [
        {
          name: 'networks',
          type: 'multi',
          required: networks.length > 0,
          initial: networks.slice(0, 1).map((n) => n.id),
          options: options(networks),
        },
        {
          name: 'securityGroups',
          type: 'multi',
          initial: ['default'],
          options: [...new Set((data.security_groups ?? []).map((g: Row) => g.name as string))].map((n) => ({
            value: n as string,
            label: n as string,
          })),
        },
      ],
    },
    {
      key: 'access',
      fields: [
        {
          name: 'keypair',
          type: 'select',
          options: (data.keypairs ?? []).map((k: Row) => ({ value: k.keypair.name, label: k.keypair.name })),
          initial: data.keypairs?.[0]?.keypair.name,
        },
        { name: 'userData', type: 'area', help: 'userData' },
        {
          name: 'zone',
          type: 'select',
          options: (data.zones ?? []).map((z: Row) => ({ value: z.zoneName, label: z.zoneName })),
        },
        { name: 'serverGroup', type: 'select', options: options(data.groups), help: 'serverGroup' },
      ],
    },
  ]
}

/** The disk a server starts from, as Terraform. */
function terraformDisk(v: Row): string {
  const made = v.source === 'imageVolume'
  return [
    '  block_device {',
    `    uuid                  = "${(made ? v.image : v.volume) ?? ''}"`,
    `    source_type           = "${made ? 'image' : 'volume'}"`,
    '    destination_type      = "volume"',
    '    boot_index            = 0',
    ...(made ? [`    volume_size           = ${v.volumeSize}`, '    delete_on_termination = true'] : []),
    '  }',
  ].join('\n')
}

/** The calls a filled-in page makes. */
export function createServer(v: Row): Call {
  const server: Row = { name: v.name, flavorRef: v.flavor, networks: (v.networks ?? []).map((uuid: string) => ({ uuid })) }
  if (server.networks.length === 0) server.networks = 'none'
  const or = (value: string | undefined, what: string) => value ?? what // not chosen yet
  let boot = `--image ${or(v.image, 'IMAGE')}`
  if (v.source === 'image') server.imageRef = v.image
  else {
    const made = v.source === 'imageVolume'
    server.block_device_mapping_v2 = [
      {
        boot_index: 0,
        uuid: made ? v.image : v.volume,
        source_type: made ? 'image' : 'volume',
        destination_type: 'volume',
        ...(made ? { volume_size: v.volumeSize, delete_on_termination: true } : {}),
      },
    ]
    boot = made ? `--image ${or(v.image, 'IMAGE')} --boot-from-volume ${v.volumeSize}` : `--volume ${or(v.volume, 'VOLUME')}`
  }
  if (v.keypair) server.key_name = v.keypair
  if (v.zone) server.availability_zone = v.zone
  if (v.userData) server.user_data = btoa(String.fromCharCode(...new TextEncoder().encode(v.userData)))
  if (v.securityGroups?.length) server.security_groups = v.securityGroups.map((name: string) => ({ name }))
  if (v.count > 1) Object.assign(server, { min_count: v.count, max_count: v.count })
  const body: Row = { server }
  if (v.serverGroup) body['os:scheduler_hints'] = { group: v.serverGroup }
  const flags = [
    ...(v.networks ?? []).map((n: string) => `--network ${n}`),
    ...(v.securityGroups ?? []).map((g: string) => `--security-group ${g}`),
    v.keypair ? `--key-name ${v.keypair}` : '',
    v.zone ? `--availability-zone ${v.zone}` : '',
    v.serverGroup ? `--hint group=${v.serverGroup}` : '',
    v.count > 1 ? `--min ${v.count} --max ${v.count}` : '',
  ].filter(Boolean)
  return {
    method: 'POST',
    service: 'compute',
    path: '/servers',
    body,
    cli: `openstack server create ${boot} --flavor ${or(v.flavor, 'FLAVOR')} ${flags.join(' ')} ${or(v.name, 'NAME')}`,
    terraform: [
      `resource "openstack_compute_instance_v2" "${v.name ?? 'server'}" {`,
      `  name            = "${v.name ?? ''}"`,
      ...(v.source === 'image' ? [`  image_id        = "${v.image ?? ''}"`] : []),
      `  flavor_id       = "${v.flavor ?? ''}"`,
      ...(v.keypair ? [`  key_pair        = "${v.keypair}"`] : []),
      ...(v.securityGroups?.length ? [`  security_groups = ${JSON.stringify(v.securityGroups)}`] : []),
      ...(v.zone ? [`  availability_zone = "${v.zone}"`] : []),
      ...(v.count > 1 ? [`  count           = ${v.count}`] : []),
      ...(v.userData ? [`  user_data       = <<-EOT\n${v.userData}\n  EOT`] : []),
      ...(v.networks ?? []).map((n: string) => `  network {\n    uuid = "${n}"\n  }`),
      ...(v.source === 'image' ? [] : [terraformDisk(v)]),
      ...(v.serverGroup ? [`  scheduler_hints {\n    group = "${v.serverGroup}"\n  }`] : []),
      '}',
    ].join('\n'),
  }
}

function Wizard({ data }: { data: PageData }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [form] = Form.useForm<Row>()
  const project = useSession().data?.project?.id
  const parts = sections(data, project)
  const fields = parts.flatMap((p) => p.fields)
  const draft = useDraft('servers/new', fields)
  const start = { ...initial(fields), ...draft.values }
  const values = { ...start, ...(Form.useWatch([], form) ?? {}) }
  const [error, setError] = useState<ApiError>()
  const [busy, setBusy] = useState(false)
  const submit = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const v = form.getFieldsValue(true)
      const answer = await run<Row>(`${t('pages.servers.create')} ${v.name}`, createServer(v))
      draft.end()
      const id = answer.server?.id
      await navigate(id && v.count === 1 ? { to: '/servers/$id', params: { id } } : { to: '/servers' })
    } catch (e) {
      const err = e as ApiError
      setError(err)
      const about = fieldOf(err.message, fields)
      if (about) form.setFields([{ name: about, errors: [err.message] }])
    } finally {
      setBusy(false)
    }
  }
  return (
    <Flex vertical gap={16}>
      <Typography.Title level={3} style={{ margin: 0 }}>
        {t('pages.servers.create')}
      </Typography.Title>
      <Missing errors={data.errors} />
      {error ? <Problem error={error} /> : null}
      <Grid gutter={[16, 16]}>
        <Col xs={24} lg={15}>
          <Form
            form={form}
            layout="vertical"
            initialValues={start}
            onFinish={submit}
            onValuesChange={() => draft.keep(form.getFieldsValue(true))}
            scrollToFirstError={{ focus: true }}
          >
            <Flex vertical gap={16}>
              <Draft draft={draft} form={form} fields={fields} />
              {parts.map((p) => (
                <Card key={p.key} size="small" title={t(`sections.${p.key}`)}>
                  <Fields fields={p.fields} values={values} />
                </Card>
              ))}
              <Button type="primary" size="large" htmlType="submit" loading={busy} data-submit>
                {t('pages.servers.create')}
              </Button>
            </Flex>
          </Form>
        </Col>
        <Col xs={24} lg={9}>
          <Flex vertical gap={16} className="rail">
            <Summary data={data} values={values} />
            <Card size="small" title={t('showApi.title')}>
              <ShowApi calls={[createServer(values)]} />
            </Card>
          </Flex>
        </Col>
      </Grid>
    </Flex>
  )
}

/** What is asked for so far, what of the quota it takes, and where it has room. */
function Summary({ data, values }: { data: PageData; values: Row }) {
  const { t } = useTranslation()
  const flavor: Row | undefined = (data.flavors ?? []).find((f: Row) => f.id === values.flavor)
  const count = values.count ?? 1
  const named = (rows: Row[] | undefined, id: string) => rows?.find((r) => r.id === id)?.name ?? ''
  const source = values.source === 'volume' ? named(data.volumes, values.volume) : named(data.images, values.image)
  const facts: [string, string][] = [
    ['name', values.name ?? ''],
    ['source', source && `${t(`sources.${values.source}`)}: ${source}`],
    ['flavor', flavor ? `${flavor.name} · ${flavor.vcpus} vCPU · ${flavor.ram} MiB · ${flavor.disk} GiB` : ''],
    ['networks', (values.networks ?? []).map((n: string) => named(data.networks, n)).join(', ')],
    ['securityGroups', (values.securityGroups ?? []).join(', ')],
    ['keypair', values.keypair ?? ''],
    ['count', String(count)],
  ]
  const made: Line[] =
    values.source === 'imageVolume'
      ? volumeLines(data.volume_limits).map(([key, used, limit]) => [
          key,
          used,
          limit,
          key === 'volumes' ? count : count * (values.volumeSize ?? 1),
        ])
      : []
  const lines = [...computeLines(data, { servers: count, vcpus: count * (flavor?.vcpus ?? 0), ram: count * (flavor?.ram ?? 0) }), ...made]
  const over = lines.filter(overQuota)
  return (
    <Card size="small" title={t('summary.title')} data-summary>
      <Flex vertical gap={12}>
        <Descriptions
          size="small"
          column={1}
          items={facts.filter(([, value]) => value).map(([key, children]) => ({ key, label: t(`fields.${key}`), children }))}
        />
        <QuotaBars wide lines={lines} />
        {over.length > 0 ? (
          <Alert
            type="warning"
            showIcon
            role="status"
            data-over
            title={t('summary.over', { what: over.map(([key]) => t(`fields.${key}`)).join(', ') })}
          />
        ) : null}
        {flavor && data.providers ? <Room flavor={flavor} disk={values.source === 'image'} hosts={data.providers.length} /> : null}
      </Flex>
    </Card>
  )
}

/** How many hosts have room for one: placement says so to those who may ask it. */
function Room({ flavor, disk, hosts }: { flavor: Row; disk: boolean; hosts: number }) {
  const { t } = useTranslation()
  const wanted = [
    ['VCPU', flavor.vcpus],
    ['MEMORY_MB', flavor.ram],
    ['DISK_GB', disk ? flavor.disk : 0],
  ].filter(([, amount]) => amount > 0)
  const resources = wanted.map(([name, amount]) => `${name}:${amount}`).join(',')
  const { data } = useCall<{ allocation_requests: { allocations: Row }[] }>(
    { method: 'GET', service: 'placement', path: `/allocation_candidates?resources=${resources}&required=!COMPUTE_STATUS_DISABLED` },
    resources !== '',
  )
  if (!data) return null
  const fit = new Set(data.allocation_requests.flatMap((r) => Object.keys(r.allocations))).size
  return (
    <Typography.Text type={fit > 0 ? 'secondary' : 'danger'} data-room={fit}>
      {t('summary.room', { fit, count: hosts })}
    </Typography.Text>
  )
}
