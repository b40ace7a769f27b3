package wal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// fullRetry is how often a write to a disk that is full is tried again.
const fullRetry = 200 * time.Millisecond

// write is the writer: it takes all that has gathered, writes and syncs it,
// and tells those who wait.
func (l *Log) write() {
	var current *segment
	for {
		chunks, waiters, sync, ok := l.take()
		if !ok {
			return
		}
		err := l.writeChunks(chunks)
		if err == nil && len(chunks) > 0 {
			current = chunks[len(chunks)-1].seg
		}
		if sync = sync && current != nil; err == nil && sync {
			err = current.file.Datasync()
		}
		l.wrote(chunks, sync, err)
		l.tell(waiters)
	}
}

// take waits for something to do, and tells whether that is to be synced. ok is
// false when there will be no more.
func (l *Log) take() (_ []chunk, _ []waiting, sync, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		l.flushPendingRemovals()
		if l.err != nil {
			l.chunks, l.pending = nil, 0
		}
		if len(l.chunks) > 0 || len(l.waiters) > 0 || l.force && l.err == nil {
			break
		}
		if l.last {
			return nil, nil, false, false
		}
		l.work.Wait()
	}
	chunks, waiters := l.chunks, l.waiters
	l.inflight, l.chunks, l.waiters, l.pending = chunks, nil, nil, 0
	sync = l.force || l.opt.Sync == Always && l.matters
	l.force, l.matters = false, false
	return chunks, waiters, sync, true
}

// writeChunks writes, making segments' files as it comes to them.
func (l *Log) writeChunks(chunks []chunk) error {
	for i := range chunks {
		c := &chunks[i]
		for {
			err := l.writeChunk(c)
			if err == nil {
				break
			}
			if !isFull(err) || !l.waitSpace(err) {
				return err
			}
		}
		if i+1 < len(chunks) { // a segment is complete: what comes later may say so
			if err := c.seg.file.Datasync(); err != nil {
				return fmt.Errorf("sync segment %016x: %w", c.seg.number, err)
			}
			l.closed(c)
		}
	}
	return nil
}

// closed notes that a segment is written and synced: it can be freed though
// the rest of the batch may have to wait for the space.
func (l *Log) closed(c *chunk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = pos(c.seg.number, c.off+int64(len(c.data)))
	l.synced = l.written
	l.progress.Broadcast()
	l.collect.Signal()
}

// writeChunk writes one; if it fails it may be called again.
func (l *Log) writeChunk(c *chunk) error {
	if c.seg.file == nil {
		if err := l.openSegment(c.seg, c.off+int64(len(c.data))); err != nil {
			return err
		}
	}
	if _, err := c.seg.file.WriteAt(c.data, c.off); err != nil {
		return fmt.Errorf("write segment %016x: %w", c.seg.number, err)
	}
	return nil
}

// isFull tells whether a write failed for want of space. A sync that does so
// does not count: what became of the data is not known then.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// waitSpace waits a while for space, from outside or from the collector. It
// returns false when the log is to be closed.
func (l *Log) waitSpace(err error) bool {
	if !l.full.Swap(true) {
		l.opt.Log.Error("the disk is full; publishers have to wait", "error", err)
	}
	select {
	case <-l.stop:
		return false
	case <-l.freed:
	case <-time.After(fullRetry):
	}
	return true
}

func segmentName(n uint64) string { return fmt.Sprintf("%016x.wal", n) }

// openSegment makes the file of a segment, of one that is free if there is any.
// What is needed at once is all that is set aside on a disk that has no more:
// broker and collector can still use up what publishers must leave free.
func (l *Log) openSegment(s *segment, needed int64) error {
	l.mu.Lock()
	free := ""
	if n := len(l.free); n > 0 {
		free, l.free = l.free[n-1], l.free[:n-1]
	}
	var before *segment
	if i := slices.Index(l.segments, s); i > 0 {
		before = l.segments[i-1]
	}
	size := s.space
	l.mu.Unlock()
	if before != nil && before.file != nil {
		if err := before.file.Datasync(); err != nil {
			return fmt.Errorf("sync segment %016x: %w", before.number, err)
		}
	}
	name := segmentName(s.number)
	if free != "" {
		if err := l.fs.Rename(free, name); err != nil {
			return fmt.Errorf("reuse segment: %w", err)
		}
	}
	f, err := l.fs.Open(name)
	if err != nil {
		return fmt.Errorf("make segment: %w", err)
	}
	if err = f.Allocate(size); isFull(err) {
		size = min(size, needed)
		err = f.Allocate(size)
	}
	if err == nil {
		header := le.AppendUint64(le.AppendUint64(le.AppendUint64([]byte(magic), s.number), uint64(size)), uint64(s.before))
		_, err = f.WriteAt(header, 0)
	}
	if err == nil {
		err = l.fs.Sync()
	}
	if err != nil {
		f.Close()
		if isFull(err) { // what it got is needed elsewhere
			err = errors.Join(err, l.fs.Remove(name))
		}
		return fmt.Errorf("make segment %s: %w", name, err)
	}
	l.mu.Lock()
	s.file = f
	l.mu.Unlock()
	return nil
}

// wrote notes how far the log is written.
func (l *Log) wrote(chunks []chunk, synced bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inflight = nil
	if err != nil {
		l.fail(err)
		return
	}
	if l.full.Swap(false) {
		l.opt.Log.Warn("there is space on the disk again")
	}
	if len(chunks) > 0 {
		c := &chunks[len(chunks)-1]
		l.written = pos(c.seg.number, c.off+int64(len(c.data)))
		if l.spare == nil && cap(c.data) <= keepBuffer {
			l.spare = c.data[:0]
		}
	}
	if synced {
		l.synced = l.written
	}
	l.progress.Broadcast()
}

// tell tells those who wait, each once for all its messages of the batch.
func (l *Log) tell(list []waiting) {
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	tags := make([]uint64, 0, len(list))
	for len(list) > 0 {
		w := list[0].w
		rest := list[:0]
		tags = tags[:0]
		for _, o := range list {
			if o.w == w {
				tags = append(tags, o.tag)
			} else {
				rest = append(rest, o)
			}
		}
		w.Stored(tags, err)
		list = rest
	}
}

// pulse has the writer sync every so often.
func (l *Log) pulse() {
	t := time.NewTicker(l.opt.Every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.mu.Lock()
			if l.synced < l.written {
				l.force = true
				l.work.Signal()
			}
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// Close implements store.Store.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	l.closing, l.stopping = true, true
	l.collect.Broadcast()
	l.progress.Broadcast()
	l.mu.Unlock()
	close(l.stop)
	l.helpers.Wait()
	l.mu.Lock()
	l.add(kindClean, 0, func(b []byte) []byte { return b })
	l.last, l.force = true, true
	l.work.Broadcast()
	l.mu.Unlock()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	last := l.segments[len(l.segments)-1]
	if err == nil && last.file != nil {
		// Nothing follows: damage from here on will show.
		if err = last.file.Truncate(l.end); err == nil {
			err = last.file.Datasync()
		}
	}
	l.err = ErrClosed
	for _, s := range l.segments {
		if s.file != nil {
			s.file.Close()
		}
	}
	if e := l.unlock(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}
