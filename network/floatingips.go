package network

import (
	"context"
	"net/netip"
	"slices"
)

// FloatingIP is an address of an external network that stands for a port's
// fixed address.
type FloatingIP struct {
	Base
	FloatingNetworkID string
	FloatingIPAddress string
	FloatingPortID    string // the port that holds the address
	PortID            string // "" while it stands for none; so are these two
	FixedIPAddress    string
	RouterID          string
	Status            string
}

// FloatingIPCreate is what a new floating IP is asked to be.
type FloatingIPCreate struct {
	FloatingIP
	SubnetID string
}

// FloatingIPUpdate is what changes of a floating IP. A PortID of "" takes it
// from its port.
type FloatingIPUpdate struct {
	Description            *string
	PortID, FixedIPAddress *string
}

// FloatingIP gives a floating IP of the caller's.
func (s *Service) FloatingIP(ctx context.Context, id string) (*FloatingIP, error) {
	return get(ctx, s.store.FloatingIPs(), id, FloatingIPNotFound)
}

// FloatingIPs lists the caller's floating IPs.
func (s *Service) FloatingIPs(ctx context.Context, q Query) ([]*FloatingIP, error) {
	return s.store.FloatingIPs().List(ctx, q)
}

// CreateFloatingIP allocates a floating IP and associates it if asked to.
func (s *Service) CreateFloatingIP(ctx context.Context, in FloatingIPCreate) (*FloatingIP, error) {
	var out *FloatingIP
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		f := in.FloatingIP
		n, err := s.Network(ctx, f.FloatingNetworkID)
		if err != nil {
			return err
		}
		if !n.External {
			return badRequest("floatingip", "Network %s is not a valid external network", n.ID)
		}
		s.begin(ctx, &f)
		if err := s.charge(ctx, f.ProjectID, "floatingip"); err != nil {
			return err
		}
		p := &Port{NetworkID: n.ID, AdminStateUp: true, DeviceOwner: OwnerFloatingIP, DeviceID: f.ID}
		if err := s.insertPort(ctx, c, p, floatingAddress(f.FloatingIPAddress, in.SubnetID)); err != nil {
			return err
		}
		i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { a, err := netip.ParseAddr(x.IPAddress); return err == nil && a.Is4() })
		if i < 0 {
			return invalid("ExternalIpAddressExhausted", "Unable to find any IP address on external network %s.", n.ID)
		}
		f.FloatingIPAddress, f.FloatingPortID, f.Status = p.FixedIPs[i].IPAddress, p.ID, StatusDown
		port, fixed := f.PortID, f.FixedIPAddress
		f.PortID, f.FixedIPAddress = "", ""
		if port != "" {
			if err := s.associate(ctx, c, &f, port, fixed); err != nil {
				return err
			}
		}
		if err := s.store.FloatingIPs().Create(ctx, &f); err != nil {
			return err
		}
		c.note("floatingip.create.end", "floatingip", floatingIPPayload(&f))
		out = &f
		return nil
	})
	return out, err
}

// floatingAddress is what is asked of the external network's addresses.
func floatingAddress(ip, subnet string) *[]FixedIP {
	if ip == "" && subnet == "" {
		return nil
	}
	return &[]FixedIP{{SubnetID: subnet, IPAddress: ip}}
}

// associate makes a floating IP stand for a port's address. The caller saves
// it.
func (s *Service) associate(ctx context.Context, c *change, f *FloatingIP, portID, fixed string) error {
	p, err := s.Port(ctx, portID)
	if err != nil {
		return err
	}
	at, err := fixedFor(p, fixed)
	if err != nil {
		return err
	}
	rivals, err := s.store.FloatingIPs().List(ctx, Where("port_id", p.ID).And("fixed_ip_address", at.IPAddress))
	if err != nil {
		return err
	}
	for _, o := range rivals {
		if o.ID != f.ID && o.FloatingNetworkID == f.FloatingNetworkID {
			return conflict("FloatingIPPortAlreadyAssociated", "Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
				f.FloatingIPAddress, f.FloatingPortID, p.ID, at.IPAddress, f.FloatingNetworkID)
		}
	}
	r, err := s.routerFor(ctx, f, p, at)
	if err != nil {
		return err
	}
	f.PortID, f.FixedIPAddress, f.RouterID, f.Status = p.ID, at.IPAddress, r.ID, StatusDown
	c.dirty.router(r.Host, r.ID)
	if p.isCompute() {
		c.event("network-changed", p)
	}
	return nil
}

// fixedFor finds which of the port's addresses is meant.
func fixedFor(p *Port, fixed string) (FixedIP, error) {
	var four []FixedIP
	for _, x := range p.FixedIPs {
		if a, err := netip.ParseAddr(x.IPAddress); err == nil && a.Is4() {
			four = append(four, x)
		}
	}
	switch {
	case fixed != "":
		i := slices.IndexFunc(p.FixedIPs, func(x FixedIP) bool { return x.IPAddress == fixed })
		if i < 0 {
			return FixedIP{}, badRequest("floatingip", "Port %s does not have fixed ip %s", p.ID, fixed)
		}
		return p.FixedIPs[i], nil
	case len(four) == 0:
		return FixedIP{}, badRequest("floatingip", "Cannot add floating IP to port %s that has no fixed IPv4 addresses", p.ID)
	case len(four) > 1:
		return FixedIP{}, badRequest("floatingip", "Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", p.ID)
	}
	return four[0], nil
}

// routerFor finds the router that joins the fixed address's subnet to the
// floating IP's network.
func (s *Service) routerFor(ctx context.Context, f *FloatingIP, p *Port, at FixedIP) (*Router, error) {
	interfaces, err := s.store.Ports().List(ctx, Where("network_id", p.NetworkID).And("device_owner", OwnerInterface))
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if !slices.Contains(subnetIDs(i), at.SubnetID) {
			continue
		}
		r, err := s.store.Routers().Get(ctx, i.DeviceID)
		if err != nil {
			return nil, err
		}
		if r.ExternalNetworkID == f.FloatingNetworkID {
			return r, nil
		}
	}
	return nil, notFound("ExternalGatewayForFloatingIPNotFound", "External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
		f.FloatingNetworkID, at.SubnetID, p.ID)
}

// UpdateFloatingIP associates a floating IP with a port, or with none.
func (s *Service) UpdateFloatingIP(ctx context.Context, id string, u FloatingIPUpdate) (*FloatingIP, error) {
	var out *FloatingIP
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		f, err := s.FloatingIP(ctx, id)
		if err != nil {
			return err
		}
		u := u // the transaction may run again
		set(&f.Description, u.Description)
		if u.PortID == nil && u.FixedIPAddress != nil {
			if f.PortID == "" {
				return badRequest("floatingip", "fixed_ip_address cannot be specified without a port_id")
			}
			u.PortID = &f.PortID
		}
		if u.PortID != nil {
			port := *u.PortID
			if err := s.disassociate(ctx, c, f); err != nil {
				return err
			}
			if port != "" {
				fixed := ""
				set(&fixed, u.FixedIPAddress)
				if err := s.associate(ctx, c, f, port, fixed); err != nil {
					return err
				}
			}
		}
		s.touch(f)
		c.note("floatingip.update.end", "floatingip", floatingIPPayload(f))
		out = f
		return s.store.FloatingIPs().Update(ctx, f)
	})
	return out, err
}

// disassociate takes a floating IP from its port. The caller saves it.
func (s *Service) disassociate(ctx context.Context, c *change, f *FloatingIP) error {
	if f.PortID == "" {
		return nil
	}
	if p, err := s.store.Ports().Get(ctx, f.PortID); err == nil && p.isCompute() {
		c.event("network-changed", p)
	}
	if r, err := s.store.Routers().Get(ctx, f.RouterID); err == nil {
		c.dirty.router(r.Host, r.ID)
	}
	f.PortID, f.FixedIPAddress, f.RouterID, f.Status = "", "", "", StatusDown
	return nil
}

// disassociatePort takes all floating IPs from a port that goes away.
func (s *Service) disassociatePort(ctx context.Context, c *change, p *Port) error {
	floating, err := s.store.FloatingIPs().List(ctx, Where("port_id", p.ID))
	if err != nil {
		return err
	}
	for _, f := range floating {
		r, err := s.store.Routers().Get(ctx, f.RouterID)
		if err != nil {
			return err
		}
		c.dirty.router(r.Host, r.ID)
		f.PortID, f.FixedIPAddress, f.RouterID, f.Status = "", "", "", StatusDown
		s.touch(f)
		if err := s.store.FloatingIPs().Update(ctx, f); err != nil {
			return err
		}
		c.note("floatingip.update.end", "floatingip", floatingIPPayload(f))
	}
	return nil
}

// DeleteFloatingIP gives a floating IP back to its network.
func (s *Service) DeleteFloatingIP(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		f, err := s.FloatingIP(ctx, id)
		if err != nil {
			return err
		}
		gone := *f
		if err := s.disassociate(ctx, c, f); err != nil {
			return err
		}
		if err := s.store.FloatingIPs().Delete(ctx, id); err != nil {
			return err
		}
		p, err := s.store.Ports().Get(ctx, f.FloatingPortID)
		if err != nil {
			return err
		}
		c.note("floatingip.delete.end", "floatingip", floatingIPPayload(&gone))
		return s.removePort(ctx, c, p)
	})
}
