// Package api is volume's HTTP door: Block Storage v3 with microversions up to
// 3.71. routes.go is the table of all operations, policies.go their rules, and
// each other file a resource.
package api

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/volume"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

var schemas = httpx.MustLoadSchemas(schemaFiles, "schemas")

// body is the validator of an operation's schema.
func body(operation string) httpx.Option { return httpx.Body(schemas.Body(operation)) }

// The microversions served.
var (
	minVersion = httpx.Version{Major: 3, Minor: 0}
	maxVersion = httpx.Version{Major: 3, Minor: 71}
)

type handler struct{ svc *volume.Volumes }

// New makes the API. The app sets AuthURI.
func New(svc *volume.Volumes, a httpx.Authenticator, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc}
	return &httpx.API{
		Service: "volume", Dialect: httpx.Cinder,
		Versions: &httpx.Microversions{Service: "volume", Min: minVersion, Max: maxVersion},
		Auth:     a, Policy: p, Log: log,
		Prefixes: []string{"/v3", "/v3/{project_id}"},
		Routes:   h.routes(),
	}
}

// since reports whether the request asked for 3.minor or newer.
func since(r *http.Request, minor int) bool {
	return httpx.VersionOf(r.Context()).AtLeast(3, minor)
}

// caller is who asks.
func caller(r *http.Request) *auth.Context { return auth.From(r.Context()) }

// own is the caller's project as a policy target, for rules beside the route's.
func own(r *http.Request) policy.Target {
	c := caller(r)
	return policy.Target{"project_id": c.ProjectID, "user_id": c.UserID}
}

// allowed asks for a rule beside the route's, on the caller's own project.
func allowed(r *http.Request, rule string) bool { return httpx.Allowed(r.Context(), rule, own(r)) }

// link is an entry of "links".
type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// links are a resource's own address, with and without the version.
func links(r *http.Request, kind, id string) []link {
	path := "/" + kind + "/" + id
	if project := caller(r).ProjectID; project != "" {
		path = "/" + project + path
	}
	base := httpx.BaseURL(r)
	return []link{{"self", base + "/v3" + path}, {"bookmark", base + path}}
}

// withNext adds the link to the next page.
func withNext(out map[string]any, key, next string) {
	if next != "" {
		out[key+"_links"] = []link{{"next", next}}
	}
}

// stamp is a time as Cinder shows it; null for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
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

// first is the first of the texts that is given.
func first(texts ...*string) *string {
	for _, s := range texts {
		if s != nil {
			return s
		}
	}
	return nil
}

// marker words the error of a page whose marker is not there.
func marker(err error, p db.Page, kind string) error {
	if errors.Is(err, db.ErrMarker) {
		return fault.NotFoundf("%s %s could not be found.", kind, p.Marker)
	}
	return err
}

// onlyOwn limits a list to the caller's project, unless an administrator asks
// for all projects, or for one by its id. Others see their own anyway.
func onlyOwn(r *http.Request, f []db.Filter) ([]db.Filter, error) {
	c, q := caller(r), r.URL.Query()
	if !c.IsAdmin {
		return f, nil
	}
	all := false
	if s := q.Get("all_tenants"); s != "" {
		v, err := httpx.Bool(s)
		if err != nil {
			return nil, fault.Invalidf("Invalid input received: all_tenants param must be a boolean: %s", s)
		}
		all = v.(bool)
	}
	switch id := q.Get("project_id"); {
	case all && id != "":
		return append(f, db.Filter{Column: "project_id", Values: []any{id}}), nil
	case all:
		return f, nil
	}
	return append(f, db.Filter{Column: "project_id", Values: []any{c.ProjectID}}), nil
}
