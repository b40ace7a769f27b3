package db

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"
)

// Attempts of a transaction that PostgreSQL refuses to serialise. After the
// first few it runs alone in this process, so that it gets through.
const (
	attemptsTogether = 4
	attemptsAll      = 20
)

// txKey is the context key of a transaction in d. Its DB is part of the key
// because a context may cross from one component to another in one process.
type txKey struct{ d *DB }

// txState is a running transaction. Only the goroutine of InTx's function
// uses it.
type txState struct {
	tx    bun.Tx
	after []func()
	added []Message // to the outbox
}

func (d *DB) stateOf(ctx context.Context) *txState {
	st, _ := ctx.Value(txKey{d}).(*txState)
	return st
}

// InTx runs fn in a transaction and commits if it returns nil. Inside another
// InTx of the same database it joins that one. The function may run again,
// see the package's comment. Its context must be the one used inside.
func (d *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	if st := d.stateOf(ctx); st != nil {
		return fn(ctx, st.tx)
	}
	for attempt := 1; ; attempt++ {
		weight := int64(1)
		if attempt > attemptsTogether {
			weight = d.slots
		}
		err := d.attempt(ctx, weight, fn)
		if !raced(err) || attempt == attemptsAll {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << min(attempt, 7)))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// attempt runs the transaction once, holding weight of the writers' slots,
// and calls what waits for the commit after they are free again.
func (d *DB) attempt(ctx context.Context, weight int64, fn func(context.Context, bun.Tx) error) error {
	st := &txState{}
	if err := d.runTx(ctx, st, weight, fn); err != nil {
		return err
	}
	for _, f := range st.after {
		f()
	}
	return nil
}

func (d *DB) runTx(ctx context.Context, st *txState, weight int64, fn func(context.Context, bun.Tx) error) error {
	if err := d.turn(ctx, weight); err != nil {
		return fmt.Errorf("wait for the database: %w", err)
	}
	defer d.writers.Release(weight)
	if err := d.begin(ctx, st); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// Does nothing after the commit; ends the transaction if fn fails or
	// panics.
	defer st.tx.Rollback()
	if err := fn(context.WithValue(ctx, txKey{d}, st), st.tx); err != nil {
		return err
	}
	if err := commit(ctx, st.tx, d.path == ""); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	if len(st.added) > 0 { // before the next writer's turn, for the order
		d.outbox.committed(st.added)
	}
	return nil
}

func (d *DB) begin(ctx context.Context, st *txState) (err error) {
	var opts *sql.TxOptions
	if d.path == "" {
		opts = &serializable
	}
	return retryBusy(ctx, func() error {
		st.tx, err = d.writer.BeginTx(ctx, opts)
		return err
	})
}

// AfterCommit runs f once the transaction in ctx is committed, and never if
// it is not. Outside a transaction it runs f at once.
func (d *DB) AfterCommit(ctx context.Context, f func()) {
	if st := d.stateOf(ctx); st != nil {
		st.after = append(st.after, f)
		return
	}
	f()
}
