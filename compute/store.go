package compute

import (
	"context"
	"time"

	"nubo/internal/db"
	"nubo/internal/quota"
	"nubo/internal/rpc"
)

// Store is the component's database. A row that is not there is a fault
// NotFound in Nova's words; a lost race is a fault Conflict.
type Store interface {
	// InTx runs fn in a transaction; the other methods join it by its
	// context. fn may run more than once.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Send stores messages for the bus in the transaction of ctx.
	Send(ctx context.Context, msgs ...rpc.Envelope) error
	// Relay hands stored messages to send, in order, until ctx ends.
	Relay(ctx context.Context, send func(ctx context.Context, msgs []rpc.Envelope) (int, error)) error
	// Quotas keeps the limits of projects.
	Quotas() quota.Store
	// QuotaClasses keeps the limits of quota classes.
	QuotaClasses() quota.Store

	ServerStore
	FlavorStore
	KeyPairStore
	AggregateStore
	ServiceStore
	ServerGroupStore
	ConsoleStore
}

// ServerStore keeps servers and what belongs to one.
type ServerStore interface {
	// NextNums gives numbers for new servers. It must not be called in a
	// transaction, whose end might give them again.
	NextNums(ctx context.Context, n int) ([]int64, error)
	// CreateServers inserts servers with their block devices.
	CreateServers(ctx context.Context, servers []*Server) error
	// Server gives one server that is not deleted, with its block devices.
	Server(ctx context.Context, id string) (*Server, error)
	// Servers lists; block devices are loaded if the query says so.
	Servers(ctx context.Context, q ServerQuery) ([]*Server, error)
	// UpdateServer changes a server if it is as the update expects, and gives
	// it as it is then, without block devices.
	UpdateServer(ctx context.Context, u Update) (*Server, error)
	// ChangeServer is UpdateServer for those who need not see the server.
	ChangeServer(ctx context.Context, u Update) (ServerState, error)
	// SetServerMetadata replaces a server's metadata.
	SetServerMetadata(ctx context.Context, id string, metadata map[string]string) error
	// KnownServers says which of the ids are servers, deleted or not: true
	// for those that are not deleted.
	KnownServers(ctx context.Context, ids []string) (map[string]bool, error)
	// Used counts what a project's servers take: instances, cores, ram.
	Used(ctx context.Context, project string) (map[string]int64, error)
	// ProjectUsage lists a project's servers that lived in a period, for the
	// usage report; "" is every project.
	ProjectUsage(ctx context.Context, project string, start, end time.Time) ([]*Server, error)

	AddBlockDevice(ctx context.Context, b *BlockDevice) error
	// SetDeleteOnTermination changes whether a block device's volume ends with its server.
	SetDeleteOnTermination(ctx context.Context, id string, value bool) error
	BlockDevices(ctx context.Context, serverID string) ([]BlockDevice, error)

	StartAction(ctx context.Context, actions ...*Action) error
	// RecordEvent starts or finishes an event of the action of a request; one
	// that ends in an error marks the action.
	RecordEvent(ctx context.Context, serverID, requestID string, e ActionEvent) error
	Actions(ctx context.Context, serverID string, q ActionQuery) ([]*Action, error)
	Action(ctx context.Context, serverID, requestID string) (*Action, error)

	SaveDecision(ctx context.Context, decisions ...*Decision) error
	Decisions(ctx context.Context, serverID string) ([]*Decision, error)
}

// ServerQuery is what a list of servers asks for. Empty fields do not filter.
type ServerQuery struct {
	Page db.Page
	// AllProjects lists every project's; else the caller's own.
	AllProjects bool
	ProjectID   string
	UserID      string
	IDs         []string
	States      []VMState
	TaskStates  []TaskState
	NotTasks    []TaskState
	PowerState  *PowerState
	Host        string
	Node        string
	AZ          string
	Name        string // regular expression
	IP, IP6     string // regular expression on any address
	FlavorID    string
	ImageID     string
	KeyName     string
	Description string // regular expression
	// ReservationID names the servers of one create request.
	ReservationID string
	Locked        *bool
	ConfigDrive   *bool
	Tags          []string // all of them
	TagsAny       []string
	NotTags       []string
	NotTagsAny    []string
	Metadata      map[string]string
	ChangesSince  *time.Time // deleted ones, too
	ChangesBefore *time.Time
	// OnlyDeleted lists what is gone instead of what is there.
	OnlyDeleted bool
	// Busy lists only servers something is happening to, or that are building.
	Busy bool
	// WithBlockDevices loads them.
	WithBlockDevices bool
}

// ActionQuery pages through a server's actions.
type ActionQuery struct {
	Page                        db.Page
	ChangesSince, ChangesBefore *time.Time
}

// Update is a change of one server. It happens only if the server is as the
// Expect fields say (nil: anything) and is not deleted; it is Nova's
// instance.save(expected_task_state=…). The Set fields are written where not
// nil.
type Update struct {
	ServerID   string       `json:"server_id"`
	ExpectVM   []VMState    `json:"expected_vm_state,omitempty"`
	ExpectTask []TaskState  `json:"expected_task_state,omitempty"`
	RefuseTask []TaskState  `json:"refused_task_state,omitempty"` // and is in none of these
	ExpectHost *string      `json:"expected_host,omitempty"`
	ExpectRev  int64        `json:"expected_revision,omitempty"`
	Set        ServerFields `json:"set"`
	// SetDevices are inserted, or by id replaced: what a host writes of them.
	// Whether one shall be detached, and deleted with its server, is the
	// user's word, which an agent that read the row before must not undo.
	SetDevices  []BlockDevice   `json:"block_devices,omitempty"`
	Detaching   map[string]bool `json:"detaching,omitempty"`             // by block device
	DropDevices []string        `json:"removed_block_devices,omitempty"` // ids
}

// ServerFields are the fields of a server that change. A pointer to a zero
// value clears the field.
type ServerFields struct {
	State        *VMState         `json:"vm_state,omitempty"`
	TaskState    *TaskState       `json:"task_state,omitempty"`
	PowerState   *PowerState      `json:"power_state,omitempty"`
	Host         *string          `json:"host,omitempty"`
	Node         *string          `json:"node,omitempty"`
	AZ           *string          `json:"availability_zone,omitempty"`
	Attempts     *int             `json:"attempts,omitempty"`
	VIFs         *[]VIF           `json:"vifs,omitempty"`
	Fault        *Fault           `json:"fault,omitempty"`
	ClearFault   bool             `json:"clear_fault,omitempty"`
	LaunchedAt   *time.Time       `json:"launched_at,omitempty"`
	TerminatedAt *time.Time       `json:"terminated_at,omitempty"`
	Name         *string          `json:"name,omitempty"`
	Hostname     *string          `json:"hostname,omitempty"`
	Description  *string          `json:"description,omitempty"`
	AccessIPv4   *string          `json:"access_ip_v4,omitempty"`
	AccessIPv6   *string          `json:"access_ip_v6,omitempty"`
	DiskConfig   *string          `json:"disk_config,omitempty"`
	Locked       *bool            `json:"locked,omitempty"`
	LockedBy     *string          `json:"locked_by,omitempty"`
	LockedReason *string          `json:"locked_reason,omitempty"`
	Tags         *[]string        `json:"tags,omitempty"`
	Groups       *[]SecurityGroup `json:"security_groups,omitempty"`
	// Deleted makes it a row of the past: state deleted, no task, its block
	// devices forgotten.
	Deleted bool `json:"deleted,omitempty"`
}

// Ptr gives a pointer to a value, for the fields of an Update.
func Ptr[T any](v T) *T { return &v }

// FlavorStore keeps flavors.
type FlavorStore interface {
	CreateFlavor(ctx context.Context, f *Flavor, projects []string) error
	// Flavor gives one by its id.
	Flavor(ctx context.Context, id string) (*Flavor, error)
	Flavors(ctx context.Context, q FlavorQuery) ([]*Flavor, error)
	SetFlavorDescription(ctx context.Context, id, description string) error
	DeleteFlavor(ctx context.Context, id string) error
	SetExtraSpecs(ctx context.Context, id string, change func(specs map[string]string) error) error
	FlavorAccess(ctx context.Context, id string) ([]string, error)
	GrantFlavor(ctx context.Context, id, project string) error
	RevokeFlavor(ctx context.Context, id, project string) error
	// FlavorGranted says whether a private flavor is granted to a project.
	FlavorGranted(ctx context.Context, id, project string) (bool, error)
}

// FlavorQuery is what a list of flavors asks for.
type FlavorQuery struct {
	Page   db.Page
	Public *bool // nil: both kinds
	// ProjectID limits private flavors to those the project may use; "" is all.
	ProjectID       string
	MinRAM, MinDisk int
}

// KeyPairStore keeps users' key pairs.
type KeyPairStore interface {
	CreateKeyPair(ctx context.Context, k *KeyPair, limit int) error
	KeyPair(ctx context.Context, userID, name string) (*KeyPair, error)
	KeyPairs(ctx context.Context, userID string, page db.Page) ([]*KeyPair, error)
	CountKeyPairs(ctx context.Context, userID string) (int64, error)
	DeleteKeyPair(ctx context.Context, userID, name string) error
}

// AggregateStore keeps host aggregates.
type AggregateStore interface {
	CreateAggregate(ctx context.Context, a *Aggregate) error
	Aggregate(ctx context.Context, id int64) (*Aggregate, error)
	Aggregates(ctx context.Context) ([]*Aggregate, error)
	// UpdateAggregate changes one in a transaction and writes it whole.
	UpdateAggregate(ctx context.Context, id int64, change func(ctx context.Context, a *Aggregate) error) (*Aggregate, error)
	DeleteAggregate(ctx context.Context, id int64) error
}

// ServiceStore keeps what processes and hypervisors report of themselves.
type ServiceStore interface {
	// Heartbeat counts reports, making the records of services not seen before.
	Heartbeat(ctx context.Context, now time.Time, reports []ServiceReport) error
	Services(ctx context.Context, host, binary string) ([]*ComputeService, error)
	// Service gives one by its UUID, or by its number.
	Service(ctx context.Context, id string) (*ComputeService, error)
	UpdateService(ctx context.Context, id string, change func(s *ComputeService) error) (*ComputeService, error)
	DeleteService(ctx context.Context, id string) error

	// SaveNodes inserts or updates hypervisors by their id.
	SaveNodes(ctx context.Context, now time.Time, nodes []ComputeNode) error
	Nodes(ctx context.Context, q NodeQuery) ([]*ComputeNode, error)
	// Node gives one by its UUID, or by its number.
	Node(ctx context.Context, id string) (*ComputeNode, error)
	// HostStates reads every host for the scheduler.
	HostStates(ctx context.Context) ([]*HostState, error)
}

// NodeQuery is what a list of hypervisors asks for.
type NodeQuery struct {
	Page     db.Page
	Host     string
	Hostname string // part of the name
}

// ServerGroupStore keeps server groups.
type ServerGroupStore interface {
	CreateServerGroup(ctx context.Context, g *ServerGroup) error
	ServerGroup(ctx context.Context, id string) (*ServerGroup, error)
	ServerGroups(ctx context.Context, project string, page db.Page) ([]*ServerGroup, error)
	DeleteServerGroup(ctx context.Context, id string) error
	// CountServerGroups counts a project's.
	CountServerGroups(ctx context.Context, project string) (int64, error)
}
