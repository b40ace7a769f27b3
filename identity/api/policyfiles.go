package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/httpx"
)

func policyView(r *http.Request, p *identity.Policy) object {
	return object{"id": p.ID, "type": p.Type, "blob": p.Blob, "links": self(r, "/policies/"+p.ID)}.with(p.Extra)
}

type policyIn struct{ Type, Blob *string }

func (in *policyIn) apply(p *identity.Policy, extra map[string]any) {
	set(&p.Type, in.Type)
	set(&p.Blob, in.Blob)
	p.Extra = merged(p.Extra, extra)
}

func (h *handler) listPolicies(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Policies(), "policies", httpx.FilterSpec{"type": httpx.Text}, policyView)
}

func (h *handler) createPolicy(w http.ResponseWriter, r *http.Request) error {
	var in policyIn
	extra, err := body(r, "policy", &in, "type", "blob")
	if err != nil {
		return err
	}
	p := &identity.Policy{}
	in.apply(p, extra)
	if err := h.svc.CreatePolicy(r.Context(), p); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "policy", p, policyView)
}

func (h *handler) updatePolicy(w http.ResponseWriter, r *http.Request) error {
	var in policyIn
	extra, err := body(r, "policy", &in, "type", "blob")
	if err != nil {
		return err
	}
	p, err := h.svc.UpdatePolicy(r.Context(), httpx.Param(r, "policy_id"), func(p *identity.Policy) { in.apply(p, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "policy", p, policyView)
}

// association reads a policy's association off the path of its URL.
func association(r *http.Request) identity.PolicyAssociation {
	return identity.PolicyAssociation{
		PolicyID: httpx.Param(r, "policy_id"), EndpointID: httpx.Param(r, "endpoint_id"),
		ServiceID: httpx.Param(r, "service_id"), RegionID: httpx.Param(r, "region_id"),
	}
}

func (h *handler) associate(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.AssociatePolicy(r.Context(), association(r)))
}

func (h *handler) checkAssociation(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.CheckPolicyAssociation(r.Context(), association(r)))
}

func (h *handler) dissociate(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.DissociatePolicy(r.Context(), association(r)))
}

func (h *handler) policyEndpoints(w http.ResponseWriter, r *http.Request) error {
	items, err := h.svc.EndpointsOf(r.Context(), httpx.Param(r, "policy_id"))
	if err != nil {
		return err
	}
	return list(w, r, "endpoints", items, endpointView)
}
