package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"nubo/compute"
	"nubo/compute/driver"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// deviceKey is the metadata key by which a volume that was made for a block
// device is found again.
const deviceKey = "nubo_block_device"

// makeVolumes makes the volumes a new server asked for and attaches them to
// this host. look says that some of them may be there. The block devices of s
// are kept as they are written.
func (h *host) makeVolumes(ctx context.Context, s *compute.Server, look bool) ([]driver.Disk, error) {
	var disks []driver.Disk
	for i := range s.BlockDevices {
		b := &s.BlockDevices[i]
		if b.VolumeID == "" {
			if err := h.makeVolume(ctx, s, b, look); err != nil {
				return nil, fmt.Errorf("make a volume: %w", err)
			}
		} else if look && b.SourceType != compute.SourceVolume { // made before, perhaps only just
			if err := h.awaitVolume(ctx, &volume.Volume{ID: b.VolumeID}); err != nil {
				return nil, fmt.Errorf("make a volume: %w", err)
			}
		}
		disk, err := h.export(ctx, s, b, look)
		if err != nil {
			return nil, fmt.Errorf("attach volume %s: %w", b.VolumeID, err)
		}
		disks = append(disks, disk)
	}
	return disks, nil
}

// makeVolume makes a block device's volume, writes whose it is, and waits
// until it can be used.
func (h *host) makeVolume(ctx context.Context, s *compute.Server, b *compute.BlockDevice, look bool) error {
	if b.SourceType == compute.SourceSnapshot {
		return final(errors.New("volumes of snapshots cannot be made"))
	}
	in := volume.Create{
		Size: b.VolumeSize, ImageID: b.ImageID, Type: b.VolumeType, ProjectID: s.ProjectID, UserID: s.UserID, Metadata: map[string]string{deviceKey: b.ID},
	}
	var made *volume.Volume
	err := h.patiently(ctx, "a volume", func() (err error) {
		if look {
			if made, err = h.findVolume(ctx, s, b); err != nil || made != nil {
				return err
			}
		}
		look = true
		made, err = making(ctx, func(ctx context.Context) (*volume.Volume, error) { return h.deps.Volume.CreateVolume(ctx, in) })
		return err
	})
	if err != nil {
		return err
	}
	b.VolumeID = made.ID
	if err := h.record(ctx, s, *b); err != nil {
		return err
	}
	return h.awaitVolume(ctx, made)
}

// findVolume finds the volume that was made for a block device; nil if none
// was.
func (h *host) findVolume(ctx context.Context, s *compute.Server, b *compute.BlockDevice) (*volume.Volume, error) {
	all, err := h.deps.Volume.ListVolumes(ctx, url.Values{"all_tenants": {"1"}, "project_id": {s.ProjectID}})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(v volume.Volume) bool { return v.Metadata[deviceKey] == b.ID })
	if i < 0 {
		return nil, nil
	}
	return &all[i], nil
}

// record writes a block device.
func (h *host) record(ctx context.Context, s *compute.Server, devices ...compute.BlockDevice) error {
	return h.update(ctx, compute.Update{ServerID: s.ID, ExpectHost: &h.name, SetDevices: devices}, nil)
}

// awaitVolume waits until a volume is available.
func (h *host) awaitVolume(ctx context.Context, v *volume.Volume) error {
	deadline := time.Now().Add(h.cfg.BlockDeviceTimeout)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		switch v.Status {
		case "available", "reserved", "attaching", "in-use":
			return nil
		case "error":
			return fmt.Errorf("volume %s is in error", v.ID)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("Volume %s did not finish being created even after we waited %d seconds. And its status is %s.",
				v.ID, int(h.cfg.BlockDeviceTimeout.Seconds()), v.Status)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		now, err := h.deps.Volume.ShowVolume(ctx, v.ID)
		if err != nil && !transient(err) {
			return err
		}
		if err == nil {
			v = now
		}
	}
}

// connector is this host, to the volume service.
func (h *host) connector() volume.Connector {
	return volume.Connector{Host: h.name, Platform: "x86_64", OSType: "linux", Mode: "rw"}
}

// export has a volume exported to this host, and gives it as the driver wants
// it.
func (h *host) export(ctx context.Context, s *compute.Server, b *compute.BlockDevice, look bool) (driver.Disk, error) {
	c := h.connector()
	var a *volume.Attachment
	err := h.patiently(ctx, "an attachment", func() (err error) {
		if b.AttachmentID == "" && look {
			if b.AttachmentID, err = h.findAttachment(ctx, s, b); err != nil {
				return err
			}
		}
		look = true
		a, err = making(ctx, func(ctx context.Context) (*volume.Attachment, error) {
			if b.AttachmentID == "" {
				return h.deps.Volume.CreateAttachment(ctx, b.VolumeID, s.ID, &c)
			}
			return h.deps.Volume.UpdateAttachment(ctx, b.AttachmentID, c)
		})
		return err
	})
	if err != nil {
		return driver.Disk{}, err
	}
	fresh := b.AttachmentID != a.ID
	b.AttachmentID = a.ID
	// The volume service tells the connection flat; the driver, and the row,
	// have its data apart from its type.
	if b.Connection, err = json.Marshal(map[string]any{"driver_volume_type": a.ConnectionInfo.Type, "data": a.ConnectionInfo.Data}); err != nil {
		return driver.Disk{}, fmt.Errorf("encode connection_info: %w", err)
	}
	if fresh {
		if err := h.record(ctx, s, *b); err != nil {
			return driver.Disk{}, err
		}
	}
	return diskOf(b)
}

// findAttachment finds the attachment of a volume to the server; "" if there
// is none.
func (h *host) findAttachment(ctx context.Context, s *compute.Server, b *compute.BlockDevice) (string, error) {
	all, err := h.deps.Volume.ListAttachments(ctx, url.Values{"all_tenants": {"1"}, "volume_id": {b.VolumeID}, "instance_id": {s.ID}})
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if a.VolumeID == b.VolumeID && a.ServerID == s.ID {
			return a.ID, nil
		}
	}
	return "", nil
}

// diskOf is a block device as the driver wants it.
func diskOf(b *compute.BlockDevice) (driver.Disk, error) {
	d := driver.Disk{VolumeID: b.VolumeID, Device: b.DeviceLetter(), Serial: b.VolumeID, BootIndex: b.BootIndex}
	if len(b.Connection) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(b.Connection, &d.Connection); err != nil {
		return d, fmt.Errorf("connection_info of volume %s: %w", b.VolumeID, err)
	}
	return d, nil
}

// disksOf are a server's volumes as the driver wants them, without those that
// come or go just now.
func disksOf(s *compute.Server) ([]driver.Disk, error) {
	var disks []driver.Disk
	for i := range s.BlockDevices {
		if b := &s.BlockDevices[i]; b.Attached {
			d, err := diskOf(b)
			if err != nil {
				return nil, err
			}
			disks = append(disks, d)
		}
	}
	return disks, nil
}

// complete says to the volume service that the guest has a volume.
func (h *host) complete(ctx context.Context, b *compute.BlockDevice) error {
	err := h.patiently(ctx, "an attachment", func() error {
		err := h.deps.Volume.CompleteAttachment(ctx, b.AttachmentID)
		if err == nil || transient(err) {
			return err
		}
		// Perhaps it was said before.
		if a, look := h.deps.Volume.ShowAttachment(ctx, b.AttachmentID); look == nil && a.Status == "attached" {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("complete the attachment of volume %s: %w", b.VolumeID, err)
	}
	b.Attached = true
	return nil
}

// unmakeVolumes removes what a failed build made: volumes that were to end
// with the server, and their attachments. The user's own volumes stay
// reserved for it.
func (h *host) unmakeVolumes(ctx context.Context, s *compute.Server) error {
	var errs error
	var changed []compute.BlockDevice
	for _, b := range s.BlockDevices {
		if b.SourceType == compute.SourceVolume || b.VolumeID == "" {
			continue
		}
		if err := h.releaseVolume(ctx, &b, b.DeleteOnTermination); err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		b.AttachmentID, b.Connection, b.Attached = "", nil, false
		if b.DeleteOnTermination {
			b.VolumeID = ""
		}
		changed = append(changed, b)
	}
	if changed == nil {
		return errs
	}
	if err := h.record(ctx, s, changed...); err != nil && !lost(err) {
		errs = errors.Join(errs, err)
	}
	return errs
}

// takenStatuses are those of a volume that is another server's.
var takenStatuses = []string{"reserved", "attaching", "in-use"}

// releaseVolume ends an attachment and, if it is to be, the volume.
func (h *host) releaseVolume(ctx context.Context, b *compute.BlockDevice, remove bool) error {
	if b.AttachmentID != "" {
		err := h.patiently(ctx, "an attachment", func() error { return h.deps.Volume.DeleteAttachment(ctx, b.AttachmentID) })
		if unlessGone(err) != nil {
			return fmt.Errorf("detach volume %s: %w", b.VolumeID, err)
		}
	}
	if !remove || b.VolumeID == "" {
		return nil
	}
	err := h.patiently(ctx, "a volume", func() error {
		err := h.deps.Volume.DeleteVolume(ctx, b.VolumeID)
		if rest.IsStatus(err, 400) { // it may have been on its way, and be there by now
			if v, look := h.deps.Volume.ShowVolume(ctx, b.VolumeID); look == nil && !slices.Contains(takenStatuses, v.Status) {
				return fmt.Errorf("volume %s is %s", v.ID, v.Status)
			}
		}
		return err
	})
	if unlessGone(err) != nil {
		return fmt.Errorf("delete volume %s: %w", b.VolumeID, err)
	}
	return nil
}

// find gives a server's block device by its id; nil if it has none such.
func find(s *compute.Server, id string) *compute.BlockDevice {
	i := slices.IndexFunc(s.BlockDevices, func(b compute.BlockDevice) bool { return b.ID == id })
	if i < 0 {
		return nil
	}
	return &s.BlockDevices[i]
}

// attachVolume gives a server a volume.
func (h *host) attachVolume(ctx context.Context, s *compute.Server, args compute.VolumeArgs) error {
	b := find(s, args.Device.ID)
	if b == nil || b.Attached || b.Detaching || s.TaskState == compute.Deleting {
		return nil
	}
	start := h.clock.Now()
	const name = "compute_attach_volume"
	disk, err := h.export(ctx, s, b, true)
	if err == nil {
		err = h.driver.AttachVolume(ctx, s.ID, disk)
	}
	if err == nil {
		err = h.complete(ctx, b)
	}
	u := compute.Update{ServerID: s.ID, ExpectHost: &h.name, SetDevices: []compute.BlockDevice{*b}}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.log.WarnContext(ctx, "a volume cannot be attached", "server", s.ID, "volume", b.VolumeID, "error", err)
		if back := h.takeBack(ctx, s, b, disk); back != nil {
			h.log.WarnContext(ctx, "a volume that was not attached stays reserved", "server", s.ID, "volume", b.VolumeID, "error", back)
			return nil // the server's row still says that it is to be attached: that is tried again
		}
		u.SetDevices, u.DropDevices = nil, []string{b.ID}
	}
	if err = h.update(ctx, u, h.event(ctx, s, name, start, err)); lost(err) {
		return nil
	}
	return err
}

// takeBack undoes an attachment that failed half-way.
func (h *host) takeBack(ctx context.Context, s *compute.Server, b *compute.BlockDevice, d driver.Disk) error {
	if err := h.driver.DetachVolume(ctx, s.ID, d); err != nil && !errors.Is(err, driver.ErrNoGuest) {
		h.log.WarnContext(ctx, "a volume that was not attached cannot be detached", "volume", b.VolumeID, "error", err)
	}
	return h.releaseVolume(ctx, b, false)
}

// detachVolume takes a volume from a server.
func (h *host) detachVolume(ctx context.Context, s *compute.Server, args compute.VolumeArgs) error {
	b := find(s, args.Device.ID)
	if b == nil || s.TaskState == compute.Deleting {
		return nil
	}
	start := h.clock.Now()
	disk, err := diskOf(b)
	if err == nil {
		if err = h.driver.DetachVolume(ctx, s.ID, disk); errors.Is(err, driver.ErrNoGuest) {
			err = nil
		}
	}
	if err == nil {
		err = h.releaseVolume(ctx, b, b.DeleteOnTermination && b.SourceType != compute.SourceVolume)
	}
	u := compute.Update{ServerID: s.ID, ExpectHost: &h.name, DropDevices: []string{b.ID}}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		h.log.WarnContext(ctx, "a volume cannot be detached", "server", s.ID, "volume", b.VolumeID, "error", err)
		u.DropDevices, u.Detaching = nil, map[string]bool{b.ID: false}
	}
	if err = h.update(ctx, u, h.event(ctx, s, "compute_detach_volume", start, err)); lost(err) {
		return nil
	}
	return err
}
