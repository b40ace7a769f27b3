package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/trace"
	"nubo/network"
	"nubo/network/driver"
)

// round is one pass: some work, the state that is desired, and what came of
// it.
type round struct {
	*Agent
	asked work
	state *network.HostState

	mu     sync.Mutex // guards failed and done, which goroutines write
	failed work
	done   network.Statuses
}

// run looks at some work. Only the agent's worker calls it.
func (a *Agent) run(ctx context.Context, w work, version int64) error {
	r := &round{Agent: a, asked: w, done: network.Statuses{Host: a.cfg.Host}}
	if err := r.fetch(ctx, version); err != nil {
		a.queue.retry(w)
		return fmt.Errorf("get the desired state: %w", err)
	}
	gone, err := r.gone(ctx)
	if err != nil {
		a.queue.retry(w)
		return err
	}
	// Routers leave before their networks, and come after them.
	each(ctx, r, gone.routers.list(), r.removeRouter)
	each(ctx, r, gone.ports.list(), r.removePort)
	each(ctx, r, r.state.Networks, r.applyNetwork)
	each(ctx, r, r.state.Ports, r.applyPort)
	each(ctx, r, r.state.Routers, r.applyRouter)
	each(ctx, r, gone.networks.list(), r.removeNetwork)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.devices.Store(int64(len(a.ports.m)))
	if len(r.done.Ports)+len(r.done.FloatingIPs) > 0 {
		if err := a.plugin.UpdateStatuses(ctx, r.done); err != nil {
			a.queue.retry(w)
			return fmt.Errorf("report what is up: %w", err)
		}
	}
	if !r.failed.empty() {
		a.queue.retry(r.failed)
		return nil
	}
	a.queue.succeeded()
	return nil
}

// fetch gets the desired state, and then what the first answer refers to and
// the agent does not know: networks of ports and routers, addresses of groups.
func (r *round) fetch(ctx context.Context, version int64) error {
	state, err := r.plugin.HostState(ctx, network.StateArgs{
		Host: r.cfg.Host, Version: version, All: r.asked.all,
		Networks: r.asked.networks.list(), Ports: r.asked.ports.list(), Routers: r.asked.routers.list(), Groups: r.asked.groups.list(),
	})
	if err != nil {
		return err
	}
	r.state = state
	if r.asked.all {
		r.groups = map[string]members{}
	}
	for g, addrs := range state.Groups {
		r.groups[g] = toMembers(addrs)
	}
	networks, groups := r.missing()
	if len(networks)+len(groups) == 0 {
		return nil
	}
	for _, p := range state.Ports { // whoever wants the first port here wants its network
		if slices.Contains(networks, p.NetworkID) {
			r.asked.because(p.NetworkID, r.asked.cause[p.ID])
		}
	}
	more, err := r.plugin.HostState(ctx, network.StateArgs{Host: r.cfg.Host, Version: version, Networks: networks, Addresses: groups})
	if err != nil {
		return err
	}
	state.Networks = append(state.Networks, more.Networks...)
	for g, addrs := range more.Groups {
		r.groups[g] = toMembers(addrs)
	}
	return nil
}

// missing finds what the state refers to and nobody has.
func (r *round) missing() (networks, groups []string) {
	var n, g ids
	need := func(id string) {
		here := slices.ContainsFunc(r.state.Networks, func(s network.NetworkState) bool { return s.ID == id })
		if !here && !r.networks.has(id) {
			n.add(id)
		}
	}
	for _, p := range r.state.Ports {
		need(p.NetworkID)
		for _, rule := range p.Rules {
			if _, ok := r.groups[rule.RemoteGroup]; !ok && rule.RemoteGroup != "" {
				g.add(rule.RemoteGroup)
			}
		}
	}
	for _, router := range r.state.Routers {
		for _, i := range router.Interfaces {
			need(i.NetworkID)
		}
		if router.Gateway != nil {
			need(router.Gateway.NetworkID)
		}
	}
	return n.list(), g.list()
}

// gone is what was asked about and is not wanted; of everything, what the
// driver has and nobody wants.
func (r *round) gone(ctx context.Context) (work, error) {
	asked := work{}
	asked.merge(r.asked)
	if r.asked.all {
		inv, err := r.driver.Inventory(ctx)
		if err != nil {
			return work{}, fmt.Errorf("take the inventory: %w", err)
		}
		asked.networks.add(inv.Networks...)
		asked.ports.add(inv.Ports...)
		asked.routers.add(inv.Routers...)
	}
	for _, n := range r.state.Networks {
		delete(asked.networks, n.ID)
	}
	for _, p := range r.state.Ports {
		delete(asked.ports, p.ID)
	}
	for _, router := range r.state.Routers {
		delete(asked.routers, router.ID)
	}
	return asked, nil
}

// each runs an operation on all items, some at a time.
func each[T any](ctx context.Context, r *round, items []T, op func(context.Context, T)) {
	var g errgroup.Group
	g.SetLimit(r.cfg.Parallel)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { op(ctx, item); return nil })
	}
	_ = g.Wait() // what failed is in r.failed
}

// fail keeps what has to be tried again.
func (r *round) fail(ctx context.Context, what, id string, set func(*work) *ids, err error) {
	if ctx.Err() == nil {
		r.log.ErrorContext(ctx, "the driver refused", "what", what, "id", id, "host", r.cfg.Host, "error", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	set(&r.failed).add(id)
	r.failed.because(id, r.asked.cause[id])
}

// drive has the driver do something about an object, as part of the request
// that is the cause.
func (r *round) drive(ctx context.Context, id string, do func(ctx context.Context) error) error {
	c := r.asked.cause[id]
	ctx, span := trace.Resume(ctx, trace.Handle, network.MethodChanged, c.ref)
	if span != nil {
		t := network.AgentTarget(r.cfg.Host)
		key := t.Topic + "." + t.Server
		span.Routed(t.Exchange, key, key)
		span.Delayed(time.Since(c.noticed))
	}
	err := do(ctx)
	span.End(err)
	return err
}

// up keeps what is to be reported.
func (r *round) up(ports, floating []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Ports = append(r.done.Ports, ports...)
	r.done.FloatingIPs = append(r.done.FloatingIPs, floating...)
}

func networksOf(w *work) *ids { return &w.networks }
func portsOf(w *work) *ids    { return &w.ports }
func routersOf(w *work) *ids  { return &w.routers }

func (r *round) applyNetwork(ctx context.Context, s network.NetworkState) {
	n := toNetwork(s)
	if !r.networks.is(n.ID, n) || r.asked.all {
		if err := r.drive(ctx, n.ID, func(ctx context.Context) error { return r.driver.ApplyNetwork(ctx, n) }); err != nil {
			r.networks.forget(n.ID)
			r.fail(ctx, "network", n.ID, networksOf, err)
			return
		}
		r.networks.set(n.ID, n)
	}
	if s.DHCP != nil && s.DHCP.Down {
		r.up([]string{s.DHCP.PortID}, nil)
	}
}

func (r *round) applyPort(ctx context.Context, s network.PortState) {
	p := toPort(s, r.groups)
	if !r.ports.is(p.ID, p) || r.asked.all {
		if err := r.drive(ctx, p.ID, func(ctx context.Context) error { return r.driver.ApplyPort(ctx, p) }); err != nil {
			r.ports.forget(p.ID)
			r.fail(ctx, "port", p.ID, portsOf, err)
			return
		}
		r.ports.set(p.ID, p)
	}
	if s.Down && s.AdminStateUp {
		r.up([]string{p.ID}, nil)
	}
}

func (r *round) applyRouter(ctx context.Context, s network.RouterState) {
	router := toRouter(s)
	if !r.routers.is(router.ID, router) || r.asked.all {
		if err := r.drive(ctx, router.ID, func(ctx context.Context) error { return r.driver.ApplyRouter(ctx, router) }); err != nil {
			r.routers.forget(router.ID)
			r.fail(ctx, "router", router.ID, routersOf, err)
			return
		}
		r.routers.set(router.ID, router)
	}
	var ports, floating []string
	for _, i := range s.Interfaces {
		if i.Down {
			ports = append(ports, i.PortID)
		}
	}
	if s.Gateway != nil && s.Gateway.Down {
		ports = append(ports, s.Gateway.PortID)
	}
	for _, f := range s.FloatingIPs {
		if f.Down {
			floating = append(floating, f.ID)
		}
	}
	r.up(ports, floating)
}

func (r *round) removeNetwork(ctx context.Context, id string) {
	r.networks.forget(id)
	if err := r.drive(ctx, id, func(ctx context.Context) error { return r.driver.RemoveNetwork(ctx, id) }); err != nil {
		r.fail(ctx, "network", id, networksOf, err)
	}
}

func (r *round) removePort(ctx context.Context, id string) {
	r.ports.forget(id)
	if err := r.drive(ctx, id, func(ctx context.Context) error { return r.driver.RemovePort(ctx, id) }); err != nil {
		r.fail(ctx, "port", id, portsOf, err)
	}
}

func (r *round) removeRouter(ctx context.Context, id string) {
	r.routers.forget(id)
	if err := r.drive(ctx, id, func(ctx context.Context) error { return r.driver.RemoveRouter(ctx, id) }); err != nil {
		r.fail(ctx, "router", id, routersOf, err)
	}
}

// applied remembers what the driver was told last, so that it is not told
// the same again.
type applied[T driver.Network | driver.Port | driver.Router] struct {
	mu sync.Mutex // guards m, which a round's goroutines write
	m  map[string]T
}

func (a *applied[T]) is(id string, v T) bool {
	a.mu.Lock()
	old, ok := a.m[id]
	a.mu.Unlock()
	return ok && reflect.DeepEqual(old, v)
}

func (a *applied[T]) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.m[id]
	return ok
}

func (a *applied[T]) set(id string, v T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = map[string]T{}
	}
	a.m[id] = v
}

func (a *applied[T]) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.m, id)
}
