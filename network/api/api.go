// Package api is the network component's HTTP door: the Networking API v2.0.
// routes.go is the table of all operations, policies.go their rules,
// attributes.go how bodies are checked, and each other file a resource.
package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/network"
)

type handler struct{ svc *network.Service }

// New makes the API. The app sets AuthURI.
func New(svc *network.Service, a httpx.Authenticator, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc}
	return &httpx.API{
		Service: "network", Dialect: httpx.Neutron, Auth: a, Policy: p, Log: log,
		Prefixes: []string{"/v2.0"}, Routes: h.routes(),
	}
}

// kind is how one resource's operations are served. What all resources do in
// the same way is written once, below.
type kind[T any] struct {
	res *resource
	// filters and sort are the query parameters of lists.
	filters httpx.FilterSpec
	sort    map[string]string
	// hidden are attributes that are shown by the rule get_RESOURCE:NAME.
	hidden []string

	list   func(ctx context.Context, q network.Query) ([]*T, error)
	get    func(ctx context.Context, id string) (*T, error)
	view   func(row *T, v viewer) any
	create func(ctx context.Context, in []attrs) ([]*T, error)
	update func(ctx context.Context, id string, a attrs) (*T, error)
	remove func(ctx context.Context, id string) error
	// about adds what rules ask of an existing resource, and aboutNew of one
	// that is to be, beside its project.
	about    func(ctx context.Context, row *T, t policy.Target) error
	aboutNew func(ctx context.Context, a attrs, t policy.Target) error
	// tagged resources may be created with tags.
	setTags func(ctx context.Context, id string, tags []string) ([]string, error)
}

// viewer says which hidden attributes the caller may see.
type viewer map[string]bool

func (k *kind[T]) viewer(ctx context.Context) viewer {
	if len(k.hidden) == 0 {
		return nil
	}
	c := auth.From(ctx)
	v := viewer{}
	for _, name := range k.hidden {
		v[name] = httpx.Allowed(ctx, "get_"+k.res.name+":"+name, policy.Target{"project_id": c.ProjectID, "tenant_id": c.ProjectID})
	}
	return v
}

// target is what rules about an existing resource look at.
func (k *kind[T]) target(ctx context.Context, row *T) (policy.Target, error) {
	project := any(row).(network.Resource).Std().ProjectID
	// A rule of a security group is its group's project's.
	t := policy.Target{"project_id": project, "tenant_id": project, "security_group:project_id": project}
	if k.about == nil {
		return t, nil
	}
	return t, k.about(ctx, row, t)
}

func (k *kind[T]) listAll(w http.ResponseWriter, r *http.Request) error {
	q, err := k.query(r)
	if err != nil {
		return err
	}
	rows, err := k.list(r.Context(), q)
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	v := k.viewer(r.Context())
	views := make([]any, len(rows))
	for i, row := range rows {
		views[i] = k.view(row, v)
	}
	out := map[string]any{}
	if out[k.res.plural], err = fields(r, views); err != nil {
		return err
	}
	if n := len(rows); n > 0 && q.Page.Limit > 0 {
		first, last := any(rows[0]).(network.Resource).Std().ID, any(rows[n-1]).(network.Resource).Std().ID
		if links := pageLinks(r, q.Page, n, first, last); len(links) > 0 {
			out[k.res.plural+"_links"] = links
		}
	}
	return httpx.JSON(w, http.StatusOK, out)
}

// unbounded is the limit of pages, which Neutron does not bound.
const unbounded = 1 << 30

func (k *kind[T]) query(r *http.Request) (network.Query, error) {
	sort := map[string]string{"id": "id", "project_id": "project_id", "tenant_id": "project_id", "created_at": "created_at", "updated_at": "updated_at"}
	filters := httpx.FilterSpec{"id": httpx.Text, "project_id": httpx.Text, "tenant_id": httpx.Text, "description": httpx.Text, "revision_number": httpx.Number}
	for field, column := range k.sort {
		sort[field] = column
	}
	for field, read := range k.filters {
		filters[field] = read
	}
	var q network.Query
	var err error
	if q.Page, err = httpx.ParsePage(r, httpx.PageSpec{Sort: sort, MaxLimit: unbounded, Unlimited: true}); err != nil {
		return q, err
	}
	if q.Filters, err = httpx.ParseFilters(r, filters); err != nil {
		return q, err
	}
	params := r.URL.Query()
	tags := func(name string) []string {
		var out []string
		for _, one := range params[name] {
			out = append(out, strings.Split(strings.ToValidUTF8(strings.ReplaceAll(one, "\x00", ""), ""), ",")...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	q.Tags = network.TagFilter{All: tags("tags"), Any: tags("tags-any"), NotAll: tags("not-tags"), NotAny: tags("not-tags-any")}
	return q, nil
}

// link is an entry of a list's links.
type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// pageLinks are the addresses of the pages around one.
func pageLinks(r *http.Request, p db.Page, n int, first, last string) []link {
	var out []link
	at := func(rel, marker string, reverse bool) {
		params := r.URL.Query()
		params.Set("marker", marker)
		params.Del("page_reverse")
		if reverse {
			params.Set("page_reverse", "True")
		}
		out = append(out, link{rel, httpx.SelfURL(r) + "?" + params.Encode()})
	}
	if n == p.Limit || p.PageReverse {
		at("next", last, false)
	}
	if p.Marker != "" && !(p.PageReverse && n < p.Limit) {
		at("previous", first, true)
	}
	return out
}

// fields keeps only the fields that the request names, if it names any.
func fields(r *http.Request, views any) (any, error) {
	wanted := r.URL.Query()["fields"]
	if len(wanted) == 0 {
		return views, nil
	}
	b, err := json.Marshal(views)
	if err != nil {
		return nil, err
	}
	if _, many := views.([]any); many {
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, err
		}
		for _, m := range list {
			keep(m, wanted)
		}
		return list, nil
	}
	var one map[string]json.RawMessage
	if err := json.Unmarshal(b, &one); err != nil {
		return nil, err
	}
	keep(one, wanted)
	return one, nil
}

func keep(m map[string]json.RawMessage, wanted []string) {
	for name := range m {
		if !slices.Contains(wanted, name) {
			delete(m, name)
		}
	}
}

func (k *kind[T]) showOne(w http.ResponseWriter, r *http.Request) error {
	row, err := k.get(r.Context(), httpx.Param(r, "id"))
	if err != nil {
		return err
	}
	return k.answer(w, r, http.StatusOK, row)
}

func (k *kind[T]) answer(w http.ResponseWriter, r *http.Request, status int, row *T) error {
	view, err := fields(r, k.view(row, k.viewer(r.Context())))
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, map[string]any{k.res.name: view})
}

func (k *kind[T]) createAll(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	in, bulk, err := k.res.read(r, creating)
	if err != nil {
		return err
	}
	for _, a := range in {
		if err := k.allowNew(ctx, a); err != nil {
			return err
		}
	}
	rows, err := k.create(ctx, in)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if tags := or(in[i], "tags", []string{}); len(tags) > 0 && k.setTags != nil {
			b := any(row).(network.Resource).Std()
			if b.Tags, err = k.setTags(ctx, b.ID, tags); err != nil {
				return err
			}
		}
	}
	if !bulk {
		return httpx.JSON(w, http.StatusCreated, map[string]any{k.res.name: k.view(rows[0], k.viewer(ctx))})
	}
	v := k.viewer(ctx)
	views := make([]any, len(rows))
	for i, row := range rows {
		views[i] = k.view(row, v)
	}
	return httpx.JSON(w, http.StatusCreated, map[string]any{k.res.plural: views})
}

// allowNew enforces the rules about a resource that is to be: for whom, and
// with which attributes.
func (k *kind[T]) allowNew(ctx context.Context, a attrs) error {
	c := auth.From(ctx)
	project := or(a, "project_id", c.ProjectID)
	if project != c.ProjectID && !c.IsAdmin {
		return bad("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	// A rule of a security group is its group's project's.
	t := policy.Target{"project_id": project, "tenant_id": project, "security_group:project_id": project}
	if k.aboutNew != nil {
		if err := k.aboutNew(ctx, a, t); err != nil {
			return err
		}
	}
	if err := httpx.Enforce(ctx, "create_"+k.res.name, t); err != nil {
		return err
	}
	return k.allowAttributes(ctx, creating, a, t)
}

func (k *kind[T]) allowAttributes(ctx context.Context, op operation, a attrs, t policy.Target) error {
	for _, at := range k.res.attributes {
		if !at.guarded || !a.has(at.name) || op == creating && at.def == a[at.name] {
			continue
		}
		if err := httpx.Enforce(ctx, op.verb()+k.res.name+":"+at.name, t); err != nil {
			return err
		}
	}
	return nil
}

func (k *kind[T]) updateOne(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	in, _, err := k.res.read(r, updating)
	if err != nil {
		return err
	}
	row, err := k.allowed(ctx, "update_", httpx.Param(r, "id"), in[0])
	if err != nil {
		return err
	}
	row, err = k.update(ctx, any(row).(network.Resource).Std().ID, in[0])
	if err != nil {
		return err
	}
	return k.answer(w, r, http.StatusOK, row)
}

// allowed loads a resource and enforces the rule of the verb on it, and on
// the attributes that are to change.
func (k *kind[T]) allowed(ctx context.Context, verb, id string, a attrs) (*T, error) {
	row, err := k.get(ctx, id)
	if err != nil {
		return nil, err
	}
	t, err := k.target(ctx, row)
	if err != nil {
		return nil, err
	}
	if owner := a["device_owner"]; owner != nil {
		t["device_owner"] = owner
	}
	if err := httpx.Enforce(ctx, verb+k.res.name, t); err != nil {
		return nil, err
	}
	return row, k.allowAttributes(ctx, updating, a, t)
}

func (k *kind[T]) deleteOne(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "id")
	if _, err := k.allowed(r.Context(), "delete_", id, nil); err != nil {
		return err
	}
	if err := k.remove(r.Context(), id); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// stamp is the form of times in the API.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// standard are the attributes that all views have.
type standard struct {
	ID             string   `json:"id"`
	ProjectID      string   `json:"project_id"`
	TenantID       string   `json:"tenant_id"`
	Description    string   `json:"description"`
	RevisionNumber int      `json:"revision_number"`
	CreatedAt      string   `json:"created_at"`
	UpdatedAt      string   `json:"updated_at"`
	Tags           []string `json:"tags"`
}

func standardOf(b *network.Base) standard {
	tags := b.Tags
	if tags == nil {
		tags = []string{}
	}
	return standard{b.ID, b.ProjectID, b.ProjectID, b.Description, b.RevisionNumber, stamp(b.CreatedAt), stamp(b.UpdatedAt), tags}
}

// text0 is a text that is null where it is empty.
type text0 string

// MarshalJSON implements json.Marshaler.
func (s text0) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// int0 is a number that is null where it is 0.
type int0 int

// MarshalJSON implements json.Marshaler.
func (n int0) MarshalJSON() ([]byte, error) {
	if n == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(int(n))
}

// maybe is an attribute that not everyone sees.
type maybe[T any] struct {
	value T
	shown bool
}

func shown[T any](value T, v viewer, name string) maybe[T] { return maybe[T]{value, v[name]} }

// IsZero leaves the attribute out of JSON where it is not shown (omitzero).
func (m maybe[T]) IsZero() bool { return !m.shown }

// MarshalJSON implements json.Marshaler.
func (m maybe[T]) MarshalJSON() ([]byte, error) { return json.Marshal(m.value) }

// orEmpty makes a list that is nil an empty one.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
