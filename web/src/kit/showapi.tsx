// The same thing by other means: the openstack command, curl, Terraform.
import { Tabs, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import type { Call } from './api'

const variables: Record<Call['service'], string> = {
  identity: '$OS_AUTH_URL',
  image: '$IMAGE_URL',
  compute: '$COMPUTE_URL',
  placement: '$PLACEMENT_URL',
  network: '$NETWORK_URL/v2.0',
  volume: '$VOLUME_URL',
  messaging: 'http://guest:guest@127.0.0.1:15672/api',
}

function quote(s: string) {
  return `'${s.replaceAll("'", `'\\''`)}'`
}

/** A call as a curl command. */
export function curl(call: Call): string {
  const lines = [`curl -X ${call.method} "${variables[call.service]}${call.path}"`]
  if (call.service !== 'messaging') lines.push(`-H "X-Auth-Token: $TOKEN"`)
  if (call.body !== undefined && !(call.body instanceof Blob)) {
    lines.push(`-H 'Content-Type: ${call.type ?? 'application/json'}'`, `-d ${quote(JSON.stringify(call.body, null, 2))}`)
  }
  return lines.join(' \\\n  ')
}

export function ShowApi({ calls }: { calls: Call[] }) {
  const { t } = useTranslation()
  const text = {
    cli: calls
      .map((c) => c.cli)
      .filter(Boolean)
      .join('\n'),
    curl: calls.map(curl).join('\n\n'),
    terraform: calls
      .map((c) => c.terraform)
      .filter(Boolean)
      .join('\n\n'),
  }
  const items = (Object.keys(text) as (keyof typeof text)[])
    .filter((key) => text[key] !== '')
    .map((key) => ({
      key,
      // The broker's things are made by its own tools.
      label: key === 'cli' && calls[0]?.service === 'messaging' ? t('showApi.rabbitmq') : t(`showApi.${key}`),
      children: (
        <Typography.Paragraph copyable={{ text: text[key] }}>
          <pre className="code">{text[key]}</pre>
        </Typography.Paragraph>
      ),
    }))
  return <Tabs items={items} size="small" />
}
