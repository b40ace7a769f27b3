package compute

import (
	"context"
	"time"

	"nubo/internal/rpc"
)

// Exchange and topics of the component on the bus.
const (
	Exchange       = "nova"
	TopicConductor = "conductor"
	TopicScheduler = "scheduler"
	TopicCompute   = "compute" // a host's agent listens at compute.HOST

	rpcVersion = "6.0"
)

// ConductorTarget is what the conductor on a host listens to.
func ConductorTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicConductor, Server: host, Version: rpcVersion}
}

// SchedulerTarget is the scheduler's on a host.
func SchedulerTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicScheduler, Server: host, Version: rpcVersion}
}

// ComputeTarget is the agent's of a host.
func ComputeTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicCompute, Server: host, Version: rpcVersion}
}

// The conductor's methods.
const (
	// MethodScheduleAndBuild (cast, ServerIDs) finds hosts for new servers and
	// has them built.
	MethodScheduleAndBuild = "schedule_and_build_instances"
	// MethodBuildFailed (cast, BuildFailed) gives a server back that a host
	// could not build: another host is tried, or the server fails.
	MethodBuildFailed = "build_instances"
	// MethodInstanceUpdate (call, UpdateArgs → ServerState) changes a server. It
	// answers a fault Conflict when the server is not as expected, NotFound
	// when it is gone.
	MethodInstanceUpdate = "instance_update"
	// MethodInstanceGet (call, ServerID → ServerReply) gives a server whole.
	MethodInstanceGet = "instance_get"
	// MethodHostInstances (call, HostArgs → HostInstances) gives the servers
	// of a host whole.
	MethodHostInstances = "host_instances"
	// MethodKnownInstances (call, ServerIDs → KnownInstances) says which
	// servers exist, for an agent that found guests it does not know.
	MethodKnownInstances = "known_instances"
	// MethodReport (call, Report) is the heartbeat of services and hypervisors.
	MethodReport = "service_heartbeat"
)

// The scheduler's method.
const (
	// MethodSelectDestinations (call, SelectArgs → SelectReply) chooses and
	// claims hosts.
	MethodSelectDestinations = "select_destinations"
)

// The agent's methods. All are casts but the consoles', and all are
// idempotent: an agent may get one twice.
const (
	MethodBuildAndRun      = "build_and_run_instance"  // BuildArgs
	MethodTerminate        = "terminate_instance"      // ServerArgs
	MethodStart            = "start_instance"          // ServerArgs
	MethodStop             = "stop_instance"           // ServerArgs
	MethodReboot           = "reboot_instance"         // RebootArgs
	MethodAttachVolume     = "attach_volume"           // VolumeArgs
	MethodDetachVolume     = "detach_volume"           // VolumeArgs
	MethodAttachInterface  = "attach_interface"        // InterfaceArgs
	MethodDetachInterface  = "detach_interface"        // InterfaceArgs
	MethodExternalEvent    = "external_instance_event" // EventsArgs
	MethodGetConsoleOutput = "get_console_output"      // ConsoleArgs → ConsoleReply, a call
	MethodGetVNCConsole    = "get_vnc_console"         // RemoteConsoleArgs → ConsoleAddress, a call
	MethodGetSerialConsole = "get_serial_console"      // RemoteConsoleArgs → ConsoleAddress, a call
)

// ServerIDs names servers.
type ServerIDs struct {
	ServerIDs []string `json:"server_ids"`
}

// ServerID names one.
type ServerID struct {
	ServerID string `json:"server_id"`
}

// ServerReply is a server, whole.
type ServerReply struct {
	Server *Server `json:"server"`
}

// UpdateArgs changes a server, and records what the change is the end of.
type UpdateArgs struct {
	Update Update           `json:"update"`
	Event  *ActionEventArgs `json:"event,omitempty"`
}

// ServerState is what an update leaves.
type ServerState struct {
	ServerID  string    `json:"server_id"`
	State     VMState   `json:"vm_state"`
	TaskState TaskState `json:"task_state"`
	Revision  int64     `json:"revision"`
}

// HostArgs names a host.
type HostArgs struct {
	Host string `json:"host"`
}

// HostInstances are the servers of a host.
type HostInstances struct {
	Servers []*Server `json:"servers"`
}

// KnownInstances says of each id it knows whether the server still is one.
type KnownInstances struct {
	Known map[string]bool `json:"known"`
}

// ServiceReport is a sign of life of a service.
type ServiceReport struct {
	Host    string `json:"host"`
	Binary  string `json:"binary"`
	Topic   string `json:"topic"`
	Version int    `json:"version"`
}

// Report is what a process says of all its services and hypervisors at once.
type Report struct {
	Services []ServiceReport `json:"services"`
	Nodes    []ComputeNode   `json:"nodes,omitempty"`
}

// ActionEventArgs is a step of an action.
type ActionEventArgs struct {
	ServerID  string     `json:"server_id"`
	RequestID string     `json:"request_id"`
	Event     string     `json:"event"`
	Host      string     `json:"host"`
	Start     time.Time  `json:"start"`
	Finish    *time.Time `json:"finish,omitempty"`
	Result    string     `json:"result,omitempty"` // "Success" or "Error"
	Details   string     `json:"details,omitempty"`
}

// BuildFailed says why a host could not build a server.
type BuildFailed struct {
	ServerID string `json:"server_id"`
	Host     string `json:"host"`
	Attempt  int    `json:"attempt"`
	Fault    Fault  `json:"fault"`
	// NoRetry says that no other host would do better.
	NoRetry bool `json:"no_retry,omitempty"`
	// Excluded are the hosts tried so far.
	Excluded []string `json:"excluded,omitempty"`
}

// SelectArgs asks for a host for each of the servers, which are all alike.
type SelectArgs struct {
	Servers  []*Server `json:"servers"`
	Excluded []string  `json:"excluded,omitempty"` // hosts not to be tried
}

// Destination is a host.
type Destination struct {
	Host     string `json:"host"`
	Node     string `json:"node"`
	Provider string `json:"provider"`
	AZ       string `json:"availability_zone"`
}

// Selection is where a server shall go; its resources are claimed there.
type Selection struct {
	ServerID    string      `json:"server_id"`
	Destination Destination `json:"destination"`
	// Reason is set instead where there is no host. It names hosts and is for
	// administrators; Public says the same without them, to everybody else.
	Reason   string          `json:"reason,omitempty"`
	Public   string          `json:"public,omitempty"`
	Decision *DecisionDetail `json:"decision,omitempty"`
}

// SelectReply has a selection for each server, in order.
type SelectReply struct {
	Selections []Selection `json:"selections"`
}

// BuildArgs is all an agent needs to build a server.
type BuildArgs struct {
	Server   *Server  `json:"server"`
	Attempt  int      `json:"attempt"`
	Excluded []string `json:"excluded,omitempty"`
}

// ServerArgs is a server, whole.
type ServerArgs struct {
	Server *Server `json:"server"`
}

// RebootArgs says how to restart a server.
type RebootArgs struct {
	Server *Server `json:"server"`
	Hard   bool    `json:"hard"`
}

// VolumeArgs names the block device that comes or goes.
type VolumeArgs struct {
	Server *Server     `json:"server"`
	Device BlockDevice `json:"block_device"`
}

// InterfaceArgs names the port that comes or goes. The API made or checked
// it, and device_id names the server already.
type InterfaceArgs struct {
	Server *Server `json:"server"`
	PortID string  `json:"port_id"`
	// Preserve says that the port is the user's own.
	Preserve bool   `json:"preserve"`
	Tag      string `json:"tag,omitempty"`
}

// ExternalEvent is what another service has to say about a server.
type ExternalEvent struct {
	Name     string `json:"name"` // "network-vif-plugged", "network-changed" …
	ServerID string `json:"server_uuid"`
	Status   string `json:"status"` // "completed" or "failed"
	Tag      string `json:"tag"`    // the port
}

// EventsArgs are events of servers of one host.
type EventsArgs struct {
	Events []ExternalEvent `json:"events"`
}

// ConsoleArgs asks for the last lines of a console; 0 is all.
type ConsoleArgs struct {
	Server *Server `json:"server"`
	Lines  int     `json:"lines"`
}

// ConsoleReply is a console's text.
type ConsoleReply struct {
	Output string `json:"output"`
}

// RemoteConsoleArgs asks for a console that can be used for a while.
type RemoteConsoleArgs struct {
	Server *Server       `json:"server"`
	Type   string        `json:"console_type"`
	TTL    time.Duration `json:"ttl"`
}

// ConductorClient calls the conductor.
type ConductorClient struct{ c *rpc.Client }

// NewConductorClient makes one.
func NewConductorClient(bus *rpc.Bus) ConductorClient {
	return ConductorClient{bus.Client(ConductorTarget(""))}
}

// ScheduleAndBuild encodes the cast for the outbox.
func (c ConductorClient) ScheduleAndBuild(ctx context.Context, ids []string) (rpc.Envelope, error) {
	return c.c.EncodeCast(ctx, MethodScheduleAndBuild, ServerIDs{ids})
}

// BuildFailed gives a server back.
func (c ConductorClient) BuildFailed(ctx context.Context, args BuildFailed) error {
	return c.c.Cast(ctx, MethodBuildFailed, args)
}

// UpdateServer changes a server. The event may be nil.
func (c ConductorClient) UpdateServer(ctx context.Context, u Update, e *ActionEventArgs) (ServerState, error) {
	var out ServerState
	err := c.c.Call(ctx, MethodInstanceUpdate, UpdateArgs{u, e}, &out)
	return out, err
}

// Server gives a server whole.
func (c ConductorClient) Server(ctx context.Context, id string) (*Server, error) {
	var out ServerReply
	err := c.c.Call(ctx, MethodInstanceGet, ServerID{id}, &out)
	return out.Server, err
}

// HostServers gives the servers of a host whole.
func (c ConductorClient) HostServers(ctx context.Context, host string) ([]*Server, error) {
	var out HostInstances
	err := c.c.Call(ctx, MethodHostInstances, HostArgs{host}, &out)
	return out.Servers, err
}

// KnownServers says which ids are servers (true) or were (false).
func (c ConductorClient) KnownServers(ctx context.Context, ids []string) (map[string]bool, error) {
	var out KnownInstances
	err := c.c.Call(ctx, MethodKnownInstances, ServerIDs{ids}, &out)
	return out.Known, err
}

// Report is the heartbeat.
func (c ConductorClient) Report(ctx context.Context, r Report) error {
	return c.c.Call(ctx, MethodReport, r, nil)
}

// SchedulerClient calls the scheduler.
type SchedulerClient struct{ c *rpc.Client }

// NewSchedulerClient makes one.
func NewSchedulerClient(bus *rpc.Bus) SchedulerClient {
	return SchedulerClient{bus.Client(SchedulerTarget(""))}
}

// SelectDestinations chooses and claims hosts.
func (c SchedulerClient) SelectDestinations(ctx context.Context, args SelectArgs) ([]Selection, error) {
	var out SelectReply
	err := c.c.Call(ctx, MethodSelectDestinations, args, &out)
	return out.Selections, err
}

// AgentClient speaks to the agents of hosts.
type AgentClient struct{ c *rpc.Client }

// NewAgentClient makes one.
func NewAgentClient(bus *rpc.Bus) AgentClient {
	return AgentClient{bus.Client(ComputeTarget(""))}
}

// Cast encodes a cast to a host's agent for the outbox; args is the method's
// struct.
func (c AgentClient) Cast(ctx context.Context, host, method string, args any) (rpc.Envelope, error) {
	return c.c.EncodeCast(ctx, method, args, rpc.To(host))
}

// ConsoleOutput asks a host's agent for a server's console.
func (c AgentClient) ConsoleOutput(ctx context.Context, host string, args ConsoleArgs) (string, error) {
	var out ConsoleReply
	err := c.c.Call(ctx, MethodGetConsoleOutput, args, &out, rpc.To(host))
	return out.Output, err
}

// RemoteConsole asks a host's agent for a console of a server.
func (c AgentClient) RemoteConsole(ctx context.Context, host string, args RemoteConsoleArgs) (ConsoleAddress, error) {
	method := MethodGetVNCConsole
	if args.Type == ConsoleSerial {
		method = MethodGetSerialConsole
	}
	var out ConsoleAddress
	err := c.c.Call(ctx, method, args, &out, rpc.To(host))
	return out, err
}

// Relay publishes what the store's outbox holds. It is a service.
type Relay struct {
	Store Store
	Bus   *rpc.Bus
}

// Run relays until ctx ends.
func (r *Relay) Run(ctx context.Context, ready func()) error {
	ready()
	return r.Store.Relay(ctx, r.Bus.Publish)
}
