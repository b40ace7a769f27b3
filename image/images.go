package image

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/config"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/rpc"
)

// Statuses and visibilities of an image, Glance's.
const (
	StatusQueued      = "queued"
	StatusSaving      = "saving"
	StatusUploading   = "uploading" // staged, or being so
	StatusImporting   = "importing"
	StatusActive      = "active"
	StatusDeactivated = "deactivated"
	// StatusPendingDelete is an image whose bytes are being removed: for
	// clients it is gone.
	StatusPendingDelete = "pending_delete"

	VisibilityPublic    = "public"
	VisibilityPrivate   = "private"
	VisibilityShared    = "shared"
	VisibilityCommunity = "community"
)

// DiskFormats and ContainerFormats are those that an image may have.
var (
	DiskFormats      = []string{"ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso", "luks"}
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
	// Locations are where its bytes are, Copies how many: each counts in the
	// owner's quota.
	Locations []Location
	Copies    int
	// Staged is how many bytes wait to be imported.
	Staged    int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// HasData reports whether the image's bytes are there.
func (i *Image) HasData() bool { return i.Status == StatusActive || i.Status == StatusDeactivated }

// Config is section [image] of the configuration.
type Config struct {
	FilesystemStoreDatadir string      `default:"" help:"Folder of the images' bytes; empty for images under the data directory."`
	ImageSizeCap           config.Size `default:"1TiB" help:"How large an image's data may be."`
	NodeStagingDir         string      `toml:"node_staging_dir" default:"" help:"Folder where images wait to be imported; empty for staging under the data directory."`
	EnabledBackends        []string    `default:"file" help:"The stores: file, s3, http. The last is read only: it keeps images that are elsewhere."`
	DefaultBackend         string      `default:"file" help:"The store of images that name none."`

	EnabledImportMethods []string      `default:"glance-direct,web-download,copy-image" help:"How images can be imported."`
	AllowedHosts         []string      `default:"" help:"Hosts that web-download and the http store may read from: host, host:port, *.domain, or * for all. Addresses that are not public only by a host that is named in full. Empty for none."`
	AllowedPorts         []string      `default:"80,443" help:"Ports of the allowed hosts that name none."`
	AllowedSchemes       []string      `default:"http,https" help:"Schemes that web-download may read."`
	OutputFormat         string        `default:"" help:"Disk format, raw or qcow2, that imported images are converted to; empty for as they are."`
	ConversionTimeout    time.Duration `default:"30m" help:"How long the conversion of an image may take."`
	TaskTimeToLive       time.Duration `default:"48h" help:"How long a task is kept after it has ended."`
	ImportWorkers        int           `default:"2" help:"How many imports run at once."`

	PropertyProtectionFile string `default:"" help:"File that says who may do what with which custom properties, as Glance's property-protections.conf; empty for no protection."`

	UseKeystoneLimits   bool        `default:"false" help:"Take a project's limits from identity's unified limits rather than from here."`
	ImageSizeTotal      int64       `default:"-1" help:"MiB of images that a project may keep; -1 for any."`
	ImageStageTotal     int64       `default:"-1" help:"MiB of staged images that a project may keep; -1 for any."`
	ImageCountTotal     int64       `default:"-1" help:"How many images a project may have; -1 for any."`
	ImageCountUploading int64       `default:"-1" help:"How many images a project may be uploading at once; -1 for any."`
	ImageCacheMaxSize   config.Size `default:"0B" help:"How large the cache of downloaded images is; 0 for none."`
	ImageCacheDir       string      `default:"" help:"Folder of the cache; empty for image-cache under the data directory."`
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
	// DeleteImage removes an image that is pending_delete.
	DeleteImage(ctx context.Context, id string) error
	// InStatus lists all images in a status, whosever they are.
	InStatus(ctx context.Context, statuses ...string) ([]Image, error)
	// Usage counts what a project has of a resource that has a quota.
	Usage(ctx context.Context, project, resource string) (int64, error)

	Members(ctx context.Context, imageID string) ([]Member, error)
	SaveMember(ctx context.Context, m *Member, create bool) error
	DeleteMember(ctx context.Context, imageID, memberID string) error

	// Outbox keeps what is to reach the bus.
	Outbox() *db.Outbox

	taskStore
	metadefStore
}

// Deps are what the service works with.
type Deps struct {
	Store Store
	// Backends are the stores of the bytes; the first is the default.
	Backends []Backend
	// Staging keeps what is to be imported.
	Staging Staging
	// Web reads what web-download names.
	Web Web
	// Convert makes a file of one disk format one of another.
	Convert func(ctx context.Context, src, srcFormat, dst, dstFormat string, maxSize int64) error
	// Limits are a project's, by resource; nil takes the configured ones.
	Limits func(ctx context.Context, project string) (map[string]int64, error)
	// Protections say who may do what with custom properties; nil lets all.
	Protections *Protections
	// Cache keeps copies of what is downloaded; nil for none.
	Cache *Cache
	// Publish brings notifications to the bus, as rpc.Bus does; nil tells
	// nobody of anything. Host is who tells.
	Publish func(ctx context.Context, envs []rpc.Envelope) (sent int, err error)
	Host    string
	Clock   clock.Clock
	Log     *slog.Logger
}

// Images is the service.
type Images struct {
	Deps
	cfg   Config
	store Store
	clock clock.Clock
	log   *slog.Logger

	wake    chan struct{}                 // a task was made
	fetch   chan struct{}                 // an image was queued for the cache
	mu      sync.Mutex                    // guards running
	running map[string]context.CancelFunc // tasks, by image
}

// New makes the service.
func New(cfg Config, d Deps) *Images {
	return &Images{
		Deps: d, cfg: cfg, store: d.Store, clock: d.Clock, log: d.Log,
		wake: make(chan struct{}, 1), fetch: make(chan struct{}, 1), running: map[string]context.CancelFunc{},
	}
}

// Recover puts images back whose upload a kill cut short, ends what was being
// deleted, and removes bytes that belong to no image. It runs before anybody
// is served. Imports go on by themselves.
func (s *Images) Recover(ctx context.Context) error {
	ctx = auth.Admin(ctx)
	all, err := s.store.InStatus(ctx)
	if err != nil {
		return err
	}
	var staged []string
	known := map[Location]bool{}
	for k := range all {
		i := &all[k]
		switch {
		case i.Status == StatusSaving, i.Status == StatusUploading && i.Staged == 0:
			s.log.WarnContext(ctx, "an upload was cut short", "image", i.ID)
			if err := s.requeue(ctx, i.ID); err != nil {
				return err
			}
		case i.Status == StatusPendingDelete:
			if err := s.erase(ctx, i); err != nil {
				return err
			}
			continue
		case i.Status == StatusUploading || i.Status == StatusImporting:
			staged = append(staged, i.ID)
		}
		for _, l := range i.Locations {
			known[l] = true
		}
	}
	for _, b := range s.Backends {
		if err := s.sweep(ctx, b.Data, func(ref string) bool { return known[Location{b.ID, ref}] }); err != nil {
			return err
		}
	}
	return s.sweep(ctx, s.Staging, func(ref string) bool { return slices.Contains(staged, ref) })
}

// sweep removes bytes that nobody knows.
func (s *Images) sweep(ctx context.Context, data Data, known func(ref string) bool) error {
	stored, err := data.List(ctx)
	if err != nil {
		return err
	}
	for _, ref := range stored {
		if known(ref) {
			continue
		}
		s.log.WarnContext(ctx, "remove bytes without an image", "ref", ref)
		if err := data.Delete(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

// Get gives an image that the caller may see.
func (s *Images) Get(ctx context.Context, id string) (*Image, error) { return s.store.Image(ctx, id) }

// anyImage gives an image, whosever it is.
func (s *Images) anyImage(ctx context.Context, id string) (*Image, error) {
	return s.store.Image(auth.Admin(ctx), id)
}

// List gives a page of the images the caller may see.
func (s *Images) List(ctx context.Context, q Query) ([]Image, error) { return s.store.Images(ctx, q) }

// Create makes an image without bytes.
func (s *Images) Create(ctx context.Context, i *Image) error {
	s.initialize(i)
	limits, err := s.limits(ctx, i.Owner)
	if err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.create(ctx, i, limits) })
}

func (s *Images) initialize(i *Image) {
	now := s.clock.Now()
	if i.ID == "" {
		i.ID = clock.NewID()
	}
	i.Status, i.CreatedAt, i.UpdatedAt = StatusQueued, now, now
}

func (s *Images) create(ctx context.Context, i *Image, limits map[string]int64) error {
	if err := s.within(ctx, limits, i.Owner, CountTotal, 1); err != nil {
		return err
	}
	if err := s.store.CreateImage(ctx, i); err != nil {
		return err
	}
	return s.notify(ctx, EventCreate, i)
}

// Update changes an image, by fn.
func (s *Images) Update(ctx context.Context, id string, fn func(*Image) error) (*Image, error) {
	var i *Image
	return i, s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if i, err = s.store.Image(ctx, id); err != nil {
			return err
		}
		was := i.Visibility
		if err := fn(i); err != nil {
			return err
		}
		i.UpdatedAt = s.clock.Now()
		if err := s.store.UpdateImage(ctx, i); err != nil {
			return err
		}
		return s.notifyChange(ctx, EventUpdate, i, was)
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
		err = s.keep(ctx, EventUpdate, i, from)
		if fault.Is(err, fault.Conflict) {
			return fault.Forbiddenf("Not allowed to change status of image %s from %s to %s", id, was, to)
		}
		return err
	})
}

// Delete removes an image. For clients it is gone with the first step; then
// its bytes go, and at last its row, so that a kill leaves nothing that is
// not found again. Bytes that are in use keep the image.
func (s *Images) Delete(ctx context.Context, id string) error {
	var i *Image
	was := ""
	err := s.store.InTx(ctx, func(ctx context.Context) (err error) {
		if i, err = s.store.Image(ctx, id); err != nil {
			return err
		}
		if i.Protected {
			return fault.Forbiddenf("Image %s is protected and cannot be deleted.", id)
		}
		was, i.Status = i.Status, StatusPendingDelete
		return s.store.UpdateImage(ctx, i)
	})
	if err != nil {
		return err
	}
	s.cancel(id)
	ctx = auth.Admin(context.WithoutCancel(ctx))
	err = s.erase(ctx, i)
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	back := s.store.InTx(ctx, func(ctx context.Context) error {
		i.Status = was
		return s.store.UpdateImage(ctx, i, StatusPendingDelete)
	})
	if back != nil {
		return back
	}
	return fault.Conflictf("Image %s could not be deleted because it is in use.", id).WithCause(err)
}

// erase ends the deletion of an image.
func (s *Images) erase(ctx context.Context, i *Image) error {
	for _, l := range i.Locations {
		if err := s.unplace(ctx, l); err != nil {
			return err
		}
	}
	if i.Staged > 0 {
		if err := s.Staging.Delete(ctx, i.ID); err != nil {
			return err
		}
	}
	if s.Cache != nil {
		s.Cache.Forget(i.ID)
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.notify(ctx, EventDelete, i); err != nil { // before its members go with it
			return err
		}
		return s.store.DeleteImage(ctx, i.ID)
	})
}
