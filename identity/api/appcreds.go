package api

import (
	"net/http"
	"time"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// roleRefIn names a role by id, or by name and domain.
type roleRefIn struct {
	ID, Name string
	Domain   domainRef
}

func roleRefs(in []roleRefIn) []identity.RoleRef {
	var out []identity.RoleRef
	for _, r := range in {
		out = append(out, identity.RoleRef{ID: r.ID, Name: r.Name, DomainID: r.Domain.ID})
	}
	return out
}

// caller is the token that the request came with.
func (h *handler) caller(r *http.Request) (*identity.Token, error) {
	return h.svc.Validate(r.Context(), auth.From(r.Context()).Token)
}

// by has the token that a request comes with asked whether it may.
func (h *handler) by(may func(*identity.Token) error) httpx.Option {
	return httpx.Before(func(r *http.Request) error {
		t, err := h.caller(r)
		if err != nil {
			return err
		}
		return may(t)
	})
}

// timeIn reads a time as clients write it; "" and null are none.
func timeIn(field string, text *string) (*time.Time, error) {
	if text == nil || *text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02 15:04:05.999999"} {
		if at, err := time.Parse(layout, *text); err == nil {
			if at.Year() < 1970 || at.Year() > 9999 {
				break
			}
			at = at.UTC()
			return &at, nil
		}
	}
	return nil, fault.Invalidf("Invalid input for field '%s': '%s' is not a time in ISO 8601", field, *text)
}

// roleNames shows roles with their domains.
func roleNames(roles []identity.Role) []object {
	out := make([]object, len(roles))
	for i, v := range roles {
		out[i] = object{"id": v.ID, "name": v.Name, "domain_id": nullable(v.DomainID)}
	}
	return out
}

func (h *handler) appCredentialView(r *http.Request, c *identity.AppCredential) (object, error) {
	roles, err := h.svc.RolesByID(r.Context(), c.Roles)
	if err != nil {
		return nil, err
	}
	v := object{
		"id": c.ID, "name": c.Name, "description": nullable(c.Description), "project_id": c.ProjectID, "user_id": c.UserID,
		"unrestricted": c.Unrestricted, "expires_at": expiry(c.ExpiresAt), "roles": roleNames(roles), "system": nil,
		"links": self(r, "/users/"+c.UserID+"/application_credentials/"+c.ID),
	}
	if len(c.AccessRules) > 0 {
		rules, err := h.svc.RulesOf(r.Context(), c)
		if err != nil {
			return nil, err
		}
		shown := make([]object, len(rules))
		for i := range rules {
			shown[i] = ruleFields(&rules[i])
		}
		v["access_rules"] = shown
	}
	return v, nil
}

func ruleFields(v *identity.AccessRule) object {
	return object{"id": v.ID, "service": v.Service, "method": v.Method, "path": v.Path}
}

func accessRuleView(r *http.Request, v *identity.AccessRule) object {
	out := ruleFields(v)
	out["links"] = self(r, "/users/"+v.UserID+"/access_rules/"+v.ID)
	return out
}

func (h *handler) createAppCredential(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		C struct {
			Name         string
			Description  string
			Secret       string
			ExpiresAt    *string `json:"expires_at"`
			Unrestricted bool
			Roles        []roleRefIn
			AccessRules  []identity.AccessRule `json:"access_rules"`
		} `json:"application_credential"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	until, err := timeIn("expires_at", in.C.ExpiresAt)
	if err != nil {
		return err
	}
	c := &identity.AppCredential{Name: in.C.Name, Description: in.C.Description, Unrestricted: in.C.Unrestricted, ExpiresAt: until}
	secret, err := h.svc.CreateAppCredential(r.Context(), by, c, in.C.Secret, roleRefs(in.C.Roles), in.C.AccessRules)
	if err != nil {
		return err
	}
	v, err := h.appCredentialView(r, c)
	if err != nil {
		return err
	}
	v["secret"] = secret
	return httpx.JSON(w, http.StatusCreated, object{"application_credential": v})
}

func (h *handler) listAppCredentials(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	items, err := rows(r, h.store.AppCredentials(), httpx.FilterSpec{"name": httpx.Text}, equal("user_id", httpx.Param(r, "user_id")))
	if err != nil {
		return err
	}
	return listErr(w, r, "application_credentials", items, h.appCredentialView)
}

func (h *handler) showAppCredential(w http.ResponseWriter, r *http.Request) error {
	c, err := h.svc.UserAppCredential(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "application_credential_id"))
	if err != nil {
		return err
	}
	v, err := h.appCredentialView(r, c)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"application_credential": v})
}

func (h *handler) deleteAppCredential(w http.ResponseWriter, r *http.Request) error {
	by, err := h.caller(r)
	if err != nil {
		return err
	}
	return done(w, h.svc.DeleteAppCredential(r.Context(), by, httpx.Param(r, "user_id"), httpx.Param(r, "application_credential_id")))
}

func (h *handler) listAccessRules(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.AccessRules(), "access_rules", httpx.FilterSpec{"service": httpx.Text, "method": httpx.Text, "path": httpx.Text},
		accessRuleView, equal("user_id", httpx.Param(r, "user_id")))
}

func (h *handler) showAccessRule(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.UserAccessRule(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_rule_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "access_rule", v, accessRuleView)
}

func (h *handler) deleteAccessRule(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.DeleteAccessRule(r.Context(), httpx.Param(r, "user_id"), httpx.Param(r, "access_rule_id")))
}
