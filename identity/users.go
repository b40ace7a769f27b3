package identity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// User signs in.
type User struct {
	ID               string
	Name             string
	DomainID         string
	Enabled          bool
	DefaultProjectID string
	Description      string
	Email            string
	PasswordHash     string
	PasswordSetAt    time.Time
	// PasswordExpiresAt is when the password has to be changed; nil: never.
	PasswordExpiresAt *time.Time
	// PasswordSelfService says that the user chose the password himself.
	PasswordSelfService bool
	// TokenEpoch is part of every token of the user: raising it ends them all.
	TokenEpoch int64
	Options    map[string]any
	Extra      map[string]any
	CreatedAt  time.Time
	// Federated is what identity providers call the user.
	Federated []FederatedID `bun:"-"`

	random bool // the password is one of nubo's own making
}

// option reports whether a user has an option switched on.
func (u *User) option(name string) bool {
	on, _ := u.Options[name].(bool)
	return on
}

// SignIns is what signing in notes about a user.
type SignIns struct {
	UserID   string
	Failures int
	FailedAt *time.Time
	ActiveAt *time.Time
}

// CreateUser makes a user; password "" makes one who cannot sign in with one.
func (s *Identity) CreateUser(ctx context.Context, u *User, password string) error {
	u.ID, u.CreatedAt = clock.NewHexID(), s.clock.Now()
	if err := s.checkOptions(u.Options); err != nil {
		return err
	}
	hash, err := s.newHash(ctx, password, u.random)
	if err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.writable(ctx, u.DomainID); err != nil {
			return err
		}
		if hash != "" {
			s.setPassword(u, hash, false)
		}
		if err := s.store.Users().Create(ctx, u); err != nil {
			return err
		}
		return s.tieFederated(ctx, u)
	})
}

// newHash makes the stored form of a password, after it has been held against
// the rules; "" stays "".
func (s *Identity) newHash(ctx context.Context, password string, random bool) (string, error) {
	if password == "" {
		return "", nil
	}
	if !random {
		if err := s.rules.check(password); err != nil {
			return "", err
		}
	}
	return s.hasher.hash(ctx, password, random)
}

// setPassword gives a user a password, from when on it counts.
func (s *Identity) setPassword(u *User, hash string, self bool) {
	now := s.clock.Now()
	u.PasswordHash, u.PasswordSetAt, u.PasswordSelfService, u.PasswordExpiresAt = hash, now, self, nil
	if u.random {
		return // nobody would be there to change it
	}
	if days := s.rules.PasswordExpiresDays; days > 0 {
		at := now.AddDate(0, 0, days)
		u.PasswordExpiresAt = &at
	}
	if s.rules.ChangePasswordUponFirstUse && !self && !u.option(ignoreFirstUse) {
		u.PasswordExpiresAt = &now
	}
}

// UpdateUser changes a user. A new password, or being disabled, ends the
// user's tokens.
func (s *Identity) UpdateUser(ctx context.Context, id, password string, random bool, apply func(*User)) (*User, error) {
	hash, err := s.newHash(ctx, password, random)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, s.store.Users(), id, func(ctx context.Context, u *User) error {
		old := *u
		if err := s.writable(ctx, old.DomainID); err != nil {
			return err
		}
		apply(u)
		u.random = random
		if err := s.checkOptions(u.Options); err != nil {
			return err
		}
		if hash != "" {
			if err := s.keepPassword(ctx, &old); err != nil {
				return err
			}
			s.setPassword(u, hash, false)
		}
		if hash != "" || old.Enabled && !u.Enabled {
			u.TokenEpoch++
			if err := s.store.AddEvent(ctx, Event{UserID: id, RevokedAt: s.clock.Now()}); err != nil {
				return err
			}
		}
		if err := s.tieFederated(ctx, u); err != nil {
			return err
		}
		return s.store.ForgetFailures(ctx, id)
	})
}

// ChangePassword lets a user replace his own password, also one that has
// expired.
func (s *Identity) ChangePassword(ctx context.Context, userID, original, password string) error {
	u, err := s.store.Users().Find(ctx, equal("id", userID))
	if err != nil {
		return err
	}
	if ok, err := s.verify(ctx, u, original); err != nil || !ok {
		return orUnauthorized(err)
	}
	if u.option(lockPassword) {
		return errUnauthorized
	}
	if err := s.writable(ctx, u.DomainID); err != nil {
		return err
	}
	if err := s.rules.tooYoung(u, s.clock.Now()); err != nil {
		return err
	}
	if err := s.usedBefore(ctx, u, password); err != nil {
		return err
	}
	hash, err := s.newHash(ctx, password, false)
	if err != nil {
		return err
	}
	_, err = update(ctx, s, s.store.Users(), userID, func(ctx context.Context, now *User) error {
		if now.PasswordHash != u.PasswordHash { // somebody was faster
			return errUnauthorized
		}
		if err := s.keepPassword(ctx, now); err != nil {
			return err
		}
		s.setPassword(now, hash, true)
		now.TokenEpoch++
		return s.store.AddEvent(ctx, Event{UserID: userID, RevokedAt: s.clock.Now()})
	})
	return err
}

func orUnauthorized(err error) error {
	if err == nil {
		return errUnauthorized
	}
	return err
}

// keepPassword remembers the password that is about to be replaced.
func (s *Identity) keepPassword(ctx context.Context, u *User) error {
	if s.rules.UniqueLastPasswordCount < 1 || u.PasswordHash == "" {
		return nil
	}
	return s.store.KeepPassword(ctx, u.ID, u.PasswordHash, s.rules.UniqueLastPasswordCount)
}

// usedBefore refuses a password that is among the user's last ones.
func (s *Identity) usedBefore(ctx context.Context, u *User, password string) error {
	hashes := []string{u.PasswordHash}
	if n := s.rules.UniqueLastPasswordCount; n > 1 {
		old, err := s.store.OldPasswords(ctx, u.ID, n-1)
		if err != nil {
			return err
		}
		hashes = append(hashes, old...)
	} else if n == 0 {
		return nil
	}
	for _, h := range hashes {
		same, err := s.hasher.check(ctx, h, password)
		if err != nil {
			return err
		}
		if same {
			return fault.Invalidf("The new password cannot be identical to a previous password. The total number which includes the new password must be unique is %d.",
				s.rules.UniqueLastPasswordCount)
		}
	}
	return nil
}

// DeleteUser removes a user with all he has.
func (s *Identity) DeleteUser(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		u, err := s.store.Users().Get(ctx, id)
		if err != nil {
			return err
		}
		if err := s.writable(ctx, u.DomainID); err != nil {
			return err
		}
		return s.deleteUser(ctx, id)
	})
}

// deleteUser removes a user with what he delegated.
func (s *Identity) deleteUser(ctx context.Context, id string) error {
	trusts, err := s.store.Trusts().List(ctx, everything, filters(equal("trustor_id", id)))
	if err != nil {
		return err
	}
	for i := range trusts {
		if err := s.deleteTrust(ctx, &trusts[i]); err != nil && !fault.Is(err, fault.NotFound) {
			return err // what hung on another of them is gone with it
		}
	}
	if err := s.store.AddEvent(ctx, Event{UserID: id, RevokedAt: s.clock.Now()}); err != nil {
		return err
	}
	return s.store.Users().Delete(ctx, id)
}

// activeUser gives a user who may sign in, with his domain.
func (s *Identity) activeUser(ctx context.Context, id string) (*User, error) {
	u, err := s.store.Users().Get(ctx, id)
	if err == nil && !u.Enabled {
		err = errUnauthorized
	}
	if err == nil {
		_, err = s.enabled(ctx, u.DomainID)
	}
	if fault.Is(err, fault.NotFound) {
		err = errUnauthorized
	}
	return u, err
}

// verify checks a user's password, which takes as long for one who does not
// exist (nil), is locked out or has none.
func (s *Identity) verify(ctx context.Context, u *User, password string) (bool, error) {
	if u != nil {
		if dir, err := s.directory(ctx, u.DomainID); err != nil || dir != nil {
			if err != nil {
				return false, err
			}
			return s.verifyAt(ctx, dir, u, password)
		}
	}
	hash := ""
	var seen SignIns
	if u != nil {
		hash = u.PasswordHash
		if s.rules.watches() {
			var err error
			if seen, err = s.store.SignIns(ctx, u.ID); err != nil {
				return false, err
			}
			if s.rules.locked(u, seen, s.clock.Now()) {
				hash = ""
			}
		}
	}
	ok, err := s.hasher.check(ctx, hash, password)
	if err != nil {
		return false, err
	}
	if u == nil || !s.rules.watches() {
		return ok, nil
	}
	switch {
	case !ok && hash != "" && s.rules.LockoutFailureAttempts > 0:
		return false, s.store.NoteFailure(ctx, u.ID, s.clock.Now())
	case ok && (seen.Failures > 0 || s.rules.DisableUserAccountDaysInactive > 0):
		return true, s.store.NoteSuccess(ctx, u.ID, s.clock.Now())
	}
	return ok, nil
}

// byPassword finds the user a password is that of.
func (s *Identity) byPassword(ctx context.Context, ref UserRef, password string) (*User, error) {
	u, err := s.findUser(ctx, ref)
	if err != nil {
		return nil, err
	}
	if ok, err := s.verify(ctx, u, password); err != nil || !ok {
		return nil, orUnauthorized(err)
	}
	if u, err = s.activeUser(ctx, u.ID); err != nil {
		return nil, err
	}
	if expired(u.PasswordExpiresAt, s.clock.Now()) && !u.option(ignorePasswordExpiry) {
		return nil, fault.New(fault.Unauthorized, "The password is expired and needs to be changed for user: %s.", u.ID)
	}
	return u, nil
}

// byTOTP finds the user a passcode is that of.
func (s *Identity) byTOTP(ctx context.Context, ref UserRef, passcode string) (*User, error) {
	u, err := s.findUser(ctx, ref)
	if err != nil {
		return nil, err
	}
	if u == nil {
		return nil, errUnauthorized
	}
	ok, err := s.checkTOTP(ctx, u.ID, passcode)
	if err != nil || !ok {
		return nil, orUnauthorized(err)
	}
	return s.activeUser(ctx, u.ID)
}

// UserRef names a user by id, or by name and domain.
type UserRef struct{ ID, Name, DomainID, DomainName string }

// findUser gives nil for a user who does not exist.
func (s *Identity) findUser(ctx context.Context, ref UserRef) (*User, error) {
	if ref.ID != "" {
		return s.store.Users().Find(ctx, equal("id", ref.ID))
	}
	domain, err := s.findDomain(ctx, ref.DomainID, ref.DomainName)
	if err != nil || domain == nil {
		return nil, err
	}
	if dir, err := s.directory(ctx, domain.ID); err != nil || dir != nil {
		if err != nil {
			return nil, err
		}
		return s.shadowByName(ctx, dir, domain.ID, ref.Name)
	}
	return s.store.Users().Find(ctx, equal("name", ref.Name), equal("domain_id", domain.ID))
}

// The options of users.
const (
	ignoreFirstUse       = "ignore_change_password_upon_first_use"
	ignorePasswordExpiry = "ignore_password_expiry"
	ignoreLockout        = "ignore_lockout_failure_attempts"
	ignoreInactivity     = "ignore_user_inactivity"
	lockPassword         = "lock_password"
	multiFactor          = "multi_factor_auth_enabled"
	multiFactorRules     = "multi_factor_auth_rules"
)

// checkOptions refuses user options that are unknown or of another type.
func (s *Identity) checkOptions(options map[string]any) error {
	for name, v := range options {
		if v == nil {
			continue
		}
		switch name {
		case ignoreFirstUse, ignorePasswordExpiry, ignoreLockout, ignoreInactivity, lockPassword, multiFactor:
			if _, ok := v.(bool); !ok {
				return fault.Invalidf("Invalid input for field '%s': %v is not of type 'boolean'", name, v)
			}
		case multiFactorRules:
			if _, err := factorRules(v); err != nil {
				return err
			}
		default:
			return fault.Invalidf("Invalid input for field 'options': Additional properties are not allowed ('%s' was unexpected)", name)
		}
	}
	return nil
}

// factorRules reads the sets of methods, one of which a user must sign in
// with.
func factorRules(v any) ([][]string, error) {
	bad := fault.Invalidf("Invalid input for field '%s': it is a list of non-empty lists of methods, none twice", multiFactorRules)
	list, ok := v.([]any)
	if !ok {
		return nil, bad
	}
	var rules [][]string
	for _, one := range list {
		methods, ok := one.([]any)
		if !ok || len(methods) == 0 {
			return nil, bad
		}
		var rule []string
		for _, m := range methods {
			name, ok := m.(string)
			if !ok || name == "" || slices.Contains(rule, name) {
				return nil, bad
			}
			rule = append(rule, name)
		}
		if slices.ContainsFunc(rules, func(other []string) bool { return slices.Equal(other, rule) }) {
			return nil, bad
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// MergeOptions lays new options over old ones; null removes one.
func MergeOptions(old, new map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range []map[string]any{old, new} {
		for k, v := range m {
			if v == nil {
				delete(out, k)
				continue
			}
			out[k] = v
		}
	}
	return out
}

// everything is the page that has all rows.
var everything = db.Page{}

func filters(f ...db.Filter) []db.Filter { return f }

// update changes one row in a transaction, so that of two requests that
// change different attributes both count.
func update[T any](ctx context.Context, s *Identity, t Table[T], id string, apply func(context.Context, *T) error) (*T, error) {
	var v *T
	err := s.change(ctx, func(ctx context.Context) (err error) {
		if v, err = t.Get(ctx, id); err != nil {
			return err
		}
		if err := apply(ctx, v); err != nil {
			return err
		}
		return t.Update(ctx, v)
	})
	if err != nil {
		return nil, fmt.Errorf("update %s: %w", id, err)
	}
	return v, nil
}
