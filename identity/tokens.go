package identity

import (
	"context"
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
	// What the token was got by, if it carries less than its user may.
	TrustID       string
	AppCredID     string
	AccessTokenID string // of OAuth 1
	// Federation is where the user signed in if that was elsewhere.
	Federation Federation
}

// Federation says which identity provider vouched for a user, and the groups
// that this made him a member of.
type Federation struct {
	ProviderID string
	ProtocolID string
	Groups     []string
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
	Trust                     *Trust
	AppCredential             *AppCredential
	AccessRules               []AccessRule // of the application credential
	AccessToken               *OAuthToken

	// looksAgain is when one of the memberships the roles stand on ends.
	looksAgain *time.Time
}

// The kinds of payloads, as Keystone numbers its formatters.
const (
	payloadUnscoped = 0
	payloadDomain   = 1
	payloadProject  = 2
	payloadSystem   = 8
	payloadReceipt  = 100
)

// methodBits are the sign-in methods' places in a payload's bit set.
var methodBits = []string{"external", "password", "token", "application_credential", "totp", "oauth1", "mapped", "ec2credential", "openid"}

func bitsOf(methods []string) int {
	bits := 0
	for i, m := range methodBits {
		if slices.Contains(methods, m) {
			bits |= 1 << i
		}
	}
	return bits
}

func methodsOf(bits int) []string {
	var out []string
	for i, m := range methodBits {
		if bits&(1<<i) != 0 {
			out = append(out, m)
		}
	}
	return out
}

// Validate gives all that a token means now, or a fault NotFound.
func (s *Identity) Validate(ctx context.Context, id string) (*Token, error) {
	return s.validate(ctx, id, s.clock.Now())
}

// ValidateExpired is Validate for a token that may have expired a while ago:
// a long operation that began in time is allowed to end.
func (s *Identity) ValidateExpired(ctx context.Context, id string) (*Token, error) {
	return s.validate(ctx, id, s.clock.Now().Add(-s.cfg.AllowExpiredWindow))
}

func (s *Identity) validate(ctx context.Context, id string, now time.Time) (*Token, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	key, epoch := s.tokens.key(id), s.tokens.epochNow()
	if t := s.tokens.get(key, epoch); t != nil && !expired(t.looksAgain, s.clock.Now()) {
		if !now.Before(t.ExpiresAt) || t.delegationEnded(s.clock.Now()) {
			return nil, noToken()
		}
		return t, nil
	}
	p, err := s.open(id)
	if err != nil || !now.Before(p.ExpiresAt) || s.tokens.isRevoked(p.AuditIDs[0]) {
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

// delegationEnded reports whether what the token stands on has expired since
// it was looked up.
func (t *Token) delegationEnded(now time.Time) bool {
	return t.Trust != nil && expired(t.Trust.ExpiresAt, now) || t.AppCredential != nil && expired(t.AppCredential.ExpiresAt, now)
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
		return s.fillProvider(ctx, t)
	case sc.ProjectID != "":
		if t.Project, err = s.enabled(ctx, sc.ProjectID); err != nil {
			return err
		}
		if t.ProjectDomain, err = s.enabled(ctx, owner(t.Project)); err != nil {
			return err
		}
	case sc.DomainID != "":
		if t.Domain, err = s.enabled(ctx, sc.DomainID); err != nil {
			return err
		}
	}
	if err := s.fillRoles(ctx, t); err != nil {
		return err
	}
	if len(t.Roles) == 0 {
		return noToken()
	}
	return s.fillProvider(ctx, t)
}

// fillProvider refuses tokens of users whose identity provider is gone or
// switched off.
func (s *Identity) fillProvider(ctx context.Context, t *Token) error {
	if t.Federation.ProviderID == "" {
		return nil
	}
	idp, err := s.store.IdentityProviders().Get(ctx, t.Federation.ProviderID)
	if err == nil && !idp.Enabled {
		err = noToken()
	}
	return err
}

// fillRoles finds the token's roles: the user's in the scope, or those that
// were delegated.
func (s *Identity) fillRoles(ctx context.Context, t *Token) error {
	if t.TrustID != "" {
		return s.fillTrust(ctx, t)
	}
	var err error
	if t.Roles, err = s.rolesOn(ctx, t.UserID, t.Scope, t.Federation.Groups); err != nil {
		return err
	}
	switch {
	case t.AppCredID != "":
		if t.looksAgain, err = s.store.MembershipEnds(ctx, t.UserID, s.clock.Now()); err != nil {
			return err
		}
		if t.AppCredential, err = s.store.AppCredentials().Get(ctx, t.AppCredID); err != nil {
			return err
		}
		if expired(t.AppCredential.ExpiresAt, s.clock.Now()) || !t.of(t.AppCredential.UserID, t.AppCredential.ProjectID) {
			return noToken()
		}
		if t.AccessRules, err = s.RulesOf(ctx, t.AppCredential); err != nil {
			return err
		}
		return s.keepImplied(ctx, t, t.AppCredential.Roles)
	case t.AccessTokenID != "":
		if t.AccessToken, err = s.store.OAuthTokens().Get(ctx, t.AccessTokenID); err != nil {
			return err
		}
		if !t.of(t.AccessToken.UserID, t.AccessToken.ProjectID) {
			return noToken()
		}
		return s.keepImplied(ctx, t, t.AccessToken.Roles)
	}
	return nil
}

// of reports whether the token is for the user and project that something was
// delegated by and for.
func (t *Token) of(userID, projectID string) bool {
	return t.UserID == userID && t.Scope == Scope{ProjectID: projectID}
}

// keepImplied leaves the token those of its roles that the ids, or what they
// imply, name.
func (s *Identity) keepImplied(ctx context.Context, t *Token, ids []string) error {
	known, err := s.wholeCatalog(ctx)
	if err == nil {
		t.Roles = keepRoles(t.Roles, closure(ids, known.implications))
	}
	return err
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
		if err := s.store.AddEvent(ctx, Event{AuditID: t.AuditIDs[0], RevokedAt: s.clock.Now()}); err != nil {
			return err
		}
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

// seal makes the token's sealed form.
func (s *Identity) seal(p Payload) (string, error) {
	fields := []any{payloadUnscoped, packID(p.UserID), bitsOf(p.Methods)}
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
	if p.TrustID+p.AppCredID+p.AccessTokenID+p.Federation.ProviderID != "" {
		groups := make([]any, len(p.Federation.Groups))
		for i, g := range p.Federation.Groups {
			groups[i] = packID(g)
		}
		fields = append(fields, []any{packID(p.TrustID), packID(p.AppCredID), packID(p.AccessTokenID), p.Federation.ProviderID, p.Federation.ProtocolID, groups})
	}
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
	p := &Payload{IssuedAt: issued, UserID: unpackID(fields[1]), Methods: methodsOf(toInt(fields[2]))}
	kind, rest := toInt(fields[0]), fields[3:]
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
	if len(rest) < 3 {
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
	if len(rest) == 3 {
		return p, nil
	}
	return p, p.parseOrigin(rest[3])
}

// parseOrigin reads what the token was got by.
func (p *Payload) parseOrigin(v any) error {
	from, ok := v.([]any)
	if !ok || len(from) != 6 {
		return errPayload
	}
	p.TrustID, p.AppCredID, p.AccessTokenID = unpackID(from[0]), unpackID(from[1]), unpackID(from[2])
	p.Federation.ProviderID, _ = from[3].(string)
	p.Federation.ProtocolID, _ = from[4].(string)
	groups, _ := from[5].([]any)
	for _, g := range groups {
		p.Federation.Groups = append(p.Federation.Groups, unpackID(g))
	}
	return nil
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
