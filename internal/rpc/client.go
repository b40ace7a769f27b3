package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/trace"
)

// Target says who is meant: the servers of a topic in a component's exchange,
// one of them by its name, or (Fanout) all of them; and which interface.
type Target struct {
	Exchange, Topic, Server, Namespace, Version string
	Fanout                                      bool
}

// Client calls the servers of one target.
type Client struct {
	bus    *Bus
	target Target
}

// Client makes a client for a target.
func (b *Bus) Client(t Target) *Client { return &Client{b, t} }

type callOptions struct {
	target  Target
	timeout time.Duration
	monitor time.Duration
}

// CallOption changes one call or cast.
type CallOption func(*callOptions)

// Timeout bounds the call, instead of Config.CallTimeout.
func Timeout(d time.Duration) CallOption { return func(o *callOptions) { o.timeout = d } }

// To names the server that is meant.
func To(server string) CallOption { return func(o *callOptions) { o.target.Server = server } }

// Monitor lets the server send a sign of life every d/2 while it works, and
// fails the call when none comes for d: for calls whose time-out is long. It
// counts in whole seconds, at least 2.
func Monitor(d time.Duration) CallOption { return func(o *callOptions) { o.monitor = d } }

func (c *Client) options(opts []CallOption) callOptions {
	o := callOptions{target: c.target, timeout: c.bus.cfg.CallTimeout}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// Call runs a method on the server, or on any one of the topic's, and decodes
// its result into reply unless that is nil. A fault of the server's comes back
// as a *fault.Error of the same kind, a Python exception as a *RemoteError.
// args is encoded as a JSON object; nil is none.
func (c *Client) Call(ctx context.Context, method string, args, reply any, opts ...CallOption) (err error) {
	if err := c.bus.check(); err != nil {
		return err
	}
	o := c.options(opts)
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	begun := time.Now()
	ctx, span := trace.Begin(ctx, trace.Call, method)
	defer func() {
		span.End(err)
		trace.Called(ctx, trace.Call, o.target.Exchange, o.target.Topic, method, time.Since(begun), err)
	}()
	w := c.bus.replies.add(clock.NewHexID(), o.monitor > 0)
	defer c.bus.replies.remove(w)

	in, err := c.exchange(ctx, method, args, o, w)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut(w, o.target, method, time.Since(begun))
	case err != nil:
		return fmt.Errorf("call %s of topic %s: %w", method, o.target.Topic, err)
	case in.failure != nil:
		return decodeFailure(in.failure)
	case reply == nil || in.result == nil:
		return nil
	}
	if err := json.Unmarshal(in.result, reply); err != nil {
		return fmt.Errorf("decode the result of %s of topic %s: %w", method, o.target.Topic, err)
	}
	return nil
}

// exchange publishes a call and waits for its reply. It does not wait for the
// publish to be confirmed: the reply says more.
func (c *Client) exchange(ctx context.Context, method string, args any, o callOptions, w *waiter) (*reply, error) {
	span := trace.From(ctx) // Call's
	if err := c.bus.replies.wait(ctx); err != nil {
		return nil, err
	}
	r := c.request(method, o.target)
	r.msgID, r.replyQ, r.monitor, r.span = w.id, c.bus.replies.queue, o.monitor.Seconds(), trace.Link(ctx)
	body, err := encodeRequest(r, args, auth.From(ctx))
	if err != nil {
		return nil, err
	}
	w.request.Envelope = envelopeFor(o.target, body)
	w.deadline, _ = ctx.Deadline()
	span.Routed(w.request.Exchange, w.request.Key, "")
	c.trace(ctx, "call", w.request.Envelope, w.id)
	c.bus.replies.send(w)

	var silence *time.Timer
	var silent <-chan time.Time
	if o.monitor > 0 {
		silence = time.NewTimer(o.monitor)
		defer silence.Stop()
		silent = silence.C
	}
	for {
		select {
		case in := <-w.final:
			return in, nil
		case err := <-w.fail:
			return nil, err
		case <-w.alive:
			silence.Reset(o.monitor)
		case <-silent:
			return nil, context.DeadlineExceeded
		case <-c.bus.ctx.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Cast asks for a method without waiting for its result; it returns when the
// broker has the message. On a Fanout target it goes to every server.
func (c *Client) Cast(ctx context.Context, method string, args any, opts ...CallOption) error {
	env, err := c.EncodeCast(ctx, method, args, opts...)
	if err != nil {
		return err
	}
	return c.bus.send(ctx, env, c.options(opts).timeout)
}

// Fanout asks every server of the topic, as Cast does.
func (c *Client) Fanout(ctx context.Context, method string, args any) error {
	return c.Cast(ctx, method, args, func(o *callOptions) { o.target.Fanout = true })
}

// EncodeCast encodes what Cast would send, for Bus.Publish to send later.
func (c *Client) EncodeCast(ctx context.Context, method string, args any, opts ...CallOption) (Envelope, error) {
	o := c.options(opts)
	kind := trace.Cast
	if o.target.Fanout {
		kind = trace.Fanout
	}
	ctx, span := trace.Begin(ctx, kind, method)
	r := c.request(method, o.target)
	r.span = span.Link()
	body, err := encodeRequest(r, args, auth.From(ctx))
	if err != nil {
		span.End(err)
		return Envelope{}, err
	}
	env := envelopeFor(o.target, body)
	span.Routed(env.Exchange, env.Key, "")
	span.End(nil)
	trace.Called(ctx, kind, o.target.Exchange, o.target.Topic, method, 0, nil)
	c.trace(ctx, "cast", env, "")
	return env, nil
}

func (c *Client) request(method string, t Target) *request {
	return &request{method: method, namespace: t.Namespace, version: t.Version, uniqueID: clock.NewHexID()}
}

// envelopeFor puts a body into the envelope for a target.
func envelopeFor(t Target, body []byte) Envelope {
	switch {
	case t.Fanout:
		return Envelope{Exchange: t.Topic + "_fanout", Kind: "fanout", Body: body}
	case t.Server != "":
		return Envelope{Exchange: t.Exchange, Kind: "topic", Key: t.Topic + "." + t.Server, Body: body, Mandatory: true}
	}
	return Envelope{Exchange: t.Exchange, Kind: "topic", Key: t.Topic, Body: body, Mandatory: true}
}

// roleOf is what a published envelope's lot is when it has no queue.
func roleOf(e Envelope) role {
	switch {
	case e.Notification:
		return roleNotify
	case e.Mandatory:
		return roleCast
	}
	return roleFanout
}

// send publishes one envelope and waits for its confirm.
func (b *Bus) send(ctx context.Context, env Envelope, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := b.Publish(ctx, []Envelope{env})
	return err
}

// Publish sends envelopes in order, all in one go, and returns when the broker
// has them all or ctx ends. sent counts those at the beginning that the broker
// has; what follows may have been sent as well and may be sent again.
func (b *Bus) Publish(ctx context.Context, envs []Envelope) (sent int, err error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	type result struct {
		m    *outgoing
		done chan error
	}
	results := make([]result, len(envs))
	for i, env := range envs {
		done := make(chan error, 1)
		m := &outgoing{Envelope: env, role: roleOf(env), done: func(err error) { done <- err }}
		results[i] = result{m, done}
		b.pub.submit(m)
	}
	for i, r := range results {
		select {
		case err = <-r.done:
		case <-ctx.Done():
			err = ctx.Err()
			if errors.Is(err, context.DeadlineExceeded) {
				err = fault.Unavailablef("The message bus did not confirm a message to exchange %s, key %s in time",
					r.m.Exchange, orDash(r.m.Key)).WithCause(err)
			}
		}
		if err != nil {
			for _, r := range results[i:] {
				b.pub.abandon(r.m)
			}
			return i, err
		}
	}
	return len(envs), nil
}

// trace logs where a message goes, at debug level.
func (c *Client) trace(ctx context.Context, kind string, e Envelope, msgID string) {
	if c.bus.log.Enabled(ctx, slog.LevelDebug) {
		c.bus.log.DebugContext(ctx, "rpc", "kind", kind, "exchange", e.Exchange, "key", e.Key,
			"msg_id", msgID, "request_id", auth.From(ctx).RequestID)
	}
}
