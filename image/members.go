package image

import (
	"context"
	"time"

	"nubo/internal/auth"
	"nubo/internal/fault"
)

// Member is a project that an image is shared with.
type Member struct {
	ImageID   string
	MemberID  string
	Status    string // pending, accepted or rejected
	CreatedAt time.Time
	UpdatedAt time.Time
}

// maxMembers is how many projects an image can be shared with.
const maxMembers = 128

// Members lists whom an image is shared with: its owner sees all, a member
// himself.
func (s *Images) Members(ctx context.Context, imageID string) ([]Member, error) {
	i, err := s.store.Image(ctx, imageID)
	if err != nil {
		return nil, err
	}
	if i.Visibility != VisibilityShared {
		return nil, fault.Forbiddenf("Only shared images have members.")
	}
	all, err := s.store.Members(ctx, imageID)
	c := auth.From(ctx)
	if err != nil || c.IsAdmin || i.Owner == c.ProjectID {
		return all, err
	}
	own := []Member{}
	for _, m := range all {
		if m.MemberID == c.ProjectID {
			own = append(own, m)
		}
	}
	return own, nil
}

// Member gives one of them.
func (s *Images) Member(ctx context.Context, imageID, memberID string) (*Member, error) {
	list, err := s.Members(ctx, imageID)
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.MemberID == memberID {
			return &m, nil
		}
	}
	return nil, NoMember(imageID, memberID)
}

// NoMember says that an image is not shared with a project.
func NoMember(imageID, memberID string) error {
	return fault.NotFoundf("%s not found in the member list of the image %s.", memberID, imageID)
}

// Share adds a member.
func (s *Images) Share(ctx context.Context, imageID, memberID string) (*Member, error) {
	now := s.clock.Now()
	m := &Member{imageID, memberID, "pending", now, now}
	return m, s.store.InTx(ctx, func(ctx context.Context) error {
		i, err := s.store.Image(ctx, imageID)
		if err != nil {
			return err
		}
		if i.Visibility != VisibilityShared {
			return fault.Forbiddenf("Only shared images have members.")
		}
		have, err := s.store.Members(ctx, imageID)
		if err != nil {
			return err
		}
		if len(have) >= maxMembers {
			return fault.New(fault.TooLarge, "The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d", len(have)+1, maxMembers)
		}
		if err := s.store.SaveMember(ctx, m, true); err != nil {
			return err
		}
		return s.notifyMember(ctx, EventMemberCreate, m)
	})
}

// Answer sets a member's own status.
func (s *Images) Answer(ctx context.Context, imageID, memberID, status string) (*Member, error) {
	m, err := s.Member(ctx, imageID, memberID)
	if err != nil {
		return nil, err
	}
	if c := auth.From(ctx); memberID != c.ProjectID && !c.IsAdmin {
		return nil, fault.Forbiddenf("Only the member may change the status.")
	}
	m.Status, m.UpdatedAt = status, s.clock.Now()
	return m, s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.SaveMember(ctx, m, false); err != nil {
			return err
		}
		return s.notifyMember(ctx, EventMemberUpdate, m)
	})
}

// Unshare removes a member.
func (s *Images) Unshare(ctx context.Context, imageID, memberID string) error {
	m, err := s.Member(ctx, imageID, memberID)
	if err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if err := s.store.DeleteMember(ctx, imageID, memberID); err != nil {
			return err
		}
		return s.notifyMember(ctx, EventMemberDelete, m)
	})
}
