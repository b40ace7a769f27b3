package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
)

// recoverAlways compares what the host should do with what it does: first
// when the agent starts, when whatever was begun has been interrupted, then
// now and then, for casts that were lost.
func (h *host) recoverAlways(ctx context.Context) {
	age := time.Duration(0)
	wait := firstWait
	for {
		err := h.recover(ctx, age)
		next := h.cfg.RecoveryInterval
		if err == nil {
			age, wait = h.cfg.RecoveryInterval, firstWait
		} else if ctx.Err() == nil {
			h.log.WarnContext(ctx, "a host is not compared with its servers yet", "host", h.name, "error", err)
			next, wait = min(wait, next), min(2*wait, longWait)
		}
		if pause(ctx, next) != nil {
			return
		}
	}
}

// recovering is how many servers of a host are recovered at a time.
const recovering = 16

// recover looks at all servers to which nothing has happened for the given
// time; 0 is for an agent that starts.
func (h *host) recover(ctx context.Context, age time.Duration) error {
	guests, err := h.driver.List(ctx) // before the servers: a guest's server is older
	if err != nil {
		return fmt.Errorf("list guests: %w", err)
	}
	servers, err := h.conductor.HostServers(ctx, h.name)
	if err != nil {
		return fmt.Errorf("list servers: %w", err)
	}
	if err := h.forget(ctx, guests, servers); err != nil {
		return err
	}
	states := make(map[string]driver.PowerState, len(guests))
	for _, g := range guests {
		states[g.ID] = g.State
	}
	before := h.clock.Now().Add(-age)
	slots := make(chan struct{}, recovering)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, s := range servers {
		guest, there := states[s.ID]
		if s.UpdatedAt.After(before) || h.busy(s.ID) || !wrong(s, guest, there) {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case slots <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := h.mend(ctx, s.ID, age == 0); err != nil && ctx.Err() == nil {
				h.log.WarnContext(ctx, "a server is not recovered yet", "server", s.ID, "host", h.name, "error", err)
			}
		})
	}
	return nil
}

// wrong reports whether a server is not as it should be when nobody is at
// work on it.
func wrong(s *compute.Server, guest driver.PowerState, there bool) bool {
	switch {
	case s.TaskState != compute.NoTask || s.State == compute.Building:
		return true
	case s.State == compute.Errored:
		return false
	case slices.ContainsFunc(s.BlockDevices, func(b compute.BlockDevice) bool { return !b.Attached || b.Detaching }):
		return true
	}
	return !there && s.State == compute.Active || there && s.PowerState != compute.PowerState(guest)
}

// mend finishes what was begun with a server.
func (h *host) mend(ctx context.Context, id string, booted bool) error {
	// It may turn out to be a build, which a deletion ends; nothing else is.
	building, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &work{build: true, cancel: cancel, done: make(chan struct{})}
	if h.enter(id, w) != nil {
		return nil
	}
	defer h.leave(id, w)
	s, err := h.current(ctx, id)
	if err != nil || s == nil {
		return err
	}
	switch task := s.TaskState; {
	case task == compute.Deleting:
		err = h.terminate(ctx, s, compute.ServerArgs{})
	case s.State == compute.Building:
		h.log.InfoContext(ctx, "an interrupted build goes on", "server", id, "host", h.name, "task_state", task)
		err = h.build(building, compute.BuildArgs{Server: s, Attempt: s.Attempts}, true)
	case task == compute.PoweringOn:
		err = h.start(ctx, s, compute.ServerArgs{})
	case task == compute.PoweringOff:
		err = h.stop(ctx, s, compute.ServerArgs{})
	case slices.Contains(rebootTasks, task):
		err = h.reboot(ctx, s, compute.RebootArgs{})
	case task == compute.NoTask && s.State != compute.Errored:
		err = h.settle(ctx, s, booted)
	}
	return err
}

// settle finishes what happens to a server's volumes, and looks at its power.
func (h *host) settle(ctx context.Context, s *compute.Server, booted bool) error {
	for _, b := range slices.Clone(s.BlockDevices) {
		var err error
		switch {
		case b.Detaching:
			err = h.detachVolume(ctx, s, compute.VolumeArgs{Device: b})
		case !b.Attached:
			err = h.attachVolume(ctx, s, compute.VolumeArgs{Device: b})
		}
		if err != nil {
			return err
		}
	}
	state := h.powerState(ctx, s.ID)
	if state == nil {
		return nil // the hypervisor does not say
	}
	return h.syncPower(ctx, s, driver.PowerState(*state), booted)
}

// forget destroys guests whose servers are no more. Those the conductor knows
// to be elsewhere are left alone.
func (h *host) forget(ctx context.Context, guests []driver.Guest, servers []*compute.Server) error {
	var strange []string
	for _, g := range guests {
		if !slices.ContainsFunc(servers, func(s *compute.Server) bool { return s.ID == g.ID }) {
			strange = append(strange, g.ID)
		}
	}
	if strange == nil {
		return nil
	}
	known, err := h.conductor.KnownServers(ctx, strange)
	if err != nil {
		return fmt.Errorf("ask about strange guests: %w", err)
	}
	for _, id := range strange {
		if known[id] || h.busy(id) {
			continue
		}
		h.log.WarnContext(ctx, "a guest without a server is destroyed", "guest", id, "host", h.name)
		if err := h.driver.Destroy(ctx, id); err != nil {
			return fmt.Errorf("destroy guest %s: %w", id, err)
		}
	}
	return nil
}
