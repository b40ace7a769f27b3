package api

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

type userIn struct {
	Name             *string
	Description      *string
	Email            *string
	Enabled          *bool
	DomainID         *string `json:"domain_id"`
	DefaultProjectID *string `json:"default_project_id"`
	Password         *string
	Options          *map[string]any
	Federated        []federatedIn
}

// federatedIn is what one provider calls a user, by protocol.
type federatedIn struct {
	ProviderID string         `json:"idp_id"`
	Protocols  []federatedKey `json:"protocols"`
}

type federatedKey struct {
	ProtocolID string `json:"protocol_id"`
	UniqueID   string `json:"unique_id"`
}

var userKeys = []string{"name", "description", "email", "enabled", "domain_id", "default_project_id", "password", "options", "password_expires_at", "federated"}

func (in *userIn) apply(u *identity.User, extra map[string]any) {
	set(&u.Name, in.Name)
	set(&u.Description, in.Description)
	set(&u.Email, in.Email)
	set(&u.Enabled, in.Enabled)
	set(&u.DefaultProjectID, in.DefaultProjectID)
	if in.Options != nil {
		u.Options = identity.MergeOptions(u.Options, *in.Options)
	}
	for _, f := range in.Federated {
		for _, p := range f.Protocols {
			u.Federated = append(u.Federated, identity.FederatedID{ProviderID: f.ProviderID, ProtocolID: p.ProtocolID, UniqueID: p.UniqueID})
		}
	}
	u.Extra = merged(u.Extra, extra)
}

func (in *userIn) password() (p string) {
	set(&p, in.Password)
	return p
}

func userView(r *http.Request, u *identity.User) object {
	v := object{
		"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled, "password_expires_at": expiry(u.PasswordExpiresAt),
		"options": orEmpty(u.Options), "links": self(r, "/users/"+u.ID),
	}
	for key, value := range map[string]string{"default_project_id": u.DefaultProjectID, "description": u.Description, "email": u.Email} {
		if value != "" {
			v[key] = value
		}
	}
	var federated []federatedIn
	for _, f := range u.Federated {
		key := federatedKey{f.ProtocolID, f.UniqueID}
		if n := len(federated); n > 0 && federated[n-1].ProviderID == f.ProviderID {
			federated[n-1].Protocols = append(federated[n-1].Protocols, key)
			continue
		}
		federated = append(federated, federatedIn{f.ProviderID, []federatedKey{key}})
	}
	if federated != nil {
		v["federated"] = federated
	}
	return v.with(u.Extra)
}

// expiry shows a time that may be absent.
func expiry(at *time.Time) any {
	if at == nil {
		return nil
	}
	return at.UTC().Format("2006-01-02T15:04:05.000000")
}

var userFilters = httpx.FilterSpec{
	"name": httpx.Text, "domain_id": httpx.Text, "enabled": httpx.Bool, "idp_id": httpx.Text, "protocol_id": httpx.Text, "unique_id": httpx.Text,
}

func (h *handler) listUsers(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.SyncDomain(r.Context(), r.URL.Query().Get("domain_id")); err != nil {
		return err
	}
	fixed, err := passwordExpiry(r)
	if err != nil {
		return err
	}
	return listTable(w, r, h.store.Users(), "users", userFilters, userView, append(fixed, ownDomainOnly(r)...)...)
}

// passwordExpiry reads the filter password_expires_at=lt:2026-01-02T03:04:05Z.
func passwordExpiry(r *http.Request) ([]db.Filter, error) {
	var out []db.Filter
	for _, v := range r.URL.Query()["password_expires_at"] {
		op, text := "eq", v
		if name, rest, ok := strings.Cut(v, ":"); ok && len(name) <= 3 {
			op, text = name, rest
		}
		at, err := time.Parse(time.RFC3339, text)
		compare, known := map[string]db.Op{"lt": db.Less, "lte": db.LessOrEqual, "gt": db.Greater, "gte": db.GreaterOrEqual, "eq": db.Equal, "neq": db.NotEqual}[op]
		if err != nil || !known {
			return nil, fault.Invalidf("Invalid input for field 'password_expires_at': %s is no comparison with a time", v)
		}
		out = append(out, db.Filter{Column: "password_expires_at", Op: compare, Values: []any{at.UTC()}})
	}
	return out, nil
}

func (h *handler) createUser(w http.ResponseWriter, r *http.Request) error {
	var in userIn
	extra, err := body(r, "user", &in, userKeys...)
	if err != nil {
		return err
	}
	u := &identity.User{Enabled: true, DomainID: ownDomain(auth.From(r.Context()))}
	set(&u.DomainID, in.DomainID)
	in.apply(u, extra)
	if err := h.svc.CreateUser(r.Context(), u, in.password()); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "user", u, userView)
}

func (h *handler) updateUser(w http.ResponseWriter, r *http.Request) error {
	var in userIn
	extra, err := body(r, "user", &in, userKeys...)
	if err != nil {
		return err
	}
	u, err := h.svc.UpdateUser(r.Context(), httpx.Param(r, "user_id"), in.password(), false, func(u *identity.User) { in.apply(u, extra) })
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "user", u, userView)
}

func (h *handler) changePassword(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		User struct {
			Original string `json:"original_password"`
			Password string
		}
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	return done(w, h.svc.ChangePassword(r.Context(), httpx.Param(r, "user_id"), in.User.Original, in.User.Password))
}

func (h *handler) userProjects(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	actors, err := h.svc.Actors(r.Context(), httpx.Param(r, "user_id"))
	if err != nil {
		return err
	}
	items, err := h.store.ProjectsOf(r.Context(), actors, false)
	if err != nil {
		return err
	}
	if c := auth.From(r.Context()); c.DomainID != "" {
		items = slices.DeleteFunc(items, func(p identity.Project) bool { return p.DomainID != c.DomainID })
	}
	return list(w, r, "projects", items, projectView)
}

func (h *handler) userGroups(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	filters, err := compared(r, httpx.FilterSpec{"name": httpx.Text})
	if err != nil {
		return err
	}
	items, err := h.svc.Memberships(r.Context(), httpx.Param(r, "user_id"), append(filters, ownDomainOnly(r)...))
	if err != nil {
		return err
	}
	return list(w, r, "groups", items, func(r *http.Request, m *identity.Membership) object {
		v := groupView(r, &m.Group)
		v["membership_expires_at"] = expiry(m.ExpiresAt)
		return v
	})
}
