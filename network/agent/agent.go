// Package agent is the process that makes a host's share of the virtual
// networks real: it learns from the plugin what there should be, has a driver
// make it so, and tells what is up. It stands for Neutron's L2, DHCP, L3 and
// metadata agents in one.
//
// work.go gathers what has to be looked at, round.go looks at it, convert.go
// puts it into the driver's words, metadata.go answers guests.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/rpc"
	"nubo/network"
	"nubo/network/driver"
)

// Config is an agent's configuration, section [network_agent].
type Config struct {
	Host     string `default:"" help:"name of this host; empty: the machine's"`
	Zone     string `default:"nova" help:"availability zone of this host's networks and routers"`
	TunnelIP string `default:"" help:"address of this host that carries VXLAN; empty: this host has no peers"`

	ReportInterval  time.Duration `default:"10s" help:"time between heartbeats"`
	ResyncInterval  time.Duration `default:"5m" help:"time between full comparisons of what there is with what there should be"`
	RefreshInterval time.Duration `default:"1s" help:"least time between two looks at what others did to networks and security groups"`
	Parallel        int           `default:"8" help:"how many ports, networks or routers are worked on at a time"`
}

// Deps are what an agent needs of others.
type Deps struct {
	Bus    *rpc.Bus
	Driver driver.Driver
	Log    *slog.Logger
}

// Agent is one host's network agent.
type Agent struct {
	cfg    Config
	bus    *rpc.Bus
	driver driver.Driver
	log    *slog.Logger
	plugin *network.PluginClient
	queue  *queue

	// What the driver was told last. The worker's goroutine owns groups.
	networks applied[driver.Network]
	ports    applied[driver.Port]
	routers  applied[driver.Router]
	groups   map[string]members
	devices  atomic.Int64 // ports, for the heartbeat
}

// New makes an agent.
func New(cfg Config, deps Deps) (*Agent, error) {
	if cfg.Host == "" {
		var err error
		if cfg.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("network agent: find this host's name: %w", err)
		}
	}
	if cfg.TunnelIP != "" {
		if _, err := netip.ParseAddr(cfg.TunnelIP); err != nil {
			return nil, fmt.Errorf("network agent: tunnel_ip: %w", err)
		}
	}
	cfg.Parallel = max(cfg.Parallel, 1)
	a := &Agent{
		cfg: cfg, bus: deps.Bus, driver: deps.Driver, log: deps.Log, plugin: network.NewPluginClient(deps.Bus),
		queue: newQueue(cfg.RefreshInterval), groups: map[string]members{},
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a, nil
}

// Run implements service.Service. It is ready when the host is as it should
// be. The data path stands when it ends.
func (a *Agent) Run(ctx context.Context, ready func()) error {
	if err := a.driver.Setup(ctx); err != nil {
		return fmt.Errorf("set up the %s network driver: %w", a.driver.Name(), err)
	}
	defer func() {
		if err := a.driver.Close(); err != nil {
			a.log.WarnContext(ctx, "closing the network driver failed", "error", err)
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	srv := rpc.Server{Target: network.AgentTarget(a.cfg.Host), Methods: map[string]rpc.Handler{
		network.MethodChanged: rpc.Method(func(_ context.Context, n network.Notice) (any, error) {
			// Lost with the process, it is found by the next start's synchronisation.
			a.queue.notice(n)
			return nil, nil
		}),
	}}
	serving := make(chan struct{})
	g.Go(func() error { return a.bus.Serve(ctx, srv, func() { close(serving) }) })
	g.Go(func() error {
		select {
		case <-serving: // before the first synchronisation, so that no change is missed
		case <-ctx.Done():
			return nil
		}
		if err := a.reportStart(ctx); err != nil {
			return err
		}
		a.queue.resync()
		g.Go(func() error { return a.heartbeat(ctx) })
		return a.loop(ctx, ready)
	})
	err := g.Wait()
	if ctx.Err() != nil && err == nil {
		err = ctx.Err()
	}
	return err
}

// loop is the worker. It is alone: a driver never gets two calls for one
// object at a time.
func (a *Agent) loop(ctx context.Context, ready func()) error {
	for {
		w, version, err := a.queue.next(ctx)
		if err != nil {
			return err
		}
		err = a.run(ctx, w, version)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			a.log.WarnContext(ctx, "a pass over the host failed; it comes again", "host", a.cfg.Host, "error", err)
		case w.all && ready != nil:
			ready()
			ready = nil
		}
	}
}

func (a *Agent) report(ctx context.Context, start bool) (network.ReportReply, error) {
	return a.plugin.Report(ctx, network.Report{
		Host: a.cfg.Host, Zone: a.cfg.Zone, TunnelIP: a.cfg.TunnelIP, Start: start,
		Configurations: map[string]any{"driver": a.driver.Name(), "devices": a.devices.Load(), "tunneling_ip": a.cfg.TunnelIP},
	})
}

// reportStart reports until the plugin has heard it.
func (a *Agent) reportStart(ctx context.Context) error {
	for {
		_, err := a.report(ctx, true)
		if err == nil {
			return nil
		}
		a.log.WarnContext(ctx, "the plugin does not take reports yet", "host", a.cfg.Host, "error", err)
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// heartbeat reports, and has everything looked at now and then, and when the
// plugin asks for it.
func (a *Agent) heartbeat(ctx context.Context) error {
	synced := time.Now()
	for {
		if err := sleep(ctx, a.cfg.ReportInterval); err != nil {
			return err
		}
		reply, err := a.report(ctx, false)
		if err != nil {
			a.log.WarnContext(ctx, "heartbeat failed", "host", a.cfg.Host, "error", err)
			continue
		}
		if reply.Resync || time.Since(synced) >= a.cfg.ResyncInterval {
			synced = time.Now()
			a.queue.resync()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
