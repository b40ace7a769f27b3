package db_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/uptrace/bun"
	"golang.org/x/sync/errgroup"

	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
)

// bus records what relays send.
type bus struct {
	mu     sync.Mutex
	kinds  []string                  // under mu
	refuse func(sent, asked int) int // under mu: how many of asked to take
	enough int                       // done is closed with so many
	done   chan struct{}
}

func newBus(enough int) *bus { return &bus{enough: enough, done: make(chan struct{})} }

var errBusDown = errors.New("bus is down")

func (b *bus) send(_ context.Context, msgs []db.Message) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(msgs)
	if b.refuse != nil {
		n = b.refuse(len(b.kinds), n)
	}
	for _, m := range msgs[:n] {
		if len(b.kinds) < b.enough {
			b.kinds = append(b.kinds, m.Kind+string(m.Body))
			if len(b.kinds) == b.enough {
				close(b.done)
			}
		}
	}
	if n < len(msgs) {
		return n, errBusDown
	}
	return n, nil
}

// relay runs a relay until the returned function is called.
func relay(t *testing.T, d *db.DB, b *bus) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Outbox().Run(ctx, b.send) }()
	stop = sync.OnceFunc(func() {
		cancel()
		testx.ErrIs(t, <-ended, context.Canceled)
	})
	t.Cleanup(stop)
	return stop
}

func add(ctx context.Context, d *db.DB, kinds ...string) error {
	return d.InTx(ctx, func(ctx context.Context, _ bun.Tx) error {
		for _, k := range kinds {
			if err := d.Outbox().Add(ctx, db.Message{Kind: k}); err != nil {
				return err
			}
		}
		return nil
	})
}

func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

func left(t *testing.T, d *db.DB) int {
	n, err := d.Query(context.Background()).NewSelect().Table("outbox").Count(context.Background())
	testx.NoErr(t, err)
	return int(n)
}

func TestOutboxSendsWhatIsCommittedInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		testx.ErrIs(t, d.Outbox().Add(ctx, db.Message{Kind: "x"}), db.ErrNoTx)
		testx.NoErr(t, add(ctx, d, numbers(0, 600)...)) // before the relay runs
		b := newBus(700)
		stop := relay(t, d, b)
		errNo := errors.New("no")
		err := d.InTx(ctx, func(ctx context.Context, _ bun.Tx) error {
			testx.NoErr(t, d.Outbox().Add(ctx, db.Message{Kind: "rolled back"}))
			return errNo
		})
		testx.ErrIs(t, err, errNo)
		for i := 600; i < 700; i++ {
			testx.NoErr(t, add(ctx, d, strconv.Itoa(i)))
		}
		<-b.done
		stop()
		testx.Equal(t, b.kinds, numbers(0, 700))
		testx.Equal(t, left(t, d), 0)
	}, db.WithOutbox())
}

func TestOutboxKeepsWhatWasNotSent(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, d *db.DB) {
		b := newBus(50)
		calls := 0
		b.refuse = func(_, asked int) int {
			if calls++; calls == 1 {
				return 0
			}
			return min(asked, 20)
		}
		testx.NoErr(t, add(t.Context(), d, numbers(0, 50)...))
		stop := relay(t, d, b)
		<-b.done
		stop()
		testx.Equal(t, b.kinds, numbers(0, 50))
		testx.Equal(t, left(t, d), 0)
	}, db.WithOutbox())
}

// A relay that is slow finds in the table what there is no room for beside it.
func TestOutboxOutgrowsItsRelay(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, nil, func(t *testing.T, d *db.DB) {
		const all = 12000
		b := newBus(all)
		entered, release := make(chan struct{}), make(chan struct{})
		atFirst := sync.OnceFunc(func() { close(entered); <-release })
		b.refuse = func(_, asked int) int { atFirst(); return asked }
		stop := relay(t, d, b)
		testx.NoErr(t, add(t.Context(), d, "0"))
		<-entered
		for at := 1; at < all; {
			end := min(at+1000, all)
			msgs := make([]db.Message, 0, end-at)
			for _, n := range numbers(at, end) {
				msgs = append(msgs, db.Message{Kind: n})
			}
			testx.NoErr(t, d.InTx(t.Context(), func(ctx context.Context, _ bun.Tx) error { return d.Outbox().Add(ctx, msgs...) }))
			at = end
		}
		close(release)
		<-b.done
		stop()
		testx.Equal(t, b.kinds, numbers(0, all))
		testx.Equal(t, left(t, d), 0)
	}, db.WithOutbox())
}

func TestOneRelayWorksAndTheNextTakesOver(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, u string) *db.DB {
		d, err := db.Open(t.Context(), u, nil, db.WithOutbox())
		testx.NoErr(t, err)
		t.Cleanup(func() { testx.NoErr(t, d.Close()) })
		return d
	}
	for name, newURL := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite://" + filepath.ToSlash(t.TempDir()) + "/x.db" },
		"postgres": func(t *testing.T) string { return dbtest.PostgresURL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newURL(t)
			one, two := open(t, u), open(t, u) // two processes
			b := newBus(200)
			half := make(chan struct{})
			atHalf := sync.OnceFunc(func() { close(half) })
			b.refuse = func(sent, asked int) int {
				if sent+asked >= 50 {
					atHalf()
				}
				return asked
			}
			stopOne := relay(t, one, b)
			stopTwo := relay(t, two, b)
			var g errgroup.Group
			g.Go(func() error {
				for i := range 100 {
					if err := add(t.Context(), two, strconv.Itoa(i)); err != nil {
						return err
					}
				}
				return nil
			})
			<-half
			stopOne()
			testx.NoErr(t, g.Wait())
			for i := 100; i < 200; i++ {
				testx.NoErr(t, add(t.Context(), one, strconv.Itoa(i)))
			}
			<-b.done
			stopTwo()
			testx.Equal(t, b.kinds, numbers(0, 200))
		})
	}
}

// BenchmarkOutbox measures messages from commit to relayed, one transaction
// each and a hundred each.
func BenchmarkOutbox(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d per transaction", size), func(b *testing.B) {
			d, err := db.Open(b.Context(), "sqlite://"+filepath.ToSlash(b.TempDir())+"/x.db", fs.FS(nil), db.WithOutbox())
			testx.NoErr(b, err)
			defer d.Close()
			ctx, cancel := context.WithCancel(b.Context())
			sent, done := 0, make(chan struct{})
			total := b.N * size
			ended := make(chan error, 1)
			go func() {
				ended <- d.Outbox().Run(ctx, func(_ context.Context, msgs []db.Message) (int, error) {
					if sent += len(msgs); sent == total {
						close(done)
					}
					return len(msgs), nil
				})
			}()
			body := make([]byte, 1000)
			b.ResetTimer()
			for range b.N {
				msgs := make([]db.Message, size)
				for i := range msgs {
					msgs[i] = db.Message{Kind: "notification", Body: body}
				}
				err := d.InTx(ctx, func(ctx context.Context, _ bun.Tx) error { return d.Outbox().Add(ctx, msgs...) })
				testx.NoErr(b, err)
			}
			<-done
			b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "msgs/s")
			cancel()
			<-ended
		})
	}
}

// BenchmarkInTx is one inserted row in a transaction of its own.
func BenchmarkInTx(b *testing.B) {
	d, err := db.Open(b.Context(), "sqlite://"+filepath.ToSlash(b.TempDir())+"/x.db", listSchema)
	testx.NoErr(b, err)
	defer d.Close()
	i := 0
	for b.Loop() {
		i++
		err := d.InTx(b.Context(), func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().Model(&server{ID: strconv.Itoa(i)}).Exec(ctx)
			return err
		})
		testx.NoErr(b, err)
	}
}
