package wal

import (
	"fmt"

	"nubo/broker/store"
)

// window is how much is read at a time: small messages lie close together.
const window = 64 << 10

// Read implements store.Store.
func (l *Log) Read(queue, after uint64, count, bytes int) ([]store.Record, error) {
	var list []store.Record
	var win view
	for len(list) < count && bytes > 0 {
		r, ok, err := l.readNext(&win, queue, after)
		if err != nil {
			return list, fmt.Errorf("read back a message: %w", err)
		}
		if !ok {
			break
		}
		list = append(list, r)
		after = r.Seq
		bytes -= len(r.Msg.Body) + len(r.Msg.Props)
	}
	return list, nil
}

// view is a part of the log that was read.
type view struct {
	at   uint64
	data []byte
}

// readNext reads the message behind a place. One that is moved while it is
// read is looked up again.
func (l *Log) readNext(win *view, queue, after uint64) (r store.Record, ok bool, err error) {
	for {
		seq, at, deliveries, ok := l.next(queue, after)
		if !ok {
			return r, false, nil
		}
		rec, err := l.readRecord(win, at)
		if _, now, _, ok := l.next(queue, after); !ok || now != at {
			continue
		}
		if err != nil {
			return r, false, err
		}
		m, places, whole := parseMessage(rec.payload, nil)
		if rec.kind != kindMessage || !whole {
			return r, false, fmt.Errorf("%w at %016x", errCorrupt, at)
		}
		m.Log = at
		r = store.Record{Seq: seq, Deliveries: deliveries, Msg: m}
		for _, p := range append(places, l.sharedPlaces(at)...) {
			if p.Queue == queue && p.Seq == seq {
				r.Expires = p.Expires
			}
		}
		return r, true, nil
	}
}

// next finds the message behind a place in the index.
func (l *Log) next(queue, after uint64) (seq, at uint64, deliveries uint32, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[queue]
	if q == nil {
		return
	}
	q.each(after, func(s, p uint64) bool {
		seq, at, deliveries, ok = s, p, q.returns[s], true
		return false
	})
	return
}

func (l *Log) sharedPlaces(at uint64) []place {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.segment(at); s != nil {
		return s.shared[at]
	}
	return nil
}

// readRecord reads the record at a position, from the buffers if it is not
// written yet. What it returns is not changed by later reads.
func (l *Log) readRecord(win *view, at uint64) (record, error) {
	if rec, err := l.recordIn(win, at); err == nil {
		return rec, nil
	}
	// The view may be from before the record was written.
	*win = view{}
	return l.recordIn(win, at)
}

func (l *Log) recordIn(win *view, at uint64) (record, error) {
	if at < win.at || at>>32 != win.at>>32 || at-win.at >= uint64(len(win.data)) {
		if err := l.look(win, at, window); err != nil {
			return record{}, err
		}
	}
	b := win.data[at-win.at:]
	if len(b) < recordHeader {
		if err := l.look(win, at, window); err != nil {
			return record{}, err
		}
		b = win.data
	}
	if n := uint64(recordHeader); len(b) >= recordHeader {
		if n += uint64(le.Uint32(b)); n > uint64(len(b)) && n <= maxPayload {
			if err := l.look(win, at, int(n)); err != nil {
				return record{}, err
			}
			b = win.data
		}
	}
	rec, _, err := parse(b, at)
	if err != nil {
		return record{}, fmt.Errorf("%w at %016x", errCorrupt, at)
	}
	return rec, nil
}

// look reads at most so many octets at a position into a new view.
func (l *Log) look(win *view, at uint64, n int) error {
	l.mu.Lock()
	for _, list := range [][]chunk{l.inflight, l.chunks} {
		for i := range list {
			c := &list[i]
			from := pos(c.seg.number, c.off)
			if at >= from && at < from+uint64(len(c.data)) {
				rest := c.data[at-from:]
				*win = view{at, append([]byte(nil), rest[:min(n, len(rest))]...)}
				l.mu.Unlock()
				return nil
			}
		}
	}
	s := l.segment(at)
	if s == nil || s.file == nil {
		l.mu.Unlock()
		return fmt.Errorf("%w: no segment for %016x", errCorrupt, at)
	}
	f := s.file
	l.mu.Unlock()
	b := make([]byte, n)
	got, err := f.ReadAt(b, int64(at&(1<<32-1)))
	if got == 0 && err != nil {
		return fmt.Errorf("read segment %016x: %w", at>>32, err)
	}
	*win = view{at, b[:got]}
	return nil
}
