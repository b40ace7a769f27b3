package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

var errCorrupt = errors.New("the log is corrupt")

const (
	suffix     = ".wal"
	freePrefix = "free-"
	// keepFree is how many segments that are not needed are kept to be reused.
	keepFree = 2
)

// Open opens the log in a directory, or begins one.
func Open(fs FS, opt Options) (*Log, error) {
	switch opt.Sync {
	case "":
		opt.Sync = Always
	case Always, Write, Interval:
	default:
		return nil, fmt.Errorf("open log: unknown sync %q", opt.Sync)
	}
	if opt.Every == 0 {
		opt.Every = defaultInterval
	}
	if opt.SegmentSize == 0 {
		opt.SegmentSize = defaultSegment
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	unlock, err := fs.Lock()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{fs: fs, opt: opt, unlock: unlock, stop: make(chan struct{}), freed: make(chan struct{}, 1), queues: make(map[uint64]*queueIndex), defs: make(map[string]definition)}
	l.work.L, l.progress.L, l.collect.L = &l.mu, &l.mu, &l.mu
	if err := l.recover(); err != nil {
		for _, s := range l.segments {
			s.file.Close()
		}
		unlock()
		return nil, fmt.Errorf("open log: %w", err)
	}
	l.done.Go(l.write)
	l.helpers.Go(l.reclaim)
	if opt.Sync == Interval {
		l.helpers.Go(l.pulse)
	}
	return l, nil
}

// recover reads the log and begins a new segment.
func (l *Log) recover() error {
	numbers, err := l.files()
	if err != nil {
		return err
	}
	clean := true
	ahead := l.readAhead(numbers)
	defer ahead.close()
	for i, n := range numbers {
		if i > 0 && n != numbers[i-1]+1 {
			return fmt.Errorf("%w: segment %016x is missing", errCorrupt, numbers[i-1]+1)
		}
		if clean, err = l.recoverSegment(n, i == len(numbers)-1, ahead.take(i)); err != nil {
			return err
		}
	}
	next := &segment{number: 1, space: l.opt.SegmentSize}
	if n := len(l.segments); n > 0 {
		next.number, next.before = l.segments[n-1].number+1, l.segments[n-1].size
	}
	l.segments = append(l.segments, next)
	l.end = segmentHeader
	l.appended = pos(next.number, l.end)
	l.written, l.synced = l.appended, l.appended
	for id, q := range l.queues {
		l.nextQueue = max(l.nextQueue, id)
		if !clean {
			q.delivered = q.last
		}
	}
	return nil
}

// files lists the segments' numbers in order, and what is free.
func (l *Log) files() ([]uint64, error) {
	names, err := l.fs.List()
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if hex, ok := strings.CutSuffix(name, suffix); ok {
			n, err := strconv.ParseUint(hex, 16, 32)
			if err != nil || segmentName(n) != name {
				return nil, fmt.Errorf("%w: a segment cannot be called %s", errCorrupt, name)
			}
			numbers = append(numbers, n)
		}
		if n, ok := strings.CutPrefix(name, freePrefix); ok {
			l.free = append(l.free, name)
			i, _ := strconv.Atoi(n)
			l.nextFree = max(l.nextFree, i)
		}
	}
	slices.SortFunc(numbers, cmp.Compare[uint64])
	return numbers, nil
}

// loaded is a segment's file and what is in it.
type loaded struct {
	file File
	data []byte
	err  error
}

// readAhead reads segments while those before are replayed, into two buffers
// in turn.
type readAhead struct {
	l       *Log
	numbers []uint64
	next    chan loaded // of the segment after the one taken; nil if none is read
	spare   []byte
}

func (l *Log) readAhead(numbers []uint64) *readAhead {
	r := &readAhead{l: l, numbers: numbers}
	r.start(0)
	return r
}

// start begins to read a segment, if there is one.
func (r *readAhead) start(i int) {
	if r.next = nil; i == len(r.numbers) {
		return
	}
	next, buf := make(chan loaded, 1), r.spare
	r.next = next
	go func() { next <- r.l.load(r.numbers[i], buf) }()
}

// take returns a segment, whose data is good until the one after is taken.
func (r *readAhead) take(i int) loaded {
	got := <-r.next
	r.start(i + 1)
	r.spare = got.data
	return got
}

// close waits for what is being read and not wanted any more.
func (r *readAhead) close() {
	if r.next == nil {
		return
	}
	if got := <-r.next; got.file != nil {
		got.file.Close()
	}
}

func (l *Log) load(n uint64, buf []byte) loaded {
	f, err := l.fs.Open(segmentName(n))
	if err != nil {
		return loaded{err: err}
	}
	data, err := readAll(f, buf)
	if err != nil {
		f.Close()
		return loaded{err: fmt.Errorf("read segment %016x: %w", n, err)}
	}
	return loaded{file: f, data: data}
}

// recoverSegment replays one segment and cuts off what is torn. clean tells
// whether it ends in good order.
func (l *Log) recoverSegment(n uint64, last bool, from loaded) (clean bool, err error) {
	if from.err != nil {
		return false, from.err
	}
	f, data := from.file, from.data
	s := &segment{number: n, file: f}
	if len(data) < segmentHeader || string(data[:8]) != magic || le.Uint64(data[8:]) != n {
		f.Close()
		if !last {
			return false, fmt.Errorf("%w: segment %016x has no header", errCorrupt, n)
		}
		if torn, durable := scan(data, n, segmentHeader); durable {
			return false, fmt.Errorf("%w: segment %016x has no header, but %d octets of records", errCorrupt, n, torn)
		}
		return false, l.fs.Remove(segmentName(n)) // nothing was synced here
	}
	s.before = int64(le.Uint64(data[24:]))
	if i := len(l.segments); i > 0 {
		if before := l.segments[i-1]; before.size != s.before {
			f.Close()
			return false, fmt.Errorf("%w: segment %016x is damaged at %d; it had %d octets", errCorrupt, before.number, before.size, s.before)
		}
	}
	l.segments = append(l.segments, s)
	at := segmentHeader
	for at < len(data) {
		r, size, err := parse(data[at:], pos(n, int64(at)))
		if err != nil {
			break
		}
		clean = r.kind == kindClean
		if err := l.replay(r, pos(n, int64(at))); err != nil {
			return false, err
		}
		at += size
	}
	s.size = int64(at)
	if !last || at == len(data) {
		return clean, nil // the next one knows how long this has to be
	}
	return false, l.cutTail(s, data, at)
}

// cutTail cuts the last segment off where its records end, unless there was
// more that had been durable.
func (l *Log) cutTail(s *segment, data []byte, at int) error {
	if int64(len(data)) < int64(le.Uint64(data[16:])) {
		return fmt.Errorf("%w: segment %016x is damaged at %d; it had %d octets", errCorrupt, s.number, at, len(data))
	}
	torn, durable := scan(data, s.number, at)
	if durable {
		return fmt.Errorf("%w: segment %016x is damaged at %d; what follows says it was durable", errCorrupt, s.number, at)
	}
	if torn > 0 {
		l.opt.Log.Warn("cut off a torn batch that nobody was told of", "segment", s.number, "offset", at, "octets", torn)
	}
	if err := s.file.Truncate(int64(at)); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	if err := s.file.Datasync(); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	return nil
}

// scan looks for whole records behind a place of a segment that holds none: up
// to where there are any, and whether they say that it had been durable.
func scan(data []byte, segment uint64, at int) (torn int, durable bool) {
	for i := at; i+recordHeader <= len(data); i++ {
		p := pos(segment, int64(i))
		if le.Uint64(data[i+8:]) != p {
			continue
		}
		r, size, err := parse(data[i:], p)
		if err != nil {
			continue
		}
		torn = i + size - at
		if r.kind == kindBatch && len(r.payload) == 8 && le.Uint64(r.payload) > pos(segment, int64(at)) {
			return torn, true
		}
	}
	return torn, false
}

// readAll reads a file, into buf if that is large enough.
func readAll(f File, buf []byte) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	n, err := f.ReadAt(buf[:size], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return buf[:n], nil
}

// replay does again what a record says.
func (l *Log) replay(r record, at uint64) error {
	p := reader{b: r.payload}
	switch r.kind {
	case kindMessage:
		places, size, whole := parsePlaces(r.payload, l.places[:0])
		if !whole {
			return fmt.Errorf("%w: malformed message at %016x", errCorrupt, at)
		}
		for i := range places {
			l.replayPlace(&places[i], at, size)
		}
		l.places = places
	case kindPlace:
		pl := p.place()
		of, size := p.u64(), p.u32()
		if s := l.segment(of); s != nil { // else it was moved, with all its places
			if pl.keep {
				if s.shared == nil {
					s.shared = make(map[uint64][]place)
				}
				s.shared[of] = append(s.shared[of], pl)
			}
			l.replayPlace(&pl, of, int(size))
		}
	case kindRemove:
		queue, first, n := p.u64(), p.u64(), p.u32()
		if q := l.queues[queue]; q != nil {
			for i := range uint64(n) {
				if pos := q.clear(first + i); pos != 0 {
					l.leave(pos)
				}
			}
		}
	case kindDrop:
		if id := p.u64(); l.queues[id] != nil {
			l.queues[id].each(0, func(_, pos uint64) bool {
				l.leave(pos)
				return true
			})
			l.queues[id] = &queueIndex{last: 0} // its number stays taken
		}
	case kindReturned:
		queue, seq, n := p.u64(), p.u64(), p.u32()
		if q := l.queues[queue]; q != nil {
			q.returned(seq, n)
		}
	case kindDelivered:
		queue, seq := p.u64(), p.u64()
		l.queue(queue).delivered = seq
	case kindDefine:
		key := string(p.take(int(p.u32())))
		l.setDefinition(key, definition{append([]byte{}, p.b...), at})
	case kindUndefine:
		l.setDefinition(string(p.b), definition{})
	case kindBatch, kindClean:
	default:
		return fmt.Errorf("%w: record of unknown type %d at %016x", errCorrupt, r.kind, at)
	}
	if p.bad {
		return fmt.Errorf("%w: malformed record of type %d at %016x", errCorrupt, r.kind, at)
	}
	return nil
}

// replayPlace enters a message; one that was not to survive only takes its place.
func (l *Log) replayPlace(p *place, at uint64, size int) {
	q := l.queue(p.Queue)
	if !p.keep {
		q.last = max(q.last, p.Seq)
		return
	}
	l.enter(p.Queue, p.Seq, at)
	q.note(p.Seq, found{p.Expires, uint32(size)})
	if p.deliveries > 0 {
		q.returned(p.Seq, p.deliveries)
	}
}
