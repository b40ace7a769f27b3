package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// unroutableRetry is how often a message that has no queue is tried.
	unroutableRetry = 250 * time.Millisecond
	// replyPatience is how long a reply waits for its queue, oslo's
	// kombu_missing_consumer_retry_timeout.
	replyPatience = time.Minute
	// publishWindow bounds the messages that wait for a confirm.
	publishWindow = 4096
	// rejections is how often a message may cost the channel before the
	// broker's error is its sender's.
	rejections = 2
)

// role is what becomes of a message that has no queue.
type role uint8

const (
	roleFanout role = iota // nobody listens: done
	roleCast               // its queue is made, and it waits there
	roleCall               // tried again until the caller gives up
	roleReply              // tried again for replyPatience
	roleNotify             // its queue is made before it is published
)

// outgoing is a message on its way to the broker.
type outgoing struct {
	Envelope
	role       role
	expiration string // in milliseconds
	// done is told once that the broker has the message, or why it never
	// will. It must not block.
	done func(error)

	abandoned  atomic.Bool // the sender does not wait any more
	unroutable atomic.Bool // the last attempt found no queue

	// Passed on between the goroutines that have the message in turn.
	makeQueue bool
	rejected  int
	until     time.Time // replies: when to give up
}

// publisher sends every message of a Bus on one channel, pipelined: a writer
// publishes what is queued, a settler follows with the confirms. What was not
// confirmed when the connection is lost is published again on the next.
type publisher struct {
	bus      *Bus
	wake     chan struct{} // holds one token while queue may be non-empty
	flushing atomic.Bool   // the bus is being closed

	mu          sync.Mutex  // guards the fields below
	queue       []*outgoing // not yet written
	outstanding int         // submitted and not settled, delayed ones apart
	idle        chan struct{}
	started     bool
	closed      bool
}

func newPublisher(b *Bus) *publisher {
	return &publisher{bus: b, wake: make(chan struct{}, 1)}
}

// submit queues a message.
func (p *publisher) submit(m *outgoing) {
	if err := p.bus.check(); err != nil {
		m.done(err)
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		m.done(ErrClosed)
		return
	}
	if !p.started {
		p.started = true
		p.bus.wg.Add(1)
		go p.run()
	}
	p.queue = append(p.queue, m)
	p.outstanding++
	p.mu.Unlock()
	p.signal()
}

func (p *publisher) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// settle is the end of a message; its done may have been called before.
func (p *publisher) settle(m *outgoing, err error) {
	p.release()
	m.done(err)
}

func (p *publisher) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outstanding--; p.outstanding == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// later submits a message again after a while.
func (p *publisher) later(m *outgoing) {
	p.release()
	time.AfterFunc(unroutableRetry, func() { p.submit(m) })
}

// abandon notes that nobody waits for the message any more.
func (p *publisher) abandon(m *outgoing) {
	m.abandoned.Store(true)
	if p.flushing.Load() {
		p.sweep()
	}
}

// sweep settles the abandoned messages of the queue.
func (p *publisher) sweep() {
	var abandoned []*outgoing
	p.mu.Lock()
	p.queue = slices.DeleteFunc(p.queue, func(m *outgoing) bool {
		if m.abandoned.Load() {
			abandoned = append(abandoned, m)
			return true
		}
		return false
	})
	p.mu.Unlock()
	for _, m := range abandoned {
		p.settle(m, context.Canceled)
	}
}

// flush waits until everything is settled or ctx ends, and takes no more.
// What was abandoned is not waited for.
func (p *publisher) flush(ctx context.Context) {
	p.flushing.Store(true)
	p.sweep()
	p.mu.Lock()
	if p.outstanding > 0 {
		if p.idle == nil {
			p.idle = make(chan struct{})
		}
		idle := p.idle
		p.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
	p.closed = true
	p.mu.Unlock()
}

// take gives all that is queued.
func (p *publisher) take() []*outgoing {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queue
	p.queue = nil
	return q
}

// putBack queues messages before all others.
func (p *publisher) putBack(ms []*outgoing) {
	if len(ms) == 0 {
		return
	}
	p.mu.Lock()
	p.queue = append(ms, p.queue...)
	p.mu.Unlock()
	if p.flushing.Load() {
		p.sweep()
	}
	p.signal()
}

// run owns the connection; it ends with the bus.
func (p *publisher) run() {
	defer p.bus.wg.Done()
	// A broker that takes connections and drops them at once must not be
	// asked in a tight loop.
	for attempt := 0; sleep(p.bus.ctx, backoff(attempt)) == nil; attempt++ {
		l, err := p.bus.connect(p.bus.ctx, "publish")
		if err != nil {
			break
		}
		p.bus.replies.repeat()
		for !l.IsClosed() && p.bus.ctx.Err() == nil {
			ch, err := confirming(l)
			if err == nil {
				attempt = 0
				err = p.session(l, ch)
			} else {
				l.close()
			}
			if err != nil && p.bus.ctx.Err() == nil {
				p.bus.log.Warn("publishing was interrupted", "error", err)
			}
		}
		l.close()
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, m := range p.take() {
		p.settle(m, ErrClosed)
	}
}

// confirming opens a channel in confirm mode.
func confirming(l *link) (*amqp.Channel, error) {
	ch, err := l.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Confirm(false)
}

// session publishes on one channel until it is lost or the bus is closed.
func (p *publisher) session(l *link, ch *amqp.Channel) error {
	s := &session{
		p: p, link: l, ch: ch,
		returns:  ch.NotifyReturn(make(chan amqp.Return, 64)),
		inflight: make(chan published, publishWindow),
		declared: map[string]bool{},
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	settled := make(chan struct{})
	go func() { defer close(settled); s.settle() }()
	rest, err := s.write(closed)
	if !ch.IsClosed() {
		stop := time.AfterFunc(closeTimeout, func() { l.raw.Close() })
		ch.Close() // settles what is in flight as not confirmed
		stop.Stop()
	}
	close(s.inflight)
	<-settled
	if aux := s.aux; aux != nil && !aux.IsClosed() {
		aux.Close()
	}
	p.putBack(append(p.blame(s.lost, err), rest...))
	return err
}

// blame finds whom a channel error is about and settles those that had their
// chances; the rest is to be published again.
func (p *publisher) blame(lost []*outgoing, err error) []*outgoing {
	var reason *amqp.Error
	if !errors.As(err, &reason) || !reason.Server || reason.Code == amqp.ConnectionForced {
		return lost
	}
	again := make([]*outgoing, 0, len(lost))
	for i, m := range lost {
		if i == 0 || strings.Contains(reason.Reason, "'"+m.Exchange+"'") {
			m.rejected++
		}
		if m.rejected > rejections {
			p.settle(m, fmt.Errorf("publish to exchange %q, key %q: %w", m.Exchange, m.Key, reason))
			continue
		}
		again = append(again, m)
	}
	return again
}

// published is a message in flight.
type published struct {
	m       *outgoing
	confirm *amqp.DeferredConfirmation
}

// session is a channel in confirm mode.
type session struct {
	p        *publisher
	link     *link
	ch       *amqp.Channel
	returns  chan amqp.Return
	inflight chan published

	// Of the writer: a channel for declarations, because one that fails
	// closes its channel; and what was declared.
	aux      *amqp.Channel
	declared map[string]bool

	// Of the settler, and of the writer when that has ended.
	returned []amqp.Return
	lost     []*outgoing
}

// write publishes what is queued until the channel is closed; it gives what
// it took from the queue and could not publish.
func (s *session) write(closed <-chan *amqp.Error) ([]*outgoing, error) {
	for {
		select {
		case <-s.p.bus.ctx.Done():
			return nil, nil
		case e := <-closed:
			if e == nil {
				return nil, amqp.ErrClosed
			}
			return nil, e
		case <-s.p.wake:
		}
		batch := s.p.take()
		for i, m := range batch {
			if m.abandoned.Load() {
				s.p.settle(m, context.Canceled)
				continue
			}
			if err := s.publish(m); err != nil {
				// The channel's own error says more than the write's.
				select {
				case e := <-closed:
					if e != nil {
						err = e
					}
				case <-time.After(closeTimeout):
				}
				return batch[i:], err
			}
		}
	}
}

func (s *session) publish(m *outgoing) error {
	if err := s.prepare(m); err != nil {
		return err
	}
	dc, err := s.ch.PublishWithDeferredConfirm(m.Exchange, m.Key, m.Mandatory, false, amqp.Publishing{
		Headers:         amqp.Table{},
		ContentType:     "application/json",
		ContentEncoding: "utf-8",
		DeliveryMode:    amqp.Persistent,
		Expiration:      m.expiration,
		Body:            m.Body,
	})
	if err != nil {
		return err
	}
	s.inflight <- published{m, dc}
	return nil
}

// prepare declares what a message needs, once a channel. That it cannot be
// declared (it exists with other properties, say) is no reason not to try.
func (s *session) prepare(m *outgoing) error {
	if m.Exchange == "" {
		return nil
	}
	declare := func(name string, f func(t topology) error) error {
		if s.declared[name] {
			return nil
		}
		if s.aux == nil || s.aux.IsClosed() {
			ch, err := s.link.Channel()
			if err != nil {
				return err
			}
			s.aux = ch
		}
		if err := f(topology{s.aux, s.p.bus.cfg.AMQPDurableQueues}); err != nil {
			if s.link.IsClosed() {
				return err
			}
			s.p.bus.log.Warn("a declaration was refused", "name", name, "error", err)
		}
		s.declared[name] = true
		return nil
	}
	if err := declare("x:"+m.Exchange, func(t topology) error { return t.exchange(m.Exchange, m.Kind) }); err != nil {
		return err
	}
	if m.role == roleNotify || m.makeQueue {
		name := "q:" + m.Exchange + ":" + m.Key
		if m.makeQueue { // the queue went away, if it was there before
			m.makeQueue = false
			delete(s.declared, name)
		}
		return declare(name, func(t topology) error { return t.topic(m.Exchange, m.Key, m.Key) })
	}
	return nil
}

// settle follows the writer with the broker's confirms, in order.
func (s *session) settle() {
	for f := range s.inflight {
		s.wait(f)
		switch {
		case f.confirm.Acked():
			if f.m.Mandatory && s.wasReturned(f.m) {
				s.p.noRoute(f.m)
			} else {
				s.p.settle(f.m, nil)
			}
		case s.ch.IsClosed():
			s.lost = append(s.lost, f.m)
		default: // the broker could not take it just now
			s.p.later(f.m)
		}
	}
}

// wait waits for a message's confirm. Returns come before the confirm of
// their message, so after this all of them are in s.returned.
func (s *session) wait(f published) {
	for {
		select {
		case r, ok := <-s.returns:
			if ok {
				s.returned = append(s.returned, r)
			} else {
				s.returns = nil
			}
			continue
		case <-f.confirm.Done():
		}
		break
	}
	for {
		select {
		case r, ok := <-s.returns:
			if ok {
				s.returned = append(s.returned, r)
				continue
			}
			s.returns = nil
		default:
		}
		return
	}
}

// wasReturned reports whether the message came back. A return does not name
// the publish it belongs to, but bodies are unique.
func (s *session) wasReturned(m *outgoing) bool {
	for i, r := range s.returned {
		if r.RoutingKey == m.Key && bytes.Equal(r.Body, m.Body) {
			s.returned = append(s.returned[:i], s.returned[i+1:]...)
			return true
		}
	}
	return false
}

// noRoute decides about a message that has no queue.
func (p *publisher) noRoute(m *outgoing) {
	again := m.unroutable.Swap(true)
	switch m.role {
	case roleCast, roleNotify:
		m.makeQueue = true
		if again {
			p.later(m)
			return
		}
		p.putBack([]*outgoing{m})
	case roleCall:
		p.later(m)
	case roleReply:
		if time.Now().Before(m.until) {
			p.later(m)
			return
		}
		p.bus.dead.add(m.Key)
		p.bus.log.Error("a reply has no queue, giving it up", "reply_queue", m.Key, "after", replyPatience)
		p.settle(m, nil)
	default:
		p.settle(m, nil)
	}
}
