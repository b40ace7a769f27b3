package network

import (
	"context"
	"maps"
	"slices"
	"time"
)

// The binaries one network agent stands for: it is Neutron's four in one.
const (
	BinaryL2       = "neutron-linuxbridge-agent"
	BinaryDHCP     = "neutron-dhcp-agent"
	BinaryL3       = "neutron-l3-agent"
	BinaryMetadata = "neutron-metadata-agent"
)

// AgentKind is what Neutron calls an agent.
type AgentKind struct{ Binary, Type, Topic string }

// AgentKinds are those a network agent reports as.
var AgentKinds = []AgentKind{
	{BinaryL2, "Linux bridge agent", "N/A"},
	{BinaryDHCP, "DHCP agent", "dhcp_agent"},
	{BinaryL3, "L3 agent", "l3_agent"},
	{BinaryMetadata, "Metadata agent", "N/A"},
}

// Agent is a process on a host that serves networks.
type Agent struct {
	Base
	Binary         string `bun:"binary_name"` // BINARY is a keyword
	AgentType      string
	Topic          string
	Host           string
	Zone           string
	AdminStateUp   bool
	TunnelIP       string
	Configurations map[string]any
	StartedAt      time.Time
	HeartbeatAt    time.Time
	Alive          bool `bun:"-"`
}

// AgentUpdate is what changes of an agent.
type AgentUpdate struct {
	AdminStateUp *bool
	Description  *string
}

// Agent gives an agent; only admins get here.
func (s *Service) Agent(ctx context.Context, id string) (*Agent, error) {
	a, err := s.store.Agents().Get(ctx, id)
	if err == nil {
		s.judge(a)
	}
	return a, err
}

// Agents lists agents.
func (s *Service) Agents(ctx context.Context, q Query) ([]*Agent, error) {
	list, err := s.store.Agents().List(ctx, q)
	for _, a := range list {
		s.judge(a)
	}
	return list, err
}

// judge says whether the agent was heard of lately.
func (s *Service) judge(a *Agent) {
	a.Alive = s.clock.Now().Sub(a.HeartbeatAt) < s.cfg.ML2.AgentDownTime
}

// UpdateAgent changes an agent: one whose administrative state is down gets
// no more networks and routers.
func (s *Service) UpdateAgent(ctx context.Context, id string, u AgentUpdate) (*Agent, error) {
	var out *Agent
	err := s.commit(ctx, func(ctx context.Context, c *change) error {
		a, err := s.store.Agents().Get(ctx, id)
		if err != nil {
			return err
		}
		set(&a.AdminStateUp, u.AdminStateUp)
		set(&a.Description, u.Description)
		s.touch(a)
		s.judge(a)
		out = a
		return s.store.Agents().Update(ctx, a)
	})
	return out, err
}

// DeleteAgent forgets an agent; one that lives comes back by itself.
func (s *Service) DeleteAgent(ctx context.Context, id string) error {
	return s.store.Agents().Delete(ctx, id)
}

// Zone is an availability zone of networks or routers.
type Zone struct {
	Name, Resource string
	Available      bool
}

// Zones lists the zones that agents are in.
func (s *Service) Zones(ctx context.Context) ([]Zone, error) {
	agents, err := s.Agents(ctx, Where("binary", BinaryDHCP, BinaryL3))
	if err != nil {
		return nil, err
	}
	seen := map[Zone]bool{}
	for _, a := range agents {
		z := Zone{Name: a.Zone, Resource: "network"}
		if a.Binary == BinaryL3 {
			z.Resource = "router"
		}
		seen[z] = seen[z] || a.Alive && a.AdminStateUp
	}
	var out []Zone
	for z, available := range seen {
		z.Available = available
		out = append(out, z)
	}
	slices.SortFunc(out, func(a, b Zone) int { return cmpText(a.Name+"\x00"+a.Resource, b.Name+"\x00"+b.Resource) })
	return out, nil
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// agentAlive reports whether a host's agent was heard of lately.
func (s *Service) agentAlive(ctx context.Context, host, binary string) (bool, error) {
	list, err := s.Agents(ctx, Where("host", host).And("binary", binary))
	return err == nil && len(list) > 0 && list[0].Alive, err
}

// pickHost chooses, of the hosts with such an agent alive and enabled, the
// one that serves least; "" if there is none.
func (s *Service) pickHost(ctx context.Context, binary, table string) (string, error) {
	agents, err := s.Agents(ctx, Where("binary", binary).And("admin_state_up", true))
	if err != nil {
		return "", err
	}
	loads, err := s.store.Loads(ctx, table)
	if err != nil {
		return "", err
	}
	best := ""
	for _, a := range agents {
		if a.Alive && (best == "" || loads[a.Host] < loads[best] || loads[a.Host] == loads[best] && a.Host < best) {
			best = a.Host
		}
	}
	return best, nil
}

// serveDHCP brings a network's DHCP port in line with its subnets: it has an
// address of each that asks for DHCP, and is gone when none does.
func (s *Service) serveDHCP(ctx context.Context, c *change, n *Network) error {
	subnets, err := s.store.Subnets().List(ctx, Where("network_id", n.ID))
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, sub := range subnets {
		if sub.EnableDHCP && sub.Version == 4 {
			wanted[sub.ID] = true
		}
	}
	ports, err := s.store.Ports().List(ctx, Where("network_id", n.ID).And("device_owner", OwnerDHCP))
	if err != nil {
		return err
	}
	if len(ports) == 0 {
		if len(wanted) == 0 {
			return nil
		}
		return s.scheduleDHCP(ctx, c, n, slices.Sorted(maps.Keys(wanted)))
	}
	p := ports[0]
	if len(wanted) == 0 {
		return s.removePort(ctx, c, p)
	}
	keep := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool { return !wanted[f.SubnetID] })
	for _, f := range keep {
		delete(wanted, f.SubnetID)
	}
	p.FixedIPs = keep
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		asked := []FixedIP{{SubnetID: id}}
		if err := s.chooseAddresses(ctx, p, &asked); err != nil {
			return err
		}
	}
	c.dirty.port(p)
	return s.store.SetAddresses(ctx, p.ID, p.FixedIPs)
}

// scheduleDHCP finds a host that answers DHCP. Without one the network waits
// until an agent reports.
func (s *Service) scheduleDHCP(ctx context.Context, c *change, n *Network, subnets []string) error {
	host, err := s.pickHost(ctx, BinaryDHCP, "network_dhcp")
	if err != nil || host == "" {
		return err
	}
	p := &Port{
		Base: Base{ProjectID: n.ProjectID}, NetworkID: n.ID, AdminStateUp: true, HostID: host,
		DeviceOwner: OwnerDHCP, DeviceID: "dhcp-" + n.ID,
	}
	var asked []FixedIP
	for _, id := range subnets {
		asked = append(asked, FixedIP{SubnetID: id})
	}
	if err := s.insertPort(ctx, c, p, &asked); err != nil {
		return err
	}
	return s.store.SetDHCPHost(ctx, n.ID, host)
}

// Reschedule gives hosts to networks and routers that found none so far.
func (s *Service) Reschedule(ctx context.Context) error {
	networks, err := s.store.WithoutDHCP(ctx)
	if err != nil {
		return err
	}
	routers, err := s.store.WithoutHost(ctx)
	if err != nil || len(networks)+len(routers) == 0 {
		return err
	}
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		for _, id := range networks {
			n, err := s.store.Networks().Get(ctx, id)
			if err != nil {
				return err
			}
			if err := s.serveDHCP(ctx, c, n); err != nil {
				return err
			}
		}
		for _, id := range routers {
			r, err := s.store.Routers().Get(ctx, id)
			if err != nil {
				return err
			}
			if err := s.schedule(ctx, c, r); err != nil {
				return err
			}
		}
		return nil
	})
}
