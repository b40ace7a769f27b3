// Package driver is the seam between the compute agent and a hypervisor:
// libvirt, or nothing at all (simulated).
//
// Every call is idempotent: Spawn of a running server, Destroy of an absent
// one, Stop of a stopped one succeed. The agent makes one call at a time for
// one server; different servers' calls come concurrently. A driver keeps
// nothing in memory that it cannot find again after its process was killed.
package driver

import (
	"context"
	"errors"
	"io"
	"net/netip"
)

// Driver runs servers on one host.
type Driver interface {
	// Setup connects to the hypervisor and prepares the host.
	Setup(ctx context.Context) error
	// Hypervisor describes the host as it is now.
	Hypervisor(ctx context.Context) (Hypervisor, error)
	// List gives every server the driver finds on the host, including those
	// nubo has forgotten.
	List(ctx context.Context) ([]Guest, error)
	// Get gives one server, or ErrNoGuest.
	Get(ctx context.Context, id string) (Guest, error)

	// Spawn makes and starts a server. Its taps exist. progress is called
	// with the step's name before each longer step.
	Spawn(ctx context.Context, s Server, progress func(step string)) error
	// Destroy stops a server at once and removes all the host holds of it.
	Destroy(ctx context.Context, id string) error
	// Start starts a stopped server; s is its full description, from which
	// a lost definition is made anew.
	Start(ctx context.Context, s Server) error
	// Stop asks the guest to power off and, when it has not within the
	// limit of ctx or the driver's own, cuts its power.
	Stop(ctx context.Context, id string) error
	// Reboot restarts a running server: by the guest's own means, or hard.
	Reboot(ctx context.Context, s Server, hard bool) error

	AttachVolume(ctx context.Context, id string, d Disk) error
	DetachVolume(ctx context.Context, id string, d Disk) error
	AttachInterface(ctx context.Context, id string, i Interface) error
	DetachInterface(ctx context.Context, id string, i Interface) error

	// ConsoleLog gives the last lines of the serial console; lines <= 0: all
	// that is kept.
	ConsoleLog(ctx context.Context, id string, lines int) ([]byte, error)
	// OpenConsole connects to a running server's screen or serial port. It
	// ends when the guest does. A serial port serves one at a time: the agent
	// sees to it.
	OpenConsole(ctx context.Context, id string, kind ConsoleKind) (io.ReadWriteCloser, error)
	// Events delivers power changes the driver did not cause, until ctx ends.
	Events(ctx context.Context) (<-chan Event, error)
	// Close leaves the guests running.
	Close() error
}

// ErrNoGuest says that the host has no such server.
var ErrNoGuest = errors.New("no such guest on this host")

// ConsoleKind is what kind of console.
type ConsoleKind string

// The kinds of consoles.
const (
	VNC    ConsoleKind = "vnc" // the screen, keyboard and mouse: speaks RFB
	Serial ConsoleKind = "serial"
)

// PowerState is Nova's power_state.
type PowerState int

// Nova's numbers.
const (
	NoState   PowerState = 0
	Running   PowerState = 1
	Paused    PowerState = 3
	Shutdown  PowerState = 4
	Crashed   PowerState = 6
	Suspended PowerState = 7
)

// Guest is a server as the hypervisor sees it.
type Guest struct {
	ID    string
	Name  string // the domain's name, Nova's instance_name: "instance-0000002a"
	State PowerState
}

// Event is a power change.
type Event struct {
	ID    string
	State PowerState
}

// Hypervisor is a host's capacity.
type Hypervisor struct {
	Hostname     string
	Type         string // "QEMU", "simulated"
	Version      int    // as libvirt counts: 7002000 is 7.2.0
	VirtType     string // "kvm", "qemu", "simulated"
	VCPUs        int
	MemoryMB     int
	DiskGB       int
	FreeDiskGB   int
	CPUInfo      string // JSON
	HostIP       netip.Addr
	UsedMemoryMB int
}

// Server is all a driver needs to run one.
type Server struct {
	ID           string
	InstanceName string
	Name         string // the user's
	ProjectID    string
	UserID       string
	FlavorName   string
	VCPUs        int
	MemoryMB     int
	RootGB       int
	EphemeralGB  int
	SwapMB       int
	// Image is the system disk's origin; nil where a volume is the system disk.
	Image      *Image
	Disks      []Disk // attached volumes, the system disk's among them
	Interfaces []Interface
	// ConfigDrive is the content of the config drive by path, nil for none.
	ConfigDrive map[string][]byte
}

// Image is a system disk's origin.
type Image struct {
	ID     string
	Format string // "qcow2" or "raw"
	Size   int64
	// Checksum names the cached copy, so that a changed image is a new file.
	Checksum string
	// Fetch writes the image's bytes into path; called at most once per host
	// and checksum.
	Fetch func(ctx context.Context, path string) error
}

// Disk is an attached volume.
type Disk struct {
	VolumeID  string
	Device    string // "vda", "vdb" …
	Serial    string // the volume's id, as the guest sees it
	BootIndex int    // 0: the system disk; negative: none
	ReadOnly  bool
	Connection
}

// Connection is how the volume service exports a volume; its JSON form is
// Cinder's connection_info.
type Connection struct {
	Type string         `json:"driver_volume_type"` // "nbd", "local", "simulated"
	Data ConnectionData `json:"data"`
}

// ConnectionData is the part that depends on Type.
type ConnectionData struct {
	Host   string `json:"host,omitempty"`   // nbd over TCP
	Port   int    `json:"port,omitempty"`   // nbd over TCP
	Socket string `json:"socket,omitempty"` // nbd over a Unix socket, same host
	Export string `json:"export,omitempty"` // nbd export name
	Format string `json:"format,omitempty"` // as the exported bytes are: "raw"
}

// Interface is a plugged port.
type Interface struct {
	PortID string
	MAC    string
	Device string // the tap, made by the network agent
	MTU    int
}
