package identity

import (
	"context"

	"nubo/internal/clock"
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
	ok, err := s.store.IsMember(ctx, groupID, userID)
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
