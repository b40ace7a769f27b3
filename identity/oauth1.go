package identity

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// Consumer is a program to which users delegate roles by OAuth 1.
type Consumer struct {
	ID          string
	Secret      string
	Description string
	Extra       map[string]any
}

// OAuthToken is a request token, or the access token it was exchanged for.
type OAuthToken struct {
	ID         string
	Secret     string
	Access     bool
	ConsumerID string
	UserID     string // who authorized it; "" before that
	ProjectID  string
	Verifier   string
	Roles      []string
	ExpiresAt  *time.Time
}

// OAuthRequest is a request signed as RFC 5849 says.
type OAuthRequest struct {
	Method string
	URL    string              // without query
	Params map[string]string   // of the Authorization header
	Query  map[string][]string // of the URL and of a form
}

// requestTokenLife is how long a request token waits to be authorized.
const requestTokenLife = 8 * time.Hour

// CreateConsumer makes a consumer with a secret.
func (s *Identity) CreateConsumer(ctx context.Context, c *Consumer) error {
	c.ID, c.Secret = clock.NewHexID(), clock.NewHexID()
	return s.change(ctx, func(ctx context.Context) error { return s.store.Consumers().Create(ctx, c) })
}

// UpdateConsumer changes a consumer's description.
func (s *Identity) UpdateConsumer(ctx context.Context, id string, apply func(*Consumer)) (*Consumer, error) {
	return update(ctx, s, s.store.Consumers(), id, func(_ context.Context, c *Consumer) error { apply(c); return nil })
}

// DeleteConsumer removes a consumer with all tokens it got.
func (s *Identity) DeleteConsumer(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Consumers().Delete(ctx, id) })
}

// escape is RFC 5849's percent encoding.
func escape(text string) string {
	return strings.NewReplacer("+", "%20", "%7E", "~", "*", "%2A").Replace(url.QueryEscape(text))
}

// signedBy reports whether the request was signed with the two secrets.
func (r OAuthRequest) signedBy(consumer, token string) bool {
	key := escape(consumer) + "&" + escape(token)
	given := []byte(r.Params["oauth_signature"])
	switch r.Params["oauth_signature_method"] {
	case "PLAINTEXT":
		return hmac.Equal(given, []byte(key))
	case "HMAC-SHA1":
		want := base64.StdEncoding.EncodeToString(sign("HmacSHA1", []byte(key), r.base()))
		return hmac.Equal(given, []byte(want))
	}
	return false
}

// base is the text that is signed (RFC 5849 section 3.4.1).
func (r OAuthRequest) base() string {
	pairs := []string{}
	for k, v := range r.Params {
		if k != "oauth_signature" && k != "realm" {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	for k, values := range r.Query {
		for _, v := range values {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return r.Method + "&" + escape(r.URL) + "&" + escape(strings.Join(pairs, "&"))
}

func (s *Identity) consumerOf(ctx context.Context, r OAuthRequest) (*Consumer, error) {
	c, err := s.store.Consumers().Get(ctx, r.Params["oauth_consumer_key"])
	if fault.Is(err, fault.NotFound) {
		return nil, errUnauthorized
	}
	return c, err
}

// RequestToken gives a consumer a token that a user may authorize.
func (s *Identity) RequestToken(ctx context.Context, r OAuthRequest, projectID string) (*OAuthToken, error) {
	c, err := s.consumerOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if !r.signedBy(c.Secret, "") {
		return nil, fault.New(fault.Unauthorized, "Invalid signature")
	}
	until := s.clock.Now().Add(requestTokenLife)
	t := &OAuthToken{ID: clock.NewHexID(), Secret: clock.NewHexID(), ConsumerID: c.ID, ProjectID: projectID, ExpiresAt: &until}
	return t, s.change(ctx, func(ctx context.Context) error {
		if _, err := s.store.Projects().Get(ctx, projectID); err != nil {
			return err
		}
		return s.store.OAuthTokens().Create(ctx, t)
	})
}

// AuthorizeRequestToken lets the consumer have some of the user's roles, and
// gives the word by which it proves that it was told.
func (s *Identity) AuthorizeRequestToken(ctx context.Context, by *Token, id string, roles []RoleRef) (string, error) {
	if by.Delegated() {
		return "", fault.Forbiddenf("Cannot authorize a request token with a token issued via delegation.")
	}
	verifier := clock.NewHexID()[:8]
	_, err := update(ctx, s, s.store.OAuthTokens(), id, func(ctx context.Context, t *OAuthToken) error {
		if t.Access || expired(t.ExpiresAt, s.clock.Now()) {
			return fault.NotFoundf("Could not find request token: %s.", id)
		}
		has, err := s.RolesOn(ctx, by.UserID, Scope{ProjectID: t.ProjectID})
		if err != nil {
			return err
		}
		t.Roles = nil
		for _, w := range roles {
			role, err := s.roleByRef(ctx, w)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(has, func(r Role) bool { return r.ID == role.ID }) {
				return fault.New(fault.Unauthorized, "authorizing user does not have role required")
			}
			t.Roles = append(t.Roles, role.ID)
		}
		t.UserID, t.Verifier = by.UserID, verifier
		return nil
	})
	return verifier, err
}

// AccessToken exchanges an authorized request token.
func (s *Identity) AccessToken(ctx context.Context, r OAuthRequest) (*OAuthToken, error) {
	c, err := s.consumerOf(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &OAuthToken{}
	return out, s.change(ctx, func(ctx context.Context) error {
		t, err := s.store.OAuthTokens().Get(ctx, r.Params["oauth_token"])
		if fault.Is(err, fault.NotFound) {
			return errUnauthorized
		}
		if err != nil {
			return err
		}
		verified := t.Verifier != "" && hmac.Equal([]byte(t.Verifier), []byte(r.Params["oauth_verifier"]))
		if t.Access || t.ConsumerID != c.ID || expired(t.ExpiresAt, s.clock.Now()) || !verified || !r.signedBy(c.Secret, t.Secret) {
			return errUnauthorized
		}
		if err := s.store.OAuthTokens().Delete(ctx, t.ID); err != nil {
			return err
		}
		*out = *t
		out.ID, out.Secret, out.Access, out.Verifier, out.ExpiresAt = clock.NewHexID(), clock.NewHexID(), true, "", nil
		return s.store.OAuthTokens().Create(ctx, out)
	})
}

// UserAccessToken gives an access token that a user authorized.
func (s *Identity) UserAccessToken(ctx context.Context, userID, id string) (*OAuthToken, error) {
	t, err := s.store.OAuthTokens().Get(ctx, id)
	if err == nil && (!t.Access || t.UserID != userID) {
		err = fault.NotFoundf("Could not find access token: %s.", id)
	}
	return t, err
}

// RevokeAccessToken ends an access token and the tokens got by it.
func (s *Identity) RevokeAccessToken(ctx context.Context, userID, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.UserAccessToken(ctx, userID, id); err != nil {
			return err
		}
		return s.store.OAuthTokens().Delete(ctx, id)
	})
}

// byOAuth1 finds whom a signed sign-in stands for.
func (s *Identity) byOAuth1(ctx context.Context, r *OAuthRequest) (*User, *OAuthToken, error) {
	if r == nil {
		return nil, nil, errUnauthorized
	}
	c, err := s.consumerOf(ctx, *r)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.store.OAuthTokens().Get(ctx, r.Params["oauth_token"])
	if fault.Is(err, fault.NotFound) {
		return nil, nil, errUnauthorized
	}
	if err != nil {
		return nil, nil, err
	}
	if !t.Access || t.ConsumerID != c.ID || !r.signedBy(c.Secret, t.Secret) {
		return nil, nil, errUnauthorized
	}
	u, err := s.activeUser(ctx, t.UserID)
	return u, t, err
}
