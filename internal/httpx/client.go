package httpx

import (
	"net/http"

	"nubo/internal/auth"
)

// Client is an HTTP client for a component's calls to others: it sends the
// caller's request id along, so that one id is in every log of a flow.
func Client(next http.RoundTripper) *http.Client {
	return &http.Client{Transport: tracing{next}}
}

type tracing struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t tracing) RoundTrip(r *http.Request) (*http.Response, error) {
	c := auth.From(r.Context())
	id := c.GlobalRequestID
	if id == "" {
		id = c.RequestID
	}
	if id != "" {
		r = r.Clone(r.Context())
		r.Header.Set("X-Openstack-Request-Id", id)
	}
	return t.next.RoundTrip(r)
}
