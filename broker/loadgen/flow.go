package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"nubo/amqp"
)

const (
	// prefetch is what consumers that acknowledge may have unacknowledged.
	prefetch = 1000
	// backlogCount and backlogBytes bound what is published without confirms
	// and not delivered yet.
	backlogCount = 50_000
	backlogBytes = 64 << 20
)

// flow is messages on their way through queues.
type flow struct {
	*run
	took                            histogram
	published, confirmed, delivered atomic.Uint64
	blocked                         atomic.Uint64
	backlog                         uint64 // 0 is no bound
	stop                            atomic.Bool

	// mu guards the rest.
	mu      sync.Mutex
	windows []*window
	closers []func() error
	err     error
	failed  chan struct{} // closed with the first error
	ending  bool          // connections are being closed
}

// publisher is a connection that publishes.
type publisher interface {
	// batch is how many messages are best published at once.
	batch() int
	publish(n int) error
}

// flow runs the scenarios that publish and consume.
func (r *run) flow(ctx context.Context) error {
	if r.Queues == 0 {
		r.Queues = max(1, r.Consumers)
	}
	r.result.Queues = r.Queues
	f := &flow{run: r, failed: make(chan struct{})}
	if r.Window == 0 && r.Consumers > 0 {
		f.backlog = uint64(max(1000, min(backlogCount, backlogBytes/max(1, r.Size))))
	}
	control, err := dial(ctx, r.uri)
	if err != nil {
		return err
	}
	defer control.nc.Close()
	durable, kind := r.Scenario != "transient", ""
	if r.Scenario == "quorum" {
		kind = "quorum"
	}
	for i := range r.Queues {
		if err := control.declare(r.queue(i), durable, kind); err != nil {
			return err
		}
	}
	finish, err := r.observe(ctx)
	if err != nil {
		return err
	}
	err = f.load(ctx, control)
	err = errors.Join(err, finish())
	for i := range r.Queues {
		err = errors.Join(err, control.remove(r.queue(i)))
	}
	return err
}

func (r *run) queue(i int) string { return fmt.Sprintf("nubo.bench.%d", i%r.Queues) }

// load runs producers and consumers until all that was published has arrived.
func (f *flow) load(ctx context.Context, control *link) error {
	var readers, writers sync.WaitGroup
	defer readers.Wait()
	defer f.close()
	for i := range f.Consumers {
		serve, err := f.consumer(ctx, f.queue(i))
		if err != nil {
			return err
		}
		readers.Go(func() { f.fail(serve()) })
	}
	for i := range f.Producers {
		var w *window
		if f.Window > 0 {
			w = newWindow(f.Window, &f.took)
			f.windows = append(f.windows, w)
		}
		p, serve, err := f.producer(ctx, f.queue(i), w)
		if err != nil {
			f.stop.Store(true)
			f.fail(err)
			writers.Wait()
			return err
		}
		readers.Go(func() { f.fail(serve()) })
		writers.Go(func() { f.fail(f.produce(p, w, f.share(i))) })
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		writers.Wait()
	}()
	defer f.progress(f.line())()
	return f.measure(ctx, control, written)
}

// share is how many messages producer i publishes; 0 is no limit.
func (r *run) share(i int) int {
	n := r.Count / r.Producers
	if i < r.Count%r.Producers {
		n++
	}
	return n
}

// measure lets the load run and takes the rates.
func (f *flow) measure(ctx context.Context, control *link, written <-chan struct{}) error {
	begin := time.Now()
	count := f.rated()
	if f.Count == 0 {
		warm := min(time.Second, f.Time/5)
		f.pause(ctx, warm, written)
		t, n := time.Now(), count.Load()
		f.pause(ctx, f.Time-warm, written)
		f.result.Rate = float64(count.Load()-n) / time.Since(t).Seconds()
		f.stop.Store(true)
	}
	select {
	case <-written:
	case <-f.failed:
	case <-ctx.Done():
		f.fail(ctx.Err())
	}
	f.stop.Store(true)
	<-written
	if err := f.settle(ctx, control); err != nil {
		return err
	}
	res := &f.result
	res.Seconds = time.Since(begin).Seconds()
	if f.Count > 0 {
		res.Rate = float64(count.Load()) / res.Seconds
	}
	res.Published, res.Confirmed, res.Delivered = f.published.Load(), f.confirmed.Load(), f.delivered.Load()
	res.Blocked = f.blocked.Load()
	res.Latency = f.took.latency()
	if res.Delivered != res.Published || f.Window > 0 && res.Confirmed != res.Published {
		return fmt.Errorf("of %d messages published %d were confirmed and %d delivered", res.Published, res.Confirmed, res.Delivered)
	}
	return nil
}

// rated is the counter whose rate is the result.
func (f *flow) rated() *atomic.Uint64 {
	switch {
	case f.Window > 0:
		return &f.confirmed
	case f.Consumers > 0:
		return &f.delivered
	default:
		return &f.published
	}
}

// pause waits, if nothing ends earlier.
func (f *flow) pause(ctx context.Context, d time.Duration, written <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-written:
	case <-f.failed:
	case <-ctx.Done():
	}
}

// settle waits until everything published has arrived, while it still arrives.
func (f *flow) settle(ctx context.Context, control *link) error {
	last, since := uint64(0), time.Now()
	for {
		if f.Consumers == 0 {
			if err := f.count(control); err != nil {
				return err
			}
		}
		confirmed, delivered, published := f.confirmed.Load(), f.delivered.Load(), f.published.Load()
		if f.Window == 0 {
			confirmed = published
		}
		if sum := confirmed + delivered; sum != last {
			last, since = sum, time.Now()
		}
		if confirmed >= published && delivered >= published || time.Since(since) > patience {
			break
		}
		select {
		case <-f.failed:
			return f.error()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return f.error()
}

// count takes what is in the queues for delivered.
func (f *flow) count(control *link) error {
	var n uint64
	for i := range f.Queues {
		m, err := control.call(1, &amqp.QueueDeclare{Queue: f.queue(i), Passive: true}, amqp.IDQueueDeclareOk)
		if err != nil {
			return err
		}
		n += uint64(m.(*amqp.QueueDeclareOk).MessageCount)
	}
	f.delivered.Store(n)
	return nil
}

// produce publishes until it is told to stop, or n messages if that is not 0,
// and waits for their confirms.
func (f *flow) produce(p publisher, w *window, n int) error {
	if f.Count > 0 && n == 0 {
		return nil
	}
	for left := n; !f.stop.Load() && (n == 0 || left > 0); {
		k := p.batch()
		if n > 0 {
			k = min(k, left)
		}
		if w != nil {
			var err error
			if k, err = w.reserve(k); err != nil {
				return err
			}
		} else if f.backlog > 0 && f.published.Load() > f.delivered.Load()+f.backlog {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		f.published.Add(uint64(k))
		if err := p.publish(k); err != nil {
			return err
		}
		left -= k
	}
	if w != nil {
		return w.drained()
	}
	return nil
}

// line tells how it goes, since it was last asked.
func (f *flow) line() func() string {
	var at time.Time
	var p, c, d uint64
	begin := time.Now()
	at = begin
	return func() string {
		now, np, nc, nd := time.Now(), f.published.Load(), f.confirmed.Load(), f.delivered.Load()
		s := now.Sub(at).Seconds()
		line := fmt.Sprintf("%4.0f s: published %.0f/s, confirmed %.0f/s, delivered %.0f/s", now.Sub(begin).Seconds(), float64(np-p)/s, float64(nc-c)/s, float64(nd-d)/s)
		at, p, c, d = now, np, nc, nd
		return line
	}
}

// fail ends the run with an error, if it is one.
func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || f.err != nil || f.ending {
		return
	}
	f.err = err
	close(f.failed)
	for _, w := range f.windows {
		w.fail(err)
	}
}

func (f *flow) error() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// onClose has a connection closed in the end.
func (f *flow) onClose(closer func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closers = append(f.closers, closer)
}

// close closes the connections; what they then say is no error.
func (f *flow) close() {
	f.mu.Lock()
	f.ending = true
	closers := f.closers
	f.mu.Unlock()
	for _, c := range closers {
		_ = c() // the run has its result by now
	}
}
