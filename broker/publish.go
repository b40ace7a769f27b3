package broker

import (
	"bytes"
	"strconv"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/message"
	"nubo/broker/queue"
)

// Publication is a message to be published by somebody who is no AMQP client.
type Publication struct {
	Exchange, RoutingKey string
	Properties           amqp.Properties
	Body                 []byte
}

// Publish publishes a message in a virtual host and tells whether a queue took
// it. It returns when that is durable, if it has to be.
func (b *Broker) Publish(vhost string, p Publication) (routed bool, err error) {
	v, err := b.VHost(vhost)
	if err != nil {
		return false, err
	}
	m := &message.Message{
		Exchange: p.Exchange, RoutingKey: p.RoutingKey, Body: bytes.Clone(p.Body),
		Persistent: p.Properties.DeliveryMode == 2, Priority: p.Properties.Priority,
	}
	if e := p.Properties.Expiration; e != "" {
		ttl, err := strconv.ParseUint(e, 10, 32)
		if err != nil {
			return false, amqp.Errorf(amqp.PreconditionFailed, "invalid expiration '%s': no_integer", e)
		}
		m.TTL, m.HasTTL = uint32(ttl), true
	}
	headers := p.Properties.Headers
	keys := append([]string{p.RoutingKey}, words(headers["CC"])...)
	keys = append(keys, words(headers["BCC"])...)
	delete(headers, "BCC")
	m.Props = p.Properties.Append(nil)
	var to []*queue.Queue
	seen := make(map[*queue.Queue]bool)
	for i, key := range keys {
		r, bad := v.Route(p.Exchange, match.Message{Key: key, Headers: func() amqp.Table { return headers }})
		if bad != nil {
			return false, bad
		}
		if r.Exchange.Internal {
			return false, amqp.Errorf(amqp.AccessRefused, "cannot publish to internal exchange '%s' in vhost '%s'", p.Exchange, vhost)
		}
		if i == 0 {
			r.Exchange.In.Add(1)
		}
		for _, q := range r.Queues {
			if !seen[q] {
				seen[q] = true
				to = append(to, q)
				r.Exchange.Out.Add(1)
			}
		}
	}
	return enqueue(m, to)
}

// enqueue gives a message to queues and waits until they have it for good.
func enqueue(m *message.Message, to []*queue.Queue) (routed bool, err error) {
	w := make(stored, len(to))
	pending := 0
	for _, q := range to {
		switch q.Publish(m, w, 0) {
		case queue.Accepted:
			routed = true
		case queue.Pending:
			routed = true
			pending++
		case queue.Rejected, queue.Closed:
		}
	}
	for range pending {
		if e := <-w; e != nil {
			err = amqp.Errorf(amqp.InternalError, "the message could not be stored: %v", e)
		}
	}
	return routed, err
}

// stored waits for what a store was given.
type stored chan error

// Stored implements store.Waiter.
func (s stored) Stored(tags []uint64, err error) {
	for range tags {
		s <- err
	}
}

// words are the strings of a list.
func words(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
