package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/db"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

type roleIn struct {
	Name        *string
	Description *string
	DomainID    *string `json:"domain_id"`
	Options     *map[string]any
}

var roleKeys = []string{"name", "description", "domain_id", "options"}

func (in *roleIn) apply(v *identity.Role, extra map[string]any) {
	set(&v.Name, in.Name)
	set(&v.Description, in.Description)
	set(&v.DomainID, in.DomainID)
	if in.Options != nil {
		v.Options = identity.MergeOptions(v.Options, *in.Options)
	}
	v.Extra = merged(v.Extra, extra)
}

func roleView(r *http.Request, v *identity.Role) object {
	return object{
		"id": v.ID, "name": v.Name, "domain_id": nullable(v.DomainID), "description": nullable(v.Description),
		"options": orEmpty(v.Options), "links": self(r, "/roles/"+v.ID),
	}.with(v.Extra)
}

func (h *handler) listRoles(w http.ResponseWriter, r *http.Request) error {
	fixed := []db.Filter{}
	if r.URL.Query().Get("domain_id") == "" { // as Keystone: without the filter, the global roles
		fixed = append(fixed, equal("domain_id", ""))
	} else if err := httpx.Enforce(r.Context(), "identity:list_domain_roles", policy.Target{"target.role.domain_id": r.URL.Query().Get("domain_id")}); err != nil {
		return err
	}
	return listTable(w, r, h.store.Roles(), "roles", httpx.FilterSpec{"name": httpx.Text, "domain_id": httpx.Text}, roleView, fixed...)
}

func (h *handler) createRole(w http.ResponseWriter, r *http.Request) error {
	var in roleIn
	extra, err := body(r, "role", &in, roleKeys...)
	if err != nil {
		return err
	}
	v := &identity.Role{}
	in.apply(v, extra)
	if err := h.svc.CreateRole(r.Context(), v); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "role", v, roleView)
}

func (h *handler) updateRole(w http.ResponseWriter, r *http.Request) error {
	var in roleIn
	extra, err := body(r, "role", &in, roleKeys...)
	if err != nil {
		return err
	}
	v, err := h.svc.UpdateRole(r.Context(), httpx.Param(r, "role_id"), func(v *identity.Role) { in.apply(v, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "role", v, roleView)
}

func implication(r *http.Request) identity.Implication {
	return identity.Implication{PriorID: httpx.Param(r, "prior_id"), ImpliedID: httpx.Param(r, "implied_id")}
}

// roleRef is a role inside an inference.
func roleRef(r *http.Request, v *identity.Role) object {
	return object{"id": v.ID, "name": v.Name, "links": self(r, "/roles/"+v.ID)}
}

// inference shows what one prior role implies.
func (h *handler) inference(r *http.Request, priorID string, all []identity.Implication) (object, error) {
	prior, err := h.store.Roles().Get(r.Context(), priorID)
	if err != nil {
		return nil, err
	}
	implied := []object{}
	for _, i := range all {
		if i.PriorID != priorID {
			continue
		}
		v, err := h.store.Roles().Get(r.Context(), i.ImpliedID)
		if err != nil {
			return nil, err
		}
		implied = append(implied, roleRef(r, v))
	}
	return object{"prior_role": roleRef(r, prior), "implies": implied}, nil
}

func (h *handler) listImplied(w http.ResponseWriter, r *http.Request) error {
	all, err := h.store.Implications(r.Context())
	if err != nil {
		return err
	}
	v, err := h.inference(r, httpx.Param(r, "prior_id"), all)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"role_inference": v, "links": object{"self": httpx.SelfURL(r)}})
}

func (h *handler) answerImplied(w http.ResponseWriter, r *http.Request, status int) error {
	i := implication(r)
	prior, err := h.store.Roles().Get(r.Context(), i.PriorID)
	if err != nil {
		return err
	}
	implied, err := h.store.Roles().Get(r.Context(), i.ImpliedID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, status, object{
		"role_inference": object{"prior_role": roleRef(r, prior), "implies": roleRef(r, implied)},
		"links":          object{"self": httpx.SelfURL(r)},
	})
}

func (h *handler) imply(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Imply(r.Context(), implication(r)); err != nil {
		return err
	}
	return h.answerImplied(w, r, http.StatusCreated)
}

func (h *handler) showImplied(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.CheckImplied(r.Context(), implication(r)); err != nil {
		return err
	}
	return h.answerImplied(w, r, http.StatusOK)
}

func (h *handler) checkImplied(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.CheckImplied(r.Context(), implication(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) unimply(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Unimply(r.Context(), implication(r)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) listInferences(w http.ResponseWriter, r *http.Request) error {
	all, err := h.store.Implications(r.Context())
	if err != nil {
		return err
	}
	out := []object{}
	for n, i := range all {
		if n > 0 && all[n-1].PriorID == i.PriorID {
			continue // they are sorted by prior
		}
		v, err := h.inference(r, i.PriorID, all)
		if err != nil {
			return err
		}
		out = append(out, v)
	}
	return httpx.JSON(w, http.StatusOK, object{"role_inferences": out, "links": object{"self": httpx.SelfURL(r)}})
}
