package image

import (
	"context"
	"encoding/json"
	"time"

	"nubo/internal/db"
	"nubo/internal/rpc"
)

// Exchange is glance's.
const Exchange = "glance"

// The notifications' event types, Glance's.
const (
	EventCreate       = "image.create"
	EventPrepare      = "image.prepare"
	EventUpload       = "image.upload"
	EventActivate     = "image.activate"
	EventUpdate       = "image.update"
	EventDelete       = "image.delete"
	EventMemberCreate = "image.member.create"
	EventMemberUpdate = "image.member.update"
	EventMemberDelete = "image.member.delete"
)

// notice is the payload of an image's notifications.
type notice struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	Status          string            `json:"status"`
	CreatedAt       time.Time         `json:"created_at"`
	UpdatedAt       time.Time         `json:"updated_at"`
	MinDisk         int               `json:"min_disk"`
	MinRAM          int               `json:"min_ram"`
	Protected       bool              `json:"protected"`
	Checksum        *string           `json:"checksum"`
	Owner           string            `json:"owner"`
	DiskFormat      string            `json:"disk_format"`
	ContainerFormat string            `json:"container_format"`
	Size            int64             `json:"size"`
	VirtualSize     int64             `json:"virtual_size"`
	IsPublic        bool              `json:"is_public"`
	Visibility      string            `json:"visibility"`
	Properties      map[string]string `json:"properties"`
	Tags            []string          `json:"tags"`
	Deleted         bool              `json:"deleted"`
	DeletedAt       *time.Time        `json:"deleted_at"`
	// Members are whom the image is shared with, and WasVisibility its
	// visibility before a change of it: who shows changes to users need not ask
	// who sees the image, nor remember who did. Glance's payload has no such
	// things.
	Members       []string `json:"members,omitempty"`
	WasVisibility string   `json:"was_visibility,omitempty"`
}

// memberNotice is the payload of a member's notifications.
type memberNotice struct {
	ImageID   string     `json:"image_id"`
	MemberID  string     `json:"member_id"`
	Status    string     `json:"status"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	Deleted   bool       `json:"deleted"`
	DeletedAt *time.Time `json:"deleted_at"`
}

// keep writes an image, as the store's UpdateImage does, and what the world is
// told of it, in the transaction of ctx.
func (s *Images) keep(ctx context.Context, event string, i *Image, from ...string) error {
	if err := s.store.UpdateImage(ctx, i, from...); err != nil {
		return err
	}
	return s.notify(ctx, event, i)
}

// notify puts what the world is told of an image into the outbox, in the
// transaction of ctx.
func (s *Images) notify(ctx context.Context, event string, i *Image) error {
	return s.notifyChange(ctx, event, i, i.Visibility)
}

// notifyChange is notify for an image whose visibility was another.
func (s *Images) notifyChange(ctx context.Context, event string, i *Image, was string) error {
	if s.Publish == nil {
		return nil
	}
	n := notice{
		ID: i.ID, Name: i.Name, Status: i.Status, CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt, MinDisk: i.MinDisk, MinRAM: i.MinRAM,
		Protected: i.Protected, Owner: i.Owner, DiskFormat: i.DiskFormat, ContainerFormat: i.ContainerFormat, Size: i.Size, VirtualSize: i.VirtualSize,
		IsPublic: i.Visibility == VisibilityPublic, Visibility: i.Visibility, Properties: i.Properties, Tags: i.Tags,
	}
	if i.Checksum != "" {
		n.Checksum = &i.Checksum
	}
	if n.Properties == nil {
		n.Properties = map[string]string{}
	}
	if n.Tags == nil {
		n.Tags = []string{}
	}
	if was != i.Visibility {
		n.WasVisibility = was
	}
	if i.Visibility == VisibilityShared || was == VisibilityShared {
		members, err := s.store.Members(ctx, i.ID)
		if err != nil {
			return err
		}
		for _, m := range members {
			n.Members = append(n.Members, m.MemberID)
		}
	}
	if event == EventDelete {
		now := s.clock.Now()
		n.Status, n.Deleted, n.DeletedAt = "deleted", true, &now
	}
	return s.post(ctx, event, n)
}

// notifyMember is notify for a member.
func (s *Images) notifyMember(ctx context.Context, event string, m *Member) error {
	if s.Publish == nil {
		return nil
	}
	n := memberNotice{ImageID: m.ImageID, MemberID: m.MemberID, Status: m.Status, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt}
	if event == EventMemberDelete {
		now := s.clock.Now()
		n.Deleted, n.DeletedAt = true, &now
	}
	return s.post(ctx, event, n)
}

func (s *Images) post(ctx context.Context, event string, payload any) error {
	e, err := rpc.EncodeNotification(ctx, rpc.Notification{Exchange: Exchange, PublisherID: "image." + s.Host, EventType: event, Payload: payload})
	if err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.store.Outbox().Add(ctx, db.Message{Kind: "notify", Body: body})
}

// Relay publishes what the outbox holds, until ctx ends.
func (s *Images) Relay(ctx context.Context, ready func()) error {
	ready()
	return s.store.Outbox().Run(ctx, func(ctx context.Context, msgs []db.Message) (int, error) {
		envs := make([]rpc.Envelope, len(msgs))
		for k, m := range msgs {
			if err := json.Unmarshal(m.Body, &envs[k]); err != nil {
				return 0, err
			}
		}
		return s.Publish(ctx, envs)
	})
}
