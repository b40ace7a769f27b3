package agent

import (
	"context"
	"fmt"
	"time"

	"nubo/compute"
)

// terminate removes a server. Each step can be done again; the row goes last,
// so that whatever was missed is somebody's until then.
func (h *host) terminate(ctx context.Context, s *compute.Server, _ compute.ServerArgs) error {
	if s.TaskState != compute.Deleting {
		return nil
	}
	start := h.clock.Now()
	err := h.remove(ctx, s)
	const name = "compute_terminate_instance"
	u := compute.Update{ServerID: s.ID, ExpectTask: []compute.TaskState{compute.Deleting}, ExpectHost: &h.name}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.log.ErrorContext(ctx, "a server cannot be deleted", "server", s.ID, "host", h.name, "error", err)
		u.Set = compute.ServerFields{
			State: compute.Ptr(compute.Errored), TaskState: compute.Ptr(compute.NoTask),
			Fault: &compute.Fault{Code: 500, Message: "Deletion failed: " + message(err), Details: err.Error(), Created: start},
		}
	} else {
		u.Set = compute.ServerFields{Deleted: true, TerminatedAt: &start}
	}
	if err = h.update(ctx, u, h.event(ctx, s, name, start, err)); lost(err) {
		return nil
	}
	return err
}

// remove removes all there is of a server but its row.
func (h *host) remove(ctx context.Context, s *compute.Server) error {
	if err := h.destroy(ctx, s.ID); err != nil {
		return fmt.Errorf("destroy the guest: %w", err)
	}
	if err := h.releasePorts(ctx, s); err != nil {
		return err
	}
	for i := range s.BlockDevices {
		b := &s.BlockDevices[i]
		if b.SourceType != compute.SourceVolume && (b.VolumeID == "" || b.AttachmentID == "") {
			if err := h.findLost(ctx, s, b); err != nil {
				return err
			}
		}
		if err := h.releaseVolume(ctx, b, false); err != nil {
			return err
		}
		if !b.DeleteOnTermination {
			continue
		}
		if err := h.releaseVolume(ctx, &compute.BlockDevice{VolumeID: b.VolumeID}, true); err != nil {
			if ctx.Err() != nil || transient(err) {
				return err
			}
			h.log.WarnContext(ctx, "a volume outlives its server", "server", s.ID, "volume", b.VolumeID, "error", err)
		}
	}
	err := h.patiently(ctx, "an allocation", func() error { return h.deps.Placement.DeleteAllocations(ctx, s.ID) })
	if err != nil {
		return fmt.Errorf("give back the allocation: %w", err)
	}
	return nil
}

// destroyTries is how often a guest is destroyed before that has failed.
const destroyTries = 3

func (h *host) destroy(ctx context.Context, id string) (err error) {
	for try := range destroyTries {
		if try > 0 {
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		}
		if err = h.driver.Destroy(ctx, id); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// findLost finds the volume and the attachment that were made for a block
// device, if a crash came before that was written.
func (h *host) findLost(ctx context.Context, s *compute.Server, b *compute.BlockDevice) error {
	err := h.patiently(ctx, "a volume", func() error {
		if b.VolumeID == "" {
			v, err := h.findVolume(ctx, s, b)
			if err != nil || v == nil {
				return err
			}
			b.VolumeID = v.ID
		}
		if b.AttachmentID != "" {
			return nil
		}
		id, err := h.findAttachment(ctx, s, b)
		b.AttachmentID = id
		return err
	})
	if err != nil {
		return fmt.Errorf("look for volumes of the server: %w", err)
	}
	return nil
}
