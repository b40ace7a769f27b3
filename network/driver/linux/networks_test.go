package linux

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/internal/trace"
	"nubo/network/driver"
)

func touch(path string) error { return os.WriteFile(path, nil, 0o600) }

func TestVXLAN(t *testing.T) {
	t.Parallel()
	tunnel := func(ip string) func(*Config) { return func(c *Config) { c.TunnelIP = netip.MustParseAddr(ip) } }
	h1, h2 := newHost(t, tunnel("192.0.2.1")), newHost(t, tunnel("192.0.2.2"))
	cable(t, h1.machine, "eth0", "192.0.2.1/24", h2.machine, "eth0", "192.0.2.2/24")
	id := clock.NewID()
	aPort := newPort(id, rules(), "10.0.0.5")
	bPort := newPort(id, rules(ingress("tcp", 22)), "10.0.0.6")
	on := func(peer, mac string) driver.Network {
		return driver.Network{ID: id, Type: driver.TypeVXLAN, SegmentationID: 1001, MTU: 1450,
			Peers:  []netip.Addr{netip.MustParseAddr(peer)},
			Remote: []driver.RemotePort{{MAC: mac, Host: netip.MustParseAddr(peer)}}}
	}
	h1.network(t, on("192.0.2.2", bPort.MAC))
	h2.network(t, on("192.0.2.1", aPort.MAC))
	a, b := h1.guest(t, aPort, ""), h2.guest(t, bPort, "")
	b.serve(t, "tcp4", "10.0.0.6:22", "b")
	b.serve(t, "tcp4", "10.0.0.6:80", "b")
	a.reaches(t, "10.0.0.6:22", "b 10.0.0.5")
	a.cannotReach(t, "10.0.0.6:80")

	// Peers and remote ports are forgotten when they leave.
	n := on("192.0.2.2", bPort.MAC)
	n.Peers, n.Remote = nil, nil
	h1.network(t, n)
	vxlan, err := h1.nl.LinkByName("vxlan-1001")
	testx.NoErr(t, err)
	entries, err := h1.nl.NeighList(vxlan.Attrs().Index, 7) // AF_BRIDGE
	testx.NoErr(t, err)
	for _, e := range entries {
		if e.IP != nil {
			t.Errorf("forwarding to %s is left", e.IP)
		}
	}
	a.cannotReach(t, "10.0.0.6:22")
	h1.network(t, on("192.0.2.2", bPort.MAC))
	a.reaches(t, "10.0.0.6:22", "b 10.0.0.5")

	// Another network cannot take the identifier.
	n.ID = clock.NewID()
	if err := h1.ApplyNetwork(t.Context(), n); !fault.Is(err, fault.Conflict) {
		t.Fatalf("got %v; want a conflict", err)
	}
}

func TestFlatOnInterface(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(c *Config) { c.PhysicalInterfaces = map[string]string{"extnet": "eth1"} })
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeFlat, PhysicalNetwork: "extnet", MTU: 1500}
	if err := h.ApplyNetwork(t.Context(), n); !fault.Is(err, fault.Invalid) {
		t.Fatalf("without the interface: got %v; want an invalid fault", err)
	}
	outside := newMachine(t)
	cable(t, h.machine, "eth1", "172.24.4.2/24", outside, "eth0", "172.24.4.1/24")
	if err := h.ApplyNetwork(t.Context(), n); !fault.Is(err, fault.Invalid) {
		t.Fatalf("with an address on it: got %v; want an invalid fault", err)
	}
	eth1, err := h.nl.LinkByName("eth1")
	testx.NoErr(t, err)
	_, err = h.setAddrs(eth1, nil)
	testx.NoErr(t, err)
	h.network(t, n)
	g := h.guest(t, newPort(n.ID, rules(), "172.24.4.60"), "172.24.4.1")
	g.pings(t, "172.24.4.1")

	// The interface outlives the network.
	testx.NoErr(t, h.RemovePort(t.Context(), firstPort(t, h)))
	testx.NoErr(t, h.RemoveNetwork(t.Context(), n.ID))
	eth1, err = h.nl.LinkByName("eth1")
	testx.NoErr(t, err)
	testx.Equal(t, eth1.Attrs().MasterIndex, 0)
}

func firstPort(t *testing.T, h *host) string {
	t.Helper()
	inv, err := h.Inventory(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, len(inv.Ports), 1)
	return inv.Ports[0]
}

// A driver that starts over what another left finds it, keeps it in force and
// can remove it.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	aPort := newPort(n.ID, rules(), "10.0.0.5")
	bPort := newPort(n.ID, rules(ingress("tcp", 22)), "10.0.0.6")
	a, b := h.guest(t, aPort, ""), h.guest(t, bPort, "")
	b.serve(t, "tcp4", "10.0.0.6:22", "b")
	b.serve(t, "tcp4", "10.0.0.6:80", "b")
	r := driver.Router{ID: clock.NewID(), AdminStateUp: true, Interfaces: []driver.RouterPort{routerPort(n.ID, "10.0.0.1/24")}}
	h.router(t, r)
	before, err := h.Inventory(t.Context())
	testx.NoErr(t, err)
	testx.NoErr(t, h.Driver.Close())
	a.reaches(t, "10.0.0.6:22", "b 10.0.0.5")
	a.cannotReach(t, "10.0.0.6:80")

	h.start(t, h.cfg)
	a.reaches(t, "10.0.0.6:22", "b 10.0.0.5")
	a.cannotReach(t, "10.0.0.6:80")
	after, err := h.Inventory(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, after, before)
	testx.Equal(t, after.Networks, []string{n.ID})
	testx.Equal(t, after.Routers, []string{r.ID})
	testx.Equal(t, len(after.Ports), 2)

	// A new port gets a mark of its own, and a changed one keeps to its rules.
	c := h.guest(t, newPort(n.ID, rules(), "10.0.0.7"), "")
	c.reaches(t, "10.0.0.6:22", "b 10.0.0.7")
	bPort.Rules = rules(ingress("tcp", 80))
	h.port(t, bPort)
	h.router(t, r)
	a.reaches(t, "10.0.0.6:80", "b 10.0.0.5")
	a.cannotReach(t, "10.0.0.6:22")
	testx.NoErr(t, h.RemovePort(t.Context(), aPort.ID))
	testx.NoErr(t, h.RemovePort(t.Context(), aPort.ID))
	testx.NoErr(t, h.RemoveRouter(t.Context(), r.ID))
	after, err = h.Inventory(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, len(after.Ports), 2)
	testx.Equal(t, after.Routers, []string(nil))
}

// Ports plugged at the same time share nft runs; one bad port does not spoil
// the others.
func TestConcurrentPorts(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	const count = 24
	var wg sync.WaitGroup
	errs := make([]error, count)
	for i := range count {
		p := newPort(n.ID, rules(ingress("tcp", 22)), "10.0.0."+strconv.Itoa(i+1))
		if i == 3 {
			p.Rules = append(p.Rules, driver.Rule{Direction: driver.Ingress, EtherType: driver.IPv4, Protocol: "nonsense"})
		}
		wg.Go(func() { errs[i] = h.ApplyPort(context.Background(), p) })
	}
	wg.Wait()
	for i, err := range errs {
		if i == 3 {
			testx.Equal(t, fault.KindOf(err), fault.Invalid)
		} else {
			testx.NoErr(t, err)
		}
	}
	marks, err := h.numberMap(t.Context(), "bridge "+h.owner, "to")
	testx.NoErr(t, err)
	testx.Equal(t, len(marks), count-1)
	seen := map[uint32]bool{}
	for device, mark := range marks {
		if seen[mark] || mark == 0 {
			t.Errorf("%s shares mark %d", device, mark)
		}
		seen[mark] = true
	}
}

// The tap is one that a hypervisor can open, with virtio headers.
func TestTap(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1400}
	h.network(t, n)
	p := newPort(n.ID, rules(), "10.0.0.5")
	p.MTU = 1400
	rec := trace.New("h")
	ctx, span := trace.Root(trace.With(auth.With(t.Context(), &auth.Context{RequestID: "req-1"}), rec, "agent"), trace.Handle, "changed", "", false)
	testx.NoErr(t, h.ApplyPort(ctx, p))
	span.End(nil)
	var steps []string
	for _, s := range rec.Trace("req-1") {
		steps = append(steps, s.Name)
	}
	testx.Equal(t, steps, []string{"changed", "netlink: tap", "rules of a port or network", "nft -f -"})
	l, err := h.nl.LinkByName(p.Device)
	testx.NoErr(t, err)
	tap, ok := l.(*netlink.Tuntap)
	if !ok {
		t.Fatalf("%s is a %s", p.Device, l.Type())
	}
	testx.Equal(t, tap.Mode, netlink.TuntapMode(netlink.TUNTAP_MODE_TAP))
	testx.Equal(t, tap.NonPersist, false)
	testx.Equal(t, tap.MTU, 1400)
	testx.Equal(t, tap.Attrs().Flags&net.FlagUp != 0, true)
}

func TestBadNetworksAndPorts(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	id := clock.NewID()
	for name, n := range map[string]driver.Network{
		"id":            {ID: "x", Type: driver.TypeLocal},
		"type":          {ID: id, Type: "vlan"},
		"peers":         {ID: id, Type: driver.TypeVXLAN, SegmentationID: 5, Peers: []netip.Addr{netip.MustParseAddr("192.0.2.9")}},
		"dhcp port":     {ID: id, Type: driver.TypeLocal, DHCP: &driver.DHCP{}},
		"lease's MAC":   {ID: id, Type: driver.TypeLocal, DHCP: &driver.DHCP{PortID: id, Leases: []driver.Lease{{MAC: "no"}}}},
		"lease's where": {ID: id, Type: driver.TypeLocal, DHCP: &driver.DHCP{PortID: id, Leases: []driver.Lease{{MAC: newMAC()}}}},
	} {
		if err := h.ApplyNetwork(t.Context(), n); !fault.Is(err, fault.Invalid) {
			t.Errorf("network with bad %s: got %v; want an invalid fault", name, err)
		}
	}
	testx.NoErr(t, h.ApplyNetwork(t.Context(), driver.Network{ID: id, Type: driver.TypeLocal, MTU: 1450}))
	for name, change := range map[string]func(*driver.Port){
		"id":        func(p *driver.Port) { p.ID = "" },
		"device":    func(p *driver.Port) { p.Device = "eth0" },
		"MAC":       func(p *driver.Port) { p.MAC = "drop; accept" },
		"pair":      func(p *driver.Port) { p.AllowedPairs = []driver.AddressPair{{MAC: "x"}} },
		"direction": func(p *driver.Port) { p.Rules[0].Direction = "up" },
	} {
		p := newPort(id, rules())
		change(&p)
		if err := h.ApplyPort(t.Context(), p); !fault.Is(err, fault.Invalid) {
			t.Errorf("port with bad %s: got %v; want an invalid fault", name, err)
		}
	}
	p := newPort(clock.NewID(), rules())
	if err := h.ApplyPort(t.Context(), p); !fault.Is(err, fault.NotFound) {
		t.Errorf("port on a foreign network: got %v; want not found", err)
	}
	testx.NoErr(t, h.RemoveNetwork(t.Context(), clock.NewID()))
	testx.NoErr(t, h.RemoveRouter(t.Context(), clock.NewID()))
	testx.NoErr(t, h.RemovePort(t.Context(), clock.NewID()))
}

// What a crash leaves half-made is found and removed.
func TestRemovesHalfMade(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	// A note without a namespace, a namespace without interfaces, the file of
	// a namespace that was never mounted, and a tap without bridge or rules.
	noted, bare, unmounted := clock.NewID(), clock.NewID(), clock.NewID()
	testx.NoErr(t, touch(filepath.Join(h.namespaceDir(), routerPrefix+noted)))
	s, err := h.ensureNamespace(routerPrefix + bare)
	testx.NoErr(t, err)
	s.close()
	testx.NoErr(t, touch(filepath.Join(h.namespaceDir(), dhcpPrefix+unmounted)))
	testx.NoErr(t, touch(filepath.Join(netnsDir, dhcpPrefix+unmounted)))
	port := clock.NewID()
	tap, err := h.ensureTap(tapName(port))
	testx.NoErr(t, err)
	testx.NoErr(t, h.settle(tap, h.alias(kindPort, port), 0))

	inv, err := h.Inventory(t.Context())
	testx.NoErr(t, err)
	testx.Equal(t, len(inv.Routers), 2)
	testx.Equal(t, inv.Networks, []string{unmounted})
	testx.Equal(t, inv.Ports, []string{port})
	// newHost's cleanup purges and looks.
}
