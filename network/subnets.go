package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nubo/internal/auth"
)

// IPv6 address modes.
const (
	ModeSLAAC           = "slaac"
	ModeDHCPv6Stateless = "dhcpv6-stateless"
	ModeDHCPv6Stateful  = "dhcpv6-stateful"
)

// Subnet is a block of addresses of a network.
type Subnet struct {
	Base
	Name            string
	NetworkID       string
	Version         int // 4 or 6
	CIDR            string
	GatewayIP       string // "" for none
	EnableDHCP      bool
	AllocationPools []AllocationPool
	DNSNameservers  []string
	HostRoutes      []Route
	AddressMode     string
	RAMode          string
	Shared          bool `bun:"-"` // its network is
}

// AllocationPool is a range of addresses that ports get theirs from.
type AllocationPool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Route is a static route.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// SubnetCreate is what a new subnet is asked to be.
type SubnetCreate struct {
	Subnet
	// NoGateway asks for none; without it and with no GatewayIP it is the
	// block's first address.
	NoGateway bool
}

// SubnetUpdate is what changes of a subnet. A GatewayIP of "" removes it.
type SubnetUpdate struct {
	Name, Description, GatewayIP *string
	EnableDHCP                   *bool
	AllocationPools              *[]AllocationPool
	DNSNameservers               *[]string
	HostRoutes                   *[]Route
}

// prefix gives the block; what is stored is valid.
func (s *Subnet) prefix() netip.Prefix {
	p, _ := netip.ParsePrefix(s.CIDR)
	return p
}

// gateway is the gateway's address, invalid if there is none.
func (s *Subnet) gateway() netip.Addr {
	a, _ := netip.ParseAddr(s.GatewayIP)
	return a
}

// selfConfigured reports whether hosts make their address themselves.
func (s *Subnet) selfConfigured() bool {
	return s.AddressMode == ModeSLAAC || s.AddressMode == ModeDHCPv6Stateless
}

func (s *Subnet) pools() []pool {
	var out []pool
	for _, p := range s.AllocationPools {
		first, err1 := netip.ParseAddr(p.Start)
		last, err2 := netip.ParseAddr(p.End)
		if err1 == nil && err2 == nil {
			out = append(out, pool{first, last})
		}
	}
	return out
}

// Subnet gives a subnet the caller may see: an own one, or one of an own or
// shared network.
func (s *Service) Subnet(ctx context.Context, id string) (*Subnet, error) {
	sub, err := s.store.Subnets().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if owns(ctx, sub.ProjectID) || sub.Shared {
		return sub, nil
	}
	if owner, err := s.NetworkProject(ctx, sub.NetworkID); err != nil || !owns(ctx, owner) {
		return nil, SubnetNotFound(id)
	}
	return sub, nil
}

// Subnets lists the subnets the caller may see.
func (s *Service) Subnets(ctx context.Context, q Query) ([]*Subnet, error) {
	return s.store.Subnets().List(ctx, q)
}

// CreateSubnets makes subnets, all or none. The caller must have been allowed
// to make one on each network.
func (s *Service) CreateSubnets(ctx context.Context, in []SubnetCreate) ([]*Subnet, error) {
	var out []*Subnet
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		out = nil
		for _, one := range in {
			sub, err := s.createSubnet(ctx, c, one)
			if err != nil {
				return err
			}
			out = append(out, sub)
		}
		return nil
	})
	return out, err
}

func (s *Service) createSubnet(ctx context.Context, c *change, in SubnetCreate) (*Subnet, error) {
	sub := in.Subnet
	n, err := s.Network(ctx, sub.NetworkID)
	if err != nil {
		return nil, err
	}
	s.begin(ctx, &sub)
	sub.Shared = n.Shared
	if err := s.charge(ctx, sub.ProjectID, "subnet"); err != nil {
		return nil, err
	}
	if err := checkSubnet(&sub, in.NoGateway); err != nil {
		return nil, err
	}
	others, err := s.store.Subnets().List(ctx, Where("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o.prefix().Overlaps(sub.prefix()) {
			return nil, invalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet", sub.CIDR, n.ID)
		}
	}
	if err := s.store.Subnets().Create(ctx, &sub); err != nil {
		return nil, err
	}
	if err := s.serveDHCP(ctx, c, n); err != nil {
		return nil, err
	}
	c.dirty.network(n.ID)
	c.note("subnet.create.end", "subnet", subnetPayload(&sub))
	return &sub, nil
}

// checkSubnet checks a new subnet and fills in what it leaves open.
func checkSubnet(sub *Subnet, noGateway bool) error {
	p, err := netip.ParsePrefix(sub.CIDR)
	if err != nil {
		return invalidInput("'%s' is not a valid IP subnet", sub.CIDR)
	}
	if p.Addr().Is4() != (sub.Version == 4) {
		return invalidInput("cidr '%s' does not match the ip_version '%d'", sub.CIDR, sub.Version)
	}
	if p.Bits() == 0 {
		return invalidInput("0 is not allowed as CIDR prefix length")
	}
	p = p.Masked()
	sub.CIDR = p.String()
	if err := checkModes(sub, p); err != nil {
		return err
	}
	if sub.GatewayIP == "" && !noGateway {
		sub.GatewayIP = defaultGateway(p).String()
	}
	if err := checkGateway(sub, p); err != nil {
		return err
	}
	if len(sub.AllocationPools) == 0 {
		for _, q := range defaultPools(p, sub.gateway()) {
			sub.AllocationPools = append(sub.AllocationPools, AllocationPool{q.first.String(), q.last.String()})
		}
	}
	if err := checkPools(sub, p); err != nil {
		return err
	}
	return checkHostConfig(sub)
}

// defaultGateway is a block's first address.
func defaultGateway(p netip.Prefix) netip.Addr {
	first, _ := usable(p)
	return first
}

func checkModes(sub *Subnet, p netip.Prefix) error {
	if sub.AddressMode == "" && sub.RAMode == "" {
		return nil
	}
	if sub.Version == 4 {
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4")
	}
	if !sub.EnableDHCP {
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	}
	if sub.AddressMode != "" && sub.RAMode != "" && sub.AddressMode != sub.RAMode {
		return invalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value", sub.RAMode, sub.AddressMode)
	}
	if sub.selfConfigured() && p.Bits() != 64 {
		return invalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", sub.CIDR)
	}
	return nil
}

// checkGateway also puts the address into its canonical form.
func checkGateway(sub *Subnet, p netip.Prefix) error {
	if sub.GatewayIP == "" {
		return nil
	}
	gw, err := netip.ParseAddr(sub.GatewayIP)
	if err != nil || gw.Is4() != p.Addr().Is4() {
		return invalidInput("gateway_ip '%s' does not match the ip_version '%d'", sub.GatewayIP, sub.Version)
	}
	sub.GatewayIP = gw.String()
	if !isUsable(p, gw) && !gw.IsLinkLocalUnicast() {
		return invalidInput("Gateway is not valid on subnet")
	}
	return nil
}

// checkPools also puts the pools into their canonical form and order.
func checkPools(sub *Subnet, p netip.Prefix) error {
	first, last := usable(p)
	var parsed []pool
	for i, one := range sub.AllocationPools {
		text := one.Start + "-" + one.End
		a, err1 := netip.ParseAddr(one.Start)
		b, err2 := netip.ParseAddr(one.End)
		if err1 != nil || err2 != nil || a.Is4() != p.Addr().Is4() || b.Is4() != p.Addr().Is4() || b.Less(a) {
			return invalid("InvalidAllocationPool", "The allocation pool %s is not valid.", text)
		}
		if a.Less(first) || last.Less(b) {
			return invalid("OutOfBoundsAllocationPool", "The allocation pool %s spans beyond the subnet cidr %s.", text, sub.CIDR)
		}
		q := pool{a, b}
		if gw := sub.gateway(); gw.IsValid() && q.contains(gw) {
			return conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s.", gw, text)
		}
		for _, o := range parsed {
			if o.contains(a) || q.contains(o.first) {
				return conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s %s for subnet %s.", o.first, o.last, text, sub.CIDR)
			}
		}
		parsed = append(parsed, q)
		sub.AllocationPools[i] = AllocationPool{a.String(), b.String()}
	}
	return nil
}

// checkHostConfig checks what DHCP tells hosts.
func checkHostConfig(sub *Subnet) error {
	for i, d := range sub.DNSNameservers {
		a, err := netip.ParseAddr(d)
		if err != nil {
			return invalidInput("Invalid input for dns_nameservers. Reason: '%s' is not a valid nameserver", d)
		}
		if slices.Contains(sub.DNSNameservers[:i], d) {
			return invalidInput("Duplicate nameserver '%s'", d)
		}
		sub.DNSNameservers[i] = a.String()
	}
	for i, r := range sub.HostRoutes {
		dst, err1 := netip.ParsePrefix(r.Destination)
		hop, err2 := netip.ParseAddr(r.NextHop)
		if err1 != nil || err2 != nil || dst.Addr().Is4() != hop.Is4() || hop.Is4() != (sub.Version == 4) {
			return invalidInput("Invalid route: %s via %s", r.Destination, r.NextHop)
		}
		sub.HostRoutes[i] = Route{dst.Masked().String(), hop.String()}
	}
	return nil
}

// UpdateSubnet changes a subnet.
func (s *Service) UpdateSubnet(ctx context.Context, id string, u SubnetUpdate) (*Subnet, error) {
	var out *Subnet
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		sub, err := s.Subnet(ctx, id)
		if err != nil {
			return err
		}
		if u.GatewayIP != nil && *u.GatewayIP != sub.GatewayIP {
			if err := s.checkGatewayFree(ctx, sub); err != nil {
				return err
			}
		}
		set(&sub.Name, u.Name)
		set(&sub.Description, u.Description)
		set(&sub.GatewayIP, u.GatewayIP)
		set(&sub.EnableDHCP, u.EnableDHCP)
		set(&sub.AllocationPools, u.AllocationPools)
		set(&sub.DNSNameservers, u.DNSNameservers)
		set(&sub.HostRoutes, u.HostRoutes)
		p := sub.prefix()
		for _, check := range []func() error{
			func() error { return checkGateway(sub, p) }, func() error { return checkPools(sub, p) }, func() error { return checkHostConfig(sub) },
		} {
			if err := check(); err != nil {
				return err
			}
		}
		s.touch(sub)
		if err := s.store.Subnets().Update(ctx, sub); err != nil {
			return err
		}
		n, err := s.store.Networks().Get(ctx, sub.NetworkID)
		if err != nil {
			return err
		}
		if err := s.serveDHCP(ctx, c, n); err != nil {
			return err
		}
		c.dirty.network(sub.NetworkID)
		c.note("subnet.update.end", "subnet", subnetPayload(sub))
		out = sub
		return nil
	})
	return out, err
}

// checkGatewayFree refuses to move a gateway that a router has taken.
func (s *Service) checkGatewayFree(ctx context.Context, sub *Subnet) error {
	if sub.GatewayIP == "" {
		return nil
	}
	holders, err := s.store.Ports().List(ctx, Where("subnet_id", sub.ID).And("ip_address", sub.GatewayIP).And("device_owner", OwnerInterface))
	if err != nil || len(holders) == 0 {
		return err
	}
	return conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", sub.GatewayIP, holders[0].ID)
}

// DeleteSubnet deletes a subnet that no port but DHCP's has an address of.
func (s *Service) DeleteSubnet(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		sub, err := s.Subnet(ctx, id)
		if err != nil {
			return err
		}
		ports, err := s.store.Ports().List(ctx, Where("subnet_id", id))
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.DeviceOwner != OwnerDHCP {
				return subnetInUse(id)
			}
		}
		for _, p := range ports {
			rest := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool { return f.SubnetID == id })
			if err := s.store.SetAddresses(ctx, p.ID, rest); err != nil {
				return err
			}
		}
		if err := s.store.Subnets().Delete(ctx, id); err != nil {
			return err
		}
		n, err := s.store.Networks().Get(ctx, sub.NetworkID)
		if err != nil {
			return err
		}
		if err := s.serveDHCP(ctx, c, n); err != nil {
			return err
		}
		c.dirty.network(sub.NetworkID)
		c.note("subnet.delete.end", "subnet", subnetPayload(sub))
		return nil
	})
}

// SubnetsOf lists all subnets of a network.
func (s *Service) SubnetsOf(ctx context.Context, networkID string) ([]*Subnet, error) {
	subs, err := s.store.Subnets().List(auth.Admin(ctx), Where("network_id", networkID))
	if err != nil {
		return nil, fmt.Errorf("subnets of network %s: %w", networkID, err)
	}
	return subs, nil
}
