package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"time"

	"modernc.org/sqlite"

	"nubo/internal/trace"
)

// maxStatements is how many statements a SQLite connection keeps prepared.
// Preparing one costs more than running it.
const maxStatements = 128

// openPool opens a pool of SQLite connections that keep their statements.
func openPool(dsn string) (*sql.DB, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{c}), nil
}

type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &keeper{sqliteConn: conn.(sqliteConn), kept: map[string]*kept{}}, nil
}

// sqliteConn is what database/sql uses of a connection of the driver.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keeper is a connection that keeps statements prepared. database/sql lets
// one goroutine at a time use it.
type keeper struct {
	sqliteConn
	kept map[string]*kept // by text
	uses int64
}

// kept is a prepared statement.
type kept struct {
	stmt  driver.Stmt
	shown string // what spans show of the text
	asked int64  // the keeper's uses when it was asked for last
	busy  bool   // its rows are being read
}

// statement gives the kept statement for a query, and its values; nil if the
// query is to be run as it is.
func (k *keeper) statement(ctx context.Context, query string, args []driver.NamedValue) (*kept, []driver.NamedValue, error) {
	if len(args) > 0 || !keepable(query) {
		return nil, nil, nil
	}
	text, values, ok := lift(query)
	if !ok {
		return nil, nil, nil
	}
	k.uses++
	st := k.kept[string(text)]
	if st == nil {
		stmt, err := k.PrepareContext(ctx, string(text))
		if err != nil {
			return nil, nil, err
		}
		if len(k.kept) >= maxStatements {
			k.forgetOldest()
		}
		st = &kept{stmt: stmt, shown: texts.one(withoutValues(string(text)))}
		k.kept[string(text)] = st
	}
	if st.busy {
		return nil, nil, nil
	}
	st.asked = k.uses
	return st, values, nil
}

// keepable reports whether a statement is one of those that come again.
func keepable(query string) bool {
	verb, _, _ := strings.Cut(query, " ")
	switch verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// forgetOldest makes room for another statement.
func (k *keeper) forgetOldest() {
	var oldest string
	for text, st := range k.kept {
		if o := k.kept[oldest]; !st.busy && (o == nil || st.asked < o.asked) {
			oldest = text
		}
	}
	if st := k.kept[oldest]; st != nil {
		_ = st.stmt.Close() // it says again what its last run said
		delete(k.kept, oldest)
	}
}

// ExecContext implements driver.ExecerContext.
func (k *keeper) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	st, values, err := k.statement(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return k.sqliteConn.ExecContext(ctx, query, args)
	}
	start := time.Now()
	res, err := st.stmt.(driver.StmtExecContext).ExecContext(ctx, values)
	trace.Note(ctx, trace.SQL, st.shown, start, err)
	return res, err
}

// QueryContext implements driver.QueryerContext.
func (k *keeper) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	st, values, err := k.statement(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return k.sqliteConn.QueryContext(ctx, query, args)
	}
	span, start := trace.From(ctx), time.Now()
	rows, err := st.stmt.(driver.StmtQueryContext).QueryContext(ctx, values)
	if err != nil {
		span.Note(trace.SQL, st.shown, start, err)
		return nil, err
	}
	st.busy = true
	return &keptRows{rows, st, span, start}, nil
}

// Close implements driver.Conn.
func (k *keeper) Close() error {
	for _, st := range k.kept {
		_ = st.stmt.Close() // the connection closes whatever is left
	}
	clear(k.kept)
	return k.sqliteConn.Close()
}

// keptRows are the rows of a kept statement, which is free again when they
// are closed.
type keptRows struct {
	driver.Rows
	st    *kept
	asker *trace.Active // whose statement it is
	start time.Time
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	r.st.busy = false
	r.asker.Note(trace.SQL, r.st.shown, r.start, nil)
	return r.Rows.Close()
}
