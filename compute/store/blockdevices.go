package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// deviceRow is a row of block_devices.
type deviceRow struct {
	bun.BaseModel `bun:"table:block_devices,alias:block_devices"`

	ID                  string    `bun:"id,pk"`
	ServerID            string    `bun:"server_id"`
	SourceType          string    `bun:"source_type"`
	DestinationType     string    `bun:"destination_type"`
	BootIndex           int       `bun:"boot_index"`
	ImageID             string    `bun:"image_id"`
	SnapshotID          string    `bun:"snapshot_id"`
	VolumeID            string    `bun:"volume_id"`
	VolumeSize          int       `bun:"volume_size"`
	VolumeType          string    `bun:"volume_type"`
	DeviceName          string    `bun:"device_name"`
	DiskBus             string    `bun:"disk_bus"`
	Tag                 string    `bun:"tag"`
	DeleteOnTermination bool      `bun:"delete_on_termination"`
	AttachmentID        string    `bun:"attachment_id"`
	Connection          string    `bun:"connection"`
	Attached            bool      `bun:"attached"`
	Detaching           bool      `bun:"detaching"`
	CreatedAt           time.Time `bun:"created_at"`
}

func deviceRowOf(b *compute.BlockDevice) *deviceRow {
	return &deviceRow{
		ID: b.ID, ServerID: b.ServerID, SourceType: b.SourceType, DestinationType: b.DestinationType, BootIndex: b.BootIndex,
		ImageID: b.ImageID, SnapshotID: b.SnapshotID, VolumeID: b.VolumeID, VolumeSize: b.VolumeSize, VolumeType: b.VolumeType,
		DeviceName: b.DeviceName, DiskBus: b.DiskBus, Tag: b.Tag, DeleteOnTermination: b.DeleteOnTermination,
		AttachmentID: b.AttachmentID, Connection: string(b.Connection), Attached: b.Attached, Detaching: b.Detaching, CreatedAt: db.Micro(b.CreatedAt),
	}
}

func (r *deviceRow) device() compute.BlockDevice {
	return compute.BlockDevice{
		ID: r.ID, ServerID: r.ServerID, SourceType: r.SourceType, DestinationType: r.DestinationType, BootIndex: r.BootIndex,
		ImageID: r.ImageID, SnapshotID: r.SnapshotID, VolumeID: r.VolumeID, VolumeSize: r.VolumeSize, VolumeType: r.VolumeType,
		DeviceName: r.DeviceName, DiskBus: r.DiskBus, Tag: r.Tag, DeleteOnTermination: r.DeleteOnTermination,
		AttachmentID: r.AttachmentID, Connection: rawOf(r.Connection), Attached: r.Attached, Detaching: r.Detaching, CreatedAt: r.CreatedAt,
	}
}

func rawOf(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// loadDevices gives each server its block devices, in one query.
func (s *Store) loadDevices(ctx context.Context, servers []*compute.Server) error {
	if len(servers) == 0 {
		return nil
	}
	ids := make([]string, len(servers))
	byID := make(map[string]*compute.Server, len(servers))
	for i, one := range servers {
		ids[i], byID[one.ID] = one.ID, one
	}
	var rows []*deviceRow
	err := s.query(ctx).NewSelect().Model(&rows).Where("server_id IN (?)", bun.List(ids)).Order("server_id", "created_at", "device_name").Scan(ctx)
	for _, r := range rows {
		one := byID[r.ServerID]
		one.BlockDevices = append(one.BlockDevices, r.device())
	}
	return err
}

// BlockDevices implements compute.ServerStore.
func (s *Store) BlockDevices(ctx context.Context, serverID string) ([]compute.BlockDevice, error) {
	var rows []*deviceRow
	err := s.query(ctx).NewSelect().Model(&rows).Where("server_id = ?", serverID).Order("created_at", "device_name").Scan(ctx)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	devices := make([]compute.BlockDevice, len(rows))
	for i, r := range rows {
		devices[i] = r.device()
	}
	return devices, nil
}

// AddBlockDevice implements compute.ServerStore.
func (s *Store) AddBlockDevice(ctx context.Context, b *compute.BlockDevice) error {
	_, err := s.query(ctx).NewInsert().Model(deviceRowOf(b)).Exec(ctx)
	if db.IsUnique(err) {
		return fault.Conflictf("The supplied device path (%s) is in use.", b.DeviceName).WithType("DevicePathInUse")
	}
	return err
}

// SetDeleteOnTermination implements compute.ServerStore.
func (s *Store) SetDeleteOnTermination(ctx context.Context, id string, value bool) error {
	res, err := s.query(ctx).NewUpdate().Model((*deviceRow)(nil)).Set("delete_on_termination = ?", value).Where("id = ?", id).Exec(ctx)
	return orMissing(res, err, noDevice(id))
}

func noDevice(id string) *fault.Error {
	return fault.NotFoundf("Volume BDM %s could not be found.", id).WithType("VolumeBDMNotFound")
}
