package api

import (
	"net/http"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/httpx"
)

var groupPage = httpx.PageSpec{Default: []db.SortKey{{Column: "created_at"}}}

// viewGroup is a server group.
func viewGroup(r *http.Request, g *compute.ServerGroup) map[string]any {
	v := map[string]any{"id": g.ID, "name": g.Name, "members": list(g.Members)}
	if since(r, 64) {
		rules := g.Rules
		if rules == nil {
			rules = map[string]int{}
		}
		v["policy"], v["rules"] = g.Policy, rules
	} else {
		v["policies"], v["metadata"] = []string{g.Policy}, map[string]string{}
	}
	if since(r, 13) {
		v["project_id"], v["user_id"] = g.ProjectID, g.UserID
	}
	return v
}

func (h *handler) listGroups(w http.ResponseWriter, r *http.Request) error {
	all := r.URL.Query().Has("all_projects") && caller(r).IsAdmin
	if all {
		if err := httpx.Enforce(r.Context(), prefix+"os-server-groups:index:all_projects", ownTarget(r)); err != nil {
			return err
		}
	}
	page, err := httpx.ParsePage(r, groupPage)
	if err != nil {
		return err
	}
	groups, err := h.svc.ServerGroups(r.Context(), all, page)
	if err != nil {
		return httpx.MarkerError(err, page.Marker)
	}
	views := make([]any, len(groups))
	for i, g := range groups {
		views[i] = viewGroup(r, g)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"server_groups": views})
}

func (h *handler) createGroup(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Group struct {
			Name     string                      `json:"name"`
			Policies []string                    `json:"policies"`
			Policy   string                      `json:"policy"`
			Rules    map[string]httpx.LenientInt `json:"rules"`
		} `json:"server_group"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	policy := in.Group.Policy
	if len(in.Group.Policies) > 0 {
		policy = in.Group.Policies[0]
	}
	rules := map[string]int{}
	for k, v := range in.Group.Rules {
		rules[k] = int(v)
	}
	g, err := h.svc.CreateServerGroup(r.Context(), in.Group.Name, policy, rules)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"server_group": viewGroup(r, g)})
}

func (h *handler) showGroup(w http.ResponseWriter, r *http.Request) error {
	g, err := h.svc.ServerGroup(r.Context(), httpx.Param(r, "group_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"server_group": viewGroup(r, g)})
}

func (h *handler) deleteGroup(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteServerGroup(r.Context(), httpx.Param(r, "group_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
