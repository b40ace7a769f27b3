package rpc

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/clock"
)

// replies consumes the bus's reply queue and hands each reply to its call.
type replies struct {
	bus   *Bus
	queue string

	mu      sync.Mutex // guards the fields below
	started bool
	ready   chan struct{} // closed while the queue is consumed
	waiting map[string]*waiter
}

// waiter is a call in flight.
type waiter struct {
	id    string
	final chan *reply   // one reply
	alive chan struct{} // call monitor: a sign of life came
	fail  chan error    // the request was not published
	// partial is the first half of an answer in the two messages of old
	// servers. Only the reply consumer uses it.
	partial *reply

	// request is published once by send, and again by repeat when it is
	// confirmed: whoever sets that back has it, and the publisher after him.
	request   *outgoing
	deadline  time.Time
	confirmed atomic.Bool
}

func newReplies(b *Bus) *replies {
	return &replies{
		bus: b, queue: "reply_" + clock.NewHexID(),
		ready: make(chan struct{}), waiting: map[string]*waiter{},
	}
}

// wait starts the consumer if need be and waits until it consumes: a reply
// that comes before is lost.
func (r *replies) wait(ctx context.Context) error {
	r.mu.Lock()
	if !r.started && r.bus.ctx.Err() == nil {
		r.started = true
		r.bus.wg.Add(1)
		go r.run()
	}
	ready := r.ready
	r.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-r.bus.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *replies) run() {
	defer r.bus.wg.Done()
	c := &consumer{
		bus: r.bus, purpose: "reply",
		declare: func(t topology) ([]string, error) { return []string{r.queue}, t.reply(r.queue) },
		up: func() {
			r.mu.Lock()
			close(r.ready)
			r.mu.Unlock()
			r.repeat()
		},
		down: func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ready = make(chan struct{})
		},
		consume: r.consume,
	}
	c.run(r.bus.ctx)
}

func (r *replies) add(id string, monitored bool) *waiter {
	w := &waiter{id: id, final: make(chan *reply, 1), fail: make(chan error, 1), request: &outgoing{role: roleCall}}
	w.request.done = func(err error) {
		if err == nil {
			w.confirmed.Store(true)
			return
		}
		select {
		case w.fail <- err:
		default: // it has failed before
		}
	}
	if monitored {
		w.alive = make(chan struct{}, 1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[id] = w
	return w
}

func (r *replies) remove(w *waiter) {
	r.mu.Lock()
	delete(r.waiting, w.id)
	r.mu.Unlock()
	r.bus.pub.abandon(w.request)
}

// send publishes a call, with what is left of its time.
func (r *replies) send(w *waiter) {
	w.request.expiration = strconv.FormatInt(max(time.Until(w.deadline).Milliseconds(), 1), 10)
	r.bus.pub.submit(w.request)
}

// repeat sends every call again that the broker had and nobody has answered:
// with the connection that was lost, the broker may have lost the request or
// its reply. It waits until both connections are there, so that the reply has
// a queue; what was not confirmed the publisher sends again by itself.
func (r *replies) repeat() {
	var again []*waiter
	r.mu.Lock()
	select {
	case <-r.ready:
		for _, w := range r.waiting {
			if w.confirmed.CompareAndSwap(true, false) {
				again = append(again, w)
			}
		}
	default: // it is called again when the queue is consumed
	}
	r.mu.Unlock()
	for _, w := range again {
		r.send(w)
	}
	if again != nil {
		r.bus.log.Info("calls without an answer are sent again", "calls", len(again))
	}
}

func (r *replies) consume(ctx context.Context, deliveries <-chan amqp.Delivery) {
	for {
		select {
		case <-ctx.Done():
			return
		case d, ok := <-deliveries:
			if !ok {
				return
			}
			r.deliver(d.Body)
			// A lost connection shows elsewhere; a reply that then
			// comes again finds nobody waiting.
			_ = d.Ack(false)
		}
	}
}

// deliver hands a reply over. It never blocks.
func (r *replies) deliver(body []byte) {
	in, err := decodeReply(body)
	if err != nil {
		r.bus.log.Warn("an unreadable reply was dropped", "error", err)
		return
	}
	r.mu.Lock()
	w := r.waiting[in.msgID]
	if w != nil && in.ending {
		delete(r.waiting, in.msgID)
	}
	r.mu.Unlock()
	switch {
	case w == nil:
		r.bus.log.Debug("nobody waits for this reply", "msg_id", in.msgID)
	case in.ending:
		if in.result == nil && in.failure == nil && w.partial != nil {
			in = w.partial
		}
		w.final <- in
	case in.result != nil || in.failure != nil:
		w.partial = in
	default:
		select {
		case w.alive <- struct{}{}:
		default: // not monitored, or the last sign was not seen yet
		}
	}
}
