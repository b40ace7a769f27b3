package loadgen

import (
	"fmt"
	"sync"
	"time"
)

// window bounds how many confirms of a producer are outstanding, and measures
// how long they take.
type window struct {
	took *histogram // of all producers

	mu   sync.Mutex
	more sync.Cond // of mu: confirms came, or an error

	// mu guards the rest. Tags below low are confirmed, those from next on not
	// published; sent holds the time of those between, by tag modulo its size,
	// and zero for the ones that are confirmed.
	sent      []time.Time
	low, next uint64
	err       error
}

func newWindow(size int, took *histogram) *window {
	w := &window{took: took, sent: make([]time.Time, size), low: 1, next: 1}
	w.more.L = &w.mu
	return w
}

// reserve waits for room and takes up to n tags of it.
func (w *window) reserve(n int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.next-w.low == uint64(len(w.sent)) {
		w.more.Wait()
	}
	if w.err != nil {
		return 0, w.err
	}
	n = min(n, len(w.sent)-int(w.next-w.low))
	now := time.Now()
	for range n {
		w.sent[w.next%uint64(len(w.sent))] = now
		w.next++
	}
	return n, nil
}

// confirm takes in a confirm and returns how many messages it was for. One for
// a tag that is not outstanding is an error.
func (w *window) confirm(tag uint64, multiple bool) (n uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	size := uint64(len(w.sent))
	if tag < w.low || tag >= w.next {
		return 0, fmt.Errorf("a confirm for message %d, while %d to %d are outstanding", tag, w.low, w.next-1)
	}
	now := time.Now()
	from := tag
	if multiple {
		from = w.low
	}
	var at time.Time // when those counted together were published
	var same uint64
	for t := from; t <= tag; t++ {
		s := &w.sent[t%size]
		if s.IsZero() {
			if !multiple {
				return 0, fmt.Errorf("a second confirm for message %d", tag)
			}
			continue
		}
		if *s != at && same > 0 {
			w.took.add(now.Sub(at), same)
			same = 0
		}
		at, *s = *s, time.Time{}
		same++
		n++
	}
	w.took.add(now.Sub(at), same)
	for w.low < w.next && w.sent[w.low%size].IsZero() {
		w.low++
	}
	w.more.Broadcast()
	return n, nil
}

// drained waits until all that was published is confirmed.
func (w *window) drained() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.low < w.next {
		w.more.Wait()
	}
	return w.err
}

// fail ends waiting with an error.
func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.more.Broadcast()
}
