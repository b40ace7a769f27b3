// Package api is compute's HTTP door: the Compute API v2.1 with microversions
// up to 2.96, and the metadata service for guests. routes.go is the table of
// all operations, policies.go their rules, and each other file a resource.
package api

import (
	"embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nubo/compute"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

var schemas = httpx.MustLoadSchemas(schemaFiles, "schemas")

// body is the validator of an operation's schema.
func body(operation string) httpx.Option { return httpx.Body(schemas.Body(operation)) }

// The microversions served.
var (
	minVersion = httpx.Version{Major: 2, Minor: 1}
	maxVersion = httpx.Version{Major: 2, Minor: 96}
)

type handler struct{ svc *compute.Service }

// New makes the API. The app sets AuthURI.
func New(svc *compute.Service, a httpx.Authenticator, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc}
	return &httpx.API{
		Service: "compute", Dialect: httpx.Nova,
		Versions: &httpx.Microversions{Service: "compute", Legacy: "X-OpenStack-Nova-API-Version", Min: minVersion, Max: maxVersion},
		Auth:     a, Policy: p, Log: log,
		Prefixes: []string{"/v2.1", "/v2.1/{project_id}"},
		Routes:   h.routes(),
	}
}

// since reports whether the request asked for 2.minor or newer.
func since(r *http.Request, minor int) bool {
	return httpx.VersionOf(r.Context()).AtLeast(2, minor)
}

// link is an entry of "links".
type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// links are a resource's own address, with and without the version.
func links(r *http.Request, kind, id string) []link {
	base := httpx.BaseURL(r)
	return []link{{"self", base + "/v2.1/" + kind + "/" + id}, {"bookmark", base + "/" + kind + "/" + id}}
}

// withNext adds the link to the next page.
func withNext(out map[string]any, key, next string) map[string]any {
	if next != "" {
		out[key+"_links"] = []link{{"next", next}}
	}
	return out
}

const isoTime = "2006-01-02T15:04:05Z"

// stamp is a time as most of Nova shows it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000") }

// stampOrNil is null for no time.
func stampOrNil(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// orNil is null for an empty string.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// orEmpty is an object, never null.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// list is an array, never null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// flexInt is a number that clients also send as text.
type flexInt int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *flexInt) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fault.Invalidf("%s is no integer", text)
	}
	*n = flexInt(v)
	return nil
}

// flexBool is a truth value in any of Nova's spellings.
type flexBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *flexBool) UnmarshalJSON(b []byte) error {
	is, err := httpx.Bool(strings.Trim(string(b), `"`))
	if err != nil {
		return err
	}
	*v = flexBool(is.(bool))
	return nil
}

// flexText is a text that clients also send as a number.
type flexText string

// UnmarshalJSON implements json.Unmarshaler.
func (s *flexText) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) != nil {
		*s = flexText(b)
		return nil
	}
	*s = flexText(deref(text))
	return nil
}

// deref is the pointed-to value, or the zero value.
func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// server loads the server of the path; it must be the caller's to see.
func (h *handler) server(r *http.Request) (*compute.Server, error) {
	return h.svc.Server(r.Context(), httpx.Param(r, "server_id"))
}

// truth reads a truth value of the query; an empty one counts as true.
func truth(r *http.Request, name string) (bool, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	if q.Get(name) == "" {
		return true, nil
	}
	v, err := httpx.Bool(q.Get(name))
	if err != nil {
		return false, fault.Invalidf("Invalid input for query parameters %s. Value: %s. '%s' is not a boolean.", name, q.Get(name), q.Get(name))
	}
	return v.(bool), nil
}

// moment reads a time of the query.
func moment(r *http.Request, name string) (*time.Time, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			t = t.UTC()
			return &t, nil
		}
	}
	return nil, fault.Invalidf("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, s, s)
}

// caller is who asks.
func caller(r *http.Request) *auth.Context { return auth.From(r.Context()) }
