// What Neutron can do with a long list: it knows whole names only.
import { isId, type Long } from '../../kit/long'

/** A long list of things with names. */
export const byName: Long = {
  sort: { name: 'name', id: 'id' },
  filter: {
    '': (words): Record<string, string> => (isId(words) ? { id: words } : { name: words }),
    name: (value) => ({ name: value }),
    id: (value) => ({ id: value }),
  },
}

/** The same of things that have a state. */
export const withStatus = (long: Long): Long => ({
  sort: { ...long.sort, status: 'status' },
  filter: { ...long.filter, status: (value) => ({ status: value.toUpperCase() }) },
})

/** The same of all projects. */
export const ofProjects = (long: Long): Long => ({
  sort: { ...long.sort, project_id: 'project_id' },
  filter: { ...long.filter, project_id: (value) => ({ project_id: value }) },
})
