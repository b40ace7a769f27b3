package linux

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/network/driver"
)

// external is a flat network whose way out is the host, with an outside
// machine behind the host.
func external(t *testing.T, h *host) (n driver.Network, outside *machine) {
	t.Helper()
	outside = newMachine(t)
	cable(t, h.machine, "eth0", "203.0.113.1/24", outside, "eth0", "203.0.113.2/24")
	outside.route(t, "172.24.4.0/24", "203.0.113.1")
	outside.serve(t, "tcp4", "203.0.113.2:80", "outside")
	n = driver.Network{ID: clock.NewID(), Type: driver.TypeFlat, PhysicalNetwork: "extnet", MTU: 1500,
		HostAddrs: []netip.Prefix{netip.MustParsePrefix("172.24.4.1/24")}}
	h.network(t, n)
	return n, outside
}

func gateway(networkID, addr string) *driver.RouterGateway {
	return &driver.RouterGateway{RouterPort: routerPort(networkID, addr), EnableSNAT: true,
		NextHops: []netip.Addr{netip.MustParseAddr("172.24.4.1")}}
}

func floating(address, fixed string) driver.FloatingIP {
	return driver.FloatingIP{ID: clock.NewID(), Floating: netip.MustParseAddr(address), Fixed: netip.MustParseAddr(fixed)}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	ext, outside := external(t, h)
	h.serve(t, "tcp4", "172.24.4.1:8000", "host")
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	admits := rules(ingress("icmp", -1), ingress("tcp", 22), ingress("udp", 53))
	a := h.guest(t, newPort(n.ID, admits, "192.168.1.5"), "192.168.1.1")
	b := h.guest(t, newPort(n.ID, admits, "192.168.1.6"), "192.168.1.1")
	a.serve(t, "tcp4", "192.168.1.5:22", "a")
	a.serve(t, "tcp4", "192.168.1.5:80", "a")

	r := driver.Router{ID: clock.NewID(), AdminStateUp: true, Gateway: gateway(ext.ID, "172.24.4.10/24"),
		Interfaces:  []driver.RouterPort{routerPort(n.ID, "192.168.1.1/24")},
		FloatingIPs: []driver.FloatingIP{floating("172.24.4.50", "192.168.1.5")}}
	h.router(t, r)

	// Out: b behind the router's address, a behind its floating IP.
	b.reaches(t, "172.24.4.1:8000", "host 172.24.4.10")
	a.reaches(t, "172.24.4.1:8000", "host 172.24.4.50")
	// Further out, both behind the host.
	b.reaches(t, "203.0.113.2:80", "outside 203.0.113.1")
	// In: by the floating IP, through the security group.
	outside.pings(t, "172.24.4.50")
	outside.reaches(t, "172.24.4.50:22", "a 203.0.113.2")
	outside.cannotReach(t, "172.24.4.50:80")
	// From its own network, which needs the detour through the router.
	b.reaches(t, "172.24.4.50:22", "a 172.24.4.10")

	// Metadata, known by the router and the fixed address; not from outside.
	got, err := a.get("http://169.254.169.254/")
	testx.NoErr(t, err)
	testx.Equal(t, got, "network= router="+r.ID+" peer=192.168.1.5")
	outside.route(t, "169.254.169.254/32", "203.0.113.1")
	h.route(t, "169.254.169.254/32", "172.24.4.10")
	outside.cannotReach(t, "169.254.169.254:80")

	// The floating IP moves to b; nothing of a is left behind it, not even in
	// what was going on.
	b.serve(t, "tcp4", "192.168.1.6:22", "b")
	asker := outside.listenUDP(t, "203.0.113.2:5353")
	atA, atB := a.listenUDP(t, "192.168.1.5:53"), b.listenUDP(t, "192.168.1.6:53")
	testx.Equal(t, arrives(t, asker, atA, "172.24.4.50:53", patience), true)
	r.FloatingIPs = []driver.FloatingIP{floating("172.24.4.50", "192.168.1.6")}
	h.router(t, r)
	outside.reaches(t, "172.24.4.50:22", "b 203.0.113.2")
	testx.Equal(t, arrives(t, asker, atB, "172.24.4.50:53", patience), true)
	a.reaches(t, "172.24.4.1:8000", "host 172.24.4.10")
	// And goes.
	r.FloatingIPs = nil
	h.router(t, r)
	outside.cannotReach(t, "172.24.4.50:22")

	// Without a gateway there is no way out, and the interface is gone.
	r.Gateway = nil
	h.router(t, r)
	b.cannotReach(t, "172.24.4.1:8000")
	a.pings(t, "192.168.1.1")

	// Down, it does not exist.
	r.AdminStateUp = false
	h.router(t, r)
	a.cannotPing(t, "192.168.1.1")
}

// Guests plugged into the external network itself are guarded against the
// host and what is behind it.
func TestExternalNetworkIsFiltered(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	ext, outside := external(t, h)
	g := h.guest(t, newPort(ext.ID, rules(ingress("tcp", 22)), "172.24.4.60"), "172.24.4.1")
	g.serve(t, "tcp4", "172.24.4.60:22", "guest")
	g.serve(t, "tcp4", "172.24.4.60:80", "guest")
	h.reaches(t, "172.24.4.60:22", "guest 172.24.4.1")
	h.cannotReach(t, "172.24.4.60:80")
	outside.reaches(t, "172.24.4.60:22", "guest 203.0.113.2")
	outside.cannotReach(t, "172.24.4.60:80")
	g.reaches(t, "203.0.113.2:80", "outside 203.0.113.1")
}

func TestStaticRoutes(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	r := driver.Router{ID: clock.NewID(), AdminStateUp: true, Interfaces: []driver.RouterPort{routerPort(n.ID, "10.0.0.1/24")},
		Routes: []driver.Route{{Destination: netip.MustParsePrefix("10.99.0.0/24"), NextHop: netip.MustParseAddr("10.0.0.5")}}}
	h.router(t, r)
	s, ok, err := openNamed(routerPrefix + r.ID)
	testx.NoErr(t, err)
	testx.Equal(t, ok, true)
	router := &machine{s, "router"}
	defer s.close()
	out, err := router.run("ip", "route", "get", "10.99.0.1")
	testx.NoErr(t, err)
	if want := "10.99.0.1 via 10.0.0.5"; len(out) < len(want) || out[:len(want)] != want {
		t.Fatalf("route: %s", out)
	}
	r.Routes = nil
	h.router(t, r)
	if out, err := router.run("ip", "route", "get", "10.99.0.1"); err == nil {
		t.Fatalf("the route is still there: %s", out)
	}
}

// Two routers with the same inside, on one external network.
func TestOverlappingRouters(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	ext, outside := external(t, h)
	h.serve(t, "tcp4", "172.24.4.1:8000", "host")
	var routers []driver.Router
	for i := range 2 {
		n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
		h.network(t, n)
		g := h.guest(t, newPort(n.ID, rules(ingress("tcp", 22)), "10.0.0.5"), "10.0.0.1")
		name, fip := fmt.Sprintf("tenant%d", i), fmt.Sprintf("172.24.4.5%d", i)
		g.serve(t, "tcp4", "10.0.0.5:22", name)
		r := driver.Router{ID: clock.NewID(), AdminStateUp: true,
			Gateway:     gateway(ext.ID, fmt.Sprintf("172.24.4.1%d/24", i)),
			Interfaces:  []driver.RouterPort{routerPort(n.ID, "10.0.0.1/24")},
			FloatingIPs: []driver.FloatingIP{floating(fip, "10.0.0.5")}}
		routers = append(routers, r)
		h.router(t, r)
		g.reaches(t, "172.24.4.1:8000", "host "+fip)
		outside.reaches(t, fip+":22", name+" 203.0.113.2")
	}
	// A floating IP moves to the other router, which neighbours are told at once.
	routers[0].FloatingIPs, routers[1].FloatingIPs = nil, routers[0].FloatingIPs
	h.router(t, routers[0])
	h.router(t, routers[1])
	outside.reaches(t, "172.24.4.50:22", "tenant1 203.0.113.2")
}

// A router applied again after any part of it was lost works again.
func TestRouterHeals(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	ext, outside := external(t, h)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	p := newPort(n.ID, rules(ingress("tcp", 22)), "10.0.0.5")
	g := h.guest(t, p, "10.0.0.1")
	g.serve(t, "tcp4", "10.0.0.5:22", "guest")
	r := driver.Router{ID: clock.NewID(), AdminStateUp: true, Gateway: gateway(ext.ID, "172.24.4.10/24"),
		Interfaces:  []driver.RouterPort{routerPort(n.ID, "10.0.0.1/24")},
		FloatingIPs: []driver.FloatingIP{floating("172.24.4.50", "10.0.0.5")}}
	h.router(t, r)
	for _, lose := range []struct {
		what string
		lose func() error
	}{
		{"nothing", func() error { return nil }},
		{"an interface", func() error { return h.unlink(tapName(r.Interfaces[0].PortID)) }},
		{"the gateway", func() error { return h.unlink(tapName(r.Gateway.PortID)) }},
		{"the namespace", func() error { return deleteNamed(routerPrefix + r.ID) }},
		{"the namespace's mount", func() error {
			if err := deleteNamed(routerPrefix + r.ID); err != nil {
				return err
			}
			return touch(netnsDir + "/" + routerPrefix + r.ID)
		}},
		{"all rules", func() error { _, err := h.nft(context.Background(), "flush ruleset\n", "-f", "-"); return err }},
	} {
		testx.NoErr(t, lose.lose())
		h.network(t, ext)
		h.network(t, n)
		h.port(t, p)
		h.router(t, r)
		t.Log("lost:", lose.what)
		outside.reaches(t, "172.24.4.50:22", "guest 203.0.113.2")
		outside.cannotReach(t, "172.24.4.50:23")
		got, err := g.get("http://169.254.169.254/")
		testx.NoErr(t, err)
		testx.Equal(t, got, "network= router="+r.ID+" peer=10.0.0.5")
	}
}

func TestBadRouters(t *testing.T) {
	t.Parallel()
	d := &Driver{}
	good := clock.NewID()
	port := driver.RouterPort{PortID: good, NetworkID: good}
	for name, r := range map[string]driver.Router{
		"no id":           {},
		"id is a path":    {ID: "../../../etc/passwd"},
		"id of nft":       {ID: "x; flush ruleset"},
		"port's id":       {ID: good, Interfaces: []driver.RouterPort{{PortID: "", NetworkID: good}}},
		"no gateway":      {ID: good, FloatingIPs: []driver.FloatingIP{floating("172.24.4.50", "10.0.0.5")}},
		"IPv6 floating":   {ID: good, Gateway: &driver.RouterGateway{RouterPort: port}, FloatingIPs: []driver.FloatingIP{floating("fd00::1", "10.0.0.5")}},
		"floating twice":  {ID: good, Gateway: &driver.RouterGateway{RouterPort: port}, FloatingIPs: []driver.FloatingIP{floating("172.24.4.50", "10.0.0.5"), floating("172.24.4.50", "10.0.0.6")}},
		"floating absent": {ID: good, Gateway: &driver.RouterGateway{RouterPort: port}, FloatingIPs: []driver.FloatingIP{{}}},
	} {
		err := d.ApplyRouter(t.Context(), r)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v; want an invalid fault", name, err)
		}
	}
}

func TestTranslations(t *testing.T) {
	t.Parallel()
	tr := newTranslations(driver.Router{Gateway: gateway("", "172.24.4.10/24"),
		FloatingIPs: []driver.FloatingIP{floating("172.24.4.50", "10.0.0.5")}})
	for _, tt := range []struct {
		name                            string
		source, to, answering, answered string
		stale                           bool
	}{
		{"plain", "10.0.0.5", "10.1.0.7", "10.1.0.7", "10.0.0.5", false},
		{"to the floating IP", "203.0.113.2", "172.24.4.50", "10.0.0.5", "203.0.113.2", false},
		{"to it, elsewhere", "203.0.113.2", "172.24.4.50", "10.0.0.6", "203.0.113.2", true},
		{"to one that is gone", "203.0.113.2", "172.24.4.51", "10.0.0.6", "203.0.113.2", true},
		{"from the floating IP", "10.0.0.5", "203.0.113.2", "203.0.113.2", "172.24.4.50", false},
		{"from another's", "10.0.0.6", "203.0.113.2", "203.0.113.2", "172.24.4.50", true},
		{"from one that is gone", "10.0.0.6", "203.0.113.2", "203.0.113.2", "172.24.4.51", true},
		{"from the gateway", "10.0.0.6", "203.0.113.2", "203.0.113.2", "172.24.4.10", false},
		{"from a former gateway", "10.0.0.6", "203.0.113.2", "203.0.113.2", "172.24.4.11", true},
		{"by the router and back", "10.0.0.6", "172.24.4.50", "10.0.0.5", "172.24.4.10", false},
	} {
		flow := &netlink.ConntrackFlow{
			Forward: netlink.IPTuple{SrcIP: net.ParseIP(tt.source), DstIP: net.ParseIP(tt.to)},
			Reverse: netlink.IPTuple{SrcIP: net.ParseIP(tt.answering), DstIP: net.ParseIP(tt.answered)}}
		if got := tr.MatchConntrackFlow(flow); got != tt.stale {
			t.Errorf("%s: stale is %t; want %t", tt.name, got, tt.stale)
		}
	}
}
