package loadgen

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
)

// acks tells whether consumers acknowledge.
func (r *run) acks() bool { return r.Scenario != "transient" }

// properties are those of the messages published.
func (r *run) properties() amqp.Properties {
	if r.Scenario == "transient" {
		return amqp.Properties{}
	}
	return amqp.Properties{DeliveryMode: 2}
}

// producer opens a connection that publishes to a queue. serve takes what the
// broker sends to it until the connection is closed.
func (f *flow) producer(ctx context.Context, queue string, w *window) (p publisher, serve func() error, err error) {
	if f.Client == "raw" {
		return f.rawProducer(ctx, queue, w)
	}
	c, ch, err := f.client()
	if err != nil {
		return nil, nil, err
	}
	closed := ch.NotifyClose(make(chan *rabbit.Error, 1))
	blocked := c.NotifyBlocked(make(chan rabbit.Blocking, 16))
	var confirms chan rabbit.Confirmation
	if w != nil {
		if err := ch.Confirm(false); err != nil {
			return nil, nil, err
		}
		confirms = ch.NotifyPublish(make(chan rabbit.Confirmation, f.Window))
	}
	serve = func() error {
		for {
			select {
			case b := <-blocked:
				if b.Active {
					f.blocked.Add(1)
				}
			case c, ok := <-confirms:
				if !ok {
					return gone(<-closed)
				}
				if !c.Ack {
					return fmt.Errorf("the broker refused message %d", c.DeliveryTag)
				}
				n, err := w.confirm(c.DeliveryTag, false)
				if err != nil {
					return err
				}
				f.confirmed.Add(n)
			case err := <-closed:
				return gone(err)
			}
		}
	}
	props := f.properties()
	return &clientProducer{ctx, ch, queue, rabbit.Publishing{DeliveryMode: props.DeliveryMode, Body: make([]byte, f.Size)}}, serve, nil
}

// gone is the error of a closed channel.
func gone(err *rabbit.Error) error {
	if err == nil {
		return errClosed
	}
	return err
}

// client opens a connection and a channel of amqp091-go.
func (f *flow) client() (*rabbit.Connection, *rabbit.Channel, error) {
	c, err := rabbit.Dial(f.URL)
	if err != nil {
		return nil, nil, err
	}
	f.onClose(c.Close)
	ch, err := c.Channel()
	return c, ch, err
}

type clientProducer struct {
	ctx   context.Context
	ch    *rabbit.Channel
	queue string
	m     rabbit.Publishing
}

func (p *clientProducer) batch() int { return 16 }

func (p *clientProducer) publish(n int) error {
	for range n {
		if err := p.ch.PublishWithContext(p.ctx, "", p.queue, false, false, p.m); err != nil {
			return err
		}
	}
	return nil
}

// consumer opens a connection that consumes from a queue; serve does so until
// the connection is closed.
func (f *flow) consumer(ctx context.Context, queue string) (serve func() error, err error) {
	if f.Client == "raw" {
		return f.rawConsumer(ctx, queue)
	}
	_, ch, err := f.client()
	if err != nil {
		return nil, err
	}
	closed := ch.NotifyClose(make(chan *rabbit.Error, 1))
	if f.acks() {
		if err := ch.Qos(prefetch, 0, false); err != nil {
			return nil, err
		}
	}
	deliveries, err := ch.Consume(queue, "", !f.acks(), false, false, false, nil)
	if err != nil {
		return nil, err
	}
	return func() error {
		unacked := 0
		for m := range deliveries {
			if len(m.Body) != f.Size {
				return fmt.Errorf("a message of %d octets was delivered", len(m.Body))
			}
			f.delivered.Add(1)
			if unacked++; f.acks() && (unacked >= prefetch/4 || len(deliveries) == 0) {
				if err := m.Ack(true); err != nil {
					return err
				}
				unacked = 0
			}
		}
		return gone(<-closed)
	}, nil
}

// rawProducer is producer with frames.
func (f *flow) rawProducer(ctx context.Context, queue string, w *window) (publisher, func() error, error) {
	l, err := f.link(ctx)
	if err != nil {
		return nil, nil, err
	}
	if w != nil {
		if _, err := l.call(1, &amqp.ConfirmSelect{}, amqp.IDConfirmSelectOk); err != nil {
			return nil, nil, err
		}
	}
	one := message(queue, make([]byte, f.Size), f.properties(), l.frameMax)
	p := &rawProducer{l: l, one: len(one), frames: slices.Repeat(one, max(1, writeSize/len(one)))}
	return p, func() error { return f.confirms(l, w) }, nil
}

// link dials a connection that is closed in the end.
func (f *flow) link(ctx context.Context) (*link, error) {
	l, err := dial(ctx, f.uri)
	if err == nil {
		f.onClose(l.close)
	}
	return l, err
}

type rawProducer struct {
	l      *link
	frames []byte // a batch
	one    int    // length of a message in it
}

func (p *rawProducer) batch() int { return len(p.frames) / p.one }

func (p *rawProducer) publish(n int) error { return p.l.write(p.frames[:n*p.one]) }

// confirms takes what the broker sends to a producer.
func (f *flow) confirms(l *link, w *window) error {
	defer l.nc.Close()
	for {
		frame, err := l.next()
		if err != nil {
			return err
		}
		if frame.Type != amqp.FrameMethod {
			continue
		}
		id, args, bad := amqp.SplitMethod(frame.Payload)
		if bad != nil {
			return bad
		}
		switch id {
		case amqp.IDBasicAck:
			var ack amqp.BasicAck
			if err := ack.Decode(args); err != nil {
				return err
			}
			if w == nil {
				return errors.New("a confirm that nobody asked for")
			}
			n, err := w.confirm(ack.DeliveryTag, ack.Multiple)
			if err != nil {
				return err
			}
			f.confirmed.Add(n)
		case amqp.IDBasicNack:
			return errors.New("the broker refused a message")
		case amqp.IDConnectionBlocked:
			f.blocked.Add(1)
		default:
			m, bad := amqp.ParseMethod(frame.Payload)
			if bad != nil {
				return bad
			}
			if err := refusal(m); err != nil {
				return err
			}
		}
	}
}

// rawConsumer is consumer with frames.
func (f *flow) rawConsumer(ctx context.Context, queue string) (func() error, error) {
	l, err := f.link(ctx)
	if err != nil {
		return nil, err
	}
	if f.acks() {
		if _, err := l.call(1, &amqp.BasicQos{PrefetchCount: prefetch}, amqp.IDBasicQosOk); err != nil {
			return nil, err
		}
	}
	if _, err := l.call(1, &amqp.BasicConsume{Queue: queue, NoAck: !f.acks()}, amqp.IDBasicConsumeOk); err != nil {
		return nil, err
	}
	return func() error { return f.deliveries(l) }, nil
}

// deliveries counts what the broker sends to a consumer, and acknowledges it
// once per read.
func (f *flow) deliveries(l *link) error {
	defer l.nc.Close()
	var (
		n, unacked uint64
		tag        [8]byte // of the last delivery, as it came
		begun      bool    // a delivery has come whose message is not whole: its tag would be acknowledged twice
		missing    = -1    // octets of the body of the current message; -1 before its header
		ack        []byte
	)
	for {
		frame, ok, need, err := l.parse()
		if err != nil {
			return err
		}
		if !ok {
			f.delivered.Add(n)
			if unacked += n; unacked > 0 && f.acks() && !begun {
				ack = amqp.AppendAck(ack[:0], 1, number(tag[:]), true)
				if err := l.write(ack); err != nil {
					return err
				}
				unacked = 0
			}
			n = 0
			if err := l.fill(need); err != nil {
				return err
			}
			continue
		}
		switch frame.Type {
		case amqp.FrameMethod:
			if is, err := delivery(frame.Payload, &tag); err != nil {
				return err
			} else if is {
				begun = true
			}
		case amqp.FrameHeader:
			h, bad := amqp.ParseContentHeader(frame.Payload)
			if bad != nil {
				return bad
			}
			if h.BodySize != uint64(f.Size) {
				return fmt.Errorf("a message of %d octets was delivered", h.BodySize)
			}
			missing = f.Size
		case amqp.FrameBody:
			missing -= len(frame.Payload)
		}
		if missing == 0 {
			n++
			begun, missing = false, -1
		}
	}
}

// delivery takes the tag of a basic.deliver; other methods may be refusals.
func delivery(payload []byte, tag *[8]byte) (is bool, err error) {
	id, args, bad := amqp.SplitMethod(payload)
	if bad != nil {
		return false, bad
	}
	if id == amqp.IDBasicDeliver && len(args) > 0 && len(args) >= 9+int(args[0]) {
		copy(tag[:], args[1+int(args[0]):])
		return true, nil
	}
	m, bad := amqp.ParseMethod(payload)
	if bad != nil {
		return false, bad
	}
	return false, refusal(m)
}

func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
