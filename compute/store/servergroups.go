package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type groupRow struct {
	bun.BaseModel `bun:"table:server_groups,alias:server_groups"`

	ID        string              `bun:"id,pk"`
	Name      string              `bun:"name"`
	ProjectID string              `bun:"project_id"`
	UserID    string              `bun:"user_id"`
	Policy    string              `bun:"policy"`
	Rules     doc[map[string]int] `bun:"rules"`
	CreatedAt time.Time           `bun:"created_at"`
}

func (r *groupRow) group() *compute.ServerGroup {
	return &compute.ServerGroup{
		ID: r.ID, Name: r.Name, ProjectID: r.ProjectID, UserID: r.UserID, Policy: r.Policy, Rules: r.Rules.V, CreatedAt: r.CreatedAt,
	}
}

func noGroup(id string) *fault.Error {
	return fault.NotFoundf("Instance group %s could not be found.", id).WithType("InstanceGroupNotFound")
}

// CreateServerGroup implements compute.ServerGroupStore.
func (s *Store) CreateServerGroup(ctx context.Context, g *compute.ServerGroup) error {
	row := &groupRow{
		ID: g.ID, Name: g.Name, ProjectID: g.ProjectID, UserID: g.UserID, Policy: g.Policy, Rules: docOf(g.Rules), CreatedAt: db.Micro(g.CreatedAt),
	}
	_, err := s.query(ctx).NewInsert().Model(row).Exec(ctx)
	return err
}

// ServerGroup implements compute.ServerGroupStore.
func (s *Store) ServerGroup(ctx context.Context, id string) (*compute.ServerGroup, error) {
	var row groupRow
	if err := s.query(ctx).NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return nil, notFound(err, noGroup(id))
	}
	g := row.group()
	return g, s.loadMembers(ctx, []*compute.ServerGroup{g})
}

// ServerGroups implements compute.ServerGroupStore; project "" is all.
func (s *Store) ServerGroups(ctx context.Context, project string, page db.Page) ([]*compute.ServerGroup, error) {
	d := s.query(ctx)
	var rows []*groupRow
	scope := func(q *bun.SelectQuery) *bun.SelectQuery {
		if project != "" {
			q = q.Where("project_id = ?", project)
		}
		return q
	}
	q, err := page.Apply(ctx, scope(d.NewSelect().Model(&rows)), d, db.Keyset{Table: "server_groups", Scope: scope})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list server groups: %w", err)
	}
	groups := make([]*compute.ServerGroup, len(rows))
	for i, r := range rows {
		groups[i] = r.group()
	}
	return groups, s.loadMembers(ctx, groups)
}

func (s *Store) loadMembers(ctx context.Context, groups []*compute.ServerGroup) error {
	if len(groups) == 0 {
		return nil
	}
	ids := make([]string, len(groups))
	byID := make(map[string]*compute.ServerGroup, len(groups))
	for i, g := range groups {
		ids[i], byID[g.ID] = g.ID, g
	}
	var rows []struct{ ID, GroupID string }
	err := s.query(ctx).NewSelect().Table("servers").Column("id", "group_id").
		Where("group_id <> ''").Where("group_id IN (?)", bun.List(ids)).Where("NOT deleted").Order("created_at", "id").Scan(ctx, &rows)
	for _, r := range rows {
		byID[r.GroupID].Members = append(byID[r.GroupID].Members, r.ID)
	}
	return err
}

// DeleteServerGroup implements compute.ServerGroupStore.
func (s *Store) DeleteServerGroup(ctx context.Context, id string) error {
	res, err := s.query(ctx).NewDelete().Model((*groupRow)(nil)).Where("id = ?", id).Exec(ctx)
	return orMissing(res, err, noGroup(id))
}

// CountServerGroups implements compute.ServerGroupStore.
func (s *Store) CountServerGroups(ctx context.Context, project string) (int64, error) {
	n, err := s.query(ctx).NewSelect().Table("server_groups").Where("project_id = ?", project).Count(ctx)
	return int64(n), err
}
