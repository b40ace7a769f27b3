package identity

import (
	"context"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// Scope is what a token is for: nothing, or exactly one of the three.
type Scope struct {
	ProjectID string
	DomainID  string
	System    bool
}

func (sc Scope) target() (kind, id string) {
	switch {
	case sc.System:
		return TargetSystem, TargetSystem
	case sc.DomainID != "":
		return TargetDomain, sc.DomainID
	}
	return TargetProject, sc.ProjectID
}

// RolesOn gives the roles a user has in a scope: his own and his groups',
// inherited ones, and all that those imply; sorted by name.
func (s *Identity) RolesOn(ctx context.Context, userID string, sc Scope) ([]Role, error) {
	found, err := s.assignmentsOn(ctx, userID, sc)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nil
	}
	ids := make([]string, len(found))
	for i, a := range found {
		ids[i] = a.RoleID
	}
	return s.expand(ctx, ids)
}

// assignmentsOn finds what counts for a user in a scope, before implications.
func (s *Identity) assignmentsOn(ctx context.Context, userID string, sc Scope) ([]Assignment, error) {
	actors := []string{userID}
	groups, err := s.store.GroupsOf(ctx, userID, nil)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		actors = append(actors, g.ID)
	}
	kind, id := sc.target()
	no, yes := false, true
	found, err := s.store.Assignments(ctx, AssignmentFilter{ActorIDs: actors, TargetType: kind, TargetIDs: []string{id}, Inherited: &no})
	if err != nil || kind != TargetProject {
		return found, err
	}
	above, err := s.ancestors(ctx, id)
	if err != nil || len(above) == 0 {
		return found, err
	}
	inherited, err := s.store.Assignments(ctx, AssignmentFilter{ActorIDs: actors, TargetIDs: above, Inherited: &yes})
	return append(found, inherited...), err
}

// ancestors lists the ids above a project: parents, and its domain last.
func (s *Identity) ancestors(ctx context.Context, projectID string) ([]string, error) {
	var ids []string
	for id := projectID; ; {
		p, err := s.store.Projects().Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if p.ParentID == "" {
			return ids, nil
		}
		ids = append(ids, p.ParentID)
		id = p.ParentID
	}
}

// expand adds the implied roles and gives them all, sorted by name.
func (s *Identity) expand(ctx context.Context, ids []string) ([]Role, error) {
	implications, err := s.store.Implications(ctx)
	if err != nil {
		return nil, err
	}
	all := closure(ids, implications)
	roles := make([]Role, 0, len(all))
	for _, id := range all {
		r, err := s.store.Roles().Get(ctx, id)
		if err != nil {
			if fault.Is(err, fault.NotFound) {
				continue // deleted meanwhile
			}
			return nil, err
		}
		if r.DomainID == "" { // a domain's roles count through what they imply
			roles = append(roles, *r)
		}
	}
	slices.SortFunc(roles, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return roles, nil
}

// closure follows the implications from ids.
func closure(ids []string, implications []Implication) []string {
	var out []string
	seen := map[string]bool{}
	for todo := ids; len(todo) > 0; {
		id := todo[0]
		todo = slices.Clone(todo[1:])
		if seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, id)
		for _, i := range implications {
			if i.PriorID == id {
				todo = append(todo, i.ImpliedID)
			}
		}
	}
	return out
}

// Assign gives a role, after all it names is known to exist.
func (s *Identity) Assign(ctx context.Context, a Assignment) error {
	if err := s.checkAssignment(ctx, a); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.Assign(ctx, a) })
}

// Unassign takes a role.
func (s *Identity) Unassign(ctx context.Context, a Assignment) error {
	if err := s.checkAssignment(ctx, a); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context) error { return s.store.Unassign(ctx, a) })
}

// CheckAssigned answers NotFound unless the role is given.
func (s *Identity) CheckAssigned(ctx context.Context, a Assignment) error {
	if err := s.checkAssignment(ctx, a); err != nil {
		return err
	}
	ok, err := s.store.HasAssignment(ctx, a)
	if err != nil {
		return err
	}
	if !ok {
		return noAssignment(a)
	}
	return nil
}

func noAssignment(a Assignment) error {
	return fault.NotFoundf("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
		a.RoleID, a.ActorID, a.TargetID)
}

func (s *Identity) checkAssignment(ctx context.Context, a Assignment) error {
	if _, err := s.store.Roles().Get(ctx, a.RoleID); err != nil {
		return err
	}
	if err := s.checkActor(ctx, a.ActorType, a.ActorID); err != nil {
		return err
	}
	return s.checkTarget(ctx, a.TargetType, a.TargetID)
}

func (s *Identity) checkActor(ctx context.Context, kind, id string) error {
	var err error
	if kind == ActorUser {
		_, err = s.store.Users().Get(ctx, id)
	} else {
		_, err = s.store.Groups().Get(ctx, id)
	}
	return err
}

func (s *Identity) checkTarget(ctx context.Context, kind, id string) error {
	if kind == TargetSystem {
		return nil
	}
	p, err := s.store.Projects().Get(ctx, id)
	if err != nil {
		return err
	}
	if kind == TargetDomain && !p.IsDomain {
		return fault.NotFoundf("Could not find domain: %s.", id)
	}
	return nil
}

// AssignedRoles lists the roles given directly to an actor on a target.
func (s *Identity) AssignedRoles(ctx context.Context, a Assignment) ([]Role, error) {
	if err := s.checkActor(ctx, a.ActorType, a.ActorID); err != nil {
		return nil, err
	}
	if err := s.checkTarget(ctx, a.TargetType, a.TargetID); err != nil {
		return nil, err
	}
	found, err := s.store.Assignments(ctx, AssignmentFilter{
		ActorType: a.ActorType, ActorIDs: []string{a.ActorID}, TargetType: a.TargetType, TargetIDs: []string{a.TargetID}, Inherited: &a.Inherited,
	})
	if err != nil {
		return nil, err
	}
	roles := []Role{}
	for _, one := range found {
		r, err := s.store.Roles().Get(ctx, one.RoleID)
		if err != nil {
			return nil, err
		}
		roles = append(roles, *r)
	}
	return roles, nil
}

// Effective lists what assignments amount to: groups become their users,
// implied roles are written out. The filter's role applies to the outcome.
func (s *Identity) Effective(ctx context.Context, f AssignmentFilter) ([]Assignment, error) {
	wantRole, wantActors := f.RoleID, f.ActorIDs
	f.RoleID, f.ActorIDs, f.ActorType = "", nil, ""
	found, err := s.store.Assignments(ctx, f)
	if err != nil {
		return nil, err
	}
	implications, err := s.store.Implications(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[Assignment]bool{}
	out := []Assignment{}
	for _, a := range found {
		users := []string{a.ActorID}
		if a.ActorType == ActorGroup {
			users = nil
			members, err := s.store.UsersIn(ctx, a.ActorID, nil)
			if err != nil {
				return nil, err
			}
			for _, u := range members {
				users = append(users, u.ID)
			}
		}
		for _, user := range users {
			for _, role := range closure([]string{a.RoleID}, implications) {
				one := Assignment{ActorUser, user, a.TargetType, a.TargetID, role, a.Inherited}
				if seen[one] || wantRole != "" && role != wantRole || len(wantActors) > 0 && !slices.Contains(wantActors, user) {
					continue
				}
				seen[one] = true
				out = append(out, one)
			}
		}
	}
	return out, nil
}
