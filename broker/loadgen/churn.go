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
	defaultQueues      = 10_000
	defaultConnections = 1000
	// openers is how many connections are opened at a time.
	openers = 16
)

// queues declares queues over all producers' connections, each waiting for the
// answer, and deletes them again.
func (r *run) queues(ctx context.Context) error {
	if r.Queues == 0 {
		r.Queues = defaultQueues
	}
	r.result.Queues, r.result.Consumers, r.result.Size = r.Queues, 0, 0
	links := make([]*link, r.Producers)
	for i := range links {
		l, err := dial(ctx, r.uri)
		if err != nil {
			return err
		}
		defer l.nc.Close()
		links[i] = l
	}
	finish, err := r.observe(ctx)
	if err != nil {
		return err
	}
	var done atomic.Uint64
	each := func(f func(l *link, i int) error) error {
		return parallel(r.Producers, func(w int) error {
			for i := w; i < r.Queues; i += r.Producers {
				if err := errors.Join(ctx.Err(), f(links[w], i)); err != nil {
					return err
				}
				done.Add(1)
			}
			return nil
		})
	}
	defer r.progress(func() string { return fmt.Sprintf("%d declared or deleted", done.Load()) })()
	begin := time.Now()
	err = each(func(l *link, i int) error {
		_, err := l.call(1, &amqp.QueueDeclare{Queue: fmt.Sprintf("nubo.bench.%d", i)}, amqp.IDQueueDeclareOk)
		return err
	})
	if err == nil {
		err = each(func(l *link, i int) error { return l.remove(fmt.Sprintf("nubo.bench.%d", i)) })
	}
	r.result.Seconds = time.Since(begin).Seconds()
	r.result.Rate = float64(r.Queues) / r.result.Seconds
	return errors.Join(err, finish())
}

// connections opens connections with a channel each and closes them when all
// are open.
func (r *run) connections(ctx context.Context) error {
	if r.Count == 0 {
		r.Count = defaultConnections
	}
	r.result.Producers, r.result.Consumers, r.result.Size = r.Count, 0, 0
	links := make([]*link, r.Count)
	defer func() {
		for _, l := range links {
			if l != nil {
				l.nc.Close()
			}
		}
	}()
	finish, err := r.observe(ctx)
	if err != nil {
		return err
	}
	var open atomic.Uint64
	defer r.progress(func() string { return fmt.Sprintf("%d are open", open.Load()) })()
	begin := time.Now()
	err = parallel(openers, func(w int) error {
		for i := w; i < r.Count; i += openers {
			l, err := dial(ctx, r.uri)
			if err != nil {
				return err
			}
			links[i] = l
			open.Add(1)
		}
		return nil
	})
	r.result.Seconds = time.Since(begin).Seconds()
	r.result.Rate = float64(r.Count) / r.result.Seconds
	err = errors.Join(err, finish())
	if err != nil {
		return err
	}
	return parallel(openers, func(w int) error {
		for i := w; i < r.Count; i += openers {
			if _, err := links[i].call(0, &amqp.ConnectionClose{ReplyCode: 200, ReplyText: "done"}, amqp.IDConnectionCloseOk); err != nil {
				return err
			}
		}
		return nil
	})
}

// parallel runs f n times at once and joins the errors.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
