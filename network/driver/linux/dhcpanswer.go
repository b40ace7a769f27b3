package linux

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"nubo/internal/fault"
	"nubo/network/driver"
)

// leaseTime is Neutron's default, dhcp_lease_duration.
const leaseTime = 24 * time.Hour

// Option 249 is what Windows calls option 121 (classless static routes).
var optionMicrosoftRoutes = dhcpv4.GenericOptionCode(249)

// dhcpConfig is all that answers are made of. It is never changed.
type dhcpConfig struct {
	// leases are by MAC; several where a port has addresses of several subnets.
	leases map[string][]dhcpLease
}

// dhcpLease is the answer to one client.
type dhcpLease struct {
	addr    netip.Addr
	server  netip.Addr
	options []dhcpv4.Option
}

// newDHCPConfig works out every client's answer.
func newDHCPConfig(n driver.Network) (*dhcpConfig, error) {
	c := &dhcpConfig{leases: map[string][]dhcpLease{}}
	for _, l := range n.DHCP.Leases {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return nil, fault.Invalidf("network %s: the lease of %s: %v", n.ID, l.Addr, err)
		}
		subnet, err := leaseSubnet(n, l)
		if err != nil {
			return nil, err
		}
		server, ok := serverIn(n, subnet)
		if !l.Addr.Is4() || !subnet.EnableDHCP || !ok {
			continue
		}
		lease := dhcpLease{addr: l.Addr, server: server, options: leaseOptions(n, subnet, l, server)}
		c.leases[mac.String()] = append(c.leases[mac.String()], lease)
	}
	for _, leases := range c.leases {
		slices.SortFunc(leases, func(a, b dhcpLease) int { return a.addr.Compare(b.addr) })
	}
	return c, nil
}

// serverIn is the DHCP port's address in a subnet.
func serverIn(n driver.Network, subnet driver.Subnet) (netip.Addr, bool) {
	for _, p := range n.DHCP.Addrs {
		if p.Addr().Is4() && subnet.CIDR.Contains(p.Addr()) {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// leaseOptions are the options of one client's offers and acknowledgements.
func leaseOptions(n driver.Network, subnet driver.Subnet, l driver.Lease, server netip.Addr) []dhcpv4.Option {
	mask := net.CIDRMask(subnet.CIDR.Bits(), 32)
	options := []dhcpv4.Option{dhcpv4.OptSubnetMask(mask), dhcpv4.OptIPAddressLeaseTime(leaseTime)}
	if subnet.Gateway.Is4() {
		options = append(options, dhcpv4.OptRouter(subnet.Gateway.AsSlice()))
	}
	var dns []net.IP
	for _, a := range subnet.DNSNameservers {
		if a.Is4() {
			dns = append(dns, a.AsSlice())
		}
	}
	if len(dns) > 0 {
		options = append(options, dhcpv4.OptDNS(dns...))
	}
	if n.MTU > 0 && n.MTU <= 65535 {
		options = append(options, dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(n.MTU >> 8), byte(n.MTU)}))
	}
	host, domain, _ := strings.Cut(l.Hostname, ".")
	if host != "" && len(host) < 256 {
		options = append(options, dhcpv4.OptHostName(host))
	}
	if domain != "" && len(domain) < 256 {
		options = append(options, dhcpv4.OptDomainName(domain))
	}
	if routes := leaseRoutes(n, subnet, server); len(routes) > 0 {
		option := dhcpv4.OptClasslessStaticRoute(routes...)
		options = append(options, option, dhcpv4.OptGeneric(optionMicrosoftRoutes, option.Value.ToBytes()))
	}
	return options
}

// leaseRoutes are the classless static routes. A client that gets any ignores
// the router option (RFC 3442), so the default route is among them.
func leaseRoutes(n driver.Network, subnet driver.Subnet, server netip.Addr) []*dhcpv4.Route {
	var routes []*dhcpv4.Route
	add := func(to netip.Prefix, via netip.Addr) {
		routes = append(routes, &dhcpv4.Route{Dest: ipNet(to), Router: via.AsSlice()})
	}
	hasDefault := false
	for _, r := range subnet.HostRoutes {
		if r.Destination.Addr().Is4() && r.NextHop.Is4() {
			hasDefault = hasDefault || r.Destination.Bits() == 0
			add(r.Destination.Masked(), r.NextHop)
		}
	}
	if n.DHCP.Metadata {
		add(netip.PrefixFrom(metadataAddr, 32), server)
	}
	if len(routes) > 0 && !hasDefault && subnet.Gateway.Is4() {
		add(netip.PrefixFrom(netip.IPv4Unspecified(), 0), subnet.Gateway)
	}
	return routes
}

// answerBytes answers a datagram; nil is silence. Guests send anything.
func (c *dhcpConfig) answerBytes(datagram []byte) *dhcpv4.DHCPv4 {
	request, err := dhcpv4.FromBytes(datagram)
	if err != nil {
		return nil
	}
	return c.answer(request)
}

// answer follows RFC 2131, section 4.3. Clients without a lease are not
// answered: another server of the network may know them.
func (c *dhcpConfig) answer(request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	if request.OpCode != dhcpv4.OpcodeBootRequest || len(request.ClientHWAddr) != 6 {
		return nil
	}
	leases := c.leases[request.ClientHWAddr.String()]
	if len(leases) == 0 {
		return nil
	}
	wanted := wantedAddr(request)
	lease, found := leases[0], false
	for _, l := range leases {
		if l.addr == wanted {
			lease, found = l, true
		}
	}
	switch request.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return reply(request, lease, dhcpv4.MessageTypeOffer)
	case dhcpv4.MessageTypeRequest:
		if id := request.ServerIdentifier(); id != nil && !id.IsUnspecified() &&
			!slices.ContainsFunc(leases, func(l dhcpLease) bool { return id.Equal(l.server.AsSlice()) }) {
			return nil // the client chose another server
		}
		if !found {
			return reply(request, lease, dhcpv4.MessageTypeNak)
		}
		return reply(request, lease, dhcpv4.MessageTypeAck)
	case dhcpv4.MessageTypeInform:
		return reply(request, lease, dhcpv4.MessageTypeAck)
	}
	return nil
}

// wantedAddr is the address that the client asks for or says it has.
func wantedAddr(request *dhcpv4.DHCPv4) netip.Addr {
	ip := cmp.Or(string(request.RequestedIPAddress().To4()), string(request.ClientIPAddr.To4()))
	addr, _ := netip.AddrFromSlice([]byte(ip))
	return addr
}

// reply makes an answer. A refusal carries no address, and the answer to
// INFORM no lease.
func reply(request *dhcpv4.DHCPv4, lease dhcpLease, kind dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	answer, err := dhcpv4.NewReplyFromRequest(request, dhcpv4.WithMessageType(kind),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(lease.server.AsSlice())))
	if err != nil {
		return nil
	}
	if kind == dhcpv4.MessageTypeNak {
		answer.SetBroadcast()
		return answer
	}
	answer.ServerIPAddr = lease.server.AsSlice()
	for _, o := range lease.options {
		answer.UpdateOption(o)
	}
	if request.MessageType() == dhcpv4.MessageTypeInform {
		answer.Options.Del(dhcpv4.OptionIPAddressLeaseTime)
		answer.ClientIPAddr = request.ClientIPAddr
		return answer
	}
	answer.YourIPAddr = lease.addr.AsSlice()
	return answer
}
