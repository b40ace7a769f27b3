package identity

import (
	"context"
	"slices"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Trust lets a trustee act on a trustor's project with some of the trustor's
// roles.
type Trust struct {
	ID            string
	TrustorID     string
	TrusteeID     string
	ProjectID     string
	Impersonation bool // the trustee's tokens name the trustor as their user
	ExpiresAt     *time.Time
	RemainingUses *int // nil: as often as wanted
	Roles         []string
	// RedelegatedTrustID is the trust this one was made from.
	RedelegatedTrustID string
	RedelegationCount  int
}

// NewTrust is what a request to make a trust says.
type NewTrust struct {
	Trust
	Roles             []RoleRef
	AllowRedelegation bool
	RedelegationCount *int
}

// names is the user whom tokens of the trust name.
func (t *Trust) names() string {
	if t.Impersonation {
		return t.TrustorID
	}
	return t.TrusteeID
}

func noTrust(id string) error { return fault.NotFoundf("Could not find trust: %s.", id) }

// Trust gives a trust that can still be used.
func (s *Identity) Trust(ctx context.Context, id string) (*Trust, error) {
	t, err := s.store.Trusts().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if expired(t.ExpiresAt, s.clock.Now()) || t.RemainingUses != nil && *t.RemainingUses < 1 {
		return nil, noTrust(id)
	}
	return t, nil
}

// CreateTrust makes a trust of the token's user.
func (s *Identity) CreateTrust(ctx context.Context, by *Token, in NewTrust) (*Trust, error) {
	t := in.Trust
	t.ID = clock.NewHexID()
	switch {
	case t.TrustorID != by.UserID:
		return nil, fault.Forbiddenf("You are not authorized to perform the requested action: The authenticated user should match the trustor.")
	case len(in.Roles) > 0 && t.ProjectID == "":
		return nil, fault.Forbiddenf("You are not authorized to perform the requested action: At least one role should be specified.")
	case t.ExpiresAt != nil && !s.clock.Now().Before(*t.ExpiresAt):
		return nil, fault.Invalidf("Invalid input for field 'expires_at': the trust would have expired.")
	case in.RedelegationCount != nil && *in.RedelegationCount > s.cfg.MaxRedelegationCount:
		return nil, fault.Forbiddenf("You are not authorized to perform the requested action: Requested redelegation depth of %d is greater than allowed %d.",
			*in.RedelegationCount, s.cfg.MaxRedelegationCount)
	}
	if in.AllowRedelegation {
		t.RedelegationCount = s.cfg.MaxRedelegationCount
		if in.RedelegationCount != nil {
			t.RedelegationCount = *in.RedelegationCount
		}
		if t.RemainingUses != nil {
			return nil, fault.Forbiddenf("You are not authorized to perform the requested action: remaining_uses must not be set if redelegation is allowed.")
		}
	}
	return &t, s.change(ctx, func(ctx context.Context) error { return s.makeTrust(ctx, by, in, &t) })
}

func (s *Identity) makeTrust(ctx context.Context, by *Token, in NewTrust, t *Trust) error {
	if _, err := s.store.Users().Get(ctx, t.TrusteeID); err != nil {
		return err
	}
	if t.ProjectID != "" {
		if _, err := s.store.Projects().Get(ctx, t.ProjectID); err != nil {
			return err
		}
	}
	has, err := s.RolesOn(ctx, t.TrustorID, Scope{ProjectID: t.ProjectID})
	if err != nil {
		return err
	}
	if by.Trust != nil { // what was delegated is all there is to delegate
		if err := redelegate(by.Trust, t); err != nil {
			return err
		}
		has = keepRoles(has, by.Trust.Roles)
	}
	t.Roles = nil
	for _, w := range in.Roles {
		role, err := s.roleByRef(ctx, w)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(has, func(r Role) bool { return r.ID == role.ID }) {
			return fault.Forbiddenf("You are not authorized to perform the requested action: the trustor does not have role %s on the project.", role.ID)
		}
		if !slices.Contains(t.Roles, role.ID) {
			t.Roles = append(t.Roles, role.ID)
		}
	}
	if t.ProjectID != "" && len(t.Roles) == 0 {
		return fault.Forbiddenf("You are not authorized to perform the requested action: At least one role should be specified.")
	}
	return s.store.Trusts().Create(ctx, t)
}

// redelegate makes t a trust below parent, if that one allows it.
func redelegate(parent, t *Trust) error {
	refuse := func(why string) error {
		return fault.Forbiddenf("You are not authorized to perform the requested action: %s", why)
	}
	switch {
	case parent.RedelegationCount < 1:
		return refuse("Redelegation allowed for delegated by trust only.")
	case parent.ProjectID != t.ProjectID:
		return refuse("The project of a redelegated trust is that of the trust.")
	case parent.Impersonation != t.Impersonation && t.Impersonation:
		return refuse("Impersonation is not allowed because redelegated trust does not specify impersonation.")
	case parent.ExpiresAt != nil && (t.ExpiresAt == nil || t.ExpiresAt.After(*parent.ExpiresAt)):
		return refuse("Requested expiration time is more than redelegated trust can provide.")
	case t.RedelegationCount >= parent.RedelegationCount:
		t.RedelegationCount = parent.RedelegationCount - 1
	}
	t.RedelegatedTrustID = parent.ID
	return nil
}

// DeleteTrust ends a trust, those made from it and their tokens.
func (s *Identity) DeleteTrust(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		t, err := s.store.Trusts().Get(ctx, id)
		if err != nil {
			return err
		}
		return s.deleteTrust(ctx, t)
	})
}

func (s *Identity) deleteTrust(ctx context.Context, t *Trust) error {
	below, err := s.store.Trusts().List(ctx, everything, filters(equal("redelegated_trust_id", t.ID)))
	if err != nil {
		return err
	}
	for i := range below {
		if err := s.deleteTrust(ctx, &below[i]); err != nil {
			return err
		}
	}
	if err := s.store.AddEvent(ctx, Event{TrustID: t.ID, UserID: t.TrusteeID, RevokedAt: s.clock.Now()}); err != nil {
		return err
	}
	return s.store.Trusts().Delete(ctx, t.ID)
}

// fillTrust looks up what a token got by a trust means now: NotFound where
// the trust, one of its people or the delegated roles are gone.
func (s *Identity) fillTrust(ctx context.Context, t *Token) error {
	trust, err := s.store.Trusts().Get(ctx, t.TrustID)
	if err != nil {
		return err
	}
	if expired(trust.ExpiresAt, s.clock.Now()) || t.Scope != (Scope{ProjectID: trust.ProjectID}) {
		return noToken()
	}
	for _, id := range []string{trust.TrustorID, trust.TrusteeID} {
		u, err := s.store.Users().Get(ctx, id)
		if err != nil {
			return err
		}
		if !u.Enabled {
			return noToken()
		}
		if _, err := s.enabled(ctx, u.DomainID); err != nil {
			return err
		}
	}
	if t.looksAgain, err = s.store.MembershipEnds(ctx, trust.TrustorID, s.clock.Now()); err != nil {
		return err
	}
	has, err := s.RolesOn(ctx, trust.TrustorID, t.Scope)
	if err != nil {
		return err
	}
	for _, id := range trust.Roles {
		if !slices.ContainsFunc(has, func(r Role) bool { return r.ID == id }) {
			return noToken() // the trustor lost what was delegated
		}
	}
	t.Trust = trust
	roles, err := s.expand(ctx, trust.Roles)
	t.Roles = roles
	return err
}
