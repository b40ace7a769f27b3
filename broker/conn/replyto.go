package conn

import (
	"sync"

	"nubo/amqp"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/vhost"
)

const (
	// replyTo is the pseudo-queue of direct reply-to.
	replyTo       = "amq.rabbitmq.reply-to"
	replyToPrefix = replyTo + "."
)

// Replies knows the consumers of direct reply-to by the token in the reply_to
// their requests carry. Replies go to them without a queue.
type Replies struct{ m sync.Map } // string to *consumer

func (r *Replies) has(token string) bool { _, ok := r.m.Load(token); return ok }

func (r *Replies) add(token string, k *consumer) { r.m.Store(token, k) }

func (r *Replies) remove(token string) { r.m.Delete(token) }

// deliver hands a reply over. It is lost, as in RabbitMQ, if the client does
// not read what it is sent.
func (r *Replies) deliver(token string, m *message.Message) bool {
	v, ok := r.m.Load(token)
	if !ok {
		return false
	}
	v.(*consumer).Offer(nil, queue.Entry{Msg: m})
	return true
}

// consumeReplies is basic.consume of the pseudo-queue.
func (ch *channel) consumeReplies(m *amqp.BasicConsume) *amqp.Error {
	if !m.NoAck {
		return amqp.Errorf(amqp.PreconditionFailed, "reply consumer cannot acknowledge")
	}
	k, err := ch.newConsumer(m)
	if err != nil {
		return err
	}
	k.token = vhost.RandomName("")
	ch.mu.Lock()
	if ch.fast != nil {
		ch.mu.Unlock()
		return amqp.Errorf(amqp.PreconditionFailed, "reply consumer already set")
	}
	ch.fast = k
	ch.consumers[k.Tag] = k
	ch.reply(m.NoWait, &amqp.BasicConsumeOk{ConsumerTag: k.Tag})
	k.held = false
	ch.mu.Unlock()
	ch.c.env.Replies.add(k.token, k)
	return nil
}
