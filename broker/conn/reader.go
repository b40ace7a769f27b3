package conn

import (
	"errors"
	"io"
	"os"

	"nubo/amqp"
)

const (
	minRead = 4 << 10
	maxRead = 64 << 10 // more only for a frame that needs it
	// maxGather is how much is read of large messages before they are sent on.
	maxGather = 64 << 10
)

// errDone ends the read loop in good order.
var errDone = errors.New("done")

// readLoop reads and serves frames until the connection ends.
func (c *Conn) readLoop() error {
	defer c.end() // others may wait for what an error left undone
	buf := make([]byte, minRead)
	have, small := 0, 0
	for {
		direct, n, err := c.read(buf[have:])
		if err != nil && direct+n == 0 && c.kicked.Load() && errors.Is(err, os.ErrDeadlineExceeded) {
			c.closeTimedOut()
			continue
		}
		if err != nil {
			if have == 0 && c.incoming.ch == nil && errors.Is(err, io.EOF) || c.closing.Load() {
				return nil
			}
			return err
		}
		c.reads.Add(1)
		c.received.Add(uint64(direct + n))
		c.gathered += direct + n
		full := have+n == len(buf)
		have += n
		used, need, err := c.serve(buf[:have])
		if err == errDone {
			return nil
		}
		if err != nil {
			return err
		}
		have = copy(buf, buf[used:have])
		if direct+n < minRead/4 {
			small++
		} else {
			small = 0
		}
		switch {
		case need > len(buf):
			buf = append(make([]byte, 0, need), buf[:have]...)[:need]
		case full && len(buf) < maxRead:
			buf = append(make([]byte, 0, 2*len(buf)), buf[:have]...)[:2*len(buf)]
		case small > 64 && len(buf) > minRead && have < minRead:
			buf, small = append(make([]byte, 0, minRead), buf[:have]...)[:minRead], 0
		}
	}
}

// serve handles the frames that are whole in b. It returns how much of b it
// used, and how much there must be to go on if that is more than a little.
func (c *Conn) serve(b []byte) (used, need int, err error) {
	if c.discard {
		return len(b), 0, nil
	}
	if c.phase == wantHeader {
		if len(b) < len(amqp.ProtocolHeader) {
			return 0, 0, nil
		}
		if string(b[:len(amqp.ProtocolHeader)]) != amqp.ProtocolHeader {
			c.out.raw(amqp.ProtocolHeader)
			return 0, 0, errDone
		}
		used = len(amqp.ProtocolHeader)
		c.sendStart()
	}
	used, need, err = c.frames(b, used)
	if err == nil && c.incoming.ch != nil && c.readv != nil && c.gathered < maxGather {
		return used, need, nil // read looks what else is there
	}
	c.settle()
	if err != nil || c.discard {
		return used, 0, err
	}
	c.keepPace()
	return used, need, nil
}

// settle ends a batch: it sends what waits.
func (c *Conn) settle() {
	c.gathered = 0
	c.flush()
	c.end()
}

// keepPace waits while others have to keep up.
func (c *Conn) keepPace() {
	c.throttled.Store(true)
	c.out.waitRoom()
	if c.posted && !c.closing.Load() {
		c.env.Store.Room()
	}
	c.throttled.Store(false)
	if c.posted && !c.closing.Load() && c.env.Alarms.On() != 0 {
		c.pause()
	}
	c.posted = false
}

// frames handles the frames that are whole in b from used on; what they send
// waits for end.
func (c *Conn) frames(b []byte, from int) (used, need int, err error) {
	c.begin()
	used = from
	for {
		n, more, fail, err := c.next(b[used:])
		if err != nil {
			return used, 0, err
		}
		if fail == nil && n == 0 {
			return used, more, nil
		}
		used += n
		if fail != nil {
			c.env.Log.Warn("connection error", "connection", c.Info().Name, "error", fail)
			c.sendClose(fail)
			if n == 0 { // the frames cannot be told apart any more
				c.discard = true
				return len(b), 0, nil
			}
		}
	}
}

// next handles the next frame of b, or as much as there is of one that is read
// directly. It returns how much that was.
func (c *Conn) next(b []byte) (n, need int, fail *amqp.Error, err error) {
	if c.incoming.ch != nil {
		n, fail = c.endBody(b)
		return n, 0, fail, nil
	}
	f, n, need, fail := amqp.ParseFrame(b, c.frameMax)
	switch {
	case fail != nil:
		return 0, 0, fail, nil
	case n == 0 && c.takeBody(b, need):
		return len(b), 0, nil, nil
	case n == 0:
		return 0, need, nil, nil
	}
	fail, err = c.frame(f)
	return n, 0, fail, err
}

// flush sends what was held back to be sent together.
func (c *Conn) flush() {
	for i, ch := range c.touched {
		ch.touched = false
		ch.flushConfirms()
		c.touched[i] = nil
	}
	c.touched = c.touched[:0]
}

// pause stops reading from a publisher until no alarm is set any more, or the
// connection is to end.
func (c *Conn) pause() {
	c.paused.Store(true)
	defer c.paused.Store(false)
	c.setInfo(func(i *Info) { i.Blocked = true })
	if c.caps.blocked {
		c.send(0, &amqp.ConnectionBlocked{Reason: c.env.Alarms.reason()})
	}
	c.env.Alarms.wait(c.dead, c.left)
	c.setInfo(func(i *Info) { i.Blocked = false })
	if c.caps.blocked {
		c.send(0, &amqp.ConnectionUnblocked{})
	}
}

// frame handles one frame. fail closes the connection with an explanation,
// err ends it.
func (c *Conn) frame(f amqp.Frame) (fail *amqp.Error, err error) {
	if c.closing.Load() {
		return nil, c.awaitCloseOk(f)
	}
	if f.Type == amqp.FrameHeartbeat {
		if f.Channel != 0 {
			return amqp.Errorf(amqp.UnexpectedFrame, "heartbeat on channel %d", f.Channel), nil
		}
		return nil, nil
	}
	if c.phase != open {
		return c.handshake(f)
	}
	if f.Channel == 0 {
		return c.control(f)
	}
	ch := c.recent
	if ch == nil || ch.id != f.Channel {
		if ch = c.channels[f.Channel]; ch == nil {
			return c.openChannel(f), nil
		}
		c.recent = ch
	}
	return ch.frame(f), nil
}

// awaitCloseOk ignores everything but the answer to our connection.close. A
// close of the client's own that crossed ours is answered.
func (c *Conn) awaitCloseOk(f amqp.Frame) error {
	if f.Channel != 0 || f.Type != amqp.FrameMethod {
		return nil
	}
	id, _, fail := amqp.SplitMethod(f.Payload)
	switch {
	case fail != nil:
		return nil
	case id == amqp.IDConnectionClose:
		c.out.last(&amqp.ConnectionCloseOk{})
		return errDone
	case id == amqp.IDConnectionCloseOk:
		return errDone
	}
	return nil
}

// control handles a frame on channel 0 of an open connection.
func (c *Conn) control(f amqp.Frame) (*amqp.Error, error) {
	if f.Type != amqp.FrameMethod {
		return amqp.Errorf(amqp.UnexpectedFrame, "frame of type %d on channel 0", f.Type), nil
	}
	m, fail := amqp.ParseMethod(f.Payload)
	if fail != nil {
		return fail, nil
	}
	switch m := m.(type) {
	case *amqp.ConnectionClose:
		c.out.last(&amqp.ConnectionCloseOk{})
		return nil, errDone
	case *amqp.ConnectionUpdateSecret:
		c.send(0, &amqp.ConnectionUpdateSecretOk{})
		return nil, nil
	default:
		return amqp.Errorf(amqp.ChannelError, "unexpected method on channel 0").In(m.ID()), nil
	}
}

// openChannel handles the first frame of a channel that is not open.
func (c *Conn) openChannel(f amqp.Frame) *amqp.Error {
	if f.Type != amqp.FrameMethod {
		return unasked()
	}
	id, _, fail := amqp.SplitMethod(f.Payload)
	if fail != nil {
		return fail
	}
	switch {
	case id == amqp.IDChannelCloseOk || id == amqp.IDChannelClose:
		return nil // a close that crossed ours
	case id != amqp.IDChannelOpen:
		return amqp.Errorf(amqp.ChannelError, "expected 'channel.open'").In(id)
	case len(c.channels) >= int(c.info.ChannelMax):
		return amqp.Errorf(amqp.NotAllowed, "number of channels opened (%d) has reached the negotiated channel_max (%d)",
			len(c.channels), c.info.ChannelMax).In(id)
	}
	if err := c.env.Users.OpenChannel(c.info.User); err != nil {
		return err.In(id)
	}
	c.env.Totals.openedChannel(newChannel(c, f.Channel))
	c.send(f.Channel, &amqp.ChannelOpenOk{})
	return nil
}

// forget removes a channel that is closed.
func (c *Conn) forget(ch *channel) {
	c.env.Users.CloseChannel(c.info.User)
	c.env.Totals.closedChannel(ch)
	if c.recent == ch {
		c.recent = nil
	}
}
