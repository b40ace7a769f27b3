package agent_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nubo/compute"
	"nubo/compute/conductor"
	"nubo/compute/driver"
	"nubo/internal/testx"
	"nubo/sdk/network"
)

// faulty is a driver whose Spawn goes through a hook.
type faulty struct {
	driver.Driver
	spawn func(ctx context.Context, s driver.Server) error
}

func (f faulty) Spawn(ctx context.Context, s driver.Server, progress func(string)) error {
	if err := f.spawn(ctx, s); err != nil {
		return err
	}
	return f.Driver.Spawn(ctx, s, progress)
}

func (c *cloud) spawning(fn func(ctx context.Context, host string, s driver.Server) error) {
	c.wrap = func(host string, d driver.Driver) driver.Driver {
		return faulty{d, func(ctx context.Context, s driver.Server) error { return fn(ctx, host, s) }}
	}
}

func TestRescheduled(t *testing.T) {
	t.Parallel()
	var failed atomic.Value
	c := newCloud(t, hosts("sim0", "sim1"), func(c *cloud) {
		c.spawning(func(_ context.Context, host string, _ driver.Server) error {
			if failed.CompareAndSwap(nil, host) {
				return errors.New("the disk is full")
			}
			return nil
		})
	})
	s := c.await(c.create().ID, compute.Active)
	if s.Host == failed.Load() || s.Attempts != 2 {
		t.Fatalf("server is on %s after %d attempts; %v failed", s.Host, s.Attempts, failed.Load())
	}
	testx.Equal(t, c.world.left(), [4]int{1, 1, 0, 0})
	decisions, err := c.store.Decisions(c.ctx, s.ID)
	testx.NoErr(t, err)
	testx.Equal(t, len(decisions), 2)
}

func TestNoHostIsLeft(t *testing.T) {
	t.Parallel()
	c := newCloud(t, hosts("sim0", "sim1"), func(c *cloud) {
		c.interval = time.Hour // who finds a build that was interrupted knows no host that had failed before
		c.spawning(func(context.Context, string, driver.Server) error { return errors.New("the disk is full") })
	})
	s := c.await(c.create().ID, compute.Errored)
	const none = "No valid host was found. There are not enough hosts available. (RetryFilter refused 2: "
	testx.Equal(t, s.Fault.Message, none+"the build has failed there)")
	testx.Equal(t, s.Fault.Details, none+"sim0 the build has failed there, sim1 the build has failed there)") // for administrators
	testx.Equal(t, s.Host, "")
	c.nothingLeft()
}

func TestAttemptsEnd(t *testing.T) {
	t.Parallel()
	c := newCloud(t, hosts("a", "b", "c", "d"), func(c *cloud) {
		c.spawning(func(context.Context, string, driver.Server) error { return errors.New("the disk is full") })
	})
	s := c.await(c.create().ID, compute.Errored)
	testx.Equal(t, s.Attempts, 3)
	if !strings.HasPrefix(s.Fault.Message, "Exceeded maximum number of retries. Exceeded max scheduling attempts 3 for instance "+s.ID) ||
		!strings.HasSuffix(s.Fault.Message, "the disk is full") {
		t.Fatalf("fault: %s", s.Fault.Message)
	}
	c.nothingLeft()
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	testx.NoErr(t, c.svc.CreateFlavor(c.ctx, &compute.Flavor{ID: "2", Name: "huge", VCPUs: 1, MemoryMB: 16384, RootGB: 1, Public: true}))
	s := c.await(c.create(func(r *compute.CreateRequest) { r.FlavorID = "2" }).ID, compute.Errored)
	testx.Equal(t, s.Fault.Message, "No valid host was found. There are not enough hosts available. (placement: no host has 16384 MB of RAM free)")
	testx.NoErr(t, c.svc.Delete(c.ctx, s))
	c.awaitGone(s.ID)
}

func TestRefusedByNetwork(t *testing.T) {
	t.Parallel()
	c := newCloud(t, hosts("sim0", "sim1"))
	c.world.mu.Lock()
	c.world.ports["theirs"] = &network.Port{ID: "theirs", NetworkID: "net", FixedIPs: []network.FixedIP{{IPAddress: "10.0.0.9"}}}
	c.world.mu.Unlock()
	// The port goes between the API's look and the host's.
	c.stop("scheduler")
	id := c.create(func(r *compute.CreateRequest) { r.Networks = []compute.RequestedNetwork{{PortID: "theirs"}} }).ID
	testx.NoErr(t, networkFake{c.world}.DeletePort(c.ctx, "theirs"))
	c.startScheduler()
	s := c.await(id, compute.Errored)
	testx.Equal(t, s.Fault.Message, "Build of instance "+id+" aborted: no port")
	testx.Equal(t, s.Attempts, 1)
	c.nothingLeft()
}

func TestDeletedWhileBuilding(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan error, 1)
	c := newCloud(t, func(c *cloud) {
		c.spawning(func(ctx context.Context, _ string, _ driver.Server) error {
			close(began)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return ctx.Err()
		})
	})
	id := c.create().ID
	<-began
	testx.Eventually(t, "spawning is shown", func() bool { return c.server(id).TaskState == compute.Spawning })
	testx.NoErr(t, c.svc.Delete(c.ctx, c.server(id)))
	c.awaitGone(id)
	testx.Equal(t, (<-ended).Error(), "the server is being deleted")
	c.nothingLeft()
}

func TestDeletedWhileScheduled(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for range 20 {
		s := c.create()
		testx.NoErr(t, c.svc.Delete(c.ctx, s)) // somewhere between nothing and a guest
		c.awaitGone(s.ID)
	}
	c.nothingLeft()
}

// TestAgentKilledWhileBuilding stops the agent with its guest half made, and
// with the cast lost besides.
// TestBeginningIsTold has the conductor's answer to the beginning of a build
// lost, and the second one say that it is too late: the build goes on, without
// anybody looking for forgotten ones.
func TestBeginningIsTold(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(c *cloud) { c.interval = time.Hour })
	c.await(c.create().ID, compute.Active) // the agent's first look is over
	c.stop("scheduler")
	s := c.create()
	sent := *c.server(s.ID)
	host, task := "sim0", compute.Networking
	after, err := c.store.UpdateServer(c.ctx, compute.Update{ServerID: s.ID, Set: compute.ServerFields{Host: &host, Node: &host, TaskState: &task}})
	testx.NoErr(t, err)
	testx.Equal(t, after.TaskState, compute.Networking)
	sent.Host, sent.Node = host, host
	cast, err := compute.NewAgentClient(c.bus).Cast(c.ctx, host, compute.MethodBuildAndRun, compute.BuildArgs{Server: &sent, Attempt: 1})
	testx.NoErr(t, err)
	_, err = c.bus.Publish(c.ctx, asList(cast))
	testx.NoErr(t, err)
	c.await(s.ID, compute.Active)
	testx.Equal(t, c.guests(), 2)
}

func TestAgentKilledWhileBuilding(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]bool{"cast comes again": false, "cast is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := make(chan struct{}, 1)
			var calm atomic.Bool
			c := newCloud(t, func(c *cloud) {
				c.interval = time.Hour // only what a start does
				c.spawning(func(ctx context.Context, _ string, s driver.Server) error {
					if calm.Load() {
						return nil
					}
					began <- struct{}{}
					<-ctx.Done()
					return ctx.Err()
				})
			})
			id := c.create().ID
			<-began
			c.killAgent()
			calm.Store(true)
			if lose {
				c.restartBroker()
			}
			c.startAgent()
			s := c.await(id, compute.Active)
			testx.Equal(t, len(s.VIFs), 1)
			testx.Equal(t, c.world.left(), [4]int{1, 1, 0, 0})
			testx.NoErr(t, c.svc.Delete(c.ctx, s))
			c.awaitGone(id)
			c.nothingLeft()
		})
	}
}

// killAgent ends the agent without the patience of a stop: its handlers'
// contexts end with its connections.
func (c *cloud) killAgent() {
	c.t.Helper()
	c.stop("agent")
}

func TestEverythingIsLost(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for range 3 {
		var ids []string
		for range 8 {
			ids = append(ids, c.create().ID)
		}
		c.restartBroker() // whatever was on its way is gone
		for _, id := range ids {
			c.await(id, compute.Active)
		}
		testx.Equal(t, c.world.left(), [4]int{8, 8, 0, 0})
		testx.Equal(t, c.guests(), 8)
		for _, id := range ids {
			testx.NoErr(t, c.svc.Delete(c.ctx, c.server(id)))
		}
		c.restartBroker()
		for _, id := range ids {
			c.awaitGone(id)
		}
		c.nothingLeft()
	}
}

func TestServicesComeBack(t *testing.T) {
	t.Parallel()
	for _, service := range []string{"placement", "network"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			c.world.setDown(service, true)
			id := c.create(func(r *compute.CreateRequest) { r.NoNetwork, r.Networks = service == "network", nil }).ID
			c.world.setDown(service, false)
			s := c.await(id, compute.Active)
			c.world.setDown(service, true)
			testx.NoErr(t, c.svc.Delete(c.ctx, s))
			testx.Eventually(t, "the guest is gone", func() bool { return c.guests() == 0 })
			c.world.setDown(service, false)
			c.awaitGone(id)
			c.nothingLeft()
		})
	}
}

func TestForgottenGuestIsDestroyed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	testx.NoErr(t, c.sims["sim0"].Spawn(c.ctx, driver.Server{ID: "lost", Image: &driver.Image{ID: "image"}}, func(string) {}))
	testx.Eventually(t, "the guest is destroyed", func() bool { return c.guests() == 0 })
}

func TestGuestStopsByItself(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(c *cloud) { c.interval = time.Hour })
	id := c.create().ID
	c.await(id, compute.Active)
	testx.NoErr(t, c.sims["sim0"].PowerOff(id))
	testx.Equal(t, c.await(id, compute.Stopped).PowerState, compute.Shutdown)
}

func TestOrphansAreSwept(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	p := placementFake{c.world}
	before, err := p.Allocations(c.ctx, id)
	testx.NoErr(t, err)
	testx.NoErr(t, c.svc.Delete(c.ctx, s))
	c.awaitGone(id)
	c.nothingLeft()
	// As if the agent had died before it removed them.
	testx.NoErr(t, p.PutAllocations(c.ctx, id, before.Allocations, project, "user", nil))
	_, err = networkFake{c.world}.CreatePort(c.ctx, network.PortCreate{NetworkID: "net", DeviceID: id, DeviceOwner: "compute:nova"})
	testx.NoErr(t, err)
	_, err = networkFake{c.world}.CreatePort(c.ctx, network.PortCreate{NetworkID: "net", DeviceID: "not of nova", DeviceOwner: "compute:nova"})
	testx.NoErr(t, err)
	testx.NoErr(t, c.conductor.Sweep(c.ctx))
	testx.Equal(t, c.world.left(), [4]int{0, 1, 0, 0}) // what is nobody's business stays
}

func TestReservationIsSwept(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	c.await(id, compute.Active)
	v := c.newVolume()
	// As if the API had died before it wrote that the server shall have it.
	_, err := volumeFake{c.world}.CreateAttachment(c.ctx, v.ID, id, nil)
	testx.NoErr(t, err)
	cfg := conductor.DefaultConfig()
	cfg.OrphanInterval = 1
	sweeper := conductor.New(cfg, conductor.Deps{
		Store: c.store, Bus: c.bus, Placement: placementFake{c.world}, Network: networkFake{c.world}, Volume: volumeFake{c.world}, Log: c.log,
	})
	reserved := func() int {
		c.world.mu.Lock()
		defer c.world.mu.Unlock()
		return len(c.world.attachments)
	}
	testx.NoErr(t, sweeper.Sweep(c.ctx))
	testx.Equal(t, reserved(), 1) // it may be about to
	testx.NoErr(t, sweeper.Sweep(c.ctx))
	testx.Equal(t, reserved(), 0)
}
