// Package api is identity's HTTP door: Identity v3, as the API reference of
// Keystone describes it (https://docs.openstack.org/api-ref/identity/v3/).
package api

import (
	"context"
	"embed"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

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
	svc      *identity.Identity
	store    identity.Store
	verifier Verifier // nil where nobody vouches for users
	home     object   // the JSON home document
}

// New makes the API. Its own tokens are validated without going through HTTP.
func New(svc *identity.Identity, p httpx.Policy, log *slog.Logger, options ...Option) *httpx.API {
	h := &handler{svc: svc, store: svc.Store()}
	for _, o := range options {
		o(h)
	}
	a := &httpx.API{
		Service: "identity", Dialect: httpx.Keystone, Policy: p, Log: log,
		Auth: authenticator{svc}, Prefixes: []string{"/v3"}, Routes: h.routes(),
	}
	h.home = jsonHome(a.Routes)
	return a
}

// Option adds something to the API.
type Option func(*handler)

// WithVerifier lets users of identity providers sign in by OpenID Connect.
func WithVerifier(v Verifier) Option { return func(h *handler) { h.verifier = v } }

// authenticator validates tokens of requests to identity itself.
type authenticator struct{ svc *identity.Identity }

var errUnauthorized = fault.New(fault.Unauthorized, "The request you have made requires authentication.")

// Authenticate implements httpx.Authenticator.
func (a authenticator) Authenticate(r *http.Request) (*auth.Context, error) {
	token := auth.TokenOf(r)
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
	if t.BySignature() {
		return nil, fault.Forbiddenf("EC2 credential tokens cannot be used for authorization.")
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
	for _, rule := range t.AccessRules {
		c.AccessRules = append(c.AccessRules, auth.AccessRule{Service: rule.Service, Method: rule.Method, Path: rule.Path})
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
	return listErr(w, r, name, items, func(r *http.Request, v *T) (object, error) { return view(r, v), nil })
}

// listErr is list with a view that looks things up.
func listErr[T any](w http.ResponseWriter, r *http.Request, name string, items []T, view func(*http.Request, *T) (object, error)) error {
	return listPage(w, r, name, items, db.Page{}, view)
}

// listPage is listErr for one page of a collection.
func listPage[T any](w http.ResponseWriter, r *http.Request, name string, items []T, page db.Page, view func(*http.Request, *T) (object, error)) error {
	out := make([]object, len(items))
	for i := range items {
		var err error
		if out[i], err = view(r, &items[i]); err != nil {
			return err
		}
	}
	link := httpx.SelfURL(r)
	if r.URL.RawQuery != "" {
		link += "?" + r.URL.RawQuery
	}
	answer, next := object{name: out}, ""
	if n := len(out); n > 0 {
		id, _ := out[n-1]["id"].(string)
		if next = httpx.NextLink(r, page, n, id); next != "" {
			answer["truncated"] = true
		}
	}
	answer["links"] = object{"self": link, "previous": nil, "next": nullable(next)}
	return httpx.JSON(w, http.StatusOK, answer)
}

// compared gives a list's filters: those of the spec, and for texts also
// Keystone's comparisons, as in name__contains.
func compared(r *http.Request, spec httpx.FilterSpec) ([]db.Filter, error) {
	filters, err := httpx.ParseFilters(r, spec)
	if err != nil {
		return nil, err
	}
	ops := map[string]db.Op{
		"equals": db.Equal, "contains": db.Contains, "startswith": db.HasPrefix, "endswith": db.HasSuffix,
		"icontains": db.Contains, "istartswith": db.HasPrefix, "iendswith": db.HasSuffix,
	}
	q := r.URL.Query()
	for _, param := range slices.Sorted(maps.Keys(q)) {
		name, comparator, ok := strings.Cut(param, "__")
		op, known := ops[comparator]
		if !ok || !known || spec[name] == nil {
			continue
		}
		for _, v := range q[param] {
			filters = append(filters, db.Filter{Column: name, Op: op, Values: []any{v}})
		}
	}
	return filters, nil
}

// listTable answers with those rows of a table that the query asks for.
func listTable[T any](w http.ResponseWriter, r *http.Request, t identity.Table[T], name string, spec httpx.FilterSpec, view func(*http.Request, *T) object, fixed ...db.Filter) error {
	items, page, err := pageOf(r, t, spec, fixed...)
	if err != nil {
		return err
	}
	return listPage(w, r, name, items, page, func(r *http.Request, v *T) (object, error) { return view(r, v), nil })
}

// rows gives those rows of a table that the query asks for.
func rows[T any](r *http.Request, t identity.Table[T], spec httpx.FilterSpec, fixed ...db.Filter) ([]T, error) {
	items, _, err := pageOf(r, t, spec, fixed...)
	return items, err
}

// pageOf is rows with which page of them they are.
func pageOf[T any](r *http.Request, t identity.Table[T], spec httpx.FilterSpec, fixed ...db.Filter) ([]T, db.Page, error) {
	filters, err := compared(r, spec)
	if err != nil {
		return nil, db.Page{}, err
	}
	sort := map[string]string{"id": "id"}
	if spec["name"] != nil {
		sort["name"] = "name"
	}
	page, err := httpx.ParsePage(r, httpx.PageSpec{Sort: sort, Unlimited: true, Default: []db.SortKey{{Column: "id"}}})
	if err != nil {
		return nil, page, err
	}
	items, err := t.List(r.Context(), page, append(filters, fixed...))
	return items, page, httpx.MarkerError(err, page.Marker)
}

// getter gives the handler that shows the resource its path names.
func getter[T any](get func(ctx context.Context, id string) (*T, error), param, name string, view func(*http.Request, *T) object) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := get(r.Context(), httpx.Param(r, param))
		if err != nil {
			return err
		}
		return show(w, r, http.StatusOK, name, v, view)
	}
}

// remover gives the handler that removes the resource its path names.
func remover(remove func(ctx context.Context, id string) error, param string) httpx.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return done(w, remove(r.Context(), httpx.Param(r, param)))
	}
}

// done answers 204 to what succeeded.
func done(w http.ResponseWriter, err error) error {
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
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
