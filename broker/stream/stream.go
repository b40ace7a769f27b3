// Package stream is the log behind a stream queue: messages under rising
// offsets that stay when they are read, until retention drops the oldest.
//
// The messages are in the store like those of any queue. In memory are the
// newest of them, for the consumers that keep up, and an index: for every few
// messages a mark with offset and time. Marks make up segments, which is what
// retention drops: a segment is closed when it has its size, or when it spans
// a quarter of the age that is kept.
//
// Without durable storage all messages are in memory.
//
// Consumers get what is durable: an offset must never mean two messages, also
// not when the broker is killed between delivering and storing one.
package stream

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"nubo/broker/message"
	"nubo/broker/store"
)

const (
	// DefaultSegment is how large segments are if nobody says. RabbitMQ has 500
	// MB, and keeps that much whatever the limits are.
	DefaultSegment = 16 << 20
	// MaxSegment is the most x-stream-max-segment-size-bytes may be.
	MaxSegment = 3_000_000_000

	// marks are set after so many messages or octets.
	markCount = 256
	markBytes = 256 << 10
	// recentCount and recentBytes bound what is kept in memory of a stream
	// that the store has.
	recentCount = 1024
	recentBytes = 1 << 20
	// readCount and readBytes bound what is read back at a time.
	readCount = 256
	readBytes = 64 << 10
)

// Limits are what is kept; a negative one is none.
type Limits struct {
	MaxAge       time.Duration
	MaxBytes     int64
	SegmentBytes int64
}

// Item is a message of the stream. Its offset is Seq-1: the places of a queue
// begin with 1, offsets with 0.
type Item struct {
	Seq uint64
	Msg *message.Message
}

// mark is the first of some messages that follow each other.
type mark struct {
	seq  uint64
	time int64 // Unix nanoseconds
}

// segment is what retention drops at once.
type segment struct {
	marks []mark
	n     int // messages after the last mark, and it
	size  int64
	bytes int64 // since the last mark
	last  int64 // time of the last message
}

func (s *segment) first() uint64 { return s.marks[0].seq }

// Stream is a stream's log. The queue's lock guards it.
type Stream struct {
	store  store.Messages
	id     uint64 // in the store; 0 if that keeps nothing
	memory func(delta int64)
	limits Limits

	segments  []segment
	bytes     int64  // of all
	next      uint64 // seq of the next message
	committed uint64 // all before it may be delivered
	recent    []Item // the newest, without gaps
	held      int64  // octets of bodies in recent
}

// New makes a stream without messages. memory is told what they take.
func New(st store.Messages, id uint64, memory func(delta int64), l Limits) *Stream {
	return &Stream{store: st, id: id, memory: memory, limits: l, next: 1, committed: 1}
}

// Recover takes over what the store has from the time before.
func (s *Stream) Recover() {
	if last := s.store.Recovered(s.id).Last; last > 0 {
		s.next, s.committed = last+1, last+1
	}
	s.store.Each(s.id, func(seq uint64, at int64, size uint32) { s.enter(seq, at, int64(size)) })
}

// Append adds a message. durable tells whether it can be delivered; otherwise
// w is told, with the message's seq, when it can: Commit is to be called then.
func (s *Stream) Append(m *message.Message, now time.Time, w store.Waiter) (seq uint64, durable bool) {
	seq, at := s.next, now.UnixNano()
	s.next++
	durable = s.store.Put(store.Place{Queue: s.id, Seq: seq, Expires: at}, m, true, w, seq)
	s.enter(seq, at, m.Size())
	s.recent = append(s.recent, Item{seq, m})
	s.held += m.Size()
	s.memory(m.Footprint())
	s.trim()
	if durable {
		s.Commit(seq)
	}
	return seq, durable
}

// Commit tells that the messages up to one may be delivered.
func (s *Stream) Commit(seq uint64) {
	s.committed = max(s.committed, seq+1)
	s.trim()
}

// trim lets go of messages in memory that can be read back.
func (s *Stream) trim() {
	n := 0
	for s.id != 0 && n < len(s.recent) && s.recent[n].Seq < s.committed && (len(s.recent)-n > recentCount || s.held > recentBytes) {
		s.held -= s.recent[n].Msg.Size()
		n++
	}
	s.forget(n)
}

// forget drops the oldest messages in memory.
func (s *Stream) forget(n int) {
	for i := range n {
		s.memory(-s.recent[i].Msg.Footprint())
		s.recent[i] = Item{}
	}
	s.recent = s.recent[n:]
}

// enter puts a message into the index, and drops what is too much.
func (s *Stream) enter(seq uint64, at, size int64) {
	k := len(s.segments) - 1
	if k < 0 || s.full(&s.segments[k], at) {
		s.segments = append(s.segments, segment{marks: []mark{{seq, at}}})
		k++
	}
	g := &s.segments[k]
	if g.n >= markCount || g.bytes >= markBytes {
		g.marks = append(g.marks, mark{seq, at})
		g.n, g.bytes = 0, 0
	}
	g.n++
	g.bytes += size
	g.size += size
	g.last = at
	s.bytes += size
	s.retain(at)
}

// full tells whether a segment is complete at a time.
func (s *Stream) full(g *segment, at int64) bool {
	return g.size >= s.limits.SegmentBytes || s.limits.MaxAge >= 0 && at-g.marks[0].time > int64(s.limits.MaxAge/4)
}

// retain drops segments that are too much or too old, never the last.
func (s *Stream) retain(now int64) {
	n := 0
	for ; n < len(s.segments)-1; n++ {
		g := &s.segments[n]
		old := s.limits.MaxAge >= 0 && now-g.last > int64(s.limits.MaxAge)
		if !old && (s.limits.MaxBytes < 0 || s.bytes <= s.limits.MaxBytes) {
			break
		}
		s.bytes -= g.size
	}
	if n == 0 {
		return
	}
	first, last := s.segments[0].first(), s.segments[n].first()-1
	s.segments = slices.Delete(s.segments, 0, n)
	s.store.RemoveRange(s.id, first, last)
	gone := sort.Search(len(s.recent), func(i int) bool { return s.recent[i].Seq > last })
	for i := range gone {
		s.held -= s.recent[i].Msg.Size()
	}
	s.forget(gone)
}

// Limit changes the limits.
func (s *Stream) Limit(l Limits, now time.Time) {
	s.limits = l
	s.retain(now.UnixNano())
}

// Len is how many messages there are and how many octets their bodies have.
func (s *Stream) Len() (int, int64) { return int(s.next - s.first()), s.bytes }

// InMemory is how many messages, and octets of bodies, are in memory.
func (s *Stream) InMemory() (int, int64) { return len(s.recent), s.held }

// Segments is how many segments there are.
func (s *Stream) Segments() int { return len(s.segments) }

// Committed is the offset of the last message that may be delivered, or -1.
func (s *Stream) Committed() int64 { return int64(s.committed) - 2 }

// first is the seq of the oldest message, or of the next if there is none.
func (s *Stream) first() uint64 {
	if len(s.segments) == 0 {
		return s.next
	}
	return s.segments[0].first()
}

// Seek puts a reader where a consumer wants to begin.
func (s *Stream) Seek(r *Reader, o Offset) (err error) {
	switch o.from {
	case fromNext:
		r.next = s.committed
	case fromFirst:
		r.next = s.first()
	case fromLast:
		r.next = max(s.first(), s.committed-1)
	case fromNumber:
		r.next = o.number + 1
	case fromTime:
		r.next, err = s.seekTime(o.time.UnixNano())
	}
	return err
}

// seekTime finds the first message that is not older than a time.
func (s *Stream) seekTime(at int64) (uint64, error) {
	k := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].last >= at })
	if k == len(s.segments) {
		return s.committed, nil
	}
	marks := s.segments[k].marks
	i := sort.Search(len(marks), func(i int) bool { return marks[i].time >= at })
	if i == 0 {
		return marks[0].seq, nil
	}
	if s.id == 0 {
		return marks[i-1].seq, nil // the times in between are not known
	}
	for after := marks[i-1].seq - 1; ; {
		list, err := s.store.Read(s.id, after, readCount, readBytes)
		if err != nil {
			return 0, fmt.Errorf("look for a time: %w", err)
		}
		if len(list) == 0 {
			return s.committed, nil
		}
		for _, r := range list {
			if after = r.Seq; r.Expires >= at {
				return r.Seq, nil
			}
		}
	}
}

// Reader reads a stream from some message on. The queue's lock guards it.
type Reader struct {
	next uint64
	read []Item // from the store
}

// Peek is the reader's next message, or one without Msg if there is none yet.
func (s *Stream) Peek(r *Reader) (Item, error) {
	r.next = max(r.next, s.first())
	if r.next >= s.committed {
		return Item{}, nil
	}
	if len(s.recent) > 0 && r.next >= s.recent[0].Seq {
		r.read = nil
		return s.recent[r.next-s.recent[0].Seq], nil
	}
	for len(r.read) > 0 && r.read[0].Seq < r.next {
		r.read = r.read[1:]
	}
	if len(r.read) == 0 {
		list, err := s.store.Read(s.id, r.next-1, readCount, readBytes)
		if err != nil {
			return Item{}, fmt.Errorf("read back a stream: %w", err)
		}
		r.read = make([]Item, len(list))
		for i := range list {
			r.read[i] = Item{list[i].Seq, list[i].Msg}
		}
		if len(list) == 0 || list[0].Seq != r.next {
			return Item{}, fmt.Errorf("read back a stream: %w", errGap)
		}
	}
	return r.read[0], nil
}

// Advance goes on behind the message Peek returned.
func (r *Reader) Advance() { r.next++ }

// Close lets go of what is in memory.
func (s *Stream) Close() { s.forget(len(s.recent)) }
