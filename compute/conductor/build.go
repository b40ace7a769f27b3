package conductor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nubo/compute"
	"nubo/compute/scheduler"
	"nubo/internal/fault"
	"nubo/internal/rpc"
)

// noValidHost begins the fault of a server no host will take.
const noValidHost = "No valid host was found. There are not enough hosts available."

func (c *Conductor) scheduleAndBuild(ctx context.Context, args compute.ServerIDs) (nothing, error) {
	return nothing{}, c.schedule(ctx, args.ServerIDs, nil)
}

// schedule finds hosts for servers of one request, but for those for which
// that is being done.
func (c *Conductor) schedule(ctx context.Context, ids, excluded []string) error {
	ids = c.begin(ids)
	defer c.end(ids)
	return c.place(ctx, ids, excluded)
}

// place finds hosts for servers. It tries again while the scheduler does not
// answer; after that they have failed.
func (c *Conductor) place(ctx context.Context, ids, excluded []string) error {
	deadline := c.clock.Now().Add(c.cfg.SchedulingPatience)
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		servers, err := c.waiting(ctx, ids)
		if err != nil || len(servers) == 0 {
			return err
		}
		selections, err := c.selectDestinations(ctx, compute.SelectArgs{Servers: servers, Excluded: excluded})
		if err == nil {
			return c.sendAll(ctx, servers, selections, excluded)
		}
		c.log.WarnContext(ctx, "scheduling is tried again", "servers", len(servers), "error", err)
		if c.clock.Now().After(deadline) {
			return c.failAll(ctx, servers, "Scheduling failed: "+message(err), err)
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// selectionTime is how long the scheduler is given.
const selectionTime = 30 * time.Second

func (c *Conductor) selectDestinations(ctx context.Context, args compute.SelectArgs) ([]compute.Selection, error) {
	ctx, cancel := context.WithTimeout(ctx, selectionTime)
	defer cancel()
	return c.scheduler.SelectDestinations(ctx, args)
}

// begin notes that servers are being scheduled and gives those that were not.
func (c *Conductor) begin(ids []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var mine []string
	for _, id := range ids {
		if !c.scheduled[id] {
			c.scheduled[id] = true
			mine = append(mine, id)
		}
	}
	return mine
}

func (c *Conductor) end(ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.scheduled, id)
	}
}

// waiting gives those of the servers that still wait for a host.
func (c *Conductor) waiting(ctx context.Context, ids []string) ([]*compute.Server, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	servers, err := c.store.Servers(ctx, compute.ServerQuery{AllProjects: true, IDs: ids, WithBlockDevices: true})
	if err != nil {
		return nil, fmt.Errorf("read servers to schedule: %w", err)
	}
	servers = slices.DeleteFunc(servers, func(s *compute.Server) bool {
		return s.Host != "" || s.State != compute.Building || s.TaskState != compute.Scheduling
	})
	slices.SortFunc(servers, func(a, b *compute.Server) int { return a.LaunchIndex - b.LaunchIndex })
	return servers, nil
}

// sendAll has each server built where the scheduler put it.
func (c *Conductor) sendAll(ctx context.Context, servers []*compute.Server, selections []compute.Selection, excluded []string) error {
	var errs error
	for i, s := range servers {
		if i >= len(selections) || selections[i].ServerID != s.ID {
			return fmt.Errorf("the scheduler answered %d of %d servers", len(selections), len(servers))
		}
		errs = errors.Join(errs, c.send(ctx, s, selections[i], excluded))
	}
	return errs
}

// send writes where a server goes and the cast that has it built there.
func (c *Conductor) send(ctx context.Context, s *compute.Server, sel compute.Selection, excluded []string) error {
	attempt := s.Attempts + 1
	decision := &compute.Decision{
		ServerID: s.ID, RequestID: s.RequestID, Attempt: attempt, CreatedAt: c.clock.Now(), Host: sel.Destination.Host, Reason: sel.Reason,
	}
	if sel.Decision != nil {
		decision.Detail = *sel.Decision
	}
	if sel.Destination.Host == "" {
		if err := c.store.SaveDecision(ctx, decision); err != nil {
			return err
		}
		return c.fail(ctx, s, because(sel.Public), errors.New(because(sel.Reason)))
	}
	to := sel.Destination
	err := c.store.InTx(ctx, func(ctx context.Context) error {
		nobody := ""
		after, err := c.store.UpdateServer(ctx, compute.Update{
			ServerID: s.ID, ExpectVM: []compute.VMState{compute.Building}, ExpectTask: []compute.TaskState{compute.Scheduling}, ExpectHost: &nobody,
			Set: compute.ServerFields{Host: &to.Host, Node: &to.Node, AZ: &to.AZ, Attempts: &attempt},
		})
		if err != nil {
			return err
		}
		after.BlockDevices = s.BlockDevices
		if err := c.store.SaveDecision(ctx, decision); err != nil {
			return err
		}
		cast, err := c.agent.Cast(ctx, to.Host, compute.MethodBuildAndRun, compute.BuildArgs{Server: after, Attempt: attempt, Excluded: excluded})
		if err != nil {
			return err
		}
		return c.store.Send(ctx, cast)
	})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		// Deleted meanwhile, or scheduled by somebody else.
		return c.settleClaim(ctx, s.ID)
	}
	return err
}

// because is the fault of a server without a host.
func because(reason string) string {
	if reason == "" {
		return noValidHost
	}
	return noValidHost + " (" + reason + ")"
}

// settleClaim makes a server's claim what its row says after a lost race.
func (c *Conductor) settleClaim(ctx context.Context, id string) error {
	s, err := c.store.Server(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return c.placement.DeleteAllocations(ctx, id)
	}
	if err != nil || s.Host == "" {
		return err
	}
	nodes, err := c.store.Nodes(ctx, compute.NodeQuery{Host: s.Host})
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Hostname == s.Node {
			return scheduler.Claim(ctx, c.placement, s, n.ID, scheduler.Resources(s))
		}
	}
	return nil
}

// buildFailed has a server that a host could not build built elsewhere. The
// host has removed what it had of it.
func (c *Conductor) buildFailed(ctx context.Context, args compute.BuildFailed) (nothing, error) {
	again := compute.Update{
		ServerID: args.ServerID, ExpectVM: []compute.VMState{compute.Building}, RefuseTask: []compute.TaskState{compute.Deleting}, ExpectHost: &args.Host,
		Set: compute.ServerFields{Host: compute.Ptr(""), Node: compute.Ptr(""), TaskState: compute.Ptr(compute.Scheduling)},
	}
	now := c.clock.Now()
	event := compute.ActionEvent{
		Event: "compute__do_build_and_run_instance", Start: now, Finish: &now, Result: "Error", Host: args.Host, Details: args.Fault.Message,
	}
	final := args.NoRetry || args.Attempt >= c.cfg.MaxAttempts
	if final {
		why := args.Fault
		if !args.NoRetry {
			why.Message = fmt.Sprintf("Exceeded maximum number of retries. Exceeded max scheduling attempts %d for instance %s. Last exception: %s",
				c.cfg.MaxAttempts, args.ServerID, args.Fault.Message)
		}
		why.Created = now
		if why.Code == 0 {
			why.Code = 500
		}
		again.Set.State, again.Set.TaskState, again.Set.Fault = compute.Ptr(compute.Errored), compute.Ptr(compute.NoTask), &why
	}
	// Until it is placed again it looks like a forgotten one, whose hosts that
	// failed nobody knows: who looks for those keeps off.
	mine := c.begin([]string{args.ServerID})
	for ; len(mine) == 0; mine = c.begin([]string{args.ServerID}) {
		if !pause(ctx, 10*time.Millisecond) { // he is about to see that it has a host
			return nothing{}, ctx.Err()
		}
	}
	defer c.end(mine)
	err := c.store.InTx(ctx, func(ctx context.Context) error {
		s, err := c.store.UpdateServer(ctx, again)
		if err != nil {
			return err
		}
		if err := c.store.RecordEvent(ctx, s.ID, s.RequestID, event); err != nil {
			return err
		}
		if !final {
			return nil
		}
		return c.notify(ctx, compute.EventCreateError, s)
	})
	switch {
	case fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound):
		return nothing{}, nil // it is deleted, or this came twice
	case err != nil:
		return nothing{}, err
	}
	if err := c.unclaim(ctx, args.ServerID); err != nil || final {
		return nothing{}, err
	}
	excluded := args.Excluded
	if !slices.Contains(excluded, args.Host) {
		excluded = append(slices.Clone(excluded), args.Host)
	}
	c.log.InfoContext(ctx, "a server is built elsewhere", "server", args.ServerID, "failed_host", args.Host, "attempt", args.Attempt, "reason", args.Fault.Message)
	return nothing{}, c.place(ctx, []string{args.ServerID}, excluded)
}

// failAll puts servers without a host into error.
func (c *Conductor) failAll(ctx context.Context, servers []*compute.Server, why string, cause error) error {
	var errs error
	for _, s := range servers {
		errs = errors.Join(errs, c.fail(ctx, s, why, cause))
	}
	return errs
}

// fail puts a server into error and says why: to its project why, and to
// administrators also the cause, which may name hosts.
func (c *Conductor) fail(ctx context.Context, s *compute.Server, why string, cause error) error {
	now := c.clock.Now()
	u := compute.Update{
		ServerID: s.ID, ExpectVM: []compute.VMState{s.State}, ExpectTask: []compute.TaskState{s.TaskState}, ExpectHost: &s.Host,
		Set: compute.ServerFields{
			State: compute.Ptr(compute.Errored), TaskState: compute.Ptr(compute.NoTask),
			Fault: &compute.Fault{Code: 500, Message: why, Details: cause.Error(), Created: now},
		},
	}
	err := c.store.InTx(ctx, func(ctx context.Context) error {
		after, err := c.store.UpdateServer(ctx, u)
		if err != nil {
			return err
		}
		event := compute.ActionEvent{Event: "conductor_schedule_and_build_instances", Start: now, Finish: &now, Result: "Error", Host: c.host, Details: cause.Error()}
		if err := c.store.RecordEvent(ctx, s.ID, s.RequestID, event); err != nil {
			return err
		}
		name := compute.EventUpdate
		if s.State == compute.Building {
			name = compute.EventCreateError
		}
		return c.notify(ctx, name, after)
	})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) {
		return nil // it is somebody else's matter now
	}
	if err != nil || s.Host != "" {
		return err
	}
	return c.unclaim(ctx, s.ID)
}

// unclaim gives back what a server has in placement. If placement does not
// answer, the sweep of orphans or the server's end does it.
func (c *Conductor) unclaim(ctx context.Context, id string) error {
	if err := c.placement.DeleteAllocations(ctx, id); err != nil {
		c.log.WarnContext(ctx, "an allocation stays for now", "server", id, "error", err)
	}
	return nil
}

func (c *Conductor) notify(ctx context.Context, event string, s *compute.Server) error {
	note, err := compute.Notification(ctx, event, s)
	if err != nil {
		return err
	}
	return c.store.Send(ctx, note)
}

// message is what an error says to people who do not run the cloud.
func message(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Msg
	}
	var r *rpc.RemoteError
	if errors.As(err, &r) {
		return r.Message
	}
	return err.Error()
}
