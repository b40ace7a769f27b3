package queue

import (
	"nubo/amqp"
	"nubo/broker/message"
)

// Entry is a message in a queue. A channel that was handed one gives it back
// to Ack or Requeue.
type Entry struct {
	Msg *message.Message
	// Seq is the message's place in the queue; it keeps it when requeued.
	Seq uint64
	// expires is when the message dies, in Unix nanoseconds; 0 is never.
	expires int64
	// deliveries counts how often the message came back to a quorum queue.
	deliveries uint32
	// counted is set if consumers are told that.
	counted bool
	// streamed is set if they are told the offset.
	streamed bool
	// Redelivered is set when the message was handed out before.
	Redelivered bool
	// stored is set when the store has the message.
	stored bool
}

// Content is the message as a consumer gets it.
func (e *Entry) Content() *message.Message {
	m := e.Msg
	var props []byte
	switch {
	case e.counted:
		props = amqp.SetHeader(m.Props, "x-delivery-count", int64(e.deliveries))
	case e.streamed:
		props = amqp.SetHeader(m.Props, "x-stream-offset", int64(e.Seq-1))
	default:
		return m
	}
	return &message.Message{ // all but Log, which is the store's
		Exchange: m.Exchange, RoutingKey: m.RoutingKey, Body: m.Body, Block: m.Block, Props: props,
		TTL: m.TTL, HasTTL: m.HasTTL, Persistent: m.Persistent, Priority: m.Priority,
	}
}

// ring is a first-in first-out of entries in one slice.
type ring struct {
	buf  []Entry // length is a power of two
	head int
	n    int
}

const minRing = 16

func (r *ring) push(e Entry) {
	if r.n == len(r.buf) {
		r.resize(max(minRing, 2*len(r.buf)))
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = e
	r.n++
}

func (r *ring) front() *Entry { return &r.buf[r.head] }

func (r *ring) pop() {
	r.buf[r.head] = Entry{} // the message must not be kept alive
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if len(r.buf) > 64*minRing && r.n < len(r.buf)/8 {
		r.resize(len(r.buf) / 2)
	}
}

func (r *ring) resize(size int) {
	buf := make([]Entry, size)
	for i := range r.n {
		buf[i] = r.buf[(r.head+i)&(len(r.buf)-1)]
	}
	r.buf, r.head = buf, 0
}

// returned is a binary heap of requeued entries, the oldest first.
type returned []Entry

func (h *returned) push(e Entry) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].Seq < s[i].Seq {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h *returned) pop() {
	s := *h
	last := len(s) - 1
	s[0] = s[last]
	s[last] = Entry{}
	s = s[:last]
	*h = s
	for i := 0; ; {
		min := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s); c++ {
			if s[c].Seq < s[min].Seq {
				min = c
			}
		}
		if min == i {
			return
		}
		s[i], s[min] = s[min], s[i]
		i = min
	}
}

// level is what is ready of one priority: first what came back, then the ring.
// Whatever comes back was handed out before all that is in the ring, so the
// two never interleave.
type level struct {
	back  returned
	fresh ring
}

func (l *level) empty() bool { return len(l.back) == 0 && l.fresh.n == 0 }

// backlog is what is ready for delivery.
type backlog struct {
	level          // of the lowest priority
	higher []level // of priority 1 and up; none if the queue has no priorities
	n      int     // in memory
	// spilled is how many follow the ring that only the store has.
	spilled      int
	spilledBytes int64
	all          load // in memory and spilled
}

// leave counts a message in that only the store has.
func (b *backlog) leave(m *message.Message) {
	b.spilled++
	b.spilledBytes += m.Size()
	b.all.add(m)
}

// comeBack undoes leave: the message was read back and will be pushed.
func (b *backlog) comeBack(m *message.Message) {
	b.spilled--
	b.spilledBytes -= m.Size()
	b.all.remove(m)
}

func (b *backlog) len() int { return b.n + b.spilled }

// top is the level to take from.
func (b *backlog) top() *level {
	for i := len(b.higher) - 1; i >= 0; i-- {
		if !b.higher[i].empty() {
			return &b.higher[i]
		}
	}
	return &b.level
}

// at is the level of a message.
func (b *backlog) at(m *message.Message) *level {
	if p := min(int(m.Priority), len(b.higher)); p > 0 {
		return &b.higher[p-1]
	}
	return &b.level
}

// front returns the next entry that is in memory, or nil.
func (b *backlog) front() *Entry {
	l := b.top()
	if len(l.back) > 0 {
		return &l.back[0]
	}
	if l.fresh.n > 0 {
		return l.fresh.front()
	}
	return nil
}

// pop removes and returns the front; there must be one.
func (b *backlog) pop() Entry {
	l := b.top()
	var e Entry
	if len(l.back) > 0 {
		e = l.back[0]
		l.back.pop()
	} else {
		e = *l.fresh.front()
		l.fresh.pop()
	}
	b.n--
	b.all.remove(e.Msg)
	return e
}

func (b *backlog) push(e Entry) {
	b.at(e.Msg).fresh.push(e)
	b.n++
	b.all.add(e.Msg)
}

func (b *backlog) giveBack(e Entry) {
	b.at(e.Msg).back.push(e)
	b.n++
	b.all.add(e.Msg)
}
