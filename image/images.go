package image

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/config"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Statuses and visibilities of an image, Glance's.
const (
	StatusQueued      = "queued"
	StatusSaving      = "saving"
	StatusActive      = "active"
	StatusDeactivated = "deactivated"

	VisibilityPublic    = "public"
	VisibilityPrivate   = "private"
	VisibilityShared    = "shared"
	VisibilityCommunity = "community"
)

// DiskFormats and ContainerFormats are those that an image may have.
var (
	DiskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso"}
	ContainerFormats = []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
)

// Image is a disk image.
type Image struct {
	ID              string
	Owner           string
	Name            string
	Status          string
	Visibility      string
	DiskFormat      string
	ContainerFormat string
	MinDisk         int // GiB
	MinRAM          int // MiB
	Protected       bool
	Hidden          bool
	Size            int64
	VirtualSize     int64
	Checksum        string // md5
	HashValue       string // sha512
	Tags            []string
	Properties      map[string]string
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Config is section [image] of the configuration.
type Config struct {
	FilesystemStoreDatadir string      `default:"" help:"Folder of the images' bytes; empty for images under the data directory."`
	ImageSizeCap           config.Size `default:"1TiB" help:"How large an image's data may be."`
}

// Query narrows a list of images.
type Query struct {
	Page    db.Page
	Filters []db.Filter
	Tags    []string
	// Properties are custom properties an image must have.
	Properties map[string]string
	// Hidden lists the hidden ones instead of the others.
	Hidden bool
	// Visibility lists only those; community ones are listed only so.
	Visibility string
	// MemberStatus is which shared images are listed: accepted by default.
	MemberStatus string
}

// Store is what the component keeps. Reads are scoped: an image is seen by
// its owner, by members, and by all if it is public or community.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	Image(ctx context.Context, id string) (*Image, error)
	Images(ctx context.Context, q Query) ([]Image, error)
	CreateImage(ctx context.Context, i *Image) error
	// UpdateImage saves i if its status is one of from; the fault Conflict
	// says that it is not. Without from the status does not matter.
	UpdateImage(ctx context.Context, i *Image, from ...string) error
	DeleteImage(ctx context.Context, id string) error
	// InStatus lists the ids of all images in a status.
	InStatus(ctx context.Context, statuses ...string) ([]string, error)

	Members(ctx context.Context, imageID string) ([]Member, error)
	SaveMember(ctx context.Context, m *Member, create bool) error
	DeleteMember(ctx context.Context, imageID, memberID string) error
}

// Data keeps the images' bytes.
type Data interface {
	// Create gives a place to write an image to, which is nothing until it is
	// committed.
	Create(id string) (Upload, error)
	Open(id string) (io.ReadSeekCloser, error)
	Delete(id string) error
	// List gives the ids of all that is stored; what was never committed is
	// removed on the way.
	List() ([]string, error)
}

// Upload is an image in the writing.
type Upload interface {
	io.Writer
	// Commit makes it durable, and the image's bytes from now on.
	Commit() error
	// Abort removes it; after Commit it does nothing.
	Abort() error
}

// Images is the service.
type Images struct {
	cfg   Config
	store Store
	data  Data
	clock clock.Clock
	log   *slog.Logger
}

// New makes the service.
func New(cfg Config, store Store, data Data, c clock.Clock, log *slog.Logger) *Images {
	return &Images{cfg, store, data, c, log}
}

// Recover puts images back whose upload a kill cut short, and removes bytes
// that belong to no image. It runs before anybody is served.
func (s *Images) Recover(ctx context.Context) error {
	ctx = auth.Admin(ctx)
	half, err := s.store.InStatus(ctx, StatusSaving)
	if err != nil {
		return err
	}
	for _, id := range half {
		s.log.WarnContext(ctx, "an upload was cut short", "image", id)
		if err := s.requeue(ctx, id); err != nil {
			return err
		}
	}
	stored, err := s.data.List()
	if err != nil {
		return err
	}
	have, err := s.store.InStatus(ctx, StatusActive, StatusDeactivated)
	if err != nil {
		return err
	}
	for _, id := range stored {
		if !slices.Contains(have, id) {
			s.log.WarnContext(ctx, "remove bytes without an image", "image", id)
			if err := s.data.Delete(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// Get gives an image that the caller may see.
func (s *Images) Get(ctx context.Context, id string) (*Image, error) { return s.store.Image(ctx, id) }

// List gives a page of the images the caller may see.
func (s *Images) List(ctx context.Context, q Query) ([]Image, error) { return s.store.Images(ctx, q) }

// Create makes an image without bytes.
func (s *Images) Create(ctx context.Context, i *Image) error {
	now := s.clock.Now()
	if i.ID == "" {
		i.ID = clock.NewID()
	}
	i.Status, i.CreatedAt, i.UpdatedAt = StatusQueued, now, now
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.CreateImage(ctx, i) })
}

// Update changes an image, by fn.
func (s *Images) Update(ctx context.Context, id string, fn func(*Image) error) (*Image, error) {
	var i *Image
	return i, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if i, err = s.store.Image(ctx, id); err != nil {
			return err
		}
		if err := fn(i); err != nil {
			return err
		}
		i.UpdatedAt = s.clock.Now()
		return s.store.UpdateImage(ctx, i)
	})
}

// SetActive switches an image on or off for everyone but administrators.
func (s *Images) SetActive(ctx context.Context, id string, active bool) error {
	from, to := StatusDeactivated, StatusActive
	if !active {
		from, to = to, from
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		if err != nil || i.Status == to {
			return err
		}
		was := i.Status
		i.Status, i.UpdatedAt = to, s.clock.Now()
		err = s.store.UpdateImage(ctx, i, from)
		if fault.Is(err, fault.Conflict) {
			return fault.Forbiddenf("Not allowed to change status of image %s from %s to %s", id, was, to)
		}
		return err
	})
}

// Delete removes an image, then its bytes; what a kill leaves of them goes at
// the next start.
func (s *Images) Delete(ctx context.Context, id string) error {
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, id)
		if err != nil {
			return err
		}
		if i.Protected {
			return fault.Forbiddenf("Image %s is protected and cannot be deleted.", id)
		}
		return s.store.DeleteImage(ctx, id)
	})
	if err != nil {
		return err
	}
	return s.data.Delete(id)
}
