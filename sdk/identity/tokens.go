// Package identity holds the wire types and the client of the Identity v3
// API (Keystone's) that the other components use.
package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"nubo/sdk/rest"
)

// Ref names a thing by id and name, in a domain where it has one.
type Ref struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Domain *Ref   `json:"domain,omitempty"`
}

// Token is the body of a token: who, in which scope, with which roles.
type Token struct {
	Methods   []string        `json:"methods"`
	User      Ref             `json:"user"`
	Project   *Ref            `json:"project,omitempty"`
	Domain    *Ref            `json:"domain,omitempty"`
	System    map[string]bool `json:"system,omitempty"`
	Roles     []Ref           `json:"roles,omitempty"`
	Catalog   []CatalogEntry  `json:"catalog,omitempty"`
	AuditIDs  []string        `json:"audit_ids"`
	IssuedAt  time.Time       `json:"issued_at"`
	ExpiresAt time.Time       `json:"expires_at"`
	// ApplicationCredential is what the token was got by, if it was.
	ApplicationCredential *ApplicationCredential `json:"application_credential,omitempty"`
}

// ApplicationCredential is the part of one that a token shows.
type ApplicationCredential struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	Restricted  bool         `json:"restricted"`
	AccessRules []AccessRule `json:"access_rules"`
}

// AccessRule is a request that an application credential may make.
type AccessRule struct {
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

// CatalogEntry is a service with its endpoints.
type CatalogEntry struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Name      string     `json:"name"`
	Endpoints []Endpoint `json:"endpoints"`
}

// Endpoint is an address of a service.
type Endpoint struct {
	ID        string `json:"id"`
	Interface string `json:"interface"`
	Region    string `json:"region"`
	RegionID  string `json:"region_id"`
	URL       string `json:"url"`
}

// Client speaks Identity v3; its endpoint is ".../v3".
type Client struct{ *rest.Client }

// ErrToken says that a token is not valid, or not any more.
var ErrToken = errors.New("token is not valid")

// Validate gives a token's body, without the catalog. The client's own token
// must be allowed to validate others'.
func (c Client) Validate(ctx context.Context, token string) (*Token, error) {
	var out struct{ Token Token }
	err := c.about(ctx, http.MethodGet, "/auth/tokens?nocatalog", token, &out)
	return &out.Token, err
}

// Describe gives a token's body with the catalog.
func (c Client) Describe(ctx context.Context, token string) (*Token, error) {
	var out struct{ Token Token }
	err := c.about(ctx, http.MethodGet, "/auth/tokens", token, &out)
	return &out.Token, err
}

// Revoke ends a token.
func (c Client) Revoke(ctx context.Context, token string) error {
	return c.about(ctx, http.MethodDelete, "/auth/tokens", token, nil)
}

// Check asks whether a token is still valid, which is much cheaper.
func (c Client) Check(ctx context.Context, token string) error {
	return c.about(ctx, http.MethodHead, "/auth/tokens", token, nil)
}

// about sends a request about another token, renewing the client's own once.
func (c Client) about(ctx context.Context, method, path, subject string, out any) error {
	for attempt := 0; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, method, c.Endpoint+path, nil)
		if err != nil {
			return err
		}
		own, err := c.Tokens.Token(ctx)
		if err != nil {
			return fmt.Errorf("get a token to validate with: %w", err)
		}
		req.Header.Set("X-Auth-Token", own)
		req.Header.Set("X-Subject-Token", subject)
		req.Header.Set("OpenStack-Identity-Access-Rules", "1.0") // package auth holds callers to them
		resp, err := c.HTTP.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close() //nolint:errcheck // read to its end
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusNotFound:
			return ErrToken
		case resp.StatusCode == http.StatusUnauthorized && attempt == 0:
			c.Tokens.Refused(own)
			continue
		case resp.StatusCode >= 300:
			return &rest.Error{Method: method, URL: req.URL.String(), Status: resp.StatusCode, Message: message(body)}
		case out == nil:
			return nil
		}
		return json.Unmarshal(body, out)
	}
}

// PasswordTokens is a token source that signs in with a password, keeps the
// token until shortly before it expires, and signs in again when it is refused.
type PasswordTokens struct {
	AuthURL  string // ".../v3"
	Username string
	Password string
	Domain   string // name of the user's and the project's domain
	Project  string
	HTTP     *http.Client

	mu      sync.Mutex // guards token and expires; held while signing in, so that one does it for all
	token   string
	expires time.Time
}

// renewBefore is how long before its end a token is replaced.
const renewBefore = 2 * time.Minute

// Token implements rest.TokenSource.
func (p *PasswordTokens) Token(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" && time.Until(p.expires) > renewBefore {
		return p.token, nil
	}
	token, body, err := p.signIn(ctx)
	if err != nil {
		return "", err
	}
	p.token, p.expires = token, body.ExpiresAt
	return token, nil
}

// Refused implements rest.TokenSource.
func (p *PasswordTokens) Refused(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == token {
		p.token = ""
	}
}

func (p *PasswordTokens) signIn(ctx context.Context) (string, *Token, error) {
	domain := map[string]string{"name": p.Domain}
	auth := map[string]any{
		"identity": map[string]any{
			"methods": []string{"password"},
			"password": map[string]any{"user": map[string]any{
				"name": p.Username, "domain": domain, "password": p.Password,
			}},
		},
		"scope": map[string]any{"project": map[string]any{"name": p.Project, "domain": domain}},
	}
	return Issue(ctx, p.HTTP, p.AuthURL+"/auth/tokens?nocatalog", auth)
}

// Issue sends the body of "auth" to an address of /auth/tokens and gives the
// token that is bought, and its body.
func Issue(ctx context.Context, client *http.Client, address string, auth any) (string, *Token, error) {
	b, err := json.Marshal(map[string]any{"auth": auth})
	if err != nil {
		return "", nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", nil, err
	}
	if resp.StatusCode != http.StatusCreated {
		return "", nil, &rest.Error{Method: "POST", URL: req.URL.String(), Status: resp.StatusCode, Message: message(body), RequestID: resp.Header.Get("X-Openstack-Request-Id")}
	}
	var out struct{ Token Token }
	if err := json.Unmarshal(body, &out); err != nil {
		return "", nil, fmt.Errorf("decode token: %w", err)
	}
	return resp.Header.Get("X-Subject-Token"), &out.Token, nil
}

// message is what identity's envelope of an error says.
func message(body []byte) string {
	var out struct{ Error struct{ Message string } }
	if json.Unmarshal(body, &out) != nil || out.Error.Message == "" {
		return string(body)
	}
	return out.Error.Message
}
