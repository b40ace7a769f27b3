package api

import (
	"net/http"
	"slices"
	"strings"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
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
	ExplicitID  *string `json:"explicit_domain_id"`
}

var projectKeys = []string{"name", "description", "enabled", "is_domain", "domain_id", "parent_id", "tags", "options"}

func (in *projectIn) apply(p *identity.Project, extra map[string]any) {
	set(&p.Name, in.Name)
	set(&p.Description, in.Description)
	set(&p.Enabled, in.Enabled)
	set(&p.Tags, in.Tags)
	if in.Options != nil {
		p.Options = identity.MergeOptions(p.Options, *in.Options)
	}
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
	fixed := []db.Filter{equal("is_domain", true)}
	if c := auth.From(r.Context()); c.DomainID != "" {
		fixed = append(fixed, equal("id", c.DomainID))
	}
	return listTable(w, r, h.store.Projects(), "domains",
		httpx.FilterSpec{"name": httpx.Text, "enabled": httpx.Bool, "id": httpx.Text}, domainView, fixed...)
}

func (h *handler) createDomain(w http.ResponseWriter, r *http.Request) error {
	var in projectIn
	extra, err := body(r, "domain", &in, append(projectKeys, "explicit_domain_id")...)
	if err != nil {
		return err
	}
	d := &identity.Project{Enabled: true}
	set(&d.ID, in.ExplicitID)
	in.apply(d, extra)
	if err := h.svc.CreateDomain(r.Context(), d); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "domain", d, domainView)
}

func (h *handler) updateDomain(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.svc.Domain(r.Context(), httpx.Param(r, "domain_id")); err != nil {
		return err
	}
	return h.saveProject(w, r, "domain", httpx.Param(r, "domain_id"), domainView)
}

func (h *handler) updateProject(w http.ResponseWriter, r *http.Request) error {
	return h.saveProject(w, r, "project", httpx.Param(r, "project_id"), projectView)
}

func (h *handler) saveProject(w http.ResponseWriter, r *http.Request, name, id string, view func(*http.Request, *identity.Project) object) error {
	var in projectIn
	extra, err := body(r, name, &in, projectKeys...)
	if err != nil {
		return err
	}
	p, err := h.svc.UpdateProject(r.Context(), id, func(p *identity.Project) {
		in.apply(p, extra)
		if name == "project" {
			set(&p.ParentID, in.ParentID)
			set(&p.DomainID, in.DomainID)
			set(&p.IsDomain, in.IsDomain)
		}
	})
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, name, p, view)
}

var projectFilters = httpx.FilterSpec{
	"name": httpx.Text, "domain_id": httpx.Text, "parent_id": httpx.Text, "enabled": httpx.Bool, "is_domain": httpx.Bool,
	"tags": httpx.Text, "tags-any": httpx.Text, "not-tags": httpx.Text, "not-tags-any": httpx.Text,
}

func (h *handler) listProjects(w http.ResponseWriter, r *http.Request) error {
	fixed := ownDomainOnly(r)
	if r.URL.Query().Get("is_domain") == "" {
		fixed = append(fixed, equal("is_domain", false))
	}
	return listTable(w, r, h.store.Projects(), "projects", projectFilters, projectView, fixed...)
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
		if p.DomainID != "" || p.ParentID != "" {
			return fault.Invalidf("It is not permitted to have a project acting as a domain with a parent or inside a domain.")
		}
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

// showProject shows a project, and of what is above and below it what the
// query asks for.
func (h *handler) showProject(w http.ResponseWriter, r *http.Request) error {
	ctx, id := r.Context(), httpx.Param(r, "project_id")
	p, err := h.store.Projects().Get(ctx, id)
	if err != nil {
		return err
	}
	v, q := projectView(r, p), r.URL.Query()
	if flag(q, "parents_as_list") && flag(q, "parents_as_ids") || flag(q, "subtree_as_list") && flag(q, "subtree_as_ids") {
		return fault.Invalidf("Cannot use parents_as_list and parents_as_ids, or subtree_as_list and subtree_as_ids, query params at the same time.")
	}
	above, err := h.svc.Parents(ctx, id)
	if err != nil {
		return err
	}
	below, err := h.svc.Subtree(ctx, id)
	if err != nil {
		return err
	}
	if flag(q, "parents_as_list") {
		v["parents"] = h.readable(r, above)
	}
	if flag(q, "subtree_as_list") {
		v["subtree"] = h.readable(r, below)
	}
	if flag(q, "parents_as_ids") {
		var chain any
		for i := len(above) - 1; i >= 0; i-- {
			chain = object{above[i].ID: chain}
		}
		v["parents"] = chain
	}
	if flag(q, "subtree_as_ids") {
		v["subtree"] = idTree(id, below)
	}
	return httpx.JSON(w, http.StatusOK, object{"project": v})
}

// readable shows those of the projects on which the caller has a role; all
// of them to who may list all.
func (h *handler) readable(r *http.Request, projects []identity.Project) []object {
	out := []object{}
	for i := range projects {
		p := &projects[i]
		if httpx.Allowed(r.Context(), "identity:get_project", policy.Target{"target.project.id": p.ID, "target.project.domain_id": p.DomainID}) {
			out = append(out, object{"project": projectView(r, p)})
			continue
		}
		roles, err := h.svc.RolesOn(r.Context(), auth.From(r.Context()).UserID, identity.Scope{ProjectID: p.ID})
		if err == nil && len(roles) > 0 {
			out = append(out, object{"project": projectView(r, p)})
		}
	}
	return out
}

// idTree nests the ids of the projects below one.
func idTree(id string, below []identity.Project) any {
	children := object{}
	for _, p := range below {
		if p.ParentID == id {
			children[p.ID] = idTree(p.ID, below)
		}
	}
	if len(children) == 0 {
		return nil
	}
	return children
}

func (h *handler) listTags(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.Projects().Get(r.Context(), httpx.Param(r, "project_id"))
	if err != nil {
		return err
	}
	return answerTags(w, r, p)
}

func answerTags(w http.ResponseWriter, r *http.Request, p *identity.Project) error {
	return httpx.JSON(w, http.StatusOK, object{"tags": projectView(r, p)["tags"], "links": object{"self": httpx.SelfURL(r), "previous": nil, "next": nil}})
}

func (h *handler) replaceTags(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Tags []string }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	p, err := h.svc.SetTags(r.Context(), httpx.Param(r, "project_id"), func([]string) ([]string, error) { return in.Tags, nil })
	if err != nil {
		return err
	}
	return answerTags(w, r, p)
}

func (h *handler) removeTags(w http.ResponseWriter, r *http.Request) error {
	_, err := h.svc.SetTags(r.Context(), httpx.Param(r, "project_id"), func([]string) ([]string, error) { return nil, nil })
	return done(w, err)
}

func noTag(r *http.Request) error {
	return fault.NotFoundf("Could not find project tag: %s.", httpx.Param(r, "tag"))
}

func (h *handler) checkTag(w http.ResponseWriter, r *http.Request) error {
	p, err := h.store.Projects().Get(r.Context(), httpx.Param(r, "project_id"))
	if err == nil && !slices.Contains(p.Tags, httpx.Param(r, "tag")) {
		err = noTag(r)
	}
	return done(w, err)
}

// maxTags is how many tags a project may have.
const maxTags = 80

func (h *handler) addTag(w http.ResponseWriter, r *http.Request) error {
	tag := httpx.Param(r, "tag")
	if tag == "" || len([]rune(tag)) > 255 || strings.ContainsAny(tag, ",/") {
		return fault.Invalidf("Invalid input for field 'value': '%s' is no tag", tag)
	}
	_, err := h.svc.SetTags(r.Context(), httpx.Param(r, "project_id"), func(tags []string) ([]string, error) {
		if slices.Contains(tags, tag) {
			return tags, nil
		}
		if len(tags) >= maxTags {
			return nil, fault.Invalidf("Invalid input for field 'tags': there are %d already", maxTags)
		}
		return append(tags, tag), nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	return httpx.NoContent(w, http.StatusCreated)
}

func (h *handler) removeTag(w http.ResponseWriter, r *http.Request) error {
	_, err := h.svc.SetTags(r.Context(), httpx.Param(r, "project_id"), func(tags []string) ([]string, error) {
		i := slices.Index(tags, httpx.Param(r, "tag"))
		if i < 0 {
			return nil, noTag(r)
		}
		return slices.Delete(tags, i, i+1), nil
	})
	return done(w, err)
}
