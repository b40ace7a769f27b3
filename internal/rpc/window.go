package rpc

import (
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/clock"
)

// windowSize is how many messages a server remembers. oslo.messaging
// remembers 16, which is enough for its case, a publish sent twice in a row.
// Here a cast is acknowledged when its handler is done, so that after a lost
// connection everything unacknowledged comes again at once: up to the
// prefetch of each of three queues, behind whatever ran meanwhile.
const windowSize = 4096

// window recognises messages that come again, by their _unique_id.
type window struct {
	mu   sync.Mutex // guards the fields below
	seen map[string]*sighting
	ring [windowSize]string // ids in order of arrival
	next int
}

// sighting is one message as this server knows it.
type sighting struct {
	running bool
	slot    int // in the ring; an older slot may hold the same, forgotten id
	// latest is the newest copy: a copy that came over an older connection
	// can no longer be acknowledged.
	latest amqp.Delivery
}

func newWindow() *window { return &window{seen: map[string]*sighting{}} }

// enter reports whether the message is to be run. If it is not, it is either
// being run, and settle will speak for this copy too, or it was: done.
func (w *window) enter(id string, d amqp.Delivery) (run, done bool) {
	if id == "" {
		return true, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s, ok := w.seen[id]; ok {
		s.latest = d
		return false, !s.running
	}
	if old := w.ring[w.next]; old != "" {
		if s, ok := w.seen[old]; ok && s.slot == w.next {
			delete(w.seen, old)
		}
	}
	w.seen[id] = &sighting{running: true, slot: w.next, latest: d}
	w.ring[w.next] = id
	w.next = (w.next + 1) % windowSize
	return true, false
}

// settle notes that the message was run, or, forget, that it is to be run
// when it comes again; it gives the copy to acknowledge.
func (w *window) settle(id string, d amqp.Delivery, forget bool) amqp.Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.seen[id]
	if !ok {
		return d
	}
	s.running = false
	if forget {
		delete(w.seen, id)
	}
	return s.latest
}

const (
	deadQueueLimit = 200
	deadQueueTTL   = time.Minute
)

// deadQueues remembers reply queues that stayed away, so that the answers to
// a caller that is gone do not each wait a minute for it.
type deadQueues struct {
	clock clock.Clock
	mu    sync.Mutex // guards until
	until map[string]time.Time
}

func newDeadQueues(c clock.Clock) *deadQueues {
	return &deadQueues{clock: c, until: map[string]time.Time{}}
}

func (q *deadQueues) has(queue string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	t, ok := q.until[queue]
	if ok && !q.clock.Now().Before(t) {
		delete(q.until, queue)
		return false
	}
	return ok
}

func (q *deadQueues) add(queue string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.until) >= deadQueueLimit {
		oldest := ""
		for name, t := range q.until {
			if oldest == "" || t.Before(q.until[oldest]) {
				oldest = name
			}
		}
		delete(q.until, oldest)
	}
	q.until[queue] = q.clock.Now().Add(deadQueueTTL)
}
