package network

import (
	"context"
	"slices"
)

// InterfaceInfo names a router's interface: by its port, its subnet, or both.
type InterfaceInfo struct{ PortID, SubnetID string }

// Interface is a router's interface as the API tells it.
type Interface struct {
	Router  *Router
	Port    *Port
	Subnets []string
}

// AddInterface connects a router to a subnet, or to a port's network.
func (s *Service) AddInterface(ctx context.Context, routerID string, in InterfaceInfo) (*Interface, error) {
	if (in.PortID == "") == (in.SubnetID == "") {
		if in.PortID == "" {
			return nil, badRequest("router", "Either subnet_id or port_id must be specified")
		}
		return nil, badRequest("router", "Cannot specify both subnet-id and port-id")
	}
	var out *Interface
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		r, err := s.Router(ctx, routerID)
		if err != nil {
			return err
		}
		if err := s.schedule(ctx, c, r); err != nil {
			return err
		}
		var p *Port
		if in.PortID != "" {
			p, err = s.adoptPort(ctx, c, r, in.PortID)
		} else {
			p, err = s.interfacePort(ctx, c, r, in.SubnetID)
		}
		if err != nil {
			return err
		}
		out = &Interface{Router: r, Port: p, Subnets: subnetIDs(p)}
		c.dirty.network(p.NetworkID) // its DHCP leaves metadata to the router now
		c.note("router.interface.create", "router_interface", interfacePayload(out))
		return s.saveRouter(ctx, c, r)
	})
	return out, err
}

// interfacePort makes the port that takes the subnet's gateway address.
func (s *Service) interfacePort(ctx context.Context, c *change, r *Router, subnetID string) (*Port, error) {
	sub, err := s.Subnet(ctx, subnetID)
	if err != nil {
		return nil, err
	}
	if sub.GatewayIP == "" {
		return nil, badRequest("router", "Subnet for router interface must have a gateway IP")
	}
	if err := s.checkInterface(ctx, r, sub); err != nil {
		return nil, err
	}
	p := &Port{
		Base: Base{ProjectID: r.ProjectID}, NetworkID: sub.NetworkID, AdminStateUp: true, HostID: r.Host,
		DeviceOwner: OwnerInterface, DeviceID: r.ID,
	}
	if err := s.charge(ctx, p.ProjectID, "port"); err != nil {
		return nil, err
	}
	return p, s.insertPort(ctx, c, p, &[]FixedIP{{sub.ID, sub.GatewayIP}})
}

// adoptPort makes a port that is not in use the router's.
func (s *Service) adoptPort(ctx context.Context, c *change, r *Router, portID string) (*Port, error) {
	p, err := s.Port(ctx, portID)
	if err != nil {
		return nil, err
	}
	if p.DeviceID != "" {
		return nil, portInUse(p)
	}
	if len(p.FixedIPs) == 0 {
		return nil, badRequest("router", "Router port must have at least one fixed IP")
	}
	for _, f := range p.FixedIPs {
		sub, err := s.store.Subnets().Get(ctx, f.SubnetID)
		if err != nil {
			return nil, err
		}
		if err := s.checkInterface(ctx, r, sub); err != nil {
			return nil, err
		}
	}
	p.DeviceID, p.DeviceOwner, p.HostID = r.ID, OwnerInterface, r.Host
	p.SecurityGroups, p.PortSecurityEnabled, p.AllowedAddressPairs = nil, false, nil
	if err := s.store.SetPortGroups(ctx, p.ID, nil); err != nil {
		return nil, err
	}
	if err := s.bind(ctx, p); err != nil {
		return nil, err
	}
	s.touch(p)
	c.dirty.port(p)
	return p, s.store.Ports().Update(ctx, p)
}

// checkInterface refuses a subnet that the router has, or that overlaps with
// one it has.
func (s *Service) checkInterface(ctx context.Context, r *Router, sub *Subnet) error {
	ports, err := s.routerPorts(ctx, r.ID)
	if err != nil {
		return err
	}
	for _, p := range ports {
		for _, f := range p.FixedIPs {
			if f.SubnetID == sub.ID {
				return badRequest("router", "Router already has a port on subnet %s", sub.ID)
			}
			other, err := s.store.Subnets().Get(ctx, f.SubnetID)
			if err != nil {
				return err
			}
			if other.prefix().Overlaps(sub.prefix()) {
				return badRequest("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", sub.CIDR, sub.ID, other.CIDR, other.ID)
			}
		}
	}
	return nil
}

// RemoveInterface disconnects a router and deletes the interface's port.
func (s *Service) RemoveInterface(ctx context.Context, routerID string, in InterfaceInfo) (*Interface, error) {
	if in.PortID == "" && in.SubnetID == "" {
		return nil, badRequest("router", "Either subnet_id or port_id must be specified")
	}
	var out *Interface
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		r, err := s.Router(ctx, routerID)
		if err != nil {
			return err
		}
		p, err := s.findInterface(ctx, r, in)
		if err != nil {
			return err
		}
		if err := s.checkInterfaceUnused(ctx, r, p); err != nil {
			return err
		}
		if err := s.removePort(ctx, c, p); err != nil {
			return err
		}
		out = &Interface{Router: r, Port: p, Subnets: subnetIDs(p)}
		c.dirty.network(p.NetworkID)
		c.note("router.interface.delete", "router_interface", interfacePayload(out))
		return s.saveRouter(ctx, c, r)
	})
	return out, err
}

func (s *Service) findInterface(ctx context.Context, r *Router, in InterfaceInfo) (*Port, error) {
	ports, err := s.routerPorts(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	ports = slices.DeleteFunc(ports, func(p *Port) bool { return p.DeviceOwner != OwnerInterface })
	if in.PortID != "" {
		i := slices.IndexFunc(ports, func(p *Port) bool { return p.ID == in.PortID })
		if i < 0 {
			return nil, notFound("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", r.ID, in.PortID)
		}
		if in.SubnetID != "" && !slices.Contains(subnetIDs(ports[i]), in.SubnetID) {
			return nil, conflict("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.", in.PortID, in.SubnetID)
		}
		return ports[i], nil
	}
	if _, err := s.Subnet(ctx, in.SubnetID); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(ports, func(p *Port) bool { return slices.Contains(subnetIDs(p), in.SubnetID) })
	if i < 0 {
		return nil, notFound("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", r.ID, in.SubnetID)
	}
	return ports[i], nil
}

// checkInterfaceUnused refuses to cut off the fixed addresses of floating IPs.
func (s *Service) checkInterfaceUnused(ctx context.Context, r *Router, p *Port) error {
	floating, err := s.store.FloatingIPs().List(ctx, Where("router_id", r.ID))
	if err != nil || len(floating) == 0 {
		return err
	}
	ids := []any{}
	for _, f := range floating {
		ids = append(ids, f.PortID)
	}
	users, err := s.store.Ports().List(ctx, Query{All: true}.And("id", ids...))
	if err != nil {
		return err
	}
	for _, f := range floating {
		for _, u := range users {
			for _, x := range u.FixedIPs {
				if u.ID == f.PortID && x.IPAddress == f.FixedIPAddress && slices.Contains(subnetIDs(p), x.SubnetID) {
					return conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", x.SubnetID, r.ID)
				}
			}
		}
	}
	return nil
}

func subnetIDs(p *Port) []string {
	ids := make([]string, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		ids[i] = f.SubnetID
	}
	return ids
}
