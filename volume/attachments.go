package volume

import (
	"context"
	"slices"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/db"
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
	ID        string
	VolumeID  string
	ProjectID string
	ServerID  string
	Status    string
	Mode      string // rw or ro
	Device    string
	// Connector is set before the volume is exported, so that an export is
	// never forgotten.
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

// inUse are the statuses of a volume that somebody has or is about to have.
var inUse = []string{StatusReserved, StatusAttaching, StatusInUse, StatusDetaching}

// Attachment gives one attachment.
func (s *Volumes) Attachment(ctx context.Context, id string) (*Attachment, error) {
	return s.store.Attachment(ctx, id)
}

// Attachments gives a page of attachments.
func (s *Volumes) Attachments(ctx context.Context, p db.Page, f []db.Filter) ([]Attachment, error) {
	return s.store.Attachments(ctx, p, f)
}

// AttachmentsOf gives the attachments of volumes that the caller has seen.
func (s *Volumes) AttachmentsOf(ctx context.Context, volumeIDs ...string) ([]Attachment, error) {
	return s.store.AttachmentsOf(ctx, volumeIDs...)
}

// Reserve makes an attachment: the volume is the server's from now on.
func (s *Volumes) Reserve(ctx context.Context, volumeID, serverID, mode string) (*Attachment, error) {
	var a *Attachment
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		v, err := s.store.Volume(ctx, volumeID)
		if err != nil {
			return err
		}
		if v.Status != StatusAvailable {
			return fault.Invalidf("Invalid volume: Volume %s status must be available or downloading to reserve, but the current status is %s.", v.ID, v.Status)
		}
		if v.ReadOnly {
			mode = "ro"
		}
		if err := s.setStatus(ctx, v, StatusReserved, StatusAvailable); err != nil {
			return err
		}
		a = &Attachment{
			ID: clock.NewID(), VolumeID: v.ID, ProjectID: v.ProjectID, ServerID: serverID, Status: AttachReserved, Mode: mode, CreatedAt: s.clock.Now(),
		}
		if err := s.store.SaveAttachment(ctx, a, true); err != nil {
			return err
		}
		return s.notify(ctx, EventAttachStart, v)
	})
	return a, err
}

// setStatus gives a volume of the transaction a new status.
func (s *Volumes) setStatus(ctx context.Context, v *Volume, status string, from ...string) error {
	v.Status, v.UpdatedAt = status, s.clock.Now()
	return s.store.UpdateVolume(ctx, v, from...)
}

// withAttachment runs fn in a transaction with an attachment and its volume.
func (s *Volumes) withAttachment(ctx context.Context, id string, fn func(context.Context, *Attachment, *Volume) error) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		a, err := s.store.Attachment(ctx, id)
		if err != nil {
			return err
		}
		v, err := s.store.Volume(ctx, a.VolumeID)
		if err != nil {
			return err
		}
		return fn(ctx, a, v)
	})
}

// errDetaching refuses what comes while an attachment is ended.
func errDetaching(id string) error {
	return fault.Conflictf("Volume attachment %s is being deleted.", id)
}

// Connect exports the volume of an attachment to the connector's host.
func (s *Volumes) Connect(ctx context.Context, id string, c Connector) (*Attachment, error) {
	var a *Attachment
	var v *Volume
	err := s.withAttachment(ctx, id, func(ctx context.Context, found *Attachment, of *Volume) error {
		a, v = found, of
		if a.Status == AttachDetaching {
			return errDetaching(id)
		}
		a.Connector = &c
		if a.Status == AttachReserved {
			a.Status = AttachAttaching
			if err := s.setStatus(ctx, v, StatusAttaching, StatusReserved, StatusAttaching); err != nil {
				return err
			}
		}
		return s.store.SaveAttachment(ctx, a, false)
	})
	if err != nil {
		return nil, err
	}
	var connection map[string]any
	err = s.bus.Client(ManagerTarget(backendOf(v.Host))).Call(ctx, MethodAttachmentUpdate,
		AttachmentArgs{VolumeID: v.ID, AttachmentID: id, Connector: c, Mode: a.Mode}, &connection)
	if err != nil {
		return nil, err
	}
	err = s.store.InTx(ctx, func(ctx context.Context) error {
		if a, err = s.store.Attachment(ctx, id); err != nil {
			return err
		}
		if a.Status == AttachDetaching {
			return errDetaching(id)
		}
		a.Connector, a.Connection, a.Device = &c, connection, c.MountPoint
		return s.store.SaveAttachment(ctx, a, false)
	})
	return a, err
}

// Complete says that the server has the volume.
func (s *Volumes) Complete(ctx context.Context, id string) error {
	return s.withAttachment(ctx, id, func(ctx context.Context, a *Attachment, v *Volume) error {
		switch a.Status {
		case AttachAttached:
			return nil
		case AttachDetaching:
			return errDetaching(id)
		}
		if err := s.setStatus(ctx, v, StatusInUse, StatusReserved, StatusAttaching); err != nil {
			return err
		}
		a.Status, a.AttachedAt = AttachAttached, s.clock.Now()
		if err := s.store.SaveAttachment(ctx, a, false); err != nil {
			return err
		}
		return s.notify(ctx, EventAttachEnd, v)
	})
}

// Detach ends an attachment and, with the last, the volume's use. First it is
// marked, so that nobody connects it any more; then what was exported is taken
// back, so that a volume that is available again is in nobody's hands. A call
// that was cut short is finished by the next.
func (s *Volumes) Detach(ctx context.Context, id string) error {
	var a *Attachment
	var v *Volume
	err := s.withAttachment(ctx, id, func(ctx context.Context, found *Attachment, of *Volume) error {
		a, v = found, of
		if a.Status == AttachDetaching {
			return nil
		}
		a.Status = AttachDetaching
		if err := s.store.SaveAttachment(ctx, a, false); err != nil {
			return err
		}
		if slices.Contains(inUse, v.Status) {
			if err := s.setStatus(ctx, v, StatusDetaching, v.Status); err != nil {
				return err
			}
		}
		return s.notify(ctx, EventDetachStart, v)
	})
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
	err = s.withAttachment(ctx, id, func(ctx context.Context, _ *Attachment, v *Volume) error {
		if err := s.store.DeleteAttachment(ctx, id); err != nil {
			return err
		}
		left, err := s.store.AttachmentsOf(ctx, v.ID)
		if err != nil || len(left) > 0 {
			return err
		}
		if slices.Contains(inUse, v.Status) { // else it is being deleted, or an administrator reset it
			if err := s.setStatus(ctx, v, StatusAvailable, v.Status); err != nil {
				return err
			}
		}
		return s.notify(ctx, EventDetachEnd, v)
	})
	if fault.Is(err, fault.NotFound) {
		return nil // somebody else's call ended it meanwhile
	}
	return err
}

// DetachAll ends one attachment of a volume, or all.
func (s *Volumes) DetachAll(ctx context.Context, volumeID, attachmentID string) error {
	if _, err := s.store.Volume(ctx, volumeID); err != nil {
		return err
	}
	list, err := s.store.AttachmentsOf(ctx, volumeID)
	if err != nil {
		return err
	}
	if attachmentID != "" {
		list = slices.DeleteFunc(list, func(a Attachment) bool { return a.ID != attachmentID })
		if len(list) == 0 {
			return fault.NotFoundf("Volume attachment could not be found with filter: attachment_id = %s.", attachmentID)
		}
	}
	for _, a := range list {
		if err := s.Detach(auth.Admin(ctx), a.ID); err != nil {
			return err
		}
	}
	return nil
}
