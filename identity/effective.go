package identity

import (
	"context"
	"slices"
)

// Given is an assignment that counts, and what it follows from: itself, or
// one of a group, of a project above or of a role that implies it.
type Given struct {
	Assignment
	Via Assignment
}

// Listed gives the assignments as they were made. subtree adds those on the
// projects below the filter's project.
func (s *Identity) Listed(ctx context.Context, f AssignmentFilter, subtree bool) ([]Given, error) {
	if err := s.withSubtree(ctx, &f, subtree); err != nil {
		return nil, err
	}
	found, err := s.store.Assignments(ctx, f)
	out := make([]Given, len(found))
	for i, a := range found {
		out[i] = Given{a, a}
	}
	return out, err
}

func (s *Identity) withSubtree(ctx context.Context, f *AssignmentFilter, subtree bool) error {
	if !subtree {
		return nil
	}
	below, err := s.Subtree(ctx, f.TargetIDs[0])
	for _, p := range below {
		f.TargetIDs = append(f.TargetIDs, p.ID)
	}
	return err
}

// Effective lists what assignments amount to: groups become their users,
// inherited roles are on the projects below, implied roles are written out.
// The filter applies to the outcome.
func (s *Identity) Effective(ctx context.Context, f AssignmentFilter, subtree bool) ([]Given, error) {
	if err := s.withSubtree(ctx, &f, subtree); err != nil {
		return nil, err
	}
	found, err := s.onTargets(ctx, f)
	if err != nil {
		return nil, err
	}
	implications, err := s.store.Implications(ctx)
	if err != nil {
		return nil, err
	}
	roles, err := s.store.Roles().List(ctx, everything, nil)
	if err != nil {
		return nil, err
	}
	global := map[string]bool{} // a domain's roles count through what they imply
	for _, r := range roles {
		global[r.ID] = r.DomainID == ""
	}
	members := map[string][]string{}
	seen := map[Assignment]bool{}
	out := []Given{}
	for _, g := range found {
		users, err := s.usersOf(ctx, g.Assignment, members)
		if err != nil {
			return nil, err
		}
		for _, user := range users {
			for _, role := range closure([]string{g.RoleID}, implications) {
				one := Assignment{ActorUser, user, g.TargetType, g.TargetID, role, false}
				if seen[one] || !global[role] || f.RoleID != "" && role != f.RoleID || len(f.ActorIDs) > 0 && !slices.Contains(f.ActorIDs, user) {
					continue
				}
				seen[one] = true
				out = append(out, Given{one, g.Via})
			}
		}
	}
	return out, nil
}

// usersOf lists who has an assignment; groups are looked up once.
func (s *Identity) usersOf(ctx context.Context, a Assignment, members map[string][]string) ([]string, error) {
	if a.ActorType == ActorUser {
		return []string{a.ActorID}, nil
	}
	if known, ok := members[a.ActorID]; ok {
		return known, nil
	}
	found, err := s.store.UsersIn(ctx, a.ActorID, nil)
	ids := []string{}
	for _, u := range found {
		ids = append(ids, u.ID)
	}
	members[a.ActorID] = ids
	return ids, err
}

// onTargets finds the assignments that count on the filter's targets, each
// moved to where it counts.
func (s *Identity) onTargets(ctx context.Context, f AssignmentFilter) ([]Given, error) {
	no, yes := false, true
	out := []Given{}
	if f.Inherited == nil {
		direct, err := s.store.Assignments(ctx, AssignmentFilter{TargetType: f.TargetType, TargetIDs: f.TargetIDs, Inherited: &no, Within: f.Within})
		if err != nil {
			return nil, err
		}
		for _, a := range direct {
			out = append(out, Given{a, a})
		}
	}
	if f.TargetType != "" && f.TargetType != TargetProject {
		return out, nil
	}
	inherited, err := s.store.Assignments(ctx, AssignmentFilter{Inherited: &yes})
	if err != nil {
		return nil, err
	}
	below := map[string][]Project{}
	for _, a := range inherited {
		if _, known := below[a.TargetID]; !known {
			if below[a.TargetID], err = s.Subtree(ctx, a.TargetID); err != nil {
				return nil, err
			}
		}
		for _, p := range below[a.TargetID] {
			if len(f.TargetIDs) > 0 && !slices.Contains(f.TargetIDs, p.ID) || f.Within != "" && p.DomainID != f.Within {
				continue
			}
			moved := a
			moved.TargetType, moved.TargetID, moved.Inherited = TargetProject, p.ID, false
			out = append(out, Given{moved, a})
		}
	}
	return out, nil
}
