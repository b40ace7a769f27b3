// Package agent is what runs on a compute host: Nova's nova-compute. It
// drives a hypervisor by compute/driver, has no database, and reports by
// calls to the conductor.
//
// Every method is idempotent: a message may come twice, and after a crash
// what was begun is found in the server's row and done again. One server is
// worked on by one handler at a time.
//
//	agent.go      a process with its hosts: start, stop
//	host.go       one host: what it listens to, which server is being worked on
//	build.go      from a cast to a running server, or to a host that failed
//	terminate.go  from a running server to nothing
//	ports.go      a server's ports, and what the row says of them
//	volumes.go    its volumes
//	power.go      start, stop, reboot, console log
//	consoles.go   screens and serial ports, for the console proxy
//	events.go     what network and hypervisor have to say
//	recover.go    what was interrupted, and guests nobody knows
//	report.go     heartbeats and inventories
//	retry.go      what to do when somebody does not answer
package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/internal/clock"
	"nubo/internal/rpc"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/volume"
)

// Config is the agent's part of section [compute].
type Config struct {
	CPUAllocationRatio          float64       `default:"4.0" help:"Virtual CPUs given away per CPU."`
	RAMAllocationRatio          float64       `default:"1.0" help:"Memory given away per memory there is."`
	DiskAllocationRatio         float64       `default:"1.0" help:"Disk given away per disk there is."`
	ReservedHostMemoryMB        int           `default:"512" help:"MiB of memory kept for the host itself."`
	ReservedHostCPUs            int           `default:"0" help:"CPUs kept for the host itself."`
	ReservedHostDiskGB          int           `default:"0" help:"GiB of disk kept for the host itself."`
	MaxConcurrentBuilds         int           `default:"10" help:"How many servers a host builds at a time."`
	VIFPluggingTimeout          time.Duration `default:"300s" help:"How long a new server waits for its ports to be plugged."`
	VIFPluggingIsFatal          bool          `default:"true" help:"Whether a server fails whose ports are not plugged in time; else it starts without."`
	BlockDeviceTimeout          time.Duration `default:"180s" help:"How long a new server waits for its volumes to be made."`
	ServicePatience             time.Duration `default:"60s" help:"How long to try again while another service does not answer."`
	RecoveryInterval            time.Duration `default:"30s" help:"How often a host's servers are compared with its guests; also how long nothing must have happened to a server."`
	ResumeGuestsStateOnHostBoot bool          `default:"false" help:"Start the servers that ran when the host went down."`
	DeviceOwnerZone             string        `default:"nova" help:"Zone in the device_owner of ports whose server is in none."`
}

// DefaultConfig is the configuration nobody changed.
func DefaultConfig() Config {
	return Config{
		CPUAllocationRatio: 4, RAMAllocationRatio: 1, DiskAllocationRatio: 1, ReservedHostMemoryMB: 512, MaxConcurrentBuilds: 10,
		VIFPluggingTimeout: 5 * time.Minute, VIFPluggingIsFatal: true, BlockDeviceTimeout: 3 * time.Minute,
		ServicePatience: time.Minute, RecoveryInterval: 30 * time.Second, DeviceOwnerZone: "nova",
	}
}

// Placement is what an agent asks of the placement service.
type Placement interface {
	EnsureProvider(ctx context.Context, p placement.Provider) (*placement.Provider, error)
	PutInventories(ctx context.Context, provider string, want map[string]placement.Inventory) error
	DeleteAllocations(ctx context.Context, consumer string) error
}

// Network is what an agent asks of the network service.
type Network interface {
	ListNetworks(ctx context.Context, query url.Values) ([]network.Network, error)
	ListSubnets(ctx context.Context, query url.Values) ([]network.Subnet, error)
	ListFloatingIPs(ctx context.Context, query url.Values) ([]network.FloatingIP, error)
	ListPorts(ctx context.Context, query url.Values) ([]network.Port, error)
	ShowPort(ctx context.Context, id string) (*network.Port, error)
	CreatePort(ctx context.Context, in network.PortCreate) (*network.Port, error)
	UpdatePort(ctx context.Context, id string, in network.PortUpdate) (*network.Port, error)
	DeletePort(ctx context.Context, id string) error
}

// Volume is what an agent asks of the volume service.
type Volume interface {
	ShowVolume(ctx context.Context, id string) (*volume.Volume, error)
	ListVolumes(ctx context.Context, query url.Values) ([]volume.Volume, error)
	CreateVolume(ctx context.Context, in volume.Create) (*volume.Volume, error)
	DeleteVolume(ctx context.Context, id string) error
	CreateAttachment(ctx context.Context, volumeID, serverID string, connector *volume.Connector) (*volume.Attachment, error)
	UpdateAttachment(ctx context.Context, id string, connector volume.Connector) (*volume.Attachment, error)
	CompleteAttachment(ctx context.Context, id string) error
	ShowAttachment(ctx context.Context, id string) (*volume.Attachment, error)
	ListAttachments(ctx context.Context, query url.Values) ([]volume.Attachment, error)
	DeleteAttachment(ctx context.Context, id string) error
}

// Image is what an agent asks of the image service.
type Image interface {
	Show(ctx context.Context, id string) (*image.Image, error)
	Download(ctx context.Context, id string) (io.ReadCloser, int64, error)
}

// Host is a hypervisor of this process.
type Host struct {
	Name   string
	Driver driver.Driver
}

// Deps are what the agents of a process are joined to. The clients speak as
// the component's own user, and are shared by all hosts.
type Deps struct {
	Bus       *rpc.Bus
	Hosts     []Host
	Placement Placement
	Network   Network
	Volume    Volume
	Image     Image
	// Consoles is where the hosts serve consoles to the proxy.
	Consoles Consoles
	Clock    clock.Clock
	Log      *slog.Logger
}

// Agent is the agents of a process: one, or many simulated ones.
type Agent struct {
	cfg       Config
	deps      Deps
	clock     clock.Clock
	log       *slog.Logger
	conductor compute.ConductorClient
	networks  *networkCache
	images    *imageCache
	consoles  *consoles
	hosts     []*host
}

// New makes the agents.
func New(cfg Config, deps Deps) *Agent {
	a := &Agent{cfg: cfg, deps: deps, clock: deps.Clock, log: deps.Log, conductor: compute.NewConductorClient(deps.Bus)}
	if a.clock == nil {
		a.clock = clock.System
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	a.networks = newNetworkCache(deps.Network)
	a.images = newImageCache(deps.Image)
	a.consoles = newConsoles(deps.Consoles, a.clock, a.log)
	for _, h := range deps.Hosts {
		a.hosts = append(a.hosts, newHost(a, h))
	}
	return a
}

// Run serves all hosts until ctx ends. Guests go on running.
func (a *Agent) Run(ctx context.Context, ready func()) (err error) {
	defer func() {
		for _, h := range a.hosts {
			err = errors.Join(err, h.driver.Close())
		}
	}()
	for _, h := range a.hosts {
		if err := h.driver.Setup(ctx); err != nil {
			return err
		}
	}
	if err := a.reportAll(ctx); err != nil {
		return err
	}
	consoles, err := a.consoles.listen()
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	wg.Go(func() { a.consoles.serve(ctx, consoles) })
	var serving sync.WaitGroup
	serving.Add(len(a.hosts))
	for _, h := range a.hosts {
		var once sync.Once
		wg.Go(func() {
			if err := h.serve(ctx, func() { once.Do(serving.Done) }); err != nil {
				stop(err)
			}
			once.Do(serving.Done) // it will not serve any more
		})
		wg.Go(func() { h.recoverAlways(ctx) })
		wg.Go(func() { h.watch(ctx) })
	}
	wg.Go(func() { a.reportAlways(ctx) })
	serving.Wait()
	if ctx.Err() == nil {
		ready()
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
