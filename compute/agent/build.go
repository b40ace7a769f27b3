package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/internal/auth"
	"nubo/internal/rpc"
)

const eventBuild = "compute__do_build_and_run_instance"

// buildTasks are the task states of a server that a host is building.
var buildTasks = []compute.TaskState{compute.Networking, compute.BlockDeviceMapping, compute.Spawning}

// buildAndRun builds a new server. One that somebody is at work on already is
// being built, or deleted.
func (h *host) buildAndRun(ctx context.Context, args compute.BuildArgs) (nothing, error) {
	id := args.Server.ID
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &work{build: true, cancel: cancel, done: make(chan struct{})}
	if h.enter(id, w) != nil {
		return nothing{}, nil
	}
	defer h.leave(id, w)
	if !rpc.Redelivered(ctx) {
		if err := h.build(ctx, args, false); !errors.Is(err, errBegun) {
			return nothing{}, err
		}
	}
	return nothing{}, h.rebuild(ctx, id, args)
}

// errBegun is the end of a build that is no longer to be begun: a process
// before this one began it, or this one, and the answer to that got lost; or
// the server is deleted.
var errBegun = errors.New("the build was begun before")

// rebuild goes on with a build that was begun, if that is how the server is.
func (h *host) rebuild(ctx context.Context, id string, args compute.BuildArgs) error {
	s, err := h.current(ctx, id)
	if err != nil || s == nil || s.State != compute.Building || s.TaskState == compute.Deleting {
		return err
	}
	args.Server = s
	args.Attempt = max(args.Attempt, s.Attempts)
	return h.build(ctx, args, true)
}

// build builds a server. begun says that it may have been begun before.
func (h *host) build(ctx context.Context, args compute.BuildArgs, begun bool) error {
	s := args.Server
	task := compute.Networking
	if len(s.BlockDevices) > 0 {
		task = compute.BlockDeviceMapping
	}
	expect := []compute.TaskState{compute.Scheduling}
	if begun {
		expect = append(expect, buildTasks...)
	}
	select {
	case h.builds <- struct{}{}:
	case <-ctx.Done():
		return buildEnded(ctx)
	}
	defer func() { <-h.builds }()
	start := h.clock.Now()
	err := h.update(ctx, compute.Update{
		ServerID: s.ID, ExpectVM: []compute.VMState{compute.Building}, ExpectTask: expect, ExpectHost: &h.name,
		Set: compute.ServerFields{TaskState: &task},
	}, nil)
	switch {
	case lost(err) && !begun:
		return errBegun
	case lost(err): // deleted
		return nil
	case err == nil:
		err = h.bringUp(ctx, s, begun || args.Attempt > 1, start)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return buildEnded(ctx)
	}
	return h.buildFailed(ctx, args, start, err)
}

// buildEnded is the end of a build whose context ended: by a deletion, which
// cleans up, or because the agent stops, and goes on when it is back.
func buildEnded(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errDeleting) {
		return nil
	}
	return ctx.Err()
}

// bringUp makes ports, volumes and the guest, and says that it runs. look
// says that some of it may be there.
func (h *host) bringUp(ctx context.Context, s *compute.Server, look bool, start time.Time) error {
	plugged, forget := h.plugs.watch(s.ID) // before there is a port to hear of
	defer forget()
	disks, err := h.makeVolumes(ctx, s, look)
	if err != nil {
		return err
	}
	ports, err := h.makePorts(ctx, s, look)
	if err != nil {
		return err
	}
	if s.VIFs, err = h.describePorts(ctx, s, ports); err != nil {
		return err
	}
	if err := h.awaitPlugged(ctx, s, ports, plugged); err != nil {
		return err
	}
	guest, err := h.describe(ctx, s, disks)
	if err != nil {
		return err
	}
	if err := h.spawn(ctx, s, guest); err != nil {
		return err
	}
	for i := range s.BlockDevices {
		if err := h.complete(ctx, &s.BlockDevices[i]); err != nil {
			return err
		}
	}
	return h.built(ctx, s, start)
}

// spawnSoon is how long spawning may take before the row says so: a state
// that is over at once is not worth a transaction.
const spawnSoon = 100 * time.Millisecond

// spawn makes the guest.
func (h *host) spawn(ctx context.Context, s *compute.Server, guest driver.Server) error {
	var told sync.WaitGroup
	told.Add(1)
	timer := time.AfterFunc(spawnSoon, func() {
		defer told.Done()
		// A failure is told by what follows.
		_, _ = h.conductor.UpdateServer(ctx, compute.Update{
			ServerID: s.ID, ExpectVM: []compute.VMState{compute.Building}, ExpectTask: buildTasks, ExpectHost: &h.name,
			Set: compute.ServerFields{TaskState: compute.Ptr(compute.Spawning)},
		}, nil)
	})
	err := h.driver.Spawn(ctx, guest, func(step string) {
		h.log.DebugContext(ctx, "a server is spawned", "server", s.ID, "step", step)
	})
	if !timer.Stop() {
		told.Wait()
	}
	if err != nil {
		return fmt.Errorf("spawn: %w", err)
	}
	return nil
}

// built says that a server runs.
func (h *host) built(ctx context.Context, s *compute.Server, start time.Time) error {
	now := h.clock.Now()
	for i := range s.VIFs {
		s.VIFs[i].Active = true
	}
	err := h.update(ctx, compute.Update{
		ServerID: s.ID, ExpectVM: []compute.VMState{compute.Building}, ExpectTask: buildTasks, ExpectHost: &h.name,
		Set: compute.ServerFields{
			State: compute.Ptr(compute.Active), TaskState: compute.Ptr(compute.NoTask), PowerState: compute.Ptr(compute.Running),
			VIFs: &s.VIFs, LaunchedAt: &now, ClearFault: true,
		},
		SetDevices: s.BlockDevices,
	}, h.event(ctx, s, eventBuild, start, nil))
	if lost(err) {
		// It is being deleted, which cleans up; or an admin has said what it is.
		return nil
	}
	return err
}

// event is the record of a step of an action: of the request that is being
// worked on, or, where nobody asks, of the server's own.
func (h *host) event(ctx context.Context, s *compute.Server, name string, start time.Time, err error) *compute.ActionEventArgs {
	now := h.clock.Now()
	e := &compute.ActionEventArgs{
		ServerID: s.ID, RequestID: auth.From(ctx).RequestID, Event: name, Host: h.name, Start: start, Finish: &now, Result: "Success",
	}
	if e.RequestID == "" {
		e.RequestID = s.RequestID
	}
	if err != nil {
		e.Result, e.Details = "Error", err.Error()
	}
	return e
}

// buildFailed removes what there is of a server and gives it back to the
// conductor.
func (h *host) buildFailed(ctx context.Context, args compute.BuildArgs, start time.Time, cause error) error {
	s := args.Server
	h.log.WarnContext(ctx, "a build has failed", "server", s.ID, "host", h.name, "attempt", args.Attempt, "error", cause)
	if err := h.cleanUp(ctx, s); err != nil {
		if ctx.Err() != nil {
			return buildEnded(ctx)
		}
		h.log.WarnContext(ctx, "a failed build is not cleaned up yet", "server", s.ID, "host", h.name, "error", err)
	}
	failed := compute.BuildFailed{
		ServerID: s.ID, Host: h.name, Attempt: args.Attempt, Excluded: args.Excluded, NoRetry: hopeless(cause),
		Fault: compute.Fault{
			Code: 500, Message: fmt.Sprintf("Build of instance %s aborted: %s", s.ID, message(cause)), Details: cause.Error(), Created: start,
		},
	}
	if !failed.NoRetry {
		failed.Fault.Message = fmt.Sprintf("Build of instance %s was re-scheduled: %s", s.ID, message(cause))
	}
	return h.always(ctx, "a failed build", func(ctx context.Context) error { return h.conductor.BuildFailed(ctx, failed) })
}

// cleanUp removes all a failed build has made. The user's own volumes stay
// reserved for the server, and the volumes that shall outlive it stay its.
func (h *host) cleanUp(ctx context.Context, s *compute.Server) error {
	return errors.Join(h.driver.Destroy(ctx, s.ID), h.releasePorts(ctx, s), h.unmakeVolumes(ctx, s))
}

// describe is a server as the driver wants it.
func (h *host) describe(ctx context.Context, s *compute.Server, disks []driver.Disk) (driver.Server, error) {
	out := driver.Server{
		ID: s.ID, InstanceName: s.InstanceName(), Name: s.Name, ProjectID: s.ProjectID, UserID: s.UserID, FlavorName: s.Flavor.Name,
		VCPUs: s.Flavor.VCPUs, MemoryMB: s.Flavor.MemoryMB, RootGB: s.Flavor.RootGB, EphemeralGB: s.Flavor.EphemeralGB, SwapMB: s.Flavor.SwapMB,
		Disks: disks,
	}
	for i := range s.VIFs {
		out.Interfaces = append(out.Interfaces, interfaceOf(&s.VIFs[i]))
	}
	if !s.BootsFromVolume() {
		img, err := h.image(ctx, s.ImageRef)
		if err != nil {
			return out, fmt.Errorf("image %s: %w", s.ImageRef, err)
		}
		out.Image = img
	}
	if s.ConfigDrive {
		files, err := s.ConfigDriveFiles()
		if err != nil {
			return out, fmt.Errorf("config drive: %w", err)
		}
		out.ConfigDrive = files
	}
	return out, nil
}
