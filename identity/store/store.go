// Package store keeps identity's state in SQL.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"nubo/identity"
	"nubo/internal/db"
	"nubo/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store implements identity.Store.
type Store struct{ db *db.DB }

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, migrations)
	if err != nil {
		return nil, err
	}
	return &Store{d}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// InTx implements identity.Store. Every transaction raises the epoch, by
// which other processes notice that something changed.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewRaw("UPDATE epoch SET value = value + 1 WHERE id = 1").Exec(ctx); err != nil {
			return err
		}
		return fn(ctx)
	})
}

// Epoch implements identity.Store.
func (s *Store) Epoch(ctx context.Context) (int64, error) {
	var n int64
	err := s.db.Query(ctx).NewSelect().TableExpr("epoch").Column("value").Where("id = 1").Scan(ctx, &n)
	return n, err
}

// Projects implements identity.Store.
func (s *Store) Projects() identity.Table[identity.Project] {
	return &table[identity.Project]{
		s: s, name: "projects", noun: "project", columns: []string{"id", "name", "domain_id", "parent_id", "is_domain", "enabled"},
		id:    func(p *identity.Project) string { return p.ID },
		taken: projectTaken, remove: s.removeProject,
	}
}

func projectTaken(p *identity.Project) string {
	if p.IsDomain {
		return "Conflict occurred attempting to store domain - Duplicate entry found with name " + p.Name + "."
	}
	return "Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain: " + p.Name + "."
}

// removeProject takes the assignments on it along, and all a domain owns.
func (s *Store) removeProject(ctx context.Context, q bun.IDB, id string) error {
	return each(
		run(ctx, q, "DELETE FROM assignments WHERE target_id IN (SELECT id FROM projects WHERE domain_id = ?) AND target_type = 'project'", id),
		run(ctx, q, "DELETE FROM assignments WHERE target_id = ? AND target_type <> 'system'", id),
		run(ctx, q, "DELETE FROM assignments WHERE actor_id IN (SELECT id FROM users WHERE domain_id = ?)", id),
		run(ctx, q, "DELETE FROM assignments WHERE actor_id IN (SELECT id FROM user_groups WHERE domain_id = ?)", id),
		run(ctx, q, "DELETE FROM users WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM user_groups WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM roles WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM projects WHERE domain_id = ?", id),
	)
}

// Users implements identity.Store.
func (s *Store) Users() identity.Table[identity.User] {
	return &table[identity.User]{
		s: s, name: "users", noun: "user", columns: []string{"id", "name", "domain_id", "enabled", "default_project_id"},
		id: func(u *identity.User) string { return u.ID },
		taken: func(u *identity.User) string {
			return "Conflict occurred attempting to store user - Duplicate entry found with name " + u.Name + " at domain ID " + u.DomainID + "."
		},
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			return each(run(ctx, q, "DELETE FROM assignments WHERE actor_id = ? AND actor_type = 'user'", id))
		},
	}
}

// Groups implements identity.Store.
func (s *Store) Groups() identity.Table[identity.Group] {
	return &table[identity.Group]{
		s: s, name: "user_groups", noun: "group", columns: []string{"id", "name", "domain_id"},
		id: func(g *identity.Group) string { return g.ID },
		taken: func(g *identity.Group) string {
			return "Conflict occurred attempting to store group - Duplicate entry found with name " + g.Name + " at domain ID " + g.DomainID + "."
		},
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			return each(run(ctx, q, "DELETE FROM assignments WHERE actor_id = ? AND actor_type = 'group'", id))
		},
	}
}

// Roles implements identity.Store.
func (s *Store) Roles() identity.Table[identity.Role] {
	return &table[identity.Role]{
		s: s, name: "roles", noun: "role", columns: []string{"id", "name", "domain_id"},
		id: func(r *identity.Role) string { return r.ID },
		taken: func(r *identity.Role) string {
			return "Conflict occurred attempting to store role - Duplicate entry found with name " + r.Name + "."
		},
	}
}

// Regions implements identity.Store.
func (s *Store) Regions() identity.Table[identity.Region] {
	return &table[identity.Region]{
		s: s, name: "regions", noun: "region", columns: []string{"id", "parent_region_id"},
		id: func(r *identity.Region) string { return r.ID },
		taken: func(r *identity.Region) string {
			return "Conflict occurred attempting to store region - Duplicate ID, " + r.ID + "."
		},
	}
}

// Services implements identity.Store.
func (s *Store) Services() identity.Table[identity.Service] {
	return &table[identity.Service]{
		s: s, name: "services", noun: "service", columns: []string{"id", "type", "name"},
		id: func(v *identity.Service) string { return v.ID },
	}
}

// Endpoints implements identity.Store.
func (s *Store) Endpoints() identity.Table[identity.Endpoint] {
	return &table[identity.Endpoint]{
		s: s, name: "endpoints", noun: "endpoint", columns: []string{"id", "service_id", "region_id", "interface"},
		id: func(e *identity.Endpoint) string { return e.ID },
	}
}

// Revoke implements identity.Store.
func (s *Store) Revoke(ctx context.Context, auditID string, expires time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "INSERT INTO revocations (audit_id, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING", auditID, expires))
}

// Revoked implements identity.Store.
func (s *Store) Revoked(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.db.Query(ctx).NewSelect().TableExpr("revocations").Column("audit_id").Scan(ctx, &ids)
	return ids, err
}

// PurgeRevoked implements identity.Store.
func (s *Store) PurgeRevoked(ctx context.Context, now time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM revocations WHERE expires_at < ?", now))
}

// table keeps one kind of resource.
type table[T any] struct {
	s       *Store
	name    string
	noun    string   // in texts; also what bun calls the table, after the type's name
	columns []string // that may be filtered and sorted by
	id      func(*T) string
	taken   func(*T) string                              // the words for a name that is taken
	remove  func(context.Context, bun.IDB, string) error // what goes before the row
}

func (t *table[T]) from(q bun.IDB, model any) *bun.SelectQuery {
	return q.NewSelect().Model(model).ModelTableExpr("? AS ?TableAlias", bun.Ident(t.name))
}

func (t *table[T]) filters() map[string]string {
	m := make(map[string]string, len(t.columns))
	for _, c := range t.columns {
		m[c] = c
	}
	return m
}

func (t *table[T]) notFound(id string) error {
	return fault.NotFoundf("Could not find %s: %s.", t.noun, id)
}

// Get implements identity.Table.
func (t *table[T]) Get(ctx context.Context, id string) (*T, error) {
	v := new(T)
	err := t.from(t.s.db.Query(ctx), v).Where("?TableAlias.id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, t.notFound(id)
	}
	return v, err
}

// Find implements identity.Table.
func (t *table[T]) Find(ctx context.Context, f ...db.Filter) (*T, error) {
	v := new(T)
	q, err := db.ApplyFilters(t.from(t.s.db.Query(ctx), v), f, t.filters())
	if err != nil {
		return nil, err
	}
	err = q.Limit(1).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return v, err
}

// List implements identity.Table.
func (t *table[T]) List(ctx context.Context, p db.Page, f []db.Filter) ([]T, error) {
	list := []T{}
	q, err := db.ApplyFilters(t.from(t.s.db.Query(ctx), &list), f, t.filters())
	if err != nil {
		return nil, err
	}
	if q, err = p.Apply(ctx, q, t.s.db.Query(ctx), db.Keyset{Table: t.name, Alias: t.noun}); err != nil {
		return nil, err
	}
	return list, q.Scan(ctx)
}

// Create implements identity.Table.
func (t *table[T]) Create(ctx context.Context, v *T) error {
	_, err := t.s.db.Query(ctx).NewInsert().Model(v).ModelTableExpr("?", bun.Ident(t.name)).Exec(ctx)
	return t.conflict(err, v)
}

// Update implements identity.Table.
func (t *table[T]) Update(ctx context.Context, v *T) error {
	res, err := t.s.db.Query(ctx).NewUpdate().Model(v).ModelTableExpr("? AS ?TableAlias", bun.Ident(t.name)).Where("?TableAlias.id = ?", t.id(v)).Exec(ctx)
	if err != nil {
		return t.conflict(err, v)
	}
	return db.CAS(res, nil, t.notFound(t.id(v)))
}

// Delete implements identity.Table.
func (t *table[T]) Delete(ctx context.Context, id string) error {
	q := t.s.db.Query(ctx)
	if t.remove != nil {
		if err := t.remove(ctx, q, id); err != nil {
			return err
		}
	}
	res, err := q.NewRaw("DELETE FROM ? WHERE id = ?", bun.Ident(t.name), id).Exec(ctx)
	return db.CAS(res, err, t.notFound(id))
}

func (t *table[T]) conflict(err error, v *T) error {
	if err != nil && db.IsUnique(err) && t.taken != nil {
		return fault.Conflictf("%s", t.taken(v)).WithCause(err)
	}
	return err
}

// run makes a statement to be run by each.
func run(ctx context.Context, q bun.IDB, query string, args ...any) func() error {
	return func() error {
		_, err := q.NewRaw(query, args...).Exec(ctx)
		return err
	}
}

// each runs statements until one fails.
func each(statements ...func() error) error {
	for _, do := range statements {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
