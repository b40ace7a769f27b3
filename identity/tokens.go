package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"nubo/identity/fernet"
	"nubo/internal/fault"
)

// Payload is what a token's sealed form says. Everything else about a token
// is looked up when it is validated, so that it is never older than a change.
type Payload struct {
	UserID    string
	Methods   []string
	Scope     Scope
	AuditIDs  []string // its own, and that of the token it came from
	ExpiresAt time.Time
	IssuedAt  time.Time
	Epoch     int64 // the user's TokenEpoch
}

// Token is a validated token with all that it means now.
type Token struct {
	ID string
	Payload
	User    User
	Project *Project // the project or …
	Domain  *Project // … the domain of the scope
	// UserDomain and ProjectDomain are the owners of User and Project.
	UserDomain, ProjectDomain *Project
	Roles                     []Role
}

// Credentials are what a request to sign in brings.
type Credentials struct {
	Methods []string // "password", "token"
	// of method password: the user by id, or by name and domain
	UserID, UserName       string
	UserDomainID, UserDomN string
	Password               string
	// of method token
	TokenID string
	// the scope that is wanted; by id, or by name and domain
	Unscoped                     bool
	System                       bool
	ProjectID, ProjectName       string
	ProjectDomainID, ProjectDomN string
	DomainID, DomainName         string
}

// errUnauthorized is Keystone's only answer to a failed sign-in: it does not
// tell what was wrong.
var errUnauthorized = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// msgpack payload versions, as Keystone numbers its formatters.
const (
	payloadUnscoped = 0
	payloadDomain   = 1
	payloadProject  = 2
	payloadSystem   = 8
)

// methodBits are the sign-in methods' places in a payload's bit set.
var methodBits = []string{"external", "password", "token"}

// SignIn checks the credentials and issues a token.
func (s *Identity) SignIn(ctx context.Context, c Credentials) (*Token, error) {
	p := Payload{Methods: c.Methods, ExpiresAt: s.clock.Now().Add(s.cfg.TokenExpiration), AuditIDs: []string{newAuditID()}}
	user, err := s.authenticate(ctx, c, &p)
	if err != nil {
		return nil, err
	}
	p.UserID, p.Epoch = user.ID, user.TokenEpoch
	if p.Scope, err = s.wantedScope(ctx, c, user); err != nil {
		return nil, err
	}
	// Microseconds are dropped from the sealed form: what is answered now is
	// what a validation will answer.
	p.ExpiresAt = p.ExpiresAt.Truncate(time.Second)
	id, err := s.seal(p)
	if err != nil {
		return nil, err
	}
	return s.Validate(ctx, id)
}

// authenticate finds who signs in.
func (s *Identity) authenticate(ctx context.Context, c Credentials, p *Payload) (*User, error) {
	if len(c.Methods) == 0 {
		return nil, errUnauthorized
	}
	var user *User
	for _, method := range c.Methods {
		var found *User
		var err error
		switch method {
		case "password":
			found, err = s.byPassword(ctx, c)
		case "token":
			var t *Token
			if t, err = s.Validate(ctx, c.TokenID); err == nil {
				found = &t.User
				p.ExpiresAt = t.ExpiresAt
				p.AuditIDs = append(p.AuditIDs, t.AuditIDs[0])
				p.Methods = union(p.Methods, t.Methods)
			} else if fault.Is(err, fault.NotFound) {
				err = errUnauthorized
			}
		default:
			err = fault.New(fault.Unauthorized, "Attempted to authenticate with an unsupported method.")
		}
		if err != nil {
			return nil, err
		}
		if user != nil && user.ID != found.ID {
			return nil, errUnauthorized
		}
		user = found
	}
	return user, nil
}

func (s *Identity) byPassword(ctx context.Context, c Credentials) (*User, error) {
	user, err := s.findUser(ctx, c)
	if err != nil {
		return nil, err
	}
	hash := ""
	if user != nil {
		hash = user.PasswordHash
	}
	ok, err := s.hasher.check(ctx, hash, c.Password)
	if err != nil {
		return nil, err
	}
	if !ok || user == nil || !user.Enabled {
		return nil, errUnauthorized
	}
	domain, err := s.store.Projects().Get(ctx, user.DomainID)
	if err != nil || !domain.Enabled {
		return nil, errUnauthorized
	}
	return user, nil
}

// findUser gives nil for a user who does not exist.
func (s *Identity) findUser(ctx context.Context, c Credentials) (*User, error) {
	if c.UserID != "" {
		return s.store.Users().Find(ctx, equal("id", c.UserID))
	}
	domain, err := s.findDomain(ctx, c.UserDomainID, c.UserDomN)
	if err != nil || domain == nil {
		return nil, err
	}
	return s.store.Users().Find(ctx, equal("name", c.UserName), equal("domain_id", domain.ID))
}

func (s *Identity) findDomain(ctx context.Context, id, name string) (*Project, error) {
	if id != "" {
		return s.store.Projects().Find(ctx, equal("id", id), equal("is_domain", true))
	}
	return s.store.Projects().Find(ctx, equal("name", name), equal("is_domain", true))
}

// wantedScope finds the scope asked for; without one, the user's default
// project if he still has a role there.
func (s *Identity) wantedScope(ctx context.Context, c Credentials, user *User) (Scope, error) {
	switch {
	case c.Unscoped:
		return Scope{}, nil
	case c.System:
		return Scope{System: true}, nil
	case c.DomainID != "" || c.DomainName != "":
		d, err := s.findDomain(ctx, c.DomainID, c.DomainName)
		if err != nil {
			return Scope{}, err
		}
		if d == nil {
			return Scope{}, errUnauthorized
		}
		return Scope{DomainID: d.ID}, nil
	case c.ProjectID != "" || c.ProjectName != "":
		p, err := s.findProject(ctx, c)
		if err != nil {
			return Scope{}, err
		}
		if p == nil {
			return Scope{}, errUnauthorized
		}
		return Scope{ProjectID: p.ID}, nil
	case user.DefaultProjectID != "":
		sc := Scope{ProjectID: user.DefaultProjectID}
		if roles, err := s.RolesOn(ctx, user.ID, sc); err != nil || len(roles) == 0 {
			return Scope{}, nil // as Keystone: an unusable default gives an unscoped token
		}
		return sc, nil
	}
	return Scope{}, nil
}

func (s *Identity) findProject(ctx context.Context, c Credentials) (*Project, error) {
	if c.ProjectID != "" {
		return s.store.Projects().Find(ctx, equal("id", c.ProjectID))
	}
	domain, err := s.findDomain(ctx, c.ProjectDomainID, c.ProjectDomN)
	if err != nil || domain == nil {
		return nil, err
	}
	return s.store.Projects().Find(ctx, equal("name", c.ProjectName), equal("domain_id", domain.ID))
}

// Validate gives all that a token means now, or a fault NotFound.
func (s *Identity) Validate(ctx context.Context, id string) (*Token, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	key, epoch := s.tokens.key(id), s.tokens.epochNow()
	if t := s.tokens.get(key, epoch); t != nil {
		if !s.clock.Now().Before(t.ExpiresAt) {
			return nil, noToken()
		}
		return t, nil
	}
	p, err := s.open(id)
	if err != nil || !s.clock.Now().Before(p.ExpiresAt) || s.tokens.isRevoked(p.AuditIDs[0]) {
		return nil, noToken()
	}
	t := &Token{ID: id, Payload: *p}
	if err := s.fill(ctx, t); err != nil {
		if fault.Is(err, fault.NotFound) {
			return nil, noToken()
		}
		return nil, err
	}
	s.tokens.put(key, epoch, t)
	return t, nil
}

// fill looks up what the payload refers to; NotFound where any of it is gone
// or switched off, or the user has no role left in the scope.
func (s *Identity) fill(ctx context.Context, t *Token) error {
	user, err := s.store.Users().Get(ctx, t.UserID)
	if err != nil {
		return err
	}
	if !user.Enabled || user.TokenEpoch != t.Epoch {
		return noToken()
	}
	t.User = *user
	if t.UserDomain, err = s.enabled(ctx, user.DomainID); err != nil {
		return err
	}
	sc := t.Scope
	switch {
	case sc == Scope{}:
		return nil
	case sc.ProjectID != "":
		if t.Project, err = s.enabled(ctx, sc.ProjectID); err != nil {
			return err
		}
		owner := t.Project.DomainID
		if t.Project.IsDomain {
			owner = t.Project.ID
		}
		if t.ProjectDomain, err = s.enabled(ctx, owner); err != nil {
			return err
		}
	case sc.DomainID != "":
		if t.Domain, err = s.enabled(ctx, sc.DomainID); err != nil {
			return err
		}
	}
	if t.Roles, err = s.RolesOn(ctx, t.UserID, sc); err != nil {
		return err
	}
	if len(t.Roles) == 0 {
		return noToken()
	}
	return nil
}

func (s *Identity) enabled(ctx context.Context, id string) (*Project, error) {
	p, err := s.store.Projects().Get(ctx, id)
	if err == nil && !p.Enabled {
		err = noToken()
	}
	return p, err
}

func noToken() error { return fault.NotFoundf("Could not find token.") }

// Revoke ends a token.
func (s *Identity) Revoke(ctx context.Context, id string) error {
	t, err := s.Validate(ctx, id)
	if err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error {
		return s.store.Revoke(ctx, t.AuditIDs[0], t.ExpiresAt)
	})
}

// refresh notices changes: its own at once, other processes' within the
// configured interval. After one, nothing remembered counts, and the revoked
// audit ids are read anew.
func (s *Identity) refresh(ctx context.Context) error {
	here, due := s.tokens.due(s.clock.Now(), s.cfg.EpochInterval)
	if !due {
		return nil
	}
	epoch, err := s.store.Epoch(ctx)
	if err != nil {
		return err
	}
	if s.tokens.same(epoch, s.clock.Now()) {
		return nil
	}
	revoked, err := s.store.Revoked(ctx)
	if err != nil {
		return err
	}
	s.tokens.reset(epoch, revoked, here, s.clock.Now())
	return nil
}

// PurgeRevoked forgets revocations of tokens that have expired anyway.
func (s *Identity) PurgeRevoked(ctx context.Context) error {
	return s.store.PurgeRevoked(ctx, s.clock.Now())
}

// seal makes the token's sealed form.
func (s *Identity) seal(p Payload) (string, error) {
	bits := 0
	for i, m := range methodBits {
		if slices.Contains(p.Methods, m) {
			bits |= 1 << i
		}
	}
	fields := []any{payloadUnscoped, packID(p.UserID), bits}
	switch {
	case p.Scope.System:
		fields[0] = payloadSystem
		fields = append(fields, "all")
	case p.Scope.DomainID != "":
		fields[0] = payloadDomain
		fields = append(fields, packID(p.Scope.DomainID))
	case p.Scope.ProjectID != "":
		fields[0] = payloadProject
		fields = append(fields, packID(p.Scope.ProjectID))
	}
	audits := make([]any, len(p.AuditIDs))
	for i, a := range p.AuditIDs {
		b, err := base64.RawURLEncoding.DecodeString(a)
		if err != nil {
			return "", fmt.Errorf("audit id %q: %w", a, err)
		}
		audits[i] = b
	}
	fields = append(fields, float64(p.ExpiresAt.Unix()), audits, p.Epoch)
	b, err := msgpack.Marshal(fields)
	if err != nil {
		return "", err
	}
	return fernet.Seal(s.keys.Keys()[0], b, s.clock.Now()), nil
}

var errPayload = errors.New("not a token's payload")

// open reads a token's sealed form.
func (s *Identity) open(id string) (*Payload, error) {
	b, issued, err := fernet.Open(s.keys.Keys(), id)
	if err != nil {
		return nil, err
	}
	var fields []any
	if err := msgpack.Unmarshal(b, &fields); err != nil {
		return nil, errPayload
	}
	return parsePayload(fields, issued)
}

func parsePayload(fields []any, issued time.Time) (*Payload, error) {
	if len(fields) < 6 {
		return nil, errPayload
	}
	kind, bits := toInt(fields[0]), toInt(fields[2])
	p := &Payload{IssuedAt: issued, UserID: unpackID(fields[1])}
	for i, m := range methodBits {
		if bits&(1<<i) != 0 {
			p.Methods = append(p.Methods, m)
		}
	}
	rest := fields[3:]
	switch kind {
	case payloadUnscoped:
	case payloadSystem:
		p.Scope.System = true
	case payloadDomain:
		p.Scope.DomainID = unpackID(rest[0])
	case payloadProject:
		p.Scope.ProjectID = unpackID(rest[0])
	default:
		return nil, errPayload
	}
	if kind != payloadUnscoped {
		rest = rest[1:]
	}
	if len(rest) != 3 {
		return nil, errPayload
	}
	expires, ok := rest[0].(float64)
	audits, ok2 := rest[1].([]any)
	if !ok || !ok2 || len(audits) == 0 {
		return nil, errPayload
	}
	p.ExpiresAt = time.Unix(int64(expires), 0).UTC()
	for _, a := range audits {
		raw, _ := a.([]byte)
		p.AuditIDs = append(p.AuditIDs, base64.RawURLEncoding.EncodeToString(raw))
	}
	p.Epoch = int64(toInt(rest[2]))
	return p, nil
}

// packID halves an id of 32 hex digits, as Keystone does; others stay text.
func packID(id string) any {
	if b, err := hex.DecodeString(id); err == nil && len(b) == 16 && hex.EncodeToString(b) == id {
		return []any{true, b}
	}
	return []any{false, []byte(id)}
}

func unpackID(v any) string {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return ""
	}
	b, _ := pair[1].([]byte)
	if halved, _ := pair[0].(bool); halved {
		return hex.EncodeToString(b)
	}
	return string(b)
}

func toInt(v any) int {
	switch n := v.(type) {
	case int8:
		return int(n)
	case int16:
		return int(n)
	case int32:
		return int(n)
	case int64:
		return int(n)
	case uint8:
		return int(n)
	case uint16:
		return int(n)
	case uint32:
		return int(n)
	case uint64:
		return int(n)
	}
	return -1
}

func newAuditID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
