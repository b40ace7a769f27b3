// Package store keeps compute's state in SQL, on SQLite and PostgreSQL: one
// file a resource, with the row, its conversion and its queries.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/quota"
	"nubo/internal/rpc"
)

// Migrations are the schema's steps, for tests that open a database
// themselves.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Store implements compute.Store.
type Store struct {
	db           *db.DB
	quotas       quota.Store
	quotaClasses quota.Store

	numMu    sync.Mutex // guards the two below
	nextNum  int64      // the next server's number
	numLimit int64      // the first that is not reserved
}

var _ compute.Store = (*Store)(nil)

// castPace is how often casts are published under load, many at once.
const castPace = 5 * time.Millisecond

// Open opens the database and migrates it.
func Open(ctx context.Context, url string) (*Store, error) {
	d, err := db.Open(ctx, url, Migrations, db.WithOutbox(), db.OutboxPace(castPace))
	if err != nil {
		return nil, fmt.Errorf("open compute's database: %w", err)
	}
	return New(d), nil
}

// New makes a store of an open database that has an outbox.
func New(d *db.DB) *Store {
	return &Store{db: d, quotas: quota.NewStore(d), quotaClasses: quota.NewClasses(d)}
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// InTx implements compute.Store.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return fn(ctx) })
}

// Quotas implements compute.Store.
func (s *Store) Quotas() quota.Store { return s.quotas }

// QuotaClasses implements compute.Store.
func (s *Store) QuotaClasses() quota.Store { return s.quotaClasses }

// Send implements compute.Store.
func (s *Store) Send(ctx context.Context, msgs ...rpc.Envelope) error {
	rows := make([]db.Message, len(msgs))
	for i, m := range msgs {
		body, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("encode an envelope: %w", err)
		}
		rows[i] = db.Message{Kind: "rpc", Body: body}
	}
	return s.db.Outbox().Add(ctx, rows...)
}

// Relay implements compute.Store.
func (s *Store) Relay(ctx context.Context, send func(context.Context, []rpc.Envelope) (int, error)) error {
	return s.db.Outbox().Run(ctx, func(ctx context.Context, rows []db.Message) (int, error) {
		msgs := make([]rpc.Envelope, len(rows))
		for i, r := range rows {
			if err := json.Unmarshal(r.Body, &msgs[i]); err != nil {
				return 0, fmt.Errorf("decode message %d of the outbox: %w", r.ID, err)
			}
		}
		return send(ctx, msgs)
	})
}

func (s *Store) query(ctx context.Context) bun.IDB { return s.db.Query(ctx) }

// tx runs fn with the transaction of ctx, or in one of its own.
func (s *Store) tx(ctx context.Context, fn func(ctx context.Context, tx bun.IDB) error) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error { return fn(ctx, tx) })
}

// sequence takes n numbers of a named sequence and gives the first.
func sequence(ctx context.Context, tx bun.IDB, name string, n int64) (int64, error) {
	var last int64
	err := tx.NewRaw(`INSERT INTO sequences (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = sequences.value + EXCLUDED.value RETURNING value`, name, n).Scan(ctx, &last)
	if err != nil {
		return 0, fmt.Errorf("take a number of %s: %w", name, err)
	}
	return last - n + 1, nil
}

// notFound turns the absence of a row into the fault f.
func notFound(err error, f *fault.Error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return f
	}
	return err
}

// orMissing gives the fault if the statement changed no row.
func orMissing(res sql.Result, err error, f *fault.Error) error { return db.CAS(res, err, f) }

// doc is a column that holds V as JSON; what is empty is stored as "", which
// costs nothing to read.
type doc[T any] struct{ V T }

func docOf[T any](v T) doc[T] { return doc[T]{v} }

// Value implements driver.Valuer.
func (d doc[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(d.V)
	if err != nil {
		return nil, err
	}
	switch string(b) {
	case "null", "{}", "[]":
		return "", nil
	}
	return string(b), nil
}

// Scan implements sql.Scanner.
func (d *doc[T]) Scan(src any) error {
	var zero T
	d.V = zero
	var b []byte
	switch src := src.(type) {
	case string:
		b = []byte(src)
	case []byte:
		b = src
	}
	if len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, &d.V)
}
