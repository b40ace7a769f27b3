package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

func registeredLimitView(r *http.Request, l *identity.RegisteredLimit) object {
	return object{
		"id": l.ID, "service_id": l.ServiceID, "region_id": nullable(l.RegionID), "resource_name": l.ResourceName, "default_limit": l.DefaultLimit,
		"description": nullable(l.Description), "links": self(r, "/registered_limits/"+l.ID),
	}
}

func limitView(r *http.Request, l *identity.Limit) object {
	return object{
		"id": l.ID, "project_id": nullable(l.ProjectID), "domain_id": nullable(l.DomainID), "service_id": l.ServiceID, "region_id": nullable(l.RegionID),
		"resource_name": l.ResourceName, "resource_limit": l.ResourceLimit, "description": nullable(l.Description), "links": self(r, "/limits/"+l.ID),
	}
}

// limitIn is what a request says of a limit of either kind.
type limitIn struct {
	ServiceID     *string `json:"service_id"`
	RegionID      *string `json:"region_id"`
	ResourceName  *string `json:"resource_name"`
	DefaultLimit  *int64  `json:"default_limit"`
	ResourceLimit *int64  `json:"resource_limit"`
	ProjectID     string  `json:"project_id"`
	DomainID      string  `json:"domain_id"`
	Description   *string
}

func (in *limitIn) registered(l *identity.RegisteredLimit) {
	set(&l.ServiceID, in.ServiceID)
	set(&l.RegionID, in.RegionID)
	set(&l.ResourceName, in.ResourceName)
	set(&l.DefaultLimit, in.DefaultLimit)
	set(&l.Description, in.Description)
}

var registeredFilters = httpx.FilterSpec{"service_id": httpx.Text, "region_id": httpx.Text, "resource_name": httpx.Text}

func (h *handler) listRegisteredLimits(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.RegisteredLimits(), "registered_limits", registeredFilters, registeredLimitView)
}

func (h *handler) createRegisteredLimits(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Limits []limitIn `json:"registered_limits"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	made := make([]identity.RegisteredLimit, len(in.Limits))
	for i := range made {
		in.Limits[i].registered(&made[i])
	}
	if err := h.svc.CreateRegisteredLimits(r.Context(), made); err != nil {
		return err
	}
	return created(w, r, "registered_limits", made, registeredLimitView)
}

// created answers with several new resources.
func created[T any](w http.ResponseWriter, r *http.Request, name string, items []T, view func(*http.Request, *T) object) error {
	out := make([]object, len(items))
	for i := range items {
		out[i] = view(r, &items[i])
	}
	return httpx.JSON(w, http.StatusCreated, object{name: out, "links": object{"self": httpx.SelfURL(r), "previous": nil, "next": nil}})
}

func (h *handler) updateRegisteredLimit(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Limit limitIn `json:"registered_limit"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	l, err := h.svc.UpdateRegisteredLimit(r.Context(), httpx.Param(r, "registered_limit_id"), in.Limit.registered)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "registered_limit", l, registeredLimitView)
}

func (h *handler) limitModel(w http.ResponseWriter, _ *http.Request) error {
	return httpx.JSON(w, http.StatusOK, object{"model": object{
		"name": "flat", "description": "Limit enforcement and validation does not take project hierarchy into consideration.",
	}})
}

// listLimits lists those of the caller's project or domain; who may see all
// sees all.
func (h *handler) listLimits(w http.ResponseWriter, r *http.Request) error {
	c := auth.From(r.Context())
	fixed := []db.Filter{}
	if !httpx.Allowed(r.Context(), "identity:get_limit", policy.Target{}) && !c.HasRole("service") {
		switch {
		case c.ProjectID != "":
			fixed = append(fixed, equal("project_id", c.ProjectID))
		case c.DomainID != "":
			fixed = append(fixed, equal("domain_id", c.DomainID))
		default:
			return fault.Forbiddenf("You are not authorized to perform the requested action: identity:list_limits.")
		}
	}
	return listTable(w, r, h.store.Limits(), "limits", httpx.FilterSpec{
		"service_id": httpx.Text, "region_id": httpx.Text, "resource_name": httpx.Text, "project_id": httpx.Text, "domain_id": httpx.Text,
	}, limitView, fixed...)
}

func (h *handler) createLimits(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Limits []limitIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	made := make([]identity.Limit, len(in.Limits))
	for i := range made {
		l, from := &made[i], &in.Limits[i]
		l.ProjectID, l.DomainID = from.ProjectID, from.DomainID
		set(&l.ServiceID, from.ServiceID)
		set(&l.RegionID, from.RegionID)
		set(&l.ResourceName, from.ResourceName)
		set(&l.ResourceLimit, from.ResourceLimit)
		set(&l.Description, from.Description)
	}
	if err := h.svc.CreateLimits(r.Context(), made); err != nil {
		return err
	}
	return created(w, r, "limits", made, limitView)
}

func (h *handler) updateLimit(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Limit limitIn }
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	l, err := h.svc.UpdateLimit(r.Context(), httpx.Param(r, "limit_id"), func(l *identity.Limit) {
		set(&l.ResourceLimit, in.Limit.ResourceLimit)
		set(&l.Description, in.Limit.Description)
	})
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "limit", l, limitView)
}

func (h *handler) limitTarget(r *http.Request) (policy.Target, error) {
	l, err := h.store.Limits().Get(r.Context(), httpx.Param(r, "limit_id"))
	if err != nil {
		return hide(err)
	}
	t := policy.Target{}
	if l.ProjectID != "" {
		t["target.limit.project_id"] = l.ProjectID
		if p, err := h.store.Projects().Get(r.Context(), l.ProjectID); err == nil {
			t["target.limit.project.domain_id"] = p.DomainID
		}
	}
	if l.DomainID != "" {
		t["target.limit.domain.id"] = l.DomainID
	}
	return t, nil
}
