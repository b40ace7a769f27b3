package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// findBlockDevices checks the block devices of new servers, gives them names,
// and reserves the volumes that exist already.
func (s *Service) findBlockDevices(ctx context.Context, c *creation) error {
	taken := []string{"/dev/vda"}
	kept := c.BlockDevices[:0:0]
	for _, b := range c.BlockDevices {
		if b.DestinationType == DestinationLocal { // swap and ephemeral disks come with the flavor
			if b.SourceType != SourceBlank {
				return invalidBoot("Mapping image to local is not supported.")
			}
			continue
		}
		if b.BootIndex == 0 {
			b.DeviceName = "/dev/vda"
		}
		if b.DeviceName != "" && b.BootIndex != 0 {
			if slices.Contains(taken, b.DeviceName) {
				return invalidBoot("The device name " + b.DeviceName + " is given twice.")
			}
			taken = append(taken, b.DeviceName)
		}
		if b.SourceType == SourceBlank && b.VolumeSize == 0 {
			return invalidBoot("Missing device size for a blank volume.")
		}
		kept = append(kept, b)
	}
	for i := range kept {
		b := &kept[i]
		if b.DeviceName == "" {
			b.DeviceName = freeDevice(taken)
			taken = append(taken, b.DeviceName)
		}
		if b.SourceType != SourceVolume {
			continue
		}
		if c.Max > 1 {
			return invalidBoot("Cannot attach one or more volumes to multiple instances")
		}
		if err := s.checkVolume(ctx, b); err != nil {
			return err
		}
	}
	c.BlockDevices = kept
	return s.reserveVolumes(ctx, c)
}

func (s *Service) checkVolume(ctx context.Context, b *BlockDevice) error {
	v, err := s.volume.Volume(ctx, b.VolumeID)
	switch {
	case err != nil:
		return peerFault(err, "volume", fault.Invalidf("Block Device Mapping is Invalid: failed to get volume %s.", b.VolumeID))
	case v.Status != "available":
		return fault.Invalidf("Invalid volume: volume '%s' status must be 'available'. Currently in '%s'", v.ID, v.Status)
	case b.BootIndex == 0 && !v.Bootable:
		return fault.Invalidf("Block Device %s is not bootable.", v.ID)
	}
	b.VolumeSize = v.SizeGB
	return nil
}

// reserveVolumes keeps the volumes for the server to come.
func (s *Service) reserveVolumes(ctx context.Context, c *creation) error {
	for i := range c.BlockDevices {
		b := &c.BlockDevices[i]
		if b.SourceType != SourceVolume {
			continue
		}
		id, err := s.volume.Reserve(ctx, b.VolumeID, c.id)
		if err != nil {
			return peerFault(err, "volume", fault.Invalidf("Block Device Mapping is Invalid: failed to get volume %s.", b.VolumeID))
		}
		b.AttachmentID = id
		c.reserved = append(c.reserved, id)
	}
	return nil
}

// freeDevice gives the first device name that is not taken.
func freeDevice(taken []string) string {
	for i := 1; ; i++ {
		if name := "/dev/vd" + letters(i); !slices.Contains(taken, name) {
			return name
		}
	}
}

// letters counts a, b, … z, aa, ab … as disks are named.
func letters(n int) string {
	var out string
	for n++; n > 0; n = (n - 1) / 26 {
		out = string(rune('a'+(n-1)%26)) + out
	}
	return out
}

var attachStates = rule{action: "attach_volume", vm: []VMState{Active, Paused, Stopped}, tasks: []TaskState{NoTask}}

// AttachVolume has a volume attached to a server.
func (s *Service) AttachVolume(ctx context.Context, server *Server, b BlockDevice) (*BlockDevice, error) {
	if err := attachStates.check(ctx, server); err != nil {
		return nil, err
	}
	for _, has := range server.BlockDevices {
		if has.VolumeID == b.VolumeID {
			return nil, fault.Invalidf("Invalid volume: volume %s is already attached to instance %s", b.VolumeID, server.ID)
		}
	}
	v, err := s.volume.Volume(ctx, b.VolumeID)
	if err != nil {
		return nil, peerFault(err, "volume", fault.NotFoundf("Volume %s could not be found.", b.VolumeID))
	}
	if v.Status != "available" {
		return nil, fault.Invalidf("Invalid volume: volume '%s' status must be 'available'. Currently in '%s'", v.ID, v.Status)
	}
	b.AttachmentID, err = s.volume.Reserve(ctx, b.VolumeID, server.ID)
	if err != nil {
		return nil, peerFault(err, "volume", fault.NotFoundf("Volume %s could not be found.", b.VolumeID))
	}
	b.ID, b.ServerID, b.CreatedAt, b.VolumeSize = clock.NewID(), server.ID, db.Micro(s.clock.Now()), v.SizeGB
	b.SourceType, b.DestinationType, b.BootIndex = SourceVolume, DestinationVolume, -1
	asked := b.DeviceName
	_, err = s.apply(ctx, server, change{
		rule: attachStates, record: "attach_volume",
		also: func(ctx context.Context, _ *Server) error {
			devices, err := s.store.BlockDevices(ctx, server.ID)
			if err != nil {
				return err
			}
			taken := []string{server.RootDeviceName}
			for _, d := range devices {
				taken = append(taken, d.DeviceName)
			}
			if b.DeviceName = asked; asked == "" {
				b.DeviceName = freeDevice(taken)
			}
			if slices.Contains(taken, b.DeviceName) {
				return fault.Conflictf("The supplied device path (%s) is in use.", b.DeviceName).WithType("DevicePathInUse")
			}
			return s.store.AddBlockDevice(ctx, &b)
		},
		method: MethodAttachVolume, args: func(after *Server) any { return VolumeArgs{Server: after, Device: b} },
	})
	if err != nil {
		if back := s.release(ctx, []string{b.AttachmentID}); back != nil {
			err = fmt.Errorf("%w (and the volume stays reserved: %w)", err, back)
		}
		return nil, err
	}
	return &b, nil
}

var detachStates = rule{action: "detach_volume", vm: []VMState{Active, Paused, Stopped}, tasks: []TaskState{NoTask}}

// Attachment finds the block device of a volume.
func (s *Server) Attachment(volumeID string) (*BlockDevice, error) {
	for i := range s.BlockDevices {
		if volumeID != "" && s.BlockDevices[i].VolumeID == volumeID {
			return &s.BlockDevices[i], nil
		}
	}
	return nil, fault.NotFoundf("Instance %s is not attached to volume %s", s.ID, volumeID)
}

// DetachVolume has a volume detached.
func (s *Service) DetachVolume(ctx context.Context, server *Server, volumeID string) error {
	b, err := server.Attachment(volumeID)
	if err != nil {
		return err
	}
	if b.BootIndex == 0 {
		return fault.Invalidf("Cannot detach a root device volume")
	}
	var device BlockDevice
	_, err = s.apply(ctx, server, change{
		rule: detachStates, record: "detach_volume",
		update: func(ctx context.Context, u *Update) error { // as it is now: it may be attached just then
			device, err = s.device(ctx, server, volumeID)
			device.Detaching = true
			u.Detaching = map[string]bool{device.ID: true}
			return err
		},
		method: MethodDetachVolume, args: func(after *Server) any { return VolumeArgs{Server: after, Device: device} },
	})
	return err
}

// SetDeleteOnTermination changes whether a volume is deleted with the server.
func (s *Service) SetDeleteOnTermination(ctx context.Context, server *Server, volumeID string, value bool) error {
	b, err := s.device(ctx, server, volumeID)
	if err != nil {
		return err
	}
	return s.store.SetDeleteOnTermination(ctx, b.ID, value)
}

// device reads a server's block device of a volume anew.
func (s *Service) device(ctx context.Context, server *Server, volumeID string) (BlockDevice, error) {
	devices, err := s.store.BlockDevices(ctx, server.ID)
	if err != nil {
		return BlockDevice{}, err
	}
	b, err := (&Server{ID: server.ID, BlockDevices: devices}).Attachment(volumeID)
	if err != nil {
		return BlockDevice{}, err
	}
	return *b, nil
}

// DeviceLetter gives "vdb" of "/dev/vdb".
func (b *BlockDevice) DeviceLetter() string { return strings.TrimPrefix(b.DeviceName, "/dev/") }
