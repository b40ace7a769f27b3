package api

import (
	"context"
	"encoding/json"
	"errors"
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

// userRefIn names a user, with what shows that it is he.
type userRefIn struct {
	ID, Name, Password, Passcode string
	Domain                       domainRef
}

func (u *userRefIn) ref() identity.UserRef {
	return identity.UserRef{ID: u.ID, Name: u.Name, DomainID: u.Domain.ID, DomainName: u.Domain.Name}
}

// authRequest is the body of POST /auth/tokens.
type authRequest struct {
	Auth struct {
		Identity struct {
			Methods       []string
			Password      struct{ User userRefIn }
			TOTP          struct{ User userRefIn }
			Token         struct{ ID string }
			AppCredential struct {
				ID, Name, Secret string
				User             userRefIn
			} `json:"application_credential"`
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
	Trust    *struct{ ID string } `json:"OS-TRUST:trust"`
}

func (in *authRequest) credentials() (identity.Credentials, error) {
	id := in.Auth.Identity
	c := identity.Credentials{
		Methods: id.Methods, TokenID: id.Token.ID, User: id.Password.User.ref(), Password: id.Password.User.Password,
		TOTPUser: id.TOTP.User.ref(), Passcode: id.TOTP.User.Passcode,
		AppCredID: id.AppCredential.ID, AppCredName: id.AppCredential.Name, AppCredUser: id.AppCredential.User.ref(), AppCredSecret: id.AppCredential.Secret,
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
	named := 0
	for _, is := range []bool{sc.Project != nil, sc.Domain != nil, sc.System != nil, sc.Trust != nil} {
		if is {
			named++
		}
	}
	if named > 1 {
		return c, fault.Invalidf("Expecting to find exactly one of: domain, project, system or OS-TRUST:trust in scope.")
	}
	switch {
	case sc.Unscoped != nil:
		c.Unscoped = true
	case sc.Trust != nil:
		c.TrustID = sc.Trust.ID
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
	c.OAuth, c.Receipt = oauthRequest(r), r.Header.Get("Openstack-Auth-Receipt")
	t, err := h.svc.SignIn(r.Context(), c)
	var more *identity.MoreFactors
	if errors.As(err, &more) {
		return answerReceipt(w, &more.Receipt)
	}
	if err != nil {
		return err
	}
	return h.answerToken(w, r, http.StatusCreated, t)
}

// answerReceipt says which methods are still needed.
func answerReceipt(w http.ResponseWriter, rec *identity.Receipt) error {
	w.Header().Set("Openstack-Auth-Receipt", rec.ID)
	return httpx.JSON(w, http.StatusUnauthorized, object{
		"receipt": object{
			"methods": rec.Methods, "issued_at": stamp(rec.IssuedAt), "expires_at": stamp(rec.ExpiresAt),
			"user": object{"id": rec.User.ID, "name": rec.User.Name, "domain": object{"id": rec.Domain.ID, "name": rec.Domain.Name}},
		},
		"required_auth_methods": rec.Required,
	})
}

// subject validates the token that a request is about. A service may ask for
// one that has expired, to finish what began in time.
func (h *handler) subject(r *http.Request) (*identity.Token, error) {
	id := r.Header.Get("X-Subject-Token")
	if id == "" {
		return nil, fault.NotFoundf("Could not find token: .")
	}
	validate := h.svc.Validate
	if flag(r.URL.Query(), "allow_expired") && auth.From(r.Context()).HasRole("service") {
		validate = h.svc.ValidateExpired
	}
	t, err := validate(r.Context(), id)
	// Who does not know access rules must not take the token for one that may
	// do everything.
	if err == nil && len(t.AccessRules) > 0 && r.Header.Get("Openstack-Identity-Access-Rules") == "" && r.Method != http.MethodDelete {
		return nil, fault.NotFoundf("Could not find token.")
	}
	return t, err
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
	if !flag(r.URL.Query(), "nocatalog") && t.Scope != (identity.Scope{}) {
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
		"user": object{"id": t.User.ID, "name": t.User.Name, "domain": domain(t.UserDomain), "password_expires_at": expiry(t.User.PasswordExpiresAt)},
	}
	if t.Federation.ProviderID != "" {
		groups := make([]object, len(t.Federation.Groups))
		for i, g := range t.Federation.Groups {
			groups[i] = object{"id": g}
		}
		v["user"].(object)["OS-FEDERATION"] = object{
			"identity_provider": object{"id": t.Federation.ProviderID}, "protocol": object{"id": t.Federation.ProtocolID}, "groups": groups,
		}
	}
	delegation(v, t)
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

// delegation shows what a token that carries less than its user's rights was
// got by.
func delegation(v object, t *identity.Token) {
	if t.Trust != nil {
		v["OS-TRUST:trust"] = object{
			"id": t.Trust.ID, "impersonation": t.Trust.Impersonation,
			"trustor_user": object{"id": t.Trust.TrustorID}, "trustee_user": object{"id": t.Trust.TrusteeID},
		}
	}
	if c := t.AppCredential; c != nil {
		shown := object{"id": c.ID, "name": c.Name, "restricted": !c.Unrestricted}
		if len(t.AccessRules) > 0 {
			rules := make([]object, len(t.AccessRules))
			for i := range t.AccessRules {
				rules[i] = ruleFields(&t.AccessRules[i])
			}
			shown["access_rules"] = rules
		}
		v["application_credential"] = shown
	}
	if t.AccessToken != nil {
		v["OS-OAUTH1"] = object{"access_token_id": t.AccessToken.ID, "consumer_id": t.AccessToken.ConsumerID}
	}
}

// stamp writes a time as Keystone does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// catalog lists the services with their endpoints, as one project sees them.
func (h *handler) catalog(ctx context.Context, projectID string) ([]object, error) {
	services, endpoints, err := h.svc.Catalog(ctx, projectID)
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
	c := auth.From(r.Context())
	if c.Scope() == "" {
		return fault.Forbiddenf("A project-scoped token is required to produce a service catalog.")
	}
	entries, err := h.catalog(r.Context(), c.ProjectID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, object{"catalog": entries, "links": object{"self": httpx.SelfURL(r)}})
}

func (h *handler) ownProjects(w http.ResponseWriter, r *http.Request) error {
	return h.ownScopes(w, r, "projects", false, projectView)
}

func (h *handler) ownDomains(w http.ResponseWriter, r *http.Request) error {
	return h.ownScopes(w, r, "domains", true, domainView)
}

func (h *handler) ownScopes(w http.ResponseWriter, r *http.Request, name string, domains bool, view func(*http.Request, *identity.Project) object) error {
	actors, err := h.actorsOf(r)
	if err != nil {
		return err
	}
	items, err := h.store.ProjectsOf(r.Context(), actors, domains)
	if err != nil {
		return err
	}
	return list(w, r, name, items, view)
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

// events lists what ended tokens since a time.
func (h *handler) events(w http.ResponseWriter, r *http.Request) error {
	since := time.Time{}
	if text := r.URL.Query().Get("since"); text != "" {
		at, err := timeIn("since", &text)
		if err != nil {
			return err
		}
		since = *at
	}
	found, err := h.svc.Events(r.Context(), since)
	if err != nil {
		return err
	}
	out := make([]object, len(found))
	for i, e := range found {
		v := object{"issued_before": stamp(e.RevokedAt), "revoked_at": stamp(e.RevokedAt)}
		for key, id := range map[string]string{
			"audit_id": e.AuditID, "user_id": e.UserID, "project_id": e.ProjectID, "domain_id": e.DomainID, "role_id": e.RoleID, "OS-TRUST:trust_id": e.TrustID,
		} {
			if id != "" {
				v[key] = id
			}
		}
		out[i] = v
	}
	return httpx.JSON(w, http.StatusOK, object{"events": out, "links": object{"self": httpx.SelfURL(r), "previous": nil, "next": nil}})
}
