package conductor

import (
	"context"
	"slices"

	"nubo/compute"
)

// instanceUpdate changes a server as its agent says, and tells the world.
func (c *Conductor) instanceUpdate(ctx context.Context, args compute.UpdateArgs) (compute.ServerState, error) {
	var state compute.ServerState
	event := eventOf(&args.Update)
	err := c.store.InTx(ctx, func(ctx context.Context) (err error) {
		var after *compute.Server // where the world is told of it
		if event == "" {
			state, err = c.store.ChangeServer(ctx, args.Update)
		} else if after, err = c.store.UpdateServer(ctx, args.Update); err == nil {
			state = compute.ServerState{ServerID: after.ID, State: after.State, TaskState: after.TaskState, Revision: after.Revision}
		}
		if err != nil {
			return err
		}
		if e := args.Event; e != nil {
			err := c.store.RecordEvent(ctx, state.ServerID, e.RequestID, compute.ActionEvent{
				Event: e.Event, Start: e.Start, Finish: e.Finish, Result: e.Result, Host: e.Host, Details: e.Details,
			})
			if err != nil {
				return err
			}
		}
		if event == "" {
			return nil
		}
		return c.notify(ctx, event, after)
	})
	return state, err
}

// eventOf names what an update means to the world; "" for nothing.
func eventOf(u *compute.Update) string {
	was := func(tasks ...compute.TaskState) bool {
		return slices.ContainsFunc(u.ExpectTask, func(t compute.TaskState) bool { return slices.Contains(tasks, t) })
	}
	to := compute.VMState("")
	if u.Set.State != nil {
		to = *u.Set.State
	}
	switch {
	case u.Set.Deleted:
		return compute.EventDeleteEnd
	case to == compute.Active && u.Set.LaunchedAt != nil:
		return compute.EventCreateEnd
	case to == compute.Active && was(compute.PoweringOn):
		return compute.EventPowerOnEnd
	case to == compute.Active && was(compute.Rebooting, compute.RebootingHard):
		return compute.EventRebootEnd
	case to == compute.Stopped && was(compute.PoweringOff):
		return compute.EventPowerOffEnd
	case to == compute.Errored && slices.Contains(u.ExpectVM, compute.Building):
		return compute.EventCreateError
	case to != "":
		return compute.EventUpdate
	case slices.ContainsFunc(u.SetDevices, func(b compute.BlockDevice) bool { return b.Attached && !b.Detaching }):
		return compute.EventVolumeAttach
	case len(u.DropDevices) > 0:
		return compute.EventVolumeDetach
	}
	return ""
}

func (c *Conductor) instanceGet(ctx context.Context, args compute.ServerID) (compute.ServerReply, error) {
	s, err := c.store.Server(ctx, args.ServerID)
	return compute.ServerReply{Server: s}, err
}

func (c *Conductor) hostInstances(ctx context.Context, args compute.HostArgs) (compute.HostInstances, error) {
	servers, err := c.store.Servers(ctx, compute.ServerQuery{AllProjects: true, Host: args.Host, WithBlockDevices: true})
	return compute.HostInstances{Servers: servers}, err
}

func (c *Conductor) knownInstances(ctx context.Context, args compute.ServerIDs) (compute.KnownInstances, error) {
	known, err := c.store.KnownServers(ctx, args.ServerIDs)
	return compute.KnownInstances{Known: known}, err
}

func (c *Conductor) report(ctx context.Context, args compute.Report) (nothing, error) {
	now := c.clock.Now()
	err := c.store.InTx(ctx, func(ctx context.Context) error {
		if err := c.store.Heartbeat(ctx, now, args.Services); err != nil {
			return err
		}
		return c.store.SaveNodes(ctx, now, args.Nodes)
	})
	return nothing{}, err
}
