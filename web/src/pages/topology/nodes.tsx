// What is drawn of each thing, and the card that opens at it.
import { ApartmentOutlined, ClusterOutlined, DesktopOutlined, GlobalOutlined, HddOutlined } from '@ant-design/icons'
import { Link } from '@tanstack/react-router'
import type { Node, NodeProps } from '@xyflow/react'
import { Descriptions, Flex, Popover } from 'antd'
import { createContext, type ReactNode, type Ref, useContext, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { type Action, Actions } from '../../kit/actions'
import type { PageData, Row } from '../../kit/api'
import { Id } from '../../kit/detail'
import { useFocusBack } from '../../kit/focus'
import { addresses, ago } from '../../kit/format'
import { Status } from '../../kit/status'
import { networkActions } from '../project/networks'
import { routerActions } from '../project/routers'
import { serverActions } from '../project/servers'
import { type Box, hues } from './layout'

export type BoxNode = Node<{ box: Box }, 'box'>

interface Shown {
  data: PageData
  /** The thing whose card is open. */
  open?: string
  /** What the dragged thing would be dropped on. */
  over?: string
  select: (id?: string) => void
  reload: () => void
}

export const Topology = createContext<Shown>({ data: { errors: {} }, select: () => undefined, reload: () => undefined })

export const cidrs = (row: Row, data: PageData): string[] =>
  (data.subnets ?? []).filter((s: Row) => s.network_id === row.id).map((s: Row) => s.cidr as string)

function Face({ box, data }: { box: Box; data: PageData }) {
  const { t } = useTranslation()
  const { row } = box
  switch (box.kind) {
    case 'network':
      return (
        <div className="topo-line" style={{ lineHeight: '30px' }}>
          {row['router:external'] ? <GlobalOutlined /> : <ApartmentOutlined />}
          <strong>{row.name || row.id}</strong>
          <span className="grow topo-faint">{cidrs(row, data).join('  ')}</span>
          {row.status === 'ACTIVE' ? null : <Status value={row.status} />}
        </div>
      )
    case 'router':
      return (
        <>
          <div className="topo-line">
            <ClusterOutlined />
            <strong className="grow">{row.name || row.id}</strong>
          </div>
          <Status value={row.status} />
        </>
      )
    case 'server': {
      const a = addresses(row)
      return (
        <>
          <div className="topo-line">
            <DesktopOutlined />
            <strong className="grow">{row.name || row.id}</strong>
          </div>
          <div className="topo-line">
            <Status value={row.status} />
            <span className="grow topo-faint">{a.floating.join(', ')}</span>
          </div>
          <div className="topo-faint">{a.fixed.join(', ')}</div>
        </>
      )
    }
    case 'host':
      return (
        <div className="topo-line" style={{ lineHeight: '30px' }}>
          <HddOutlined />
          <strong>{row.hypervisor_hostname}</strong>
          <Status value={row.state} />
        </div>
      )
    default:
      return <>{t('topology.loose')}</>
  }
}

const actionsOf: Partial<Record<Box['kind'], Action[]>> = {
  network: networkActions,
  router: routerActions,
  server: serverActions,
}

function Card({ box, shown, place }: { box: Box; shown: Shown; place: Ref<HTMLDivElement> }) {
  const { t } = useTranslation()
  const { row } = box
  const actions = actionsOf[box.kind]
  const facts: [string, ReactNode][] = []
  const fact = (key: string, value: ReactNode) => facts.push([t(`fields.${key}`), value])
  fact('status', <Status value={box.kind === 'host' ? row.state : row.status} task={row['OS-EXT-STS:task_state']} />)
  if (box.kind === 'server') {
    const a = addresses(row)
    fact('addresses', a.fixed.join(', ') || '–')
    fact('floatingIp', a.floating.join(', ') || '–')
    if (row['OS-EXT-SRV-ATTR:host']) fact('host', row['OS-EXT-SRV-ATTR:host'])
  } else if (box.kind === 'network') {
    fact('subnets', cidrs(row, shown.data).join(', ') || '–')
    fact('ports', ((shown.data.ports ?? []) as Row[]).filter((p) => p.network_id === row.id).length)
  } else if (box.kind === 'router') {
    fact('gateway', row.external_gateway_info?.external_fixed_ips?.map((i: Row) => i.ip_address).join(', ') || '–')
  } else {
    fact('address', row.host_ip)
    for (const a of ((shown.data.agents ?? []) as Row[]).filter((one) => one.host === row.service?.host)) {
      facts.push([
        a.agent_type,
        <Flex key={a.id} gap={4}>
          <Status value={a.alive ? 'up' : 'down'} /> {ago(a.heartbeat_timestamp?.replace(' ', 'T'))}
        </Flex>,
      ])
    }
  }
  fact('id', <Id value={String(row.id)} />)
  const to = { network: '/networks/$id', server: '/servers/$id' }[box.kind as string]
  return (
    <Flex
      ref={place}
      vertical
      gap={8}
      style={{ width: 340 }}
      role="dialog"
      aria-label={nameOf(row)}
      tabIndex={-1}
      onKeyDown={(e) => e.key === 'Escape' && e.currentTarget.contains(e.target as Element) && shown.select(undefined)}
    >
      <Descriptions size="small" column={1} items={facts.map(([label, value]) => ({ key: label, label, children: value }))} />
      <Flex justify="space-between" align="center">
        {to ? (
          <Link to={to} params={{ id: row.id }}>
            {t('topology.page')}
          </Link>
        ) : (
          <span />
        )}
        {actions ? <Actions actions={actions} row={row} data={shown.data} after={shown.reload} /> : null}
      </Flex>
    </Flex>
  )
}

export function BoxFace({ data: { box } }: NodeProps<BoxNode>) {
  const { t } = useTranslation()
  const shown = useContext(Topology)
  const name = nameOf(box.row)
  const style = box.kind === 'network' ? ({ '--hue': hues[box.hue] } as React.CSSProperties) : undefined
  if (box.kind === 'loose') {
    return (
      <div className="topo-loose">
        <Face box={box} data={shown.data} />
      </div>
    )
  }
  return (
    <button
      type="button"
      className={`topo topo-${box.kind}${shown.over === box.id ? ' topo-over' : ''}`}
      style={style}
      data-box={box.kind}
      data-name={name}
      aria-expanded={shown.open === box.id}
      onClick={() => shown.select(shown.open === box.id ? undefined : box.id)}
      onKeyDown={(e) => e.key === 'Escape' && shown.select(undefined)}
    >
      <span className="unseen">{t(`topology.kinds.${box.kind}`)} </span>
      <Face box={box} data={shown.data} />
    </button>
  )
}

const nameOf = (row: Row): string => row.name || row.hypervisor_hostname || row.id

/** The card of the thing that is open: one for all, since there may be very many things. */
export function OpenCard({ box }: { box: Box }) {
  const shown = useContext(Topology)
  const place = useRef<HTMLDivElement>(null)
  useFocusBack()
  return (
    <Popover
      open
      trigger="click"
      onOpenChange={(open) => open || shown.select(undefined)}
      afterOpenChange={(open) => open && place.current?.focus({ preventScroll: true })}
      title={nameOf(box.row)}
      content={<Card box={box} shown={shown} place={place} />}
    >
      <div className="topo-anchor" style={{ left: box.x, top: box.y, width: box.width, height: box.height }} />
    </Popover>
  )
}
