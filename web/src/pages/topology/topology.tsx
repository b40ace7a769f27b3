import { AimOutlined, MinusOutlined, PlusOutlined } from '@ant-design/icons'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Background, MiniMap, ReactFlow, ReactFlowProvider, useReactFlow, ViewportPortal } from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import { App, Button, Card, Empty, Flex, Input, Skeleton, Space, Steps, Tooltip, Typography, theme } from 'antd'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useTheme } from '../../app/theme'
import { type ApiError, type PageData, useCan, usePage, useSession } from '../../kit/api'
import { download } from '../../kit/files'
import { FormDrawer, type FormSpec } from '../../kit/form'
import { Missing, Problem } from '../../kit/problem'
import { ShowApi } from '../../kit/showapi'
import { joinRules, joins } from './join'
import { at, type Box, hues, type Kind, type Layout, layout, model, narrow, path } from './layout'
import { BoxFace, type BoxNode, cidrs, OpenCard, Topology } from './nodes'
import { png, svg, words } from './svg'
import './topology.css'

const nodeTypes = { box: BoxFace }
const whole = { maxZoom: 1, padding: 0.06 }

/** How the networks of a project, or of the whole cloud, hang together. */
function TopologyPage({ page, title, hosts }: { page: string; title: string; hosts: boolean }) {
  const { t } = useTranslation()
  const { data, error, refetch } = usePage(page)
  if (error) return <Problem error={error as ApiError} retry={() => refetch()} />
  return (
    <Flex vertical gap={16}>
      {data ? (
        <ReactFlowProvider>
          <Picture data={data} title={t(title)} hosts={hosts} reload={() => void refetch()} />
        </ReactFlowProvider>
      ) : (
        <Skeleton active />
      )}
    </Flex>
  )
}

export const ProjectTopology = () => <TopologyPage page="topology" title="pages.topology.title" hosts={false} />
export const AdminTopology = () => <TopologyPage page="admin-topology" title="pages.adminTopology.title" hosts />

interface Props {
  data: PageData
  title: string
  hosts: boolean
  reload: () => void
}

function Picture({ data, title, hosts, reload }: Props) {
  const { t } = useTranslation()
  const { q } = useSearch({ strict: false }) as { q?: string }
  const navigate = useNavigate()
  const project = useSession().data?.project?.id
  const [api, setApi] = useState(false)
  const all = useMemo(() => model(data, hosts, project), [data, hosts, project])
  const drawn = useMemo(() => layout(narrow(all, q ?? '')), [all, q])
  const empty = all.routers.length === 0 && all.servers.length === 0 && all.networks.every((n) => n['router:external'])
  return (
    <>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {title}
        </Typography.Title>
        <Space wrap>
          <Input.Search
            allowClear
            placeholder={t('topology.filter')}
            aria-label={t('topology.filter')}
            defaultValue={q}
            onChange={(e) => navigate({ to: '.', search: { q: e.target.value || undefined } as never, replace: true })}
            style={{ width: 220 }}
          />
          <Tools drawn={drawn} data={data} />
          <Button onClick={() => setApi(!api)}>{t('showApi.title')}</Button>
        </Space>
      </Flex>
      {api ? <ShowApi calls={calls} /> : null}
      <Missing errors={data.errors} />
      {empty && !hosts ? <Teach data={data} /> : null}
      {drawn.boxes.length === 0 ? (
        <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={q ? t('list.nothing') : t('pages.topology.empty')} />
      ) : (
        <>
          <Typography.Text type="secondary">{t('topology.hint')}</Typography.Text>
          <Flow drawn={drawn} data={data} reload={reload} />
        </>
      )}
    </>
  )
}

const calls = [
  { method: 'GET' as const, service: 'network' as const, path: '/networks', cli: 'openstack network list --long' },
  { method: 'GET' as const, service: 'network' as const, path: '/routers', cli: 'openstack router list --long' },
  { method: 'GET' as const, service: 'network' as const, path: '/ports', cli: 'openstack port list --long' },
  { method: 'GET' as const, service: 'compute' as const, path: '/servers/detail', cli: 'openstack server list --long' },
]

/** What one does until there is something to see. */
function Teach({ data }: { data: PageData }) {
  const { t } = useTranslation()
  const out = (data.networks ?? []).length > 0
  return (
    <Card size="small" title={t('pages.topology.empty')}>
      <Steps
        orientation="vertical"
        size="small"
        current={0}
        items={[
          { title: <Link to="/networks">{t('firstSteps.network')}</Link>, content: t('topology.teach.network') },
          {
            title: <Link to="/routers">{t('firstSteps.router')}</Link>,
            content: t(out ? 'topology.teach.router' : 'topology.teach.external'),
          },
          { title: <Link to="/servers/new">{t('firstSteps.server')}</Link>, content: t('topology.teach.server') },
        ]}
      />
    </Card>
  )
}

function Tools({ drawn, data }: { drawn: Layout; data: PageData }) {
  const { t, i18n } = useTranslation()
  const flow = useReactFlow()
  const { token } = theme.useToken()
  const picture = () =>
    svg(
      drawn,
      { background: token.colorBgContainer, text: token.colorText, faint: token.colorTextSecondary, line: token.colorBorder },
      (box) =>
        box.kind === 'loose'
          ? [t('topology.loose')]
          : words(box, cidrs(box.row, data), (s) => (i18n.exists(`status.${s.toLowerCase()}`) ? t(`status.${s.toLowerCase()}`) : s)),
    )
  const zoom: [string, React.ReactNode, () => void][] = [
    ['zoomIn', <PlusOutlined key="in" />, () => void flow.zoomIn()],
    ['zoomOut', <MinusOutlined key="out" />, () => void flow.zoomOut()],
    ['fit', <AimOutlined key="fit" />, () => void flow.fitView(whole)],
  ]
  return (
    <Space.Compact>
      {zoom.map(([key, icon, act]) => (
        <Tooltip key={key} title={t(`topology.${key}`)}>
          <Button icon={icon} aria-label={t(`topology.${key}`)} onClick={act} />
        </Tooltip>
      ))}
      <Button onClick={() => download('topology.svg', picture())}>SVG</Button>
      <Button onClick={async () => download('topology.png', await png(picture()))}>PNG</Button>
    </Space.Compact>
  )
}

const draggable: Kind[] = ['server', 'network', 'router']
const targets: Partial<Record<Kind, Kind[]>> = { server: ['network'], network: ['router'], router: ['network'] }

function Flow({ drawn, data, reload }: { drawn: Layout; data: PageData; reload: () => void }) {
  const { t } = useTranslation()
  const { message } = App.useApp()
  const { dark } = useTheme()
  const flow = useReactFlow()
  const can = useCan(joinRules)
  const [open, select] = useState<string>()
  const [over, setOver] = useState<string>()
  const opened = drawn.boxes.find((b) => b.id === open)
  // Where the dragged thing is; all others are where the layout puts them.
  const [dragged, setDragged] = useState<{ id: string; x: number; y: number }>()
  const [form, setForm] = useState<{ spec: FormSpec; row: Box['row'] }>()
  // What has grown is shown whole again, until somebody looks at a part of it.
  const moved = useRef(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the size that matters
  useEffect(() => {
    if (!moved.current) void flow.fitView(whole)
  }, [flow, drawn.width, drawn.height])
  const nodes = drawn.boxes.map(
    (box): BoxNode => ({
      id: box.id,
      type: 'box',
      data: { box },
      position: dragged?.id === box.id ? dragged : { x: box.x, y: box.y },
      width: box.width,
      height: box.height,
      draggable: draggable.includes(box.kind),
      focusable: false,
      // What cannot be dragged can be clicked all the same.
      style: { pointerEvents: 'all' },
      zIndex: dragged?.id === box.id ? 3 : box.kind === 'host' || box.kind === 'loose' ? 0 : 1,
    }),
  )
  const target = (e: MouseEvent | TouchEvent, node: BoxNode) => {
    const p = 'clientX' in e ? e : e.changedTouches[0]
    const { x, y } = flow.screenToFlowPosition({ x: p.clientX, y: p.clientY })
    return at(
      drawn.boxes.filter((b) => b.id !== node.id),
      targets[node.data.box.kind] ?? [],
      x,
      y,
    )
  }
  const drop = (e: MouseEvent | TouchEvent, node: BoxNode) => {
    setDragged(undefined)
    setOver(undefined)
    const on = target(e, node)
    if (!on) return
    const join = joins(node.data.box, on, data)
    if (!join) return
    const verdict = can(join.rule)
    if (!verdict.allowed) void message.warning(t('why.policy', { reason: verdict.reason }))
    else if (join.not) void message.info(t(`why.${join.not}`))
    else setForm({ spec: join.form, row: join.row })
  }
  return (
    <Topology.Provider value={{ data, open, over, select, reload }}>
      <div className="topology" data-topology>
        <ReactFlow<BoxNode>
          nodes={nodes}
          nodeTypes={nodeTypes}
          colorMode={dark ? 'dark' : 'light'}
          fitView
          fitViewOptions={whole}
          minZoom={0.05}
          maxZoom={2}
          // All that is drawn can be reached by Tab; of very many things only what is seen is drawn.
          onlyRenderVisibleElements={drawn.boxes.length > 300}
          nodesConnectable={false}
          nodesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          deleteKeyCode={null}
          onMoveStart={(e) => {
            if (e) moved.current = true
            select(undefined)
          }}
          onNodeDragStart={() => select(undefined)}
          onNodeDrag={(e, node) => {
            setDragged({ id: node.id, ...node.position })
            setOver(target(e as unknown as MouseEvent, node)?.id)
          }}
          onNodeDragStop={(e, node) => drop(e as unknown as MouseEvent, node)}
        >
          <Background />
          {drawn.boxes.length > 30 ? (
            <MiniMap pannable zoomable nodeColor={(n) => colour(n as BoxNode)} ariaLabel={t('topology.map')} />
          ) : null}
          <ViewportPortal>
            <svg className="topo-wires" width={drawn.width} height={drawn.height} aria-hidden="true">
              {drawn.wires.map((w) => (
                <path key={w.key} d={path(w)} fill="none" stroke={hues[w.hue]} strokeWidth={2} data-wire={w.key} />
              ))}
            </svg>
            {opened ? <OpenCard key={opened.id} box={opened} /> : null}
          </ViewportPortal>
        </ReactFlow>
      </div>
      {form ? (
        <FormDrawer
          spec={form.spec}
          data={data}
          row={form.row}
          onClose={() => {
            setForm(undefined)
            reload()
          }}
        />
      ) : null}
    </Topology.Provider>
  )
}

const colour = (n: BoxNode): string =>
  n.data.box.kind === 'network' ? hues[n.data.box.hue] : n.data.box.kind === 'host' ? 'transparent' : '#8c8c8c'
