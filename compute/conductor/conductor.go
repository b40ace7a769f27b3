// Package conductor does what needs the database and is not for the API:
// Nova's nova-conductor. It finds hosts for new servers by the scheduler and
// hands them to their agents, writes what agents report, and finishes what
// was interrupted.
//
//	build.go     from a new server to the cast that has it built, and again
//	             where a host failed
//	servers.go   what agents call: read and change servers, report
//	recover.go   servers that nobody works on although somebody should
//	orphans.go   allocations, ports and attachments of servers that are gone
package conductor

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/rpc"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/volume"
)

// Config is section [conductor].
type Config struct {
	MaxAttempts        int           `default:"3" help:"How many hosts may fail to build a server before it is in error."`
	SchedulingPatience time.Duration `default:"2m" help:"How long to try again while the scheduler or placement does not answer."`
	RecoveryInterval   time.Duration `default:"30s" help:"How often to look for servers that nobody works on; also how long nothing must have happened to one."`
	OrphanInterval     time.Duration `default:"5m" help:"How often to look for what deleted servers have left in other services."`
	DeadHostAfter      time.Duration `default:"10m" help:"How long a host may be away before what was begun on it has failed."`
}

// DefaultConfig is the configuration nobody changed.
func DefaultConfig() Config {
	return Config{
		MaxAttempts: 3, SchedulingPatience: 2 * time.Minute, RecoveryInterval: 30 * time.Second, OrphanInterval: 5 * time.Minute,
		DeadHostAfter: 10 * time.Minute,
	}
}

// Placement is what the conductor asks of the placement service.
type Placement interface {
	Allocations(ctx context.Context, consumer string) (*placement.Consumer, error)
	PutAllocations(ctx context.Context, consumer string, a placement.Allocation, projectID, userID string, generation *int64) error
	DeleteAllocations(ctx context.Context, consumer string) error
	ProviderAllocations(ctx context.Context, provider string) (map[string]placement.Resources, error)
}

// Network is what the conductor asks of the network service.
type Network interface {
	ListPorts(ctx context.Context, query url.Values) ([]network.Port, error)
	UpdatePort(ctx context.Context, id string, in network.PortUpdate) (*network.Port, error)
	DeletePort(ctx context.Context, id string) error
}

// Volume is what the conductor asks of the volume service.
type Volume interface {
	ListAttachments(ctx context.Context, query url.Values) ([]volume.Attachment, error)
	DeleteAttachment(ctx context.Context, id string) error
	DeleteVolume(ctx context.Context, id string) error
}

// Deps are what the conductor is joined to. The clients speak as the
// component's own user.
type Deps struct {
	Store     compute.Store
	Bus       *rpc.Bus
	Placement Placement
	Network   Network
	Volume    Volume
	Clock     clock.Clock
	Log       *slog.Logger
	// Host is the name the service reports itself by.
	Host string
}

// Conductor is the RPC server.
type Conductor struct {
	cfg       Config
	store     compute.Store
	bus       *rpc.Bus
	placement Placement
	network   Network
	volume    Volume
	clock     clock.Clock
	log       *slog.Logger
	host      string
	scheduler compute.SchedulerClient
	agent     compute.AgentClient

	mu        sync.Mutex      // guards scheduling
	scheduled map[string]bool // servers that are being scheduled here

	sweepMu sync.Mutex // held by a sweep of orphans; guards suspects
	// suspects are reserved attachments of no known server, and when each was
	// first seen.
	suspects map[string]time.Time
}

// New makes a conductor.
func New(cfg Config, deps Deps) *Conductor {
	c := &Conductor{
		cfg: cfg, store: deps.Store, bus: deps.Bus, placement: deps.Placement, network: deps.Network, volume: deps.Volume,
		clock: deps.Clock, log: deps.Log, host: deps.Host,
		scheduler: compute.NewSchedulerClient(deps.Bus), agent: compute.NewAgentClient(deps.Bus),
		scheduled: map[string]bool{}, suspects: map[string]time.Time{},
	}
	if c.clock == nil {
		c.clock = clock.System
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	return c
}

// Run serves until ctx ends.
func (c *Conductor) Run(ctx context.Context, ready func()) error {
	beat := compute.Heartbeat{
		Reports: []compute.ServiceReport{{Host: c.host, Binary: compute.BinaryConductor, Topic: compute.TopicConductor}},
		Send: func(ctx context.Context, r []compute.ServiceReport) error {
			return c.store.Heartbeat(ctx, c.clock.Now(), r)
		},
		Log: c.log,
	}
	return beat.During(ctx, func(ctx context.Context) error {
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(ctx)
		defer wg.Wait()
		defer stop()
		served := make(chan struct{})
		wg.Go(func() { c.recoverAlways(ctx, served) })
		wg.Go(func() { c.sweepAlways(ctx, served) })
		return c.bus.Serve(ctx, rpc.Server{
			Target: compute.ConductorTarget(c.host),
			Methods: map[string]rpc.Handler{
				compute.MethodScheduleAndBuild: rpc.Method(c.scheduleAndBuild),
				compute.MethodBuildFailed:      rpc.Method(c.buildFailed),
				compute.MethodInstanceUpdate:   rpc.Method(c.instanceUpdate),
				compute.MethodInstanceGet:      rpc.Method(c.instanceGet),
				compute.MethodHostInstances:    rpc.Method(c.hostInstances),
				compute.MethodKnownInstances:   rpc.Method(c.knownInstances),
				compute.MethodReport:           rpc.Method(c.report),
			},
		}, func() { close(served); ready() })
	})
}

// nothing is the answer of methods that have none.
type nothing = struct{}

// pause waits, and reports whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
