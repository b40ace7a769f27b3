package dashboard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"nubo/sdk/identity"
	"nubo/sdk/rest"
)

// project is one the user may act in.
type project struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	DomainID string `json:"domain_id"`
}

// account is what the page knows of who is signed in.
type account struct {
	User     identity.Ref  `json:"user"`
	Project  *identity.Ref `json:"project"`
	Domain   *identity.Ref `json:"domain"`
	System   bool          `json:"system"`
	Roles    []string      `json:"roles"`
	Expires  time.Time     `json:"expires_at"`
	Projects []project     `json:"projects"`
	// SystemScope: the user may act on the whole system.
	SystemScope bool `json:"system_scope"`
	// AuthURL is identity's address, for openrc and clouds.yaml.
	AuthURL string `json:"auth_url"`
	// Services are the types in the catalog: a page of another is not shown.
	Services []string `json:"services"`
}

// signIn takes a name and a password.
func (s *Service) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Domain, User, Password string }
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	if in.User == "" || in.Password == "" {
		return refuse(http.StatusBadRequest, "A user's name and password are wanted.")
	}
	user := map[string]any{"name": in.User, "password": in.Password, "domain": map[string]string{"name": cmp.Or(in.Domain, "Default")}}
	token, t, err := s.authenticate(r.Context(), map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": user}}, "scope": "unscoped",
	})
	if err != nil {
		return err
	}
	v := session{Unscoped: token, Expires: t.ExpiresAt}
	if err := s.firstScope(r.Context(), &v); err != nil {
		return err
	}
	return s.welcome(w, r, v)
}

// firstScope chooses the scope a user starts in: the first project by name;
// the system, if that is all there is.
func (s *Service) firstScope(ctx context.Context, v *session) error {
	projects, system, err := s.scopes(ctx, v.Unscoped)
	if err != nil {
		return err
	}
	var scope map[string]any
	switch {
	case len(projects) > 0:
		scope = map[string]any{"project": map[string]string{"id": projects[0].ID}}
	case system:
		scope = map[string]any{"system": map[string]bool{"all": true}}
	default:
		return nil
	}
	return s.rescope(ctx, v, scope)
}

// chooseScope moves a session to another project, domain, or the system.
func (s *Service) chooseScope(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		ProjectID string `json:"project_id"`
		DomainID  string `json:"domain_id"`
		System    bool   `json:"system"`
	}
	if err := readJSON(w, r, &in); err != nil {
		return err
	}
	var scope map[string]any
	switch {
	case in.ProjectID != "" && in.DomainID == "" && !in.System:
		scope = map[string]any{"project": map[string]string{"id": in.ProjectID}}
	case in.DomainID != "" && in.ProjectID == "" && !in.System:
		scope = map[string]any{"domain": map[string]string{"id": in.DomainID}}
	case in.System && in.ProjectID == "" && in.DomainID == "":
		scope = map[string]any{"system": map[string]bool{"all": true}}
	default:
		return refuse(http.StatusBadRequest, "Exactly one of project_id, domain_id and system is wanted.")
	}
	v := current(r)
	old := v.Token
	if err := s.rescope(r.Context(), &v, scope); err != nil {
		return err
	}
	s.revoke(r.Context(), old)
	return s.welcome(w, r, v)
}

// rescope buys the session a token of another scope.
func (s *Service) rescope(ctx context.Context, v *session, scope map[string]any) error {
	token, _, err := s.authenticate(ctx, map[string]any{
		"identity": map[string]any{"methods": []string{"token"}, "token": map[string]string{"id": v.Unscoped}}, "scope": scope,
	})
	if err == nil {
		v.Token = token
	}
	return err
}

// signOut ends the session, here and in identity.
func (s *Service) signOut(w http.ResponseWriter, r *http.Request) error {
	v := current(r)
	s.revoke(r.Context(), v.Token)
	s.revoke(r.Context(), v.Unscoped)
	forget(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revoke ends a token. One that cannot be ended now ends by itself.
func (s *Service) revoke(ctx context.Context, token string) {
	if token == "" {
		return
	}
	if err := s.tokens(token).Revoke(ctx, token); err != nil && !errors.Is(err, identity.ErrToken) {
		s.log.WarnContext(ctx, "a token is not revoked", "error", err)
	}
}

// tokens asks identity about a token in that token's own name.
func (s *Service) tokens(token string) identity.Client {
	return identity.Client{Client: s.client("identity", token)}
}

// ended reports whether identity said that a token is not valid any more.
func ended(err error) bool {
	return errors.Is(err, identity.ErrToken) || rest.IsStatus(err, http.StatusUnauthorized)
}

// showSession tells the page who is signed in.
func (s *Service) showSession(w http.ResponseWriter, r *http.Request) error {
	a, err := s.account(r.Context(), current(r))
	if ended(err) {
		forget(w, r)
		return errNoSession
	}
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

// welcome remembers a session and tells the page of it.
func (s *Service) welcome(w http.ResponseWriter, r *http.Request, v session) error {
	a, err := s.account(r.Context(), v)
	if err != nil {
		return err
	}
	if err := s.remember(w, r, v); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, a)
	return nil
}

// account describes a session.
func (s *Service) account(ctx context.Context, v session) (*account, error) {
	token := cmp.Or(v.Token, v.Unscoped)
	t, err := s.tokens(token).Describe(ctx, token)
	if err != nil {
		return nil, err
	}
	a := &account{User: t.User, Project: t.Project, Domain: t.Domain, System: len(t.System) > 0, AuthURL: s.services["identity"].Endpoint, Expires: v.Expires, Roles: []string{}, Services: []string{}}
	for _, role := range t.Roles {
		a.Roles = append(a.Roles, role.Name)
	}
	for _, entry := range t.Catalog {
		a.Services = append(a.Services, entry.Type)
	}
	slices.Sort(a.Services)
	a.Projects, a.SystemScope, err = s.scopes(ctx, v.Unscoped)
	return a, err
}

// scopes are where a user may act.
func (s *Service) scopes(ctx context.Context, token string) (projects []project, system bool, err error) {
	c := s.client("identity", token)
	var p struct{ Projects []project }
	if err := c.Get(ctx, "/auth/projects", &p); err != nil {
		return nil, false, err
	}
	slices.SortFunc(p.Projects, func(a, b project) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	var sys struct{ System []map[string]bool }
	if err := c.Get(ctx, "/auth/system", &sys); err != nil {
		return nil, false, err
	}
	return p.Projects, len(sys.System) > 0, nil
}

// authenticate buys a token.
func (s *Service) authenticate(ctx context.Context, auth map[string]any) (string, *identity.Token, error) {
	return identity.Issue(ctx, s.http, s.services["identity"].Endpoint+"/auth/tokens", auth)
}
