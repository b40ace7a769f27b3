package api

import (
	"context"
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/httpx"
)

type groupIn struct {
	Name        *string
	Description *string
	DomainID    *string `json:"domain_id"`
}

func (in *groupIn) apply(g *identity.Group, extra map[string]any) {
	set(&g.Name, in.Name)
	set(&g.Description, in.Description)
	g.Extra = merged(g.Extra, extra)
}

func groupView(r *http.Request, g *identity.Group) object {
	v := object{"id": g.ID, "name": g.Name, "domain_id": g.DomainID, "description": g.Description, "links": self(r, "/groups/"+g.ID)}
	return v.with(g.Extra)
}

func (h *handler) listGroups(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.SyncDomain(r.Context(), r.URL.Query().Get("domain_id")); err != nil {
		return err
	}
	return listTable(w, r, h.store.Groups(), "groups", httpx.FilterSpec{"name": httpx.Text, "domain_id": httpx.Text}, groupView, ownDomainOnly(r)...)
}

func (h *handler) createGroup(w http.ResponseWriter, r *http.Request) error {
	var in groupIn
	extra, err := body(r, "group", &in, "name", "description", "domain_id")
	if err != nil {
		return err
	}
	g := &identity.Group{DomainID: ownDomain(auth.From(r.Context()))}
	set(&g.DomainID, in.DomainID)
	in.apply(g, extra)
	if err := h.svc.CreateGroup(r.Context(), g); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "group", g, groupView)
}

func (h *handler) updateGroup(w http.ResponseWriter, r *http.Request) error {
	var in groupIn
	extra, err := body(r, "group", &in, "name", "description", "domain_id")
	if err != nil {
		return err
	}
	g, err := h.svc.UpdateGroup(r.Context(), httpx.Param(r, "group_id"), func(g *identity.Group) { in.apply(g, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "group", g, groupView)
}

func (h *handler) groupUsers(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Groups().Get(r.Context(), httpx.Param(r, "group_id")); err != nil {
		return err
	}
	filters, err := compared(r, userFilters)
	if err != nil {
		return err
	}
	items, err := h.store.UsersIn(r.Context(), httpx.Param(r, "group_id"), append(filters, ownDomainOnly(r)...))
	if err != nil {
		return err
	}
	return list(w, r, "users", items, userView)
}

func (h *handler) addMember(w http.ResponseWriter, r *http.Request) error {
	return h.member(w, r, h.svc.AddMember)
}

func (h *handler) checkMember(w http.ResponseWriter, r *http.Request) error {
	return h.member(w, r, h.svc.CheckMember)
}

func (h *handler) removeMember(w http.ResponseWriter, r *http.Request) error {
	return h.member(w, r, h.svc.RemoveMember)
}

func (h *handler) member(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, groupID, userID string) error) error {
	return done(w, do(r.Context(), httpx.Param(r, "group_id"), httpx.Param(r, "user_id")))
}
