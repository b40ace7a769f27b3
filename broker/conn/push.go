package conn

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// pushLimit is how much may wait for a connection that is written to by who
// made it wait; more is left to its writer.
const pushLimit = 16 << 10

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
	if c.tryWrite == nil || len(o.bodies) > 0 || o.size > pushLimit {
		o.wake()
		return
	}
	buf := o.buf
	o.buf, o.size, o.pushing = o.spare[:0], 0, true
	o.mu.Unlock()
	n, _ := c.tryWrite(buf) // the writer will get the same error
	c.writes.Add(1)
	c.sent.Add(uint64(n))
	o.mu.Lock()
	o.pushing = false
	if rest := buf[n:]; len(rest) > 0 {
		o.buf = append(rest, o.buf...)
		o.size += len(rest)
		for i := range o.bodies {
			o.bodies[i].at += len(rest)
		}
	} else if o.spare = buf; cap(buf) > keepBuffer {
		o.spare = nil
	}
	if o.closed || o.waiting {
		o.cond.Broadcast()
	}
	if o.size > 0 {
		o.wake()
	}
}

// tryWriter is a connection that can take what it has room for at once.
type tryWriter interface {
	TryWrite(b []byte) (int, error)
}

// writeNow returns how to write to a connection without waiting; nil if that
// cannot be.
func writeNow(nc net.Conn) func([]byte) (int, error) {
	if t, ok := nc.(tryWriter); ok {
		return t.TryWrite
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
	var buf []byte
	var n int
	var failed error
	write := func(fd uintptr) bool {
		n, failed = syscall.Write(int(fd), buf)
		return true // also if it was not possible
	}
	return func(b []byte) (int, error) {
		buf, n, failed = b, 0, nil
		err := raw.Write(write)
		buf = nil
		return max(n, 0), errors.Join(err, failed)
	}
}
