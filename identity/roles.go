package identity

import (
	"context"
	"slices"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Role is a name that policies know.
type Role struct {
	ID          string
	Name        string
	DomainID    string // "" for global roles
	Description string
	Options     map[string]any
	Extra       map[string]any
}

// Implication says that whoever has Prior has Implied as well.
type Implication struct{ PriorID, ImpliedID string }

// CreateRole makes a role.
func (s *Identity) CreateRole(ctx context.Context, r *Role) error {
	r.ID = clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error {
		if r.DomainID != "" {
			if _, err := s.Domain(ctx, r.DomainID); err != nil {
				return err
			}
		}
		return s.store.Roles().Create(ctx, r)
	})
}

// UpdateRole changes a role.
func (s *Identity) UpdateRole(ctx context.Context, id string, apply func(*Role)) (*Role, error) {
	return update(ctx, s, s.store.Roles(), id, func(_ context.Context, r *Role) error {
		old := *r
		apply(r)
		if old.DomainID != r.DomainID {
			return fault.Invalidf("Update of `domain_id` is not allowed.")
		}
		return mayChange("role", id, old.Options, r.Options)
	})
}

// DeleteRole removes a role with its assignments and implications, and the
// application credentials that have it.
func (s *Identity) DeleteRole(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		r, err := s.store.Roles().Get(ctx, id)
		if err != nil {
			return err
		}
		if err := immutable("role", id, r.Options, "delete"); err != nil {
			return err
		}
		if err := s.store.RemoveAppCredentialsWith(ctx, id); err != nil {
			return err
		}
		if err := s.store.AddEvent(ctx, Event{RoleID: id, RevokedAt: s.clock.Now()}); err != nil {
			return err
		}
		return s.store.Roles().Delete(ctx, id)
	})
}

// Imply makes prior imply implied. A circle is refused.
func (s *Identity) Imply(ctx context.Context, i Implication) error {
	if i.PriorID == i.ImpliedID {
		return fault.Forbiddenf("%s cannot be an implied roles.", i.ImpliedID)
	}
	return s.change(ctx, func(ctx context.Context) error {
		prior, implied, err := s.bothRoles(ctx, i)
		if err != nil {
			return err
		}
		if implied.DomainID != "" && prior.DomainID != implied.DomainID {
			return fault.Invalidf("Role %s is a domain-specific role that cannot be implied by a role of another domain.", i.ImpliedID)
		}
		if implied.Name == "admin" && implied.DomainID == "" {
			return fault.Forbiddenf("%s cannot be an implied roles.", i.ImpliedID)
		}
		all, err := s.store.Implications(ctx)
		if err != nil {
			return err
		}
		if slices.Contains(all, i) {
			return fault.Conflictf("Conflict occurred attempting to store implied_role - Duplicate entry found.")
		}
		if slices.Contains(closure([]string{i.ImpliedID}, all), i.PriorID) {
			return fault.Forbiddenf("Implying role %s by role %s would make a circle.", i.ImpliedID, i.PriorID)
		}
		return s.store.AddImplication(ctx, i)
	})
}

// Unimply ends an implication.
func (s *Identity) Unimply(ctx context.Context, i Implication) error {
	if err := s.CheckImplied(ctx, i); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.RemoveImplication(ctx, i) })
}

// CheckImplied answers NotFound unless prior implies implied directly.
func (s *Identity) CheckImplied(ctx context.Context, i Implication) error {
	if _, _, err := s.bothRoles(ctx, i); err != nil {
		return err
	}
	all, err := s.store.Implications(ctx)
	if err == nil && !slices.Contains(all, i) {
		err = fault.NotFoundf("%s does not imply %s.", i.PriorID, i.ImpliedID)
	}
	return err
}

func (s *Identity) bothRoles(ctx context.Context, i Implication) (prior, implied *Role, err error) {
	if prior, err = s.store.Roles().Get(ctx, i.PriorID); err == nil {
		implied, err = s.store.Roles().Get(ctx, i.ImpliedID)
	}
	return prior, implied, err
}
