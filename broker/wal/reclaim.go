package wal

import (
	"fmt"
	"maps"
	"slices"

	"nubo/broker/message"
)

// maxSmall is how many segments there may be that are mostly empty.
const maxSmall = 16

// reclaim is the collector: it frees the oldest segments while there is
// garbage enough to be worth it.
func (l *Log) reclaim() {
	for {
		l.mu.Lock()
		for !l.stopping && l.err == nil && !l.worth() {
			l.collect.Wait()
		}
		if l.stopping || l.err != nil {
			l.mu.Unlock()
			return
		}
		s := l.segments[0]
		l.collecting = s.number
		l.mu.Unlock()
		if err := l.empty(s); err != nil {
			l.mu.Lock()
			if !l.stopping {
				l.fail(fmt.Errorf("reclaim segment %016x: %w", s.number, err))
			}
			l.mu.Unlock()
			return
		}
	}
}

// worth tells whether to free the oldest segment. mu is held.
func (l *Log) worth() bool {
	s := l.segments[0]
	if len(l.segments) < 3 || s.number >= l.written>>32 {
		return false // the writer may be at it
	}
	if s.live == 0 && s.definitions == 0 {
		return true
	}
	if l.full.Load() {
		return false // what is moved could not be written
	}
	var garbage, size int64
	for _, s := range l.segments[:len(l.segments)-1] {
		garbage += s.garbage()
		size += s.size
	}
	if n := int64(len(l.segments)); n > maxSmall && size < n*l.opt.SegmentSize/4 {
		return true // a broker that was often restarted
	}
	return garbage > 2*l.opt.SegmentSize && 2*garbage > size
}

// empty appends what is still needed of the oldest segment again and frees it.
func (l *Log) empty(s *segment) error {
	l.mu.Lock()
	needed := s.live > 0 || s.definitions > 0
	l.mu.Unlock()
	if needed {
		if err := l.moveMessages(s); err != nil {
			return err
		}
		if err := l.moveDefinitions(s); err != nil {
			return err
		}
	}
	l.mu.Lock()
	l.segments = l.segments[1:]
	keep := len(l.free) < keepFree && s.size <= l.opt.SegmentSize+segmentHeader
	l.nextFree++
	free := fmt.Sprintf("%s%d", freePrefix, l.nextFree)
	l.mu.Unlock()
	s.file.Close()
	defer func() {
		select {
		case l.freed <- struct{}{}:
		default:
		}
	}()
	if !keep {
		return l.fs.Remove(segmentName(s.number))
	}
	if err := l.fs.Rename(segmentName(s.number), free); err != nil {
		return err
	}
	l.mu.Lock()
	l.free = append(l.free, free)
	l.mu.Unlock()
	return nil
}

// moveMessages appends the messages that are still needed again.
func (l *Log) moveMessages(s *segment) error {
	data, err := readAll(s.file, nil)
	if err != nil {
		return err
	}
	var places []place
	for at := segmentHeader; int64(at) < s.size; {
		p := pos(s.number, int64(at))
		r, size, err := parse(data[at:], p)
		if err != nil {
			return fmt.Errorf("%w: segment %016x is damaged at %d", errCorrupt, s.number, at)
		}
		at += size
		if r.kind != kindMessage {
			continue
		}
		var m *message.Message
		var whole bool
		if m, places, whole = parseMessage(r.payload, places[:0]); !whole {
			return fmt.Errorf("%w: malformed message at %016x", errCorrupt, p)
		}
		l.move(s, m, p, places)
		l.Room()
	}
	return l.durable()
}

// move appends a message again with the places it still has.
func (l *Log) move(s *segment, m *message.Message, at uint64, places []place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var live []place
	for _, p := range slices.Concat(places, s.shared[at]) {
		if q := l.queues[p.Queue]; q != nil && q.get(p.Seq) == at {
			p.deliveries = q.returns[p.Seq]
			live = append(live, p)
		}
	}
	if len(live) == 0 {
		return
	}
	size := messageSize(m) - recordHeader + (len(live)-1)*placeSize
	to := l.add(kindMessage, size, func(b []byte) []byte { return appendMessage(b, m, live...) })
	if to == 0 {
		return
	}
	for i := range live {
		l.enter(live[i].Queue, live[i].Seq, to)
	}
}

// moveDefinitions records the definitions of a segment again.
func (l *Log) moveDefinitions(s *segment) error {
	l.mu.Lock()
	for key, d := range maps.Clone(l.defs) {
		if d.pos>>32 == s.number {
			l.define(key, d.value)
		}
	}
	l.mu.Unlock()
	return l.durable()
}

// durable waits until all that was appended is synced, whatever the options.
func (l *Log) durable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushPendingRemovals()
	for target := l.appended; l.synced < target && l.err == nil && !l.stopping; {
		l.force = true
		l.work.Signal()
		l.progress.Wait()
	}
	if l.err == nil && l.stopping {
		return ErrClosed
	}
	return l.err
}
