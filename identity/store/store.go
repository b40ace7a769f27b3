// Package store keeps identity's state in SQL.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store implements identity.Store.
type Store struct{ db *db.DB }

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, migrations, db.WithOutbox())
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

// Send implements identity.Store.
func (s *Store) Send(ctx context.Context, msgs ...db.Message) error {
	return s.db.Outbox().Add(ctx, msgs...)
}

// Relay implements identity.Store.
func (s *Store) Relay(ctx context.Context, send func(context.Context, []db.Message) (int, error)) error {
	return s.db.Outbox().Run(ctx, send)
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
func (s *Store) PurgeRevoked(ctx context.Context, before time.Time) error {
	return each(run(ctx, s.db.Query(ctx), "DELETE FROM revocations WHERE expires_at < ?", before))
}

// table keeps one kind of resource.
type table[T any] struct {
	s       *Store
	name    string
	noun    string   // in texts
	alias   string   // what bun calls the table, after the type's name; the noun if empty
	columns []string // that may be filtered and sorted by
	id      func(*T) string
	taken   func(*T) string                                            // the words for a name that is taken
	remove  func(context.Context, bun.IDB, string) error               // what goes before the row
	special func(*bun.SelectQuery, db.Filter) (*bun.SelectQuery, bool) // applies filters that are no column's
}

// apply narrows a query by filters.
func (t *table[T]) apply(q *bun.SelectQuery, filters []db.Filter) (*bun.SelectQuery, error) {
	plain := make([]db.Filter, 0, len(filters))
	for _, f := range filters {
		if t.special != nil {
			var done bool
			if q, done = t.special(q, f); done {
				continue
			}
		}
		plain = append(plain, f)
	}
	return db.ApplyFilters(q, plain, t.filters())
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
	q, err := t.apply(t.from(t.s.db.Query(ctx), v), f)
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
	q, err := t.apply(t.from(t.s.db.Query(ctx), &list), f)
	if err != nil {
		return nil, err
	}
	if q, err = p.Apply(ctx, q, t.s.db.Query(ctx), db.Keyset{Table: t.name, Alias: cmp.Or(t.alias, t.noun)}); err != nil {
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
