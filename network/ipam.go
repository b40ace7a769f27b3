package network

import (
	"context"
	"net/netip"
	"slices"
)

// probes is how many addresses are drawn at a time: a pool has to be nearly
// full for all of them to be taken.
const probes = 10

// chooseAddresses gives a port the addresses asked for; with nil, one of each
// IP version that its network has.
func (s *Service) chooseAddresses(ctx context.Context, p *Port, asked *[]FixedIP) error {
	if asked != nil && len(*asked) == 0 {
		return nil
	}
	subnets, err := s.store.Subnets().List(ctx, Where("network_id", p.NetworkID).Rows())
	if err != nil {
		return err
	}
	if asked == nil {
		return s.anyAddresses(ctx, p, subnets)
	}
	for _, f := range *asked {
		one, err := s.askedAddress(ctx, p, subnets, f)
		if err != nil {
			return err
		}
		p.FixedIPs = append(p.FixedIPs, one)
	}
	return nil
}

// anyAddresses takes an address of the first subnet of each version that has
// one left, and one of each subnet whose hosts make their address themselves.
func (s *Service) anyAddresses(ctx context.Context, p *Port, subnets []*Subnet) error {
	for _, version := range []int{4, 6} {
		tried, found := false, false
		for _, sub := range subnets {
			if sub.Version != version {
				continue
			}
			if sub.selfConfigured() {
				one, err := s.ownAddress(ctx, p, sub)
				if err != nil {
					return err
				}
				p.FixedIPs = append(p.FixedIPs, one)
				continue
			}
			tried = true
			if found {
				continue
			}
			ip, err := s.freeAddress(ctx, sub, p.FixedIPs)
			if err != nil {
				return err
			}
			if found = ip.IsValid(); found {
				p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip.String()})
			}
		}
		if tried && !found {
			return addressesExhausted(p.NetworkID)
		}
	}
	return nil
}

// ownAddress is the one a host with the port's MAC makes itself.
func (s *Service) ownAddress(ctx context.Context, p *Port, sub *Subnet) (FixedIP, error) {
	ip, err := eui64(sub.prefix(), p.MACAddress)
	if err != nil {
		return FixedIP{}, err
	}
	return FixedIP{sub.ID, ip.String()}, s.checkFree(ctx, sub, ip)
}

// askedAddress serves one entry of fixed_ips.
func (s *Service) askedAddress(ctx context.Context, p *Port, subnets []*Subnet, f FixedIP) (FixedIP, error) {
	var sub *Subnet
	if f.SubnetID != "" {
		i := slices.IndexFunc(subnets, func(x *Subnet) bool { return x.ID == f.SubnetID })
		if i < 0 {
			if _, err := s.Subnet(ctx, f.SubnetID); err != nil {
				return FixedIP{}, err
			}
			return FixedIP{}, invalidInput("Failed to create port on network %s, because fixed_ips included invalid subnet %s", p.NetworkID, f.SubnetID)
		}
		sub = subnets[i]
	}
	if f.IPAddress == "" {
		return s.subnetAddress(ctx, p, sub)
	}
	ip, err := netip.ParseAddr(f.IPAddress)
	if err != nil {
		return FixedIP{}, invalidInput("'%s' is not a valid IP address", f.IPAddress)
	}
	if sub == nil {
		i := slices.IndexFunc(subnets, func(x *Subnet) bool { return x.prefix().Contains(ip) })
		if i < 0 {
			return FixedIP{}, invalid("InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", f.IPAddress)
		}
		sub = subnets[i]
	}
	if !isUsable(sub.prefix(), ip) {
		return FixedIP{}, invalid("InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", f.IPAddress)
	}
	if slices.ContainsFunc(p.FixedIPs, func(x FixedIP) bool { return x.IPAddress == ip.String() }) {
		return FixedIP{}, addressTaken(ip.String(), sub.ID)
	}
	return FixedIP{sub.ID, ip.String()}, s.checkFree(ctx, sub, ip)
}

// subnetAddress takes any address of one subnet.
func (s *Service) subnetAddress(ctx context.Context, p *Port, sub *Subnet) (FixedIP, error) {
	if sub == nil {
		return FixedIP{}, invalidInput("IP allocation requires subnet_id or ip_address")
	}
	if sub.selfConfigured() && !p.isService() {
		return s.ownAddress(ctx, p, sub)
	}
	ip, err := s.freeAddress(ctx, sub, p.FixedIPs)
	if err == nil && !ip.IsValid() {
		err = conflict("IpAddressGenerationFailureForSubnet", "No more IP addresses available on subnet %s.", sub.ID)
	}
	return FixedIP{sub.ID, ip.String()}, err
}

func (s *Service) checkFree(ctx context.Context, sub *Subnet, ip netip.Addr) error {
	taken, err := s.store.AddressesTaken(ctx, sub.ID, []string{ip.String()})
	if err == nil && len(taken) > 0 {
		err = addressTaken(ip.String(), sub.ID)
	}
	return err
}

// firstWindow is how many addresses of a subnet's beginning new ones are drawn
// of, as Neutron does; it grows as the subnet fills.
const firstWindow = 100

// freeAddress draws a free address of the subnet's pools, the zero Addr if
// there is none. mine are being given out in the same transaction.
func (s *Service) freeAddress(ctx context.Context, sub *Subnet, mine []FixedIP) (netip.Addr, error) {
	pools := sub.pools()
	window := uint64(firstWindow)
	if w, ok := s.windows.Load(sub.ID); ok {
		window = w.(uint64)
	}
	drawn := candidates(pools, window)
	texts := make([]string, len(drawn))
	for i, a := range drawn {
		texts[i] = a.String()
	}
	if len(texts) == 0 {
		return netip.Addr{}, nil
	}
	taken, err := s.store.AddressesTaken(ctx, sub.ID, texts)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, f := range mine {
		taken = append(taken, f.IPAddress)
	}
	for i, text := range texts {
		if !slices.Contains(taken, text) {
			return drawn[i], nil
		}
	}
	if window < 1<<62 {
		s.windows.Store(sub.ID, 2*window)
	}
	all, err := s.store.AddressesTaken(ctx, sub.ID, nil)
	if err != nil {
		return netip.Addr{}, err
	}
	set := map[string]bool{}
	for _, text := range append(all, taken...) {
		set[text] = true
	}
	ip, _ := firstFree(pools, set)
	return ip, nil
}
