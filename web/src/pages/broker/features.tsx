import { Flex } from 'antd'
import type { Row } from '../../kit/api'
import type { Column } from '../../kit/filter'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'
import { call, rule, word } from './common'
import { Word, wordFor } from './words'

// A name is what one enables a feature by.
const name: Column = { key: 'name', render: (f) => <code>{f.name}</code> }
const description: Column = { key: 'description', text: about, render: about }

function about(f: Row): string {
  return wordFor('about', f.name, f.desc)
}

const flags: ListSpec = {
  key: 'featureFlags',
  page: 'broker-features',
  rowKey: 'name',
  rows: (data) => data.flags,
  columns: [
    name,
    { key: 'state', render: (f) => <Status value={f.state} /> },
    {
      key: 'stability',
      text: (f) => wordFor('stability', f.stability),
      render: (f) => <Word kind="stability" value={f.stability} />,
    },
    description,
  ],
  actions: [
    {
      key: 'enable',
      rule,
      confirm: true, // there is no way back
      show: (f) => f.state !== 'enabled',
      calls: (f) => call('PUT', '/feature-flags', [f.name, 'enable'], { cli: `rabbitmqctl enable_feature_flag ${word(f.name)}` }),
    },
  ],
  call: call('GET', '/feature-flags', [], { cli: 'rabbitmqctl list_feature_flags' }),
}

const deprecated: ListSpec = {
  key: 'deprecatedFeatures',
  page: 'broker-features',
  rowKey: 'name',
  rows: (data) => data.deprecated ?? [],
  columns: [
    name,
    { key: 'state', render: (f) => <Status value={f.state} /> },
    {
      key: 'phase',
      text: (f) => wordFor('phase', f.deprecation_phase),
      render: (f) => <Word kind="phase" value={f.deprecation_phase} />,
    },
    description,
  ],
  call: call('GET', '/deprecated-features', [], { cli: 'rabbitmqctl list_deprecated_features' }),
}

export function Features() {
  return (
    <Flex vertical gap={32}>
      <ListPage spec={flags} />
      <ListPage spec={deprecated} />
    </Flex>
  )
}
