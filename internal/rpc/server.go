package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/trace"
)

// Handler runs a method. Its context carries the caller (auth.From).
type Handler func(ctx context.Context, args json.RawMessage) (any, error)

// Server is what Serve offers on the topic, as the host Target.Server.
type Server struct {
	Target
	Methods map[string]Handler
	// Concurrency is how many handlers run at a time; 64 if 0. With 1 they
	// run in the order their queue has.
	Concurrency int

	queues []string // by consumer, from 1
}

// queueOf names the queue of a consumer.
func (s *Server) queueOf(tag string) string {
	if n, err := strconv.Atoi(tag); err == nil && n >= 1 && n <= len(s.queues) {
		return s.queues[n-1]
	}
	return ""
}

const (
	defaultConcurrency = 64
	// defaultDrain bounds each of two waits when a server is stopped: for
	// handlers to finish, and, their contexts ended, to give up.
	defaultDrain = 10 * time.Second
)

// Method makes a Handler of a function whose arguments are a struct. Arguments
// that do not fit it are refused, unknown ones as well.
func Method[A, R any](fn func(ctx context.Context, args A) (R, error)) Handler {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := decodeArgs(raw, &args); err != nil {
			return nil, fault.Invalidf("The arguments do not fit the method: %s", err)
		}
		return fn(ctx, args)
	}
}

func decodeArgs(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

type redeliveredKey struct{}

// Redelivered reports whether the broker had delivered the message before, so
// that it may have been run, in part or as a whole.
func Redelivered(ctx context.Context) bool {
	b, _ := ctx.Value(redeliveredKey{}).(bool)
	return b
}

// Serve answers calls and casts to the target's topic, to its server and to
// all, and calls ready when it does. When ctx ends it takes no more, lets
// running handlers finish for a while, and returns nil.
func (b *Bus) Serve(ctx context.Context, srv Server, ready func()) error {
	if err := b.check(); err != nil {
		return err
	}
	if srv.Exchange == "" || srv.Topic == "" || srv.Server == "" {
		return fmt.Errorf("serve RPC: the target needs an exchange, a topic and a server: %+v", srv.Target)
	}
	topic, host, fanoutQueue := srv.Topic, srv.Topic+"."+srv.Server, srv.Topic+"_fanout_"+clock.NewHexID()
	srv.queues = []string{topic, host, fanoutQueue}
	d := newDispatcher(b, srv.Concurrency)
	d.handle = func(ctx context.Context, m *message) outcome { return b.serve(ctx, &srv, m) }
	d.queues = func(t topology) ([]string, error) {
		if err := t.topic(srv.Exchange, topic, topic); err != nil {
			return nil, err
		}
		if err := t.topic(srv.Exchange, host, host); err != nil {
			return nil, err
		}
		return srv.queues, t.fanout(topic, fanoutQueue, amqp.Table{"x-expires": int32(expires)})
	}
	d.stopped = func(ch *amqp.Channel) {
		// It would expire; there is no need to collect casts until then.
		_, _ = ch.QueueDelete(fanoutQueue, false, false, true)
	}
	return d.run(ctx, "serve "+topic, ready)
}

// outcome is what becomes of a message.
type outcome int

const (
	done    outcome = iota // acknowledge it, remember it
	requeue                // give it back
)

// message is a delivery on its way through a dispatcher.
type message struct {
	amqp.Delivery
	arrived time.Time
	// early is set by a handler that acknowledged the message itself.
	early bool
	w     *window
	id    string
}

// deadline is when the message's sender stops waiting, if it said so.
func (m *message) deadline() (time.Time, bool) {
	ms, err := strconv.ParseInt(m.Expiration, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	return m.arrived.Add(time.Duration(ms) * time.Millisecond), true
}

// dispatcher runs a handler for each message of some queues, a bounded number
// at a time.
type dispatcher struct {
	bus     *Bus
	queues  func(topology) ([]string, error)
	handle  func(context.Context, *message) outcome
	stopped func(*amqp.Channel)

	slots   chan struct{} // a token in it is a handler running
	running sync.WaitGroup
	window  *window
	base    context.Context // of handlers; ends only when draining takes too long
}

func newDispatcher(b *Bus, concurrency int) *dispatcher {
	if concurrency <= 0 {
		concurrency = defaultConcurrency
	}
	return &dispatcher{bus: b, slots: make(chan struct{}, concurrency), window: newWindow()}
}

func (d *dispatcher) run(ctx context.Context, purpose string, ready func()) error {
	base, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	d.base = base
	var once sync.Once
	c := &consumer{
		bus: d.bus, purpose: purpose, prefetch: cap(d.slots), declare: d.queues,
		up: func() {
			if ready != nil {
				once.Do(ready)
			}
		},
		down:    func() {},
		consume: d.consume,
		stopped: func(ch *amqp.Channel) {
			d.drain(giveUp)
			if d.stopped != nil {
				d.stopped(ch)
			}
		},
	}
	c.run(ctx)
	d.drain(giveUp) // of a connection that was lost before
	if ctx.Err() == nil {
		return ErrClosed
	}
	return nil
}

// drain waits for the running handlers, then ends their contexts and waits
// again. What has not returned by then is left alone; its message is put back
// by the broker when the connection closes.
func (d *dispatcher) drain(giveUp context.CancelFunc) {
	finished := make(chan struct{})
	go func() { d.running.Wait(); close(finished) }()
	t := time.NewTimer(d.bus.drain)
	defer t.Stop()
	select {
	case <-finished:
		return
	case <-t.C:
	}
	giveUp()
	t.Reset(d.bus.drain)
	select {
	case <-finished:
	case <-t.C:
		d.bus.log.Error("RPC handlers did not end when their context did")
	}
}

// consume starts a handler for each message when there is a slot for it. It
// takes messages also while there is none, so that their age is known.
func (d *dispatcher) consume(ctx context.Context, deliveries <-chan amqp.Delivery) {
	var backlog []*message
	for {
		var slot chan<- struct{}
		if len(backlog) > 0 {
			slot = d.slots
		}
		select {
		case <-ctx.Done():
			return
		case in, ok := <-deliveries:
			if !ok {
				return
			}
			m := &message{Delivery: in, arrived: time.Now(), w: d.window}
			if len(backlog) == 0 {
				select {
				case d.slots <- struct{}{}:
					d.start(m)
					continue
				default:
				}
			}
			backlog = append(backlog, m)
		case slot <- struct{}{}:
			d.start(backlog[0])
			backlog[0] = nil
			backlog = backlog[1:]
		}
	}
}

func (d *dispatcher) start(m *message) {
	d.running.Go(func() {
		defer func() { <-d.slots }()
		switch d.handle(d.base, m) {
		case done:
			m.settle(false)
		case requeue:
			m.settle(true)
		}
	})
}

// enter reports whether the message is to be run; see window.
func (m *message) enter(id string, isCall bool) bool {
	run, wasDone := m.w.enter(id, m.Delivery)
	if run {
		m.id = id
		return true
	}
	if wasDone || isCall { // a running call's first copy is acknowledged
		_ = m.Ack(false) // an error: it comes again, and is dropped again
	}
	m.early = true
	return false
}

// acknowledge acknowledges the message before it is run.
func (m *message) acknowledge() error {
	m.early = true
	return m.Ack(false)
}

// settle acknowledges a message that was run, or gives it back. An error means
// that the connection is lost: the message comes again, and the window knows.
func (m *message) settle(back bool) {
	latest := m.Delivery
	if m.id != "" {
		latest = m.w.settle(m.id, m.Delivery, back)
	}
	switch {
	case m.early:
	case back:
		_ = latest.Nack(false, true)
	default:
		_ = latest.Ack(false)
	}
}

// serve runs one call or cast.
func (b *Bus) serve(ctx context.Context, srv *Server, m *message) outcome {
	r, err := decodeRequest(m.Body)
	if err != nil {
		b.log.Warn("an unreadable request was dropped", "topic", srv.Topic, "error", err)
		return done
	}
	isCall := r.msgID != ""
	if !m.enter(r.uniqueID, isCall) {
		b.log.Debug("a repeated request was dropped", "method", r.method, "unique_id", r.uniqueID)
		if body := b.answers.of(r.uniqueID); isCall && body != nil {
			b.publishReply(r, body)
		}
		return done
	}
	deadline, bounded := m.deadline()
	if !bounded {
		deadline = m.arrived.Add(replyPatience)
	}
	if bounded && !time.Now().Before(deadline) {
		b.log.Warn("an expired request was dropped", "method", r.method, "msg_id", r.msgID)
		return done
	}
	if isCall {
		if err := m.acknowledge(); err != nil {
			// The broker will deliver it again, perhaps to someone else.
			m.w.settle(m.id, m.Delivery, true)
			m.id = ""
			return done
		}
		if bounded {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline)
			defer cancel()
		}
		if r.monitor >= 2 {
			defer b.keepAlive(r)()
		}
	}
	if m.Redelivered {
		ctx = context.WithValue(ctx, redeliveredKey{}, true)
	}
	ctx = auth.With(ctx, &r.caller)
	ctx, span := trace.Root(ctx, trace.Handle, r.method, r.span, false)
	span.Routed(m.Exchange, m.RoutingKey, srv.queueOf(m.ConsumerTag))
	begun := time.Now()
	span.Delayed(begun.Sub(m.arrived))
	result, err := b.invoke(ctx, srv, r)
	span.End(err)
	trace.Called(ctx, trace.Handle, srv.Exchange, srv.Topic, r.method, time.Since(begun), err)
	if b.log.Enabled(ctx, slog.LevelDebug) {
		b.log.DebugContext(ctx, "rpc served", "exchange", m.Exchange, "key", m.RoutingKey, "method", r.method,
			"msg_id", r.msgID, "request_id", r.caller.RequestID, "took", time.Since(m.arrived), "error", err)
	}
	if isCall {
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return done // the caller has timed out, or is about to
		case err != nil && ctx.Err() != nil:
			err = fault.Unavailablef("The server %s of topic %s is being stopped.", srv.Server, srv.Topic).WithCause(err)
		}
		b.reply(r, result, err, deadline)
		return done
	}
	var again *requeueError
	switch {
	case err == nil:
		return done
	case errors.As(err, &again) || ctx.Err() != nil:
		b.log.WarnContext(ctx, "a cast is put back", "method", r.method, "error", err)
		return requeue
	}
	b.log.ErrorContext(ctx, "a cast failed", "topic", srv.Topic, "method", r.method, "error", err,
		"request_id", r.caller.RequestID)
	return done
}

// invoke finds the method and runs it. A panic is the caller's error.
func (b *Bus) invoke(ctx context.Context, srv *Server, r *request) (result any, err error) {
	if r.namespace != srv.Namespace || !compatible(srv.Version, r.version) {
		return nil, unsupportedVersion(r.version, r.method)
	}
	h, ok := srv.Methods[r.method]
	if !ok {
		return nil, noSuchMethod(r.method)
	}
	defer b.recovered(ctx, r.method, &err)
	return h(ctx, r.args)
}

// recovered, deferred, makes a handler's panic its error.
func (b *Bus) recovered(ctx context.Context, what string, err *error) {
	if p := recover(); p != nil {
		b.log.ErrorContext(ctx, "a handler panicked", "handler", what, "panic", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("%s panicked: %v", what, p)
	}
}

// reply sends a call's answer and does not wait: the publisher sees to it. The
// answer is remembered until the caller's deadline.
func (b *Bus) reply(r *request, result any, err error, deadline time.Time) {
	out := &reply{msgID: r.msgID, ending: true}
	if err != nil {
		result, out.failure = nil, encodeFailure(err)
	}
	body, err := encodeReply(out, result, clock.NewHexID())
	if err != nil {
		out.failure = encodeFailure(err)
		if body, err = encodeReply(out, nil, clock.NewHexID()); err != nil {
			b.log.Error("a reply cannot be encoded", "method", r.method, "error", err)
			return
		}
	}
	b.answers.keep(r.uniqueID, body, deadline)
	b.publishReply(r, body)
}

func (b *Bus) publishReply(r *request, body []byte) {
	if b.dead.has(r.replyQ) {
		b.log.Warn("a reply queue does not exist, dropping the reply", "reply_queue", r.replyQ, "msg_id", r.msgID)
		return
	}
	b.pub.submit(&outgoing{
		Envelope: Envelope{Key: r.replyQ, Body: body, Mandatory: true},
		role:     roleReply,
		until:    time.Now().Add(replyPatience),
		done: func(err error) {
			if err != nil {
				b.log.Warn("a reply was not sent", "reply_queue", r.replyQ, "msg_id", r.msgID, "error", err)
			}
		},
	})
}

// keepAlive sends a monitored call's signs of life until stop is called.
func (b *Bus) keepAlive(r *request) (stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	interval := time.Duration(r.monitor * float64(time.Second) / 2)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for sleep(ctx, interval) == nil {
			if body, err := encodeReply(&reply{msgID: r.msgID}, nil, clock.NewHexID()); err == nil {
				b.publishReply(r, body)
			}
		}
	}()
	return func() { cancel(); <-finished }
}
