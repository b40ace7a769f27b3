package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/sdk/identity"
)

// Validator is the token middleware: it asks identity over HTTP who a token
// belongs to, and remembers the answer.
//
// Revocation is respected: what is remembered is only the token's body. That
// the token still counts is asked again (HEAD /v3/auth/tokens, cheap) when
// the last answer is older than Recheck, for each request where that is 0.
type Validator struct {
	Identity identity.Client
	// Recheck is how long an answer counts without asking again.
	Recheck time.Duration
	Clock   clock.Clock

	mu    sync.Mutex // guards cache
	cache map[[sha256.Size]byte]*cached
}

// cached is what is known of a token. The key is its hash, so that a dump of
// memory holds no more tokens than it must.
type cached struct {
	caller  Context
	checked time.Time
}

// cacheSize bounds the cache; when full, it is emptied of what has expired,
// or else altogether.
const cacheSize = 20000

// errNoToken is the answer to a request without valid credentials.
var errNoToken = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// TokenOf gives the token a request comes with: OpenStack's header or, for
// clients of OAuth 2, a bearer token (RFC 6750 section 2.1).
func TokenOf(r *http.Request) string {
	if token := r.Header.Get("X-Auth-Token"); token != "" {
		return token
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Authenticate finds the caller of a request.
func (v *Validator) Authenticate(r *http.Request) (*Context, error) {
	token := TokenOf(r)
	if token == "" {
		return nil, errNoToken
	}
	c, err := v.caller(r.Context(), token)
	if err != nil {
		return nil, err
	}
	if s := r.Header.Get("X-Service-Token"); s != "" {
		service, err := v.caller(r.Context(), s)
		if err != nil {
			return nil, err
		}
		both := *c
		both.ServiceRoles = service.Roles
		c = &both
	}
	return c, nil
}

func (v *Validator) caller(ctx context.Context, token string) (*Context, error) {
	key := sha256.Sum256([]byte(token))
	now := v.Clock.Now()
	v.mu.Lock()
	known := v.cache[key]
	fresh := known != nil && now.Sub(known.checked) < v.Recheck
	v.mu.Unlock()
	if known != nil && !now.Before(known.caller.ExpiresAt) {
		return nil, errNoToken
	}
	if fresh {
		return &known.caller, nil
	}
	if known != nil {
		err := v.Identity.Check(ctx, token)
		if err == nil {
			v.remember(key, &cached{caller: known.caller, checked: now})
			return &known.caller, nil
		}
		v.forget(key)
		return nil, refusal(err)
	}
	body, err := v.Identity.Validate(ctx, token)
	if err != nil {
		return nil, refusal(err)
	}
	c := FromToken(token, body)
	v.remember(key, &cached{caller: *c, checked: now})
	return c, nil
}

func (v *Validator) remember(key [sha256.Size]byte, c *cached) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cache == nil {
		v.cache = map[[sha256.Size]byte]*cached{}
	}
	if len(v.cache) >= cacheSize {
		for k, old := range v.cache {
			if !c.checked.Before(old.caller.ExpiresAt) {
				delete(v.cache, k)
			}
		}
		if len(v.cache) >= cacheSize {
			clear(v.cache)
		}
	}
	v.cache[key] = c
}

func (v *Validator) forget(key [sha256.Size]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.cache, key)
}

// refusal tells a token that is not valid from identity not answering.
func refusal(err error) error {
	if errors.Is(err, identity.ErrToken) {
		return errNoToken
	}
	return fault.Unavailablef("The identity service does not answer.").WithCause(err)
}

// FromToken makes the caller of a validated token's body.
func FromToken(token string, t *identity.Token) *Context {
	c := &Context{
		Token: token, ExpiresAt: t.ExpiresAt,
		UserID: t.User.ID, UserName: t.User.Name, System: t.System["all"],
	}
	if t.User.Domain != nil {
		c.UserDomainID, c.UserDomainName = t.User.Domain.ID, t.User.Domain.Name
	}
	if p := t.Project; p != nil {
		c.ProjectID, c.ProjectName = p.ID, p.Name
		if p.Domain != nil {
			c.ProjectDomainID, c.ProjectDomainName = p.Domain.ID, p.Domain.Name
		}
	}
	if t.Domain != nil {
		c.DomainID, c.DomainName = t.Domain.ID, t.Domain.Name
	}
	for _, r := range t.Roles {
		c.Roles = append(c.Roles, r.Name)
	}
	if t.ApplicationCredential != nil {
		for _, r := range t.ApplicationCredential.AccessRules {
			c.AccessRules = append(c.AccessRules, AccessRule{r.Service, r.Method, r.Path})
		}
	}
	return c
}
