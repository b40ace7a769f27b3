package conn

import (
	"sync"

	"nubo/amqp"
)

// confirms are the messages of a channel in confirm mode that were published
// and not yet confirmed. They are confirmed in order: a run of them with one
// basic.ack, sent when the reader has done its batch.
type confirms struct {
	mu     sync.Mutex
	first  uint64    // the tag of window[0]
	window []pending // by tag; guarded by mu, as is the rest
	acked  uint64    // how many were confirmed
	closed bool      // the channel's number may be another's by now
}

// pending is a message not confirmed. It is settled when wait is zero.
type pending struct {
	wait     int // queues that have yet to store it, and the publisher's own share
	rejected bool
}

// publisher is the share of wait a publisher holds while it does not know yet
// how many queues there are to wait for.
const publisher = 1 << 30

func newConfirms() *confirms { return &confirms{first: 1} }

// stats tells how many messages were confirmed and how many are not yet.
func (f *confirms) stats() (acked uint64, open int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.acked, len(f.window)
}

// begin opens the next tag.
func (f *confirms) begin() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window = append(f.window, pending{wait: publisher})
	return f.first + uint64(len(f.window)) - 1
}

// end is called once the message went to all its queues, of which so many
// have yet to store it.
func (f *confirms) end(tag uint64, queues int, rejected bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.window[tag-f.first]
	p.wait += queues - publisher
	p.rejected = p.rejected || rejected
}

// stored is called when queues have stored messages, or could not.
func (f *confirms) stored(tags []uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, tag := range tags {
		p := &f.window[tag-f.first]
		p.wait--
		p.rejected = p.rejected || err != nil
	}
}

// close ends confirming.
func (f *confirms) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// settled takes the next run of messages that share their fate. mu is held.
func (f *confirms) settled() (last uint64, n int, rejected bool) {
	for n < len(f.window) && f.window[n].wait == 0 && f.window[n].rejected == f.window[0].rejected {
		n++
	}
	if n == 0 {
		return 0, 0, false
	}
	rejected = f.window[0].rejected
	f.window = append(f.window[:0], f.window[n:]...)
	f.first += uint64(n)
	if !rejected {
		f.acked += uint64(n)
	}
	return f.first - 1, n, rejected
}

func (ch *channel) confirmSelect(m *amqp.ConfirmSelect) *amqp.Error {
	if ch.tx != nil {
		return amqp.Errorf(amqp.PreconditionFailed, "cannot switch from tx to confirm mode")
	}
	if ch.confirms == nil {
		ch.mu.Lock()
		ch.confirms = newConfirms()
		ch.mu.Unlock()
	}
	ch.reply(m.NoWait, &amqp.ConfirmSelectOk{})
	return nil
}

// Stored implements store.Waiter. A publisher that waits for one message at a
// time is told at once; the others' writers are woken.
func (ch *channel) Stored(tags []uint64, err error) {
	ch.confirms.stored(tags, err)
	if len(tags) > 1 {
		ch.flushConfirms()
		return
	}
	o := &ch.c.out
	o.mu.Lock()
	o.listed = true
	o.mu.Unlock()
	ch.flushConfirms()
	ch.c.push(&o.listed)
}

// flushConfirms sends what can be confirmed. The lock is held meanwhile, so
// that confirms stay in order whoever sends them.
func (ch *channel) flushConfirms() {
	if ch.confirms == nil {
		return
	}
	ch.confirms.mu.Lock()
	defer ch.confirms.mu.Unlock()
	for !ch.confirms.closed {
		last, n, rejected := ch.confirms.settled()
		switch {
		case n == 0:
			return
		case rejected:
			ch.c.send(ch.id, &amqp.BasicNack{DeliveryTag: last, Multiple: n > 1})
		default:
			ch.c.out.ack(ch.id, last, n > 1)
		}
	}
}
