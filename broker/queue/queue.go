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
	"nubo/broker/stream"
)

// Config is what a queue is made with.
type Config struct {
	Name  string
	VHost string
	Flags
	Args amqp.Table
	// Initial is what the queue starts with; Apply changes it.
	Initial Settings
	// Owner is the connection an exclusive queue belongs to.
	Owner any
	// Store keeps messages under StoreID.
	Store   store.Messages
	StoreID uint64
	// Memory is told of every change in the memory the queue's messages take.
	Memory Gauge
	// DeadLetter publishes a message that died. No lock is held.
	DeadLetter func(*Queue, *Dead)
	// Failed is called, with the queue's lock held, when messages cannot be
	// read back. The queue stands still then.
	Failed func(*Queue, error)
	// Expired is called, on a goroutine of its own, when the queue was not
	// used for the time of its x-expires; the queue is closed already.
	Expired func(*Queue)
}

// Flags are a queue's properties besides its arguments.
type Flags struct{ Durable, Exclusive, AutoDelete bool }

// Gauge adds up memory.
type Gauge interface {
	Add(delta int64)
	// Spill tells whether long queues should leave messages in the store.
	Spill() bool
}

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
	set       Settings
	closed    bool
	failed    bool // reading back failed
	inStore   bool // the store was given something
	ready     backlog
	seq       uint64      // of the last message
	taken     uint64      // of the last one that was in memory
	handed    uint64      // of the last one handed out
	out       load        // handed out, to be acknowledged
	consumers []*Consumer // by falling priority; within one, next to serve first
	active    int         // how many consumers are not blocked
	exclusive *Consumer
	single    *Consumer // the one that is served if only one may be
	hadOne    bool      // a consumer was here: auto-delete may strike
	dead      []Dead    // to be dead-lettered, by unlock
	burying   bool      // somebody is at it
	// redelivered: messages up to this place count as delivered before.
	redelivered uint64

	stream      *stream.Stream // of a stream, which has no use for the above
	uncommitted []publisher    // of messages that are not durable yet, oldest first

	expiry   *time.Timer // drops expired messages
	expiryAt int64       // when it is due; 0 if it is not set
	idle     *time.Timer // closes the queue after x-expires
	lastUsed time.Time

	counters Counters
	use      use      // of the consumers
	seen     Counters // at the last snapshot that found something new
	seenAt   time.Time
}

// New makes a queue.
func New(cfg Config) *Queue {
	q := &Queue{Config: cfg, set: cfg.Initial, seenAt: time.Now()}
	if n := cfg.Initial.MaxPriority; n > 0 {
		q.ready.higher = make([]level, n)
	}
	if cfg.Initial.Type == Stream {
		q.stream = stream.New(cfg.Store, cfg.StoreID, cfg.Memory.Add, cfg.Initial.limits())
	}
	q.mu.Lock() // the timer may fire at once
	defer q.unlock()
	if q.set.Expires > 0 {
		q.startIdle()
	}
	return q
}

// Apply changes the settings.
func (q *Queue) Apply(s Settings) {
	q.mu.Lock()
	defer q.unlock()
	if q.closed {
		return
	}
	expires := q.set.Expires != s.Expires
	q.set = s
	if expires {
		q.startIdle()
	}
	if q.stream != nil {
		q.stream.Limit(s.limits(), time.Now())
	}
	q.trim()
}

// Settings are what holds now.
func (q *Queue) Settings() Settings {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.set
}

// keeps tells whether the store must keep the queue's messages of a kind.
func (q *Queue) keeps(m *message.Message) bool {
	return q.Durable && !q.Exclusive && (m.Persistent || q.Initial.Type == Quorum)
}

// Publish puts a message into the queue, or straight to a consumer.
func (q *Queue) Publish(m *message.Message, w store.Waiter, tag uint64) Outcome {
	q.mu.Lock()
	defer q.unlock()
	if q.closed {
		return Closed
	}
	if q.stream != nil {
		return q.publishStream(m, w, tag)
	}
	if q.set.Overflow != DropHead && q.full(m) {
		if q.set.Overflow == RejectPublishDLX {
			q.Memory.Add(m.Footprint())
			q.bury(Entry{Msg: m}, Overflowed)
		}
		return Rejected
	}
	q.counters.Publish++
	q.seq++
	e := Entry{Msg: m, Seq: q.seq, counted: q.Initial.Type == Quorum}
	ttl := q.set.TTL
	if m.HasTTL && (ttl < 0 || int64(m.TTL) < ttl) {
		ttl = int64(m.TTL)
	}
	if ttl >= 0 {
		e.expires = time.Now().UnixNano() + ttl*int64(time.Millisecond)
	}
	out := Accepted
	keep, spill := q.keeps(m), q.spills()
	if keep || spill {
		e.stored, q.inStore = true, true
		if !q.Store.Put(store.Place{Queue: q.StoreID, Seq: e.Seq, Expires: e.expires}, m, keep, w, tag) {
			out = Pending
		}
	}
	if spill {
		q.ready.leave(m)
	} else {
		q.Memory.Add(m.Footprint())
		m.Block.Hold()
		q.ready.push(e)
		q.taken = e.Seq
	}
	q.deliver()
	q.trim()
	return out
}

// full tells whether a queue that rejects has no room for m.
func (q *Queue) full(m *message.Message) bool {
	s := &q.set
	return s.MaxLength >= 0 && int64(q.ready.len()) >= s.MaxLength ||
		s.MaxBytes >= 0 && q.ready.all.bytes+m.Size() > s.MaxBytes
}

// trim drops what is too much and sets the timer for what will expire. mu is held.
func (q *Queue) trim() {
	s := &q.set
	if s.Overflow == DropHead && (s.MaxLength >= 0 || s.MaxBytes >= 0) {
		for (s.MaxLength >= 0 && int64(q.ready.len()) > s.MaxLength || s.MaxBytes >= 0 && q.ready.all.bytes > s.MaxBytes) && q.front() != nil {
			q.drop(Overflowed)
		}
	}
	q.armExpiry()
}

// deliver hands out entries while there are any and someone takes them.
// mu is held.
func (q *Queue) deliver() {
	for q.active > 0 {
		e := q.front()
		if e == nil {
			return
		}
		if e.expires != 0 && e.expires < time.Now().UnixNano() {
			q.drop(Expired)
			continue
		}
		i := q.next()
		if i < 0 {
			return
		}
		c := q.consumers[i]
		if !c.Sink.Offer(q, *e) {
			q.block(c)
			continue
		}
		got := q.pop()
		if c.NoAck {
			q.counters.DeliverNoAck++
			q.settle(&got)
			got.Msg.Block.Free()
		} else {
			q.counters.Deliver++
			q.out.add(got.Msg)
		}
		if q.single == nil {
			q.rotate(i)
		}
	}
}

// block counts a consumer out that refused a message. mu is held.
func (q *Queue) block(c *Consumer) {
	c.blocked = true
	if q.active--; q.active == 0 {
		q.use.stop()
	}
}

// pop takes the front to hand it out. mu is held.
func (q *Queue) pop() Entry {
	e := q.ready.pop()
	q.handed = max(q.handed, e.Seq)
	if e.Redelivered {
		q.counters.Redeliver++
	}
	return e
}

// next is the index of the first consumer that may be served and is not
// blocked, or -1. mu is held.
func (q *Queue) next() int {
	for i, c := range q.consumers {
		if !c.blocked && (q.single == nil || q.single == c) {
			return i
		}
	}
	return -1
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
		q.Store.Remove(q.StoreID, e.Seq)
	}
	q.Memory.Add(-e.Msg.Footprint())
}

// drop throws the front away. mu is held.
func (q *Queue) drop(why Reason) {
	q.counters.Drop++
	q.bury(q.ready.pop(), why)
}

// Ack ends entries the queue handed out.
func (q *Queue) Ack(entries []Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		q.out.remove(entries[i].Msg)
		if q.stream == nil {
			q.settle(&entries[i])
			entries[i].Msg.Block.Free()
		}
	}
	q.counters.Ack += uint64(len(entries))
}

// Discard ends entries that were refused rather than acknowledged.
func (q *Queue) Discard(entries []Entry) {
	if q.stream != nil { // as RabbitMQ does since 4.0: it is credit like an ack
		q.Ack(entries)
		return
	}
	q.mu.Lock()
	defer q.unlock()
	for i := range entries {
		q.out.remove(entries[i].Msg)
		q.bury(entries[i], Refused)
	}
	q.counters.Drop += uint64(len(entries))
}

// Requeue puts entries back where they were.
func (q *Queue) Requeue(entries []Entry) {
	if q.stream != nil { // as RabbitMQ does since 4.0: it is credit like an ack
		q.Ack(entries)
		return
	}
	q.mu.Lock()
	defer q.unlock()
	for _, e := range entries {
		q.out.remove(e.Msg)
		if q.closed {
			q.settle(&e)
			continue
		}
		e.Redelivered = true
		if q.Initial.Type == Quorum && !q.returns(&e) {
			continue
		}
		q.ready.giveBack(e)
	}
	if !q.closed {
		q.deliver()
		q.trim()
	}
}

// returns counts a delivery in vain; false if that was one too many. mu is held.
func (q *Queue) returns(e *Entry) bool {
	e.deliveries++
	if limit := q.set.DeliveryLimit; limit >= 0 && int64(e.deliveries) > limit {
		q.counters.Drop++
		q.bury(*e, TooOften)
		return false
	}
	if e.stored {
		q.Store.Returned(q.StoreID, e.Seq, e.deliveries)
	}
	return true
}

// Get hands out the oldest entry, to be acknowledged unless noAck. left is
// how many remain ready.
func (q *Queue) Get(noAck bool) (e Entry, left int, ok bool) {
	q.mu.Lock()
	defer q.unlock()
	q.lastUsed = time.Now()
	q.dropExpired(q.lastUsed.UnixNano())
	if q.closed || q.front() == nil {
		q.counters.GetEmpty++
		return e, 0, false
	}
	e = q.pop()
	e.Msg.Block.Hold() // the caller's, for good
	if noAck {
		q.counters.GetNoAck++
		q.settle(&e)
	} else {
		q.counters.Get++
		q.out.add(e.Msg)
	}
	q.armExpiry()
	return e, q.ready.len(), true
}

// Purge drops all that is ready and returns how many that were.
func (q *Queue) Purge() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.ready.len()
	q.counters.Drop += uint64(n)
	for q.ready.n > 0 {
		e := q.ready.pop()
		q.settle(&e)
	}
	if q.ready.spilled > 0 {
		q.Store.RemoveRange(q.StoreID, q.taken+1, q.seq)
		q.taken, q.failed = q.seq, false
	}
	q.ready = backlog{higher: q.ready.higher}
	return n
}

// Len returns the number of messages ready and of consumers.
func (q *Queue) Len() (ready, consumers int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count(), len(q.consumers)
}

// count is how many messages are ready; those of a stream stay so. mu is held.
func (q *Queue) count() int {
	if q.stream != nil {
		n, _ := q.stream.Len()
		return n
	}
	return q.ready.len()
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
	case q.stream != nil: // unconditionally, as in RabbitMQ
	case cond.IfUnused && len(q.consumers) > 0:
		q.mu.Unlock()
		return 0, InUse
	case cond.IfEmpty && q.ready.len() > 0:
		q.mu.Unlock()
		return 0, NotEmpty
	}
	n := q.count()
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
	for q.ready.n > 0 {
		e := q.ready.pop()
		q.Memory.Add(-e.Msg.Footprint())
	}
	q.ready = backlog{}
	if q.stream != nil {
		q.stream.Close()
	}
	if q.inStore {
		q.Store.Drop(q.StoreID)
	}
	q.stopTimers()
	consumers := q.consumers
	q.consumers, q.active, q.exclusive, q.single = nil, 0, nil, nil
	return consumers
}

// Stop ends the queue's timers when the broker stops; the store keeps what it has.
func (q *Queue) Stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed && q.inStore && q.stream == nil {
		q.Store.Delivered(q.StoreID, max(q.handed, q.redelivered))
	}
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
