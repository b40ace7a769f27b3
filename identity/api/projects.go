package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/httpx"
)

// projectIn is what a request says of a project or a domain.
type projectIn struct {
	Name        *string
	Description *string
	Enabled     *bool
	IsDomain    *bool   `json:"is_domain"`
	DomainID    *string `json:"domain_id"`
	ParentID    *string `json:"parent_id"`
	Tags        *[]string
	Options     *map[string]any
}

var projectKeys = []string{"name", "description", "enabled", "is_domain", "domain_id", "parent_id", "tags", "options"}

func (in *projectIn) apply(p *identity.Project, extra map[string]any) {
	set(&p.Name, in.Name)
	set(&p.Description, in.Description)
	set(&p.Enabled, in.Enabled)
	set(&p.Tags, in.Tags)
	set(&p.Options, in.Options)
	p.Extra = merged(p.Extra, extra)
}

// merged lays the request's own attributes over those kept; null removes one.
func merged(old, extra map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range old {
		out[k] = v
	}
	for k, v := range extra {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

func projectView(r *http.Request, p *identity.Project) object {
	tags := p.Tags
	if tags == nil {
		tags = []string{}
	}
	v := object{
		"id": p.ID, "name": p.Name, "domain_id": nullable(p.DomainID), "parent_id": nullable(p.ParentID), "is_domain": p.IsDomain,
		"enabled": p.Enabled, "description": p.Description, "tags": tags, "options": orEmpty(p.Options), "links": self(r, "/projects/"+p.ID),
	}
	return v.with(p.Extra)
}

func domainView(r *http.Request, d *identity.Project) object {
	v := projectView(r, d)
	delete(v, "domain_id")
	delete(v, "parent_id")
	delete(v, "is_domain")
	v["links"] = self(r, "/domains/"+d.ID)
	return v
}

func (h *handler) listDomains(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Projects(), "domains",
		httpx.FilterSpec{"name": httpx.Text, "enabled": httpx.Bool, "id": httpx.Text}, domainView, equal("is_domain", true))
}

func (h *handler) createDomain(w http.ResponseWriter, r *http.Request) error {
	var in projectIn
	extra, err := body(r, "domain", &in, projectKeys...)
	if err != nil {
		return err
	}
	d := &identity.Project{Enabled: true}
	in.apply(d, extra)
	if err := h.svc.CreateDomain(r.Context(), d); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "domain", d, domainView)
}

func (h *handler) showDomain(w http.ResponseWriter, r *http.Request) error {
	d, err := h.svc.Domain(r.Context(), httpx.Param(r, "domain_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "domain", d, domainView)
}

func (h *handler) updateDomain(w http.ResponseWriter, r *http.Request) error {
	d, err := h.svc.Domain(r.Context(), httpx.Param(r, "domain_id"))
	if err != nil {
		return err
	}
	return h.saveProject(w, r, "domain", d, domainView)
}

func (h *handler) saveProject(w http.ResponseWriter, r *http.Request, name string, p *identity.Project, view func(*http.Request, *identity.Project) object) error {
	var in projectIn
	extra, err := body(r, name, &in, projectKeys...)
	if err != nil {
		return err
	}
	in.apply(p, extra)
	set(&p.ParentID, in.ParentID)
	if name == "project" {
		set(&p.DomainID, in.DomainID)
	}
	if err := h.svc.UpdateProject(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, name, p, view)
}

func (h *handler) deleteDomain(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteDomain(r.Context(), httpx.Param(r, "domain_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) listProjects(w http.ResponseWriter, r *http.Request) error {
	fixed := []db.Filter{}
	if r.URL.Query().Get("is_domain") == "" {
		fixed = append(fixed, equal("is_domain", false))
	}
	return listTable(w, r, h.store.Projects(), "projects", httpx.FilterSpec{
		"name": httpx.Text, "domain_id": httpx.Text, "parent_id": httpx.Text, "enabled": httpx.Bool, "is_domain": httpx.Bool,
	}, projectView, fixed...)
}

func (h *handler) createProject(w http.ResponseWriter, r *http.Request) error {
	var in projectIn
	extra, err := body(r, "project", &in, projectKeys...)
	if err != nil {
		return err
	}
	p := &identity.Project{Enabled: true}
	in.apply(p, extra)
	set(&p.DomainID, in.DomainID)
	set(&p.ParentID, in.ParentID)
	set(&p.IsDomain, in.IsDomain)
	if p.IsDomain {
		if err := h.svc.CreateDomain(r.Context(), p); err != nil {
			return err
		}
		return show(w, r, http.StatusCreated, "project", p, projectView)
	}
	if p.DomainID == "" && p.ParentID == "" {
		p.DomainID = ownDomain(auth.From(r.Context()))
	}
	if err := h.svc.CreateProject(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "project", p, projectView)
}

func (h *handler) showProject(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.Projects().Get(r.Context(), httpx.Param(r, "project_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "project", p, projectView)
}

func (h *handler) updateProject(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.Projects().Get(r.Context(), httpx.Param(r, "project_id"))
	if err != nil {
		return err
	}
	return h.saveProject(w, r, "project", p, projectView)
}

func (h *handler) deleteProject(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteProject(r.Context(), httpx.Param(r, "project_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
