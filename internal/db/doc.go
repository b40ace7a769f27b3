// Package db is the door to SQL: it opens a component's database, migrates
// it, and gives transactions, compare-and-swap, lists by marker and the
// outbox. Queries are written with bun; only a component's store package
// imports it.
//
// # Engines
//
// Two engines are served by one code path. SQLite (the default) has one
// connection that writes and a few that read; writers wait in a fair queue in
// Go, so "database is locked" does not exist. On PostgreSQL a transaction of
// [DB.InTx] is SERIALIZABLE and is run again when the server says that it
// raced with another. What holds on SQLite, where writers are alone, hence
// holds on PostgreSQL too: a rule checked inside InTx is still true when it
// commits. The price is that the function may run more than once: it must
// have no effect but on the transaction ([DB.AfterCommit] is for the others).
//
// # Transactions
//
//	err := d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
//		res, err := tx.NewUpdate().Model(v).Set("status = ?", "attaching").
//			Where("id = ? AND status = ?", v.ID, "available").Exec(ctx)
//		return db.CAS(res, err, errNotAvailable)
//	})
//
// The transaction travels in the context: [DB.Query] gives it inside InTx,
// and outside a handle that reads from the readers and sends each writing
// statement through the writers' queue. A nested InTx joins the outer one.
// After a statement failed, return its error: PostgreSQL refuses every later
// statement of that transaction. Never wait for a peer inside InTx; what must
// reach the bus after the commit goes through the [Outbox].
//
// # Migrations
//
// Migrations are files NNNNN_name.sql in goose's format ("-- +goose Up"), one
// set for both engines, forward only. Portable types are VARCHAR(n), TEXT,
// INTEGER, BIGINT, BOOLEAN, DOUBLE PRECISION, TIMESTAMP and BYTEA (SQLite
// takes any name; these get the affinity that is needed). Portable, too:
// PRIMARY KEY, UNIQUE, CHECK, REFERENCES … ON DELETE CASCADE, partial indexes,
// RETURNING, ON CONFLICT, upserts, CTEs, row values. Not portable:
// AUTOINCREMENT, SERIAL and IDENTITY (take [NextSeq] for rows that need an
// order), ALTER COLUMN, FOR UPDATE, BEGIN inside a migration, functions of
// dates, and comparing a boolean with a number (write "WHERE deleted", not
// "deleted = 1").
//
// # Values
//
// Times are stored in UTC with microseconds; [Micro] cuts one to what will be
// read back. A value kept as JSON is a [JSON] field. A list is read by
// [Page.Apply] and [ApplyFilters], never whole and never by OFFSET.
package db
