// Package api is identity's HTTP door: Identity v3, as the API reference of
// Keystone describes it (https://docs.openstack.org/api-ref/identity/v3/).
package api

import (
	"embed"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

//go:embed schemas/*.json
var schemaFiles embed.FS

var schemas = httpx.MustLoadSchemas(schemaFiles, "schemas")

type handler struct {
	svc   *identity.Identity
	store identity.Store
}

// New makes the API. Its own tokens are validated without going through HTTP.
func New(svc *identity.Identity, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc: svc, store: svc.Store()}
	return &httpx.API{
		Service: "identity", Dialect: httpx.Keystone, Policy: p, Log: log,
		Auth: authenticator{svc}, Prefixes: []string{"/v3"}, Routes: h.routes(),
	}
}

// authenticator validates tokens of requests to identity itself.
type authenticator struct{ svc *identity.Identity }

var errUnauthorized = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// Authenticate implements httpx.Authenticator.
func (a authenticator) Authenticate(r *http.Request) (*auth.Context, error) {
	token := r.Header.Get("X-Auth-Token")
	if token == "" {
		return nil, errUnauthorized
	}
	t, err := a.svc.Validate(r.Context(), token)
	if fault.Is(err, fault.NotFound) {
		return nil, errUnauthorized
	}
	if err != nil {
		return nil, err
	}
	c := &auth.Context{
		Token: token, ExpiresAt: t.ExpiresAt, UserID: t.UserID, UserName: t.User.Name,
		UserDomainID: t.User.DomainID, ProjectID: t.Scope.ProjectID, DomainID: t.Scope.DomainID, System: t.Scope.System,
	}
	if t.Project != nil {
		c.ProjectName, c.ProjectDomainID = t.Project.Name, t.ProjectDomain.ID
	}
	for _, role := range t.Roles {
		c.Roles = append(c.Roles, role.Name)
	}
	return c, nil
}

// object is a JSON object in the making.
type object map[string]any

// with adds the client's own attributes, which never hide Keystone's.
func (o object) with(extra map[string]any) object {
	out := object{}
	maps.Copy(out, extra)
	maps.Copy(out, o)
	return out
}

func self(r *http.Request, path string) object {
	return object{"self": httpx.BaseURL(r) + "/v3" + path}
}

// nullable gives JSON null for "".
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// orEmpty gives {} for a nil map.
func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// list answers with a collection.
func list[T any](w http.ResponseWriter, r *http.Request, name string, items []T, view func(*http.Request, *T) object) error {
	out := make([]object, len(items))
	for i := range items {
		out[i] = view(r, &items[i])
	}
	link := httpx.SelfURL(r)
	if r.URL.RawQuery != "" {
		link += "?" + r.URL.RawQuery
	}
	return httpx.JSON(w, http.StatusOK, object{name: out, "links": object{"self": link, "previous": nil, "next": nil}})
}

// listTable answers with those rows of a table that the query asks for.
func listTable[T any](w http.ResponseWriter, r *http.Request, t identity.Table[T], name string, spec httpx.FilterSpec, view func(*http.Request, *T) object, fixed ...db.Filter) error {
	filters, err := httpx.ParseFilters(r, spec)
	if err != nil {
		return err
	}
	page, err := httpx.ParsePage(r, httpx.PageSpec{
		Sort: map[string]string{"name": "name", "id": "id"}, Unlimited: true, Default: []db.SortKey{{Column: "id"}},
	})
	if err != nil {
		return err
	}
	items, err := t.List(r.Context(), page, append(filters, fixed...))
	if err != nil {
		return httpx.MarkerError(err, page.Marker)
	}
	return list(w, r, name, items, view)
}

// show answers with one.
func show[T any](w http.ResponseWriter, r *http.Request, status int, name string, v *T, view func(*http.Request, *T) object) error {
	return httpx.JSON(w, status, object{name: view(r, v)})
}

// body decodes the request's only object: known keys into v, and gives the
// others, which Keystone keeps for the client.
func body(r *http.Request, name string, v any, known ...string) (map[string]any, error) {
	var all map[string]json.RawMessage
	if err := httpx.Decode(r, &all); err != nil {
		return nil, err
	}
	var extra map[string]any
	for _, into := range []any{v, &extra} {
		if err := json.Unmarshal(all[name], into); err != nil { // the schema let it pass
			return nil, fault.Invalidf("Invalid input for field '%s'.", name).WithCause(err)
		}
	}
	for _, k := range append(known, "id", "links") {
		delete(extra, k)
	}
	return extra, nil
}

// set changes *to where the request has a value.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func equal(field string, value any) db.Filter {
	return db.Filter{Column: field, Op: db.Equal, Values: []any{value}}
}
