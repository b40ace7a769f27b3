package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
)

// rebootTasks are the task states of a server that is being restarted.
var rebootTasks = []compute.TaskState{
	compute.Rebooting, compute.RebootPending, compute.RebootStarted, compute.RebootingHard, compute.RebootPendingHard, compute.RebootStartedHard,
}

func (h *host) start(ctx context.Context, s *compute.Server, _ compute.ServerArgs) error {
	if s.TaskState != compute.PoweringOn {
		return nil
	}
	return h.power(ctx, s, "compute_start_instance", compute.Active, func() error {
		guest, err := h.existing(ctx, s)
		if err != nil {
			return err
		}
		return h.driver.Start(ctx, guest)
	})
}

func (h *host) stop(ctx context.Context, s *compute.Server, _ compute.ServerArgs) error {
	if s.TaskState != compute.PoweringOff {
		return nil
	}
	return h.power(ctx, s, "compute_stop_instance", compute.Stopped, func() error {
		return h.driver.Stop(ctx, s.ID)
	})
}

func (h *host) reboot(ctx context.Context, s *compute.Server, args compute.RebootArgs) error {
	switch s.TaskState {
	case compute.Rebooting, compute.RebootPending, compute.RebootStarted:
	case compute.RebootingHard, compute.RebootPendingHard, compute.RebootStartedHard:
		args.Hard = true
	default:
		return nil
	}
	return h.power(ctx, s, "compute_reboot_instance", compute.Active, func() error {
		guest, err := h.existing(ctx, s)
		if err != nil {
			return err
		}
		err = h.driver.Reboot(ctx, guest, args.Hard)
		if err != nil && !args.Hard && ctx.Err() == nil {
			h.log.WarnContext(ctx, "a guest does not restart by itself, it is made to", "server", s.ID, "error", err)
			err = h.driver.Reboot(ctx, guest, true)
		}
		return err
	})
}

// power does something to a guest and writes what became of it. A server that
// was in error is not any more if it worked.
func (h *host) power(ctx context.Context, s *compute.Server, name string, to compute.VMState, do func() error) error {
	start := h.clock.Now()
	err := do()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	u := compute.Update{
		ServerID: s.ID, ExpectTask: []compute.TaskState{s.TaskState}, ExpectHost: &h.name,
		Set: compute.ServerFields{TaskState: compute.Ptr(compute.NoTask), PowerState: h.powerState(ctx, s.ID)},
	}
	if err == nil {
		u.Set.State, u.Set.ClearFault = &to, true
	} else {
		h.log.WarnContext(ctx, "a server does not do as it is told", "server", s.ID, "action", name, "error", err)
		u.Set.Fault = &compute.Fault{Code: 500, Message: message(err), Details: fmt.Sprintf("%s: %v", name, err), Created: start}
		if errors.Is(err, driver.ErrNoGuest) {
			u.Set.State = compute.Ptr(compute.Errored)
		}
	}
	if err = h.update(ctx, u, h.event(ctx, s, name, start, err)); lost(err) {
		return nil
	}
	return err
}

// powerState is a guest's as the hypervisor says; nil if it does not.
func (h *host) powerState(ctx context.Context, id string) *compute.PowerState {
	g, err := h.driver.Get(ctx, id)
	switch {
	case errors.Is(err, driver.ErrNoGuest):
		return compute.Ptr(compute.NoState)
	case err != nil:
		return nil
	}
	return compute.Ptr(compute.PowerState(g.State))
}

// existing is a server that was built, as the driver wants it.
func (h *host) existing(ctx context.Context, s *compute.Server) (driver.Server, error) {
	disks, err := disksOf(s)
	if err != nil {
		return driver.Server{}, err
	}
	return h.describe(ctx, s, disks)
}

func (h *host) consoleOutput(ctx context.Context, args compute.ConsoleArgs) (compute.ConsoleReply, error) {
	text, err := h.driver.ConsoleLog(ctx, args.Server.ID, args.Lines)
	if errors.Is(err, driver.ErrNoGuest) {
		return compute.ConsoleReply{}, compute.NotReady(args.Server.ID)
	}
	return compute.ConsoleReply{Output: string(text)}, err
}

// syncPower makes a server's row say what its guest does, or the guest do
// what the row says: a guest may shut itself down, but not start.
func (h *host) syncPower(ctx context.Context, s *compute.Server, guest driver.PowerState, booted bool) error {
	running := guest == driver.Running || guest == driver.Paused
	switch {
	case s.State == compute.Active && !running && booted && h.cfg.ResumeGuestsStateOnHostBoot:
		h.log.InfoContext(ctx, "a server that ran when its host went down is started", "server", s.ID)
		desc, err := h.existing(ctx, s)
		if err != nil {
			return err
		}
		return h.driver.Start(ctx, desc)
	case s.State == compute.Active && !running:
		h.log.InfoContext(ctx, "a server has stopped by itself", "server", s.ID)
		return h.setPower(ctx, s, compute.Ptr(compute.Stopped), compute.Shutdown)
	case s.State == compute.Stopped && running:
		h.log.WarnContext(ctx, "a server runs that should not, it is stopped", "server", s.ID)
		return h.driver.Stop(ctx, s.ID)
	case s.PowerState != compute.PowerState(guest):
		return h.setPower(ctx, s, nil, compute.PowerState(guest))
	}
	return nil
}

// setPower writes what a guest does, if nothing is happening to its server.
func (h *host) setPower(ctx context.Context, s *compute.Server, state *compute.VMState, power compute.PowerState) error {
	err := h.update(ctx, compute.Update{
		ServerID: s.ID, ExpectVM: []compute.VMState{s.State}, ExpectTask: []compute.TaskState{compute.NoTask}, ExpectHost: &h.name,
		Set: compute.ServerFields{State: state, PowerState: &power},
	}, nil)
	if lost(err) {
		return nil
	}
	return err
}

// watch follows what guests do by themselves.
func (h *host) watch(ctx context.Context) {
	var later sync.WaitGroup
	defer later.Wait()
	for {
		events, err := h.driver.Events(ctx)
		if err != nil {
			if pause(ctx, longWait) != nil {
				return
			}
			continue
		}
		for e := range events {
			switch {
			case !h.busy(e.ID):
				h.powerChanged(ctx, e)
			case e.State != driver.Running: // who is at work on it may be the cause, or about to leave
				later.Go(func() { h.powerChanged(ctx, e) })
			}
		}
		if pause(ctx, time.Second) != nil { // the hypervisor went away; look again
			return
		}
	}
}

// powerChanged takes an event of the hypervisor, when nobody is at work on
// the server any more.
func (h *host) powerChanged(ctx context.Context, e driver.Event) {
	err := h.alone(ctx, e.ID, func(ctx context.Context) error {
		s, err := h.current(ctx, e.ID)
		if err != nil || s == nil || s.TaskState != compute.NoTask {
			return err
		}
		g, err := h.driver.Get(ctx, e.ID)
		if err != nil {
			return err
		}
		return h.syncPower(ctx, s, g.State, false)
	})
	if err != nil && ctx.Err() == nil {
		h.log.WarnContext(ctx, "a guest's power change is not written yet", "server", e.ID, "error", err)
	}
}
