// A request's id leads to what the request did, for those who may see that.
import { Link } from '@tanstack/react-router'
import { Typography } from 'antd'
import { useCan } from './api'

export function RequestId({ id, leave }: { id: string; leave?: () => void }) {
  const can = useCan(['dashboard:traces'])
  return (
    <Typography.Text copyable={{ text: id }} type="secondary" className="id">
      {can('dashboard:traces').allowed && id.startsWith('req-') ? (
        <Link to={'/traces/$id'} params={{ id }} onClick={leave}>
          {id}
        </Link>
      ) : (
        id
      )}
    </Typography.Text>
  )
}
