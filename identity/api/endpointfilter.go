package api

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"nubo/identity"
	"nubo/internal/httpx"
)

func endpointGroupView(r *http.Request, g *identity.EndpointGroup) object {
	return object{
		"id": g.ID, "name": g.Name, "description": nullable(g.Description), "filters": g.Filters, "links": self(r, "/OS-EP-FILTER/endpoint_groups/"+g.ID),
	}
}

type endpointGroupIn struct {
	Name, Description *string
	Filters           *map[string]string
}

func (in *endpointGroupIn) apply(g *identity.EndpointGroup) {
	set(&g.Name, in.Name)
	set(&g.Description, in.Description)
	set(&g.Filters, in.Filters)
}

func (h *handler) listEndpointGroups(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.EndpointGroups(), "endpoint_groups", httpx.FilterSpec{"name": httpx.Text}, endpointGroupView)
}

func (h *handler) createEndpointGroup(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Group endpointGroupIn `json:"endpoint_group"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	g := &identity.EndpointGroup{}
	in.Group.apply(g)
	if err := h.svc.CreateEndpointGroup(r.Context(), g); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "endpoint_group", g, endpointGroupView)
}

func (h *handler) updateEndpointGroup(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Group endpointGroupIn `json:"endpoint_group"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	g, err := h.svc.UpdateEndpointGroup(r.Context(), httpx.Param(r, "endpoint_group_id"), in.Group.apply)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "endpoint_group", g, endpointGroupView)
}

// linkOf reads what ties a project to endpoints off the path of its URL.
func linkOf(r *http.Request) identity.Link {
	if id := httpx.Param(r, "endpoint_group_id"); id != "" {
		return identity.Link{ProjectID: httpx.Param(r, "project_id"), Group: true, OtherID: id}
	}
	return identity.Link{ProjectID: httpx.Param(r, "project_id"), OtherID: httpx.Param(r, "endpoint_id")}
}

func (h *handler) addLink(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.AddLink(r.Context(), linkOf(r)))
}

func (h *handler) checkLink(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.CheckLink(r.Context(), linkOf(r)))
}

func (h *handler) showLink(w http.ResponseWriter, r *http.Request) error {
	l := linkOf(r)
	if err := h.svc.CheckLink(r.Context(), l); err != nil {
		return err
	}
	g, err := h.store.EndpointGroups().Get(r.Context(), l.OtherID)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "endpoint_group", g, endpointGroupView)
}

func (h *handler) removeLink(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.RemoveLink(r.Context(), linkOf(r)))
}

// linkedTo gives what one end of links is tied to.
func linkedTo[T any](ctx context.Context, links []identity.Link, t identity.Table[T], id func(identity.Link) string) ([]T, error) {
	out := make([]T, 0, len(links))
	for _, l := range links {
		v, err := t.Get(ctx, id(l))
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, nil
}

// linkedProjects lists the projects tied to an endpoint or to a group.
func (h *handler) linkedProjects(w http.ResponseWriter, r *http.Request) error {
	l := linkOf(r)
	var err error
	if l.Group {
		_, err = h.store.EndpointGroups().Get(r.Context(), l.OtherID)
	} else {
		_, err = h.store.Endpoints().Get(r.Context(), l.OtherID)
	}
	if err != nil {
		return err
	}
	links, err := h.store.Links(r.Context(), l.Group, "", l.OtherID)
	if err != nil {
		return err
	}
	items, err := linkedTo(r.Context(), links, h.store.Projects(), func(l identity.Link) string { return l.ProjectID })
	if err != nil {
		return err
	}
	return list(w, r, "projects", items, projectView)
}

// projectEndpoints lists the endpoints a project is tied to.
func (h *handler) projectEndpoints(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "project_id")
	if _, err := h.store.Projects().Get(r.Context(), id); err != nil {
		return err
	}
	ids, _, err := h.svc.LinkedEndpoints(r.Context(), id)
	if err != nil {
		return err
	}
	items := []identity.Endpoint{}
	for _, one := range slices.Sorted(maps.Keys(ids)) {
		e, err := h.store.Endpoints().Get(r.Context(), one)
		if err != nil {
			return err
		}
		items = append(items, *e)
	}
	return list(w, r, "endpoints", items, endpointView)
}

// projectGroups lists the endpoint groups a project is tied to.
func (h *handler) projectGroups(w http.ResponseWriter, r *http.Request) error {
	id := httpx.Param(r, "project_id")
	if _, err := h.store.Projects().Get(r.Context(), id); err != nil {
		return err
	}
	links, err := h.store.Links(r.Context(), true, id, "")
	if err != nil {
		return err
	}
	items, err := linkedTo(r.Context(), links, h.store.EndpointGroups(), func(l identity.Link) string { return l.OtherID })
	if err != nil {
		return err
	}
	return list(w, r, "endpoint_groups", items, endpointGroupView)
}

func (h *handler) groupEndpoints(w http.ResponseWriter, r *http.Request) error {
	items, err := h.svc.GroupEndpoints(r.Context(), httpx.Param(r, "endpoint_group_id"))
	if err != nil {
		return err
	}
	return list(w, r, "endpoints", items, endpointView)
}
