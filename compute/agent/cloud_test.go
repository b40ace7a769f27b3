package agent_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/compute"
	"nubo/compute/agent"
	"nubo/compute/conductor"
	"nubo/compute/driver"
	"nubo/compute/driver/simulated"
	"nubo/compute/scheduler"
	"nubo/compute/store"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/sdk/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const project = "11111111111111111111111111111111"

// cloud is the compute service with its processes, over a broker in memory.
type cloud struct {
	t         testing.TB
	ctx       context.Context // a member's
	world     *world
	store     *store.Store
	svc       *compute.Service
	bus       *rpc.Bus
	broker    atomic.Pointer[broker.Broker]
	conductor *conductor.Conductor
	dir       string
	hosts     []string
	size      int           // of a host, in servers
	interval  time.Duration // between looks at what is to be recovered
	agentCfg  agent.Config
	wrap      func(host string, d driver.Driver) driver.Driver
	sims      map[string]*simulated.Driver // of the agent that runs

	parts   map[string]context.CancelFunc
	running map[string]chan struct{}
	tasks   sync.WaitGroup // plugging
	log     *slog.Logger
}

// option changes a cloud before it starts.
type option func(c *cloud)

func hosts(names ...string) option { return func(c *cloud) { c.hosts = names } }

func newCloud(t testing.TB, options ...option) *cloud {
	t.Helper()
	c := &cloud{
		t: t, world: newWorld(), dir: t.TempDir(), hosts: []string{"sim0"}, size: 16, interval: 50 * time.Millisecond, agentCfg: agent.DefaultConfig(),
		wrap:  func(_ string, d driver.Driver) driver.Driver { return d },
		parts: map[string]context.CancelFunc{}, running: map[string]chan struct{}{}, log: slog.New(slog.DiscardHandler),
	}
	if testing.Verbose() {
		c.log = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	for _, o := range options {
		o(c)
	}
	c.agentCfg.RecoveryInterval = c.interval
	c.store = store.New(dbtest.Open(t, store.Migrations, db.WithOutbox()))
	c.ctx = auth.With(t.Context(), &auth.Context{UserID: "user", ProjectID: project, Roles: []string{"member", "reader"}, RequestID: "req-test"})
	c.broker.Store(broker.New(broker.Config{Log: c.log}))
	c.bus = rpc.Open(rpc.Config{
		Dial: func(context.Context) (net.Conn, error) { return c.broker.Load().Dial() }, Name: "test", Log: c.log, CallTimeout: 2 * time.Second,
	})
	var err error
	peers := asUser{c.world}
	cfg := compute.DefaultConfig()
	cfg.VNC.NovncproxyBaseURL, cfg.Serial.BaseURL = "http://127.0.0.1:6080/vnc_auto.html", "ws://127.0.0.1:6080/"
	c.svc, err = compute.New(cfg, compute.Deps{
		Store: c.store, Bus: c.bus, Network: peers, Image: peers, Volume: peers, Log: c.log,
	})
	testx.NoErr(t, err)
	c.world.plugged = func(p network.Port) { c.tasks.Go(func() { c.plug(p) }) }
	testx.NoErr(t, c.svc.CreateFlavor(c.ctx, &compute.Flavor{ID: "1", Name: "tiny", VCPUs: 1, MemoryMB: 512, RootGB: 1, Public: true}))
	c.start("relay", (&compute.Relay{Store: c.store, Bus: c.bus}).Run)
	c.startConductor()
	c.startScheduler()
	c.startAgent()
	t.Cleanup(c.close)
	return c
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// plug is what the network's agent does: it makes the port active, and the
// network service tells compute.
func (c *cloud) plug(p network.Port) {
	c.world.activate(p.ID)
	_, err := c.svc.ExternalEvents(context.WithoutCancel(c.ctx), []compute.ExternalEvent{
		{Name: "network-vif-plugged", ServerID: p.DeviceID, Status: "completed", Tag: p.ID},
	})
	if err != nil {
		c.t.Logf("event: %v", err)
	}
}

// start runs a part until stop.
func (c *cloud) start(name string, run func(ctx context.Context, ready func()) error) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan struct{})
	var once sync.Once
	go func() {
		defer close(ended)
		if err := run(ctx, func() { once.Do(func() { close(ready) }) }); err != nil && ctx.Err() == nil {
			c.t.Errorf("%s: %v", name, err)
		}
	}()
	c.parts[name], c.running[name] = cancel, ended
	select {
	case <-ready:
	case <-ended:
		c.t.Fatalf("%s ended at once", name)
	case <-time.After(30 * time.Second):
		c.t.Fatalf("%s is not ready", name)
	}
}

func (c *cloud) stop(name string) {
	if cancel := c.parts[name]; cancel != nil {
		cancel()
		<-c.running[name]
		delete(c.parts, name)
	}
}

func (c *cloud) startConductor() {
	cfg := conductor.DefaultConfig()
	cfg.RecoveryInterval = c.interval
	c.conductor = conductor.New(cfg, conductor.Deps{
		Store: c.store, Bus: c.bus, Placement: placementFake{c.world}, Network: networkFake{c.world}, Volume: volumeFake{c.world}, Log: c.log, Host: "controller",
	})
	c.start("conductor", c.conductor.Run)
}

func (c *cloud) startScheduler() {
	s := scheduler.New(scheduler.DefaultConfig(), scheduler.Deps{
		Store: c.store, Bus: c.bus, Placement: placementFake{c.world}, Log: c.log, Host: "controller",
	})
	c.start("scheduler", s.Run)
}

func (c *cloud) startAgent() {
	deps := agent.Deps{
		Bus: c.bus, Placement: placementFake{c.world}, Network: networkFake{c.world}, Volume: volumeFake{c.world}, Image: imageFake{}, Log: c.log,
	}
	c.sims = map[string]*simulated.Driver{}
	for _, name := range c.hosts {
		sim := simulated.New(simulated.Config{Hostname: name, File: filepath.Join(c.dir, name), VCPUs: c.size, MemoryMB: 512 * (c.size + 1), DiskGB: 10 * c.size})
		c.sims[name] = sim
		deps.Hosts = append(deps.Hosts, agent.Host{Name: name, Driver: c.wrap(name, sim)})
	}
	c.start("agent", agent.New(c.agentCfg, deps).Run)
}

// restartBroker loses all messages, as a kill of the embedded broker does.
func (c *cloud) restartBroker() {
	old := c.broker.Swap(broker.New(broker.Config{Log: c.log}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = old.Shutdown(ctx) // not gracefully
}

func (c *cloud) close() {
	c.tasks.Wait()
	for _, name := range []string{"agent", "scheduler", "conductor", "relay"} {
		c.stop(name)
	}
	c.tasks.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.bus.Close(ctx)
	_ = c.broker.Load().Shutdown(ctx)
}

// create asks for a server.
func (c *cloud) create(change ...func(r *compute.CreateRequest)) *compute.Server {
	c.t.Helper()
	r := compute.CreateRequest{Name: "web", ImageID: "image", FlavorID: "1", Networks: []compute.RequestedNetwork{{NetworkID: "net"}}}
	for _, f := range change {
		f(&r)
	}
	servers, err := c.svc.Create(c.ctx, r)
	testx.NoErr(c.t, err)
	return servers[0]
}

// server gives a server as it is; nil if it is gone.
func (c *cloud) server(id string) *compute.Server {
	s, err := c.store.Server(c.ctx, id)
	if err != nil {
		return nil
	}
	return s
}

// await waits for a server to be in a state with nothing happening to it.
func (c *cloud) await(id string, want compute.VMState) *compute.Server {
	c.t.Helper()
	var s *compute.Server
	testx.Eventually(c.t, "server "+id+" is "+string(want), func() bool {
		s = c.server(id)
		return s != nil && s.State == want && s.TaskState == compute.NoTask
	})
	return s
}

func (c *cloud) awaitGone(id string) {
	c.t.Helper()
	testx.Eventually(c.t, "server "+id+" is gone", func() bool { return c.server(id) == nil })
}

// guests counts the guests of all hosts.
func (c *cloud) guests() int {
	n := 0
	for _, d := range c.sims {
		list, err := d.List(c.ctx)
		testx.NoErr(c.t, err)
		n += len(list)
	}
	return n
}

// nothingLeft waits until no service and no host holds anything.
func (c *cloud) nothingLeft() {
	c.t.Helper()
	testx.Eventually(c.t, "nothing is left", func() bool { return c.world.left() == [4]int{} && c.guests() == 0 })
}
