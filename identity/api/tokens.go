package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

// domainRef names a domain by id or by name.
type domainRef struct{ ID, Name string }

// authRequest is the body of POST /auth/tokens.
type authRequest struct {
	Auth struct {
		Identity struct {
			Methods  []string
			Password struct {
				User struct {
					ID, Name, Password string
					Domain             domainRef
				}
			}
			Token struct{ ID string }
		}
		Scope json.RawMessage
	}
}

// scopeRequest is the object form of a scope.
type scopeRequest struct {
	Project *struct {
		ID, Name string
		Domain   domainRef
	}
	Domain   *domainRef
	System   *struct{ All bool }
	Unscoped *struct{}
}

func (in *authRequest) credentials() (identity.Credentials, error) {
	id := in.Auth.Identity
	c := identity.Credentials{
		Methods: id.Methods, TokenID: id.Token.ID, Password: id.Password.User.Password,
		UserID: id.Password.User.ID, UserName: id.Password.User.Name,
		UserDomainID: id.Password.User.Domain.ID, UserDomN: id.Password.User.Domain.Name,
	}
	raw := in.Auth.Scope
	if len(raw) == 0 || string(raw) == "null" {
		return c, nil
	}
	if raw[0] == '"' {
		c.Unscoped = true // the schema knows no other word
		return c, nil
	}
	var sc scopeRequest
	if err := json.Unmarshal(raw, &sc); err != nil {
		return c, fault.Invalidf("Invalid input for field 'scope': %s", err.Error())
	}
	switch {
	case sc.Unscoped != nil:
		c.Unscoped = true
	case sc.System != nil && sc.System.All:
		c.System = true
	case sc.Project != nil:
		c.ProjectID, c.ProjectName = sc.Project.ID, sc.Project.Name
		c.ProjectDomainID, c.ProjectDomN = sc.Project.Domain.ID, sc.Project.Domain.Name
		if c.ProjectID == "" && c.ProjectName == "" {
			return c, fault.Invalidf("Expecting to find project name or id in scope.")
		}
	case sc.Domain != nil:
		c.DomainID, c.DomainName = sc.Domain.ID, sc.Domain.Name
	}
	return c, nil
}

func (h *handler) issueToken(w http.ResponseWriter, r *http.Request) error {
	var in authRequest
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	c, err := in.credentials()
	if err != nil {
		return err
	}
	t, err := h.svc.SignIn(r.Context(), c)
	if fault.Is(err, fault.NotFound) { // no role in the scope, or it was switched off meanwhile
		err = errUnauthorized
	}
	if err != nil {
		return err
	}
	return h.answerToken(w, r, http.StatusCreated, t)
}

// subject validates the token that a request is about.
func (h *handler) subject(r *http.Request) (*identity.Token, error) {
	id := r.Header.Get("X-Subject-Token")
	if id == "" {
		return nil, fault.NotFoundf("Could not find token: .")
	}
	return h.svc.Validate(r.Context(), id)
}

func (h *handler) tokenTarget(r *http.Request) (policy.Target, error) {
	t, err := h.subject(r)
	if err != nil {
		return nil, err
	}
	return policy.Target{"target.token.user_id": t.UserID}, nil
}

func (h *handler) validateToken(w http.ResponseWriter, r *http.Request) error {
	t, err := h.subject(r)
	if err != nil {
		return err
	}
	return h.answerToken(w, r, http.StatusOK, t)
}

func (h *handler) checkToken(w http.ResponseWriter, r *http.Request) error {
	t, err := h.subject(r)
	if err != nil {
		return err
	}
	w.Header().Set("X-Subject-Token", t.ID)
	return httpx.NoContent(w, http.StatusOK)
}

func (h *handler) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Revoke(r.Context(), r.Header.Get("X-Subject-Token")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) answerToken(w http.ResponseWriter, r *http.Request, status int, t *identity.Token) error {
	v := tokenView(t)
	if _, no := r.URL.Query()["nocatalog"]; !no && t.Scope != (identity.Scope{}) {
		entries, err := h.catalog(r.Context(), t.Scope.ProjectID)
		if err != nil {
			return err
		}
		v["catalog"] = entries
	}
	w.Header().Set("X-Subject-Token", t.ID)
	w.Header().Set("Vary", "X-Auth-Token")
	return httpx.JSON(w, status, object{"token": v})
}

func tokenView(t *identity.Token) object {
	domain := func(d *identity.Project) object { return object{"id": d.ID, "name": d.Name} }
	v := object{
		"methods": t.Methods, "audit_ids": t.AuditIDs, "expires_at": stamp(t.ExpiresAt), "issued_at": stamp(t.IssuedAt),
		"user": object{"id": t.User.ID, "name": t.User.Name, "domain": domain(t.UserDomain), "password_expires_at": nil},
	}
	switch {
	case t.Project != nil:
		v["project"] = object{"id": t.Project.ID, "name": t.Project.Name, "domain": domain(t.ProjectDomain)}
		v["is_domain"] = t.Project.IsDomain
	case t.Domain != nil:
		v["domain"] = domain(t.Domain)
	case t.Scope.System:
		v["system"] = object{"all": true}
	default:
		return v
	}
	roles := make([]object, len(t.Roles))
	for i, role := range t.Roles {
		roles[i] = object{"id": role.ID, "name": role.Name}
	}
	v["roles"] = roles
	return v
}

// stamp writes a time as Keystone does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// catalog lists the services with their endpoints, as one project sees them.
func (h *handler) catalog(ctx context.Context, projectID string) ([]object, error) {
	services, endpoints, err := h.svc.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, v := range services {
		list := []object{}
		for _, e := range endpoints[v.ID] {
			list = append(list, object{
				"id": e.ID, "interface": e.Interface, "region": e.RegionID, "region_id": e.RegionID, "url": identity.EndpointURL(e.URL, projectID),
			})
		}
		out = append(out, object{"id": v.ID, "type": v.Type, "name": v.Name, "endpoints": list})
	}
	return out, nil
}

func (h *handler) ownCatalog(w http.ResponseWriter, r *http.Request) error {
	entries, err := h.catalog(r.Context(), auth.From(r.Context()).ProjectID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"catalog": entries, "links": object{"self": httpx.SelfURL(r)}})
}

func (h *handler) ownProjects(w http.ResponseWriter, r *http.Request) error {
	items, err := h.store.ProjectsOf(r.Context(), auth.From(r.Context()).UserID, false)
	if err != nil {
		return err
	}
	return list(w, r, "projects", items, projectView)
}

func (h *handler) ownDomains(w http.ResponseWriter, r *http.Request) error {
	items, err := h.store.ProjectsOf(r.Context(), auth.From(r.Context()).UserID, true)
	if err != nil {
		return err
	}
	return list(w, r, "domains", items, domainView)
}

func (h *handler) ownSystem(w http.ResponseWriter, r *http.Request) error {
	roles, err := h.svc.RolesOn(r.Context(), auth.From(r.Context()).UserID, identity.Scope{System: true})
	if err != nil {
		return err
	}
	out := []object{}
	if len(roles) > 0 {
		out = append(out, object{"all": true})
	}
	return httpx.JSON(w, http.StatusOK, object{"system": out, "links": object{"self": httpx.SelfURL(r)}})
}
