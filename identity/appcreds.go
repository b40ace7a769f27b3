package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// AppCredential lets a program act as a user on one project, with some of
// the user's roles, without knowing the password.
type AppCredential struct {
	ID           string
	Name         string
	Description  string
	UserID       string
	ProjectID    string
	SecretHash   string
	Unrestricted bool // it may manage application credentials and trusts
	ExpiresAt    *time.Time
	Roles        []string
	AccessRules  []string
}

// AccessRule is a request that an application credential may make. One that
// has such rules may make no other.
type AccessRule struct {
	ID      string
	UserID  string
	Service string
	Method  string
	Path    string
}

// randomSecret makes a secret that nobody chose and nobody can guess.
func randomSecret() string {
	b := make([]byte, 64)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// CreateAppCredential makes one for the user of the token, on the token's
// project. It gives the secret, which is known only now.
func (s *Identity) CreateAppCredential(ctx context.Context, by *Token, c *AppCredential, secret string, roles []RoleRef, rules []AccessRule) (string, error) {
	if err := by.unrestricted("application credentials"); err != nil {
		return "", err
	}
	if by.Scope.ProjectID == "" {
		return "", fault.Invalidf("A project-scoped token is required to produce a restricted application credential.")
	}
	if c.ExpiresAt != nil && !s.clock.Now().Before(*c.ExpiresAt) {
		return "", fault.Invalidf("Invalid input for field 'expires_at': the application credential would have expired.")
	}
	c.ID, c.UserID, c.ProjectID = clock.NewHexID(), by.UserID, by.Scope.ProjectID
	made := secret == ""
	if made {
		secret = randomSecret()
	}
	var err error
	if c.SecretHash, err = s.hasher.hash(ctx, secret, made); err != nil {
		return "", err
	}
	return secret, s.change(ctx, func(ctx context.Context) error {
		if c.Roles, err = s.delegable(ctx, by, roles); err != nil {
			return err
		}
		c.AccessRules = nil
		for _, r := range rules {
			id, err := s.ensureAccessRule(ctx, c.UserID, r)
			if err != nil {
				return err
			}
			c.AccessRules = append(c.AccessRules, id)
		}
		return s.store.AppCredentials().Create(ctx, c)
	})
}

// RoleRef names a role by id, or by name and domain.
type RoleRef struct{ ID, Name, DomainID string }

// delegable gives the ids of the named roles, all of which the token has;
// all of its roles if none is named.
func (s *Identity) delegable(ctx context.Context, by *Token, wanted []RoleRef) ([]string, error) {
	var ids []string
	if len(wanted) == 0 {
		for _, r := range by.Roles {
			ids = append(ids, r.ID)
		}
		return ids, nil
	}
	for _, w := range wanted {
		role, err := s.roleByRef(ctx, w)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(by.Roles, func(r Role) bool { return r.ID == role.ID }) {
			return nil, fault.Invalidf("Invalid application credential: Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
				role.ID, by.UserID, by.Scope.ProjectID)
		}
		if !slices.Contains(ids, role.ID) {
			ids = append(ids, role.ID)
		}
	}
	return ids, nil
}

func (s *Identity) roleByRef(ctx context.Context, w RoleRef) (*Role, error) {
	if w.ID != "" {
		return s.store.Roles().Get(ctx, w.ID)
	}
	role, err := s.store.Roles().Find(ctx, equal("name", w.Name), equal("domain_id", w.DomainID))
	if err == nil && role == nil {
		err = fault.NotFoundf("Could not find role: %s.", w.Name)
	}
	return role, err
}

// ensureAccessRule gives the id of the user's rule, which is made if it is
// not there: several credentials share one.
func (s *Identity) ensureAccessRule(ctx context.Context, userID string, r AccessRule) (string, error) {
	if r.ID != "" && r.Service == "" {
		known, err := s.UserAccessRule(ctx, userID, r.ID)
		if err != nil {
			return "", err
		}
		return known.ID, nil
	}
	known, err := s.store.AccessRules().Find(ctx, equal("user_id", userID), equal("service", r.Service), equal("method", r.Method), equal("path", r.Path))
	if err != nil {
		return "", err
	}
	if known != nil {
		return known.ID, nil
	}
	r.ID, r.UserID = clock.NewHexID(), userID
	return r.ID, s.store.AccessRules().Create(ctx, &r)
}

// UserAppCredential gives a user's application credential.
func (s *Identity) UserAppCredential(ctx context.Context, userID, id string) (*AppCredential, error) {
	c, err := s.store.AppCredentials().Get(ctx, id)
	if err == nil && c.UserID != userID {
		err = fault.NotFoundf("Could not find application credential: %s.", id)
	}
	return c, err
}

// DeleteAppCredential ends a user's application credential and its tokens.
func (s *Identity) DeleteAppCredential(ctx context.Context, by *Token, userID, id string) error {
	if err := by.unrestricted("application credentials"); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.UserAppCredential(ctx, userID, id); err != nil {
			return err
		}
		return s.store.AppCredentials().Delete(ctx, id)
	})
}

// UserAccessRule gives a user's access rule.
func (s *Identity) UserAccessRule(ctx context.Context, userID, id string) (*AccessRule, error) {
	r, err := s.store.AccessRules().Get(ctx, id)
	if err == nil && r.UserID != userID {
		err = fault.NotFoundf("Could not find access rule: %s.", id)
	}
	return r, err
}

// DeleteAccessRule removes a rule that no application credential has.
func (s *Identity) DeleteAccessRule(ctx context.Context, userID, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.UserAccessRule(ctx, userID, id); err != nil {
			return err
		}
		creds, err := s.store.AppCredentials().List(ctx, db.Page{}, []db.Filter{equal("user_id", userID)})
		if err != nil {
			return err
		}
		for _, c := range creds {
			if slices.Contains(c.AccessRules, id) {
				return fault.Forbiddenf("You are not authorized to perform the requested action: access rule %s is in use by one or more application credentials.", id)
			}
		}
		return s.store.AccessRules().Delete(ctx, id)
	})
}

// RulesOf gives the access rules of an application credential.
func (s *Identity) RulesOf(ctx context.Context, c *AppCredential) ([]AccessRule, error) {
	rules := make([]AccessRule, 0, len(c.AccessRules))
	for _, id := range c.AccessRules {
		r, err := s.store.AccessRules().Get(ctx, id)
		if err != nil {
			return nil, err
		}
		rules = append(rules, *r)
	}
	return rules, nil
}

// RolesByID gives the roles that are still there, in the ids' order.
func (s *Identity) RolesByID(ctx context.Context, ids []string) ([]Role, error) {
	roles := make([]Role, 0, len(ids))
	for _, id := range ids {
		r, err := s.store.Roles().Get(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		roles = append(roles, *r)
	}
	return roles, nil
}

// byAppCredential finds whom an application credential stands for. A wrong
// secret costs as much time as an unknown credential.
func (s *Identity) byAppCredential(ctx context.Context, c Credentials) (*User, *AppCredential, error) {
	var cred *AppCredential
	var err error
	if c.AppCredID != "" {
		cred, err = s.store.AppCredentials().Find(ctx, equal("id", c.AppCredID))
	} else {
		var u *User
		if u, err = s.findUser(ctx, c.AppCredUser); err == nil && u != nil {
			cred, err = s.store.AppCredentials().Find(ctx, equal("name", c.AppCredName), equal("user_id", u.ID))
		}
	}
	if err != nil {
		return nil, nil, err
	}
	hash := ""
	if cred != nil {
		hash = cred.SecretHash
	}
	ok, err := s.hasher.check(ctx, hash, c.AppCredSecret)
	if err != nil {
		return nil, nil, err
	}
	if !ok || expired(cred.ExpiresAt, s.clock.Now()) {
		return nil, nil, errUnauthorized
	}
	u, err := s.activeUser(ctx, cred.UserID)
	return u, cred, err
}

func expired(at *time.Time, now time.Time) bool { return at != nil && !now.Before(*at) }

// keepRoles gives those of the roles whose ids are listed.
func keepRoles(roles []Role, ids []string) []Role {
	return slices.DeleteFunc(slices.Clone(roles), func(r Role) bool { return !slices.Contains(ids, r.ID) })
}
