package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

// The targets below load what a rule is about. What does not exist is 404
// for those who may know; anyone else learns only that he may not look.

// hide makes of what is absent an empty target, which matches no rule but an
// administrator's: who may not see what exists may not learn that it does
// not. The handler answers 404 to who may know.
func hide(error) (policy.Target, error) { return policy.Target{}, nil }

func (h *handler) domainTarget(r *http.Request) (policy.Target, error) {
	return policy.Target{"target.domain.id": httpx.Param(r, "domain_id")}, nil
}

// ownDomainTarget is for a list that is narrowed to the caller's domain.
func ownDomainTarget(r *http.Request) (policy.Target, error) {
	return policy.Target{"target.domain.id": auth.From(r.Context()).DomainID}, nil
}

func (h *handler) projectTarget(r *http.Request) (policy.Target, error) {
	p, err := h.store.Projects().Get(r.Context(), httpx.Param(r, "project_id"))
	if err != nil {
		return hide(err)
	}
	return policy.Target{"target.project.id": p.ID, "target.project.domain_id": p.DomainID}, nil
}

func (h *handler) userTarget(r *http.Request) (policy.Target, error) {
	u, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id"))
	if err != nil {
		return hide(err)
	}
	return policy.Target{"target.user.id": u.ID, "target.user.domain_id": u.DomainID}, nil
}

func (h *handler) groupTarget(r *http.Request) (policy.Target, error) {
	g, err := h.store.Groups().Get(r.Context(), httpx.Param(r, "group_id"))
	if err != nil {
		return hide(err)
	}
	return policy.Target{"target.group.id": g.ID, "target.group.domain_id": g.DomainID}, nil
}

// listTarget is the domain that a list is about; a list about all is only
// for who may see all.
func (h *handler) listTarget(r *http.Request) (policy.Target, error) {
	if d := r.URL.Query().Get("domain_id"); d != "" {
		return policy.Target{"target.domain_id": d}, nil
	}
	return policy.Target{"target.domain_id": auth.From(r.Context()).DomainID}, nil
}

// newTarget is the domain in which the request makes something.
func (h *handler) newTarget(kind string) httpx.TargetFunc {
	return func(r *http.Request) (policy.Target, error) {
		var in map[string]struct {
			DomainID string `json:"domain_id"`
		}
		if err := httpx.Decode(r, &in); err != nil {
			return policy.Target{}, nil //nolint:nilerr // the schema refuses it, after the policy has let it pass
		}
		d := in[kind].DomainID
		if d == "" {
			d = ownDomain(auth.From(r.Context()))
		}
		return policy.Target{"target." + kind + ".domain_id": d}, nil
	}
}

// ownDomain is where a caller makes things without saying where.
func ownDomain(c *auth.Context) string {
	switch {
	case c.DomainID != "":
		return c.DomainID
	case c.ProjectDomainID != "":
		return c.ProjectDomainID
	}
	return identity.DefaultDomain
}

func (h *handler) grantTarget(r *http.Request) (policy.Target, error) {
	t := policy.Target{}
	ctx := r.Context()
	if id := httpx.Param(r, "role_id"); id != "" {
		if role, err := h.store.Roles().Get(ctx, id); err == nil {
			t["target.role.id"], t["target.role.name"] = role.ID, role.Name
		}
	}
	if id := httpx.Param(r, "user_id"); id != "" {
		if u, err := h.store.Users().Get(ctx, id); err == nil {
			t["target.user.id"], t["target.user.domain_id"] = u.ID, u.DomainID
		}
	}
	if id := httpx.Param(r, "group_id"); id != "" {
		if g, err := h.store.Groups().Get(ctx, id); err == nil {
			t["target.group.id"], t["target.group.domain_id"] = g.ID, g.DomainID
		}
	}
	if id := httpx.Param(r, "project_id"); id != "" {
		if p, err := h.store.Projects().Get(ctx, id); err == nil {
			t["target.project.id"], t["target.target_domain_id"] = p.ID, p.DomainID
		}
	}
	if id := httpx.Param(r, "domain_id"); id != "" {
		t["target.domain.id"], t["target.target_domain_id"] = id, id
	}
	return t, nil
}

// assignmentsTarget is where the assignments asked for are. A list below a
// project has a rule of its own.
func (h *handler) assignmentsTarget(r *http.Request) (policy.Target, error) {
	q := r.URL.Query()
	t := policy.Target{"target.domain_id": q.Get("scope.domain.id"), "target.project.id": q.Get("scope.project.id")}
	if !q.Has("scope.domain.id") && !q.Has("scope.project.id") {
		t["target.domain_id"] = auth.From(r.Context()).DomainID // to which the list is narrowed
	}
	if p, err := h.store.Projects().Get(r.Context(), q.Get("scope.project.id")); err == nil {
		t["target.project.domain_id"], t["target.domain_id"] = p.DomainID, p.DomainID
	}
	if flag(q, "include_subtree") {
		return t, httpx.Enforce(r.Context(), "identity:list_role_assignments_for_tree", t)
	}
	return t, nil
}

// ownerTarget is the user whose things a path is about.
func (h *handler) ownerTarget(r *http.Request) (policy.Target, error) {
	id := httpx.Param(r, "user_id")
	return policy.Target{"user_id": id, "target.user.id": id}, nil
}

func (h *handler) trustTarget(r *http.Request) (policy.Target, error) {
	t, err := h.store.Trusts().Get(r.Context(), httpx.Param(r, "trust_id"))
	if err != nil {
		return hide(err)
	}
	return policy.Target{"target.trust.trustor_user_id": t.TrustorID, "target.trust.trustee_user_id": t.TrusteeID}, nil
}

func (h *handler) roleTarget(r *http.Request) (policy.Target, error) {
	v, err := h.store.Roles().Get(r.Context(), httpx.Param(r, "role_id"))
	if err != nil {
		return hide(err)
	}
	t := policy.Target{"target.role.id": v.ID, "target.role.name": v.Name}
	if v.DomainID != "" {
		t["target.role.domain_id"] = v.DomainID
	}
	return t, nil
}

// ownDomainOnly keeps a list to the domain that the caller's token is for.
func ownDomainOnly(r *http.Request) []db.Filter {
	if c := auth.From(r.Context()); c.DomainID != "" {
		return []db.Filter{equal("domain_id", c.DomainID)}
	}
	return nil
}

// configTarget lets everyone see the rules for passwords, which are shown
// with the configuration of domains.
func (h *handler) configTarget(r *http.Request) (policy.Target, error) {
	if httpx.Param(r, "group") == "security_compliance" {
		return policy.Target{"group": "security_compliance"}, nil
	}
	return policy.Target{}, nil
}
