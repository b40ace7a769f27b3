package broker

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// pipeSize is how much one direction of a pipe holds before writes wait.
const pipeSize = 256 << 10

// pipe returns the two ends of a connection in memory. Unlike net.Pipe it has
// a buffer: a write returns when its bytes are in it, not when they are read.
func pipe() (client, server net.Conn) {
	x, y := newHalf(), newHalf()
	addr := pipeAddr(pipes.Add(1))
	return &pipeConn{in: x, out: y, local: addr}, &pipeConn{in: y, out: x, remote: addr}
}

// pipes counts, to tell pipes apart.
var pipes atomic.Int64

// pipeConn is one end.
type pipeConn struct {
	in, out       *half
	local, remote pipeAddr
}

func (c *pipeConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *pipeConn) Write(b []byte) (int, error) { return c.out.put(b, true) }

// TryWrite is Write of what there is room for now.
func (c *pipeConn) TryWrite(b []byte) (int, error) { return c.out.put(b, false) }

func (c *pipeConn) Close() error {
	c.in.closeReader()
	c.out.closeWriter()
	return nil
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readable, t)
	c.out.setDeadline(&c.out.writable, t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readable, t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writable, t)
	return nil
}

// pipeAddr is the address of an end: the number of a client's pipe, 0 for the
// broker.
type pipeAddr int64

func (pipeAddr) Network() string { return "memory" }

func (a pipeAddr) String() string {
	if a == 0 {
		return "memory"
	}
	return fmt.Sprintf("memory:%d", int64(a))
}

// half is one direction.
type half struct {
	mu       sync.Mutex
	readable waiter // something to read, or never more
	writable waiter // room to write, or never more

	buf          []byte // guarded by mu, as is the rest
	start        int    // buf[start:] is unread
	readerClosed bool
	writerClosed bool
}

// waiter is the one side of a half that may be waiting. The half's lock
// guards it.
type waiter struct {
	cond     sync.Cond
	waiting  int
	deadline time.Time
	timer    *time.Timer
}

func newHalf() *half {
	h := &half{}
	h.readable.cond.L, h.writable.cond.L = &h.mu, &h.mu
	return h
}

// wake wakes who waits.
func (w *waiter) wake() {
	if w.waiting > 0 {
		w.cond.Broadcast()
	}
}

// wait waits to be woken. It returns an error if the deadline is past.
func (h *half) wait(w *waiter) error {
	if !w.deadline.IsZero() {
		left := time.Until(w.deadline)
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		h.arm(w, left)
	}
	w.waiting++
	w.cond.Wait()
	w.waiting--
	return nil
}

// arm sets the timer that wakes a waiter at its deadline. One that is set for
// earlier may stay: the waiter looks at the deadline again and sets another.
func (h *half) arm(w *waiter, left time.Duration) {
	if w.timer != nil {
		return
	}
	w.timer = time.AfterFunc(left, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		w.timer = nil
		w.wake()
	})
}

func (h *half) setDeadline(w *waiter, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.timer != nil && !t.IsZero() && t.Before(w.deadline) {
		w.stop()
	}
	w.deadline = t
	if w.waiting > 0 && !t.IsZero() && w.timer == nil {
		h.arm(w, time.Until(t))
	}
}

func (w *waiter) stop() {
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readerClosed:
			return 0, io.ErrClosedPipe
		case len(b) == 0:
			return 0, nil
		case h.start < len(h.buf):
			n := copy(b, h.buf[h.start:])
			if h.start += n; h.start == len(h.buf) {
				h.buf, h.start = h.buf[:0], 0
			}
			h.writable.wake()
			return n, nil
		case h.writerClosed:
			return 0, io.EOF
		}
		if err := h.wait(&h.readable); err != nil {
			return 0, err
		}
	}
}

// put writes what there is room for, or all once there is.
func (h *half) put(b []byte, all bool) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if h.readerClosed || h.writerClosed {
			return n, io.ErrClosedPipe
		}
		if room := pipeSize - (len(h.buf) - h.start); room > 0 && n < len(b) {
			m := min(room, len(b)-n)
			if h.start > 0 && len(h.buf)+m > cap(h.buf) {
				h.buf, h.start = h.buf[:copy(h.buf, h.buf[h.start:])], 0
			}
			h.buf = append(h.buf, b[n:n+m]...)
			n += m
			h.readable.wake()
		}
		if n == len(b) || !all {
			return n, nil
		}
		if err := h.wait(&h.writable); err != nil {
			return n, err
		}
	}
}

// closeReader makes writes fail and forgets what is unread.
func (h *half) closeReader() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readerClosed, h.buf, h.start = true, nil, 0
	h.end()
}

// closeWriter makes the reader see the end once it has read everything.
func (h *half) closeWriter() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writerClosed = true
	h.end()
}

func (h *half) end() {
	h.readable.wake()
	h.writable.wake()
	h.readable.stop()
	h.writable.stop()
}
