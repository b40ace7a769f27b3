package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// synchronousOf reads the only parameter a SQLite URL may have.
func synchronousOf(u *url.URL) (string, error) {
	mode := "normal"
	for key, values := range u.Query() {
		mode = strings.ToLower(values[0])
		if key != "synchronous" || len(values) != 1 || !slices.Contains([]string{"off", "normal", "full"}, mode) {
			return "", fmt.Errorf("database url: parameter %s=%s: only synchronous=off, normal or full is known", key, values[0])
		}
	}
	return mode, nil
}

// sqliteDSN is a connection string of the driver. busy_timeout only matters
// when several processes share the file.
func sqliteDSN(file string, params ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(file)}
	all := append([]string{"_busy_timeout=10000", "_foreign_keys=on", "_timezone=UTC", "_dqs=0"}, params...)
	u.RawQuery = strings.Join(all, "&")
	return u.String()
}

func openSQLite(ctx context.Context, file, synchronous string) (*DB, error) {
	// SQLite would let everybody read a file that it creates; the WAL takes
	// the file's mode.
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	w, err := openPool(sqliteDSN(file, "_txlock=immediate", "_journal_mode=wal", "_synchronous="+synchronous))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	w.SetMaxOpenConns(1)
	// Create the file and switch it to WAL before any reader comes.
	if err := retryBusy(ctx, func() error { return w.PingContext(ctx) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), w.Close())
	}
	r, err := openPool(sqliteDSN(file, "_query_only=on"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), w.Close())
	}
	r.SetMaxOpenConns(sqliteReaders)
	r.SetMaxIdleConns(sqliteReaders)
	r.SetConnMaxIdleTime(5 * time.Minute)
	d := &DB{path: file, writers: semaphore.NewWeighted(1), slots: 1}
	d.writer = bun.NewDB(w, sqlitedialect.New())
	d.reader = bun.NewDB(r, sqlitedialect.New(), bun.WithConnResolver(router{d}))
	return d, nil
}

// router sends what bun runs outside a transaction to the right connection.
type router struct{ d *DB }

// ResolveConn is called by bun before each query. Nil means a reader.
func (r router) ResolveConn(_ context.Context, q bun.Query) bun.IConn {
	switch q := q.(type) {
	case *bun.SelectQuery, *bun.ValuesQuery:
		return nil
	case *bun.RawQuery:
		if verb, _, _ := strings.Cut(strings.TrimSpace(q.String()), " "); strings.EqualFold(verb, "SELECT") {
			return nil
		}
	}
	return queuedWriter(r)
}

// Close has nothing to close: DB.Close closes the writer.
func (router) Close() error { return nil }

// queuedWriter runs single statements on SQLite's writing connection, in turn
// with the transactions.
type queuedWriter struct{ d *DB }

// ExecContext runs a statement in its turn.
func (w queuedWriter) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = w.inTurn(ctx, func() error {
		res, err = w.d.writer.DB.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

// QueryContext runs a statement that returns rows (RETURNING). The connection
// is busy until the rows are closed: whose turn is next waits for it.
func (w queuedWriter) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = w.inTurn(ctx, func() error {
		rows, err = w.d.writer.DB.QueryContext(ctx, query, args...) //nolint:rowserrcheck,sqlclosecheck // whoever reads the rows does
		return err
	})
	return rows, err
}

// QueryRowContext is there to satisfy bun.IConn; bun reads rows by
// QueryContext. Without the turn it waits for the connection all the same.
func (w queuedWriter) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return w.d.writer.DB.QueryRowContext(ctx, query, args...)
}

func (w queuedWriter) inTurn(ctx context.Context, fn func() error) error {
	if err := w.d.turn(ctx, 1); err != nil {
		return err
	}
	defer w.d.writers.Release(1)
	return retryBusy(ctx, fn)
}

// retryBusy runs fn until another process lets go of the file. Within one
// process it never repeats: there the queue is the only way in.
func retryBusy(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if !isBusy(err) || ctx.Err() != nil {
			return err
		}
	}
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
