package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
)

const requests = "nubo.bench.rpc"

// rpc has each producer call, one call after the other, and the consumers
// answer through the caller's own exclusive queue.
func (r *run) rpc(ctx context.Context) error {
	f := &flow{run: r, failed: make(chan struct{})}
	control, err := dial(ctx, r.uri)
	if err != nil {
		return err
	}
	defer control.nc.Close()
	if err := control.declare(requests, false, ""); err != nil {
		return err
	}
	finish, err := r.observe(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(f.calls(ctx), finish(), control.remove(requests))
	return err
}

// calls runs servers and callers.
func (f *flow) calls(ctx context.Context) error {
	var servers, callers sync.WaitGroup
	defer servers.Wait()
	defer f.close()
	for range f.Consumers {
		serve, err := f.server(ctx)
		if err != nil {
			return err
		}
		servers.Go(func() { f.fail(serve()) })
	}
	defer callers.Wait()
	defer f.stop.Store(true)
	for i := range f.Producers {
		call, err := f.caller(ctx)
		if err != nil {
			return err
		}
		callers.Go(func() { f.fail(f.callAll(call, f.share(i))) })
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		callers.Wait()
	}()
	defer f.progress(f.line())()
	begin := time.Now()
	if f.Count == 0 {
		f.pause(ctx, f.Time, written)
		f.stop.Store(true)
	}
	select {
	case <-written:
	case <-ctx.Done():
		f.fail(ctx.Err())
	case <-f.failed:
	}
	res := &f.result
	res.Seconds = time.Since(begin).Seconds()
	res.Published, res.Delivered = f.published.Load(), f.delivered.Load()
	res.Rate = float64(res.Delivered) / res.Seconds
	res.Latency = f.took.latency()
	return f.error()
}

// callAll calls until it is told to stop, or n times if that is not 0.
func (f *flow) callAll(call func() error, n int) error {
	if f.Count > 0 && n == 0 {
		return nil
	}
	for i := 0; !f.stop.Load() && (n == 0 || i < n); i++ {
		f.published.Add(1)
		begin := time.Now()
		if err := call(); err != nil {
			return err
		}
		f.took.add(time.Since(begin), 1)
		f.delivered.Add(1)
	}
	return nil
}

// server opens a connection that answers.
func (f *flow) server(ctx context.Context) (serve func() error, err error) {
	if f.Client == "raw" {
		return f.rawServer(ctx)
	}
	_, ch, err := f.client()
	if err != nil {
		return nil, err
	}
	in, err := ch.Consume(requests, "", true, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	return func() error {
		for m := range in {
			reply := rabbit.Publishing{CorrelationId: m.CorrelationId, Body: m.Body}
			if err := ch.PublishWithContext(ctx, "", m.ReplyTo, false, false, reply); err != nil {
				return err
			}
		}
		return errClosed
	}, nil
}

// caller opens a connection that calls.
func (f *flow) caller(ctx context.Context) (call func() error, err error) {
	if f.Client == "raw" {
		return f.rawCaller(ctx)
	}
	_, ch, err := f.client()
	if err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	replies, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	request := rabbit.Publishing{ReplyTo: q.Name, CorrelationId: "1", Body: make([]byte, f.Size)}
	return func() error {
		if err := ch.PublishWithContext(ctx, "", requests, false, false, request); err != nil {
			return err
		}
		select {
		case _, ok := <-replies:
			if !ok {
				return errors.New("the connection is lost")
			}
			return nil
		case <-time.After(patience):
			return fmt.Errorf("no reply in %s", patience)
		}
	}, nil
}

// rawServer is server with frames.
func (f *flow) rawServer(ctx context.Context) (func() error, error) {
	l, err := f.link(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := l.call(1, &amqp.BasicConsume{Queue: requests, NoAck: true}, amqp.IDBasicConsumeOk); err != nil {
		return nil, err
	}
	if err := l.block(); err != nil {
		return nil, err
	}
	return func() error {
		defer l.nc.Close()
		for {
			props, body, err := l.message()
			if err != nil {
				return err
			}
			reply := message(props.ReplyTo, body, amqp.Properties{CorrelationID: props.CorrelationID}, l.frameMax)
			if err := l.write(reply); err != nil {
				return err
			}
		}
	}, nil
}

// rawCaller is caller with frames.
func (f *flow) rawCaller(ctx context.Context) (func() error, error) {
	l, err := f.link(ctx)
	if err != nil {
		return nil, err
	}
	m, err := l.call(1, &amqp.QueueDeclare{Exclusive: true, AutoDelete: true}, amqp.IDQueueDeclareOk)
	if err != nil {
		return nil, err
	}
	replies := m.(*amqp.QueueDeclareOk).Queue
	if _, err := l.call(1, &amqp.BasicConsume{Queue: replies, NoAck: true, Exclusive: true}, amqp.IDBasicConsumeOk); err != nil {
		return nil, err
	}
	if err := l.block(); err != nil {
		return nil, err
	}
	f.onClose(l.nc.Close)
	request := message(requests, make([]byte, f.Size), amqp.Properties{ReplyTo: replies, CorrelationID: "1"}, l.frameMax)
	return func() error {
		if err := l.write(request); err != nil {
			return err
		}
		if err := l.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, _, err := l.message()
		return err
	}, nil
}

// message waits for a delivery and returns its content.
func (l *link) message() (props amqp.Properties, body []byte, err error) {
	var header amqp.ContentHeader
	for seen := false; !seen || uint64(len(body)) < header.BodySize; {
		f, err := l.next()
		if err != nil {
			return props, nil, err
		}
		switch f.Type {
		case amqp.FrameMethod:
			m, bad := amqp.ParseMethod(f.Payload)
			if bad != nil {
				return props, nil, bad
			}
			if err := refusal(m); err != nil {
				return props, nil, err
			}
		case amqp.FrameHeader:
			var bad *amqp.Error
			if header, bad = amqp.ParseContentHeader(f.Payload); bad != nil {
				return props, nil, bad
			}
			if err := props.Decode(header.Props); err != nil {
				return props, nil, err
			}
			seen, body = true, nil
		case amqp.FrameBody:
			body = append(body, f.Payload...)
		}
	}
	return props, body, nil
}
