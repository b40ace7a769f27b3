// Package oidc verifies what OpenID providers say of users: their tokens, and
// sign-ins with a browser (the authorization code flow with PKCE).
//
// A provider is named by the first remote id of its identity provider, which
// is its issuer. What it says becomes an assertion with the names that the
// usual modules of web servers give to claims: HTTP_OIDC_SUB for sub.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"nubo/identity"
	"nubo/internal/fault"
)

// Config is section [openid] of the configuration.
type Config struct {
	ClientID     string   `default:"" help:"Name under which OpenID providers know this cloud; empty for no sign-in by OpenID."`
	ClientSecret string   `default:"" help:"Secret that goes with it." secret:"true"`
	Scopes       []string `default:"openid,email,profile" help:"What providers are asked to tell of users."`
}

// Verifier checks tokens and sign-ins.
type Verifier struct {
	cfg  Config
	http *http.Client

	mu        sync.Mutex // guards providers
	providers map[string]*oidc.Provider
}

// New makes a verifier that speaks to providers by the client.
func New(cfg Config, client *http.Client) *Verifier {
	return &Verifier{cfg: cfg, http: client, providers: map[string]*oidc.Provider{}}
}

var errUnauthorized = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// issuer is the provider's name for itself.
func issuer(idp *identity.IdentityProvider) (string, error) {
	if len(idp.RemoteIDs) == 0 {
		return "", fault.Forbiddenf("Identity Provider %s has no remote id, which would be its issuer.", idp.ID)
	}
	return idp.RemoteIDs[0], nil
}

// provider gives what an issuer tells of itself, asked for once.
func (v *Verifier) provider(ctx context.Context, idp *identity.IdentityProvider) (*oidc.Provider, error) {
	name, err := issuer(idp)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	known := v.providers[name]
	v.mu.Unlock()
	if known != nil {
		return known, nil
	}
	// Its keys are fetched later, too: they must not hang on this request.
	p, err := oidc.NewProvider(v.client(context.WithoutCancel(ctx)), name)
	if err != nil {
		return nil, fault.Unavailablef("The identity provider does not answer.").WithCause(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.providers[name] = p
	return p, nil
}

func (v *Verifier) client(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, v.http)
}

// Token implements api.Verifier: an identity token is checked by its
// signature, an access token by asking the provider whose it is.
func (v *Verifier) Token(ctx context.Context, idp *identity.IdentityProvider, token string) (identity.Assertion, error) {
	p, err := v.provider(ctx, idp)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	if t, err := p.Verifier(&oidc.Config{ClientID: v.cfg.ClientID}).Verify(v.client(ctx), token); err == nil {
		if err := t.Claims(&claims); err != nil {
			return nil, fmt.Errorf("read the claims of %s: %w", idp.ID, err)
		}
		return assertion(p, claims), nil
	}
	info, err := p.UserInfo(v.client(ctx), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token, TokenType: "Bearer"}))
	if err != nil {
		return nil, fault.New(fault.Unauthorized, "%s", errUnauthorized.Msg).WithCause(err)
	}
	if err := info.Claims(&claims); err != nil {
		return nil, fmt.Errorf("read the claims of %s: %w", idp.ID, err)
	}
	return assertion(p, claims), nil
}

// assertion gives claims the names that mappings know.
func assertion(p *oidc.Provider, claims map[string]any) identity.Assertion {
	a := identity.Assertion{}
	for name, v := range claims {
		var values []string
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				values = append(values, fmt.Sprint(one))
			}
		case string, bool, float64, json.Number:
			values = []string{fmt.Sprint(v)}
		default:
			continue
		}
		a["HTTP_OIDC_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = values
	}
	var about struct {
		Issuer string `json:"issuer"`
	}
	if p.Claims(&about) == nil && about.Issuer != "" {
		a["HTTP_OIDC_ISS"] = []string{about.Issuer}
	}
	return a
}

// state is what the browser keeps between the two halves of a sign-in.
type state struct {
	Issuer, Origin, State, Nonce, Verifier string
}

func word() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func (v *Verifier) oauth(p *oidc.Provider, callback string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: v.cfg.ClientID, ClientSecret: v.cfg.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: callback, Scopes: v.cfg.Scopes,
	}
}

// Begin implements api.Verifier.
func (v *Verifier) Begin(ctx context.Context, idp *identity.IdentityProvider, callback, origin string) (url, kept string, err error) {
	p, err := v.provider(ctx, idp)
	if err != nil {
		return "", "", err
	}
	name, _ := issuer(idp) //nolint:errcheck // provider found it
	s := state{Issuer: name, Origin: origin, State: word(), Nonce: word(), Verifier: oauth2.GenerateVerifier()}
	b, err := json.Marshal(s)
	if err != nil {
		return "", "", err
	}
	url = v.oauth(p, callback).AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier))
	return url, base64.RawURLEncoding.EncodeToString(b), nil
}

// Finish implements api.Verifier.
func (v *Verifier) Finish(ctx context.Context, idp *identity.IdentityProvider, callback, kept, returned, code string) (identity.Assertion, string, error) {
	var s state
	b, err := base64.RawURLEncoding.DecodeString(kept)
	if err != nil || json.Unmarshal(b, &s) != nil {
		return nil, "", errUnauthorized
	}
	if name, err := issuer(idp); err != nil || name != s.Issuer || returned == "" || subtle.ConstantTimeCompare([]byte(s.State), []byte(returned)) != 1 {
		return nil, "", errUnauthorized
	}
	p, err := v.provider(ctx, idp)
	if err != nil {
		return nil, "", err
	}
	refused := func(err error) error { return fault.New(fault.Unauthorized, "%s", errUnauthorized.Msg).WithCause(err) }
	token, err := v.oauth(p, callback).Exchange(v.client(ctx), code, oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return nil, "", refused(err)
	}
	raw, _ := token.Extra("id_token").(string)
	t, err := p.Verifier(&oidc.Config{ClientID: v.cfg.ClientID}).Verify(v.client(ctx), raw)
	if err != nil {
		return nil, "", refused(err)
	}
	if subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(s.Nonce)) != 1 {
		return nil, "", errUnauthorized
	}
	claims := map[string]any{}
	if err := t.Claims(&claims); err != nil {
		return nil, "", refused(err)
	}
	return assertion(p, claims), s.Origin, nil
}
