package conn

import (
	"net"
	"sync"

	"nubo/amqp"
	"nubo/broker/message"
)

const (
	// softLimit is how much may wait for the writer before consumers are
	// refused; the messages stay in their queues then.
	softLimit = 256 << 10
	// hardLimit is how much may wait before the reader stops reading: answers
	// to requests cannot be refused.
	hardLimit = 384 << 10
	// copyLimit is the size from which a body is not copied but written from
	// where it is.
	copyLimit = 8 << 10
	// keepBuffer is how much buffer a connection keeps while it is idle.
	keepBuffer = 16 << 10
)

// outbox gathers what is to be written. Anyone may append; the connection's
// writer takes all of it at once.
type outbox struct {
	mu   sync.Mutex
	cond sync.Cond // of mu: something to write, something written, or closed
	// whole has all bodies copied: TLS makes a record and a write of each piece.
	whole bool

	// mu guards the rest.
	buf      []byte
	bodies   []body
	size     int  // of buf and bodies
	sealed   bool // connection.close or close-ok is in: nothing may follow
	closed   bool // no more will be written than is here
	sleeping bool // the writer waits
	// Others will look after what waits: this connection's own reader, the
	// reader of another, or somebody who is writing in the writer's place.
	deferred, listed, pushing bool
	spare                     []byte // for who pushes, as are the next three
	kept                      keeper
	spareBodies               []body
	pieces                    net.Buffers
	waiting                   bool // the reader waits for room
	stalled                   []*consumer
}

// body is a part of what goes out that is not in buf but belongs at an offset of it.
type body struct {
	at    int
	data  []byte
	block *message.Block // held until it is written
}

func (o *outbox) init() { o.cond.L = &o.mu }

// wake tells the writer that there is something, unless others will look. mu
// is held.
func (o *outbox) wake() {
	if o.sleeping && !o.deferred && !o.listed && !o.pushing {
		o.sleeping = false
		o.cond.Broadcast()
	}
}

// send appends a method frame.
func (o *outbox) send(channel uint16, m amqp.Method) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sealed {
		o.method(channel, m)
	}
}

// last appends a method on channel 0 after which nothing may come.
func (o *outbox) last(m amqp.Method) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := m.(*amqp.ConnectionCloseOk); ok || !o.sealed {
		o.method(0, m)
		o.sealed = true
	}
}

func (o *outbox) method(channel uint16, m amqp.Method) {
	n := len(o.buf)
	o.buf = amqp.AppendMethodFrame(o.buf, channel, m)
	o.size += len(o.buf) - n
	o.wake()
}

// raw appends bytes.
func (o *outbox) raw(b string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, b...)
	o.size += len(b)
	o.wake()
}

// heartbeat appends a heartbeat, unless there is something to write anyway.
func (o *outbox) heartbeat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.size == 0 && !o.sealed {
		o.buf = amqp.AppendHeartbeat(o.buf)
		o.size = len(o.buf)
		o.wake()
	}
}

// ack appends a basic.ack, or a basic.nack.
func (o *outbox) ack(channel uint16, tag uint64, multiple bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sealed {
		n := len(o.buf)
		o.buf = amqp.AppendAck(o.buf, channel, tag, multiple)
		o.size += len(o.buf) - n
		o.wake()
	}
}

// deliver appends a basic.deliver with its content. If too much is waiting
// already it notes the consumer, to be resumed later, and returns false.
func (o *outbox) deliver(k *consumer, tag uint64, redelivered bool, m *message.Message, frameMax uint32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sealed || o.closed {
		return false
	}
	if o.size >= softLimit {
		o.stalled = append(o.stalled, k)
		return false
	}
	n := len(o.buf)
	o.buf = amqp.AppendDeliver(o.buf, k.ch.id, k.Tag, tag, redelivered, m.Exchange, m.RoutingKey)
	o.size += len(o.buf) - n
	o.content(k.ch.id, m, frameMax)
	if o.sleeping && !o.deferred && !o.listed && !o.pushing {
		if from, ok := m.Origin.(*batch); ok && from.add(k.ch.c) {
			o.listed = true
			return true
		}
	}
	o.wake()
	return true
}

// sendContent appends a method frame with a content.
func (o *outbox) sendContent(channel uint16, method amqp.Method, m *message.Message, frameMax uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sealed {
		o.method(channel, method)
		o.content(channel, m, frameMax)
	}
}

// content appends header and body frames. mu is held.
func (o *outbox) content(channel uint16, m *message.Message, frameMax uint32) {
	n := len(o.buf)
	o.buf = amqp.AppendContentHeader(o.buf, channel, uint64(len(m.Body)), m.Props)
	if len(m.Body) < copyLimit || o.whole {
		o.buf = amqp.AppendBodyFrames(o.buf, channel, m.Body, frameMax)
		o.size += len(o.buf) - n
		return
	}
	for rest := m.Body; len(rest) > 0; {
		size := amqp.BodyChunk(len(rest), frameMax)
		o.buf = amqp.AppendBodyStart(o.buf, channel, size)
		m.Block.Hold()
		o.bodies = append(o.bodies, body{len(o.buf), rest[:size], m.Block})
		o.buf = append(o.buf, amqp.FrameEnd)
		rest = rest[size:]
	}
	o.size += len(o.buf) - n + len(m.Body)
}

// take waits for something to write and takes it, leaving spare to be filled.
// ok is false when all is written and no more will come.
func (o *outbox) take(spare []byte, spareBodies []body) (buf []byte, bodies []body, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size == 0 || o.pushing {
		if o.closed && !o.pushing {
			return nil, nil, false
		}
		o.sleeping = true
		o.cond.Wait()
	}
	o.sleeping = false
	buf, bodies = o.buf, o.bodies
	o.buf, o.bodies, o.size = spare[:0], spareBodies[:0], 0
	if o.waiting {
		o.waiting = false
		o.cond.Broadcast()
	}
	return buf, bodies, true
}

// pending is how many octets wait to be written.
func (o *outbox) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

func octets(bodies []body) (n int) {
	for _, b := range bodies {
		n += len(b.data)
	}
	return n
}

// resumable returns the consumers that were refused and may go on.
func (o *outbox) resumable(list []*consumer) []*consumer {
	o.mu.Lock()
	defer o.mu.Unlock()
	list = append(list[:0], o.stalled...)
	clear(o.stalled)
	o.stalled = o.stalled[:0]
	return list
}

// waitRoom makes the reader wait while more than the hard limit is waiting.
func (o *outbox) waitRoom() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > hardLimit && !o.closed {
		o.waiting = true
		o.cond.Wait()
	}
}

// close lets the writer end when all is written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.sealed = true, true
	o.cond.Broadcast()
}

// keeper decides whether a buffer is kept when it was written.
type keeper int // how many writes in a row did not need the buffer's size

// keep returns the buffer, or nil if it is larger than it has to be.
func (k *keeper) keep(buf []byte) []byte {
	if cap(buf) <= keepBuffer || len(buf) > cap(buf)/4 {
		*k = 0
	} else if *k++; *k > 16 {
		*k = 0
		return nil
	}
	return buf
}

// writeLoop is the writer.
func (c *Conn) writeLoop() {
	var (
		spare  []byte
		bodies []body
		vec    net.Buffers
		resume []*consumer
		failed bool
		kept   keeper
	)
	for {
		buf, ext, ok := c.out.take(spare, bodies)
		if !ok {
			return
		}
		if !failed {
			if err := c.write(buf, ext, &vec); err != nil {
				failed = true
				c.Abort() // the reader may be waiting for something else
			}
		}
		c.writes.Add(1)
		c.sent.Add(uint64(len(buf) + octets(ext)))
		spare = kept.keep(buf)
		release(ext)
		bodies = ext
		for _, k := range c.resumable(&resume) {
			k.resume()
		}
	}
}

func (c *Conn) resumable(list *[]*consumer) []*consumer {
	*list = c.out.resumable(*list)
	return *list
}

// write writes buf with the bodies put in where they belong.
func (c *Conn) write(buf []byte, bodies []body, vec *net.Buffers) error {
	if len(bodies) == 0 {
		_, err := c.nc.Write(buf)
		return err
	}
	v := weave((*vec)[:0], buf, bodies)
	*vec = v // WriteTo consumes v, not the array
	_, err := v.WriteTo(c.nc)
	clear(*vec)
	return err
}

// weave appends the pieces of buf with the bodies in between.
func weave(v net.Buffers, buf []byte, bodies []body) net.Buffers {
	from := 0
	for _, b := range bodies {
		v = append(v, buf[from:b.at], b.data)
		from = b.at
	}
	return append(v, buf[from:])
}

// release lets go of bodies that are written.
func release(bodies []body) {
	for i := range bodies {
		bodies[i].block.Free()
	}
	clear(bodies)
}
