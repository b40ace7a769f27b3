package volume

import (
	"context"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Statuses of a volume, Cinder's.
const (
	StatusCreating      = "creating"
	StatusDownloading   = "downloading"
	StatusAvailable     = "available"
	StatusReserved      = "reserved"
	StatusAttaching     = "attaching"
	StatusInUse         = "in-use"
	StatusDetaching     = "detaching"
	StatusExtending     = "extending"
	StatusDeleting      = "deleting"
	StatusError         = "error"
	StatusErrorDeleting = "error_deleting"
	StatusErrorExtend   = "error_extending"
)

// Volume is a block device.
type Volume struct {
	ID            string
	ProjectID     string
	UserID        string
	Name          string
	Description   string
	SizeGB        int
	Status        string
	TypeID        string
	TypeName      string
	AZ            string
	Host          string // host@backend#pool, "" until scheduled
	Bootable      bool
	ReadOnly      bool
	ImageID       string
	SourceID      string
	Metadata      map[string]string
	ImageMetadata map[string]string
	// Problem says why the status is an error.
	Problem   string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewVolume is a request for a volume.
type NewVolume struct {
	Name, Description string
	SizeGB            int
	Type, AZ          string
	ImageID, SourceID string
	Metadata          map[string]string
	// ProjectID and UserID own it, where a service asks for another.
	ProjectID, UserID string
}

// Create records a volume and has it made.
func (s *Volumes) Create(ctx context.Context, in NewVolume) (*Volume, error) {
	c := auth.From(ctx)
	now := s.clock.Now()
	v := &Volume{
		ID: clock.NewID(), ProjectID: c.ProjectID, UserID: c.UserID, Name: in.Name, Description: in.Description, SizeGB: in.SizeGB,
		Status: StatusCreating, AZ: in.AZ, Metadata: in.Metadata, ImageID: in.ImageID, SourceID: in.SourceID, CreatedAt: now, UpdatedAt: now,
	}
	if in.ProjectID != "" {
		v.ProjectID, v.UserID = in.ProjectID, in.UserID
	}
	if v.AZ == "" {
		v.AZ = s.cfg.AvailabilityZone
	}
	if v.AZ != s.cfg.AvailabilityZone {
		return nil, fault.Invalidf("Invalid input received: Availability zone '%s' is invalid.", v.AZ)
	}
	if err := s.fromType(ctx, v, in.Type); err != nil {
		return nil, err
	}
	if err := s.fromImage(ctx, v); err != nil {
		return nil, err
	}
	return v, s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.fromSource(ctx, v); err != nil {
			return err
		}
		if v.SizeGB < 1 {
			return fault.Invalidf("Invalid input received: Volume size '%d' must be an integer and greater than 0", v.SizeGB)
		}
		if err := s.checkQuota(ctx, v.ProjectID, 1, v.SizeGB); err != nil {
			return err
		}
		if err := s.store.CreateVolume(ctx, v); err != nil {
			return err
		}
		return s.cast(ctx, SchedulerTarget(""), MethodCreate, VolumeArgs{VolumeID: v.ID})
	})
}

func (s *Volumes) fromType(ctx context.Context, v *Volume, name string) error {
	if name == "" {
		name = s.cfg.DefaultType
	}
	t, err := s.store.Type(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return fault.NotFoundf("Volume type %s could not be found.", name)
	}
	if err != nil {
		return err
	}
	v.TypeID, v.TypeName = t.ID, t.Name
	return nil
}

// fromImage checks that the image can become the volume, and copies what
// describes it.
func (s *Volumes) fromImage(ctx context.Context, v *Volume) error {
	if v.ImageID == "" {
		return nil
	}
	img, err := s.images.Show(ctx, v.ImageID)
	if err != nil {
		return err
	}
	const gib = 1 << 30
	switch size := int((img.Size + gib - 1) / gib); {
	case img.Status != "active":
		return fault.Invalidf("Invalid input received: Image %s is not active.", v.ImageID)
	case v.SizeGB > 0 && max(size, img.VirtualGB) > v.SizeGB:
		return fault.Invalidf("Invalid input received: Size of specified image %dGB is larger than volume size %dGB.", max(size, img.VirtualGB), v.SizeGB)
	case v.SizeGB > 0 && img.MinDiskGB > v.SizeGB:
		return fault.Invalidf("Invalid input received: Volume size %dGB cannot be smaller than the image minDisk size %dGB.", v.SizeGB, img.MinDiskGB)
	}
	v.Bootable = true
	v.ImageMetadata = map[string]string{"image_id": img.ID, "image_name": img.Name, "disk_format": img.DiskFormat, "container_format": "bare"}
	for k, value := range img.Properties {
		v.ImageMetadata[k] = value
	}
	return nil
}

// fromSource takes size and image from the volume that is to be copied.
func (s *Volumes) fromSource(ctx context.Context, v *Volume) error {
	if v.SourceID == "" {
		return nil
	}
	src, err := s.store.Volume(ctx, v.SourceID)
	if err != nil {
		return err
	}
	if v.SizeGB == 0 {
		v.SizeGB = src.SizeGB
	}
	switch {
	case v.SizeGB < src.SizeGB:
		return fault.Invalidf("Invalid input received: Clones currently must be >= original volume size: %d < %d.", v.SizeGB, src.SizeGB)
	case src.Status != StatusAvailable:
		return fault.Invalidf("Invalid volume: Source volume %s is in status %s, and must be available.", src.ID, src.Status)
	}
	v.Bootable, v.ImageMetadata = src.Bootable, src.ImageMetadata
	return nil
}

// Change updates a volume's own attributes, by fn.
func (s *Volumes) Change(ctx context.Context, id string, fn func(*Volume)) (*Volume, error) {
	var v *Volume
	return v, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if v, err = s.store.Volume(ctx, id); err != nil {
			return err
		}
		fn(v)
		v.UpdatedAt = s.clock.Now()
		return s.store.UpdateVolume(ctx, v)
	})
}

// errStatus is Cinder's long sentence about what may be deleted.
var errStatus = fault.Invalidf("Invalid volume: Volume status must be available or error or error_restoring or error_extending or " +
	"error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.")

// Delete has a volume removed. force does so in any state.
func (s *Volumes) Delete(ctx context.Context, id string, force bool) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, id)
		if err != nil {
			return err
		}
		if v.Status == StatusDeleting && !force {
			return nil
		}
		from := []string{StatusAvailable, StatusError, StatusErrorExtend, StatusErrorDeleting}
		if force {
			from = nil
		}
		v.Status, v.UpdatedAt = StatusDeleting, s.clock.Now()
		if err := s.store.UpdateVolume(ctx, v, from...); err != nil {
			if fault.Is(err, fault.Conflict) {
				return errStatus
			}
			return err
		}
		if v.Host == "" { // never made anywhere
			return s.store.DeleteVolume(ctx, id)
		}
		return s.cast(ctx, ManagerTarget(backendOf(v.Host)), MethodDelete, VolumeArgs{VolumeID: id})
	})
}

// Extend has a volume made larger.
func (s *Volumes) Extend(ctx context.Context, id string, sizeGB int) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, id)
		if err != nil {
			return err
		}
		if sizeGB <= v.SizeGB {
			return fault.Invalidf("Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGB, sizeGB)
		}
		if err := s.checkQuota(ctx, v.ProjectID, 0, sizeGB-v.SizeGB); err != nil {
			return err
		}
		v.Status, v.UpdatedAt = StatusExtending, s.clock.Now()
		if err := s.store.UpdateVolume(ctx, v, StatusAvailable); err != nil {
			if fault.Is(err, fault.Conflict) {
				return fault.Invalidf("Invalid volume: Volume %s must be available to be extended.", id)
			}
			return err
		}
		return s.cast(ctx, ManagerTarget(backendOf(v.Host)), MethodExtend, VolumeArgs{VolumeID: id, SizeGB: sizeGB})
	})
}

// List gives a page of volumes.
func (s *Volumes) List(ctx context.Context, p db.Page, f []db.Filter) ([]Volume, error) {
	return s.store.Volumes(ctx, p, f)
}

// backendOf cuts the pool off a volume's host.
func backendOf(host string) string {
	for i, c := range host {
		if c == '#' {
			return host[:i]
		}
	}
	return host
}
