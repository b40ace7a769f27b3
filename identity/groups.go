package identity

import (
	"context"
	"slices"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// Group collects users of a domain.
type Group struct {
	ID          string
	Name        string
	DomainID    string
	Description string
	Extra       map[string]any
}

// Membership is a group with when its user ceases to be in it; nil: never.
type Membership struct {
	Group
	ExpiresAt *time.Time
}

// Memberships lists a user's groups, those behind which only an identity
// provider stands last. A group of both kinds is one that does not expire.
func (s *Identity) Memberships(ctx context.Context, userID string, f []db.Filter) ([]Membership, error) {
	lasting, err := s.store.GroupsOf(ctx, userID, f)
	if err != nil {
		return nil, err
	}
	expiring, err := s.store.ExpiringGroupsOf(ctx, userID, s.clock.Now(), f)
	if err != nil {
		return nil, err
	}
	out := make([]Membership, 0, len(lasting)+len(expiring))
	for _, g := range lasting {
		out = append(out, Membership{Group: g})
		expiring = slices.DeleteFunc(expiring, func(m Membership) bool { return m.ID == g.ID })
	}
	return append(out, expiring...), nil
}

// CreateGroup makes a group.
func (s *Identity) CreateGroup(ctx context.Context, g *Group) error {
	g.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.writable(ctx, g.DomainID); err != nil {
			return err
		}
		return s.store.Groups().Create(ctx, g)
	})
}

// UpdateGroup changes a group.
func (s *Identity) UpdateGroup(ctx context.Context, id string, apply func(*Group)) (*Group, error) {
	return update(ctx, s, s.store.Groups(), id, func(ctx context.Context, g *Group) error {
		apply(g)
		return s.writable(ctx, g.DomainID)
	})
}

// DeleteGroup removes a group, not its users.
func (s *Identity) DeleteGroup(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		g, err := s.store.Groups().Get(ctx, id)
		if err != nil {
			return err
		}
		if err := s.writable(ctx, g.DomainID); err != nil {
			return err
		}
		return s.store.Groups().Delete(ctx, id)
	})
}

// AddMember puts a user into a group.
func (s *Identity) AddMember(ctx context.Context, groupID, userID string) error {
	return s.membership(ctx, groupID, userID, s.store.AddMember)
}

// RemoveMember takes a user out of a group.
func (s *Identity) RemoveMember(ctx context.Context, groupID, userID string) error {
	return s.membership(ctx, groupID, userID, s.store.RemoveMember)
}

// CheckMember answers NotFound unless the user is in the group.
func (s *Identity) CheckMember(ctx context.Context, groupID, userID string) error {
	ok, err := s.store.IsMember(ctx, groupID, userID, s.clock.Now())
	if err == nil && !ok {
		err = fault.NotFoundf("User '%s' not found in group '%s'.", userID, groupID)
	}
	return err
}

func (s *Identity) membership(ctx context.Context, groupID, userID string, do func(context.Context, string, string) error) error {
	return s.change(ctx, func(ctx context.Context) error {
		g, err := s.store.Groups().Get(ctx, groupID)
		if err != nil {
			return err
		}
		if _, err := s.store.Users().Get(ctx, userID); err != nil {
			return err
		}
		if err := s.writable(ctx, g.DomainID); err != nil {
			return err
		}
		return do(ctx, groupID, userID)
	})
}
