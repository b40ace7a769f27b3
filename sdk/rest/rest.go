// Package rest is what the clients of all OpenStack APIs share: a session
// with a token, addresses from the catalog, JSON in and out, errors.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// TokenSource gives a token, and a fresh one after the last was refused.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
	// Refused says that the token was answered with 401.
	Refused(token string)
}

// StaticToken is a token somebody else takes care of.
type StaticToken string

// Token implements TokenSource.
func (s StaticToken) Token(context.Context) (string, error) { return string(s), nil }

// Refused implements TokenSource; there is no other token.
func (s StaticToken) Refused(string) {}

// Client speaks to one service's endpoint.
type Client struct {
	// Endpoint is the service's base address: "http://127.0.0.1:8774/v2.1".
	Endpoint string
	// Tokens authenticates; nil sends no token.
	Tokens TokenSource
	// Version is the microversion header's value: "compute 2.79".
	Version string
	// HTTP is the transport; nil means http.DefaultClient.
	HTTP *http.Client
}

// WithToken is the same client in somebody else's name.
func (c *Client) WithToken(t TokenSource) *Client {
	d := *c
	d.Tokens = t
	return &d
}

// Error is an answer of 400 or more.
type Error struct {
	Method, URL string
	Status      int
	Message     string
	// Type is the API's own name of the error, where its envelope has one.
	Type string
	// RequestID is the service's, to find the cause in its log.
	RequestID string
}

// Error says what was asked, and what the service answered.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %d %s (%s)", e.Method, e.URL, e.Status, e.Message, e.RequestID)
}

// IsStatus reports whether err is an answer with that status.
func IsStatus(err error, status int) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// IsNotFound reports whether err is a 404.
func IsNotFound(err error) bool { return IsStatus(err, http.StatusNotFound) }

// Query makes a query string of pairs, leaving out empty values.
func Query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Add(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Post sends in to path and reads the answer into out.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.Do(ctx, http.MethodPost, path, in, out)
}

// Put sends in to path and reads the answer into out.
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	return c.Do(ctx, http.MethodPut, path, in, out)
}

// Delete removes what is at path.
func (c *Client) Delete(ctx context.Context, path string) error {
	return c.Do(ctx, http.MethodDelete, path, nil, nil)
}

// Do sends one request. in and out may be nil.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.Send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end already
	if out == nil || resp.StatusCode == http.StatusNoContent {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: decode answer: %w", method, path, err)
	}
	return nil
}

// Send sends one request with a JSON body and gives the answer with its body
// open; an answer of 400 or more is an *Error. A refused token is renewed once.
func (c *Client) Send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("%s %s: encode request: %w", method, path, err)
		}
	}
	for attempt := 0; ; attempt++ {
		var reader io.Reader
		if in != nil {
			reader = bytes.NewReader(body)
		}
		req, err := http.NewRequestWithContext(ctx, method, c.address(path), reader)
		if err != nil {
			return nil, err
		}
		if in != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, token, err := c.send(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusUnauthorized && attempt == 0 && c.Tokens != nil {
			c.Tokens.Refused(token)
			resp.Body.Close() //nolint:errcheck // nothing in it is wanted
			continue
		}
		return checked(resp)
	}
}

// Stream sends a body of any length once, such as an image's bytes.
func (c *Client) Stream(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.address(path), body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, _, err := c.send(req)
	if err != nil {
		return nil, err
	}
	return checked(resp)
}

func (c *Client) address(path string) string {
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return path
	}
	return strings.TrimRight(c.Endpoint, "/") + path
}

func (c *Client) send(req *http.Request) (*http.Response, string, error) {
	token := ""
	if c.Tokens != nil {
		var err error
		if token, err = c.Tokens.Token(req.Context()); err != nil {
			return nil, "", fmt.Errorf("get a token: %w", err)
		}
		req.Header.Set("X-Auth-Token", token)
	}
	if c.Version != "" {
		req.Header.Set("OpenStack-API-Version", c.Version)
	}
	req.Header.Set("Accept", "application/json")
	h := c.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	return resp, token, err
}

func checked(resp *http.Response) (*http.Response, error) {
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // what was read is all there is to know
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	e := &Error{
		Method: resp.Request.Method, URL: resp.Request.URL.String(), Status: resp.StatusCode,
		RequestID: resp.Header.Get("X-Openstack-Request-Id"),
	}
	e.Message, e.Type = messageOf(body)
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	return nil, e
}

// messageOf finds the text in any of OpenStack's envelopes.
func messageOf(body []byte) (message, kind string) {
	var envelope map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) != nil {
		return strings.TrimSpace(string(body)), ""
	}
	type inner struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Detail  string `json:"detail"`
		Code    any    `json:"code"`
	}
	for _, raw := range envelope {
		var one inner
		if json.Unmarshal(raw, &one) == nil && one.Message != "" {
			return one.Message, one.Type
		}
		var list []inner
		if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
			code, _ := list[0].Code.(string)
			return strings.TrimSpace(list[0].Detail), code
		}
	}
	return strings.TrimSpace(string(body)), ""
}
