package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"nubo/identity"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// grantOf reads an assignment off the path of its URL.
func grantOf(r *http.Request) identity.Assignment {
	a := identity.Assignment{
		ActorType: identity.ActorUser, ActorID: httpx.Param(r, "user_id"), RoleID: httpx.Param(r, "role_id"),
		TargetType: identity.TargetSystem, TargetID: identity.TargetSystem, Inherited: strings.Contains(r.URL.Path, "/OS-INHERIT/"),
	}
	if a.ActorID == "" {
		a.ActorType, a.ActorID = identity.ActorGroup, httpx.Param(r, "group_id")
	}
	if id := httpx.Param(r, "project_id"); id != "" {
		a.TargetType, a.TargetID = identity.TargetProject, id
	}
	if id := httpx.Param(r, "domain_id"); id != "" {
		a.TargetType, a.TargetID = identity.TargetDomain, id
	}
	return a
}

func (h *handler) listGrants(w http.ResponseWriter, r *http.Request) error {
	roles, err := h.svc.AssignedRoles(r.Context(), grantOf(r))
	if err != nil {
		return err
	}
	return list(w, r, "roles", roles, roleView)
}

func (h *handler) grant(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.Assign(r.Context(), grantOf(r)))
}

func (h *handler) checkGrant(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.CheckAssigned(r.Context(), grantOf(r)))
}

func (h *handler) revokeGrant(w http.ResponseWriter, r *http.Request) error {
	return done(w, h.svc.Unassign(r.Context(), grantOf(r)))
}

// flag reports whether a query parameter is there and not "0" or "false".
func flag(q url.Values, name string) bool {
	v, ok := q[name]
	return ok && v[0] != "0" && !strings.EqualFold(v[0], "false")
}

func assignmentFilter(q url.Values) (identity.AssignmentFilter, error) {
	var f identity.AssignmentFilter
	user, group := q.Get("user.id"), q.Get("group.id")
	effective := flag(q, "effective")
	switch {
	case user != "" && group != "":
		return f, fault.Invalidf("Specify a user or group, not both")
	case group != "" && effective:
		return f, fault.Invalidf("Combining effective and group filter will always result in an empty list.")
	case user != "":
		f.ActorType, f.ActorIDs = identity.ActorUser, []string{user}
	case group != "":
		f.ActorType, f.ActorIDs = identity.ActorGroup, []string{group}
	}
	for param, kind := range map[string]string{"scope.project.id": identity.TargetProject, "scope.domain.id": identity.TargetDomain} {
		if id := q.Get(param); id != "" {
			if f.TargetType != "" {
				return f, fault.Invalidf("Specify a domain or project, not both")
			}
			f.TargetType, f.TargetIDs = kind, []string{id}
		}
	}
	if flag(q, "scope.system") {
		f.TargetType = identity.TargetSystem
	}
	if q.Get("scope.OS-INHERIT:inherited_to") == "projects" {
		yes := true
		f.Inherited = &yes
	}
	f.RoleID = q.Get("role.id")
	return f, nil
}

func (h *handler) listAssignments(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f, err := assignmentFilter(q)
	if err != nil {
		return err
	}
	f.Within = auth.From(r.Context()).DomainID
	subtree := flag(q, "include_subtree")
	if subtree && f.TargetType != identity.TargetProject {
		return fault.Invalidf("scope.project.id must be specified if include_subtree is also specified")
	}
	find := h.svc.Listed
	if flag(q, "effective") {
		find = h.svc.Effective
	}
	found, err := find(r.Context(), f, subtree)
	if err != nil {
		return err
	}
	names := &namer{h: h, on: flag(q, "include_names"), known: map[string]object{}}
	out := make([]object, 0, len(found))
	for _, g := range found {
		v, err := names.assignment(r, g)
		if err != nil {
			return err
		}
		out = append(out, v)
	}
	link := httpx.SelfURL(r)
	if r.URL.RawQuery != "" {
		link += "?" + r.URL.RawQuery
	}
	return httpx.JSON(w, http.StatusOK, object{"role_assignments": out, "links": object{"self": link, "previous": nil, "next": nil}})
}

// namer shows references by id, and by name where that was asked for; each
// is looked up once.
type namer struct {
	h     *handler
	on    bool
	known map[string]object
}

func (n *namer) ref(ctx context.Context, kind, id string) (object, error) {
	if !n.on {
		return object{"id": id}, nil
	}
	if v, ok := n.known[kind+id]; ok {
		return v, nil
	}
	v := object{"id": id}
	var err error
	domain := ""
	switch kind {
	case identity.ActorUser:
		var u *identity.User
		if u, err = n.h.store.Users().Get(ctx, id); err == nil {
			v["name"], domain = u.Name, u.DomainID
		}
	case identity.ActorGroup:
		var g *identity.Group
		if g, err = n.h.store.Groups().Get(ctx, id); err == nil {
			v["name"], domain = g.Name, g.DomainID
		}
	case "role":
		var role *identity.Role
		if role, err = n.h.store.Roles().Get(ctx, id); err == nil {
			v["name"], domain = role.Name, role.DomainID
		}
	default:
		var p *identity.Project
		if p, err = n.h.store.Projects().Get(ctx, id); err == nil {
			v["name"], domain = p.Name, p.DomainID
		}
	}
	if err == nil && domain != "" {
		v["domain"], err = n.ref(ctx, identity.TargetDomain, domain)
	}
	if fault.Is(err, fault.NotFound) {
		err = nil // gone meanwhile: shown by id alone
	}
	n.known[kind+id] = v
	return v, err
}

func (n *namer) assignment(r *http.Request, g identity.Given) (object, error) {
	ctx, a := r.Context(), g.Assignment
	actor, err := n.ref(ctx, a.ActorType, a.ActorID)
	if err != nil {
		return nil, err
	}
	role, err := n.ref(ctx, "role", a.RoleID)
	if err != nil {
		return nil, err
	}
	scope := object{"system": object{"all": true}}
	if a.TargetType != identity.TargetSystem {
		target, err := n.ref(ctx, a.TargetType, a.TargetID)
		if err != nil {
			return nil, err
		}
		scope = object{a.TargetType: target}
	}
	if a.Inherited {
		scope["OS-INHERIT:inherited_to"] = "projects"
	}
	base := httpx.BaseURL(r) + "/v3"
	links := object{"assignment": base + assignmentPath(g.Via)}
	if g.Via.ActorType != a.ActorType {
		links["membership"] = base + "/groups/" + g.Via.ActorID + "/users/" + a.ActorID
	}
	if g.Via.RoleID != a.RoleID {
		links["prior_role"] = base + "/roles/" + g.Via.RoleID + "/implies/" + a.RoleID
	}
	return object{a.ActorType: actor, "role": role, "scope": scope, "links": links}, nil
}

// assignmentPath is where an assignment is made and taken back.
func assignmentPath(a identity.Assignment) string {
	path := "/system"
	if a.TargetType != identity.TargetSystem {
		path = "/" + a.TargetType + "s/" + a.TargetID
	}
	path += "/" + a.ActorType + "s/" + a.ActorID + "/roles/" + a.RoleID
	if a.Inherited {
		path = "/OS-INHERIT" + path + "/inherited_to_projects"
	}
	return path
}
