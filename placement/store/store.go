// Package store keeps placement's state in SQL, on SQLite and PostgreSQL.
package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/placement"
)

// Migrations are the schema's steps, for tests that open a database
// themselves.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Store implements placement.Store.
type Store struct{ db *db.DB }

var _ placement.Store = (*Store)(nil)

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, Migrations)
	if err != nil {
		return nil, fmt.Errorf("open placement's database: %w", err)
	}
	return New(d), nil
}

// New makes a store of an open database.
func New(d *db.DB) *Store { return &Store{d} }

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// InTx implements placement.Store.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return fn(ctx) })
}

// query runs a SELECT and has scan read each row. The rows of the searches
// are many, so that they are read without reflection.
func (s *Store) query(ctx context.Context, scan func(rows *sql.Rows) error, query string, args ...any) error {
	rows, err := s.db.Query(ctx).QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// names runs a SELECT of one column of text.
func (s *Store) names(ctx context.Context, query string, args ...any) ([]string, error) {
	out := []string{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		out = append(out, name)
		return err
	}, query, args...)
	return out, err
}

// exec runs a statement, in a transaction of its own if there is none, and
// gives the number of rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}
