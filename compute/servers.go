package compute

import (
	"fmt"
	"time"
)

// VMState is what a server is when nothing happens to it: Nova's vm_state.
type VMState string

// The vm_states.
const (
	Building VMState = "building"
	Active   VMState = "active"
	Stopped  VMState = "stopped"
	Paused   VMState = "paused"
	Errored  VMState = "error"
	Deleted  VMState = "deleted"
)

// TaskState is what is happening to a server: Nova's task_state. Empty means
// nothing.
type TaskState string

// The task_states.
const (
	NoTask             TaskState = ""
	Scheduling         TaskState = "scheduling"
	BlockDeviceMapping TaskState = "block_device_mapping"
	Networking         TaskState = "networking"
	Spawning           TaskState = "spawning"
	PoweringOn         TaskState = "powering-on"
	PoweringOff        TaskState = "powering-off"
	Rebooting          TaskState = "rebooting"
	RebootPending      TaskState = "reboot_pending"
	RebootStarted      TaskState = "reboot_started"
	RebootingHard      TaskState = "rebooting_hard"
	RebootPendingHard  TaskState = "reboot_pending_hard"
	RebootStartedHard  TaskState = "reboot_started_hard"
	Deleting           TaskState = "deleting"
)

// PowerState is Nova's power_state, with the numbers of compute/driver.
type PowerState int

// The power states.
const (
	NoState   PowerState = 0
	Running   PowerState = 1
	PausedVM  PowerState = 3
	Shutdown  PowerState = 4
	Crashed   PowerState = 6
	Suspended PowerState = 7
)

// Server is a virtual machine. It travels whole to the agent in casts.
type Server struct {
	ID        string `json:"id"`
	Num       int64  `json:"num"` // unique, small: names the domain
	Name      string `json:"name"`
	Hostname  string `json:"hostname"`
	ProjectID string `json:"project_id"`
	UserID    string `json:"user_id"`
	// RequestID is the create request's.
	RequestID string `json:"request_id"`

	State      VMState    `json:"vm_state"`
	TaskState  TaskState  `json:"task_state"`
	PowerState PowerState `json:"power_state"`
	// Revision grows with each change of the row.
	Revision int64 `json:"revision"`
	// Attempts counts the hosts a build was sent to.
	Attempts int `json:"attempts,omitempty"`

	Host string `json:"host"` // the agent's, "" before it was scheduled
	Node string `json:"node"`
	// AZ is the zone the server is in, RequestedAZ the one its owner asked for.
	AZ            string `json:"availability_zone"`
	RequestedAZ   string `json:"requested_az,omitempty"`
	RequestedHost string `json:"requested_host,omitempty"` // forced, by an admin
	RequestedNode string `json:"requested_node,omitempty"`
	// Hints are the scheduler hints of the create request.
	Hints map[string][]string `json:"hints,omitempty"`
	// GroupID is the server group it belongs to.
	GroupID string `json:"group_id,omitempty"`

	Flavor FlavorSnapshot `json:"flavor"`
	// ImageRef is empty for a server that boots from a volume.
	ImageRef string `json:"image_ref"`
	// ImageProperties are those that matter to scheduling and the guest.
	ImageProperties map[string]string `json:"image_properties,omitempty"`

	KeyName   string `json:"key_name"`
	KeyPublic string `json:"key_public"`
	KeyType   string `json:"key_type,omitempty"`

	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	UserData    string            `json:"user_data,omitempty"` // base64, as it came
	ConfigDrive bool              `json:"config_drive"`
	AccessIPv4  string            `json:"access_ip_v4,omitempty"`
	AccessIPv6  string            `json:"access_ip_v6,omitempty"`
	DiskConfig  string            `json:"disk_config,omitempty"` // "AUTO" or "MANUAL"
	AdminPass   string            `json:"-"`                     // answered once, not kept

	// Networks are the interfaces asked for; VIFs those it has.
	Networks       []RequestedNetwork `json:"networks,omitempty"`
	VIFs           []VIF              `json:"vifs,omitempty"`
	SecurityGroups []SecurityGroup    `json:"security_groups,omitempty"`
	// BlockDevices are loaded where the text says so: always in casts.
	BlockDevices   []BlockDevice `json:"block_devices,omitempty"`
	RootDeviceName string        `json:"root_device_name,omitempty"`

	Fault        *Fault `json:"fault,omitempty"`
	Locked       bool   `json:"locked,omitempty"`
	LockedBy     string `json:"locked_by,omitempty"` // LockedByOwner or LockedByAdmin
	LockedReason string `json:"locked_reason,omitempty"`
	// LaunchIndex is its place among the servers of one create request.
	LaunchIndex   int    `json:"launch_index,omitempty"`
	ReservationID string `json:"reservation_id,omitempty"`

	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	LaunchedAt   *time.Time `json:"launched_at,omitempty"`
	TerminatedAt *time.Time `json:"terminated_at,omitempty"`
	// DeletedAt is set on the rows of servers that are gone; they are kept
	// for listing what changed.
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
}

// InstanceName is the domain's name on the hypervisor.
func (s *Server) InstanceName() string { return fmt.Sprintf("instance-%08x", s.Num) }

// BootsFromVolume reports whether a volume is the system disk.
func (s *Server) BootsFromVolume() bool { return s.ImageRef == "" }

// Who locked a server: somebody of its project, or an admin of another.
const (
	LockedByOwner = "owner"
	LockedByAdmin = "admin"
)

// Fault is why a server is in the state error, or what went wrong last.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"` // for admins, or while in error
	Created time.Time `json:"created"`
}

// RequestedNetwork is one interface of a create request.
type RequestedNetwork struct {
	NetworkID string `json:"network_id,omitempty"`
	PortID    string `json:"port_id,omitempty"` // the user's own port
	FixedIP   string `json:"fixed_ip,omitempty"`
	Tag       string `json:"tag,omitempty"`
}

// VIF is a plugged port, Nova's entry of the network info cache.
type VIF struct {
	PortID      string    `json:"port_id"`
	NetworkID   string    `json:"network_id"`
	NetworkName string    `json:"network_name"`
	MAC         string    `json:"mac"`
	MTU         int       `json:"mtu,omitempty"`
	Device      string    `json:"device,omitempty"` // the tap
	FixedIPs    []FixedIP `json:"fixed_ips,omitempty"`
	Subnets     []Subnet  `json:"subnets,omitempty"`
	Active      bool      `json:"active"`
	// Preserve says that the port is the user's own: it outlives the server.
	Preserve bool   `json:"preserve,omitempty"`
	Tag      string `json:"tag,omitempty"`
}

// FixedIP is an address of a port, with the floating ones that lead to it.
type FixedIP struct {
	IP       string   `json:"ip"`
	SubnetID string   `json:"subnet_id,omitempty"`
	Floating []string `json:"floating,omitempty"`
}

// Subnet is what the guest's network_data.json says of a subnet.
type Subnet struct {
	ID      string   `json:"id"`
	CIDR    string   `json:"cidr"`
	Gateway string   `json:"gateway,omitempty"`
	DNS     []string `json:"dns,omitempty"`
	DHCP    bool     `json:"dhcp,omitempty"`
}

// SecurityGroup names a group of the network service.
type SecurityGroup struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
