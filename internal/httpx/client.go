package httpx

import (
	"net/http"

	"nubo/internal/auth"
	"nubo/internal/trace"
)

// Client is an HTTP client for a component's calls to others: it sends the
// caller's request id along, so that one id is in every log of a flow, and
// records each call as a span of the caller's, up to the answer's head.
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
	if id == "" {
		return t.next.RoundTrip(r)
	}
	_, span := trace.Begin(r.Context(), trace.HTTPClient, r.Method+" "+r.URL.Path)
	r = r.Clone(r.Context())
	r.Header.Set("X-Openstack-Request-Id", id)
	if link := span.Link(); link != "" {
		r.Header.Set(trace.Header, link)
	}
	resp, err := t.next.RoundTrip(r)
	if resp != nil {
		span.Answered(resp.StatusCode)
	}
	span.End(err)
	return resp, err
}
