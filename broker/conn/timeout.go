package conn

import (
	"time"

	"nubo/amqp"
)

// findTimedOut looks for channels with a delivery that waits too long for its
// acknowledgement and has the reader close them: a channel is the reader's.
func (c *Conn) findTimedOut(now uint32) {
	found := false
	for _, ch := range c.list() {
		ch.watch()
		found = ch.timeOut(now) || found
	}
	if found {
		c.kicked.Store(true)
		c.nc.SetReadDeadline(time.Now())
	}
}

// timeOut marks the channel if its oldest delivery is too old.
func (ch *channel) timeOut(now uint32) bool {
	ch.mu.Lock()
	u := ch.out.oldest()
	if u == nil || ch.timedOut != nil {
		ch.mu.Unlock()
		return false
	}
	q, age := u.q, time.Duration(now-u.since)*TickInterval
	ch.mu.Unlock() // a queue's lock comes before the channel's
	limit := q.Settings().ConsumerTimeout
	if limit == 0 {
		limit = ch.c.env.ConsumerTimeout
	}
	if limit == 0 || age <= limit {
		return false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.timedOut = amqp.Errorf(amqp.PreconditionFailed, "delivery acknowledgement on channel %d timed out. Timeout value used: %d ms. This timeout value can be configured, see consumers doc guide to learn more",
		ch.id, limit.Milliseconds())
	return true
}

// closeTimedOut closes the channels that were marked. Only the reader calls it.
func (c *Conn) closeTimedOut() {
	c.kicked.Store(false) // before the deadline goes: a kick meanwhile finds the mark below
	c.nc.SetReadDeadline(time.Time{})
	for _, ch := range c.channels {
		ch.mu.Lock()
		err := ch.timedOut
		ch.mu.Unlock()
		if err != nil && !ch.closing {
			ch.fail(err)
		}
	}
}
