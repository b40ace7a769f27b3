// Package driver is the seam between the volume manager and a store of block
// devices: files exported by qemu-storage-daemon, or nothing at all (simulated).
//
// Every call is idempotent and may follow one that a kill cut short: Create
// of an existing volume finds or remakes it, Delete of an absent one succeeds.
package driver

import (
	"context"
	"io"
)

// Driver keeps the volumes of one back end.
type Driver interface {
	// Setup prepares the store and exports again what was exported before.
	Setup(ctx context.Context) error
	// Name is the back end's, the part behind @ in the service's host.
	Name() string
	// Capacity is total and free space in GiB.
	Capacity(ctx context.Context) (totalGB, freeGB int, err error)
	// List gives the ids of all volumes in the store.
	List(ctx context.Context) ([]string, error)

	// Create makes an empty volume.
	Create(ctx context.Context, id string, sizeGB int) error
	// CreateFromImage makes a volume with an image's content. progress is
	// called with bytes written.
	CreateFromImage(ctx context.Context, id string, sizeGB int, image io.Reader, format string, progress func(written int64)) error
	// CreateFromVolume makes a copy of another volume.
	CreateFromVolume(ctx context.Context, id string, sizeGB int, sourceID string) error
	Extend(ctx context.Context, id string, sizeGB int) error
	Delete(ctx context.Context, id string) error

	// Export makes the volume reachable and says how. host is where it will
	// be used.
	Export(ctx context.Context, id, host string, readOnly bool) (Connection, error)
	Unexport(ctx context.Context, id string) error

	// Close leaves the exports serving: guests use them.
	Close() error
	// Purge stops all exports; the volumes' data stays.
	Purge(ctx context.Context) error
}

// Connection is Cinder's connection_info.
type Connection struct {
	Type string         `json:"driver_volume_type"` // "nbd", "simulated"
	Data map[string]any `json:"data"`
}
