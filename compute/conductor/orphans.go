package conductor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"nubo/compute"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// sweepAlways removes orphans, first as soon as the conductor serves and the
// other services answer.
func (c *Conductor) sweepAlways(ctx context.Context, served <-chan struct{}) {
	select {
	case <-ctx.Done():
		return
	case <-served:
	}
	wait := time.Second
	for {
		err := c.Sweep(ctx)
		next := c.cfg.OrphanInterval
		if err != nil {
			if ctx.Err() == nil {
				c.log.WarnContext(ctx, "looking for orphans has failed", "error", err)
			}
			next = min(wait, next)
			wait *= 2
		} else {
			wait = time.Second
		}
		if !pause(ctx, next) {
			return
		}
	}
}

// Sweep removes what servers that are gone have left in other services. A
// server is written before anything is made for it, and its row outlives all:
// what belongs to a deleted one is nobody's.
func (c *Conductor) Sweep(ctx context.Context) error {
	c.sweepMu.Lock()
	defer c.sweepMu.Unlock()
	return errors.Join(c.sweepAllocations(ctx), c.sweepPorts(ctx), c.sweepAttachments(ctx))
}

func (c *Conductor) sweepAllocations(ctx context.Context) error {
	nodes, err := c.store.Nodes(ctx, compute.NodeQuery{})
	if err != nil {
		return err
	}
	for _, n := range nodes {
		consumers, err := c.placement.ProviderAllocations(ctx, n.ID)
		if rest.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list allocations of %s: %w", n.Hostname, err)
		}
		ids := make([]string, 0, len(consumers))
		for id := range consumers {
			ids = append(ids, id)
		}
		known, err := c.store.KnownServers(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if known[id] {
				continue
			}
			if _, was := known[id]; !was { // not a server of ours, unless it says so
				consumer, err := c.placement.Allocations(ctx, id)
				if err != nil {
					return fmt.Errorf("show consumer %s: %w", id, err)
				}
				if consumer.Type != placement.Instance {
					continue
				}
			}
			c.log.InfoContext(ctx, "an allocation without a server is released", "consumer", id, "node", n.Hostname)
			if err := c.placement.DeleteAllocations(ctx, id); err != nil {
				return fmt.Errorf("release the allocation of %s: %w", id, err)
			}
		}
	}
	return nil
}

func (c *Conductor) sweepPorts(ctx context.Context) error {
	ports, err := c.network.ListPorts(ctx, url.Values{"fields": {"id", "device_id", "device_owner"}})
	if err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	byServer := map[string][]string{}
	var ids []string
	for _, p := range ports {
		if p.DeviceID != "" && strings.HasPrefix(p.DeviceOwner, "compute:") {
			if byServer[p.DeviceID] == nil {
				ids = append(ids, p.DeviceID)
			}
			byServer[p.DeviceID] = append(byServer[p.DeviceID], p.ID)
		}
	}
	gone, err := c.gone(ctx, ids)
	if err != nil {
		return err
	}
	for _, s := range gone {
		for _, port := range byServer[s.ID] {
			c.log.InfoContext(ctx, "a port without a server is released", "port", port, "server", s.ID)
			if err := releasePort(ctx, c.network, s, port); err != nil {
				return err
			}
		}
	}
	return nil
}

// releasePort deletes a port of a server, or gives it back to its owner.
func releasePort(ctx context.Context, n Network, s *compute.Server, port string) error {
	var err error
	if s.OwnsPort(port) {
		err = n.DeletePort(ctx, port)
	} else {
		none := ""
		_, err = n.UpdatePort(ctx, port, network.PortUpdate{DeviceID: &none, DeviceOwner: &none, HostID: &none})
	}
	if err != nil && !rest.IsNotFound(err) {
		return fmt.Errorf("release port %s: %w", port, err)
	}
	return nil
}

// gone gives those of the servers that are deleted.
func (c *Conductor) gone(ctx context.Context, ids []string) ([]*compute.Server, error) {
	known, err := c.store.KnownServers(ctx, ids)
	if err != nil {
		return nil, err
	}
	var deleted []string
	for _, id := range ids {
		if alive, ok := known[id]; ok && !alive {
			deleted = append(deleted, id)
		}
	}
	if deleted == nil {
		return nil, nil
	}
	return c.store.Servers(ctx, compute.ServerQuery{AllProjects: true, OnlyDeleted: true, IDs: deleted})
}

// reserved is the status of an attachment that no host has begun to use.
const reserved = "reserved"

// sweepAttachments ends attachments of servers that are gone, and those a
// kill has left between the API's two steps: it reserves a volume before it
// writes the server, or that the server shall have it. As it may be about to,
// such a one is only suspect until the next look.
func (c *Conductor) sweepAttachments(ctx context.Context) error {
	attachments, err := c.volume.ListAttachments(ctx, url.Values{"all_tenants": {"1"}})
	if err != nil {
		return fmt.Errorf("list attachments: %w", err)
	}
	ids := make([]string, 0, len(attachments))
	for _, a := range attachments {
		ids = append(ids, a.ServerID)
	}
	known, err := c.store.KnownServers(ctx, ids)
	if err != nil {
		return err
	}
	expected, err := c.expected(ctx, attachments, known)
	if err != nil {
		return err
	}
	suspects, now := map[string]time.Time{}, c.clock.Now()
	for _, a := range attachments {
		alive, was := known[a.ServerID]
		if a.ServerID == "" || alive && (a.Status != reserved || expected[a.ServerID+a.VolumeID]) {
			continue
		}
		if alive || !was {
			seen, ok := c.suspects[a.ID]
			if !ok {
				seen = now
			}
			if a.Status != reserved || now.Sub(seen) < c.cfg.OrphanInterval {
				suspects[a.ID] = seen
				continue
			}
		}
		c.log.InfoContext(ctx, "an attachment without a server is released", "attachment", a.ID, "server", a.ServerID)
		if err := c.volume.DeleteAttachment(ctx, a.ID); err != nil {
			return fmt.Errorf("release attachment %s: %w", a.ID, err)
		}
	}
	c.suspects = suspects
	return nil
}

// expected gives the pairs of server and volume of which a reserved
// attachment is a server's that lives.
func (c *Conductor) expected(ctx context.Context, attachments []volume.Attachment, known map[string]bool) (map[string]bool, error) {
	var ids []string
	for _, a := range attachments {
		if a.Status == reserved && known[a.ServerID] {
			ids = append(ids, a.ServerID)
		}
	}
	if ids == nil {
		return nil, nil
	}
	servers, err := c.store.Servers(ctx, compute.ServerQuery{AllProjects: true, IDs: ids, WithBlockDevices: true})
	if err != nil {
		return nil, err
	}
	pairs := map[string]bool{}
	for _, s := range servers {
		for _, b := range s.BlockDevices {
			pairs[s.ID+b.VolumeID] = true
		}
	}
	return pairs, nil
}
