package wal

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"nubo/broker/message"
	"nubo/broker/store"
)

// Sync says when a message is told to be durable.
type Sync string

// The ways.
const (
	// Always tells after fdatasync.
	Always Sync = "always"
	// Write tells after write: it survives the broker's end, not the machine's.
	Write Sync = "write"
	// Interval tells after write, and syncs every so often.
	Interval Sync = "interval"
)

// Options are how a log is kept. The zero value is sync always.
type Options struct {
	Sync Sync
	// Every is the interval of that name; 200 ms if zero.
	Every time.Duration
	// SegmentSize is how large files are; 64 MiB if zero.
	SegmentSize int64
	// Log takes what is worth telling; nothing is told if nil.
	Log *slog.Logger
}

const (
	defaultSegment  = 64 << 20
	defaultInterval = 200 * time.Millisecond
	// maxPending is how much may wait for the writer before Room waits.
	maxPending = 32 << 20
	// keepBuffer is the largest buffer kept for the next batch.
	keepBuffer = 4 << 20
)

// ErrClosed is what happens to those who come after Close.
var ErrClosed = errors.New("the log is closed")

// definition is a value and where it is recorded.
type definition struct {
	value []byte
	pos   uint64
}

// chunk is a part of what is to be written, of one segment.
type chunk struct {
	seg  *segment
	off  int64
	data []byte
}

// waiting is who waits for a message to be durable.
type waiting struct {
	w   store.Waiter
	tag uint64
}

// run is a row of removals that are not recorded yet.
type run struct {
	queue, first uint64
	n            uint32
}

// Log is a write-ahead log; it implements store.Store.
type Log struct {
	fs     FS
	opt    Options
	unlock func() error
	// done waits for the writer, helpers for the others, who go first.
	done, helpers sync.WaitGroup
	stop          chan struct{} // closed when the helpers are to stop
	freed         chan struct{} // a segment was freed; has room for one
	full          atomic.Bool   // the writer waits for space

	// mu guards the rest. Nothing else is locked under it.
	mu       sync.Mutex
	work     sync.Cond // of mu: the writer has something to do
	progress sync.Cond // of mu: the writer did something
	collect  sync.Cond // of mu: there may be garbage

	err      error // why the log failed
	closing  bool
	stopping bool // the collector is to stop
	last     bool // nothing more will be appended

	segments []*segment // oldest first; the last is appended to
	end      int64      // where the last segment's next record goes
	chunks   []chunk    // appended, not taken by the writer
	pending  int64      // octets in chunks
	inflight []chunk    // taken, not written
	spare    []byte
	waiters  []waiting
	removals run

	appended uint64 // position of the end of all that was appended
	written  uint64 // of what was written
	synced   uint64 // of what was synced
	force    bool   // sync with the next batch whatever the options say
	matters  bool   // something else than removals was appended

	queues     map[uint64]*queueIndex
	nextQueue  uint64
	defs       map[string]definition
	collecting uint64 // segments up to this number are not referred to any more
	free       []string
	nextFree   int
	places     []place // recovery's scratch
}

var _ store.Store = (*Log)(nil)

// pos makes a position.
func pos(segment uint64, off int64) uint64 { return segment<<32 | uint64(off) }

// room makes place for a record of a size, which is appended right after, and
// returns its position. mu is held.
func (l *Log) room(size int) (*chunk, uint64) {
	if len(l.chunks) == 0 {
		l.newChunk(size)
		c := &l.chunks[0]
		at := len(c.data)
		c.data = begin(c.data, pos(c.seg.number, l.end), kindBatch)
		c.data = le.AppendUint64(c.data, l.synced)
		finish(c.data, at)
		l.end += int64(len(c.data) - at)
	}
	c := &l.chunks[len(l.chunks)-1]
	if l.end+int64(size) > l.opt.SegmentSize && l.end > segmentHeader {
		l.roll(size)
		c = l.newChunk(size)
	}
	return c, pos(c.seg.number, l.end)
}

// newChunk begins a chunk at the end of the log. mu is held.
func (l *Log) newChunk(size int) *chunk {
	seg := l.segments[len(l.segments)-1]
	data := l.spare
	l.spare = nil
	if data == nil {
		data = make([]byte, 0, max(64<<10, size+64))
	}
	l.chunks = append(l.chunks, chunk{seg: seg, off: l.end, data: data[:0]})
	return &l.chunks[len(l.chunks)-1]
}

// roll begins a new segment. mu is held.
func (l *Log) roll(size int) {
	last := l.segments[len(l.segments)-1]
	last.size = l.end
	l.segments = append(l.segments, &segment{number: last.number + 1, before: l.end, space: max(l.opt.SegmentSize, int64(size)+segmentHeader+64)})
	l.end = segmentHeader
	l.collect.Signal()
}

// add appends a record; f appends the payload. It returns the record's
// position, or 0 if the log failed. mu is held.
func (l *Log) add(k kind, size int, f func([]byte) []byte) uint64 {
	if l.err != nil {
		return 0
	}
	l.flushRemovals()
	l.matters = true
	return l.append(k, size, f)
}

func (l *Log) append(k kind, size int, f func([]byte) []byte) uint64 {
	c, at := l.room(size + recordHeader)
	from := len(c.data)
	c.data = begin(c.data, at, k)
	c.data = f(c.data)
	finish(c.data, from)
	n := int64(len(c.data) - from)
	l.end += n
	l.pending += n
	l.appended = pos(c.seg.number, l.end)
	l.work.Signal()
	return at
}

// flushRemovals records the removals that have gathered. mu is held.
func (l *Log) flushRemovals() {
	if r := l.removals; r.n > 0 {
		l.removals = run{}
		l.append(kindRemove, 20, func(b []byte) []byte {
			return le.AppendUint32(le.AppendUint64(le.AppendUint64(b, r.queue), r.first), r.n)
		})
	}
}

// segment finds a segment by a position, or nil. mu is held.
func (l *Log) segment(at uint64) *segment {
	i := int64(at>>32) - int64(l.segments[0].number)
	if i < 0 || i >= int64(len(l.segments)) {
		return nil
	}
	return l.segments[i]
}

// queue is a queue's index, made if need be. mu is held.
func (l *Log) queue(id uint64) *queueIndex {
	q := l.queues[id]
	if q == nil {
		q = &queueIndex{}
		l.queues[id] = q
	}
	return q
}

// NewQueue implements store.Store.
func (l *Log) NewQueue() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextQueue++
	return l.nextQueue
}

// Put implements store.Store.
func (l *Log) Put(p store.Place, m *message.Message, keep bool, w store.Waiter, tag uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		at := place{Place: p, keep: keep}
		if m.Log != 0 && m.Log>>32 > l.collecting {
			l.share(m, at)
		} else {
			m.Log = l.add(kindMessage, messageSize(m)-recordHeader, func(b []byte) []byte { return appendMessage(b, m, at) })
			l.enter(p.Queue, p.Seq, m.Log)
		}
		if !keep || w == nil {
			return !keep
		}
	} else if !keep || w == nil {
		return true
	}
	l.waiters = append(l.waiters, waiting{w, tag})
	l.work.Signal()
	return false
}

// share adds a place for a message that is in the log. mu is held.
func (l *Log) share(m *message.Message, at place) {
	l.add(kindPlace, placeSize+12, func(b []byte) []byte {
		return le.AppendUint32(le.AppendUint64(appendPlace(b, &at), m.Log), uint32(len(m.Body)))
	})
	l.enter(at.Queue, at.Seq, m.Log)
	s := l.segment(m.Log)
	if s.shared == nil {
		s.shared = make(map[uint64][]place)
	}
	s.shared[m.Log] = append(s.shared[m.Log], at)
}

// enter puts a message into a queue's index. mu is held.
func (l *Log) enter(queue, seq, at uint64) {
	if old := l.queue(queue).set(seq, at); old != 0 {
		l.leave(old)
	}
	s := l.segment(at)
	s.places++
	s.live++
}

// leave counts a message out of its segment. mu is held.
func (l *Log) leave(at uint64) {
	if s := l.segment(at); s != nil {
		if s.live--; s.live == 0 {
			l.collect.Signal()
		}
	}
}

// Returned implements store.Store.
func (l *Log) Returned(queue, seq uint64, deliveries uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue(queue).returned(seq, deliveries)
	l.add(kindReturned, 20, func(b []byte) []byte {
		return le.AppendUint32(le.AppendUint64(le.AppendUint64(b, queue), seq), deliveries)
	})
}

// Remove implements store.Store.
func (l *Log) Remove(queue, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[queue]; q != nil {
		l.remove(q, queue, seq)
	}
}

// RemoveRange implements store.Store.
func (l *Log) RemoveRange(queue, first, last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[queue]
	if q == nil {
		return
	}
	for seq := max(first, q.base*pageSize); seq <= min(last, q.last); seq++ {
		l.remove(q, queue, seq)
	}
}

// remove is Remove. mu is held.
func (l *Log) remove(q *queueIndex, queue, seq uint64) {
	at := q.clear(seq)
	if at == 0 {
		return
	}
	l.leave(at)
	if l.err != nil {
		return
	}
	if r := &l.removals; r.n > 0 && r.queue == queue && r.first+uint64(r.n) == seq {
		r.n++
	} else {
		l.flushRemovals()
		l.removals = run{queue, seq, 1}
	}
	l.work.Signal()
}

// Drop implements store.Store.
func (l *Log) Drop(queue uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(queue)
}

// drop is Drop. mu is held.
func (l *Log) drop(queue uint64) {
	q := l.queues[queue]
	if q == nil {
		return
	}
	delete(l.queues, queue)
	if q.n == 0 {
		return
	}
	q.each(0, func(_, at uint64) bool {
		l.leave(at)
		return true
	})
	l.add(kindDrop, 8, func(b []byte) []byte { return le.AppendUint64(b, queue) })
}

// Recovered implements store.Store.
func (l *Log) Recovered(queue uint64) store.Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextQueue = max(l.nextQueue, queue) // also of one that never had a message
	q := l.queues[queue]
	if q == nil {
		return store.Summary{}
	}
	q.claimed = true
	s := store.Summary{Count: q.n, Last: max(q.last, q.delivered), Delivered: q.delivered}
	q.eachFound(func(_ uint64, f found) { s.Bytes += int64(f.size) })
	return s
}

// Each implements store.Store.
func (l *Log) Each(queue uint64, f func(seq uint64, expires int64, size uint32)) {
	l.mu.Lock()
	q := l.queues[queue]
	type entry struct {
		seq uint64
		found
	}
	var list []entry
	if q != nil {
		list = make([]entry, 0, q.n)
		q.eachFound(func(seq uint64, f found) { list = append(list, entry{seq, f}) })
	}
	l.mu.Unlock()
	for i := range list {
		f(list[i].seq, list[i].expires, list[i].size)
	}
}

// Started implements store.Store.
func (l *Log) Started() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, q := range l.queues {
		if q.started(); !q.claimed {
			l.drop(id)
		}
	}
}

// Delivered implements store.Store.
func (l *Log) Delivered(queue, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(kindDelivered, 16, func(b []byte) []byte { return le.AppendUint64(le.AppendUint64(b, queue), seq) })
}

// Define implements store.Store.
func (l *Log) Define(key string, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.define(key, value)
}

// define is Define. mu is held.
func (l *Log) define(key string, value []byte) {
	at := l.add(kindDefine, 4+len(key)+len(value), func(b []byte) []byte {
		return append(append(le.AppendUint32(b, uint32(len(key))), key...), value...)
	})
	l.setDefinition(key, definition{value, at})
}

// setDefinition enters a definition, or takes it out if it has no value. mu is
// held.
func (l *Log) setDefinition(key string, d definition) {
	if old, ok := l.defs[key]; ok {
		if s := l.segment(old.pos); s != nil {
			s.definitions--
		}
		delete(l.defs, key)
	}
	if s := l.segment(d.pos); d.value != nil && s != nil {
		l.defs[key] = d
		s.definitions++
	}
}

// Undefine implements store.Store.
func (l *Log) Undefine(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.defs[key]; !ok {
		return
	}
	l.setDefinition(key, definition{})
	l.add(kindUndefine, len(key), func(b []byte) []byte { return append(b, key...) })
}

// Definitions implements store.Store.
func (l *Log) Definitions() map[string][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make(map[string][]byte, len(l.defs))
	for k, d := range maps.All(l.defs) {
		list[k] = d.value
	}
	return list
}

// Sync implements store.Store.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushPendingRemovals()
	for target := l.appended; l.settled() < target && l.err == nil; {
		if l.opt.Sync == Always {
			l.force = true
			l.work.Signal()
		}
		l.progress.Wait()
	}
	return l.err
}

// flushPendingRemovals is flushRemovals unless the log failed. mu is held.
func (l *Log) flushPendingRemovals() {
	if l.err == nil {
		l.flushRemovals()
	}
}

// settled is up to where all is as durable as was asked for. mu is held.
func (l *Log) settled() uint64 {
	if l.opt.Sync == Always {
		return l.synced
	}
	return l.written
}

// Full implements store.Store.
func (l *Log) Full() bool { return l.full.Load() }

// Room implements store.Store.
func (l *Log) Room() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.pending > maxPending && l.err == nil {
		l.progress.Wait()
	}
}

// fail ends the log's use. mu is held.
func (l *Log) fail(err error) {
	if l.err == nil {
		l.err = fmt.Errorf("the log failed: %w", err)
		l.opt.Log.Error("the log failed; nothing is stored any more", "error", err)
	}
	l.progress.Broadcast()
	l.collect.Broadcast()
	l.work.Broadcast()
}
