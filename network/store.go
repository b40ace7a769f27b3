package network

import (
	"context"
	"errors"
	"time"

	"nubo/internal/db"
	"nubo/internal/quota"
)

// ErrTaken says that somebody else was faster with an address, a MAC or a
// segment: the transaction is to be tried again with another.
var ErrTaken = errors.New("taken by somebody else meanwhile")

// Base is what all resources have: Neutron's standard attributes. Field names
// are column names; the store maps them by convention.
type Base struct {
	ID             string
	ProjectID      string
	Description    string
	RevisionNumber int
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Tags           []string `bun:"-"` // in a table of their own
}

// Std gives the standard attributes of the resource it is embedded in.
func (b *Base) Std() *Base { return b }

// Resource is anything with standard attributes.
type Resource interface{ Std() *Base }

// Query is what a list asks for.
type Query struct {
	Page    db.Page
	Filters []db.Filter
	Tags    TagFilter
	// All lists every project's, whoever asks: for the service's own work.
	All bool
	// Bare leaves out what is kept in other tables, tags for instance.
	Bare bool
}

// Where is a Query of the service's own work: rows of any project whose
// column has one of the values.
func Where[V any](column string, values ...V) Query {
	f := db.Filter{Column: column}
	for _, v := range values {
		f.Values = append(f.Values, v)
	}
	return Query{All: true, Filters: []db.Filter{f}}
}

// And adds a condition.
func (q Query) And(column string, values ...any) Query {
	q.Filters = append(q.Filters[:len(q.Filters):len(q.Filters)], db.Filter{Column: column, Values: values})
	return q
}

// Rows is the query for bare rows.
func (q Query) Rows() Query {
	q.Bare = true
	return q
}

// TagFilter limits a list by tags: all of, any of, not all of, none of.
type TagFilter struct{ All, Any, NotAll, NotAny []string }

// Table keeps the rows of one resource.
type Table[T any] interface {
	Create(ctx context.Context, rows ...*T) error
	// Get gives any project's row, or the resource's NotFound.
	Get(ctx context.Context, id string) (*T, error)
	// Row is Get without what is kept in other tables, tags for instance.
	Row(ctx context.Context, id string) (*T, error)
	// List gives what the caller may see, unless the query says All.
	List(ctx context.Context, q Query) ([]*T, error)
	// Update writes a row whose revision number was raised by one; ErrTaken
	// if somebody else wrote it since.
	Update(ctx context.Context, row *T) error
	// Delete removes a row; the resource's NotFound if it is gone.
	Delete(ctx context.Context, id string) error
}

// Store is the component's database.
type Store interface {
	// InTx runs fn in a transaction; the other methods join it by its
	// context. fn may run more than once.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Send stores messages for the relay in the transaction of ctx.
	Send(ctx context.Context, msgs ...db.Message) error
	// Relay hands stored messages to send, in order, until ctx ends.
	Relay(ctx context.Context, send func(ctx context.Context, msgs []db.Message) (int, error)) error
	// AfterCommit runs f once the transaction of ctx is committed.
	AfterCommit(ctx context.Context, f func())
	// Quotas keeps the limits of projects; Count counts a project's rows.
	Quotas() quota.Store
	Count(ctx context.Context, project, resource string) (int64, error)
	// QuotaProjects lists the projects with limits of their own.
	QuotaProjects(ctx context.Context) ([]string, error)

	Networks() Table[Network]
	Subnets() Table[Subnet]
	Ports() Table[Port]
	Routers() Table[Router]
	FloatingIPs() Table[FloatingIP]
	SecurityGroups() Table[SecurityGroup]
	Rules() Table[SecurityGroupRule]
	Agents() Table[Agent]

	// SetTags replaces a resource's tags.
	SetTags(ctx context.Context, id string, tags []string) error

	PortStore
	HostStore
	EventStore
}

// PortStore keeps what belongs to ports.
type PortStore interface {
	// SegmentsTaken says which of the candidates carry a VXLAN network, and
	// FreeSegment gives a free one of the range, 0 if there is none.
	SegmentsTaken(ctx context.Context, candidates []int) ([]int, error)
	FreeSegment(ctx context.Context, low, high int) (int, error)
	// AddressesTaken says which of a subnet's addresses are allocated; all
	// that are if no candidates are given.
	AddressesTaken(ctx context.Context, subnetID string, candidates []string) ([]string, error)
	// AddressesUsed counts a subnet's allocations.
	AddressesUsed(ctx context.Context, subnetIDs []string) (map[string]int64, error)
	// AddPort keeps a new port with its addresses and groups; ErrTaken if one
	// of its addresses is not free.
	AddPort(ctx context.Context, p *Port) error
	// SetAddresses replaces a port's addresses; ErrTaken if one is not free.
	SetAddresses(ctx context.Context, portID string, fixed []FixedIP) error
	// SetPortGroups replaces a port's security groups.
	SetPortGroups(ctx context.Context, portID string, groups []string) error
	// DefaultGroup gives the id of a project's default group, "" if it has none.
	DefaultGroup(ctx context.Context, project string) (string, error)
	// SetPortStatus sets the status of those of the ports that are bound to
	// the host, have another and whose administrative state is up. It gives
	// them.
	SetPortStatus(ctx context.Context, host string, ids []string, status string) ([]*Port, error)
	// SetFloatingIPStatus sets the status of floating IPs on a host's routers.
	SetFloatingIPStatus(ctx context.Context, host string, ids []string, status string) error
}

// HostStore answers what a host's desired state is made of.
type HostStore interface {
	// HostPorts gives the ports bound to a host: those with the ids, and
	// those in the groups; all if neither is given.
	HostPorts(ctx context.Context, host string, ids, groups []string) ([]*Port, error)
	// HostNetworks gives the ids of the networks a host takes part in.
	HostNetworks(ctx context.Context, host string) ([]string, error)
	// Members gives the ports of a network with their addresses, and what
	// other hosts have to know of them: MAC, host, device, status, DNS name.
	Members(ctx context.Context, network string) ([]*Port, error)
	// NetworkHosts gives, by network, the hosts that take part in it.
	NetworkHosts(ctx context.Context, networks []string) (map[string][]string, error)
	// MemberHosts gives, by network, the hosts that have to know its ports:
	// the DHCP agent's, and those with a tunnel to others.
	MemberHosts(ctx context.Context, networks []string) (map[string][]string, error)
	// GroupHosts gives, by host, which of the groups its ports are in.
	GroupHosts(ctx context.Context, groups []string) (map[string][]string, error)
	// Dependents gives the groups with a rule that admits one of the groups.
	Dependents(ctx context.Context, groups []string) ([]string, error)
	// GroupAddresses gives, by group, the addresses of its ports.
	GroupAddresses(ctx context.Context, groups []string) (map[string][]string, error)
	// Tunnels gives the tunnel address of the hosts that have one.
	Tunnels(ctx context.Context) (map[string]string, error)
	// DHCPHost gives the host that answers DHCP for a network, "" if none.
	DHCPHosts(ctx context.Context, networks []string) (map[string]string, error)
	// SetDHCPHost makes a host answer DHCP for a network; "" none.
	SetDHCPHost(ctx context.Context, networkID, host string) error
	// WithoutDHCP gives networks whose subnets ask for DHCP and have no host
	// for it, and WithoutHost the routers in use that have none.
	WithoutDHCP(ctx context.Context) ([]string, error)
	WithoutHost(ctx context.Context) ([]string, error)
	// Loads counts the networks and routers that hosts serve.
	Loads(ctx context.Context, table string) (map[string]int, error)
	// Waiting says whether a host has ports that are down since before.
	Waiting(ctx context.Context, host string, before time.Time) (bool, error)
}

// EventStore keeps what compute has still to be told.
type EventStore interface {
	AddEvents(ctx context.Context, events []Event) error
	// Events gives the oldest with their keys; RemoveEvents forgets some.
	Events(ctx context.Context, limit int) ([]Event, []int64, error)
	RemoveEvents(ctx context.Context, keys []int64) error
}
