package linux

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"

	"nubo/network/driver"
)

// routerTable is the one table in a router's namespace.
const routerTable = "nubo"

// natRules replaces the router's translation in one transaction.
//
// A floating IP is translated both ways. What leaves by the gateway without
// one takes the gateway's address. The same address hides a guest that calls
// a floating IP of its own router's networks, because the answer would else
// go around the translation. Nobody outside reaches the metadata address.
func natRules(r driver.Router) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table ip %[1]s\ndelete table ip %[1]s\n", routerTable)
	if r.Gateway == nil {
		return b.String()
	}
	var dnat, snat []string
	for _, f := range r.FloatingIPs {
		dnat = append(dnat, fmt.Sprintf("%s : %s", f.Floating, f.Fixed))
		snat = append(snat, fmt.Sprintf("%s : %s", f.Fixed, f.Floating))
	}
	gw := gatewayName(r.Gateway.PortID)
	fmt.Fprintf(&b, "table ip %s {\n", routerTable)
	fmt.Fprintf(&b, "\tmap floating {\n\t\ttype ipv4_addr : ipv4_addr\n%s\t}\n", elements(dnat))
	fmt.Fprintf(&b, "\tmap fixed {\n\t\ttype ipv4_addr : ipv4_addr\n%s\t}\n", elements(snat))
	b.WriteString("\tchain prerouting {\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n" +
		"\t\tdnat to ip daddr map @floating\n\t}\n")
	b.WriteString("\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n")
	fmt.Fprintf(&b, "\t\toifname %q snat to ip saddr map @fixed\n", gw)
	if addr, ok := firstIPv4(r.Gateway.Addrs); ok && r.Gateway.EnableSNAT {
		fmt.Fprintf(&b, "\t\toifname %q snat to %s\n", gw, addr)
		fmt.Fprintf(&b, "\t\tiifname != %q ct status dnat snat to %s\n", gw, addr)
	}
	b.WriteString("\t}\n")
	fmt.Fprintf(&b, "\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n"+
		"\t\tiifname %q ip daddr %s drop\n\t}\n}\n", gw, metadataAddr)
	return b.String()
}

func elements(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "\t\telements = { " + strings.Join(list, ", ") + " }\n"
}

func firstIPv4(prefixes []netip.Prefix) (netip.Addr, bool) {
	for _, p := range prefixes {
		if p.Addr().Is4() {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// translations are the router's address translations, by address. It picks
// the tracked connections that contradict them.
type translations struct {
	fixed, floating map[netip.Addr]netip.Addr
	gateway         netip.Addr
}

func newTranslations(r driver.Router) translations {
	t := translations{fixed: map[netip.Addr]netip.Addr{}, floating: map[netip.Addr]netip.Addr{}}
	for _, f := range r.FloatingIPs {
		t.fixed[f.Floating], t.floating[f.Fixed] = f.Fixed, f.Floating
	}
	if r.Gateway != nil && r.Gateway.EnableSNAT {
		t.gateway, _ = firstIPv4(r.Gateway.Addrs)
	}
	return t
}

// MatchConntrackFlow tells whether the connection is translated otherwise than
// a new one would be. One that was hidden behind the gateway before its source
// got a floating IP goes on.
func (t translations) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	source, to := unmapped(flow.Forward.SrcIP), unmapped(flow.Forward.DstIP)
	answering, answered := unmapped(flow.Reverse.SrcIP), unmapped(flow.Reverse.DstIP)
	if answering != to && answering != t.fixed[to] {
		return true
	}
	return answered != source && answered != t.floating[source] && answered != t.gateway
}

func unmapped(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
