package volume

import (
	"context"
	"io"
	"log/slog"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/quota"
	"nubo/internal/rpc"
)

// Config is section [volume] of the configuration.
type Config struct {
	AvailabilityZone string `default:"nova" help:"Zone of volumes that ask for none."`
	DefaultType      string `default:"__DEFAULT__" help:"Type of volumes that ask for none."`
	QuotaVolumes     int64  `default:"10" help:"Volumes a project may have; -1 for any number."`
	QuotaGigabytes   int64  `default:"1000" help:"GiB a project's volumes may have together; -1 for any."`
	QuotaSnapshots   int64  `default:"10" help:"Snapshots a project may have; -1 for any number."`
	PerVolumeGB      int64  `default:"-1" help:"GiB one volume may have; -1 for any."`
}

// Images is what the component asks of the image service.
type Images interface {
	// Show gives an image as the caller of ctx may see it.
	Show(ctx context.Context, id string) (Image, error)
	// Download gives its bytes, with the service's own rights.
	Download(ctx context.Context, id string) (io.ReadCloser, error)
}

// Image is what the component needs to know of an image.
type Image struct {
	ID         string
	Name       string
	Status     string
	DiskFormat string
	Size       int64
	Checksum   string
	MinDiskGB  int
	MinRAMMB   int
	VirtualGB  int // rounded up, 0 if unknown
	Properties map[string]string
}

// Deps are what the component stands on.
type Deps struct {
	Store  Store
	Bus    *rpc.Bus
	Images Images
	Clock  clock.Clock
	Log    *slog.Logger
}

// Volumes is the service.
type Volumes struct {
	cfg    Config
	store  Store
	bus    *rpc.Bus
	images Images
	clock  clock.Clock
	log    *slog.Logger
	quotas *quota.Engine
}

// New makes the service.
func New(cfg Config, d Deps) *Volumes {
	s := &Volumes{cfg: cfg, store: d.Store, bus: d.Bus, images: d.Images, clock: d.Clock, log: d.Log}
	s.quotas = &quota.Engine{
		Defaults: map[string]int64{
			"volumes": cfg.QuotaVolumes, "gigabytes": cfg.QuotaGigabytes, "snapshots": cfg.QuotaSnapshots, "per_volume_gigabytes": cfg.PerVolumeGB,
			"backups": 10, "backup_gigabytes": 1000, "groups": 10,
		},
		Store:   d.Store.Quotas(),
		Classes: d.Store.QuotaClasses(),
		Usage:   d.Store.Usage,
	}
	return s
}

// Store is what the component keeps. Get methods answer a fault NotFound in
// Cinder's words; all are scoped to the caller's project.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	Outbox() *db.Outbox
	Quotas() quota.Store
	QuotaClasses() quota.Store
	Usage(ctx context.Context, project, resource string) (int64, error)

	Volume(ctx context.Context, id string) (*Volume, error)
	Volumes(ctx context.Context, p db.Page, f []db.Filter) ([]Volume, error)
	// SumVolumes counts the volumes of a list, and their GiB.
	SumVolumes(ctx context.Context, f []db.Filter) (count, sizeGB int, err error)
	CreateVolume(ctx context.Context, v *Volume) error
	// UpdateVolume saves v if its status still is one of from; the fault
	// Conflict says that it is not. Without from the status does not matter.
	UpdateVolume(ctx context.Context, v *Volume, from ...string) error
	DeleteVolume(ctx context.Context, id string) error
	// Unfinished lists volumes in the states, on a host ("" for none yet).
	Unfinished(ctx context.Context, host string, states ...string) ([]Volume, error)
	// VolumesOn lists all volumes of a host.
	VolumesOn(ctx context.Context, host string) ([]Volume, error)

	Type(ctx context.Context, idOrName string) (*Type, error)
	Types(ctx context.Context, p db.Page, f []db.Filter) ([]Type, error)
	SaveType(ctx context.Context, t *Type, create bool) error
	DeleteType(ctx context.Context, id string) error

	Attachment(ctx context.Context, id string) (*Attachment, error)
	Attachments(ctx context.Context, p db.Page, f []db.Filter) ([]Attachment, error)
	AttachmentsOf(ctx context.Context, volumeIDs ...string) ([]Attachment, error)
	SaveAttachment(ctx context.Context, a *Attachment, create bool) error
	DeleteAttachment(ctx context.Context, id string) error

	Services(ctx context.Context) ([]Service, error)
	SaveService(ctx context.Context, v *Service) error
	SwitchService(ctx context.Context, binary, host string, disabled bool, reason string) error
}
