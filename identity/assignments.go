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
	return s.rolesOn(ctx, userID, sc, nil)
}

// rolesOn is RolesOn for a user whom an identity provider made a member of
// further groups.
func (s *Identity) rolesOn(ctx context.Context, userID string, sc Scope, groups []string) ([]Role, error) {
	actors, err := s.Actors(ctx, userID)
	if err != nil {
		return nil, err
	}
	found, err := s.assignmentsOn(ctx, append(actors, groups...), sc)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, a := range found {
		ids[i] = a.RoleID
	}
	return s.expand(ctx, ids)
}

// Actors lists the ids by which a user gets roles: his own and his groups'.
func (s *Identity) Actors(ctx context.Context, userID string) ([]string, error) {
	groups, err := s.store.ActorGroups(ctx, userID, s.clock.Now())
	return append([]string{userID}, groups...), err
}

// assignmentsOn finds what counts for actors in a scope, before implications.
func (s *Identity) assignmentsOn(ctx context.Context, actors []string, sc Scope) ([]Assignment, error) {
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

// expand adds the implied roles and gives them all, sorted by name.
func (s *Identity) expand(ctx context.Context, ids []string) ([]Role, error) {
	known, err := s.wholeCatalog(ctx)
	if err != nil {
		return nil, err
	}
	all := closure(ids, known.implications)
	roles := make([]Role, 0, len(all))
	for _, id := range all {
		// A domain's roles count through what they imply; one that is not
		// known was deleted meanwhile.
		if r, ok := known.roles[id]; ok && r.DomainID == "" {
			roles = append(roles, r)
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
	return s.change(ctx, func(ctx context.Context) error {
		role, err := s.checkAssignment(ctx, a)
		if err != nil {
			return err
		}
		if role.DomainID != "" {
			if err := s.roleFits(ctx, role, a); err != nil {
				return err
			}
		}
		return s.store.Assign(ctx, a)
	})
}

// roleFits refuses a domain's role on other domains' projects and on the
// system.
func (s *Identity) roleFits(ctx context.Context, role *Role, a Assignment) error {
	if a.TargetType == TargetSystem {
		return fault.Forbiddenf("Role %s is a domain-specific role, unable to use a domain-specific role in a system assignment.", role.ID)
	}
	if a.TargetType != TargetProject {
		return nil
	}
	p, err := s.store.Projects().Get(ctx, a.TargetID)
	if err == nil && owner(p) != role.DomainID {
		err = fault.Forbiddenf("Project %s must be in the same domain as the role %s being assigned.", a.TargetID, role.ID)
	}
	return err
}

// Unassign takes a role. What the user had delegated to programs on that
// project ends with it.
func (s *Identity) Unassign(ctx context.Context, a Assignment) error {
	return s.change(ctx, func(ctx context.Context) error {
		if _, err := s.checkAssignment(ctx, a); err != nil {
			return err
		}
		if err := s.store.Unassign(ctx, a); err != nil {
			return err
		}
		users := []string{a.ActorID}
		if a.ActorType == ActorGroup {
			members, err := s.store.UsersIn(ctx, a.ActorID, nil)
			if err != nil {
				return err
			}
			users = nil
			for _, u := range members {
				users = append(users, u.ID)
			}
		}
		for _, u := range users {
			e := Event{UserID: u, RoleID: a.RoleID, RevokedAt: s.clock.Now()}
			switch a.TargetType {
			case TargetProject:
				e.ProjectID = a.TargetID
				if err := s.store.RemoveAppCredentials(ctx, u, a.TargetID); err != nil {
					return err
				}
			case TargetDomain:
				e.DomainID = a.TargetID
			}
			if err := s.store.AddEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// CheckAssigned answers NotFound unless the role is given.
func (s *Identity) CheckAssigned(ctx context.Context, a Assignment) error {
	if _, err := s.checkAssignment(ctx, a); err != nil {
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

func (s *Identity) checkAssignment(ctx context.Context, a Assignment) (*Role, error) {
	role, err := s.store.Roles().Get(ctx, a.RoleID)
	if err != nil {
		return nil, err
	}
	if err := s.checkActor(ctx, a.ActorType, a.ActorID); err != nil {
		return nil, err
	}
	return role, s.checkTarget(ctx, a.TargetType, a.TargetID)
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
