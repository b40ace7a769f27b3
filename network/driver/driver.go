// Package driver is the seam between the network agent and whatever carries
// packets on its host: Linux bridges and namespaces, OVN, or nothing at all
// (simulated).
//
// A driver is told the desired state of whole objects, never a difference:
// every Apply is idempotent, can follow any earlier state of the object,
// including one left by a process that was killed half-way, and returns when
// the data path does what it says. Remove of something absent is no error.
// Calls for different objects may come concurrently; the agent never makes
// two for one object at a time.
package driver

import (
	"context"
	"net/http"
	"net/netip"
)

// Driver realises one host's share of the virtual networks.
type Driver interface {
	// Name is the agent type's back end as shown by the agents list:
	// "linux", "simulated".
	Name() string
	// Setup prepares the host. It is called once, before anything else.
	Setup(ctx context.Context) error
	// Inventory lists what the driver finds of its own on the host, so that
	// the agent can remove what no longer has an owner.
	Inventory(ctx context.Context) (Inventory, error)

	// ApplyNetwork makes the network's segment exist on this host, with its
	// overlay peers, and serves DHCP and metadata on it if asked to.
	ApplyNetwork(ctx context.Context, n Network) error
	RemoveNetwork(ctx context.Context, networkID string) error

	// ApplyPort plugs a server's port: its interface exists (see
	// Port.Device), is a member of the network's segment and guarded by the
	// port's rules. The network was applied before.
	ApplyPort(ctx context.Context, p Port) error
	RemovePort(ctx context.Context, portID string) error

	// ApplyRouter makes a router with its interfaces, gateway, NAT and
	// floating IPs. Its networks were applied before.
	ApplyRouter(ctx context.Context, r Router) error
	RemoveRouter(ctx context.Context, routerID string) error

	// Close stops the in-process servers (DHCP, metadata) and leaves the data
	// path standing: guests keep their network while the agent restarts.
	Close() error
	// Purge removes everything the driver made on the host.
	Purge(ctx context.Context) error
}

// Inventory is what exists on the host, by id.
type Inventory struct {
	Networks []string
	Ports    []string
	Routers  []string
}

// Network types, Neutron's names.
const (
	TypeVXLAN = "vxlan"
	TypeFlat  = "flat"
	TypeLocal = "local"
)

// Network is a segment on this host.
type Network struct {
	ID              string
	Type            string // TypeVXLAN, TypeFlat or TypeLocal
	SegmentationID  int    // VXLAN network identifier
	PhysicalNetwork string // of a flat network, such as "extnet"
	MTU             int
	Subnets         []Subnet
	// Peers are the hosts that share the segment over VXLAN: frames with
	// unknown or broadcast destination go to each.
	Peers []netip.Addr
	// Remote are the known ports on those hosts.
	Remote []RemotePort
	// DHCP is set where this host answers for the network.
	DHCP *DHCP
	// HostAddrs are addresses that the host itself takes on a flat network's
	// bridge: the subnets' gateways, where no physical interface is mapped
	// to the physical network, so that the host is the way out.
	HostAddrs []netip.Prefix
}

// Subnet is the part of a subnet that the data path needs.
type Subnet struct {
	ID             string
	CIDR           netip.Prefix
	Gateway        netip.Addr // zero: none
	DNSNameservers []netip.Addr
	HostRoutes     []Route
	EnableDHCP     bool
}

// Route is a static route.
type Route struct {
	Destination netip.Prefix
	NextHop     netip.Addr
}

// RemotePort tells where a MAC address lives.
type RemotePort struct {
	MAC  string
	Host netip.Addr
}

// DHCP is the service on one network: its own port, and everyone's lease.
type DHCP struct {
	PortID string
	MAC    string
	Addrs  []netip.Prefix
	Leases []Lease
	// Metadata is true where the network has no router, so that the
	// metadata address is served beside DHCP (and routed there by option 121).
	Metadata bool
}

// Lease is a fixed assignment.
type Lease struct {
	MAC      string
	Addr     netip.Addr
	SubnetID string
	Hostname string
}

// Port is a server's network interface.
type Port struct {
	ID        string
	NetworkID string
	// Device is the interface's name on the host: "tap" and the first eleven
	// characters of the port's id.
	Device string
	MAC    string
	Addrs  []netip.Addr
	MTU    int
	// Secure turns the rules and the anti-spoofing on; without it everything
	// passes.
	Secure bool
	// AllowedPairs may be used as source beside the port's own MAC and addresses.
	AllowedPairs []AddressPair
	Rules        []Rule
	AdminStateUp bool
}

// AddressPair is an additional source address a port may use.
type AddressPair struct {
	MAC  string
	CIDR netip.Prefix
}

// Directions and ether types of a rule, Neutron's names.
const (
	Ingress = "ingress"
	Egress  = "egress"
	IPv4    = "IPv4"
	IPv6    = "IPv6"
)

// Rule admits traffic. Replies of admitted traffic pass as well; what no
// rule admits is dropped.
type Rule struct {
	Direction string // Ingress or Egress
	EtherType string // IPv4 or IPv6
	Protocol  string // "", "tcp", "udp", "icmp", "ipv6-icmp" or a number
	PortMin   int    // 0: any; for icmp the type, -1: any
	PortMax   int    // for icmp the code, -1: any
	// Remote are the admitted peers (of the remote prefix, or the addresses
	// of the remote group's members); AnyRemote admits all.
	Remote    []netip.Prefix
	AnyRemote bool
}

// Router connects networks, in a namespace of its own.
type Router struct {
	ID           string
	AdminStateUp bool
	Interfaces   []RouterPort
	Gateway      *RouterGateway // nil: no external network
	FloatingIPs  []FloatingIP
	Routes       []Route
}

// RouterPort is a router's port on a network.
type RouterPort struct {
	PortID    string
	NetworkID string
	MAC       string
	Addrs     []netip.Prefix
	MTU       int
}

// RouterGateway is the router's port on the external network.
type RouterGateway struct {
	RouterPort
	NextHops   []netip.Addr // the external subnets' gateways
	EnableSNAT bool
}

// FloatingIP is a one-to-one translation on the gateway.
type FloatingIP struct {
	ID       string
	Floating netip.Addr
	Fixed    netip.Addr
}

// Metadata gives the handler that answers the metadata address for guests of
// one network or router (exactly one of the ids is set). The driver serves
// it on 169.254.169.254:80 inside the right namespace; the peer's address is
// the request's RemoteAddr.
type Metadata func(networkID, routerID string) http.Handler
