package volume

import (
	"context"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Statuses of an attachment, Cinder's.
const (
	AttachReserved  = "reserved"
	AttachAttaching = "attaching"
	AttachAttached  = "attached"
	AttachDetaching = "detaching"
)

// Attachment joins a volume to a server.
type Attachment struct {
	ID         string
	VolumeID   string
	ProjectID  string
	ServerID   string
	Status     string
	Mode       string // rw or ro
	Device     string
	Connector  *Connector
	Connection map[string]any // connection_info
	CreatedAt  time.Time
	AttachedAt time.Time
}

// Connector describes the host that uses a volume.
type Connector struct {
	Host       string `json:"host"`
	IP         string `json:"ip,omitempty"`
	MountPoint string `json:"mountpoint,omitempty"`
}

// Reserve makes an attachment: the volume is the server's from now on.
func (s *Volumes) Reserve(ctx context.Context, volumeID, serverID, mode string) (*Attachment, error) {
	var a *Attachment
	return a, s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, volumeID)
		if err != nil {
			return err
		}
		found := v.Status
		v.Status, v.UpdatedAt = StatusReserved, s.clock.Now()
		if err := s.store.UpdateVolume(ctx, v, StatusAvailable); err != nil {
			if fault.Is(err, fault.Conflict) {
				return fault.Invalidf("Invalid volume: Volume %s status must be available or downloading to reserve, but the current status is %s.", volumeID, found)
			}
			return err
		}
		a = &Attachment{
			ID: clock.NewID(), VolumeID: volumeID, ProjectID: v.ProjectID, ServerID: serverID, Status: AttachReserved, Mode: mode, CreatedAt: s.clock.Now(),
		}
		if v.ReadOnly {
			a.Mode = "ro"
		}
		return s.store.SaveAttachment(ctx, a, true)
	})
}

// Connect exports the volume of an attachment to the connector's host.
func (s *Volumes) Connect(ctx context.Context, id string, c Connector) (*Attachment, error) {
	a, err := s.store.Attachment(ctx, id)
	if err != nil {
		return nil, err
	}
	v, err := s.store.Volume(ctx, a.VolumeID)
	if err != nil {
		return nil, err
	}
	var connection map[string]any
	err = s.bus.Client(ManagerTarget(backendOf(v.Host))).Call(ctx, MethodAttachmentUpdate,
		AttachmentArgs{VolumeID: v.ID, AttachmentID: id, Connector: c, Mode: a.Mode}, &connection)
	if err != nil {
		return nil, err
	}
	return a, s.store.InTx(ctx, func(ctx context.Context) error {
		if a, err = s.store.Attachment(ctx, id); err != nil {
			return err
		}
		a.Connector, a.Connection, a.Device = &c, connection, c.MountPoint
		if a.Status != AttachAttached {
			a.Status = AttachAttaching
			v.Status, v.UpdatedAt = StatusAttaching, s.clock.Now()
			if err := s.store.UpdateVolume(ctx, v, StatusReserved, StatusAttaching); err != nil {
				return err
			}
		}
		return s.store.SaveAttachment(ctx, a, false)
	})
}

// Complete says that the server has the volume.
func (s *Volumes) Complete(ctx context.Context, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		a, err := s.store.Attachment(ctx, id)
		if err != nil {
			return err
		}
		if a.Status == AttachAttached {
			return nil
		}
		v, err := s.store.Volume(ctx, a.VolumeID)
		if err != nil {
			return err
		}
		v.Status, v.UpdatedAt = StatusInUse, s.clock.Now()
		if err := s.store.UpdateVolume(ctx, v, StatusReserved, StatusAttaching); err != nil {
			return err
		}
		a.Status, a.AttachedAt = AttachAttached, s.clock.Now()
		return s.store.SaveAttachment(ctx, a, false)
	})
}

// Detach ends an attachment and, with the last, the volume's use. What was
// exported is taken back first, so that a volume that is available again
// is in nobody's hands.
func (s *Volumes) Detach(ctx context.Context, id string) error {
	a, err := s.store.Attachment(ctx, id)
	if err != nil {
		return err
	}
	v, err := s.store.Volume(ctx, a.VolumeID)
	if err != nil {
		return err
	}
	if a.Connector != nil {
		err := s.bus.Client(ManagerTarget(backendOf(v.Host))).Call(ctx, MethodAttachmentDelete,
			AttachmentArgs{VolumeID: v.ID, AttachmentID: id, Connector: *a.Connector}, nil)
		if err != nil {
			return err
		}
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.DeleteAttachment(ctx, id); err != nil {
			if fault.Is(err, fault.NotFound) {
				return nil // somebody else's call ended it meanwhile
			}
			return err
		}
		left, err := s.store.AttachmentsOf(ctx, v.ID)
		if err != nil || len(left) > 0 {
			return err
		}
		v.Status, v.UpdatedAt = StatusAvailable, s.clock.Now()
		err = s.store.UpdateVolume(ctx, v, StatusReserved, StatusAttaching, StatusInUse, StatusDetaching)
		if fault.Is(err, fault.Conflict) {
			return nil // it is being deleted, or an administrator reset it
		}
		return err
	})
}

// DetachAll ends the attachments of a volume: an administrator's way out.
func (s *Volumes) DetachAll(ctx context.Context, volumeID, attachmentID string) error {
	list, err := s.store.AttachmentsOf(ctx, volumeID)
	if err != nil {
		return err
	}
	for _, a := range list {
		if attachmentID != "" && a.ID != attachmentID {
			continue
		}
		if err := s.Detach(auth.Admin(ctx), a.ID); err != nil {
			return err
		}
	}
	return nil
}
