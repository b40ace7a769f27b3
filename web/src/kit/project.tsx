// Whose a thing is: the project by its name, for those who may see that.
import { Link } from '@tanstack/react-router'
import { type Row, useCall, useCan } from './api'
import { Id } from './detail'
import type { Column } from './filter'

const rule = 'identity:list_projects'
/** For how long the names are good, in milliseconds. */
const kept = 300_000

function ProjectName({ id }: { id: string }) {
  const may = useCan([rule])(rule).allowed
  const { data } = useCall<{ projects: Row[] }>({ method: 'GET', service: 'identity', path: '/projects' }, may, kept)
  const name = data?.projects.find((p) => p.id === id)?.name
  if (!name) return <Id value={id} />
  return (
    <Link to="/identity/projects/$id" params={{ id }} title={id}>
      {name}
    </Link>
  )
}

const owner = (row: Row): string => row.project_id ?? row.tenant_id ?? row['os-vol-tenant-attr:tenant_id'] ?? ''

/** The column of lists of all projects' things. */
export const projectColumn: Column = {
  key: 'project_id',
  title: 'project',
  text: owner,
  render: (row) => <ProjectName id={owner(row)} />,
}
