package compute

import (
	"context"
	"net/url"
	"slices"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/sdk/network"
)

// Interfaces lists a server's ports.
func (s *Service) Interfaces(ctx context.Context, server *Server) ([]network.Port, error) {
	ports, err := s.network.Ports(ctx, url.Values{"device_id": {server.ID}})
	return ports, peerFault(err, "network", nil)
}

// Interface gives one of a server's ports.
func (s *Service) Interface(ctx context.Context, server *Server, portID string) (*network.Port, error) {
	missing := fault.NotFoundf("Instance %s does not have a port with id %s", server.ID, portID)
	port, err := s.network.Port(ctx, portID)
	if err != nil {
		return nil, peerFault(err, "network", missing)
	}
	if port.DeviceID != server.ID {
		return nil, missing
	}
	return port, nil
}

var interfaceStates = rule{action: "attach_interface", vm: []VMState{Active, Paused, Stopped}, tasks: []TaskState{NoTask}}

// AttachInterface gives a server one more port: one of the caller's, or a
// new one on a network. The answer names it; the guest has it soon after.
func (s *Service) AttachInterface(ctx context.Context, server *Server, n RequestedNetwork) (*network.Port, error) {
	if err := interfaceStates.check(ctx, server); err != nil {
		return nil, err
	}
	port, made, err := s.claimPort(ctx, server, n)
	if err != nil {
		return nil, err
	}
	_, err = s.apply(ctx, server, change{
		rule: interfaceStates, record: "attach_interface", method: MethodAttachInterface,
		args: func(after *Server) any {
			return InterfaceArgs{Server: after, PortID: port.ID, Preserve: !made, Tag: n.Tag}
		},
	})
	if err != nil {
		if back := s.unclaimPort(context.WithoutCancel(ctx), port, made); back != nil {
			s.log.WarnContext(ctx, "a port stays claimed", "port", port.ID, "server", server.ID, "error", back)
		}
		return nil, err
	}
	return port, nil
}

// claimPort makes a port the server's own by its device_id, so that nobody
// else takes it and whoever finds it later knows whose it is.
func (s *Service) claimPort(ctx context.Context, server *Server, n RequestedNetwork) (port *network.Port, made bool, err error) {
	owner := "compute:" + s.cfg.Default.DefaultAvailabilityZone
	if server.AZ != "" {
		owner = "compute:" + server.AZ
	}
	if n.PortID != "" {
		if _, err := s.freePort(ctx, n.PortID); err != nil {
			return nil, false, err
		}
		port, err = s.network.UpdatePort(ctx, n.PortID, network.PortUpdate{DeviceID: &server.ID, DeviceOwner: &owner})
		return port, false, peerFault(err, "network", fault.NotFoundf("Port id %s could not be found.", n.PortID))
	}
	if n.NetworkID == "" {
		c := &creation{}
		if err := s.onlyNetwork(ctx, c); err != nil {
			return nil, false, err
		}
		if len(c.Networks) == 0 {
			return nil, false, fault.Invalidf("No network available to attach an interface to.")
		}
		n.NetworkID = c.Networks[0].NetworkID
	} else {
		found, err := s.network.Networks(ctx, url.Values{"id": {n.NetworkID}})
		if err != nil {
			return nil, false, peerFault(err, "network", nil)
		}
		if len(found) == 0 {
			return nil, false, fault.NotFoundf("Network %s could not be found.", n.NetworkID)
		}
		if err := usable(ctx, &found[0]); err != nil {
			return nil, false, err
		}
	}
	in := network.PortCreate{NetworkID: n.NetworkID, ProjectID: server.ProjectID, DeviceID: server.ID, DeviceOwner: owner}
	if n.FixedIP != "" {
		in.FixedIPs = []network.FixedIP{{IPAddress: n.FixedIP}}
	}
	if auth.From(ctx).ProjectID == server.ProjectID {
		in.ProjectID = "" // only admins may say so, and it is the default
	}
	port, err = s.network.CreatePort(ctx, in)
	return port, true, peerFault(err, "network", fault.NotFoundf("Network %s could not be found.", n.NetworkID))
}

func (s *Service) unclaimPort(ctx context.Context, port *network.Port, made bool) error {
	if made {
		return s.network.DeletePort(ctx, port.ID)
	}
	_, err := s.network.UpdatePort(ctx, port.ID, network.PortUpdate{DeviceID: Ptr(""), DeviceOwner: Ptr("")})
	return err
}

// DetachInterface takes a port from a server. A port the user made is his
// again, any other is deleted.
func (s *Service) DetachInterface(ctx context.Context, server *Server, portID string) error {
	if _, err := s.Interface(ctx, server, portID); err != nil {
		return err
	}
	preserve := slices.ContainsFunc(server.VIFs, func(v VIF) bool { return v.PortID == portID && v.Preserve })
	states := interfaceStates
	states.action = "detach_interface"
	_, err := s.apply(ctx, server, change{
		rule: states, record: "detach_interface", method: MethodDetachInterface,
		args: func(after *Server) any { return InterfaceArgs{Server: after, PortID: portID, Preserve: preserve} },
	})
	return err
}

// ServerSecurityGroups lists the groups of a server's ports.
func (s *Service) ServerSecurityGroups(ctx context.Context, server *Server) ([]network.SecurityGroup, error) {
	ports, err := s.Interfaces(ctx, server)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range ports {
		for _, id := range p.SecurityGroups {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	groups, err := s.network.SecurityGroups(ctx, url.Values{"id": ids})
	return groups, peerFault(err, "network", nil)
}

// AddSecurityGroup puts all of a server's ports into a group.
func (s *Service) AddSecurityGroup(ctx context.Context, server *Server, name string) error {
	return s.changeGroups(ctx, server, name, func(ids []string, id string) ([]string, bool) {
		return append(slices.Clone(ids), id), !slices.Contains(ids, id)
	})
}

// RemoveSecurityGroup takes all of a server's ports out of a group.
func (s *Service) RemoveSecurityGroup(ctx context.Context, server *Server, name string) error {
	return s.changeGroups(ctx, server, name, func(ids []string, id string) ([]string, bool) {
		rest := slices.DeleteFunc(slices.Clone(ids), func(one string) bool { return one == id })
		return rest, len(rest) < len(ids)
	})
}

// changeGroups changes the groups of a server's ports, and then what the
// server shows of them.
func (s *Service) changeGroups(ctx context.Context, server *Server, name string, next func(ids []string, id string) ([]string, bool)) error {
	free := rule{action: "change security groups of", unlaunched: true}
	if err := free.check(ctx, server); err != nil {
		return err
	}
	all, err := s.network.SecurityGroups(ctx, url.Values{"project_id": {server.ProjectID}, "fields": {"id", "name"}})
	if err != nil {
		return peerFault(err, "network", nil)
	}
	group, err := matchGroup(all, name)
	if fault.Is(err, fault.Invalid) {
		return fault.NotFoundf("Security group %s not found for project %s.", name, server.ProjectID)
	}
	if err != nil {
		return err
	}
	ports, err := s.Interfaces(ctx, server)
	if err != nil {
		return err
	}
	changed := false
	var shown []SecurityGroup
	for _, p := range ports {
		ids, differs := next(p.SecurityGroups, group.ID)
		if differs {
			if _, err := s.network.UpdatePort(ctx, p.ID, network.PortUpdate{SecurityGroups: &ids}); err != nil {
				return peerFault(err, "network", nil)
			}
			changed = true
		}
		for _, id := range ids {
			g := byID(all, id, func(g *network.SecurityGroup) string { return g.ID })
			if g != nil && !slices.Contains(shown, SecurityGroup{ID: g.ID, Name: g.Name}) {
				shown = append(shown, SecurityGroup{ID: g.ID, Name: g.Name})
			}
		}
	}
	if !changed {
		return fault.NotFoundf("Security group %s is not associated with the instance %s", name, server.ID)
	}
	return s.set(ctx, server, "", ServerFields{Groups: &shown})
}
