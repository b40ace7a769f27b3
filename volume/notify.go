package volume

import (
	"context"
	"time"

	"nubo/internal/rpc"
)

// The notifications' event types, Cinder's.
const (
	EventCreateStart = "volume.create.start"
	EventCreateEnd   = "volume.create.end"
	EventCreateError = "volume.create.error"
	EventDeleteStart = "volume.delete.start"
	EventDeleteEnd   = "volume.delete.end"
	EventResizeStart = "volume.resize.start"
	EventResizeEnd   = "volume.resize.end"
	EventAttachStart = "volume.attach.start"
	EventAttachEnd   = "volume.attach.end"
	EventDetachStart = "volume.detach.start"
	EventDetachEnd   = "volume.detach.end"
	EventUpdateEnd   = "volume.update.end"
)

// notice is the payload of a volume's notifications.
type notice struct {
	TenantID         string            `json:"tenant_id"`
	UserID           string            `json:"user_id"`
	VolumeID         string            `json:"volume_id"`
	DisplayName      string            `json:"display_name"`
	VolumeType       string            `json:"volume_type"`
	Host             string            `json:"host"`
	AvailabilityZone string            `json:"availability_zone"`
	Size             int               `json:"size"`
	Status           string            `json:"status"`
	CreatedAt        time.Time         `json:"created_at"`
	Metadata         map[string]string `json:"metadata"`
	Message          string            `json:"message,omitempty"`
}

// notify puts what the world is told of a volume into the outbox, in the
// transaction of ctx.
func (s *Volumes) notify(ctx context.Context, event string, v *Volume) error {
	host, priority := v.Host, "INFO"
	if host == "" {
		host = "api"
	}
	if event == EventCreateError {
		priority = "ERROR"
	}
	n := notice{
		TenantID: v.ProjectID, UserID: v.UserID, VolumeID: v.ID, DisplayName: v.Name, VolumeType: v.TypeID, Host: v.Host, AvailabilityZone: v.AZ,
		Size: v.SizeGB, Status: v.Status, CreatedAt: v.CreatedAt, Metadata: v.Metadata, Message: v.Problem,
	}
	if n.Metadata == nil {
		n.Metadata = map[string]string{}
	}
	e, err := rpc.EncodeNotification(ctx, rpc.Notification{
		Exchange: Exchange, PublisherID: "volume." + host, EventType: event, Priority: priority, Payload: n,
	})
	if err != nil {
		return err
	}
	return s.post(ctx, outboxNotify, e)
}
