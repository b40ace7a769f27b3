package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"nubo/internal/trace"
	"nubo/network"
)

// ids is a set of ids.
type ids map[string]bool

func (s *ids) add(list ...string) {
	if *s == nil && len(list) > 0 {
		*s = ids{}
	}
	for _, id := range list {
		(*s)[id] = true
	}
}

func (s ids) list() []string { return slices.Sorted(maps.Keys(s)) }

// work is what has to be looked at.
type work struct {
	all                              bool
	networks, ports, routers, groups ids
	cause                            map[string]cause // by id, where it is known
}

// cause is why an object is looked at.
type cause struct {
	ref     *trace.Ref
	noticed time.Time
}

func (w *work) because(id string, c cause) {
	if c.ref == nil {
		return
	}
	if w.cause == nil {
		w.cause = map[string]cause{}
	}
	w.cause[id] = c
}

func (w *work) empty() bool {
	return !w.all && len(w.networks)+len(w.ports)+len(w.routers)+len(w.groups) == 0
}

func (w *work) merge(o work) {
	w.all = w.all || o.all
	w.networks.add(o.networks.list()...)
	w.ports.add(o.ports.list()...)
	w.routers.add(o.routers.list()...)
	w.groups.add(o.groups.list()...)
	for id, c := range o.cause {
		w.because(id, c)
	}
}

// queue gathers work while the agent is busy. What is urgent is given out at
// once; refreshes when some time has passed since the last ones; what failed
// when its pause is over.
type queue struct {
	interval time.Duration
	wake     chan struct{} // holds a token when something was added

	mu        sync.Mutex // guards all below
	version   int64
	urgent    work
	refresh   work
	refreshAt time.Time // no refresh before
	failed    work
	failedAt  time.Time // no retry before
	pause     time.Duration
}

// The pauses before a retry.
const (
	minPause = time.Second
	maxPause = 30 * time.Second
)

func newQueue(interval time.Duration) *queue {
	return &queue{interval: interval, wake: make(chan struct{}, 1)}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake already
	}
}

// notice adds what the plugin said.
func (q *queue) notice(n network.Notice) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.version = max(q.version, n.Version)
	q.urgent.networks.add(n.Networks...)
	q.urgent.ports.add(n.Ports...)
	q.urgent.routers.add(n.Routers...)
	q.refresh.networks.add(n.Refresh.Networks...)
	q.refresh.groups.add(n.Refresh.Groups...)
	now := time.Now()
	for id, ref := range n.Refs {
		q.urgent.because(id, cause{ref, now})
	}
	q.signal()
}

// resync asks for everything.
func (q *queue) resync() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.urgent.all = true
	q.signal()
}

// retry puts back what failed.
func (q *queue) retry(w work) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pause = min(max(2*q.pause, minPause), maxPause)
	q.failedAt = time.Now().Add(q.pause)
	q.failed.merge(w)
	q.signal()
}

// succeeded ends the growing of pauses.
func (q *queue) succeeded() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pause = 0
}

// take gives what is due, or when something will be (zero: not known).
func (q *queue) take() (w work, version int64, due time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	w, q.urgent = q.urgent, work{}
	later := func(part *work, at time.Time) {
		switch {
		case part.empty():
		case !now.Before(at):
			w.merge(*part)
			*part = work{}
		case due.IsZero() || at.Before(due):
			due = at
		}
	}
	refreshing := !q.refresh.empty()
	later(&q.refresh, q.refreshAt)
	if refreshing && q.refresh.empty() {
		q.refreshAt = now.Add(q.interval)
	}
	later(&q.failed, q.failedAt)
	return w, q.version, due
}

// next waits until there is work.
func (q *queue) next(ctx context.Context) (work, int64, error) {
	for {
		w, version, due := q.take()
		if !w.empty() {
			return w, version, nil
		}
		var timer <-chan time.Time
		if !due.IsZero() {
			t := time.NewTimer(time.Until(due))
			defer t.Stop()
			timer = t.C
		}
		select {
		case <-ctx.Done():
			return work{}, 0, ctx.Err()
		case <-q.wake:
		case <-timer:
		}
	}
}
