package linux

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"nubo/internal/clock"
	"nubo/internal/testx"
	"nubo/network/driver"
)

func TestSecurityGroups(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	v6 := ingress("tcp", 22)
	v6.EtherType = driver.IPv6
	aPort := newPort(n.ID, rules(), "10.0.0.5", "fd00:1::5")
	bPort := newPort(n.ID, rules(ingress("icmp", -1), ingress("tcp", 22), ingress("tcp", 8080, "10.0.0.5/32"), v6), "10.0.0.6", "fd00:1::6")
	cPort := newPort(n.ID, rules(), "10.0.0.7", "fd00:1::7")
	a, b, c := h.guest(t, aPort, ""), h.guest(t, bPort, ""), h.guest(t, cPort, "")
	for _, port := range []string{"22", "80", "8080"} {
		b.serve(t, "tcp4", "10.0.0.6:"+port, "b")
		b.serve(t, "tcp6", "[fd00:1::6]:"+port, "b")
	}

	a.pings(t, "10.0.0.6")
	a.reaches(t, "10.0.0.6:22", "b 10.0.0.5")
	a.cannotReach(t, "10.0.0.6:80")
	a.reaches(t, "[fd00:1::6]:22", "b fd00:1::5")
	a.cannotReach(t, "[fd00:1::6]:80")
	// The group's member may, another may not.
	a.reaches(t, "10.0.0.6:8080", "b 10.0.0.5")
	c.cannotReach(t, "10.0.0.6:8080")
	// b may begin nothing towards a, which admits nothing.
	b.cannotPing(t, "10.0.0.5")

	// Without the egress rules a may begin nothing, but answers.
	mute := aPort
	mute.Rules = []driver.Rule{ingress("icmp", -1)}
	h.port(t, mute)
	a.cannotPing(t, "10.0.0.6")
	b.pings(t, "10.0.0.5")

	// Without security everything passes.
	open := bPort
	open.Secure = false
	h.port(t, aPort)
	h.port(t, open)
	a.reaches(t, "10.0.0.6:80", "b 10.0.0.5")
	h.port(t, bPort)
	a.cannotReach(t, "10.0.0.6:80")

	// Administratively down, nothing passes.
	down := bPort
	down.AdminStateUp = false
	h.port(t, down)
	a.cannotPing(t, "10.0.0.6")
}

func TestSpoofing(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	aPort := newPort(n.ID, rules(), "10.0.0.5", "fd00:1::5")
	a := h.guest(t, aPort, "")
	b := h.guest(t, newPort(n.ID, rules(ingress("icmp", -1), driver.Rule{Direction: driver.Ingress,
		EtherType: driver.IPv6, AnyRemote: true}), "10.0.0.6", "fd00:1::6"), "")
	a.pings(t, "10.0.0.6")
	a.pings(t, "fd00:1::6")

	// Addresses that are not the port's: ARP and neighbour discovery for
	// them do not come through, nor do packets once the neighbour is known.
	a.addrOn(t, "eth0", "10.0.0.99/24")
	a.addrOn(t, "eth0", "fd00:1::99/64")
	b.cannotPing(t, "10.0.0.99")
	a.cannotPing(t, "10.0.0.6", "-I", "10.0.0.99")
	b.cannotPing(t, "fd00:1::99")
	a.cannotPing(t, "fd00:1::6", "-I", "fd00:1::99")

	// An allowed pair makes them so.
	paired := aPort
	paired.AllowedPairs = []driver.AddressPair{{CIDR: netip.MustParsePrefix("10.0.0.96/28")}, {CIDR: netip.MustParsePrefix("fd00:1::99/128")}}
	h.port(t, paired)
	a.pings(t, "10.0.0.6", "-I", "10.0.0.99")
	a.pings(t, "fd00:1::6", "-I", "fd00:1::99")

	// Another MAC.
	eth, err := a.nl.LinkByName("eth0")
	testx.NoErr(t, err)
	other := newMAC()
	hw, err := net.ParseMAC(other)
	testx.NoErr(t, err)
	testx.NoErr(t, a.nl.LinkSetHardwareAddr(eth, hw))
	a.cannotPing(t, "10.0.0.6", "-I", "10.0.0.5")
	paired.AllowedPairs = []driver.AddressPair{{MAC: other, CIDR: netip.MustParsePrefix("10.0.0.5/32")}}
	h.port(t, paired)
	a.pings(t, "10.0.0.6", "-I", "10.0.0.5")
}

// A connection ends when the rule that admitted it goes.
func TestRuleRemovalEndsConnections(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	bPort := newPort(n.ID, rules(ingress("udp", 53)), "10.0.0.6")
	bPort.Rules = bPort.Rules[2:] // b may only answer
	a, b := h.guest(t, newPort(n.ID, rules(), "10.0.0.5"), ""), h.guest(t, bPort, "")

	var server *net.UDPConn
	testx.NoErr(t, b.do(func() (err error) {
		server, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 0, 0, 6), Port: 53})
		return err
	}))
	defer server.Close()
	client, err := a.dial(net.Dialer{}, "udp4", "10.0.0.6:53")
	testx.NoErr(t, err)
	defer client.Close()
	exchange := func(wait time.Duration) error {
		if _, err := client.Write([]byte("?")); err != nil {
			return err
		}
		server.SetReadDeadline(time.Now().Add(wait))
		_, _, err := server.ReadFrom(make([]byte, 1))
		return err
	}
	testx.NoErr(t, exchange(patience))
	bPort.Rules = nil
	h.port(t, bPort)
	if exchange(impatience) == nil {
		t.Fatal("the connection outlived its rule")
	}
}

// Guests reach nothing of the host itself, even if they address its bridge.
func TestHostIsOutOfReach(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	outside := newMachine(t)
	cable(t, h.machine, "eth0", "198.51.100.1/24", outside, "eth0", "198.51.100.2/24")
	h.serve(t, "tcp4", "198.51.100.1:80", "host")
	outside.reaches(t, "198.51.100.1:80", "host 198.51.100.2")
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	// An unguarded port, so that nothing but the bridge's own rules help.
	p := newPort(n.ID, nil, "198.51.100.7")
	p.Secure = false
	g := h.guest(t, p, "")
	g.cannotPing(t, "198.51.100.1") // ARP is not answered
	bridge, err := h.nl.LinkByName(bridgeName(n.ID))
	testx.NoErr(t, err)
	out, err := g.run("ip", "neigh", "replace", "198.51.100.1", "dev", "eth0", "lladdr", bridge.Attrs().HardwareAddr.String())
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	g.cannotPing(t, "198.51.100.1")
	g.cannotReach(t, "198.51.100.1:80")
}

// Two tenants use the same addresses, ports and even connections.
func TestOverlappingTenants(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	for _, tenant := range []string{"red", "blue"} {
		n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
		h.network(t, n)
		// Red admits from anywhere; blue answers a, and nobody else.
		a := h.guest(t, newPort(n.ID, rules(), "10.0.0.5"), "")
		b := h.guest(t, newPort(n.ID, rules(ingress("tcp", 80, "10.0.0.5/32")), "10.0.0.6"), "")
		b.serve(t, "tcp4", "10.0.0.6:80", tenant)
		from := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 40000}}
		got, err := a.call(from, "10.0.0.6:80")
		testx.NoErr(t, err)
		testx.Equal(t, got, tenant+" 10.0.0.5")
	}
}
