package network

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
)

// HostState gives the desired state of a host's objects.
func (s *Service) HostState(ctx context.Context, in StateArgs) (*HostState, error) {
	out := &HostState{}
	var err error
	networks, routers := in.Networks, in.Routers
	if in.All {
		if networks, err = s.store.HostNetworks(ctx, in.Host); err != nil {
			return nil, err
		}
	}
	if len(networks) > 0 {
		if out.Networks, err = s.networkStates(ctx, in, networks); err != nil {
			return nil, err
		}
	}
	if in.All || len(in.Ports)+len(in.Groups)+len(in.Addresses) > 0 {
		if err := s.portStates(ctx, in, out); err != nil {
			return nil, err
		}
	}
	if in.All || len(routers) > 0 {
		q := Where("host", in.Host)
		if !in.All {
			q = q.And("id", anys(routers)...)
		}
		if out.Routers, err = s.routerStates(ctx, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// networkStates gives those of the networks that the host takes part in.
func (s *Service) networkStates(ctx context.Context, in StateArgs, ids []string) ([]NetworkState, error) {
	present, err := s.store.NetworkHosts(ctx, ids)
	if err != nil {
		return nil, err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(present[id], in.Host) })
	if len(ids) == 0 {
		return nil, nil
	}
	networks, err := s.store.Networks().List(ctx, Where("id", ids...).Rows())
	if err != nil {
		return nil, err
	}
	subnets, err := s.store.Subnets().List(ctx, Where("network_id", ids...).Rows())
	if err != nil {
		return nil, err
	}
	dhcp, err := s.store.DHCPHosts(ctx, ids)
	if err != nil {
		return nil, err
	}
	tunnels, err := s.store.Tunnels(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]NetworkState, len(networks))
	for i, n := range networks {
		st := NetworkState{ID: n.ID, Type: n.NetworkType, SegmentationID: n.SegmentationID, PhysicalNetwork: n.PhysicalNetwork, MTU: n.MTU}
		mine := slices.DeleteFunc(slices.Clone(subnets), func(sub *Subnet) bool { return sub.NetworkID != n.ID })
		for _, sub := range mine {
			st.Subnets = append(st.Subnets, subnetState(sub))
		}
		peers := peerHosts(n, in.Host, present[n.ID], tunnels)
		serves := dhcp[n.ID] == in.Host
		if serves || len(peers) > 0 || n.External {
			ports, err := s.members(ctx, n.ID, in.Version)
			if err != nil {
				return nil, err
			}
			describeMembers(&st, n, mine, ports, peers, serves)
		}
		out[i] = st
	}
	return out, nil
}

// peerHosts are the tunnel addresses of the other hosts of a VXLAN network,
// if this host has one as well.
func peerHosts(n *Network, host string, hosts []string, tunnels map[string]string) map[string]netip.Addr {
	peers := map[string]netip.Addr{}
	if n.NetworkType != TypeVXLAN || tunnels[host] == "" {
		return peers
	}
	for _, h := range hosts {
		if a, err := netip.ParseAddr(tunnels[h]); err == nil && h != host {
			peers[h] = a
		}
	}
	return peers
}

func subnetState(sub *Subnet) SubnetState {
	st := SubnetState{ID: sub.ID, CIDR: sub.prefix(), Gateway: sub.gateway(), EnableDHCP: sub.EnableDHCP}
	for _, d := range sub.DNSNameservers {
		if a, err := netip.ParseAddr(d); err == nil {
			st.DNS = append(st.DNS, a)
		}
	}
	st.Routes = routeStates(sub.HostRoutes)
	return st
}

func routeStates(routes []Route) []RouteState {
	var out []RouteState
	for _, r := range routes {
		dst, err1 := netip.ParsePrefix(r.Destination)
		hop, err2 := netip.ParseAddr(r.NextHop)
		if err1 == nil && err2 == nil {
			out = append(out, RouteState{dst, hop})
		}
	}
	return out
}

// describeMembers adds what a host has to know of a network's ports.
func describeMembers(st *NetworkState, n *Network, subnets []*Subnet, ports []*Port, peers map[string]netip.Addr, serves bool) {
	for _, a := range peers {
		st.Peers = append(st.Peers, a)
	}
	slices.SortFunc(st.Peers, netip.Addr.Compare)
	taken := map[string]bool{}
	var own *Port
	var leases []LeaseState
	for _, p := range ports {
		if a, ok := peers[p.HostID]; ok {
			st.Remote = append(st.Remote, RemoteState{p.MACAddress, a})
		}
		for _, f := range p.FixedIPs {
			taken[f.IPAddress] = true
		}
		if p.DeviceOwner == OwnerDHCP {
			own = p
			continue
		}
		if serves {
			leases = append(leases, portLeases(p, subnets)...)
		}
	}
	if serves && own != nil {
		// Metadata is served beside DHCP also where there is a router, as with
		// Neutron's force_metadata: a guest keeps the route it once got when a
		// router comes or goes.
		st.DHCP = &DHCPState{PortID: own.ID, MAC: own.MACAddress, Addrs: prefixes(own, subnets), Leases: leases, Metadata: true, Down: own.Status != StatusActive}
	}
	if !n.External || n.NetworkType != TypeFlat {
		return
	}
	for _, sub := range subnets {
		if gw := sub.gateway(); gw.IsValid() && !taken[sub.GatewayIP] {
			st.HostAddrs = append(st.HostAddrs, netip.PrefixFrom(gw, sub.prefix().Bits()))
		}
	}
}

// portLeases are the addresses DHCP gives to a port.
func portLeases(p *Port, subnets []*Subnet) []LeaseState {
	var out []LeaseState
	for _, f := range p.FixedIPs {
		a, err := netip.ParseAddr(f.IPAddress)
		i := slices.IndexFunc(subnets, func(sub *Subnet) bool { return sub.ID == f.SubnetID })
		if err == nil && a.Is4() && i >= 0 && subnets[i].EnableDHCP {
			out = append(out, LeaseState{MAC: p.MACAddress, Addr: a, SubnetID: f.SubnetID, Hostname: p.DNSName})
		}
	}
	return out
}

// prefixes are a port's addresses with the lengths of their subnets.
func prefixes(p *Port, subnets []*Subnet) []netip.Prefix {
	var out []netip.Prefix
	for _, f := range p.FixedIPs {
		a, err := netip.ParseAddr(f.IPAddress)
		i := slices.IndexFunc(subnets, func(sub *Subnet) bool { return sub.ID == f.SubnetID })
		if err == nil && i >= 0 {
			out = append(out, netip.PrefixFrom(a, subnets[i].prefix().Bits()))
		}
	}
	return out
}

// portStates adds ports with their rules, and the addresses that rules need.
func (s *Service) portStates(ctx context.Context, in StateArgs, out *HostState) error {
	var ports []*Port
	if in.All || len(in.Ports)+len(in.Groups) > 0 {
		var err error
		if ports, err = s.store.HostPorts(ctx, in.Host, in.Ports, in.Groups); err != nil {
			return err
		}
	}
	var groups, networks []string
	for _, p := range ports {
		groups, networks = append(groups, p.SecurityGroups...), append(networks, p.NetworkID)
	}
	rules, err := s.rulesOf(ctx, groups)
	if err != nil {
		return err
	}
	mtus, err := s.mtus(ctx, networks)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	mark(&wanted, in.Addresses...)
	for _, p := range ports {
		st := portState(p, mtus[p.NetworkID])
		for _, g := range p.SecurityGroups {
			for _, r := range rules[g] {
				st.Rules = append(st.Rules, r)
				if r.RemoteGroup != "" && (in.All || len(in.Groups) > 0) {
					wanted[r.RemoteGroup] = true
				}
			}
		}
		out.Ports = append(out.Ports, st)
	}
	if len(wanted) > 0 {
		out.Groups, err = s.addressesOf(ctx, keys(wanted), in.Version)
	}
	return err
}

func portState(p *Port, mtu int) PortState {
	st := PortState{
		ID: p.ID, NetworkID: p.NetworkID, MAC: p.MACAddress, MTU: mtu, Secure: p.PortSecurityEnabled,
		AdminStateUp: p.AdminStateUp, Down: p.Status != StatusActive,
	}
	for _, f := range p.FixedIPs {
		if a, err := netip.ParseAddr(f.IPAddress); err == nil {
			st.Addrs = append(st.Addrs, a)
		}
	}
	for _, pair := range p.AllowedAddressPairs {
		c, err := netip.ParsePrefix(pair.IPAddress)
		if a, err2 := netip.ParseAddr(pair.IPAddress); err2 == nil {
			c, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err == nil {
			st.AllowedPairs = append(st.AllowedPairs, PairState{pair.MACAddress, c})
		}
	}
	return st
}

// rulesOf gives the rules of groups, by group, in a fixed order.
func (s *Service) rulesOf(ctx context.Context, groups []string) (map[string][]RuleState, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	slices.Sort(groups)
	rules, err := s.store.Rules().List(ctx, Where("security_group_id", slices.Compact(groups)...))
	if err != nil {
		return nil, err
	}
	out := map[string][]RuleState{}
	for _, r := range rules {
		out[r.SecurityGroupID] = append(out[r.SecurityGroupID], ruleState(r))
	}
	return out, nil
}

func ruleState(r *SecurityGroupRule) RuleState {
	st := RuleState{Direction: r.Direction, EtherType: r.EtherType, Protocol: driverProtocol(r), PortMin: r.PortRangeMin, PortMax: r.PortRangeMax, RemoteGroup: r.RemoteGroupID}
	// For ICMP, where 0 is a type and a code, any is -1.
	if n := r.number(); n == protoICMP || n == protoICMPv6 {
		if !r.HasMin {
			st.PortMin = -1
		}
		if !r.HasMax {
			st.PortMax = -1
		}
	}
	st.Remote, _ = netip.ParsePrefix(r.RemoteIPPrefix) // "" is the zero prefix: any
	return st
}

// driverProtocol is a rule's protocol as drivers know it: four names, else a
// number.
func driverProtocol(r *SecurityGroupRule) string {
	switch n := r.number(); n {
	case -1:
		return ""
	case protoICMP:
		return "icmp"
	case protoTCP:
		return "tcp"
	case protoUDP:
		return "udp"
	case protoICMPv6:
		return "ipv6-icmp"
	default:
		return strconv.Itoa(n)
	}
}

func (s *Service) mtus(ctx context.Context, networks []string) (map[string]int, error) {
	if len(networks) == 0 {
		return nil, nil
	}
	slices.Sort(networks)
	list, err := s.store.Networks().List(ctx, Where("id", slices.Compact(networks)...).Rows())
	out := map[string]int{}
	for _, n := range list {
		out[n.ID] = n.MTU
	}
	return out, err
}

// routerStates gives the routers with all that is on them.
func (s *Service) routerStates(ctx context.Context, q Query) ([]RouterState, error) {
	routers, err := s.store.Routers().List(ctx, q)
	if err != nil || len(routers) == 0 {
		return nil, err
	}
	var ids, networks []string
	for _, r := range routers {
		ids = append(ids, r.ID)
	}
	ports, err := s.store.Ports().List(ctx, Where("device_id", ids...).And("device_owner", OwnerInterface, OwnerGateway))
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		networks = append(networks, p.NetworkID)
	}
	mtus, err := s.mtus(ctx, networks)
	if err != nil {
		return nil, err
	}
	subnets, err := s.store.Subnets().List(ctx, Where("network_id", networks...).Rows())
	if err != nil {
		return nil, err
	}
	floating, err := s.store.FloatingIPs().List(ctx, Where("router_id", ids...))
	if err != nil {
		return nil, err
	}
	out := make([]RouterState, len(routers))
	for i, r := range routers {
		st := RouterState{ID: r.ID, AdminStateUp: r.AdminStateUp, EnableSNAT: r.EnableSNAT, Routes: routeStates(r.Routes)}
		for _, p := range ports {
			if p.DeviceID == r.ID {
				st.addPort(p, mtus[p.NetworkID], subnets)
			}
		}
		for _, f := range floating {
			a, err1 := netip.ParseAddr(f.FloatingIPAddress)
			b, err2 := netip.ParseAddr(f.FixedIPAddress)
			if f.RouterID == r.ID && err1 == nil && err2 == nil {
				st.FloatingIPs = append(st.FloatingIPs, FloatingIPState{f.ID, a, b, f.Status != StatusActive})
			}
		}
		out[i] = st
	}
	return out, nil
}

// addPort adds an interface, or the gateway with its next hops.
func (st *RouterState) addPort(p *Port, mtu int, subnets []*Subnet) {
	rp := RouterPortState{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MACAddress, Addrs: prefixes(p, subnets), MTU: mtu, Down: p.Status != StatusActive}
	if p.DeviceOwner == OwnerInterface {
		st.Interfaces = append(st.Interfaces, rp)
		return
	}
	st.Gateway = &rp
	for _, f := range p.FixedIPs {
		for _, sub := range subnets {
			if sub.ID == f.SubnetID && sub.gateway().IsValid() {
				st.NextHops = append(st.NextHops, sub.gateway())
			}
		}
	}
}
