package queue

import (
	"math"
	"time"

	"nubo/amqp"
	"nubo/broker/message"
)

// Counters count what happened to a queue since it was made, under the names
// RabbitMQ's management API has for them.
type Counters struct {
	Publish, Deliver, DeliverNoAck, Get, GetNoAck, GetEmpty, Ack, Redeliver uint64
	// Drop counts what left without a consumer: expired, too much, refused, purged.
	Drop uint64
}

// load adds up messages.
type load struct {
	n               int
	bytes           int64
	persistent      int
	persistentBytes int64
}

func (l *load) add(m *message.Message) {
	l.n++
	l.bytes += m.Size()
	if m.Persistent {
		l.persistent++
		l.persistentBytes += m.Size()
	}
}

func (l *load) remove(m *message.Message) {
	l.n--
	l.bytes -= m.Size()
	if m.Persistent {
		l.persistent--
		l.persistentBytes -= m.Size()
	}
}

// use measures which part of the time the consumers could take messages, as a
// moving average. It only counts as no when there was one they refused.
type use struct {
	since        time.Time // of the last change; zero if there was no consumer
	stopped      bool
	active, idle time.Duration // not in average yet
	average      float64
	begun        bool // average means something
}

const (
	useHalfLife = time.Second
	useStep     = 10 * time.Millisecond // changes closer than that are put together
)

func (u *use) start() { u.turn(false) }
func (u *use) stop()  { u.turn(true) }

// turn notes a change.
func (u *use) turn(stopped bool) {
	now := time.Now()
	*u = u.until(now)
	u.since, u.stopped = now, stopped
}

// until is the measure with what passed up to a time.
func (u use) until(now time.Time) use {
	if u.since.IsZero() {
		return u
	}
	if d := now.Sub(u.since); u.stopped {
		u.idle += d
	} else {
		u.active += d
	}
	u.since = now
	if total := u.active + u.idle; total >= useStep {
		part := float64(u.active) / float64(total)
		if u.begun {
			weight := math.Exp2(-float64(total) / float64(useHalfLife))
			part = part*(1-weight) + u.average*weight
		}
		u.average, u.begun, u.active, u.idle = part, true, 0, 0
	}
	return u
}

// capacity is the share of the time consumers could take messages.
func (u use) capacity(now time.Time) float64 {
	u = u.until(now)
	switch {
	case u.since.IsZero():
		return 0
	case u.begun:
		return u.average
	case u.stopped:
		return 0
	}
	return 1
}

// Stats is a snapshot of a queue.
type Stats struct {
	Ready, Unacked, Consumers int
	// ReadyRAM are the ready messages that are in memory; all unacknowledged are.
	ReadyRAM, Persistent int
	// The octets of bodies.
	ReadyBytes, UnackedBytes, PersistentBytes, ReadyRAMBytes int64
	// Capacity is the share of the time consumers could take messages; 0
	// without any.
	Capacity float64
	// IdleSince is since when nothing was seen to happen; zero if something did.
	IdleSince time.Time
	// HeadTimestamp is the timestamp property of the oldest message that is
	// ready, or zero.
	HeadTimestamp time.Time
	// SingleActive is the tag of the consumer that is served alone, or "".
	SingleActive string
	// Segments and Committed are a stream's: how many segments there are, and
	// the offset of the last message consumers may get, or -1.
	Segments  int
	Committed int64
	// Failed tells that the queue stands still: messages cannot be read back.
	Failed   bool
	Settings Settings
	Counters Counters
}

// Stats takes a snapshot.
func (q *Queue) Stats() Stats {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.ready
	s := Stats{
		Ready: b.len(), Unacked: q.out.n, Consumers: len(q.consumers),
		ReadyRAM: b.n, Persistent: b.all.persistent + q.out.persistent,
		ReadyBytes: b.all.bytes, UnackedBytes: q.out.bytes,
		PersistentBytes: b.all.persistentBytes + q.out.persistentBytes, ReadyRAMBytes: b.all.bytes - b.spilledBytes,
		Failed: q.failed, Settings: q.set, Counters: q.counters,
	}
	if q.stream != nil {
		s.Ready, s.ReadyBytes = q.stream.Len()
		s.ReadyRAM, s.ReadyRAMBytes = q.stream.InMemory()
		s.Segments, s.Committed = q.stream.Segments(), q.stream.Committed()
	}
	if q.Initial.Type != Classic { // all are kept
		s.Persistent, s.PersistentBytes = s.Ready+s.Unacked, s.ReadyBytes+s.UnackedBytes
	}
	if len(q.consumers) > 0 {
		s.Capacity = q.use.capacity(now)
	}
	if q.single != nil {
		s.SingleActive = q.single.Tag
	}
	if e := b.front(); e != nil {
		s.HeadTimestamp = timestamp(e.Msg)
	}
	if q.counters != q.seen {
		q.seen, q.seenAt = q.counters, now
	} else {
		s.IdleSince = q.seenAt
	}
	return s
}

// timestamp is a message's timestamp property, or zero.
func timestamp(m *message.Message) time.Time {
	var p amqp.Properties
	if p.Decode(m.Props) != nil {
		return time.Time{}
	}
	return p.Timestamp
}

// ConsumerStats describes a consumer of a queue.
type ConsumerStats struct {
	Tag              string
	NoAck, Exclusive bool
	Priority         int
	Prefetch         int
	Args             amqp.Table
	Connection, User string
	Channel          uint16
	// Active tells that it is served: only one is if the queue says so.
	Active bool
}

// ConsumerStats describes the consumers, those to be served first at the head.
func (q *Queue) ConsumerStats() []ConsumerStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]ConsumerStats, 0, len(q.consumers))
	for _, c := range q.consumers {
		list = append(list, ConsumerStats{
			Tag: c.Tag, NoAck: c.NoAck, Exclusive: c.Exclusive, Priority: c.Priority, Prefetch: c.Prefetch, Args: c.Args,
			Connection: c.Connection, User: c.User, Channel: c.Channel, Active: q.single == nil || q.single == c,
		})
	}
	return list
}
