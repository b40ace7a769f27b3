package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
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
	// outboxTidy is how long sent messages stay in the table, so that many are
	// deleted at once: after the process was killed they are sent again.
	outboxTidy = 50 * time.Millisecond
	// outboxFresh bounds the committed messages kept for the relay; the rest it
	// reads from the table.
	outboxFresh = 10000
	// fullPass is how many messages in a pass call for all of the pace.
	fullPass = 8
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
	pace time.Duration // see OutboxPace

	mu      sync.Mutex // guards what follows
	relayed bool       // a relay works here
	fresh   []Message  // committed here and not yet taken by the relay
	missed  bool       // there were too many: the relay must read the table
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
	st.added = append(st.added, rows...)
	return nil
}

// committed gives the relay what a transaction added. Of transactions that
// follow each other it is called in that order.
func (o *Outbox) committed(msgs []Message) {
	o.mu.Lock()
	switch {
	case !o.relayed:
	case len(o.fresh)+len(msgs) > outboxFresh:
		o.fresh, o.missed = nil, true
	case !o.missed:
		o.fresh = append(o.fresh, msgs...)
	}
	o.mu.Unlock()
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
	pause := outboxBackoff
	for {
		progress, err := o.relay(ctx, send)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if progress {
			pause = outboxBackoff
		}
		slog.WarnContext(ctx, "outbox relay paused", "error", err, "wait", pause)
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, outboxMaxWait)
	}
}

// relay works until something fails and says whether anything was sent.
func (o *Outbox) relay(ctx context.Context, send func(context.Context, []Message) (int, error)) (progress bool, err error) {
	lock, err := o.lock(ctx)
	if err != nil {
		return false, fmt.Errorf("lock the outbox: %w", err)
	}
	defer lock.release()
	o.begin(true)
	defer o.begin(false)
	s := &sender{o: o, rows: lock.rows, send: send, seen: map[int64]bool{}}
	defer func() { err = errors.Join(err, s.forget(context.WithoutCancel(ctx))) }()
	poll := time.NewTicker(outboxPoll)
	defer poll.Stop()
	read := true // what was committed before, or elsewhere
	for {
		began := time.Now()
		s.passed = 0
		if read {
			err = s.readAll(ctx)
		} else {
			err = s.sendFresh(ctx)
		}
		if err != nil {
			return s.progress, err
		}
		var tidy <-chan time.Time
		if len(s.sent) > 0 {
			tidy = time.After(outboxTidy)
		}
		for idle := true; idle; {
			select {
			case <-ctx.Done():
				return s.progress, ctx.Err()
			case <-o.wake:
				read, idle = false, false
				if err := wait(ctx, o.rest(s.passed)-time.Since(began)); err != nil {
					return s.progress, err
				}
			case <-poll.C:
				read, idle = true, false
			case <-tidy:
				if err := s.forget(ctx); err != nil {
					return s.progress, err
				}
			}
		}
	}
}

// rest is how long after the beginning of a pass the next may begin: the more
// messages there were, the longer, up to the pace.
func (o *Outbox) rest(passed int) time.Duration {
	return o.pace * time.Duration(min(passed, fullPass)) / fullPass
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// begin notes that a relay begins to work here, or ends.
func (o *Outbox) begin(relayed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.relayed, o.fresh, o.missed = relayed, nil, false
}

// take gives what was committed here since it was called last; missed says
// that there is more in the table.
func (o *Outbox) take() (fresh []Message, missed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh, missed = o.fresh, o.missed
	o.fresh, o.missed = nil, false
	return fresh, missed
}

// sender is a relay at work.
type sender struct {
	o        *Outbox
	rows     bun.IDB // where to read
	send     func(context.Context, []Message) (int, error)
	sent     []int64        // delivered, and still in the table
	seen     map[int64]bool // what the last reading of the table found: it may come again as fresh
	passed   int            // delivered in this pass
	progress bool
}

// readAll sends what is in the table until there is no more.
func (s *sender) readAll(ctx context.Context) error {
	s.o.take() // it is all in the table
	clear(s.seen)
	for {
		if err := s.forget(ctx); err != nil {
			return err
		}
		var batch []Message
		if err := s.rows.NewSelect().Model(&batch).Order("id").Limit(outboxBatch).Scan(ctx); err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		for _, m := range batch {
			s.seen[m.ID] = true
		}
		if err := s.pass(ctx, batch); err != nil || len(batch) < outboxBatch {
			return err
		}
	}
}

// sendFresh sends what was committed here, without reading it back.
func (s *sender) sendFresh(ctx context.Context) error {
	fresh, missed := s.o.take()
	if missed {
		return s.readAll(ctx)
	}
	fresh = slices.DeleteFunc(fresh, func(m Message) bool { return s.seen[m.ID] })
	for batch := range slices.Chunk(fresh, outboxBatch) {
		if err := s.pass(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// pass sends a batch.
func (s *sender) pass(ctx context.Context, batch []Message) error {
	for len(batch) > 0 {
		n, err := s.send(ctx, batch)
		for _, m := range batch[:n] {
			s.sent = append(s.sent, m.ID)
		}
		s.passed += n
		s.progress = s.progress || n > 0
		if err == nil && n == 0 {
			err = errors.New("nothing was sent")
		}
		if err != nil {
			return fmt.Errorf("send from outbox: %w", err)
		}
		batch = batch[n:]
	}
	return nil
}

// forget deletes what was sent.
func (s *sender) forget(ctx context.Context) error {
	for ids := range slices.Chunk(s.sent, maxList) {
		_, err := s.o.d.reader.NewDelete().Table("outbox").Where("id IN (?)", List(ids)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("delete from outbox: %w", err)
		}
	}
	s.sent = s.sent[:0]
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
