package conn

import (
	"errors"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// pushLimit is how much may wait for a connection that is written to by who
// made it wait; more is left to its writer.
const pushLimit = 128 << 10

// batch is the connections a reader made wait while it served what it had
// read. When that is done it writes to them itself, as long as nothing blocks:
// for a few messages that is quicker than to wake their writers. Every message
// knows the batch of its publisher.
type batch struct {
	mu    sync.Mutex
	open  bool // guarded by mu, as is the rest; the reader will look
	conns []*Conn
	spare []*Conn
}

// add has the reader look after c when it has done its batch; false if it is
// not at it.
func (b *batch) add(c *Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open {
		b.conns = append(b.conns, c)
	}
	return b.open
}

// begin makes what is sent to this connection, and what its messages make
// others send, wait until end. Only the reader calls both; it must not wait
// for anything in between.
func (c *Conn) begin() {
	c.batch.mu.Lock()
	c.batch.open = true
	c.batch.mu.Unlock()
	c.out.mu.Lock()
	c.out.deferred = true
	c.out.mu.Unlock()
}

// end sends what has waited.
func (c *Conn) end() {
	b := &c.batch
	b.mu.Lock()
	b.open = false
	conns := b.conns
	b.conns, b.spare = b.spare[:0], conns
	b.mu.Unlock()
	for i, o := range conns {
		o.push(&o.out.listed)
		conns[i] = nil
	}
	c.push(&c.out.deferred)
}

// push takes back a promise to look after the connection and writes what
// waits, or wakes the writer.
func (c *Conn) push(promise *bool) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	*promise = false
	if o.size == 0 || o.deferred || o.listed || o.pushing || !o.sleeping {
		return // nothing to do, or somebody else does
	}
	if c.tryWrite == nil || o.size > pushLimit {
		o.wake()
		return
	}
	buf, bodies, size := o.buf, o.bodies, o.size
	o.buf, o.bodies, o.size, o.pushing = o.spare[:0], o.spareBodies[:0], 0, true
	o.mu.Unlock()
	o.pieces = weave(o.pieces[:0], buf, bodies)
	n, _ := c.tryWrite(o.pieces) // the writer will get the same error
	clear(o.pieces)
	c.writes.Add(1)
	c.sent.Add(uint64(n))
	o.mu.Lock()
	o.pushing = false
	if n < size {
		o.putBack(buf, bodies, n, size)
	} else {
		release(bodies)
		o.spare, o.spareBodies = o.kept.keep(buf), bodies
	}
	if o.closed || o.waiting {
		o.cond.Broadcast()
	}
	if o.size > 0 {
		o.wake()
	}
}

// putBack puts what was taken, but for the n octets of it that are written, in
// front of what came meanwhile. mu is held.
func (o *outbox) putBack(buf []byte, bodies []body, n, size int) {
	o.size += size - n
	var rest []byte
	var left []body
	from := 0
	for _, b := range bodies {
		gone := min(n, b.at-from)
		rest = append(rest, buf[from+gone:b.at]...)
		from, n = b.at, n-gone
		if gone = min(n, len(b.data)); gone == len(b.data) {
			b.block.Free()
		} else {
			left = append(left, body{len(rest), b.data[gone:], b.block})
		}
		n -= gone
	}
	rest = append(rest, buf[from+n:]...)
	for i := range o.bodies {
		o.bodies[i].at += len(rest)
	}
	o.buf, o.bodies = append(rest, o.buf...), append(left, o.bodies...)
}

// tryWriter is a connection that can take what it has room for at once.
type tryWriter interface {
	TryWrite(b []byte) (int, error)
}

// writeNow returns how to write to a connection without waiting; nil if that
// cannot be.
func writeNow(nc net.Conn) func([][]byte) (int, error) {
	if t, ok := nc.(tryWriter); ok {
		return func(pieces [][]byte) (n int, err error) {
			for _, p := range pieces {
				k, err := t.TryWrite(p)
				if n += k; err != nil || k < len(p) {
					return n, err
				}
			}
			return n, nil
		}
	}
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	// One push is under way at a time, so one set of variables does.
	var pieces [][]byte
	var n int
	var failed error
	write := func(fd uintptr) bool {
		if len(pieces) == 1 {
			n, failed = unix.Write(int(fd), pieces[0])
		} else {
			n, failed = unix.Writev(int(fd), pieces[:min(len(pieces), maxPieces)])
		}
		return true // also if it was not possible
	}
	return func(p [][]byte) (int, error) {
		pieces, n, failed = p, 0, nil
		err := raw.Write(write)
		pieces = nil
		return max(n, 0), errors.Join(err, failed)
	}
}

// maxPieces is how many the kernel takes at a time.
const maxPieces = 1024
