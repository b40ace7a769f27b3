package vhost

import (
	"bytes"
	"time"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/message"
	"nubo/broker/queue"
)

// deadLetter publishes a message that died in q to its dead letter exchange.
// As in RabbitMQ it is dropped if the exchange is not there, and where it
// would go round for ever.
func (v *VHost) deadLetter(q *queue.Queue, d *queue.Dead) {
	m, deaths, headers := v.obituary(q, d)
	if m == nil {
		return
	}
	var routes []*queue.Queue
	keys := []string{m.RoutingKey}
	if d.Key == nil {
		keys = append(keys, copyKeys(headers)...)
	}
	for _, key := range keys {
		r, err := v.Route(d.Exchange, match.Message{Key: key, Headers: func() amqp.Table { return headers }})
		if err != nil {
			return
		}
		r.Exchange.In.Add(1)
		routes = appendNew(routes, r.Queues)
	}
	for _, to := range routes {
		if d.Reason == queue.Refused || !cycles(to.Name, deaths) {
			to.Publish(m, nil, 0)
		}
	}
}

func appendNew(list, more []*queue.Queue) []*queue.Queue {
next:
	for _, q := range more {
		for _, o := range list {
			if o == q {
				continue next
			}
		}
		list = append(list, q)
	}
	return list
}

// obituary makes the message that is published for a dead one, with the story
// of its deaths, the latest first.
func (v *VHost) obituary(q *queue.Queue, d *queue.Dead) (*message.Message, []any, amqp.Table) {
	old := d.Msg
	var p amqp.Properties
	if p.Decode(bytes.Clone(old.Props)) != nil {
		return nil, nil, nil // cannot be: it was checked when published
	}
	if p.Headers == nil {
		p.Headers = amqp.Table{}
	}
	keys := []any{old.RoutingKey}
	for _, k := range copyKeys(p.Headers) {
		keys = append(keys, k)
	}
	death := amqp.Table{
		"count": int64(1), "reason": string(d.Reason), "queue": q.Name, "time": time.Now().UTC().Truncate(time.Second),
		"exchange": old.Exchange, "routing-keys": keys,
	}
	if p.Expiration != "" {
		death["original-expiration"] = p.Expiration
		p.Expiration = ""
	}
	deaths, _ := p.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		p.Headers["x-first-death-reason"] = string(d.Reason)
		p.Headers["x-first-death-queue"] = q.Name
		p.Headers["x-first-death-exchange"] = old.Exchange
	}
	deaths = addDeath(deaths, death)
	p.Headers["x-death"] = deaths
	m := &message.Message{
		Exchange: d.Exchange, RoutingKey: old.RoutingKey, Body: old.Body, Persistent: old.Persistent, Priority: old.Priority,
	}
	if d.Key != nil {
		m.RoutingKey = *d.Key
		delete(p.Headers, "CC")
	}
	m.Props = p.Append(nil)
	return m, deaths, p.Headers
}

// addDeath puts a death in front; one in the same queue for the same reason is
// counted instead.
func addDeath(deaths []any, death amqp.Table) []any {
	list := []any{death}
	for _, d := range deaths {
		t, ok := d.(amqp.Table)
		if ok && t["queue"] == death["queue"] && t["reason"] == death["reason"] {
			n, _ := amqp.Integer(t["count"])
			t["count"] = n + 1
			list[0] = t
			continue
		}
		list = append(list, d)
	}
	return list
}

// cycles tells whether a message with these deaths was in the queue before and
// came back without any client's doing.
func cycles(name string, deaths []any) bool {
	for _, d := range deaths {
		t, ok := d.(amqp.Table)
		if !ok || t["reason"] == string(queue.Refused) {
			return false
		}
		if t["queue"] == name {
			return true
		}
	}
	return false
}

// copyKeys are the routing keys in the header CC.
func copyKeys(headers amqp.Table) []string {
	var keys []string
	list, _ := headers["CC"].([]any)
	for _, k := range list {
		if s, ok := k.(string); ok {
			keys = append(keys, s)
		}
	}
	return keys
}
