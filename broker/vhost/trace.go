package vhost

import (
	"sync"
	"sync/atomic"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/message"
	"nubo/broker/queue"
)

// traceExchange is where copies of messages go while the virtual host traces.
const traceExchange = "amq.rabbitmq.trace"

// Tap is a client's channel that a message came or goes through.
type Tap struct {
	Connection, User string
	Channel          uint16
}

// tracer copies what clients publish and are handed to amq.rabbitmq.trace. A
// delivery is seen with its queue's lock held, where no other queue may be
// called: what was seen is told by a goroutine of its own, in that order, which
// ends when there is no more.
type tracer struct {
	on   atomic.Bool
	told sync.WaitGroup // the goroutine

	mu   sync.Mutex
	busy bool // guarded by mu, as is the rest; the goroutine is there
	seen []trace
}

// trace is a message that was seen.
type trace struct {
	key  string
	m    *message.Message
	more amqp.Table // besides what is said of every message
}

// SetTracing says whether messages are traced.
func (v *VHost) SetTracing(on bool) { v.tracer.on.Store(on) }

// Tracing tells whether messages are traced.
func (v *VHost) Tracing() bool { return v.tracer.on.Load() }

// TracePublish copies a message that a client publishes, on its way to queues.
func (v *VHost) TracePublish(m *message.Message, by Tap, to []*queue.Queue) {
	routed := make([]any, len(to))
	for i, q := range to {
		routed[i] = q.Name
	}
	more := by.table(v)
	more["routed_queues"] = routed
	v.see(trace{"publish." + m.Exchange, m, more})
}

// TraceDeliver copies a message of a queue that a client is handed.
func (v *VHost) TraceDeliver(m *message.Message, by Tap, from string, redelivered bool) {
	more := by.table(v)
	more["redelivered"] = int32(0)
	if redelivered {
		more["redelivered"] = int32(1)
	}
	v.see(trace{"deliver." + from, m, more})
}

func (t *Tap) table(v *VHost) amqp.Table {
	return amqp.Table{"vhost": v.Name, "connection": t.Connection, "channel": int32(t.Channel), "user": t.User}
}

// see has a message told of. Copies are not copied themselves.
func (v *VHost) see(s trace) {
	if s.m.Exchange == traceExchange {
		return
	}
	s.m.Block.Hold() // for good: the copy has the same body
	v.Memory.Add(s.m.Footprint())
	t := &v.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, s)
	if !t.busy {
		t.busy = true
		t.told.Go(v.tell)
	}
}

// tell publishes copies of what was seen until there is no more.
func (v *VHost) tell() {
	t := &v.tracer
	for {
		t.mu.Lock()
		seen := t.seen
		if t.seen = nil; len(seen) == 0 {
			t.busy = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		for i := range seen {
			v.publishTrace(&seen[i])
			v.Memory.Add(-seen[i].m.Footprint())
		}
	}
}

// publishTrace publishes the copy of a message, if anybody wants it.
func (v *VHost) publishTrace(s *trace) {
	r, err := v.Route(traceExchange, match.Message{Key: s.key, Headers: func() amqp.Table { return nil }})
	if err != nil || len(r.Queues) == 0 {
		return
	}
	r.Exchange.In.Add(1)
	r.Exchange.Out.Add(uint64(len(r.Queues)))
	var p amqp.Properties
	if p.Decode(s.m.Props) != nil {
		return // cannot be: it was checked when published
	}
	headers := s.more
	headers["node"], headers["exchange_name"] = v.Node, s.m.Exchange
	headers["properties"] = propertyTable(&p)
	keys := []any{s.m.RoutingKey}
	for _, k := range copyKeys(p.Headers) {
		keys = append(keys, k)
	}
	headers["routing_keys"] = keys
	m := &message.Message{Exchange: traceExchange, RoutingKey: s.key, Body: s.m.Body}
	m.Props = (&amqp.Properties{Headers: headers}).Append(nil)
	for _, q := range r.Queues {
		q.Publish(m, nil, 0)
	}
}

// propertyTable is properties as a table: those that are set.
func propertyTable(p *amqp.Properties) amqp.Table {
	t := amqp.Table{}
	for name, s := range map[string]string{
		"content_type": p.ContentType, "content_encoding": p.ContentEncoding, "correlation_id": p.CorrelationID, "reply_to": p.ReplyTo,
		"expiration": p.Expiration, "message_id": p.MessageID, "type": p.Type, "user_id": p.UserID, "app_id": p.AppID, "cluster_id": p.ClusterID,
	} {
		if s != "" {
			t[name] = s
		}
	}
	if p.Headers != nil {
		t["headers"] = p.Headers
	}
	if p.DeliveryMode != 0 {
		t["delivery_mode"] = int32(p.DeliveryMode)
	}
	if p.Priority != 0 {
		t["priority"] = int32(p.Priority)
	}
	if !p.Timestamp.IsZero() {
		t["timestamp"] = int32(p.Timestamp.Unix())
	}
	return t
}
