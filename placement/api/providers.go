package api

import (
	"net/http"
	"net/url"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

// viewProvider shows a provider as the request's microversion does.
func viewProvider(r *http.Request, p *placement.Provider) object {
	base := "/resource_providers/" + p.UUID
	links := []object{{"rel": "self", "href": base}}
	for _, l := range []struct {
		rel   string
		minor int
	}{{"inventories", 0}, {"usages", 0}, {"aggregates", 1}, {"traits", 6}, {"allocations", 11}} {
		if since(r, l.minor) {
			links = append(links, object{"rel": l.rel, "href": base + "/" + l.rel})
		}
	}
	out := object{"uuid": p.UUID, "name": p.Name, "generation": p.Generation, "links": links}
	if since(r, 14) {
		out["root_provider_uuid"] = p.RootUUID
		out["parent_provider_uuid"] = orNull(p.ParentUUID)
	}
	return out
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (h *handler) listProviders(w http.ResponseWriter, r *http.Request) error {
	known := []string{"name", "uuid"}
	for _, p := range []struct {
		name  string
		minor int
	}{{"member_of", 3}, {"resources", 4}, {"in_tree", 14}, {"required", 18}} {
		if since(r, p.minor) {
			known = append(known, p.name)
		}
	}
	q, err := query(r, known...)
	if err != nil {
		return err
	}
	for _, name := range []string{"uuid", "in_tree"} {
		if q.Has(name) && !httpx.IsUUID(q.Get(name)) {
			return fault.Invalidf("Invalid query string parameters: '%s' is not a 'uuid'", q.Get(name))
		}
	}
	in := placement.ProviderQuery{Name: q.Get("name"), UUID: dashed(q.Get("uuid")), InTree: dashed(q.Get("in_tree"))}
	if q.Has("resources") {
		if in.Fits, err = parseResources(q.Get("resources")); err != nil {
			return err
		}
	}
	if in.Filter, err = parseFilter(q, "", listRules(r)); err != nil {
		return err
	}
	list, err := h.svc.Providers(r.Context(), in)
	if err != nil {
		return err
	}
	views := make([]object, len(list))
	var modified time.Time
	for i := range list {
		views[i] = viewProvider(r, &list[i])
		if list[i].UpdatedAt.After(modified) {
			modified = list[i].UpdatedAt
		}
	}
	fresh(w, r, modified)
	return httpx.JSON(w, http.StatusOK, object{"resource_providers": views})
}

func (h *handler) createProvider(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Name   string  `json:"name"`
		UUID   string  `json:"uuid"`
		Parent *string `json:"parent_provider_uuid"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p := placement.Provider{Name: in.Name, UUID: dashed(in.UUID)}
	if in.Parent != nil {
		p.ParentUUID = dashed(*in.Parent)
	}
	made, err := h.svc.CreateProvider(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.BaseURL(r)+"/resource_providers/"+url.PathEscape(made.UUID))
	if !since(r, 20) {
		return httpx.NoContent(w, http.StatusCreated)
	}
	return sendProvider(w, r, made)
}

func sendProvider(w http.ResponseWriter, r *http.Request, p *placement.Provider) error {
	fresh(w, r, p.UpdatedAt)
	return httpx.JSON(w, http.StatusOK, viewProvider(r, p))
}

func (h *handler) showProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := h.svc.Provider(r.Context(), provider(r))
	if err != nil {
		return err
	}
	return sendProvider(w, r, p)
}

func (h *handler) updateProvider(w http.ResponseWriter, r *http.Request) error {
	var in map[string]*string
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	u := placement.ProviderUpdate{Name: *in["name"], Reparent: since(r, 37)}
	if parent, ok := in["parent_provider_uuid"]; ok {
		u.Parent = new(string)
		if parent != nil {
			*u.Parent = dashed(*parent)
		}
	}
	p, err := h.svc.UpdateProvider(r.Context(), provider(r), u)
	if err != nil {
		return err
	}
	return sendProvider(w, r, p)
}

func (h *handler) deleteProvider(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteProvider(r.Context(), provider(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
