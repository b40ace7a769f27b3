package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"
)

//go:embed outboxsql/*.sql
var outboxMigrations embed.FS

const (
	outboxBatch = 500
	// outboxPoll finds what another process committed; this process's own
	// commits wake the relay.
	outboxPoll    = time.Second
	outboxBackoff = 100 * time.Millisecond
	outboxMaxWait = 10 * time.Second
)

// ErrNoTx says that Outbox.Add was called outside a transaction.
var ErrNoTx = errors.New("outbox: not in a transaction")

// Message is what is to reach the bus once its transaction is committed. Kind
// and Body mean something only to the two ends.
type Message struct {
	bun.BaseModel `bun:"table:outbox"`

	ID        int64     `bun:"id,pk"` // set by Add: the order
	Kind      string    `bun:"kind"`
	Body      []byte    `bun:"body"`
	CreatedAt time.Time `bun:"created_at"` // set by Add
}

// Outbox keeps messages beside the state they tell of, and relays them: each
// at least once, in the order in which their transactions' Add was called.
type Outbox struct {
	d    *DB
	wake chan struct{} // holds a token when a commit here added messages
}

func newOutbox(d *DB) *Outbox { return &Outbox{d: d, wake: make(chan struct{}, 1)} }

// Add stores messages in the transaction of ctx.
func (o *Outbox) Add(ctx context.Context, msgs ...Message) error {
	st := o.d.stateOf(ctx)
	if st == nil {
		return ErrNoTx
	}
	if len(msgs) == 0 {
		return nil
	}
	rows := make([]Message, len(msgs))
	for i, m := range msgs {
		m.ID, m.CreatedAt = NextSeq(), Micro(time.Now())
		if m.Body == nil {
			m.Body = []byte{}
		}
		rows[i] = m
	}
	if _, err := st.tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
		return fmt.Errorf("add to outbox: %w", err)
	}
	o.d.AfterCommit(ctx, o.signal)
	return nil
}

func (o *Outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Run relays until ctx ends and returns its error. send gets messages in
// order and says how many of them, counted from the first, it delivered; the
// rest come again, after a pause if it also gave an error. Of several relays
// of one database, in any processes, one works and the others stand by.
func (o *Outbox) Run(ctx context.Context, send func(ctx context.Context, msgs []Message) (int, error)) error {
	wait := outboxBackoff
	for {
		progress, err := o.relay(ctx, send)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			wait = outboxBackoff
		}
		slog.WarnContext(ctx, "outbox relay paused", "error", err, "wait", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, outboxMaxWait)
	}
}

// relay works until something fails and says whether anything was sent.
func (o *Outbox) relay(ctx context.Context, send func(context.Context, []Message) (int, error)) (progress bool, err error) {
	lock, err := o.lock(ctx)
	if err != nil {
		return false, fmt.Errorf("lock the outbox: %w", err)
	}
	defer lock.release()
	poll := time.NewTicker(outboxPoll)
	defer poll.Stop()
	for {
		var batch []Message
		if err := lock.rows.NewSelect().Model(&batch).Order("id").Limit(outboxBatch).Scan(ctx); err != nil {
			return progress, fmt.Errorf("read the outbox: %w", err)
		}
		var n int
		if len(batch) > 0 {
			n, err = o.pass(ctx, batch, send)
			progress = progress || n > 0
			if err != nil {
				return progress, err
			}
		}
		if n < len(batch) || n == outboxBatch {
			continue // there is more
		}
		// What was committed here since the read has left a token.
		select {
		case <-ctx.Done():
			return progress, ctx.Err()
		case <-o.wake:
		case <-poll.C:
		}
	}
}

// pass sends a batch, forgets what was sent and says how much that is.
func (o *Outbox) pass(ctx context.Context, batch []Message, send func(context.Context, []Message) (int, error)) (int, error) {
	n, err := send(ctx, batch)
	if n > 0 {
		if err := o.forget(ctx, batch[:n]); err != nil {
			return n, err
		}
	}
	if err == nil && n == 0 {
		err = errors.New("nothing was sent")
	}
	if err != nil {
		return n, fmt.Errorf("send from outbox: %w", err)
	}
	return n, nil
}

// forget deletes what was sent; also when ctx just ended, for it would be
// sent again.
func (o *Outbox) forget(ctx context.Context, sent []Message) error {
	ids := make([]int64, len(sent))
	for i, m := range sent {
		ids[i] = m.ID
	}
	_, err := o.d.reader.NewDelete().Table("outbox").Where("id IN (?)", bun.List(ids)).Exec(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("delete from outbox: %w", err)
	}
	return nil
}

// relayLock is held by the one relay that works. It vanishes with the
// process, so that the next one need not wait for a lease to run out.
type relayLock struct {
	rows    bun.IDB // where to read: fails once the lock is lost
	release func()
}

// relayLockKey is the advisory lock's key on PostgreSQL: "outbox" in ASCII.
const relayLockKey = 0x6f7574626f78

// lock waits for the relay's lock.
func (o *Outbox) lock(ctx context.Context) (*relayLock, error) {
	if o.d.path == "" {
		conn, err := o.d.writer.Conn(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock(?)", int64(relayLockKey)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return &relayLock{rows: conn, release: func() {
			// Also when ctx ended: the connection goes back to the pool.
			_, err := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(?)", int64(relayLockKey))
			if err != nil {
				_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			}
			conn.Close()
		}}, nil
	}
	// SQLite's own lock of an empty database beside the component's: it goes
	// when the connection does.
	pool, err := sql.Open("sqlite", sqliteDSN(o.d.path+"-relay"))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	conn, err := pool.Conn(ctx)
	if err == nil {
		err = retryBusy(ctx, func() error {
			_, err := conn.ExecContext(ctx, "BEGIN EXCLUSIVE")
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, closeLock(conn, pool))
	}
	return &relayLock{rows: o.d.reader, release: func() { _ = closeLock(conn, pool) }}, nil
}

// closeLock closes the lock's only connection, then its pool.
func closeLock(conn *sql.Conn, pool *sql.DB) error {
	if conn != nil {
		_ = conn.Close()
	}
	return pool.Close()
}
