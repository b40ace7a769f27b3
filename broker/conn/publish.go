package conn

import (
	"bytes"
	"errors"
	"strconv"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/store"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// pubState is which frame of a publish a channel waits for.
type pubState int

const (
	idle pubState = iota
	wantContentHeader
	wantBody
)

// publishing is a basic.publish whose content is not complete.
type publishing struct {
	state     pubState
	target    *target
	mandatory bool
	msg       *message.Message
	block     []byte // properties, then body
	props     int    // length of the properties in block
	missing   uint64 // of the body
}

// unexpected is the error for another frame than the one waited for.
func (p *publishing) unexpected() *amqp.Error {
	want := "content header"
	if p.state == wantBody {
		want = "content body"
	}
	return amqp.Errorf(amqp.UnexpectedFrame, "expected %s for class 60, got non %s frame instead", want, want).In(amqp.IDBasicPublish)
}

// unasked is the error for content without a basic.publish.
func unasked() *amqp.Error {
	return amqp.Errorf(amqp.UnexpectedFrame, "expected method frame, got non method frame instead")
}

// target is an exchange and key messages are published to, with the route
// they take as long as the generation is the same.
type target struct {
	exchange, key string
	gen           uint64
	route         vhost.Route
}

// routeCache remembers targets by exchange, a zero octet and key.
type routeCache map[string]*target

// maxRoutes bounds the cache; when it is full it starts again.
const maxRoutes = 512

// publish begins a basic.publish.
func (ch *channel) publish(args []byte) *amqp.Error {
	var v amqp.PublishView
	if v.Decode(args) != nil {
		return amqp.Errorf(amqp.FrameError, "cannot decode arguments of %s", amqp.IDBasicPublish)
	}
	if v.Immediate {
		return amqp.Errorf(amqp.NotImplemented, "immediate=true")
	}
	c := ch.c
	c.route = append(append(append(c.route[:0], v.Exchange...), 0), v.RoutingKey...)
	t := ch.routes[string(c.route)]
	if t == nil {
		if ch.routes == nil || len(ch.routes) >= maxRoutes {
			ch.routes = make(routeCache)
		}
		t = &target{exchange: string(v.Exchange), key: string(v.RoutingKey)}
		ch.routes[string(c.route)] = t
	}
	ch.pub.state, ch.pub.target, ch.pub.mandatory = wantContentHeader, t, v.Mandatory
	return nil
}

// firstBlock is the most that is set aside for a body before any of it came.
const firstBlock = 256 << 10

// smallBlock is the largest block that is one with its message.
const smallBlock = 64

// smallMessage is a message with the block of its properties and body: one
// piece of memory instead of two.
type smallMessage struct {
	message.Message
	block [smallBlock]byte
}

// newMessage makes a message and an empty block with room for so much.
func newMessage(size int) (*message.Message, []byte) {
	if size <= smallBlock {
		s := &smallMessage{}
		return &s.Message, s.block[:0]
	}
	if b := message.NewBlock(size); b != nil {
		return &message.Message{Block: b}, b.Bytes()
	}
	return &message.Message{}, make([]byte, 0, size)
}

// header handles the content header of a publish.
func (ch *channel) header(payload []byte) *amqp.Error {
	p := &ch.pub
	if p.state != wantContentHeader {
		if p.state == wantBody {
			return p.unexpected()
		}
		return unasked()
	}
	h, err := amqp.ParseContentHeader(payload)
	if err != nil {
		return err
	}
	if h.Class != amqp.ClassBasic {
		return amqp.Errorf(amqp.UnexpectedFrame, "expected content header for class 60, got one for class %d instead", h.Class).In(amqp.IDBasicPublish)
	}
	if h.BodySize > ch.c.env.MaxMessageSize {
		*p = publishing{}
		return amqp.Errorf(amqp.PreconditionFailed, "message size %d is larger than configured max size %d",
			h.BodySize, ch.c.env.MaxMessageSize).In(amqp.IDBasicPublish)
	}
	p.msg, p.block = newMessage(len(h.Props) + int(min(h.BodySize, firstBlock)))
	p.block = append(p.block, h.Props...)
	p.props, p.missing = len(h.Props), h.BodySize
	if p.state = wantBody; p.missing == 0 {
		return ch.complete()
	}
	return nil
}

// body handles a content body frame.
func (ch *channel) body(payload []byte) *amqp.Error {
	p := &ch.pub
	switch {
	case p.state == wantContentHeader:
		return p.unexpected()
	case p.state != wantBody:
		return unasked()
	case uint64(len(payload)) > p.missing:
		return amqp.Errorf(amqp.FrameError, "content body is %d octets longer than the header says", uint64(len(payload))-p.missing).In(amqp.IDBasicPublish)
	}
	p.block = append(p.block, payload...)
	return ch.arrived(len(payload))
}

// arrived counts octets of the body that are in the block.
func (ch *channel) arrived(n int) *amqp.Error {
	p := &ch.pub
	if p.missing -= uint64(n); p.missing == 0 {
		return ch.complete()
	}
	return nil
}

// complete publishes the message that is now complete.
func (ch *channel) complete() *amqp.Error {
	p := ch.pub
	ch.pub = publishing{}
	if err := ch.publishMessage(&p); err != nil {
		return err.In(amqp.IDBasicPublish)
	}
	return nil
}

func (ch *channel) publishMessage(p *publishing) *amqp.Error {
	m := p.msg
	m.Exchange, m.RoutingKey, m.Origin = p.target.exchange, p.target.key, &ch.c.batch
	m.Props, m.Body = p.block[:p.props:p.props], p.block[p.props:]
	var props amqp.PropertiesView
	if props.Decode(m.Props) != nil {
		return amqp.Errorf(amqp.SyntaxError, "malformed content properties")
	}
	t, err := ch.resolve(p.target, props.Headers)
	if err != nil {
		return err
	}
	if err := ch.check(m, &props); err != nil {
		return err
	}
	ch.published.Add(1)
	ch.c.posted = true
	t.route.Exchange.In.Add(1)
	if vh := ch.c.vh; vh.Tracing() {
		vh.TracePublish(m, ch.tap(), t.route.Queues)
	}
	if ch.tx != nil {
		ch.tx.published = append(ch.tx.published, txPublish{m, *t, p.mandatory})
		ch.mu.Lock()
		ch.uncommitted++
		ch.mu.Unlock()
		return nil
	}
	var tag uint64
	var waiter store.Waiter
	if ch.confirms != nil {
		waiter = ch
		tag = ch.confirms.begin()
		if !ch.touched {
			ch.touched = true
			ch.c.touched = append(ch.c.touched, ch)
		}
	}
	routed, pending, rejected := ch.deliver(m, t, waiter, tag)
	if !routed {
		ch.unroutable(m, p.mandatory)
	}
	if ch.confirms != nil {
		ch.confirms.end(tag, pending, rejected)
	}
	m.Block.Free()
	return nil
}

// unroutable returns a message no queue took if it was mandatory.
func (ch *channel) unroutable(m *message.Message, mandatory bool) {
	if !mandatory {
		ch.dropped.Add(1)
		return
	}
	ch.returned.Add(1)
	ch.c.out.sendContent(ch.id, &amqp.BasicReturn{
		ReplyCode: amqp.NoRoute, ReplyText: "NO_ROUTE", Exchange: m.Exchange, RoutingKey: m.RoutingKey,
	}, m, ch.c.frameMax)
}

// deliver gives the message to all queues of its route.
func (ch *channel) deliver(m *message.Message, t *target, waiter store.Waiter, tag uint64) (routed bool, pending int, rejected bool) {
	if t.exchange == "" && len(t.route.Queues) == 0 && len(t.key) > len(replyToPrefix) && t.key[:len(replyToPrefix)] == replyToPrefix {
		return ch.c.env.Replies.deliver(t.key[len(replyToPrefix):], m), 0, false
	}
	for _, q := range t.route.Queues {
		switch q.Publish(m, waiter, tag) {
		case queue.Accepted:
			routed = true
		case queue.Pending:
			routed = true
			pending++
		case queue.Rejected:
			routed, rejected = true, true
		case queue.Closed:
		}
	}
	if routed {
		t.route.Exchange.Out.Add(uint64(len(t.route.Queues)))
	}
	return routed, pending, rejected
}

// resolve returns the target with a route that is valid now.
func (ch *channel) resolve(t *target, headers []byte) (*target, *amqp.Error) {
	vh := ch.c.vh
	gen := vh.Generation()
	if t.gen != gen || !t.route.ByKey {
		if err := ch.allow(user.Write, "exchange", t.exchange); err != nil {
			return nil, err
		}
		route, err := vh.Route(t.exchange, match.Message{
			Key: t.key, Headers: func() amqp.Table { return amqp.HeaderTable(headers) },
		})
		if err != nil {
			return nil, err
		}
		if route.Exchange.Internal {
			return nil, amqp.Errorf(amqp.AccessRefused, "cannot publish to internal exchange '%s' in vhost '%s'", t.exchange, vh.Name)
		}
		if err := ch.allowTopic(user.Write, route.Exchange, t.key); err != nil {
			return nil, err
		}
		t.gen, t.route = gen, route
	}
	if bytes.Contains(headers, []byte("CC")) {
		return ch.copies(t, amqp.HeaderTable(headers))
	}
	return t, nil
}

// copies returns a target that goes to the keys in the headers CC and BCC too.
func (ch *channel) copies(t *target, table amqp.Table) (*target, *amqp.Error) {
	all := *t
	all.route.Queues = append([]*queue.Queue(nil), t.route.Queues...)
	for _, name := range []string{"CC", "BCC"} {
		list, ok := table[name].([]any)
		if !ok {
			if table[name] != nil {
				return nil, amqp.Errorf(amqp.PreconditionFailed, "invalid message: {unacceptable_type_in_header,\"%s\",%s}", name, amqp.TypeName(table[name]))
			}
			continue
		}
		for _, e := range list {
			key, ok := e.(string)
			if !ok {
				continue
			}
			r, err := ch.c.vh.Route(t.exchange, match.Message{Key: key, Headers: func() amqp.Table { return table }})
			if err != nil {
				return nil, err
			}
			for _, q := range r.Queues {
				all.add(q)
			}
		}
	}
	return &all, nil
}

// add adds a queue to the route unless it is there.
func (t *target) add(q *queue.Queue) {
	for _, o := range t.route.Queues {
		if o == q {
			return
		}
	}
	t.route.Queues = append(t.route.Queues, q)
}

// check looks at the properties that mean something to the broker, and
// rewrites those it must not pass on.
func (ch *channel) check(m *message.Message, props *amqp.PropertiesView) *amqp.Error {
	m.Persistent = props.DeliveryMode == 2
	m.Priority = props.Priority
	if props.HasUserID && string(props.UserID) != ch.c.info.User {
		return amqp.Errorf(amqp.PreconditionFailed, "user_id property set to '%s' but authenticated user was '%s'", props.UserID, ch.c.info.User)
	}
	if props.HasExpiration {
		ttl, err := expiration(props.Expiration)
		if err != nil {
			return err
		}
		m.TTL, m.HasTTL = ttl, true
	}
	hasBCC := bytes.Contains(props.Headers, []byte("BCC"))
	if !hasBCC && string(props.ReplyTo) != replyTo {
		return nil
	}
	var p amqp.Properties
	if p.Decode(m.Props) != nil {
		return amqp.Errorf(amqp.SyntaxError, "malformed content properties")
	}
	delete(p.Headers, "BCC")
	if p.ReplyTo == replyTo {
		ch.mu.Lock()
		fast := ch.fast
		ch.mu.Unlock()
		if fast == nil {
			return amqp.Errorf(amqp.PreconditionFailed, "fast reply consumer does not exist")
		}
		p.ReplyTo = replyToPrefix + fast.token
	}
	m.Props = p.Append(nil)
	return nil
}

// expiration parses the expiration property.
func expiration(b []byte) (uint32, *amqp.Error) {
	digits := 0
	for digits < len(b) && (b[digits] >= '0' && b[digits] <= '9' || digits == 0 && b[0] == '-') {
		digits++
	}
	ttl, err := strconv.ParseInt(string(b[:digits]), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, amqp.Errorf(amqp.PreconditionFailed, "invalid expiration '%s': no_integer", b)
	case digits < len(b):
		return 0, amqp.Errorf(amqp.PreconditionFailed, "invalid expiration '%s': {leftover_string,\"%s\"}", b, b[digits:])
	case ttl < 0:
		return 0, amqp.Errorf(amqp.PreconditionFailed, "invalid expiration '%s': {value_negative,%d}", b, ttl)
	case ttl > 1<<32-1:
		return 0, amqp.Errorf(amqp.PreconditionFailed, "invalid expiration '%s': {value_too_large,%d}", b, ttl)
	}
	return uint32(ttl), nil
}
