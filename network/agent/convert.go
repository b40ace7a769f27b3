package agent

import (
	"net/netip"

	"nubo/network"
	"nubo/network/driver"
)

// What the plugin says becomes what the driver is told.

func toNetwork(s network.NetworkState) driver.Network {
	n := driver.Network{
		ID: s.ID, Type: s.Type, SegmentationID: s.SegmentationID, PhysicalNetwork: s.PhysicalNetwork, MTU: s.MTU,
		Peers: s.Peers, HostAddrs: s.HostAddrs,
	}
	for _, sub := range s.Subnets {
		n.Subnets = append(n.Subnets, driver.Subnet{
			ID: sub.ID, CIDR: sub.CIDR, Gateway: sub.Gateway, DNSNameservers: sub.DNS, HostRoutes: toRoutes(sub.Routes), EnableDHCP: sub.EnableDHCP,
		})
	}
	for _, r := range s.Remote {
		n.Remote = append(n.Remote, driver.RemotePort(r))
	}
	if d := s.DHCP; d != nil {
		n.DHCP = &driver.DHCP{PortID: d.PortID, MAC: d.MAC, Addrs: d.Addrs, Metadata: d.Metadata}
		for _, l := range d.Leases {
			n.DHCP.Leases = append(n.DHCP.Leases, driver.Lease(l))
		}
	}
	return n
}

func toRoutes(routes []network.RouteState) []driver.Route {
	var out []driver.Route
	for _, r := range routes {
		out = append(out, driver.Route(r))
	}
	return out
}

// tapName is the name of a port's interface, Neutron's.
func tapName(portID string) string { return "tap" + portID[:min(11, len(portID))] }

// members are the addresses of a security group's ports. They are many, and
// in the rules of many ports, which share them: nobody writes to them.
type members struct{ v4, v6 []netip.Prefix }

func toMembers(addrs []netip.Prefix) (m members) {
	for _, p := range addrs {
		if p.Addr().Is4() {
			m.v4 = append(m.v4, p)
		} else {
			m.v6 = append(m.v6, p)
		}
	}
	return m
}

// toPort puts the groups' addresses in the place of their names.
func toPort(s network.PortState, groups map[string]members) driver.Port {
	p := driver.Port{
		ID: s.ID, NetworkID: s.NetworkID, Device: tapName(s.ID), MAC: s.MAC, Addrs: s.Addrs, MTU: s.MTU, Secure: s.Secure, AdminStateUp: s.AdminStateUp,
	}
	for _, pair := range s.AllowedPairs {
		p.AllowedPairs = append(p.AllowedPairs, driver.AddressPair(pair))
	}
	for _, r := range s.Rules {
		p.Rules = append(p.Rules, toRule(r, groups))
	}
	return p
}

func toRule(r network.RuleState, groups map[string]members) driver.Rule {
	rule := driver.Rule{Direction: r.Direction, EtherType: r.EtherType, Protocol: r.Protocol, PortMin: r.PortMin, PortMax: r.PortMax}
	switch {
	case r.RemoteGroup != "" && r.EtherType == driver.IPv4:
		rule.Remote = groups[r.RemoteGroup].v4
	case r.RemoteGroup != "":
		rule.Remote = groups[r.RemoteGroup].v6
	case r.Remote.IsValid():
		rule.Remote = []netip.Prefix{r.Remote}
	default:
		rule.AnyRemote = true
	}
	return rule
}

func toRouter(s network.RouterState) driver.Router {
	r := driver.Router{ID: s.ID, AdminStateUp: s.AdminStateUp, Routes: toRoutes(s.Routes)}
	for _, i := range s.Interfaces {
		r.Interfaces = append(r.Interfaces, toRouterPort(i))
	}
	if s.Gateway != nil {
		r.Gateway = &driver.RouterGateway{RouterPort: toRouterPort(*s.Gateway), NextHops: s.NextHops, EnableSNAT: s.EnableSNAT}
	}
	for _, f := range s.FloatingIPs {
		r.FloatingIPs = append(r.FloatingIPs, driver.FloatingIP{ID: f.ID, Floating: f.Floating, Fixed: f.Fixed})
	}
	return r
}

func toRouterPort(p network.RouterPortState) driver.RouterPort {
	return driver.RouterPort{PortID: p.PortID, NetworkID: p.NetworkID, MAC: p.MAC, Addrs: p.Addrs, MTU: p.MTU}
}
