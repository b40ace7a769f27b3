package conn

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"nubo/amqp"
)

const (
	// directLimit is how much of a body must be missing to be read directly.
	directLimit = 4 << 10
	// tailRead is how much is read with it of what follows: little, as what is
	// there of the next body has to be copied.
	tailRead = 1 << 10
)

// incoming is a body frame of which more is to come than was read: that is read
// straight into the message's block. It is the reader's own.
type incoming struct {
	ch   *channel // nil if there is none
	size int      // of the payload
	left int      // how much of it is to come
}

// takeBody takes the beginning of a frame whose size, as a whole, is known, if
// the rest is to be read directly.
func (c *Conn) takeBody(b []byte, size int) bool {
	if size-len(b) < directLimit || b[0] != amqp.FrameBody || c.closing.Load() || c.phase != open {
		return false
	}
	ch := c.channels[uint16(b[1])<<8|uint16(b[2])]
	payload := size - amqp.FrameOverhead
	if ch == nil || ch.closing || ch.pub.state != wantBody || uint64(payload) > ch.pub.missing {
		return false
	}
	part := b[amqp.FrameOverhead-1:]
	ch.pub.block = append(slices.Grow(ch.pub.block, payload), part...)
	c.incoming = incoming{ch: ch, size: payload, left: payload - len(part)}
	return true
}

// endBody ends a frame that was read directly, if b has its last octet.
func (c *Conn) endBody(b []byte) (n int, fail *amqp.Error) {
	in := c.incoming
	if in.left > 0 || len(b) == 0 {
		return 0, nil
	}
	c.incoming = incoming{}
	if block := in.ch.pub.block; b[0] != amqp.FrameEnd {
		return 0, amqp.BadFrameEnd(amqp.FrameBody, block[len(block)-in.size:], b[0])
	}
	if in.ch.closing || c.closing.Load() {
		return 1, nil
	}
	return 1, in.ch.judge(in.ch.arrived(in.size))
}

// read reads once. What belongs to a body goes there, which is direct octets;
// the rest goes to buf.
func (c *Conn) read(buf []byte) (direct, n int, err error) {
	in := &c.incoming
	if in.ch == nil {
		n, err = c.nc.Read(buf)
		return 0, n, err
	}
	p := &in.ch.pub
	into := p.block[len(p.block) : len(p.block)+in.left]
	switch {
	case c.readv != nil:
		n, err = c.readAhead(into, buf[:min(len(buf), tailRead)])
		direct = min(n, len(into))
		n -= direct
	case in.left > 0:
		direct, err = c.nc.Read(into)
	default:
		n, err = c.nc.Read(buf)
	}
	p.block = p.block[:len(p.block)+direct]
	in.left -= direct
	return direct, n, err
}

// readAhead reads into both, one after the other. What was gathered is sent
// before it waits.
func (c *Conn) readAhead(into, tail []byte) (n int, err error) {
	if c.gathered > 0 {
		if n, err = c.readv.read(into, tail, false); !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
		c.settle()
		c.keepPace()
	}
	return c.readv.read(into, tail, true)
}

// vectorReader reads into several pieces of memory with one call.
type vectorReader struct {
	raw    syscall.RawConn
	call   func(fd uintptr) bool
	pieces [2][]byte
	wait   bool
	n      int
	err    error
}

// newVectorReader returns nil for a connection that cannot do that.
func newVectorReader(nc net.Conn) *vectorReader {
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	r := &vectorReader{raw: raw}
	r.call = r.try
	return r
}

// try is one attempt; it tells whether it is done.
func (r *vectorReader) try(fd uintptr) bool {
	for {
		r.n, r.err = unix.Readv(int(fd), r.pieces[:])
		if r.err != unix.EINTR {
			return !r.wait || r.err != unix.EAGAIN
		}
	}
}

// read reads; unless wait, it returns EAGAIN if there is nothing.
func (r *vectorReader) read(into, tail []byte, wait bool) (int, error) {
	r.pieces, r.wait = [2][]byte{into, tail}, wait
	err := r.raw.Read(r.call)
	r.pieces = [2][]byte{}
	switch {
	case err != nil:
		return 0, err
	case r.err != nil:
		return 0, r.err
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}
