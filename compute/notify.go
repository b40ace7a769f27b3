package compute

import (
	"context"
	"time"

	"nubo/internal/rpc"
)

// The notifications' event types, Nova's unversioned ones.
const (
	EventCreateStart  = "compute.instance.create.start"
	EventCreateEnd    = "compute.instance.create.end"
	EventCreateError  = "compute.instance.create.error"
	EventDeleteStart  = "compute.instance.delete.start"
	EventDeleteEnd    = "compute.instance.delete.end"
	EventUpdate       = "compute.instance.update"
	EventPowerOnEnd   = "compute.instance.power_on.end"
	EventPowerOffEnd  = "compute.instance.power_off.end"
	EventRebootEnd    = "compute.instance.reboot.end"
	EventVolumeAttach = "compute.instance.volume.attach"
	EventVolumeDetach = "compute.instance.volume.detach"
)

// notice is the payload of a server's notifications.
type notice struct {
	TenantID         string            `json:"tenant_id"`
	UserID           string            `json:"user_id"`
	InstanceID       string            `json:"instance_id"`
	DisplayName      string            `json:"display_name"`
	ReservationID    string            `json:"reservation_id"`
	Hostname         string            `json:"hostname"`
	InstanceType     string            `json:"instance_type"`
	InstanceFlavorID string            `json:"instance_flavor_id"`
	MemoryMB         int               `json:"memory_mb"`
	DiskGB           int               `json:"disk_gb"`
	RootGB           int               `json:"root_gb"`
	EphemeralGB      int               `json:"ephemeral_gb"`
	VCPUs            int               `json:"vcpus"`
	Host             string            `json:"host"`
	Node             string            `json:"node"`
	AvailabilityZone string            `json:"availability_zone"`
	ImageRef         string            `json:"image_ref_url"`
	State            VMState           `json:"state"`
	StateDescription TaskState         `json:"state_description"`
	CreatedAt        time.Time         `json:"created_at"`
	LaunchedAt       *time.Time        `json:"launched_at"`
	DeletedAt        *time.Time        `json:"deleted_at"`
	Metadata         map[string]string `json:"metadata"`
	Message          string            `json:"message,omitempty"`
}

// Notification encodes what the world is told of a server, for the outbox.
func Notification(ctx context.Context, event string, s *Server) (rpc.Envelope, error) {
	host := s.Host
	if host == "" {
		host = "api"
	}
	n := notice{
		TenantID: s.ProjectID, UserID: s.UserID, InstanceID: s.ID, DisplayName: s.Name, ReservationID: s.ReservationID, Hostname: s.Hostname,
		InstanceType: s.Flavor.Name, InstanceFlavorID: s.Flavor.ID, MemoryMB: s.Flavor.MemoryMB,
		DiskGB: s.Flavor.RootGB + s.Flavor.EphemeralGB, RootGB: s.Flavor.RootGB, EphemeralGB: s.Flavor.EphemeralGB, VCPUs: s.Flavor.VCPUs,
		Host: s.Host, Node: s.Node, AvailabilityZone: s.AZ, ImageRef: s.ImageRef, State: s.State, StateDescription: s.TaskState,
		CreatedAt: s.CreatedAt, LaunchedAt: s.LaunchedAt, DeletedAt: s.DeletedAt, Metadata: s.Metadata,
	}
	if s.Fault != nil {
		n.Message = s.Fault.Message
	}
	if n.Metadata == nil {
		n.Metadata = map[string]string{}
	}
	priority := "INFO"
	if event == EventCreateError {
		priority = "ERROR"
	}
	return rpc.EncodeNotification(ctx, rpc.Notification{
		Exchange: Exchange, PublisherID: "compute." + host, EventType: event, Priority: priority, Payload: n,
	})
}
