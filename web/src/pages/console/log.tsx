// A server's console log: its end, and what comes.
import { useQuery } from '@tanstack/react-query'
import { Alert, Button, Flex, Input, Switch } from 'antd'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Row, send } from '../../kit/api'
import { plainText } from './ansi'

/** How often a log is looked at that is followed: nobody tells when a guest prints. */
const look = 2000

export function Log({ row }: { row: Row }) {
  const { t } = useTranslation()
  const [whole, setWhole] = useState(false)
  const [follow, setFollow] = useState(false)
  const [search, setSearch] = useState('')
  const end = useRef<HTMLPreElement>(null)
  const { data, error, refetch, isFetching } = useQuery({
    queryKey: ['log', row.id, whole],
    queryFn: () =>
      send<{ output: string }>({
        method: 'POST',
        service: 'compute',
        path: `/servers/${row.id}/action`,
        body: { 'os-getConsoleOutput': whole ? {} : { length: 100 } },
        cli: `openstack console log show ${whole ? '' : '--lines 100 '}${row.id}`,
      }),
    refetchInterval: follow ? look : false,
  })
  const lines = plainText(data?.output ?? '').split('\n')
  const shown = search ? lines.filter((l) => l.toLowerCase().includes(search.toLowerCase())) : lines
  const text = shown.join('\n')
  // biome-ignore lint/correctness/useExhaustiveDependencies: it moves with the text
  useEffect(() => {
    if (follow && end.current) end.current.scrollTop = end.current.scrollHeight
  }, [follow, text])
  return (
    <Flex vertical gap={8}>
      <Flex gap={16} align="center" wrap>
        <Button onClick={() => refetch()} loading={isFetching && !follow}>
          {t('list.reload')}
        </Button>
        {(
          [
            ['server.wholeLog', whole, setWhole],
            ['console.follow', follow, setFollow],
          ] as const
        ).map(([key, value, set]) => (
          <Flex gap={8} align="center" key={key}>
            <Switch aria-label={t(key)} checked={value} onChange={set} />
            {t(key)}
          </Flex>
        ))}
        <Input.Search
          aria-label={t('console.search')}
          placeholder={t('console.search')}
          allowClear
          style={{ width: 240 }}
          onChange={(e) => setSearch(e.target.value)}
        />
      </Flex>
      {error ? (
        <Alert type="warning" title={error.message} />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled by keys, too
        <pre className="code log" ref={end} tabIndex={0}>
          {text.trim() ? text : t('server.noLog')}
        </pre>
      )}
    </Flex>
  )
}
