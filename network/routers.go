package network

import (
	"context"
	"net/netip"
	"slices"
)

// Router connects subnets to each other and to an external network.
type Router struct {
	Base
	Name              string
	AdminStateUp      bool
	Status            string
	Host              string // whose agent runs it, "" for none yet
	GatewayPortID     string
	ExternalNetworkID string
	EnableSNAT        bool
	Routes            []Route
	GatewayIPs        []FixedIP `bun:"-"` // the gateway port's
}

// Gateway is a router's way out, as asked for.
type Gateway struct {
	NetworkID  string
	EnableSNAT *bool
	FixedIPs   []FixedIP
}

// RouterUpdate is what changes of a router. A Gateway without a network
// removes it.
type RouterUpdate struct {
	Name, Description *string
	AdminStateUp      *bool
	Routes            *[]Route
	Gateway           *Gateway
}

// Router gives a router of the caller's.
func (s *Service) Router(ctx context.Context, id string) (*Router, error) {
	return get(ctx, s.store.Routers(), id, RouterNotFound)
}

// Routers lists the caller's routers.
func (s *Service) Routers(ctx context.Context, q Query) ([]*Router, error) {
	return s.store.Routers().List(ctx, q)
}

// CreateRouter makes a router, with a gateway if one is asked for.
func (s *Service) CreateRouter(ctx context.Context, in Router, gw *Gateway) (*Router, error) {
	var out *Router
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		r := in
		s.begin(ctx, &r)
		if err := s.charge(ctx, r.ProjectID, "router"); err != nil {
			return err
		}
		r.Status, r.EnableSNAT = StatusActive, true
		if err := s.store.Routers().Create(ctx, &r); err != nil {
			return err
		}
		if gw != nil && gw.NetworkID != "" {
			if err := s.setGateway(ctx, c, &r, *gw); err != nil {
				return err
			}
			if err := s.saveRouter(ctx, c, &r); err != nil {
				return err
			}
		}
		c.note("router.create.end", "router", routerPayload(&r))
		out = &r
		return nil
	})
	return out, err
}

// UpdateRouter changes a router.
func (s *Service) UpdateRouter(ctx context.Context, id string, u RouterUpdate) (*Router, error) {
	var out *Router
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		r, err := s.Router(ctx, id)
		if err != nil {
			return err
		}
		set(&r.Name, u.Name)
		set(&r.Description, u.Description)
		set(&r.AdminStateUp, u.AdminStateUp)
		if u.Routes != nil {
			if err := s.checkRoutes(ctx, r, *u.Routes); err != nil {
				return err
			}
			r.Routes = *u.Routes
		}
		if u.Gateway != nil {
			if err := s.setGateway(ctx, c, r, *u.Gateway); err != nil {
				return err
			}
		}
		c.note("router.update.end", "router", routerPayload(r))
		out = r
		return s.saveRouter(ctx, c, r)
	})
	return out, err
}

// saveRouter writes a changed router and tells its host.
func (s *Service) saveRouter(ctx context.Context, c *change, r *Router) error {
	s.touch(r)
	if err := s.store.Routers().Update(ctx, r); err != nil {
		return err
	}
	c.dirty.router(r.Host, r.ID)
	return nil
}

// checkRoutes refuses routes whose next hop no interface reaches.
func (s *Service) checkRoutes(ctx context.Context, r *Router, routes []Route) error {
	ports, err := s.routerPorts(ctx, r.ID)
	if err != nil {
		return err
	}
	var near []netip.Prefix
	for _, p := range ports {
		for _, f := range p.FixedIPs {
			sub, err := s.store.Subnets().Get(ctx, f.SubnetID)
			if err != nil {
				return err
			}
			near = append(near, sub.prefix())
		}
	}
	for i, route := range routes {
		dst, err1 := netip.ParsePrefix(route.Destination)
		hop, err2 := netip.ParseAddr(route.NextHop)
		if err1 != nil || err2 != nil || dst.Addr().Is4() != hop.Is4() {
			return invalidInput("Invalid route: %s via %s", route.Destination, route.NextHop)
		}
		routes[i] = Route{dst.Masked().String(), hop.String()}
		if slices.Contains(routes[:i], routes[i]) {
			return invalidInput("Duplicate route: %s via %s", route.Destination, route.NextHop)
		}
		if !slices.ContainsFunc(near, func(p netip.Prefix) bool { return p.Contains(hop) }) {
			return invalid("InvalidRoutes", "Invalid format for routes: [{'destination': '%s', 'nexthop': '%s'}], the nexthop is not connected with router.", route.Destination, route.NextHop)
		}
	}
	return nil
}

// routerPorts lists a router's interfaces and its gateway.
func (s *Service) routerPorts(ctx context.Context, id string) ([]*Port, error) {
	return s.store.Ports().List(ctx, Where("device_id", id).And("device_owner", OwnerInterface, OwnerGateway))
}

// setGateway gives a router another way out, or none. The caller saves it.
func (s *Service) setGateway(ctx context.Context, c *change, r *Router, gw Gateway) error {
	if gw.EnableSNAT != nil {
		r.EnableSNAT = *gw.EnableSNAT
	}
	if gw.NetworkID == r.ExternalNetworkID && len(gw.FixedIPs) == 0 {
		return nil
	}
	if r.GatewayPortID != "" {
		if gw.NetworkID != r.ExternalNetworkID {
			if err := s.checkGatewayUnused(ctx, r); err != nil {
				return err
			}
		}
		p, err := s.store.Ports().Get(ctx, r.GatewayPortID)
		if err != nil {
			return err
		}
		if err := s.removePort(ctx, c, p); err != nil {
			return err
		}
		r.GatewayPortID, r.ExternalNetworkID, r.GatewayIPs = "", "", nil
	}
	if gw.NetworkID == "" {
		r.EnableSNAT = true
		return nil
	}
	n, err := s.Network(ctx, gw.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		return badRequest("router", "Network %s is not an external network", n.ID)
	}
	if err := s.schedule(ctx, c, r); err != nil {
		return err
	}
	p := &Port{NetworkID: n.ID, AdminStateUp: true, HostID: r.Host, DeviceOwner: OwnerGateway, DeviceID: r.ID}
	var asked *[]FixedIP
	if len(gw.FixedIPs) > 0 {
		asked = &gw.FixedIPs
	}
	if err := s.insertPort(ctx, c, p, asked); err != nil {
		return err
	}
	if len(p.FixedIPs) == 0 {
		return badRequest("router", "No IPs available for external network %s", n.ID)
	}
	r.GatewayPortID, r.ExternalNetworkID, r.GatewayIPs = p.ID, n.ID, p.FixedIPs
	return nil
}

// checkGatewayUnused refuses to take a gateway from under floating IPs.
func (s *Service) checkGatewayUnused(ctx context.Context, r *Router) error {
	used, err := s.store.FloatingIPs().List(ctx, Where("router_id", r.ID))
	if err != nil || len(used) == 0 {
		return err
	}
	return conflict("RouterExternalGatewayInUseByFloatingIp", "Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", r.ID, r.ExternalNetworkID)
}

// schedule gives a router a host, with the ports it has already. It is kept
// as long as the router is.
func (s *Service) schedule(ctx context.Context, c *change, r *Router) error {
	if r.Host != "" {
		return nil
	}
	host, err := s.pickHost(ctx, BinaryL3, "routers")
	if err != nil || host == "" {
		return err
	}
	r.Host = host
	ports, err := s.routerPorts(ctx, r.ID)
	if err != nil {
		return err
	}
	for _, p := range ports {
		p.HostID = host
		if err := s.bind(ctx, p); err != nil {
			return err
		}
		s.touch(p)
		if err := s.store.Ports().Update(ctx, p); err != nil {
			return err
		}
		c.dirty.port(p)
	}
	return s.saveRouter(ctx, c, r)
}

// DeleteRouter deletes a router without interfaces and floating IPs.
func (s *Service) DeleteRouter(ctx context.Context, id string) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		r, err := s.Router(ctx, id)
		if err != nil {
			return err
		}
		ports, err := s.routerPorts(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(ports, func(p *Port) bool { return p.DeviceOwner == OwnerInterface }) {
			return conflict("RouterInUse", "Router %s still has ports", id)
		}
		if err := s.checkGatewayUnused(ctx, r); err != nil {
			return err
		}
		for _, p := range ports {
			if err := s.removePort(ctx, c, p); err != nil {
				return err
			}
		}
		if err := s.store.Routers().Delete(ctx, id); err != nil {
			return err
		}
		c.dirty.router(r.Host, id)
		c.note("router.delete.end", "router", routerPayload(r))
		return nil
	})
}
