package api

import (
	"net/http"
	"slices"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

func (h *handler) trustView(r *http.Request, t *identity.Trust) (object, error) {
	roles, err := h.svc.RolesByID(r.Context(), t.Roles)
	if err != nil {
		return nil, err
	}
	shown := make([]object, len(roles))
	for i := range roles {
		shown[i] = roleView(r, &roles[i])
	}
	v := trustFields(r, t)
	v["roles"] = shown
	v["roles_links"] = object{"self": self(r, "/OS-TRUST/trusts/"+t.ID+"/roles")["self"], "previous": nil, "next": nil}
	return v, nil
}

// trustFields is a trust as lists show it, without its roles.
func trustFields(r *http.Request, t *identity.Trust) object {
	v := object{
		"id": t.ID, "trustor_user_id": t.TrustorID, "trustee_user_id": t.TrusteeID, "project_id": nullable(t.ProjectID),
		"impersonation": t.Impersonation, "expires_at": nil, "deleted_at": nil, "remaining_uses": t.RemainingUses,
		"redelegated_trust_id": nullable(t.RedelegatedTrustID), "redelegation_count": t.RedelegationCount, "links": self(r, "/OS-TRUST/trusts/"+t.ID),
	}
	if t.ExpiresAt != nil {
		v["expires_at"] = stamp(*t.ExpiresAt)
	}
	return v
}

func (h *handler) createTrust(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Trust struct {
			Trustor           string `json:"trustor_user_id"`
			Trustee           string `json:"trustee_user_id"`
			ProjectID         string `json:"project_id"`
			Impersonation     bool
			ExpiresAt         *string `json:"expires_at"`
			RemainingUses     *int    `json:"remaining_uses"`
			Roles             []roleRefIn
			AllowRedelegation bool `json:"allow_redelegation"`
			RedelegationCount *int `json:"redelegation_count"`
		}
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	until, err := timeIn("expires_at", in.Trust.ExpiresAt)
	if err != nil {
		return err
	}
	t, err := h.svc.CreateTrust(r.Context(), by, identity.NewTrust{
		Trust: identity.Trust{
			TrustorID: in.Trust.Trustor, TrusteeID: in.Trust.Trustee, ProjectID: in.Trust.ProjectID,
			Impersonation: in.Trust.Impersonation, ExpiresAt: until, RemainingUses: in.Trust.RemainingUses,
		},
		Roles: roleRefs(in.Trust.Roles), AllowRedelegation: in.Trust.AllowRedelegation, RedelegationCount: in.Trust.RedelegationCount,
	})
	if err != nil {
		return err
	}
	v, err := h.trustView(r, t)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusCreated, object{"trust": v})
}

// listTrusts lists those of a trustor or of a trustee, all of them to who may
// see all.
func (h *handler) listTrusts(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	fixed := []db.Filter{}
	for param, column := range map[string]string{"trustor_user_id": "trustor_id", "trustee_user_id": "trustee_id"} {
		if id := q.Get(param); id != "" {
			fixed = append(fixed, equal(column, id))
		}
	}
	items, err := rows(r, h.store.Trusts(), httpx.FilterSpec{}, fixed...)
	if err != nil {
		return err
	}
	return list(w, r, "trusts", items, trustFields)
}

// trustsTarget is whose trusts are asked for.
func (h *handler) trustsTarget(r *http.Request) (policy.Target, error) {
	q := r.URL.Query()
	t := policy.Target{}
	if id := q.Get("trustor_user_id"); id != "" {
		t["target.trust.trustor_user_id"] = id
	}
	if id := q.Get("trustee_user_id"); id != "" {
		t["target.trust.trustee_user_id"] = id
	}
	return t, nil
}

// newTrustTarget is who would be the trustor.
func (h *handler) newTrustTarget(r *http.Request) (policy.Target, error) {
	var in struct {
		Trust struct {
			Trustor string `json:"trustor_user_id"`
		}
	}
	if err := httpx.Decode(r, &in); err != nil || in.Trust.Trustor == "" {
		// the schema refuses it, after the policy has let it pass
		return policy.Target{"target.trust.trustor_user_id": auth.From(r.Context()).UserID}, nil //nolint:nilerr // see above
	}
	return policy.Target{"target.trust.trustor_user_id": in.Trust.Trustor}, nil
}

func (h *handler) showTrust(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Trust(r.Context(), httpx.Param(r, "trust_id"))
	if err != nil {
		return err
	}
	v, err := h.trustView(r, t)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"trust": v})
}

func (h *handler) trustRoles(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Trust(r.Context(), httpx.Param(r, "trust_id"))
	if err != nil {
		return err
	}
	roles, err := h.svc.RolesByID(r.Context(), t.Roles)
	if err != nil {
		return err
	}
	return list(w, r, "roles", roles, roleView)
}

func (h *handler) trustRole(w http.ResponseWriter, r *http.Request) error {
	t, err := h.svc.Trust(r.Context(), httpx.Param(r, "trust_id"))
	if err != nil {
		return err
	}
	return h.delegatedRole(w, r, t.Roles)
}

// delegatedRole shows the role a path names, if it is one of those that a
// trust or an access token delegates.
func (h *handler) delegatedRole(w http.ResponseWriter, r *http.Request, delegated []string) error {
	id := httpx.Param(r, "role_id")
	if !slices.Contains(delegated, id) {
		return fault.NotFoundf("Could not find role: %s.", id)
	}
	role, err := h.store.Roles().Get(r.Context(), id)
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "role", role, roleView)
}
