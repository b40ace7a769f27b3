package conductor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nubo/compute"
	"nubo/sdk/rest"
)

// recoverAlways looks for servers that nobody works on, first as soon as the
// conductor serves: a broker that keeps messages in memory may have lost
// casts with the process that died. What is on a host that lives its agent
// recovers by itself.
func (c *Conductor) recoverAlways(ctx context.Context, served <-chan struct{}) {
	select {
	case <-ctx.Done():
		return
	case <-served:
	}
	for age := time.Duration(0); ; age = c.cfg.RecoveryInterval {
		if err := c.Recover(ctx, age); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "looking for forgotten servers has failed", "error", err)
		}
		if !pause(ctx, c.cfg.RecoveryInterval) {
			return
		}
	}
}

// Recover looks once at servers that something is said to happen to, and
// nothing has for the given time.
func (c *Conductor) Recover(ctx context.Context, age time.Duration) error {
	before := c.clock.Now().Add(-age)
	busy, err := c.store.Servers(ctx, compute.ServerQuery{AllProjects: true, Busy: true, ChangesBefore: &before, WithBlockDevices: true})
	if err != nil {
		return fmt.Errorf("list busy servers: %w", err)
	}
	var dead map[string]time.Time
	for _, s := range busy {
		switch {
		case s.Host == "" && s.State == compute.Building && s.TaskState == compute.Scheduling:
			c.log.InfoContext(ctx, "a forgotten server is scheduled", "server", s.ID)
			err = c.schedule(ctx, []string{s.ID}, nil)
		case s.Host == "":
			err = c.bury(ctx, s)
		default:
			if dead == nil {
				if dead, err = c.deadHosts(ctx); err != nil {
					return err
				}
			}
			if seen, ok := dead[s.Host]; ok {
				err = c.giveUp(ctx, s, seen)
			}
		}
		if err != nil {
			c.log.WarnContext(ctx, "a server is not recovered yet", "server", s.ID, "error", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// deadHosts gives the compute hosts that have been away for too long, and
// when each was last heard of.
func (c *Conductor) deadHosts(ctx context.Context) (map[string]time.Time, error) {
	services, err := c.store.Services(ctx, "", compute.BinaryCompute)
	if err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	dead := map[string]time.Time{}
	for _, one := range services {
		seen := one.CreatedAt
		if one.LastSeen != nil {
			seen = *one.LastSeen
		}
		if c.clock.Now().Sub(seen) > c.cfg.DeadHostAfter {
			dead[one.Host] = seen
		}
	}
	return dead, nil
}

// giveUp ends what was begun with a server on a host that is dead. Should the
// host come back, its agent destroys guests whose servers are deleted.
func (c *Conductor) giveUp(ctx context.Context, s *compute.Server, seen time.Time) error {
	if s.TaskState == compute.Deleting {
		return c.bury(ctx, s)
	}
	why := fmt.Sprintf("Host %s has not been heard of since %s; the server was %s.", s.Host, seen.UTC().Format(time.RFC3339), s.TaskState)
	return c.fail(ctx, s, why, fmt.Errorf("task %s given up", s.TaskState))
}

// bury deletes a server no agent can: its volumes as its owner wished, its
// row; what else is left of it the sweep of orphans finds.
func (c *Conductor) bury(ctx context.Context, s *compute.Server) error {
	if s.TaskState != compute.Deleting {
		return nil
	}
	for _, b := range s.BlockDevices {
		if b.AttachmentID != "" {
			if err := c.volume.DeleteAttachment(ctx, b.AttachmentID); err != nil {
				return fmt.Errorf("release volume %s: %w", b.VolumeID, err)
			}
		}
		if b.DeleteOnTermination && b.VolumeID != "" {
			var refused *rest.Error
			switch err := c.volume.DeleteVolume(ctx, b.VolumeID); {
			case errors.As(err, &refused) && refused.Status < 500:
				c.log.WarnContext(ctx, "a volume outlives its server", "volume", b.VolumeID, "server", s.ID, "error", err)
			case err != nil:
				return fmt.Errorf("delete volume %s: %w", b.VolumeID, err)
			}
		}
	}
	if err := c.placement.DeleteAllocations(ctx, s.ID); err != nil {
		return fmt.Errorf("give back what server %s had: %w", s.ID, err)
	}
	_, err := c.instanceUpdate(ctx, compute.UpdateArgs{Update: compute.Update{
		ServerID: s.ID, ExpectTask: []compute.TaskState{compute.Deleting}, ExpectHost: &s.Host, Set: compute.ServerFields{Deleted: true},
	}})
	return err
}
