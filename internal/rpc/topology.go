package rpc

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// expires is how long a fan-out or reply queue outlives its only consumer, in
// milliseconds: oslo's rabbit_transient_queues_ttl of half an hour.
const expires = 1_800_000

// topology declares on one channel what a role needs, as oslo.messaging does.
// The declarations are idempotent and done again on every connection.
type topology struct {
	ch      *amqp.Channel
	durable bool
}

// topic declares a topic exchange with a queue bound to it.
func (t topology) topic(exchange, queue, key string) error {
	if err := t.ch.ExchangeDeclare(exchange, "topic", t.durable, false, false, false, nil); err != nil {
		return err
	}
	if _, err := t.ch.QueueDeclare(queue, t.durable, false, false, false, nil); err != nil {
		return err
	}
	return t.ch.QueueBind(queue, key, exchange, false, nil)
}

// fanout declares a topic's fanout exchange and one server's queue on it.
func (t topology) fanout(topic, queue string, args amqp.Table) error {
	exchange := topic + "_fanout"
	if err := t.ch.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil); err != nil {
		return err
	}
	if _, err := t.ch.QueueDeclare(queue, false, false, false, false, args); err != nil {
		return err
	}
	return t.ch.QueueBind(queue, topic, exchange, false, nil)
}

// reply declares a reply queue; the default exchange leads to it.
func (t topology) reply(queue string) error {
	_, err := t.ch.QueueDeclare(queue, false, false, false, false, amqp.Table{"x-expires": int32(expires)})
	return err
}

// exchange declares the exchange of a message to be published.
func (t topology) exchange(name, kind string) error {
	fanout := kind == "fanout"
	return t.ch.ExchangeDeclare(name, kind, t.durable && !fanout, fanout, false, false, nil)
}
