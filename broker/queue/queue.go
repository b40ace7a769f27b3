// Package queue is one message queue: what is ready, who consumes, what is
// out unacknowledged, and what dies when.
//
// A queue has a mutex and no goroutine. Whoever publishes, acknowledges or
// gives a consumer room again runs the delivery loop itself, which hands
// entries straight to the consumers' Sinks. An idle queue costs its struct.
package queue

import (
	"sync"
	"time"

	"nubo/amqp"
	"nubo/broker/message"
	"nubo/broker/store"
)

// Config is what a queue is made with.
type Config struct {
	Name  string
	VHost string
	Flags
	Args   amqp.Table
	Limits Limits
	// Owner is the connection an exclusive queue belongs to.
	Owner any
	Store store.Store
	// Memory is told of every change in the memory the queue's messages take.
	Memory Gauge
	// Expired is called, on a goroutine of its own, when the queue was not
	// used for the time of its x-expires; the queue is closed already.
	Expired func(*Queue)
}

// Flags are a queue's properties besides its arguments.
type Flags struct{ Durable, Exclusive, AutoDelete bool }

// Gauge adds up memory.
type Gauge interface{ Add(delta int64) }

// Outcome is what became of a published message.
type Outcome int

// The outcomes.
const (
	// Accepted: in the queue, or delivered; durable if it has to be.
	Accepted Outcome = iota
	// Pending: accepted, and the Waiter will be told when it is durable.
	Pending
	// Rejected: the queue is full and refuses.
	Rejected
	// Closed: the queue is gone.
	Closed
)

// Queue is a message queue.
type Queue struct {
	Config

	// mu guards all that follows. It is held while Sinks are called, so a
	// Sink's own lock comes after it and never the other way round.
	mu        sync.Mutex
	closed    bool
	ready     backlog
	seq       uint64
	unacked   int
	consumers []*Consumer // by falling priority; within one, next to serve first
	active    int         // how many consumers are not blocked
	exclusive *Consumer
	hadOne    bool // a consumer was here: auto-delete may strike

	expiry   *time.Timer // drops expired messages
	expiryAt int64       // when it is due; 0 if it is not set
	idle     *time.Timer // closes the queue after x-expires
	lastUsed time.Time

	counters Counters
}

// Counters count what happened to a queue since it was made.
type Counters struct {
	Published, Delivered, Got, Acked, Redelivered, Dropped uint64
}

// New makes a queue.
func New(cfg Config) *Queue {
	q := &Queue{Config: cfg}
	if cfg.Limits.Expires > 0 {
		q.mu.Lock() // the timer may fire at once
		defer q.mu.Unlock()
		q.lastUsed = time.Now()
		q.idle = time.AfterFunc(cfg.Limits.Expires, q.checkIdle)
	}
	return q
}

// Publish puts a message into the queue, or straight to a consumer.
func (q *Queue) Publish(m *message.Message, w store.Waiter, tag uint64) Outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return Closed
	}
	if q.Limits.RejectPublish && q.full(m) {
		return Rejected
	}
	q.counters.Published++
	q.seq++
	e := Entry{Msg: m, Seq: q.seq}
	ttl := m.TTL
	if q.Limits.TTL >= 0 && (ttl < 0 || q.Limits.TTL < ttl) {
		ttl = q.Limits.TTL
	}
	if ttl >= 0 {
		e.expires = time.Now().UnixNano() + ttl*int64(time.Millisecond)
	}
	out := Accepted
	if q.Durable && m.Persistent {
		e.stored = true
		if !q.Store.Put(q.Name, e.Seq, m, w, tag) {
			out = Pending
		}
	}
	q.Memory.Add(m.Footprint())
	q.ready.push(e)
	q.deliver()
	for q.over() {
		q.drop()
	}
	q.armExpiry()
	return out
}

// full tells whether a queue that rejects has no room for m.
func (q *Queue) full(m *message.Message) bool {
	l := &q.Limits
	return l.MaxLength >= 0 && int64(q.ready.len()) >= l.MaxLength ||
		l.MaxBytes >= 0 && q.ready.bytes+m.Size() > l.MaxBytes
}

// over tells whether the oldest message has to go.
func (q *Queue) over() bool {
	l := &q.Limits
	return q.ready.len() > 0 && !l.RejectPublish &&
		(l.MaxLength >= 0 && int64(q.ready.len()) > l.MaxLength ||
			l.MaxBytes >= 0 && q.ready.bytes > l.MaxBytes)
}

// deliver hands out entries while there are any and someone takes them.
// mu is held.
func (q *Queue) deliver() {
	for q.active > 0 {
		e := q.ready.front()
		if e == nil {
			return
		}
		if e.expires != 0 && e.expires < time.Now().UnixNano() {
			q.drop()
			continue
		}
		i := q.next()
		c := q.consumers[i]
		if !c.Sink.Offer(q, *e) {
			c.blocked = true
			q.active--
			continue
		}
		got := q.ready.pop()
		q.counters.Delivered++
		if got.Redelivered {
			q.counters.Redelivered++
		}
		if c.NoAck {
			q.counters.Acked++
			q.settle(&got)
		} else {
			q.unacked++
		}
		q.rotate(i)
	}
}

// next is the index of the first consumer that is not blocked. mu is held, and
// there is one.
func (q *Queue) next() int {
	for i, c := range q.consumers {
		if !c.blocked {
			return i
		}
	}
	panic("queue: active count is wrong")
}

// rotate moves the consumer at i behind its equals. mu is held.
func (q *Queue) rotate(i int) {
	c := q.consumers[i]
	for ; i+1 < len(q.consumers) && q.consumers[i+1].Priority == c.Priority; i++ {
		q.consumers[i] = q.consumers[i+1]
	}
	q.consumers[i] = c
}

// settle ends the queue's interest in an entry. mu is held.
func (q *Queue) settle(e *Entry) {
	if e.stored && !q.closed {
		q.Store.Remove(q.Name, e.Seq)
	}
	q.Memory.Add(-e.Msg.Footprint())
}

// drop throws the oldest entry away. mu is held.
func (q *Queue) drop() {
	e := q.ready.pop()
	q.counters.Dropped++
	q.settle(&e)
}

// Ack ends entries the queue handed out.
func (q *Queue) Ack(entries []Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		q.settle(&entries[i])
	}
	q.unacked -= len(entries)
	q.counters.Acked += uint64(len(entries))
}

// Discard ends entries that were refused rather than acknowledged.
func (q *Queue) Discard(entries []Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		q.settle(&entries[i])
	}
	q.unacked -= len(entries)
	q.counters.Dropped += uint64(len(entries))
}

// Requeue puts entries back where they were.
func (q *Queue) Requeue(entries []Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unacked -= len(entries)
	for _, e := range entries {
		if q.closed {
			q.settle(&e)
			continue
		}
		e.Redelivered = true
		q.ready.giveBack(e)
	}
	q.deliver()
	for q.over() {
		q.drop()
	}
	q.armExpiry()
}

// Get hands out the oldest entry, to be acknowledged unless noAck. left is
// how many remain ready.
func (q *Queue) Get(noAck bool) (e Entry, left int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastUsed = time.Now()
	q.dropExpired(q.lastUsed.UnixNano())
	if q.closed || q.ready.front() == nil {
		return e, 0, false
	}
	e = q.ready.pop()
	q.counters.Got++
	if e.Redelivered {
		q.counters.Redelivered++
	}
	if noAck {
		q.counters.Acked++
		q.settle(&e)
	} else {
		q.unacked++
	}
	q.armExpiry()
	return e, q.ready.len(), true
}

// Purge drops all that is ready and returns how many that were.
func (q *Queue) Purge() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.ready.len()
	for q.ready.len() > 0 {
		q.drop()
	}
	q.ready.fresh = ring{}
	return n
}

// Len returns the number of messages ready and of consumers.
func (q *Queue) Len() (ready, consumers int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready.len(), len(q.consumers)
}

// Closed tells whether the queue is gone.
func (q *Queue) Closed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Touch counts as use for x-expires.
func (q *Queue) Touch() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lastUsed = time.Now()
}

// Condition is what must hold for a queue to be closed.
type Condition struct{ IfUnused, IfEmpty bool }

// Verdict tells what kept a queue from being closed.
type Verdict int

// The verdicts.
const (
	Done Verdict = iota
	InUse
	NotEmpty
)

// Close ends the queue: its messages are dropped, its consumers told. It
// returns how many messages were ready.
func (q *Queue) Close(cond Condition) (int, Verdict) {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return 0, Done
	case cond.IfUnused && len(q.consumers) > 0:
		q.mu.Unlock()
		return 0, InUse
	case cond.IfEmpty && q.ready.len() > 0:
		q.mu.Unlock()
		return 0, NotEmpty
	}
	n := q.ready.len()
	consumers := q.shut()
	q.mu.Unlock()
	for _, c := range consumers {
		c.Sink.Cancelled(q)
	}
	return n, Done
}

// shut marks the queue closed, drops its messages and returns the consumers
// it had. mu is held.
func (q *Queue) shut() []*Consumer {
	q.closed = true
	for q.ready.len() > 0 {
		e := q.ready.pop()
		q.Memory.Add(-e.Msg.Footprint())
	}
	q.ready = backlog{}
	if q.Durable {
		q.Store.Drop(q.Name)
	}
	q.stopTimers()
	consumers := q.consumers
	q.consumers, q.active, q.exclusive = nil, 0, nil
	return consumers
}

// Stats is a snapshot of a queue.
type Stats struct {
	Ready, Unacked, Consumers int
	ReadyBytes                int64
	Counters                  Counters
}

// Stats takes a snapshot.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return Stats{
		Ready: q.ready.len(), Unacked: q.unacked, Consumers: len(q.consumers),
		ReadyBytes: q.ready.bytes, Counters: q.counters,
	}
}

// Stop ends the queue's timers when the broker stops; the store keeps what it has.
func (q *Queue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.stopTimers()
}

func (q *Queue) stopTimers() {
	if q.expiry != nil {
		q.expiry.Stop()
	}
	if q.idle != nil {
		q.idle.Stop()
	}
}
