package linux

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"nubo/internal/clock"
	"nubo/internal/testx"
	"nubo/network/driver"
)

// servedNetwork has two subnets, DHCP and metadata, and a lease in each.
func servedNetwork(leases ...driver.Lease) driver.Network {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	return driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1442,
		Subnets: []driver.Subnet{
			{ID: "one", CIDR: prefix("10.0.0.0/24"), Gateway: addr("10.0.0.1"), EnableDHCP: true,
				DNSNameservers: []netip.Addr{addr("192.0.2.53"), addr("2001:db8::53"), addr("192.0.2.54")},
				HostRoutes:     []driver.Route{{Destination: prefix("10.9.0.0/16"), NextHop: addr("10.0.0.9")}}},
			{ID: "two", CIDR: prefix("10.1.0.0/24"), EnableDHCP: true},
			{ID: "off", CIDR: prefix("10.2.0.0/24")},
			{ID: "six", CIDR: prefix("fd00:1::/64"), EnableDHCP: true},
		},
		DHCP: &driver.DHCP{PortID: clock.NewID(), MAC: newMAC(), Metadata: true, Leases: leases,
			Addrs: []netip.Prefix{prefix("10.0.0.2/24"), prefix("10.1.0.2/24"), prefix("10.2.0.2/24"), prefix("fd00:1::2/64")}},
	}
}

const (
	macOne = "fa:16:3e:00:00:01"
	macTwo = "fa:16:3e:00:00:02"
	macOff = "fa:16:3e:00:00:03"
)

func testConfig(t testing.TB) *dhcpConfig {
	t.Helper()
	addr := netip.MustParseAddr
	c, err := newDHCPConfig(servedNetwork(
		driver.Lease{MAC: macOne, Addr: addr("fd00:1::5"), SubnetID: "six"},
		driver.Lease{MAC: macOne, Addr: addr("10.0.0.5"), SubnetID: "one", Hostname: "web.example.org"},
		driver.Lease{MAC: macTwo, Addr: addr("10.1.0.6"), SubnetID: "two"},
		driver.Lease{MAC: macOff, Addr: addr("10.2.0.7"), SubnetID: "off"},
	))
	testx.NoErr(t, err)
	return c
}

func request(t testing.TB, mac string, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	testx.NoErr(t, err)
	r, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(hw), dhcpv4.WithMessageType(kind)}, more...)...)
	testx.NoErr(t, err)
	return r
}

func ask(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(ip)))
}

func chose(ip string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(ip)))
}

func has(ip string) dhcpv4.Modifier { return dhcpv4.WithClientIP(net.ParseIP(ip)) }

func TestDHCPAnswers(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	const none = dhcpv4.MessageTypeNone
	for _, tt := range []struct {
		name    string
		request *dhcpv4.DHCPv4
		want    dhcpv4.MessageType
		addr    string
	}{
		{"discover", request(t, macOne, dhcpv4.MessageTypeDiscover), dhcpv4.MessageTypeOffer, "10.0.0.5"},
		{"discover, asking another", request(t, macOne, dhcpv4.MessageTypeDiscover, ask("10.0.0.77")), dhcpv4.MessageTypeOffer, "10.0.0.5"},
		{"discover, unknown", request(t, "fa:16:3e:99:99:99", dhcpv4.MessageTypeDiscover), none, ""},
		{"discover, DHCP off", request(t, macOff, dhcpv4.MessageTypeDiscover), none, ""},
		{"select", request(t, macOne, dhcpv4.MessageTypeRequest, ask("10.0.0.5"), chose("10.0.0.2")), dhcpv4.MessageTypeAck, "10.0.0.5"},
		{"select another server", request(t, macOne, dhcpv4.MessageTypeRequest, ask("10.0.0.5"), chose("10.0.0.3")), none, ""},
		{"select wrong address", request(t, macOne, dhcpv4.MessageTypeRequest, ask("10.0.0.6"), chose("10.0.0.2")), dhcpv4.MessageTypeNak, "0.0.0.0"},
		{"reboot", request(t, macOne, dhcpv4.MessageTypeRequest, ask("10.0.0.5")), dhcpv4.MessageTypeAck, "10.0.0.5"},
		{"reboot from elsewhere", request(t, macOne, dhcpv4.MessageTypeRequest, ask("192.168.7.7")), dhcpv4.MessageTypeNak, "0.0.0.0"},
		{"renew", request(t, macOne, dhcpv4.MessageTypeRequest, has("10.0.0.5")), dhcpv4.MessageTypeAck, "10.0.0.5"},
		{"renew another's", request(t, macOne, dhcpv4.MessageTypeRequest, has("10.1.0.6")), dhcpv4.MessageTypeNak, "0.0.0.0"},
		{"request nothing", request(t, macOne, dhcpv4.MessageTypeRequest), dhcpv4.MessageTypeNak, "0.0.0.0"},
		{"request, unknown", request(t, "fa:16:3e:99:99:99", dhcpv4.MessageTypeRequest, ask("10.0.0.5")), none, ""},
		{"inform", request(t, macOne, dhcpv4.MessageTypeInform, has("10.0.0.5")), dhcpv4.MessageTypeAck, "0.0.0.0"},
		{"release", request(t, macOne, dhcpv4.MessageTypeRelease, has("10.0.0.5")), none, ""},
		{"decline", request(t, macOne, dhcpv4.MessageTypeDecline, ask("10.0.0.5")), none, ""},
		{"a server's", request(t, macOne, dhcpv4.MessageTypeOffer), none, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := c.answerBytes(tt.request.ToBytes())
			if tt.want == none {
				if answer != nil {
					t.Fatalf("got %s; want silence", answer.Summary())
				}
				return
			}
			if answer == nil {
				t.Fatalf("got silence; want %s", tt.want)
			}
			testx.Equal(t, answer.MessageType(), tt.want)
			testx.Equal(t, answer.YourIPAddr.String(), tt.addr)
			testx.Equal(t, answer.TransactionID, tt.request.TransactionID)
			testx.Equal(t, answer.ServerIdentifier().String(), "10.0.0.2")
		})
	}
}

func TestDHCPOptions(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	a := c.answer(request(t, macOne, dhcpv4.MessageTypeDiscover))
	testx.Equal(t, a.SubnetMask().String(), "ffffff00")
	testx.Equal(t, a.Router()[0].String(), "10.0.0.1")
	testx.Equal(t, len(a.DNS()), 2)
	testx.Equal(t, a.DNS()[1].String(), "192.0.2.54")
	testx.Equal(t, a.HostName(), "web")
	testx.Equal(t, a.DomainName(), "example.org")
	testx.Equal(t, a.IPAddressLeaseTime(0), 24*time.Hour)
	testx.Equal(t, a.Options.Get(dhcpv4.OptionInterfaceMTU), []byte{1442 >> 8, 1442 & 0xff})
	var routes []string
	for _, r := range a.ClasslessStaticRoute() {
		routes = append(routes, r.Dest.String()+" "+r.Router.String())
	}
	testx.Equal(t, routes, []string{"10.9.0.0/16 10.0.0.9", "169.254.169.254/32 10.0.0.2", "0.0.0.0/0 10.0.0.1"})
	testx.Equal(t, a.Options.Get(optionMicrosoftRoutes), a.Options.Get(dhcpv4.OptionClasslessStaticRoute))

	// A subnet without gateway, name servers or names.
	b := c.answer(request(t, macTwo, dhcpv4.MessageTypeDiscover))
	testx.Equal(t, b.YourIPAddr.String(), "10.1.0.6")
	testx.Equal(t, len(b.Router()), 0)
	for _, o := range []dhcpv4.OptionCode{dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName, dhcpv4.OptionDomainName} {
		testx.Equal(t, b.Options.Has(o), false)
	}
	testx.Equal(t, len(b.ClasslessStaticRoute()), 1) // to metadata

	inform := c.answer(request(t, macOne, dhcpv4.MessageTypeInform, has("10.0.0.5")))
	testx.Equal(t, inform.Options.Has(dhcpv4.OptionIPAddressLeaseTime), false)
	testx.Equal(t, inform.ClientIPAddr.String(), "10.0.0.5")
}

func FuzzDHCPAnswer(f *testing.F) {
	c := testConfig(f)
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform} {
		f.Add(request(f, macOne, kind, ask("10.0.0.5"), chose("10.0.0.2")).ToBytes())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		answer := c.answerBytes(datagram)
		if answer == nil {
			return
		}
		again, err := dhcpv4.FromBytes(answer.ToBytes())
		if err != nil {
			t.Fatalf("the answer is no DHCP message: %v", err)
		}
		// Only clients with a lease are answered, with their address or none.
		leases := c.leases[again.ClientHWAddr.String()]
		given, _ := netip.AddrFromSlice(again.YourIPAddr.To4())
		if !given.IsUnspecified() && !slices.ContainsFunc(leases, func(l dhcpLease) bool { return l.addr == given }) {
			t.Fatalf("%s is given %s", again.ClientHWAddr, given)
		}
	})
}

func FuzzNumberMap(f *testing.F) {
	f.Add([]byte(`{"nftables": [{"metainfo": {}}, {"map": {"name": "to", "elem": [["tapx", 5]]}}]}`))
	f.Fuzz(func(_ *testing.T, raw []byte) { _, _ = parseNumberMap(raw) })
}

// udhcpc runs busybox's client, which reads raw frames like a booting guest,
// and returns what it was told. The lease's address is then configured.
func (m *machine) udhcpc(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	script, told := filepath.Join(dir, "script"), filepath.Join(dir, "told")
	testx.NoErr(t, os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = bound ] && env > "+told+"; exit 0\n"), 0o700))
	out, err := m.run("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "8", "-T", "1", "-s", script,
		"-O", "staticroutes", "-O", "mtu")
	if err != nil {
		t.Fatalf("udhcpc (Debian package busybox-static): %v\n%s", err, out)
	}
	env, err := os.ReadFile(told)
	testx.NoErr(t, err)
	values := map[string]string{}
	for line := range strings.Lines(string(env)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	m.addrOn(t, "eth0", values["ip"]+"/"+values["mask"])
	return values
}

// A guest with all the default rules gets its lease, and metadata by it.
func TestDHCP(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := servedNetwork()
	p := newPort(n.ID, rules())
	n.DHCP.Leases = []driver.Lease{{MAC: p.MAC, Addr: netip.MustParseAddr("10.0.0.5"), SubnetID: "one", Hostname: "web"}}
	h.network(t, n)
	g := h.guest(t, p, "")
	p.Addrs = []netip.Addr{netip.MustParseAddr("10.0.0.5")}
	h.port(t, p)
	told := g.udhcpc(t)
	testx.Equal(t, told["ip"], "10.0.0.5")
	testx.Equal(t, told["mtu"], "1442")
	testx.Equal(t, told["hostname"], "web")
	testx.Equal(t, told["serverid"], "10.0.0.2")
	testx.Equal(t, told["staticroutes"], "10.9.0.0/16 10.0.0.9 169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1")
	g.route(t, "169.254.169.254/32", "10.0.0.2")
	got, err := g.get("http://169.254.169.254/latest")
	testx.NoErr(t, err)
	testx.Equal(t, got, "network="+n.ID+" router= peer=10.0.0.5")

	// A new lease is served at once; and still after the driver was started
	// anew, which has to take the address over.
	other := newPort(n.ID, rules(), "10.0.0.6")
	n.DHCP.Leases = append(n.DHCP.Leases, driver.Lease{MAC: other.MAC, Addr: other.Addrs[0], SubnetID: "one"})
	h.network(t, n)
	q := h.guest(t, other, "")
	testx.Equal(t, q.udhcpc(t)["ip"], "10.0.0.6")
	testx.NoErr(t, h.Driver.Close())
	h.start(t, h.cfg)
	h.network(t, n)
	testx.Equal(t, q.udhcpc(t)["ip"], "10.0.0.6")
	if _, err := g.get("http://169.254.169.254/"); err != nil {
		t.Fatal(err)
	}

	// The port moves to another; metadata ends.
	n.DHCP.PortID, n.DHCP.Metadata = clock.NewID(), false
	h.network(t, n)
	testx.Equal(t, q.udhcpc(t)["ip"], "10.0.0.6")
	g.cannotReach(t, "169.254.169.254:80")
	n.DHCP = nil
	h.network(t, n)
	testx.Equal(t, namedExists(dhcpPrefix+n.ID), false)
}

// A guest may not be a DHCP server.
func TestGuestServesNoDHCP(t *testing.T) {
	t.Parallel()
	h := newHost(t, nil)
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	h.network(t, n)
	a := h.guest(t, newPort(n.ID, rules(), "10.0.0.5"), "")
	b := h.guest(t, newPort(n.ID, rules(ingress("udp", 0)), "10.0.0.6"), "")
	client, other := b.listenUDP(t, "0.0.0.0:68"), b.listenUDP(t, "0.0.0.0:69")
	server := a.listenUDP(t, "0.0.0.0:67")
	testx.Equal(t, arrives(t, server, other, "10.0.0.6:69", patience), true)
	testx.Equal(t, arrives(t, server, client, "10.0.0.6:68", impatience), false)
}
