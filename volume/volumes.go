package volume

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	ExtendTo      int // GiB it is to have, while it is extending
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
	if v.ImageID != "" && v.SourceID != "" {
		return nil, fault.Invalidf("Invalid input received: A volume is made from an image or from a volume, not from both.")
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
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.fromSource(ctx, v); err != nil {
			return err
		}
		if v.SizeGB < 1 {
			return fault.Invalidf("Invalid input received: Volume size '%d' must be an integer and greater than 0", v.SizeGB)
		}
		if err := s.checkQuota(ctx, v.ProjectID, 1, v.SizeGB, v.SizeGB); err != nil {
			return err
		}
		if err := s.store.CreateVolume(ctx, v); err != nil {
			return err
		}
		if err := s.notify(ctx, EventCreateStart, v); err != nil {
			return err
		}
		target := SchedulerTarget("")
		if v.Host != "" { // a copy is made where its source is
			target = ManagerTarget(backendOf(v.Host))
		}
		return s.cast(ctx, target, MethodCreate, VolumeArgs{VolumeID: v.ID})
	})
	return v, err
}

func (s *Volumes) fromType(ctx context.Context, v *Volume, name string) error {
	if name == "" {
		name = s.cfg.DefaultType
	}
	t, err := s.store.Type(ctx, name)
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
	v.ImageMetadata = maps.Clone(img.Properties)
	if v.ImageMetadata == nil {
		v.ImageMetadata = map[string]string{}
	}
	// The image's own attributes last: no property takes their place.
	maps.Copy(v.ImageMetadata, map[string]string{
		"image_id": img.ID, "image_name": img.Name, "disk_format": img.DiskFormat, "container_format": "bare", "checksum": img.Checksum,
		"min_disk": strconv.Itoa(img.MinDiskGB), "min_ram": strconv.Itoa(img.MinRAMMB), "size": strconv.FormatInt(img.Size, 10),
	})
	return nil
}

// fromSource takes size, place and image from the volume that is to be copied.
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
		return fault.Invalidf("Invalid input received: Volume size '%d'GB cannot be smaller than original volume size  %dGB. They must be >= original volume size.",
			v.SizeGB, src.SizeGB)
	case src.Status != StatusAvailable && src.Status != StatusInUse:
		return fault.Invalidf("Invalid volume: Source volume %s is in status %s, and must be available or in-use.", src.ID, src.Status)
	}
	v.Host, v.Bootable, v.ImageMetadata = src.Host, src.Bootable, src.ImageMetadata
	return nil
}

// Volume gives one volume.
func (s *Volumes) Volume(ctx context.Context, id string) (*Volume, error) {
	return s.store.Volume(ctx, id)
}

// List gives a page of volumes.
func (s *Volumes) List(ctx context.Context, p db.Page, f []db.Filter) ([]Volume, error) {
	return s.store.Volumes(ctx, p, f)
}

// Summary counts the volumes of a list, and their GiB.
func (s *Volumes) Summary(ctx context.Context, f []db.Filter) (count, sizeGB int, err error) {
	return s.store.SumVolumes(ctx, f)
}

// Change updates a volume's own attributes, by fn.
func (s *Volumes) Change(ctx context.Context, id string, fn func(*Volume) error) (v *Volume, err error) {
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if v, err = s.store.Volume(ctx, id); err != nil {
			return err
		}
		if err := fn(v); err != nil {
			return err
		}
		v.UpdatedAt = s.clock.Now()
		if err := s.store.UpdateVolume(ctx, v); err != nil {
			return err
		}
		return s.notify(ctx, EventUpdateEnd, v)
	})
	return v, err
}

// errStatus is Cinder's long sentence about what may be deleted.
var errStatus = fault.Invalidf("Invalid volume: Volume status must be available or error or error_restoring or error_extending or " +
	"error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.")

// Delete has a volume removed. force does so in any state, unless a server
// has it.
func (s *Volumes) Delete(ctx context.Context, id string, force bool) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, id)
		if err != nil {
			return err
		}
		if v.Status == StatusDeleting && !force {
			return nil
		}
		deletable := []string{StatusAvailable, StatusError, StatusErrorExtend, StatusErrorDeleting}
		if !force && !slices.Contains(deletable, v.Status) {
			return errStatus
		}
		attached, err := s.store.AttachmentsOf(ctx, id)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(attached, func(a Attachment) bool { return !force || a.Status != AttachReserved }) {
			return errStatus
		}
		if v.Host == "" { // never made anywhere
			if err := s.store.DeleteVolume(ctx, id); err != nil {
				return err
			}
			return s.notify(ctx, EventDeleteEnd, v)
		}
		if err := s.setStatus(ctx, v, StatusDeleting, v.Status); err != nil {
			return err
		}
		if err := s.notify(ctx, EventDeleteStart, v); err != nil {
			return err
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
		if v.Status != StatusAvailable {
			return fault.Invalidf("Invalid volume: Volume %s status must be 'available' to extend, currently %s.", id, v.Status)
		}
		if sizeGB <= v.SizeGB {
			return fault.Invalidf("Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", v.SizeGB, sizeGB)
		}
		if err := s.checkQuota(ctx, v.ProjectID, 0, sizeGB-v.SizeGB, sizeGB); err != nil {
			return err
		}
		v.ExtendTo = sizeGB
		if err := s.setStatus(ctx, v, StatusExtending, StatusAvailable); err != nil {
			return err
		}
		if err := s.notify(ctx, EventResizeStart, v); err != nil {
			return err
		}
		return s.cast(ctx, ManagerTarget(backendOf(v.Host)), MethodExtend, VolumeArgs{VolumeID: id})
	})
}

// backendOf cuts the pool off a volume's host.
func backendOf(host string) string {
	backend, _, _ := strings.Cut(host, "#")
	return backend
}
