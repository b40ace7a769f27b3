package conn

import (
	"strings"

	"nubo/amqp"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// notDefault refuses to change the default exchange.
func notDefault(name string) *amqp.Error {
	if name == "" {
		return amqp.Errorf(amqp.AccessRefused, "operation not permitted on the default exchange")
	}
	return nil
}

func (ch *channel) exchangeDeclare(m *amqp.ExchangeDeclare) *amqp.Error {
	if m.Passive {
		if err := notDefault(m.Exchange); err != nil {
			return err
		}
		if _, err := ch.c.vh.Exchange(m.Exchange); err != nil {
			return err
		}
		ch.reply(m.NoWait, &amqp.ExchangeDeclareOk{})
		return nil
	}
	if err := notDefault(m.Exchange); err != nil {
		return err
	}
	if err := ch.allow(user.Configure, "exchange", m.Exchange); err != nil {
		return err
	}
	if alt, ok := m.Arguments["alternate-exchange"].(string); ok {
		if err := ch.allow(user.Read, "exchange", m.Exchange); err != nil {
			return err
		}
		if err := ch.allow(user.Write, "exchange", alt); err != nil {
			return err
		}
	}
	err := ch.c.vh.DeclareExchange(vhost.ExchangeSpec{
		Name: m.Exchange, Kind: m.Type, Durable: m.Durable, AutoDelete: m.AutoDelete, Internal: m.Internal, Args: m.Arguments,
	})
	if err == nil {
		ch.reply(m.NoWait, &amqp.ExchangeDeclareOk{})
	}
	return err
}

func (ch *channel) exchangeDelete(m *amqp.ExchangeDelete) *amqp.Error {
	if err := notDefault(m.Exchange); err != nil {
		return err
	}
	if err := ch.allow(user.Configure, "exchange", m.Exchange); err != nil {
		return err
	}
	err := ch.c.vh.DeleteExchange(m.Exchange, m.IfUnused)
	if err == nil {
		ch.reply(m.NoWait, &amqp.ExchangeDeleteOk{})
	}
	return err
}

// mayBind checks what binding or unbinding needs.
func (ch *channel) mayBind(kind, destination, source, key string) *amqp.Error {
	if kind == "exchange" {
		if err := notDefault(destination); err != nil {
			return err
		}
	}
	if err := ch.allow(user.Write, kind, destination); err != nil {
		return err
	}
	if err := notDefault(source); err != nil {
		return err
	}
	if err := ch.allow(user.Read, "exchange", source); err != nil {
		return err
	}
	if x, err := ch.c.vh.Exchange(source); err == nil {
		return ch.allowTopic(user.Read, x, key)
	}
	return nil // that it is absent is found out later
}

func (ch *channel) exchangeBind(m *amqp.ExchangeBind) *amqp.Error {
	if err := ch.mayBind("exchange", m.Destination, m.Source, m.RoutingKey); err != nil {
		return err
	}
	err := ch.c.vh.BindExchange(m.Destination, m.Source, m.RoutingKey, m.Arguments)
	if err == nil {
		ch.reply(m.NoWait, &amqp.ExchangeBindOk{})
	}
	return err
}

func (ch *channel) exchangeUnbind(m *amqp.ExchangeUnbind) *amqp.Error {
	if err := ch.mayBind("exchange", m.Destination, m.Source, m.RoutingKey); err != nil {
		return err
	}
	err := ch.c.vh.UnbindExchange(m.Destination, m.Source, m.RoutingKey, m.Arguments)
	if err == nil {
		ch.reply(m.NoWait, &amqp.ExchangeUnbindOk{})
	}
	return err
}

func (ch *channel) queueDeclare(m *amqp.QueueDeclare) *amqp.Error {
	var q *queue.Queue
	var err *amqp.Error
	switch {
	case m.Queue == replyTo:
		ch.reply(m.NoWait, &amqp.QueueDeclareOk{Queue: m.Queue})
		return nil
	case strings.HasPrefix(m.Queue, replyToPrefix):
		if !ch.c.env.Replies.has(m.Queue[len(replyToPrefix):]) {
			return ch.c.vh.NoQueue(m.Queue)
		}
		ch.reply(m.NoWait, &amqp.QueueDeclareOk{Queue: m.Queue, ConsumerCount: 1})
		return nil
	case m.Passive:
		if q, err = ch.queue(m.Queue); err != nil {
			return err
		}
		q.Touch()
	default:
		if err := ch.allow(user.Configure, "queue", m.Queue); err != nil {
			return err
		}
		if dlx, ok := m.Arguments["x-dead-letter-exchange"].(string); ok {
			if err := ch.allow(user.Read, "queue", m.Queue); err != nil {
				return err
			}
			if err := ch.allow(user.Write, "exchange", dlx); err != nil {
				return err
			}
		}
		q, err = ch.c.vh.DeclareQueue(vhost.QueueSpec{
			Name:  m.Queue,
			Flags: queue.Flags{Durable: m.Durable, Exclusive: m.Exclusive, AutoDelete: m.AutoDelete},
			Args:  m.Arguments,
		}, ch.c)
		if err != nil {
			return err
		}
	}
	ch.lastQueue = q.Name
	ready, consumers := q.Len()
	ch.reply(m.NoWait, &amqp.QueueDeclareOk{Queue: q.Name, MessageCount: uint32(ready), ConsumerCount: uint32(consumers)})
	return nil
}

// queueName replaces an empty name by that of the last queue declared.
func (ch *channel) queueName(name string) (string, *amqp.Error) {
	if name != "" {
		return name, nil
	}
	if ch.lastQueue == "" {
		return "", amqp.Errorf(amqp.NotFound, "no previously declared queue")
	}
	return ch.lastQueue, nil
}

// queue returns the queue a method names.
func (ch *channel) queue(name string) (*queue.Queue, *amqp.Error) {
	name, err := ch.queueName(name)
	if err != nil {
		return nil, err
	}
	return ch.c.vh.Queue(name, ch.c)
}

// bindTarget resolves the queue and key of a bind or unbind. Both empty mean
// the last queue, by its own name.
func (ch *channel) bindTarget(name, key, exchange string) (*queue.Queue, string, *amqp.Error) {
	queueName, err := ch.queueName(name)
	if err != nil {
		return nil, "", err
	}
	if name == "" && key == "" {
		key = queueName
	}
	if err := ch.mayBind("queue", queueName, exchange, key); err != nil {
		return nil, "", err
	}
	q, err := ch.c.vh.Queue(queueName, ch.c)
	return q, key, err
}

func (ch *channel) queueBind(m *amqp.QueueBind) *amqp.Error {
	q, key, err := ch.bindTarget(m.Queue, m.RoutingKey, m.Exchange)
	if err != nil {
		return err
	}
	if err := ch.c.vh.BindQueue(q, m.Exchange, key, m.Arguments); err != nil {
		return err
	}
	ch.reply(m.NoWait, &amqp.QueueBindOk{})
	return nil
}

func (ch *channel) queueUnbind(m *amqp.QueueUnbind) *amqp.Error {
	q, key, err := ch.bindTarget(m.Queue, m.RoutingKey, m.Exchange)
	if err != nil {
		return err
	}
	if err := ch.c.vh.UnbindQueue(q, m.Exchange, key, m.Arguments); err != nil {
		return err
	}
	ch.c.send(ch.id, &amqp.QueueUnbindOk{})
	return nil
}

func (ch *channel) queuePurge(m *amqp.QueuePurge) *amqp.Error {
	name, err := ch.queueName(m.Queue)
	if err != nil {
		return err
	}
	if err := ch.allow(user.Read, "queue", name); err != nil {
		return err
	}
	q, err := ch.c.vh.Queue(name, ch.c)
	if err != nil {
		return err
	}
	if q.Initial.Type == queue.Stream {
		return amqp.Errorf(amqp.NotImplemented, "queue.purge not supported by stream queues queue '%s' in vhost '%s'", name, ch.c.vh.Name)
	}
	ch.reply(m.NoWait, &amqp.QueuePurgeOk{MessageCount: uint32(q.Purge())})
	return nil
}

func (ch *channel) queueDelete(m *amqp.QueueDelete) *amqp.Error {
	name, err := ch.queueName(m.Queue)
	if err != nil {
		return err
	}
	if err := ch.allow(user.Configure, "queue", name); err != nil {
		return err
	}
	ch.mu.Lock()
	ch.deleting = true
	ch.mu.Unlock()
	n, err := ch.c.vh.DeleteQueue(name, queue.Condition{IfUnused: m.IfUnused, IfEmpty: m.IfEmpty}, ch.c)
	if err == nil {
		ch.reply(m.NoWait, &amqp.QueueDeleteOk{MessageCount: uint32(n)})
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, tag := range ch.cancelled {
		ch.c.send(ch.id, &amqp.BasicCancel{ConsumerTag: tag, NoWait: true})
	}
	ch.deleting, ch.cancelled = false, nil
	return err
}
