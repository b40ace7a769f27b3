package agent_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"nubo/compute"
	"nubo/internal/testx"
)

// TestChaos uses servers while parts of the service are stopped and started
// at random, and the broker loses its messages. In the end every server is
// active, in error with a reason, or gone, and nothing is anybody's who is
// gone.
func TestChaos(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, hosts("a", "b"), func(c *cloud) { c.size = 1000 })
			testx.NoErr(t, c.store.Quotas().SetLimits(c.ctx, project, map[string]int64{"instances": -1, "cores": -1, "ram": -1}))
			stop := make(chan struct{})
			var users sync.WaitGroup
			for i := range 4 {
				users.Go(func() { c.use(rand.New(rand.NewPCG(seed, uint64(i))), stop) })
			}
			chance := rand.New(rand.NewPCG(seed, 100))
			restart := []func(){
				func() { c.stop("agent"); c.startAgent() },
				func() { c.stop("conductor"); c.startConductor() },
				func() { c.stop("scheduler"); c.startScheduler() },
				func() { c.stop("relay"); c.start("relay", (&compute.Relay{Store: c.store, Bus: c.bus}).Run) },
				c.restartBroker,
			}
			for range 12 {
				time.Sleep(time.Duration(chance.IntN(100)) * time.Millisecond) // let them come some way
				restart[chance.IntN(len(restart))]()
			}
			close(stop)
			users.Wait()
			c.converge()
		})
	}
}

// use makes servers, gives them volumes, takes them away again, deletes them,
// and waits for nothing for long.
func (c *cloud) use(r *rand.Rand, stop <-chan struct{}) {
	v := c.newVolume()
	for {
		s := c.create()
		for range 4 {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(r.IntN(40)) * time.Millisecond):
			}
			s = c.server(s.ID)
			if s == nil {
				break
			}
			// What is refused now is refused: the state does not allow it.
			switch r.IntN(4) {
			case 0:
				_, _ = c.svc.AttachVolume(c.ctx, s, compute.BlockDevice{VolumeID: v.ID})
			case 1:
				_ = c.svc.DetachVolume(c.ctx, s, v.ID)
			case 2:
				_ = c.svc.Reboot(c.ctx, s, true)
			case 3:
				_ = c.svc.Stop(c.ctx, s)
			}
		}
		if s = c.server(s.ID); s != nil && r.IntN(4) > 0 {
			if err := c.svc.Delete(c.ctx, s); err != nil {
				c.t.Errorf("delete: %v", err)
			}
		}
	}
}

// converge waits until nothing happens any more and looks at what there is.
func (c *cloud) converge() {
	c.t.Helper()
	var servers []*compute.Server
	list := func() bool {
		var err error
		servers, err = c.store.Servers(c.ctx, compute.ServerQuery{WithBlockDevices: true})
		testx.NoErr(c.t, err)
		for _, s := range servers {
			if s.TaskState != compute.NoTask || s.State == compute.Building {
				return false
			}
			for _, b := range s.BlockDevices {
				if s.State != compute.Errored && (!b.Attached || b.Detaching) {
					return false
				}
			}
		}
		return true
	}
	testx.Eventually(c.t, "nothing happens any more", list)
	alive := 0
	for _, s := range servers {
		switch s.State {
		case compute.Active, compute.Stopped:
			alive++
		case compute.Errored:
			if s.Fault == nil || s.Fault.Message == "" {
				c.t.Errorf("server %s is in error for no reason", s.ID)
			}
		default:
			c.t.Errorf("server %s is %s", s.ID, s.State)
		}
	}
	c.t.Logf("%d servers, %d of them alive", len(servers), alive)
	testx.Eventually(c.t, "guests are those of the servers", func() bool { return c.guests() == alive })
	testx.NoErr(c.t, c.conductor.Sweep(c.ctx))
	left := c.world.left()
	testx.Equal(c.t, left[:2], []int{alive, alive})
	for _, s := range servers {
		testx.NoErr(c.t, c.svc.Delete(c.ctx, s))
	}
	for _, s := range servers {
		c.awaitGone(s.ID)
	}
	testx.Eventually(c.t, "only the users' volumes are left", func() bool {
		return c.world.left() == [4]int{0, 0, 0, 4} && c.guests() == 0
	})
}
