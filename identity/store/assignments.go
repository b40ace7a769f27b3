package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"nubo/identity"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// ProjectsOf implements identity.Store: the projects, or domains, on which
// one of the actors has a role, directly or inherited.
func (s *Store) ProjectsOf(ctx context.Context, actors []string, domains bool) ([]identity.Project, error) {
	list := []identity.Project{}
	q := s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("projects AS ?TableAlias").Where("?TableAlias.is_domain = ?", domains).OrderExpr("?TableAlias.name")
	if domains {
		q = q.Where("?TableAlias.id IN (SELECT target_id FROM assignments WHERE target_type = 'domain' AND NOT inherited AND actor_id IN (?))", bun.List(actors))
	} else {
		q = q.Where(`(?TableAlias.id IN (SELECT target_id FROM assignments WHERE target_type = 'project' AND NOT inherited AND actor_id IN (?))
			OR ?TableAlias.parent_id IN (WITH RECURSIVE below(id) AS (
				SELECT target_id FROM assignments WHERE inherited AND actor_id IN (?)
				UNION SELECT p.id FROM projects AS p JOIN below AS b ON p.parent_id = b.id) SELECT id FROM below))`, bun.List(actors), bun.List(actors))
	}
	return list, q.Scan(ctx)
}

// UsersIn implements identity.Store.
func (s *Store) UsersIn(ctx context.Context, groupID string, f []db.Filter) ([]identity.User, error) {
	list := []identity.User{}
	t := s.Users().(*table[identity.User])
	q, err := db.ApplyFilters(t.from(s.db.Query(ctx), &list), f, t.filters())
	if err != nil {
		return nil, err
	}
	return list, q.Where("?TableAlias.id IN (SELECT user_id FROM memberships WHERE group_id = ?)", groupID).OrderExpr("?TableAlias.name").Scan(ctx)
}

// GroupsOf implements identity.Store.
func (s *Store) GroupsOf(ctx context.Context, userID string, f []db.Filter) ([]identity.Group, error) {
	return s.groupsIn(ctx, f, "SELECT group_id FROM memberships WHERE user_id = ?", userID)
}

// groupsIn gives the groups whose ids a query selects.
func (s *Store) groupsIn(ctx context.Context, f []db.Filter, ids string, args ...any) ([]identity.Group, error) {
	list := []identity.Group{}
	t := s.Groups().(*table[identity.Group])
	q, err := db.ApplyFilters(t.from(s.db.Query(ctx), &list), f, t.filters())
	if err != nil {
		return nil, err
	}
	return list, q.Where("?TableAlias.id IN ("+ids+")", args...).OrderExpr("?TableAlias.name").Scan(ctx)
}

// ExpiringGroupsOf implements identity.Store.
func (s *Store) ExpiringGroupsOf(ctx context.Context, userID string, now time.Time, f []db.Filter) ([]identity.Membership, error) {
	groups, err := s.groupsIn(ctx, f, "SELECT group_id FROM expiring_memberships WHERE user_id = ? AND expires_at > ?", userID, now)
	if err != nil {
		return nil, err
	}
	var ends []struct {
		GroupID   string
		ExpiresAt time.Time
	}
	if err := s.db.Query(ctx).NewSelect().TableExpr("expiring_memberships").Column("group_id", "expires_at").
		Where("user_id = ? AND expires_at > ?", userID, now).Order("expires_at").Scan(ctx, &ends); err != nil {
		return nil, err
	}
	last := map[string]*time.Time{} // another provider may say so for longer
	for i := range ends {
		last[ends[i].GroupID] = &ends[i].ExpiresAt
	}
	out := make([]identity.Membership, len(groups))
	for i, g := range groups {
		out[i] = identity.Membership{Group: g, ExpiresAt: last[g.ID]}
	}
	return out, nil
}

// ActorGroups implements identity.Store.
func (s *Store) ActorGroups(ctx context.Context, userID string, now time.Time) ([]string, error) {
	var ids []string
	err := s.db.Query(ctx).NewRaw(`SELECT group_id FROM memberships WHERE user_id = ?
		UNION SELECT group_id FROM expiring_memberships WHERE user_id = ? AND expires_at > ?`, userID, userID, now).Scan(ctx, &ids)
	return ids, err
}

// MembershipEnds implements identity.Store.
func (s *Store) MembershipEnds(ctx context.Context, userID string, now time.Time) (*time.Time, error) {
	var ends []time.Time
	err := s.db.Query(ctx).NewSelect().TableExpr("expiring_memberships").Column("expires_at").
		Where("user_id = ? AND expires_at > ?", userID, now).Order("expires_at").Limit(1).Scan(ctx, &ends)
	if err != nil || len(ends) == 0 {
		return nil, err
	}
	return &ends[0], nil
}

// AddExpiringMember implements identity.Store.
func (s *Store) AddExpiringMember(ctx context.Context, groupID, userID, providerID string, expires time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO expiring_memberships (group_id, user_id, provider_id, expires_at) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (user_id, group_id, provider_id) DO UPDATE SET expires_at = EXCLUDED.expires_at", groupID, userID, providerID, expires))
}

// AddMember implements identity.Store.
func (s *Store) AddMember(ctx context.Context, groupID, userID string) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO memberships (group_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", groupID, userID))
}

// RemoveMember implements identity.Store.
func (s *Store) RemoveMember(ctx context.Context, groupID, userID string) error {
	res, err := s.db.Query(ctx).NewRaw("DELETE FROM memberships WHERE group_id = ? AND user_id = ?", groupID, userID).Exec(ctx)
	return db.CAS(res, err, fault.NotFoundf("User '%s' not found in group '%s'.", userID, groupID))
}

// IsMember implements identity.Store.
func (s *Store) IsMember(ctx context.Context, groupID, userID string, now time.Time) (bool, error) {
	q := s.db.Query(ctx)
	lasting, err := q.NewSelect().TableExpr("memberships").Where("group_id = ? AND user_id = ?", groupID, userID).Exists(ctx)
	if err != nil || lasting {
		return lasting, err
	}
	return q.NewSelect().TableExpr("expiring_memberships").Where("group_id = ? AND user_id = ? AND expires_at > ?", groupID, userID, now).Exists(ctx)
}

// Implications implements identity.Store.
func (s *Store) Implications(ctx context.Context) ([]identity.Implication, error) {
	var list []identity.Implication
	err := s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("implications AS ?TableAlias").Order("prior_id", "implied_id").Scan(ctx)
	return list, err
}

// AddImplication implements identity.Store.
func (s *Store) AddImplication(ctx context.Context, i identity.Implication) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO implications (prior_id, implied_id) VALUES (?, ?) ON CONFLICT DO NOTHING", i.PriorID, i.ImpliedID))
}

// RemoveImplication implements identity.Store.
func (s *Store) RemoveImplication(ctx context.Context, i identity.Implication) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM implications WHERE prior_id = ? AND implied_id = ?", i.PriorID, i.ImpliedID))
}

// Assign implements identity.Store.
func (s *Store) Assign(ctx context.Context, a identity.Assignment) error {
	return each(run(ctx, s.db.Query(ctx),
		"INSERT INTO assignments (actor_type, actor_id, target_type, target_id, role_id, inherited) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		a.ActorType, a.ActorID, a.TargetType, a.TargetID, a.RoleID, a.Inherited))
}

const oneAssignment = "actor_type = ? AND actor_id = ? AND target_type = ? AND target_id = ? AND role_id = ? AND inherited = ?"

// Unassign implements identity.Store.
func (s *Store) Unassign(ctx context.Context, a identity.Assignment) error {
	res, err := s.db.Query(ctx).NewRaw("DELETE FROM assignments WHERE "+oneAssignment,
		a.ActorType, a.ActorID, a.TargetType, a.TargetID, a.RoleID, a.Inherited).Exec(ctx)
	return db.CAS(res, err, fault.NotFoundf("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
		a.RoleID, a.ActorID, a.TargetID))
}

// HasAssignment implements identity.Store.
func (s *Store) HasAssignment(ctx context.Context, a identity.Assignment) (bool, error) {
	return s.db.Query(ctx).NewSelect().TableExpr("assignments").Where(oneAssignment,
		a.ActorType, a.ActorID, a.TargetType, a.TargetID, a.RoleID, a.Inherited).Exists(ctx)
}

// Assignments implements identity.Store.
func (s *Store) Assignments(ctx context.Context, f identity.AssignmentFilter) ([]identity.Assignment, error) {
	list := []identity.Assignment{}
	q := s.db.Query(ctx).NewSelect().Model(&list).ModelTableExpr("assignments AS ?TableAlias").Order("target_id", "actor_id", "role_id")
	if f.ActorType != "" {
		q = q.Where("actor_type = ?", f.ActorType)
	}
	if len(f.ActorIDs) > 0 {
		q = q.Where("actor_id IN (?)", bun.List(f.ActorIDs))
	}
	if f.TargetType != "" {
		q = q.Where("target_type = ?", f.TargetType)
	}
	if len(f.TargetIDs) > 0 {
		q = q.Where("target_id IN (?)", bun.List(f.TargetIDs))
	}
	if f.RoleID != "" {
		q = q.Where("role_id = ?", f.RoleID)
	}
	if f.Inherited != nil {
		q = q.Where("inherited = ?", *f.Inherited)
	}
	if f.Within != "" {
		q = q.Where("(target_type = ? AND target_id = ? OR target_type = ? AND target_id IN (SELECT id FROM projects WHERE domain_id = ?))",
			identity.TargetDomain, f.Within, identity.TargetProject, f.Within)
	}
	return list, q.Scan(ctx)
}
