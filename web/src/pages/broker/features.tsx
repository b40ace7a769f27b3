import { Flex } from 'antd'
import { ListPage, type ListSpec } from '../../kit/list'
import { Status } from '../../kit/status'
import { call, rule, word } from './common'

const flags: ListSpec = {
  key: 'featureFlags',
  page: 'broker-features',
  rowKey: 'name',
  rows: (data) => data.flags,
  columns: [
    { key: 'name' },
    { key: 'state', render: (f) => <Status value={f.state} /> },
    { key: 'stability' },
    { key: 'description', text: (f) => f.desc, render: (f) => f.desc },
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
    { key: 'name' },
    { key: 'state' },
    { key: 'phase', text: (f) => f.deprecation_phase, render: (f) => f.deprecation_phase },
    { key: 'description', text: (f) => f.desc, render: (f) => f.desc },
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
