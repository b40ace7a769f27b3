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
	testx.Equal(t, b.knows(t, "10.0.0.99"), false)
	a.cannotPing(t, "10.0.0.6", "-I", "10.0.0.99")
	b.cannotPing(t, "fd00:1::99")
	testx.Equal(t, b.knows(t, "fd00:1::99"), false)
	testx.Equal(t, b.knows(t, "fd00:1::5"), true)
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

// A guest may send from its own address, but not advertise another's in it.
func TestSpoofedAdvertisement(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	a := h.guest(t, newPort(n.ID, rules(), "fd00:1::5"), "")
	b := h.guest(t, newPort(n.ID, rules(), "fd00:1::6"), "")
	open := func(m *machine, addr string) net.PacketConn {
		var c net.PacketConn
		testx.NoErr(t, m.do(func() (err error) { c, err = net.ListenPacket("ip6:ipv6-icmp", addr); return err }))
		t.Cleanup(func() { c.Close() })
		return c
	}
	from, to := open(a, "fd00:1::5"), open(b, "fd00:1::6")
	const advertisement = 136
	for _, target := range []string{"fd00:1::99", "fd00:1::5"} {
		message := append([]byte{advertisement, 0, 0, 0, 0x20, 0, 0, 0}, net.ParseIP(target)...)
		_, err := from.WriteTo(message, &net.IPAddr{IP: net.ParseIP("fd00:1::6")})
		testx.NoErr(t, err)
	}
	// They were sent in this order, so the first to arrive must be the second.
	to.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 64)
	for buf[0] != advertisement || buf[4] != 0x20 { // not the kernel's own, solicited ones
		_, _, err := to.ReadFrom(buf)
		testx.NoErr(t, err)
	}
	testx.Equal(t, net.IP(buf[8:24]).String(), "fd00:1::5")
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

	client, server := a.listenUDP(t, "10.0.0.5:0"), b.listenUDP(t, "10.0.0.6:53")
	testx.Equal(t, arrives(t, client, server, "10.0.0.6:53", patience), true)
	port := client.LocalAddr().(*net.UDPAddr).AddrPort()
	testx.Equal(t, arrives(t, server, client, port.String(), patience), true)
	bPort.Rules = nil
	h.port(t, bPort)
	testx.Equal(t, arrives(t, client, server, "10.0.0.6:53", impatience), false)
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
	// A datagram, because the host's answer would go elsewhere.
	from, to := g.listenUDP(t, "198.51.100.7:0"), h.listenUDP(t, "198.51.100.1:53")
	testx.Equal(t, arrives(t, from, to, "198.51.100.1:53", impatience), false)
}

// Two tenants use the same addresses and ports; what one's rules admit is not
// admitted to the other.
func TestOverlappingTenants(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	for _, tenant := range []struct {
		name  string
		rules []driver.Rule
		open  bool
	}{
		{"red", rules(ingress("udp", 53), ingress("tcp", 80)), true},
		{"blue", rules(ingress("tcp", 80)), false},
		{"green", rules(ingress("udp", 53), ingress("tcp", 80)), true},
	} {
		n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
		h.network(t, n)
		a := h.guest(t, newPort(n.ID, rules(), "10.0.0.5"), "")
		b := h.guest(t, newPort(n.ID, tenant.rules, "10.0.0.6"), "")
		b.serve(t, "tcp4", "10.0.0.6:80", tenant.name)
		a.reaches(t, "10.0.0.6:80", tenant.name+" 10.0.0.5")
		// The very same connection, which red holds open.
		from, to := a.listenUDP(t, "10.0.0.5:40000"), b.listenUDP(t, "10.0.0.6:53")
		wait := impatience
		if tenant.open {
			wait = patience
		}
		testx.Equal(t, arrives(t, from, to, "10.0.0.6:53", wait), tenant.open)
		if tenant.open { // answered, it counts as established
			testx.Equal(t, arrives(t, to, from, "10.0.0.5:40000", patience), true)
		}
	}
}
