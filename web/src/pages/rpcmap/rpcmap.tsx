// Which component asks which topic for what over the message bus, live.
import { Background, Controls, Handle, type Node, type NodeProps, Position, ReactFlow } from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import { Alert, Badge, Flex, Skeleton, Table, Tag, Typography } from 'antd'
import { useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Box, type Line, layout, lines, type Route } from './map'
import './rpcmap.css'

interface Snapshot {
  seconds: number
  routes: Route[]
}

/** The map as the server tells it every two seconds, while somebody looks. */
function useMap(): { map?: Snapshot; lost: boolean } {
  const [map, setMap] = useState<Snapshot>()
  const [lost, setLost] = useState(false)
  useEffect(() => {
    const source = new EventSource('/dashboard/rpc-map')
    source.onmessage = (e) => {
      setMap(JSON.parse(e.data))
      setLost(false)
    }
    source.onerror = () => setLost(true)
    return () => source.close()
  }, [])
  return { map, lost }
}

type BoxNode = Node<{ box: Box }, 'box'>

function BoxView({ data: { box } }: NodeProps<BoxNode>) {
  return (
    <div className={`rpc-box ${box.kind}`}>
      {box.kind === 'module' ? null : <Handle type="target" position={Position.Left} />}
      {box.label}
      {box.kind === 'handler' ? null : <Handle type="source" position={Position.Right} />}
    </div>
  )
}

const nodeTypes = { box: BoxView }

const two = (n?: number) => (n === undefined ? '–' : n.toLocaleString(undefined, { maximumFractionDigits: n < 10 ? 2 : 0 }))

export function RpcMap() {
  const { t } = useTranslation()
  const { map, lost } = useMap()
  const drawn = useMemo(() => layout(map?.routes ?? []), [map])
  const rows = useMemo(() => lines(map?.routes ?? []), [map])
  const nodes: BoxNode[] = drawn.boxes.map((box) => ({
    id: box.id,
    type: 'box',
    position: { x: box.x, y: box.y },
    data: { box },
    draggable: false,
  }))
  const edges = drawn.edges.map((e) => ({
    id: e.id,
    source: e.from,
    target: e.to,
    animated: e.rate > 0.5,
    className: e.errors > 0 ? 'failing' : undefined,
    style: { strokeWidth: 1 + Math.min(5, Math.log2(1 + e.rate)) },
    label: `${two(e.rate)}/s${e.p99 ? ` · ${two(e.p99)} ms` : ''}`,
  }))
  return (
    <Flex vertical gap={16}>
      <Flex justify="space-between" align="center" wrap gap={8}>
        <Typography.Title level={3} style={{ margin: 0 }}>
          {t('pages.rpcMap.title')}
        </Typography.Title>
        <Badge
          status={lost ? 'error' : map ? 'success' : 'processing'}
          text={t(lost ? 'live.lost' : map ? 'live.live' : 'live.connecting')}
        />
      </Flex>
      <Typography.Text type="secondary">{t('rpcMap.about')}</Typography.Text>
      {lost && !map ? <Alert type="error" title={t('errors.offline')} /> : null}
      {map ? (
        <section className="rpc-map" aria-label={t('rpcMap.drawing')}>
          <ReactFlow
            nodes={nodes}
            edges={edges}
            nodeTypes={nodeTypes}
            fitView
            minZoom={0.2}
            key={drawn.boxes.length}
            nodesConnectable={false}
            nodesFocusable={false}
            edgesFocusable={false}
            proOptions={{ hideAttribution: true }}
          >
            <Background />
            <Controls showInteractive={false} />
          </ReactFlow>
        </section>
      ) : (
        <Skeleton active />
      )}
      <Table<Line>
        className="rpc-lines"
        size="small"
        rowKey="key"
        pagination={false}
        scroll={{ x: 'max-content' }}
        dataSource={rows}
        locale={{ emptyText: t('rpcMap.empty') }}
        columns={[
          { key: 'caller', title: t('rpcMap.caller'), dataIndex: 'caller', sorter: (a, b) => a.caller.localeCompare(b.caller) },
          { key: 'kind', title: t('trace.way'), render: (_, r) => <Tag>{t(`traceKind.${r.kind.replace('.', '_')}`)}</Tag> },
          {
            key: 'topic',
            title: t('rpcMap.topic'),
            render: (_, r) => `${r.exchange} → ${r.topic}`,
            sorter: (a, b) => a.topic.localeCompare(b.topic),
          },
          { key: 'method', title: t('rpcMap.method'), dataIndex: 'method', sorter: (a, b) => a.method.localeCompare(b.method) },
          { key: 'handler', title: t('rpcMap.handler'), render: (_, r) => r.handler ?? '–' },
          { key: 'rate', title: t('rpcMap.rate'), align: 'end', render: (_, r) => two(r.rate), sorter: (a, b) => a.rate - b.rate },
          { key: 'calls', title: t('rpcMap.calls'), align: 'end', dataIndex: 'calls', sorter: (a, b) => a.calls - b.calls },
          {
            key: 'errors',
            title: t('rpcMap.errors'),
            align: 'end',
            render: (_, r) => {
              const n = Math.max(r.errors, r.handled?.errors ?? 0)
              return n > 0 ? <Typography.Text type="danger">{n}</Typography.Text> : 0
            },
            sorter: (a, b) => a.errors - b.errors,
          },
          {
            key: 'p50',
            title: 'p50 (ms)',
            align: 'end',
            render: (_, r) => two(r.p50 ?? r.handled?.p50),
            sorter: (a, b) => (a.p50 ?? 0) - (b.p50 ?? 0),
          },
          {
            key: 'p99',
            title: 'p99 (ms)',
            align: 'end',
            render: (_, r) => two(r.p99 ?? r.handled?.p99),
            sorter: (a, b) => (a.p99 ?? 0) - (b.p99 ?? 0),
          },
        ]}
      />
    </Flex>
  )
}
