// Package api is compute's HTTP door: the Compute API v2.1 with microversions
// up to 2.96, and the metadata service for guests. routes.go is the table of
// all operations, policies.go their rules, and each other file a resource.
package api

import (
	"embed"
	"log/slog"
	"net/http"
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
