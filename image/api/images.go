package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

var filters = httpx.FilterSpec{
	"name": httpx.Text, "status": httpx.Text, "id": httpx.Text, "owner": httpx.Text, "disk_format": httpx.Text, "container_format": httpx.Text,
	"min_disk": httpx.Number, "min_ram": httpx.Number, "size": httpx.Number, "size_min": httpx.Number, "size_max": httpx.Number,
	"checksum": httpx.Text, "os_hash_value": httpx.Text, "protected": httpx.Bool, "created_at": httpx.Text, "updated_at": httpx.Text,
}

// notFilters are the further parameters of a list. What is neither is the
// name of a custom property.
var notFilters = []string{"limit", "marker", "sort", "sort_key", "sort_dir", "tag", "visibility", "member_status", "os_hidden"}

var paging = httpx.PageSpec{
	Sort: map[string]string{
		"name": "name", "status": "status", "id": "id", "size": "size", "created_at": "created_at", "updated_at": "updated_at",
		"disk_format": "disk_format", "container_format": "container_format",
	},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

// parsePage is httpx.ParsePage with Glance's default limit.
func parsePage(r *http.Request, spec httpx.PageSpec) (db.Page, error) {
	p, err := httpx.ParsePage(r, spec)
	if r.URL.Query().Get("limit") == "" {
		p.Limit = 25 // Glance's limit_param_default
	}
	return p, err
}

// parseQuery reads what a list is narrowed by.
func parseQuery(r *http.Request) (image.Query, error) {
	var q image.Query
	values := r.URL.Query()
	var err error
	if q.Page, err = parsePage(r, paging); err != nil {
		return q, err
	}
	if q.Filters, err = httpx.ParseFilters(r, filters); err != nil {
		return q, err
	}
	for i := range q.Filters {
		f := &q.Filters[i]
		switch name := f.Column; {
		case name == "size_min":
			f.Op = db.GreaterOrEqual
		case name == "size_max":
			f.Op = db.LessOrEqual
		case name == "created_at" || name == "updated_at":
			if err := parseTime(f); err != nil {
				return q, err
			}
		case slices.Contains([]string{"name", "status", "id", "disk_format", "container_format"}, name):
			f.Values = anyOf(f.Values)
		}
	}
	q.Properties = map[string]string{}
	for name, texts := range values {
		if filters[name] == nil && !slices.Contains(notFilters, name) {
			q.Properties[name] = texts[0]
		}
	}
	q.Tags, q.MemberStatus = values["tag"], values.Get("member_status")
	if q.Visibility = values.Get("visibility"); q.Visibility != "" && q.Visibility != "all" && !slices.Contains(visibilities, q.Visibility) {
		return q, fault.Invalidf("Invalid visibility value: %s", q.Visibility)
	}
	if s := values.Get("os_hidden"); s != "" {
		hidden, err := httpx.Bool(s)
		if err != nil {
			return q, err
		}
		q.Hidden = hidden.(bool)
	}
	return q, nil
}

// operators compare times.
var operators = map[string]db.Op{
	"gt": db.Greater, "gte": db.GreaterOrEqual, "eq": db.Equal, "neq": db.NotEqual, "lt": db.Less, "lte": db.LessOrEqual,
}

// parseTime reads the form gte:2026-01-31T10:00:00Z of a filter's value.
func parseTime(f *db.Filter) error {
	text := f.Values[0].(string)
	name, at, ok := strings.Cut(text, ":")
	op, known := operators[name]
	if !ok || !known {
		op, at = db.Equal, text
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, at); err == nil {
			f.Op, f.Values = op, []any{db.Micro(t)}
			return nil
		}
	}
	return fault.Invalidf("Invalid time format '%s' for filter %s.", at, f.Column)
}

// anyOf reads the form in:a,b of a filter's value.
func anyOf(values []any) []any {
	if len(values) == 1 {
		if text, ok := strings.CutPrefix(values[0].(string), "in:"); ok {
			values = nil
			for _, one := range strings.Split(text, ",") {
				values = append(values, strings.Trim(one, `"`))
			}
		}
	}
	return values
}

func (h *handler) list(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	var items []image.Image
	if h.mayAskFor(r, q.Properties) {
		items, err = h.svc.List(r.Context(), q)
	}
	if err != nil {
		return httpx.MarkerError(err, q.Page.Marker)
	}
	out := make([]object, len(items))
	for i := range items {
		out[i] = h.view(r.Context(), &items[i])
	}
	answer := object{"images": out, "first": pageLink(r.URL, ""), "schema": "/v2/schemas/images"}
	if len(items) > 0 && len(items) == q.Page.Limit {
		answer["next"] = pageLink(r.URL, items[len(items)-1].ID)
	}
	return httpx.JSON(w, http.StatusOK, answer)
}

// mayAskFor reports whether the caller may know the properties that a list is
// to be narrowed by; if not, no image has them.
func (h *handler) mayAskFor(r *http.Request, properties map[string]string) bool {
	for name := range properties {
		if !h.svc.Protections.Allows(auth.From(r.Context()), image.PropertyRead, name) {
			return false
		}
	}
	return true
}

// pageLink is the list's own address with another marker.
func pageLink(u *url.URL, marker string) string {
	q := u.Query()
	q.Del("marker")
	if marker != "" {
		q.Set("marker", marker)
	}
	if len(q) == 0 {
		return u.Path
	}
	return u.Path + "?" + q.Encode()
}

func (h *handler) create(w http.ResponseWriter, r *http.Request) error {
	var in map[string]any
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	i := &image.Image{Owner: auth.From(r.Context()).ProjectID, Visibility: image.VisibilityShared, Properties: map[string]string{}}
	if id, ok := in["id"]; ok {
		text, _ := id.(string)
		if !httpx.IsUUID(text) || len(text) != 36 {
			return fault.Invalidf("Provided object does not match schema 'image': %v is not a UUID.", id)
		}
		i.ID = strings.ToLower(text)
		delete(in, "id")
	}
	if o, ok := in["owner"].(string); ok {
		i.Owner = o // the policy has looked at it
		delete(in, "owner")
	}
	if in == nil {
		in = map[string]any{}
	}
	if err := h.setAll(r, i, in); err != nil {
		return err
	}
	if err := h.svc.Create(r.Context(), i); err != nil {
		return err
	}
	w.Header().Set("Location", httpx.BaseURL(r)+"/v2/images/"+i.ID)
	w.Header().Set("OpenStack-image-import-methods", strings.Join(h.svc.ImportMethods(), ","))
	w.Header().Set("OpenStack-image-store-ids", strings.Join(h.svc.StoreIDs(), ","))
	return httpx.JSON(w, http.StatusCreated, h.view(r.Context(), i))
}

// mayBe asks the rules of visibilities that concern others.
func (h *handler) mayBe(r *http.Request, i *image.Image) error {
	rule := map[string]string{image.VisibilityPublic: "publicize_image", image.VisibilityCommunity: "communitize_image"}[i.Visibility]
	if rule == "" {
		return nil
	}
	return httpx.Enforce(r.Context(), rule, policy.Target{"project_id": i.Owner, "owner": i.Owner, "visibility": i.Visibility})
}

func (h *handler) show(w http.ResponseWriter, r *http.Request) error {
	i, err := h.svc.Get(r.Context(), httpx.Param(r, "image_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, h.view(r.Context(), i))
}

func (h *handler) remove(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Delete(r.Context(), httpx.Param(r, "image_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) update(w http.ResponseWriter, r *http.Request) error {
	changes, err := parsePatch(r)
	if err != nil {
		return err
	}
	i, err := h.svc.Update(r.Context(), httpx.Param(r, "image_id"), func(i *image.Image) error {
		was := i.Visibility
		for _, c := range changes {
			if err := c.apply(r.Context(), i, h.svc.Protections); err != nil {
				return err
			}
		}
		if i.Visibility != was {
			return h.mayBe(r, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, h.view(r.Context(), i))
}

func (h *handler) addTag(w http.ResponseWriter, r *http.Request) error {
	tag := httpx.Param(r, "tag")
	_, err := h.svc.Update(r.Context(), httpx.Param(r, "image_id"), func(i *image.Image) error {
		if slices.Contains(i.Tags, tag) {
			return nil
		}
		return setTags(i, append(slices.Clone(i.Tags), tag))
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) removeTag(w http.ResponseWriter, r *http.Request) error {
	tag := httpx.Param(r, "tag")
	_, err := h.svc.Update(r.Context(), httpx.Param(r, "image_id"), func(i *image.Image) error {
		n := slices.Index(i.Tags, tag)
		if n < 0 {
			return fault.NotFoundf("The tag %s could not be found.", tag)
		}
		i.Tags = slices.Delete(slices.Clone(i.Tags), n, n+1)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) deactivate(w http.ResponseWriter, r *http.Request) error {
	return h.switchTo(w, r, false)
}

func (h *handler) reactivate(w http.ResponseWriter, r *http.Request) error {
	return h.switchTo(w, r, true)
}

func (h *handler) switchTo(w http.ResponseWriter, r *http.Request, active bool) error {
	if err := h.svc.SetActive(r.Context(), httpx.Param(r, "image_id"), active); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
