package network

import (
	"context"
	"net/netip"

	"nubo/internal/rpc"
	"nubo/internal/trace"
)

// Exchange and topics of the component on the bus.
const (
	Exchange     = "neutron"
	TopicPlugin  = "q-plugin"
	TopicReports = "q-reports-plugin"
	TopicAgent   = "network_agent" // a host's agent listens at network_agent.HOST

	rpcVersion = "1.0"
)

// PluginTarget is what the plugin's servers listen to, on a host.
func PluginTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicPlugin, Server: host, Version: rpcVersion}
}

// ReportsTarget is where agents report.
func ReportsTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicReports, Server: host, Version: rpcVersion}
}

// AgentTarget is the agent's of a host.
func AgentTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicAgent, Server: host, Version: rpcVersion}
}

// The methods.
const (
	// MethodChanged (cast to the agent, Notice) says what is not as it knows it.
	MethodChanged = "resources_changed"
	// MethodHostState (call to the plugin, StateArgs → HostState) gives the
	// desired state of some objects on a host, or of all.
	MethodHostState = "get_host_state"
	// MethodStatuses (call to the plugin, Statuses) says what is up.
	MethodStatuses = "update_statuses"
	// MethodMetadataPort (call to the plugin, MetadataArgs → MetadataPort)
	// finds out who asks for metadata.
	MethodMetadataPort = "get_metadata_port"
	// MethodReport (call to the reports topic, Report → ReportReply) is the
	// heartbeat.
	MethodReport = "report_state"
)

// Notice tells a host's agent which objects to ask about. Refresh may wait a
// little and be merged with more: nobody waits for what it is about.
type Notice struct {
	// Version grows; what is asked for because of a notice has to be at least
	// as new.
	Version  int64    `json:"version"`
	Networks []string `json:"networks,omitempty"`
	Ports    []string `json:"ports,omitempty"`
	Routers  []string `json:"routers,omitempty"`
	Refresh  Refresh  `json:"refresh"`
	// Refs are the requests that changed the networks, ports and routers: what
	// is done about them is part of those.
	Refs map[string]*trace.Ref `json:"refs,omitempty"`
}

// Refresh names networks of which a port came or went, here or elsewhere, and
// security groups whose rules or members are others.
type Refresh struct {
	Networks []string `json:"networks,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

// StateArgs asks for the state of some of a host's objects. Groups stands for
// the host's ports in them.
type StateArgs struct {
	Host     string   `json:"host"`
	All      bool     `json:"all,omitempty"`
	Version  int64    `json:"version,omitempty"`
	Networks []string `json:"networks,omitempty"`
	Ports    []string `json:"ports,omitempty"`
	Routers  []string `json:"routers,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	// Addresses are groups whose addresses are wanted, beside those that
	// the rules of ports in Groups name.
	Addresses []string `json:"addresses,omitempty"`
}

// HostState is the desired state. What was asked for and is not in it is not
// wanted on the host.
type HostState struct {
	Networks []NetworkState `json:"networks,omitempty"`
	Ports    []PortState    `json:"ports,omitempty"`
	Routers  []RouterState  `json:"routers,omitempty"`
	// Groups are the addresses of security groups' members.
	Groups map[string][]netip.Prefix `json:"groups,omitempty"`
}

// NetworkState is a segment on a host.
type NetworkState struct {
	ID              string         `json:"id"`
	Type            string         `json:"type"`
	SegmentationID  int            `json:"segmentation_id,omitempty"`
	PhysicalNetwork string         `json:"physical_network,omitempty"`
	MTU             int            `json:"mtu"`
	Subnets         []SubnetState  `json:"subnets,omitempty"`
	Peers           []netip.Addr   `json:"peers,omitempty"`
	Remote          []RemoteState  `json:"remote,omitempty"`
	DHCP            *DHCPState     `json:"dhcp,omitempty"`
	HostAddrs       []netip.Prefix `json:"host_addrs,omitempty"`
}

// SubnetState is a subnet as hosts have to know it.
type SubnetState struct {
	ID         string       `json:"id"`
	CIDR       netip.Prefix `json:"cidr"`
	Gateway    netip.Addr   `json:"gateway,omitzero"`
	DNS        []netip.Addr `json:"dns,omitempty"`
	Routes     []RouteState `json:"routes,omitempty"`
	EnableDHCP bool         `json:"enable_dhcp,omitempty"`
}

// RouteState is a static route.
type RouteState struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// RemoteState tells on which host a MAC address is.
type RemoteState struct {
	MAC  string     `json:"mac"`
	Host netip.Addr `json:"host"`
}

// DHCPState is the DHCP service of a network. Down is set until the agent
// has said that it is up.
type DHCPState struct {
	PortID   string         `json:"port_id"`
	MAC      string         `json:"mac"`
	Addrs    []netip.Prefix `json:"addrs"`
	Leases   []LeaseState   `json:"leases,omitempty"`
	Metadata bool           `json:"metadata,omitempty"`
	Down     bool           `json:"down,omitempty"`
}

// LeaseState is a fixed assignment.
type LeaseState struct {
	MAC      string     `json:"mac"`
	Addr     netip.Addr `json:"addr"`
	SubnetID string     `json:"subnet_id"`
	Hostname string     `json:"hostname,omitempty"`
}

// PortState is a port that is bound to the host.
type PortState struct {
	ID           string       `json:"id"`
	NetworkID    string       `json:"network_id"`
	MAC          string       `json:"mac"`
	Addrs        []netip.Addr `json:"addrs,omitempty"`
	MTU          int          `json:"mtu"`
	Secure       bool         `json:"secure,omitempty"`
	AllowedPairs []PairState  `json:"allowed_pairs,omitempty"`
	Rules        []RuleState  `json:"rules,omitempty"`
	AdminStateUp bool         `json:"admin_state_up,omitempty"`
	Down         bool         `json:"down,omitempty"`
}

// PairState is an additional source address.
type PairState struct {
	MAC  string       `json:"mac"`
	CIDR netip.Prefix `json:"cidr"`
}

// RuleState is a rule; with RemoteGroup it admits that group's addresses.
type RuleState struct {
	Direction   string       `json:"direction"`
	EtherType   string       `json:"ethertype"`
	Protocol    string       `json:"protocol,omitempty"`
	PortMin     int          `json:"port_min"`
	PortMax     int          `json:"port_max"`
	Remote      netip.Prefix `json:"remote,omitzero"`
	RemoteGroup string       `json:"remote_group,omitempty"`
}

// RouterState is a router that the host runs.
type RouterState struct {
	ID           string            `json:"id"`
	AdminStateUp bool              `json:"admin_state_up"`
	Interfaces   []RouterPortState `json:"interfaces,omitempty"`
	Gateway      *RouterPortState  `json:"gateway,omitempty"`
	NextHops     []netip.Addr      `json:"nexthops,omitempty"`
	EnableSNAT   bool              `json:"enable_snat,omitempty"`
	FloatingIPs  []FloatingIPState `json:"floatingips,omitempty"`
	Routes       []RouteState      `json:"routes,omitempty"`
}

// RouterPortState is a router's port on a network.
type RouterPortState struct {
	PortID    string         `json:"port_id"`
	NetworkID string         `json:"network_id"`
	MAC       string         `json:"mac"`
	Addrs     []netip.Prefix `json:"addrs"`
	MTU       int            `json:"mtu"`
	Down      bool           `json:"down,omitempty"`
}

// FloatingIPState is a translation on a router's gateway.
type FloatingIPState struct {
	ID       string     `json:"id"`
	Floating netip.Addr `json:"floating"`
	Fixed    netip.Addr `json:"fixed"`
	Down     bool       `json:"down,omitempty"`
}

// Statuses is what an agent reports in one batch: what it was told is down
// and has made work.
type Statuses struct {
	Host        string   `json:"host"`
	Ports       []string `json:"ports,omitempty"`
	FloatingIPs []string `json:"floatingips,omitempty"`
}

// Report is an agent's heartbeat, for all it stands for.
type Report struct {
	Host           string         `json:"host"`
	Zone           string         `json:"availability_zone"`
	TunnelIP       string         `json:"tunnel_ip,omitempty"`
	Configurations map[string]any `json:"configurations,omitempty"`
	// Start is set in the first report after a start.
	Start bool `json:"start,omitempty"`
}

// ReportReply tells the agent to look at everything again: something it
// should have made work long ago does not.
type ReportReply struct {
	Resync bool `json:"resync"`
}

// MetadataArgs says where a request for metadata came from: exactly one of
// the ids is set.
type MetadataArgs struct {
	NetworkID string `json:"network_id,omitempty"`
	RouterID  string `json:"router_id,omitempty"`
	IPAddress string `json:"ip_address"`
}

// MetadataPort is the port with that address; empty if there is none.
type MetadataPort struct {
	DeviceID  string `json:"device_id,omitempty"`
	ProjectID string `json:"project_id,omitempty"`
}

// PluginClient calls the plugin from an agent.
type PluginClient struct{ plugin, reports *rpc.Client }

// NewPluginClient makes a client.
func NewPluginClient(bus *rpc.Bus) *PluginClient {
	return &PluginClient{plugin: bus.Client(PluginTarget("")), reports: bus.Client(ReportsTarget(""))}
}

// HostState asks for desired state.
func (p *PluginClient) HostState(ctx context.Context, args StateArgs) (*HostState, error) {
	var out HostState
	err := p.plugin.Call(ctx, MethodHostState, args, &out)
	return &out, err
}

// UpdateStatuses says what is up.
func (p *PluginClient) UpdateStatuses(ctx context.Context, args Statuses) error {
	return p.plugin.Call(ctx, MethodStatuses, args, nil)
}

// MetadataPort finds out who asks for metadata.
func (p *PluginClient) MetadataPort(ctx context.Context, args MetadataArgs) (MetadataPort, error) {
	var out MetadataPort
	err := p.plugin.Call(ctx, MethodMetadataPort, args, &out)
	return out, err
}

// Report is the heartbeat.
func (p *PluginClient) Report(ctx context.Context, args Report) (ReportReply, error) {
	var out ReportReply
	err := p.reports.Call(ctx, MethodReport, args, &out)
	return out, err
}
