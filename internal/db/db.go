package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"golang.org/x/sync/semaphore"
)

// The size of the pools. One SQLite connection writes; PostgreSQL takes a few
// transactions of one process at once.
const (
	sqliteReaders   = 4
	postgresConns   = 16
	postgresWriters = 8
)

// DB is one component's database. It is safe for concurrent use.
type DB struct {
	reader *bun.DB // reads, and routes writing statements to the writer
	writer *bun.DB // transactions; on PostgreSQL the same pool as reader
	path   string  // SQLite's file, "" on PostgreSQL
	remove string  // directory to remove on Close, of a memory database

	// writers admits transactions in the order they came: one at a time on
	// SQLite, slots at a time on PostgreSQL. Whoever holds all slots is alone.
	writers *semaphore.Weighted
	slots   int64

	outbox *Outbox // nil without WithOutbox
}

// Option changes what Open does.
type Option func(*DB)

// WithOutbox gives the database an outbox.
func WithOutbox() Option {
	return func(d *DB) { d.outbox = newOutbox(d) }
}

// OutboxPace has the relay wait under load, up to d from the beginning of a
// pass to the next: for messages of which many cost as much as one.
func OutboxPace(d time.Duration) Option {
	return func(db *DB) { db.outbox.pace = d }
}

// Open opens the component's database and migrates it forward. The URL is
// "sqlite:///absolute/path.db" (the file is created; "?synchronous=full" makes
// commits survive a power cut, not only the death of the process),
// "sqlite::memory:" or "postgres://user:password@host/name" (the database is
// created if it is absent and the user may). Migrations may be nil; a
// directory "migrations" in it is entered.
func Open(ctx context.Context, rawURL string, migrations fs.FS, opts ...Option) (*DB, error) {
	d, err := open(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		o(d)
	}
	if d.outbox != nil {
		err = d.migrate(ctx, outboxMigrations, "outboxsql", "goose_outbox_version")
	}
	if err == nil && migrations != nil {
		err = d.migrate(ctx, migrations, "migrations", "goose_db_version")
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func open(ctx context.Context, rawURL string) (*DB, error) {
	if rawURL == memoryURL {
		// A file, because connections to a shared memory database lock each
		// other's tables; a directory of its own, because SQLite puts the WAL
		// beside it.
		dir, err := os.MkdirTemp("", "nubo-db-")
		if err != nil {
			return nil, fmt.Errorf("open memory database: %w", err)
		}
		d, err := openSQLite(ctx, filepath.Join(dir, "memory.db"), "off")
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		d.remove = dir
		return d, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, badURL(rawURL)
	}
	switch {
	case u.Scheme == "sqlite" && u.Host == "" && path.IsAbs(u.Path):
		mode, err := synchronousOf(u)
		if err != nil {
			return nil, err
		}
		return openSQLite(ctx, filepath.FromSlash(u.Path), mode)
	case isPostgres(u):
		return openPostgres(ctx, rawURL)
	}
	return nil, badURL(rawURL)
}

// Reader gives the handle for queries outside a transaction. It sends SELECT
// to the readers and each writing statement, alone, through the writers'
// queue.
func (d *DB) Reader() *bun.DB { return d.reader }

// Query gives the transaction if ctx is that of an InTx, else Reader.
func (d *DB) Query(ctx context.Context) bun.IDB {
	if st := d.stateOf(ctx); st != nil {
		return st.tx
	}
	return d.reader
}

// Dialect says which engine this is: dialect.SQLite or dialect.PG.
func (d *DB) Dialect() dialect.Name { return d.reader.Dialect().Name() }

// Path is the SQLite file, or "" on PostgreSQL.
func (d *DB) Path() string { return d.path }

// Outbox gives the database's outbox; nil unless it was opened WithOutbox.
func (d *DB) Outbox() *Outbox { return d.outbox }

// Close closes all connections.
func (d *DB) Close() error {
	// The writer last: SQLite folds the WAL into the file when its last
	// connection, which must be able to write, closes.
	err := d.reader.Close()
	if d.writer != d.reader {
		err = errors.Join(err, d.writer.Close())
	}
	if d.remove != "" {
		err = errors.Join(err, os.RemoveAll(d.remove))
	}
	return err
}

// Micro cuts a time to what the database keeps: UTC, microseconds.
func Micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

var lastSeq atomic.Int64

// NextSeq gives an id for a row that must be found in the order of creation:
// microseconds since 1970, and always more than the one before in this
// process.
func NextSeq() int64 {
	for {
		last := lastSeq.Load()
		next := max(time.Now().UnixMicro(), last+1)
		if lastSeq.CompareAndSwap(last, next) {
			return next
		}
	}
}

// CAS judges a compare-and-swap statement: err if it failed, lost if it
// changed no row, else nil.
func CAS(res sql.Result, err error, lost error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return lost
	}
	return nil
}
