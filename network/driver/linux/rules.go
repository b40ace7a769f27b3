package linux

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nubo/internal/fault"
	"nubo/network/driver"
)

// baseRules is what all ports share. It is loaded at every Setup: adding what
// is there is nothing to nft, and the base chains are refilled in the same
// transaction.
//
// The chain input keeps guests off the host's own addresses: a bridge of ours
// hands nothing up to the host.
func baseRules(table string) string {
	return strings.ReplaceAll(`add table bridge TABLE
add map bridge TABLE from { type ifname : verdict; }
add map bridge TABLE to { type ifname : mark; }
add chain bridge TABLE prerouting { type filter hook prerouting priority -310; policy accept; }
add chain bridge TABLE forward { type filter hook forward priority -10; policy accept; }
flush chain bridge TABLE prerouting
flush chain bridge TABLE forward
add rule bridge TABLE prerouting iifname vmap @from
add rule bridge TABLE forward ether type { ip, ip6 } meta mark set oifname map @to
add table inet TABLE
add set inet TABLE bridges { type ifname; }
add map inet TABLE zones { typeof iifname : ct zone; }
add map inet TABLE egress { type mark : verdict; }
add map inet TABLE ingress { type mark : verdict; }
add chain inet TABLE zone { type filter hook prerouting priority raw; policy accept; }
add chain inet TABLE prerouting { type filter hook prerouting priority filter; policy accept; }
add chain inet TABLE forward { type filter hook forward priority filter; policy accept; }
add chain inet TABLE input { type filter hook input priority filter; policy accept; }
add chain inet TABLE admit
flush chain inet TABLE zone
flush chain inet TABLE prerouting
flush chain inet TABLE forward
flush chain inet TABLE input
flush chain inet TABLE admit
add rule inet TABLE zone ct zone set iifname map @zones
add rule inet TABLE prerouting iifname @bridges meta mark vmap @egress
add rule inet TABLE forward oifname @bridges meta mark vmap @ingress
add rule inet TABLE forward iifname @bridges oifname != @bridges drop
add rule inet TABLE input iifname @bridges drop
add rule inet TABLE admit meta mark set 0 accept
`, "TABLE", table)
}

// networkRules puts a bridge under the rules, with its conntrack zone.
func networkRules(table, bridge string, zone uint32) string {
	return fmt.Sprintf(`add element inet %[1]s bridges { %[2]q }
add element inet %[1]s zones { %[2]q : %[3]d }
`, table, bridge, zone)
}

func dropNetworkRules(table, bridge string) string {
	return fmt.Sprintf(`delete element inet %[1]s bridges { %[2]q }
delete element inet %[1]s zones { %[2]q }
`, table, bridge)
}

// portRules replaces all rules of one port in one transaction.
func portRules(table string, p driver.Port, mark uint32) (string, error) {
	var from, out, in chain
	if err := spoofRules(&from, p, mark); err != nil {
		return "", err
	}
	const tracked = "ct state vmap { established : goto admit, related : goto admit, invalid : drop }"
	// Neighbour discovery and multicast listening are IPv6's ARP and IGMP:
	// never subject to the rules. Advertisements of routers reach guests,
	// but spoofRules let none out.
	out.add(tracked)
	out.add("icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } goto admit")
	in.add(tracked)
	in.add("udp sport 67 udp dport 68 goto admit")
	in.add("udp sport 547 udp dport 546 goto admit")
	in.add("icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } goto admit")
	for _, r := range p.Rules {
		match, ok, err := ruleMatch(r)
		if err != nil {
			return "", fmt.Errorf("rules of port %s: %w", p.ID, err)
		}
		if !ok {
			continue
		}
		if r.Direction == driver.Egress {
			out.add(match + "goto admit")
		} else {
			in.add(match + "goto admit")
		}
	}
	out.add("drop")
	in.add("drop")

	var b strings.Builder
	for _, c := range [][2]string{{"bridge", "from-"}, {"inet", "out-"}, {"inet", "in-"}} {
		fmt.Fprintf(&b, "add chain %[1]s %[2]s %[3]s%[4]s\nflush chain %[1]s %[2]s %[3]s%[4]s\n", c[0], table, c[1], p.Device)
	}
	fmt.Fprintf(&b, "table bridge %s {\n%s}\n", table, from.text("from-"+p.Device))
	fmt.Fprintf(&b, "table inet %s {\n%s%s}\n", table, out.text("out-"+p.Device), in.text("in-"+p.Device))
	fmt.Fprintf(&b, `add element inet %[1]s egress { %[3]d : goto out-%[2]s }
add element inet %[1]s ingress { %[3]d : goto in-%[2]s }
add element bridge %[1]s to { %[2]q : %[3]d }
add element bridge %[1]s from { %[2]q : goto from-%[2]s }
`, table, p.Device, mark)
	return b.String(), nil
}

// dropPortRules removes a port's rules: then everything passes.
func dropPortRules(table, device string, mark uint32) string {
	return fmt.Sprintf(`delete element bridge %[1]s from { %[2]q }
delete element bridge %[1]s to { %[2]q }
delete element inet %[1]s egress { %[3]d }
delete element inet %[1]s ingress { %[3]d }
flush chain bridge %[1]s from-%[2]s
flush chain inet %[1]s out-%[2]s
flush chain inet %[1]s in-%[2]s
delete chain bridge %[1]s from-%[2]s
delete chain inet %[1]s out-%[2]s
delete chain inet %[1]s in-%[2]s
`, table, device, mark)
}

// chain collects rules.
type chain []string

func (c *chain) add(rule string) { *c = append(*c, rule) }

func (c chain) text(name string) string {
	return "\tchain " + name + " {\n\t\t" + strings.Join(c, "\n\t\t") + "\n\t}\n"
}

// spoofRules admits what the port may send by its addresses, marked so that
// the port's egress rules are asked, and drops the rest. ARP, neighbour
// discovery for oneself and DHCP requests are admitted without asking.
func spoofRules(c *chain, p driver.Port, mark uint32) error {
	own, err := net.ParseMAC(p.MAC)
	if err != nil {
		return fault.Invalidf("port %s has no valid MAC address: %q", p.ID, p.MAC)
	}
	sources := map[string][]netip.Prefix{own.String(): nil}
	for _, a := range p.Addrs {
		sources[own.String()] = append(sources[own.String()], netip.PrefixFrom(a, a.BitLen()))
	}
	for _, pair := range p.AllowedPairs {
		mac := own
		if pair.MAC != "" {
			if mac, err = net.ParseMAC(pair.MAC); err != nil {
				return fault.Invalidf("allowed address pair of port %s: %q is no MAC address", p.ID, pair.MAC)
			}
		}
		sources[mac.String()] = append(sources[mac.String()], pair.CIDR)
	}
	c.add("udp sport 67 udp dport 68 drop")
	c.add("udp sport 547 udp dport 546 drop")
	c.add("icmpv6 type { nd-router-advert, nd-redirect } drop")
	for _, mac := range sortedKeys(sources) {
		hw, _ := net.ParseMAC(mac)
		v4 := family(sources[mac], driver.IPv4)
		local := linkLocal(hw)
		v6 := append(family(sources[mac], driver.IPv6), netip.PrefixFrom(local, 128))
		ether := "ether saddr " + mac + " "
		unspecified4 := netip.PrefixFrom(netip.IPv4Unspecified(), 32)
		c.add(ether + "arp saddr ether " + mac + " arp saddr ip " + set(append(slices.Clone(v4), unspecified4)) + " accept")
		c.add(ether + "ip saddr " + set(append(slices.Clone(v4), unspecified4)) + " udp sport 68 udp dport 67 accept")
		if len(v4) > 0 {
			c.add(ether + "ip saddr " + set(v4) + markAccept(mark))
		}
		c.add(ether + "ip6 saddr :: icmpv6 type { nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept")
		if targets, ok := advertised(v6); ok {
			c.add(ether + "icmpv6 type nd-neighbor-advert @th,64,128 != " + targets + " drop")
		}
		c.add(ether + "ip6 saddr " + local.String() + " udp sport 546 udp dport 547 accept")
		c.add(ether + "ip6 saddr " + set(v6) + markAccept(mark))
	}
	c.add("drop")
	return nil
}

func markAccept(mark uint32) string { return fmt.Sprintf(" meta mark set %d accept", mark) }

// advertised is the set of addresses that a neighbour advertisement may
// claim. ok is false where a whole prefix may be claimed: raw payload, which
// the target is to this nft, matches single values only.
func advertised(prefixes []netip.Prefix) (targets string, ok bool) {
	var raw []string
	for _, p := range prefixes {
		if !p.IsSingleIP() {
			return "", false
		}
		raw = append(raw, fmt.Sprintf("0x%x", p.Addr().As16()))
	}
	return "{ " + strings.Join(raw, ", ") + " }", true
}

// linkLocal is the address that IPv6 makes of a MAC (RFC 4291, appendix A).
func linkLocal(mac net.HardwareAddr) netip.Addr {
	a := [16]byte{0: 0xfe, 1: 0x80, 11: 0xff, 12: 0xfe}
	if len(mac) == 6 {
		copy(a[8:], mac[:3])
		copy(a[13:], mac[3:])
		a[8] ^= 2
	}
	return netip.AddrFrom16(a)
}

// ruleMatch renders the condition of a security group rule, with a trailing
// blank. ok is false if the rule can match nothing.
func ruleMatch(r driver.Rule) (match string, ok bool, err error) {
	if r.Direction != driver.Ingress && r.Direction != driver.Egress {
		return "", false, fault.Invalidf("direction %q is neither ingress nor egress", r.Direction)
	}
	ip, protocols := "ip", "ipv4"
	switch r.EtherType {
	case driver.IPv4:
	case driver.IPv6:
		ip, protocols = "ip6", "ipv6"
	default:
		return "", false, fault.Invalidf("ether type %q is neither IPv4 nor IPv6", r.EtherType)
	}
	proto, err := protocolMatch(r)
	if err != nil {
		return "", false, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "meta nfproto %s ", protocols)
	if !r.AnyRemote {
		remote := family(r.Remote, r.EtherType)
		if len(remote) == 0 {
			return "", false, nil
		}
		if remote[0].Bits() > 0 { // else it is everything
			side := "saddr"
			if r.Direction == driver.Egress {
				side = "daddr"
			}
			fmt.Fprintf(&b, "%s %s %s ", ip, side, set(remote))
		}
	}
	return b.String() + proto, true, nil
}

// protocolNames are the names Neutron knows beside numbers.
var protocolNames = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2,
	"ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59,
	"ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132,
	"tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

// protocolMatch renders protocol, ports, and ICMP type and code.
func protocolMatch(r driver.Rule) (string, error) {
	if r.Protocol == "" || r.Protocol == "any" {
		return "", nil
	}
	number, known := protocolNames[r.Protocol]
	if !known {
		n, err := strconv.ParseUint(r.Protocol, 10, 8)
		if err != nil {
			return "", fault.Invalidf("unknown protocol %q", r.Protocol)
		}
		number = int(n)
	}
	if number == 1 && r.EtherType == driver.IPv6 {
		number = 58 // Neutron takes icmp to mean the ether type's own
	}
	match := fmt.Sprintf("meta l4proto %d ", number)
	switch number {
	case 1, 58:
		if r.PortMin < 0 {
			return match, nil
		}
		if r.PortMin > 255 || r.PortMax > 255 {
			return "", fault.Invalidf("ICMP type %d, code %d: over 255", r.PortMin, r.PortMax)
		}
		name := map[int]string{1: "icmp", 58: "icmpv6"}[number]
		match += fmt.Sprintf("%s type %d ", name, r.PortMin)
		if r.PortMax >= 0 {
			match += fmt.Sprintf("%s code %d ", name, r.PortMax)
		}
	case 6, 17, 33, 132, 136:
		if r.PortMin <= 0 {
			return match, nil
		}
		if r.PortMax < r.PortMin || r.PortMax > 65535 {
			return "", fault.Invalidf("port range %d to %d", r.PortMin, r.PortMax)
		}
		match += fmt.Sprintf("th dport %d-%d ", r.PortMin, r.PortMax)
	}
	return match, nil
}

// family keeps the prefixes of an ether type, sorted, without those inside
// another: nft refuses sets whose elements overlap.
func family(prefixes []netip.Prefix, etherType string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range prefixes {
		if p.IsValid() && p.Addr().Unmap().Is4() == (etherType == driver.IPv4) {
			if p.Addr().Is4In6() {
				p = netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0))
			}
			all = append(all, p.Masked())
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var kept []netip.Prefix
	for _, p := range all {
		// Prefixes nest or are disjoint, so only the last kept can hold p.
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// set renders an nft set of prefixes of one family.
func set(prefixes []netip.Prefix) string {
	var b strings.Builder
	b.WriteString("{ ")
	for i, p := range family(prefixes, etherTypeOf(prefixes)) {
		if i > 0 {
			b.WriteString(", ")
		}
		if p.IsSingleIP() {
			b.WriteString(p.Addr().String())
		} else {
			b.WriteString(p.String())
		}
	}
	b.WriteString(" }")
	return b.String()
}

func etherTypeOf(prefixes []netip.Prefix) string {
	if len(prefixes) > 0 && prefixes[0].Addr().Unmap().Is4() {
		return driver.IPv4
	}
	return driver.IPv6
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
