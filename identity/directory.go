package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"nubo/internal/fault"
)

// Directory is where a domain's users and groups are kept if not here: an
// LDAP server. It is only read. What is read is mirrored into the tables, so
// that roles, lists and tokens treat these users as any others.
type Directory interface {
	// Users gives the users of a name, all of them for "".
	Users(ctx context.Context, name string) ([]DirectoryUser, error)
	// GroupsOf gives the groups of a user, and all groups for nil.
	GroupsOf(ctx context.Context, u *DirectoryUser) ([]DirectoryGroup, error)
	// Verify reports whether the password is the user's.
	Verify(ctx context.Context, u DirectoryUser, password string) (bool, error)
}

// DirectoryUser is a user as a directory has him.
type DirectoryUser struct {
	ID, Name, DN, Mail, Description string
	Enabled                         bool
}

// DirectoryGroup is a group as a directory has it.
type DirectoryGroup struct{ ID, Name, Description string }

// OpenDirectory makes a Directory of the options of section [ldap] of a
// domain's configuration.
type OpenDirectory func(options map[string]any) (Directory, error)

// directories remembers each domain's directory as long as nothing changed.
type directories struct {
	mu     sync.Mutex // guards what follows
	epoch  [2]int64
	known  map[string]Directory // nil for domains kept here
	synced map[string]time.Time
}

// syncInterval is how long a listing of a directory counts.
const syncInterval = 30 * time.Second

// directory gives the directory of a domain, nil for one kept here.
func (s *Identity) directory(ctx context.Context, domainID string) (Directory, error) {
	if s.openDirectory == nil {
		return nil, nil
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	epoch := s.tokens.epochNow()
	s.dirs.mu.Lock()
	if s.dirs.epoch != epoch || s.dirs.known == nil {
		s.dirs.epoch, s.dirs.known = epoch, map[string]Directory{}
	}
	dir, ok := s.dirs.known[domainID]
	s.dirs.mu.Unlock()
	if ok {
		return dir, nil
	}
	options, err := s.store.DomainOptions(ctx, domainID)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(options, func(o DomainOption) bool { return o.Section == "identity" && o.Name == "driver" && o.Value == `"ldap"` }) {
		c, err := s.DomainConfigOf(ctx, domainID, true)
		if err != nil {
			return nil, err
		}
		all := map[string]any{}
		for name, v := range domainOptions["ldap"] {
			all[name] = v
			if own, ok := c["ldap"][name]; ok {
				all[name] = own
			}
		}
		if dir, err = s.openDirectory(all); err != nil {
			return nil, err
		}
	}
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	if s.dirs.epoch == epoch {
		s.dirs.known[domainID] = dir
	}
	return dir, nil
}

// writable refuses changes of users and groups that are kept elsewhere, and
// of a domain that is not there.
func (s *Identity) writable(ctx context.Context, domainID string) error {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return err
	}
	options, err := s.store.DomainOptions(ctx, domainID)
	if err != nil {
		return err
	}
	for _, o := range options {
		if o.Section == "identity" && o.Name == "driver" && o.Value == `"ldap"` {
			return fault.Forbiddenf("You are not authorized to perform the requested action: The domain's directory is read-only.")
		}
	}
	return nil
}

// publicID is the id here of a user or group of a directory: always the
// same, so that the roles given to it stay its own.
func publicID(domainID, kind, id string) string {
	sum := sha256.Sum256([]byte(domainID + kind + id))
	return hex.EncodeToString(sum[:])
}

func directorySource(domainID string) string { return "directory:" + domainID }

// shadowByName finds a user at the directory and mirrors him; nil if there is
// none, or not exactly one.
func (s *Identity) shadowByName(ctx context.Context, dir Directory, domainID, name string) (*User, error) {
	if name == "" {
		return nil, nil
	}
	found, err := dir.Users(ctx, name)
	if err != nil {
		return nil, fault.Unavailablef("The directory of the domain does not answer.").WithCause(err)
	}
	if len(found) != 1 {
		return nil, nil
	}
	return s.shadow(ctx, dir, domainID, found[0])
}

// shadow mirrors a user and his groups, and writes only what changed.
func (s *Identity) shadow(ctx context.Context, dir Directory, domainID string, d DirectoryUser) (*User, error) {
	groups, err := dir.GroupsOf(ctx, &d)
	if err != nil {
		return nil, fault.Unavailablef("The directory of the domain does not answer.").WithCause(err)
	}
	id := publicID(domainID, ActorUser, d.ID)
	want := User{ID: id, Name: d.Name, DomainID: domainID, Enabled: d.Enabled, Email: d.Mail, Description: d.Description}
	old, err := s.store.Users().Find(ctx, equal("id", id))
	if err != nil {
		return nil, err
	}
	if old != nil && old.Name == want.Name && old.Enabled == want.Enabled && old.Email == want.Email && old.Description == want.Description {
		same, err := s.sameGroups(ctx, domainID, id, groups)
		if err != nil || same {
			return old, err
		}
	}
	err = s.change(ctx, func(ctx context.Context) error {
		u, err := s.store.Users().Find(ctx, equal("id", id))
		if err != nil {
			return err
		}
		if u == nil {
			want.CreatedAt = s.clock.Now()
			if err := s.store.Users().Create(ctx, &want); err != nil {
				return err
			}
			if err := s.store.AddExternalUser(ctx, directorySource(domainID), d.ID, id, false); err != nil {
				return err
			}
		} else {
			u.Name, u.Enabled, u.Email, u.Description = want.Name, want.Enabled, want.Email, want.Description
			if err := s.store.Users().Update(ctx, u); err != nil {
				return err
			}
			want = *u
		}
		return s.shadowGroups(ctx, domainID, id, groups)
	})
	return &want, err
}

func (s *Identity) sameGroups(ctx context.Context, domainID, userID string, groups []DirectoryGroup) (bool, error) {
	have, err := s.store.GroupsOf(ctx, userID, nil)
	if err != nil || len(have) != len(groups) {
		return false, err
	}
	for _, g := range groups {
		if !slices.ContainsFunc(have, func(h Group) bool { return h.ID == publicID(domainID, ActorGroup, g.ID) && h.Name == g.Name }) {
			return false, nil
		}
	}
	return true, nil
}

// shadowGroups mirrors groups, and if a user is named puts him into exactly
// these.
func (s *Identity) shadowGroups(ctx context.Context, domainID, userID string, groups []DirectoryGroup) error {
	ids := []string{}
	for _, d := range groups {
		g := Group{ID: publicID(domainID, ActorGroup, d.ID), Name: d.Name, DomainID: domainID, Description: d.Description}
		old, err := s.store.Groups().Find(ctx, equal("id", g.ID))
		if err != nil {
			return err
		}
		switch {
		case old == nil:
			err = s.store.Groups().Create(ctx, &g)
		case old.Name != g.Name || old.Description != g.Description:
			g.Extra = old.Extra
			err = s.store.Groups().Update(ctx, &g)
		}
		if err != nil {
			return err
		}
		ids = append(ids, g.ID)
	}
	if userID == "" {
		return nil
	}
	have, err := s.store.GroupsOf(ctx, userID, nil)
	if err != nil {
		return err
	}
	for _, h := range have {
		if !slices.Contains(ids, h.ID) {
			if err := s.store.RemoveMember(ctx, h.ID, userID); err != nil {
				return err
			}
		}
	}
	for _, id := range ids {
		if err := s.store.AddMember(ctx, id, userID); err != nil {
			return err
		}
	}
	return nil
}

// verifyAt checks a password at the directory.
func (s *Identity) verifyAt(ctx context.Context, dir Directory, u *User, password string) (bool, error) {
	if password == "" {
		return false, nil // LDAP would take it for an anonymous bind, which succeeds
	}
	found, err := dir.Users(ctx, u.Name)
	if err == nil && len(found) == 1 && publicID(u.DomainID, ActorUser, found[0].ID) == u.ID {
		var ok bool
		if ok, err = dir.Verify(ctx, found[0], password); err == nil {
			return ok, nil
		}
	}
	if err != nil {
		return false, fault.Unavailablef("The directory of the domain does not answer.").WithCause(err)
	}
	return false, nil
}

// SyncDomain mirrors all users and groups of a domain's directory, if it has
// one and that was not done a moment ago. Whoever is gone there is switched
// off here.
func (s *Identity) SyncDomain(ctx context.Context, domainID string) error {
	dir, err := s.directory(ctx, domainID)
	if err != nil || dir == nil {
		return err
	}
	s.dirs.mu.Lock()
	fresh := s.clock.Now().Sub(s.dirs.synced[domainID]) < syncInterval
	s.dirs.mu.Unlock()
	if fresh {
		return nil
	}
	users, err := dir.Users(ctx, "")
	if err != nil {
		return fault.Unavailablef("The directory of the domain does not answer.").WithCause(err)
	}
	groups, err := dir.GroupsOf(ctx, nil)
	if err != nil {
		return fault.Unavailablef("The directory of the domain does not answer.").WithCause(err)
	}
	there := map[string]bool{}
	for _, d := range users {
		u, err := s.shadow(ctx, dir, domainID, d)
		if err != nil {
			return err
		}
		there[u.ID] = true
	}
	if err := s.change(ctx, func(ctx context.Context) error { return s.mirrorRest(ctx, domainID, there, groups) }); err != nil {
		return err
	}
	s.dirs.mu.Lock()
	defer s.dirs.mu.Unlock()
	if s.dirs.synced == nil {
		s.dirs.synced = map[string]time.Time{}
	}
	s.dirs.synced[domainID] = s.clock.Now()
	return nil
}

func (s *Identity) mirrorRest(ctx context.Context, domainID string, there map[string]bool, groups []DirectoryGroup) error {
	known, err := s.store.Users().List(ctx, everything, filters(equal("domain_id", domainID), equal("enabled", true)))
	if err != nil {
		return err
	}
	for i := range known {
		if u := &known[i]; !there[u.ID] {
			u.Enabled = false
			u.TokenEpoch++
			if err := s.store.Users().Update(ctx, u); err != nil {
				return err
			}
		}
	}
	return s.shadowGroups(ctx, domainID, "", groups)
}
