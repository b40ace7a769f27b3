package linux

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"nubo/internal/testx"
	"nubo/network/driver"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a ruleset with its file; as root it is also given to nft,
// after the text it builds on.
func golden(t *testing.T, name, got, base string) {
	t.Helper()
	path := filepath.Join("testdata", name+".nft")
	if *update {
		testx.NoErr(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	testx.NoErr(t, err)
	testx.Equal(t, got, string(want))
	if !inside() {
		return
	}
	m := newMachine(t)
	testx.NoErr(t, m.load(t.Context(), base+got))
	// What is loaded twice must be the same as what is loaded once.
	once, err := m.nft(t.Context(), "", "list", "ruleset")
	testx.NoErr(t, err)
	testx.NoErr(t, m.load(t.Context(), got))
	twice, err := m.nft(t.Context(), "", "list", "ruleset")
	testx.NoErr(t, err)
	testx.Equal(t, string(twice), string(once))
}

func goldenPort() driver.Port {
	p := driver.Port{ID: "3f2a1b4c-d5e6-4f70-8192-a3b4c5d6e7f8", NetworkID: "11111111-2222-4333-8444-555555555555",
		Device: "tap3f2a1b4c-d5", MAC: "FA:16:3E:00:00:01", Secure: true, AdminStateUp: true,
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fd00::5")}}
	return p
}

func TestGoldenPorts(t *testing.T) {
	t.Parallel()
	prefixes := func(list ...string) (p []netip.Prefix) {
		for _, s := range list {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	in := func(etherType, protocol string, low, high int, remote ...string) driver.Rule {
		return driver.Rule{Direction: driver.Ingress, EtherType: etherType, Protocol: protocol, PortMin: low, PortMax: high,
			Remote: prefixes(remote...), AnyRemote: len(remote) == 0}
	}
	for name, change := range map[string]func(*driver.Port){
		"port-default": func(p *driver.Port) { p.Rules = rules() },
		"port-no-rules-no-addresses": func(p *driver.Port) {
			p.Addrs = nil
		},
		"port-pairs": func(p *driver.Port) {
			p.AllowedPairs = []driver.AddressPair{{CIDR: netip.MustParsePrefix("10.0.0.0/28")},
				{MAC: "fa:16:3e:00:00:02", CIDR: netip.MustParsePrefix("10.0.0.200/32")},
				{MAC: "fa:16:3e:00:00:02", CIDR: netip.MustParsePrefix("fd00:2::/64")}}
		},
		"port-rules": func(p *driver.Port) {
			p.Rules = []driver.Rule{
				in(driver.IPv4, "tcp", 22, 22),
				in(driver.IPv4, "tcp", 0, 0, "10.0.0.0/8", "10.1.0.0/16", "192.168.0.7/32"),
				in(driver.IPv4, "udp", 1, 65535, "0.0.0.0/0"),
				in(driver.IPv4, "icmp", -1, -1),
				in(driver.IPv4, "icmp", 8, -1),
				in(driver.IPv4, "icmp", 3, 4),
				in(driver.IPv6, "icmp", 128, 0),
				in(driver.IPv6, "ipv6-icmp", -1, -1, "fd00::/64", "10.0.0.0/8"),
				in(driver.IPv6, "tcp", 80, 81, "10.0.0.0/8"), // matches nothing
				in(driver.IPv4, "sctp", 5000, 5010),
				in(driver.IPv4, "112", 0, 0),
				in(driver.IPv4, "esp", 0, 0),
				in(driver.IPv4, "any", 0, 0, "198.51.100.0/24"),
				{Direction: driver.Egress, EtherType: driver.IPv4, Protocol: "tcp", PortMin: 443, PortMax: 443,
					Remote: prefixes("203.0.113.0/24")},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := goldenPort()
			change(&p)
			got, err := portRules("nubo_t", p, 7)
			testx.NoErr(t, err)
			golden(t, name, got, baseRules("nubo_t"))
		})
	}
}

func TestGoldenShared(t *testing.T) {
	t.Parallel()
	golden(t, "shared", baseRules("nubo_t")+networkRules("nubo_t", "brq11111111-22", 3), "")
	golden(t, "masquerade", masqueradeRules("nubo_t_11111111-22", "gw-11111111-22",
		[]netip.Prefix{netip.MustParsePrefix("172.24.4.1/24"), netip.MustParsePrefix("2001:db8::1/64")}), "")
}

func TestGoldenNAT(t *testing.T) {
	t.Parallel()
	r := driver.Router{Interfaces: []driver.RouterPort{{Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}}
	golden(t, "nat-no-gateway", natRules(r), "")
	r.Gateway = &driver.RouterGateway{EnableSNAT: true, RouterPort: driver.RouterPort{PortID: "3f2a1b4c-d5e6-4f70-8192-a3b4c5d6e7f8",
		Addrs: []netip.Prefix{netip.MustParsePrefix("2001:db8::10/64"), netip.MustParsePrefix("172.24.4.10/24")}}}
	golden(t, "nat-gateway", natRules(r), "")
	r.FloatingIPs = []driver.FloatingIP{floating("172.24.4.50", "10.0.0.5"), floating("172.24.4.51", "10.0.0.6")}
	golden(t, "nat-floating", natRules(r), "")
	r.Gateway.EnableSNAT = false
	golden(t, "nat-no-snat", natRules(r), "")
}

func TestBadRules(t *testing.T) {
	t.Parallel()
	good := driver.Rule{Direction: driver.Ingress, EtherType: driver.IPv4, AnyRemote: true}
	for name, change := range map[string]func(*driver.Rule){
		"direction":       func(r *driver.Rule) { r.Direction = "in" },
		"ether type":      func(r *driver.Rule) { r.EtherType = "ARP" },
		"protocol":        func(r *driver.Rule) { r.Protocol = "tcp; accept" },
		"protocol number": func(r *driver.Rule) { r.Protocol = "256" },
		"range":           func(r *driver.Rule) { r.Protocol, r.PortMin, r.PortMax = "tcp", 10, 9 },
		"port":            func(r *driver.Rule) { r.Protocol, r.PortMin, r.PortMax = "udp", 10, 70000 },
		"icmp type":       func(r *driver.Rule) { r.Protocol, r.PortMin, r.PortMax = "icmp", 256, -1 },
	} {
		r := good
		change(&r)
		if _, _, err := ruleMatch(r); err == nil {
			t.Errorf("bad %s: accepted", name)
		}
	}
	if _, ok, err := ruleMatch(good); !ok || err != nil {
		t.Errorf("the good rule: %v, %v", ok, err)
	}
}

// The frame is compared with one written by hand from RFC 826.
func TestAnnouncement(t *testing.T) {
	t.Parallel()
	got := announcement([6]byte{0xfa, 0x16, 0x3e, 1, 2, 3}, [4]byte{172, 24, 4, 50})
	testx.Equal(t, got, []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x16, 0x3e, 1, 2, 3, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1,
		0xfa, 0x16, 0x3e, 1, 2, 3, 172, 24, 4, 50,
		0, 0, 0, 0, 0, 0, 172, 24, 4, 50,
	})
}
