package compute

import (
	"encoding/json"
	"time"
)

// Sources and destinations of a block device.
const (
	SourceImage    = "image"
	SourceVolume   = "volume"
	SourceSnapshot = "snapshot"
	SourceBlank    = "blank"

	DestinationVolume = "volume"
	DestinationLocal  = "local"
)

// BlockDevice is a volume a server has or shall have: Nova's block device
// mapping. The system disk made of an image, swap and ephemeral disks are
// the flavor's business and have none.
type BlockDevice struct {
	ID              string `json:"id"`
	ServerID        string `json:"server_id"`
	SourceType      string `json:"source_type"`
	DestinationType string `json:"destination_type"`
	// BootIndex is 0 for the system disk and negative for none.
	BootIndex           int    `json:"boot_index"`
	ImageID             string `json:"image_id,omitempty"`
	SnapshotID          string `json:"snapshot_id,omitempty"`
	VolumeSize          int    `json:"volume_size,omitempty"` // GiB, of a volume to be made
	VolumeType          string `json:"volume_type,omitempty"`
	DeviceName          string `json:"device_name"` // "/dev/vdb"
	DiskBus             string `json:"disk_bus,omitempty"`
	Tag                 string `json:"tag,omitempty"`
	DeleteOnTermination bool   `json:"delete_on_termination"`
	// VolumeID is empty until the volume is made.
	VolumeID string `json:"volume_id,omitempty"`
	// AttachmentID is the volume service's.
	AttachmentID string `json:"attachment_id,omitempty"`
	// Connection is the volume service's connection_info, kept so that the
	// server can be started again.
	Connection json.RawMessage `json:"connection_info,omitempty"`
	// Attached says that the guest has it.
	Attached  bool      `json:"attached,omitempty"`
	Detaching bool      `json:"detaching,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}
