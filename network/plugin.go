package network

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/rpc"
	"nubo/internal/service"
	"nubo/internal/trace"
)

// kinds of outbox messages.
const (
	kindDirty  = "dirty"  // Dirty
	kindNotify = "notify" // rpc.Envelope
)

// PluginServer serves the agents' calls, as the plugin on a host.
func (s *Service) PluginServer(host string) service.Service {
	return service.Func(func(ctx context.Context, ready func()) error {
		plugin := rpc.Server{Target: PluginTarget(host), Methods: map[string]rpc.Handler{
			MethodHostState:    rpc.Method(s.HostState),
			MethodStatuses:     rpc.Method(noReply(s.UpdateStatuses)),
			MethodMetadataPort: rpc.Method(s.MetadataPort),
		}}
		reports := rpc.Server{Target: ReportsTarget(host), Methods: map[string]rpc.Handler{MethodReport: rpc.Method(s.Report)}}
		g, ctx := errgroup.WithContext(ctx)
		both := make(chan struct{}, 2)
		for _, srv := range []rpc.Server{plugin, reports} {
			g.Go(func() error { return s.bus.Serve(ctx, srv, func() { both <- struct{}{} }) })
		}
		g.Go(func() error {
			for range 2 {
				select {
				case <-both:
				case <-ctx.Done():
					return nil
				}
			}
			ready()
			return nil
		})
		return g.Wait()
	})
}

// noReply makes a function without an answer one with an empty one.
func noReply[A any](fn func(context.Context, A) error) func(context.Context, A) (any, error) {
	return func(ctx context.Context, args A) (any, error) { return nil, fn(ctx, args) }
}

// Relay sends what transactions left in the outbox: notices to agents and
// notifications to the bus, events to compute.
func (s *Service) Relay() service.Service {
	return service.Func(func(ctx context.Context, ready func()) error {
		g, ctx := errgroup.WithContext(auth.Admin(ctx))
		g.Go(func() error { return s.store.Relay(ctx, s.relay) })
		if s.nova != nil {
			g.Go(func() error { return s.relayEvents(ctx) })
		}
		ready()
		return g.Wait()
	})
}

// relay sends a batch. It merges all Dirty records of it, so that under load
// the number of notices does not grow with the number of changes.
func (s *Service) relay(ctx context.Context, msgs []db.Message) (int, error) {
	var dirty Dirty
	var envs []rpc.Envelope
	for _, m := range msgs {
		switch m.Kind {
		case kindDirty:
			var d Dirty
			if err := json.Unmarshal(m.Body, &d); err != nil {
				return 0, fmt.Errorf("outbox message %d: %w", m.ID, err)
			}
			dirty.merge(&d)
		case kindNotify:
			var env rpc.Envelope
			if err := json.Unmarshal(m.Body, &env); err != nil {
				return 0, fmt.Errorf("outbox message %d: %w", m.ID, err)
			}
			envs = append(envs, env)
		default:
			return 0, fmt.Errorf("outbox message %d has the unknown kind %q", m.ID, m.Kind)
		}
	}
	// The version is drawn now, when all of the batch is committed: the order
	// of the messages' own ids is not that of their commits.
	notices, err := s.notices(ctx, &dirty, db.NextSeq())
	if err != nil {
		return 0, err
	}
	client := s.bus.Client(AgentTarget(""))
	for host, n := range notices {
		env, err := client.EncodeCast(context.WithoutCancel(ctx), MethodChanged, n, rpc.To(host))
		if err != nil {
			return 0, err
		}
		envs = append(envs, env)
	}
	if _, err := s.bus.Publish(ctx, envs); err != nil {
		return 0, err
	}
	return len(msgs), nil
}

// notices finds out whom a change concerns.
func (s *Service) notices(ctx context.Context, d *Dirty, version int64) (map[string]*Notice, error) {
	hosts := map[string]*Notice{}
	at := func(host string) *Notice {
		if hosts[host] == nil {
			hosts[host] = &Notice{Version: version}
		}
		return hosts[host]
	}
	for host := range d.Ports {
		at(host).Ports = d.Ports.of(host)
	}
	for host := range d.Routers {
		at(host).Routers = d.Routers.of(host)
	}
	for host := range d.Networks {
		at(host).Refresh.Networks = d.Networks.of(host)
	}
	if len(d.Defined) > 0 {
		present, err := s.store.NetworkHosts(ctx, keys(d.Defined))
		if err != nil {
			return nil, err
		}
		for network, list := range present {
			for _, host := range list {
				at(host).Networks = append(at(host).Networks, network)
			}
		}
	}
	if len(d.Members) > 0 {
		members, err := s.store.MemberHosts(ctx, keys(d.Members))
		if err != nil {
			return nil, err
		}
		for network, list := range members {
			for _, host := range list {
				if n := at(host); !slices.Contains(n.Refresh.Networks, network) {
					n.Refresh.Networks = append(n.Refresh.Networks, network)
				}
			}
		}
	}
	for _, n := range hosts {
		n.refer(d.refs)
	}
	return hosts, s.groupNotices(ctx, d, at)
}

// refer takes those of the requests that are about the notice's objects.
func (n *Notice) refer(refs map[string]*trace.Ref) {
	for _, ids := range [][]string{n.Networks, n.Ports, n.Routers} {
		for _, id := range ids {
			if ref := refs[id]; ref != nil {
				if n.Refs == nil {
					n.Refs = map[string]*trace.Ref{}
				}
				n.Refs[id] = ref
			}
		}
	}
}

// groupNotices adds the hosts with ports whose rules, or the addresses those
// admit, are others.
func (s *Service) groupNotices(ctx context.Context, d *Dirty, at func(string) *Notice) error {
	if len(d.Ruled)+len(d.Joined) == 0 {
		return nil
	}
	affected := d.Ruled
	dependents, err := s.store.Dependents(ctx, keys(d.Joined))
	if err != nil {
		return err
	}
	mark(&affected, dependents...)
	hosts, err := s.store.GroupHosts(ctx, keys(affected))
	if err != nil {
		return err
	}
	for host, groups := range hosts {
		at(host).Refresh.Groups = groups
	}
	return nil
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// overdue is how long a bound port may be down before its agent is told to
// look at everything again: a notice may have been lost with a broker.
const overdue = 15 * time.Second

// Report keeps an agent's heartbeat. The first one of a host finds work for
// it.
func (s *Service) Report(ctx context.Context, in Report) (ReportReply, error) {
	now := s.now()
	var fresh bool
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		fresh = false
		known, err := s.store.Agents().List(ctx, Where("host", in.Host))
		if err != nil {
			return err
		}
		for _, kind := range AgentKinds {
			i := slices.IndexFunc(known, func(a *Agent) bool { return a.Binary == kind.Binary })
			if i < 0 {
				fresh = true
				a := &Agent{
					Base:   Base{ID: clock.NewID(), CreatedAt: now, UpdatedAt: now},
					Binary: kind.Binary, AgentType: kind.Type, Topic: kind.Topic, Host: in.Host, Zone: in.Zone, AdminStateUp: true,
					TunnelIP: in.TunnelIP, Configurations: in.Configurations, StartedAt: now, HeartbeatAt: now,
				}
				if err := s.store.Agents().Create(ctx, a); err != nil {
					return err
				}
				continue
			}
			a := known[i]
			s.judge(a)
			fresh = fresh || in.Start || !a.Alive
			if in.Start {
				a.StartedAt = now
			}
			a.HeartbeatAt, a.Zone, a.TunnelIP, a.Configurations = now, in.Zone, in.TunnelIP, in.Configurations
			s.touch(a)
			if err := s.store.Agents().Update(ctx, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return ReportReply{}, err
	}
	if fresh {
		return ReportReply{}, s.Reschedule(ctx)
	}
	waiting, err := s.store.Waiting(ctx, in.Host, now.Add(-overdue))
	return ReportReply{Resync: waiting}, err
}

// UpdateStatuses marks what an agent made work as ACTIVE and has compute
// told. It is no notification, as in Neutron: those are of what users did.
func (s *Service) UpdateStatuses(ctx context.Context, in Statuses) error {
	return s.commit(ctx, func(ctx context.Context, c *change) error {
		ports, err := s.store.SetPortStatus(ctx, in.Host, in.Ports, StatusActive)
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.isCompute() {
				c.event("network-vif-plugged", p)
			}
		}
		return s.store.SetFloatingIPStatus(ctx, in.Host, in.FloatingIPs, StatusActive)
	})
}

// MetadataPort finds the port with an address on a network, or on a network
// that a router has an interface on.
func (s *Service) MetadataPort(ctx context.Context, in MetadataArgs) (MetadataPort, error) {
	networks := []any{in.NetworkID}
	if in.RouterID != "" {
		networks = nil
		interfaces, err := s.store.Ports().List(ctx, Where("device_id", in.RouterID).And("device_owner", OwnerInterface))
		if err != nil {
			return MetadataPort{}, err
		}
		for _, p := range interfaces {
			networks = append(networks, p.NetworkID)
		}
	}
	ports, err := s.store.Ports().List(ctx, Query{All: true}.And("network_id", networks...).And("ip_address", in.IPAddress))
	if err != nil || len(ports) == 0 {
		return MetadataPort{}, err
	}
	return MetadataPort{DeviceID: ports[0].DeviceID, ProjectID: ports[0].ProjectID}, nil
}
