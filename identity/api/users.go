package api

import (
	"net/http"

	"nubo/identity"
	"nubo/internal/auth"
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
}

var userKeys = []string{"name", "description", "email", "enabled", "domain_id", "default_project_id", "password", "options", "password_expires_at"}

func (in *userIn) apply(u *identity.User, extra map[string]any) (password string) {
	set(&u.Name, in.Name)
	set(&u.Description, in.Description)
	set(&u.Email, in.Email)
	set(&u.Enabled, in.Enabled)
	set(&u.DefaultProjectID, in.DefaultProjectID)
	set(&u.Options, in.Options)
	u.Extra = merged(u.Extra, extra)
	set(&password, in.Password)
	return password
}

func userView(r *http.Request, u *identity.User) object {
	v := object{
		"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled, "password_expires_at": nil,
		"options": orEmpty(u.Options), "links": self(r, "/users/"+u.ID),
	}
	for key, value := range map[string]string{"default_project_id": u.DefaultProjectID, "description": u.Description, "email": u.Email} {
		if value != "" {
			v[key] = value
		}
	}
	return v.with(u.Extra)
}

var userFilters = httpx.FilterSpec{"name": httpx.Text, "domain_id": httpx.Text, "enabled": httpx.Bool}

func (h *handler) listUsers(w http.ResponseWriter, r *http.Request) error {
	return listTable(w, r, h.store.Users(), "users", userFilters, userView)
}

func (h *handler) createUser(w http.ResponseWriter, r *http.Request) error {
	var in userIn
	extra, err := body(r, "user", &in, userKeys...)
	if err != nil {
		return err
	}
	u := &identity.User{Enabled: true, DomainID: ownDomain(auth.From(r.Context()))}
	set(&u.DomainID, in.DomainID)
	if err := h.svc.CreateUser(r.Context(), u, in.apply(u, extra)); err != nil {
		return err
	}
	return show(w, r, http.StatusCreated, "user", u, userView)
}

func (h *handler) showUser(w http.ResponseWriter, r *http.Request) error {
	u, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id"))
	if err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "user", u, userView)
}

func (h *handler) updateUser(w http.ResponseWriter, r *http.Request) error {
	u, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id"))
	if err != nil {
		return err
	}
	var in userIn
	extra, err := body(r, "user", &in, userKeys...)
	if err != nil {
		return err
	}
	if err := h.svc.UpdateUser(r.Context(), u, in.apply(u, extra)); err != nil {
		return err
	}
	return show(w, r, http.StatusOK, "user", u, userView)
}

func (h *handler) deleteUser(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.DeleteUser(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
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
	if err := h.svc.ChangePassword(r.Context(), httpx.Param(r, "user_id"), in.User.Original, in.User.Password); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) userProjects(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	items, err := h.store.ProjectsOf(r.Context(), httpx.Param(r, "user_id"), false)
	if err != nil {
		return err
	}
	return list(w, r, "projects", items, projectView)
}

func (h *handler) userGroups(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.store.Users().Get(r.Context(), httpx.Param(r, "user_id")); err != nil {
		return err
	}
	filters, err := httpx.ParseFilters(r, httpx.FilterSpec{"name": httpx.Text})
	if err != nil {
		return err
	}
	items, err := h.store.GroupsOf(r.Context(), httpx.Param(r, "user_id"), filters)
	if err != nil {
		return err
	}
	return list(w, r, "groups", items, groupView)
}
