package conn

import (
	"time"

	"nubo/amqp"
	"nubo/broker/queue"
	"nubo/broker/stream"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// consumer is a subscription of a channel; it is the Sink of a queue's.
type consumer struct {
	queue.Consumer
	ch    *channel
	q     *queue.Queue // nil for direct reply-to, which has a token instead
	token string
	args  amqp.Table

	// Guarded by the channel's lock.
	limit    int // prefetch; 0 is none
	inflight int
	held     bool // until consume-ok is sent
	gone     bool
	starved  bool // refused for want of prefetch; in channel.starved
}

// resume tells the queue to offer messages again. No lock is held.
func (k *consumer) resume() {
	if k.q != nil {
		k.q.Resume(&k.Consumer)
	}
}

func (k *consumer) queueName() string {
	if k.q == nil {
		return replyTo
	}
	return k.q.Name
}

// Offer implements queue.Sink: it sends the message if prefetch and the
// connection's outbox have room.
func (k *consumer) Offer(q *queue.Queue, e queue.Entry) bool {
	ch := k.ch
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed || k.gone || k.held {
		return false
	}
	if !k.NoAck && (k.limit > 0 && k.inflight >= k.limit || ch.limit > 0 && ch.inflight >= ch.limit) {
		if !k.starved {
			k.starved = true
			ch.starved = append(ch.starved, k)
		}
		return false
	}
	if !ch.c.out.deliver(k, ch.delivered+1, e.Redelivered, e.Content(), ch.c.frameMax) {
		return false
	}
	ch.delivered++
	if e.Redelivered {
		ch.count.Redeliver++
	}
	if q != nil && ch.c.vh.Tracing() {
		ch.c.vh.TraceDeliver(e.Msg, ch.tap(), q.Name, e.Redelivered)
	}
	if k.NoAck {
		ch.count.DeliverNoAck++
	} else {
		ch.count.Deliver++
		k.inflight++
		ch.inflight++
		ch.out.push(unacked{tag: ch.delivered, entry: e, q: q, k: k, since: ch.c.now.Load()})
	}
	return true
}

// Cancelled implements queue.Sink: the queue was deleted.
func (k *consumer) Cancelled(*queue.Queue) {
	ch := k.ch
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.closed || k.gone {
		return
	}
	k.gone = true
	if k.held {
		return // consume will find out
	}
	delete(ch.consumers, k.Tag)
	switch {
	case !ch.c.caps.cancelNotify:
	case ch.deleting:
		ch.cancelled = append(ch.cancelled, k.Tag)
	default:
		ch.c.send(ch.id, &amqp.BasicCancel{ConsumerTag: k.Tag, NoWait: true})
	}
}

func (ch *channel) qos(m *amqp.BasicQos) *amqp.Error {
	if m.PrefetchSize != 0 {
		return amqp.Errorf(amqp.NotImplemented, "prefetch_size!=0 (%d)", m.PrefetchSize)
	}
	if !m.Global {
		ch.mu.Lock()
		ch.prefetch = int(m.PrefetchCount)
		ch.mu.Unlock()
		ch.c.send(ch.id, &amqp.BasicQosOk{})
		return nil
	}
	ch.mu.Lock()
	ch.limit = int(m.PrefetchCount)
	resume := ch.takeStarved()
	ch.mu.Unlock()
	ch.c.send(ch.id, &amqp.BasicQosOk{})
	resumeAll(resume)
	return nil
}

// globalLimit tells whether the channel as a whole has a prefetch.
func (ch *channel) globalLimit() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.limit > 0
}

// takeStarved takes the consumers that wait for prefetch, if there may be
// some for them. mu is held.
func (ch *channel) takeStarved() []*consumer {
	if len(ch.starved) == 0 || ch.limit > 0 && ch.inflight >= ch.limit {
		return nil
	}
	list := ch.starved
	ch.starved = nil
	for _, k := range list {
		k.starved = false
	}
	return list
}

func resumeAll(list []*consumer) {
	for _, k := range list {
		k.resume()
	}
}

func (ch *channel) consume(m *amqp.BasicConsume) *amqp.Error {
	if m.Queue == replyTo {
		return ch.consumeReplies(m)
	}
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
	if q.Initial.Type == queue.Stream && ch.prefetch == 0 {
		return amqp.Errorf(amqp.PreconditionFailed, "consumer prefetch count is not set for 'queue '%s' in vhost '%s''", name, ch.c.vh.Name)
	}
	if q.Initial.Type == queue.Stream && m.NoAck {
		return amqp.Errorf(amqp.NotImplemented, "automatic acknowledgement not supported by stream queues queue '%s' in vhost '%s'", name, ch.c.vh.Name)
	}
	if q.Initial.Type != queue.Classic && ch.globalLimit() {
		return amqp.Errorf(amqp.NotImplemented, "queue '%s' in vhost '%s' does not support global qos", name, ch.c.vh.Name)
	}
	k, err := ch.newConsumer(m)
	if err != nil {
		return err
	}
	k.q = q
	if p, ok := m.Arguments["x-priority"]; ok {
		n, ok := amqp.Integer(p)
		if !ok {
			return amqp.Errorf(amqp.PreconditionFailed, "invalid arg 'x-priority' for queue '%s' in vhost '%s': \"expected integer, got %s\"",
				name, ch.c.vh.Name, amqp.TypeName(p))
		}
		k.Priority = int(n)
	}
	if q.Initial.Type == queue.Stream {
		from, bad := stream.ParseOffset(m.Arguments["x-stream-offset"], time.Now())
		if bad != nil {
			return amqp.Errorf(amqp.PreconditionFailed, "invalid arg 'x-stream-offset' for queue '%s' in vhost '%s': %v", name, ch.c.vh.Name, bad)
		}
		k.From = from
	}
	switch q.Consume(&k.Consumer) {
	case queue.Closed:
		return ch.c.vh.NoQueue(name)
	case queue.Rejected:
		return amqp.Errorf(amqp.AccessRefused, "queue '%s' in vhost '%s' in exclusive use", name, ch.c.vh.Name)
	}
	ch.mu.Lock()
	if k.gone {
		ch.mu.Unlock()
		return ch.c.vh.NoQueue(name)
	}
	ch.consumers[k.Tag] = k
	ch.reply(m.NoWait, &amqp.BasicConsumeOk{ConsumerTag: k.Tag})
	k.held = false
	ch.mu.Unlock()
	k.resume()
	return nil
}

// newConsumer makes a consumer, held until consume-ok is out.
func (ch *channel) newConsumer(m *amqp.BasicConsume) (*consumer, *amqp.Error) {
	k := &consumer{
		Consumer: queue.Consumer{
			Tag: m.ConsumerTag, NoAck: m.NoAck, Exclusive: m.Exclusive, Prefetch: ch.prefetch, Args: m.Arguments,
			Connection: ch.c.info.Name, User: ch.c.info.User, Channel: ch.id,
		},
		ch: ch, args: m.Arguments, limit: ch.prefetch, held: true,
	}
	if k.Tag == "" {
		k.Tag = vhost.RandomName("amq.ctag-")
	}
	k.Sink = k
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.consumers[k.Tag] != nil {
		return nil, amqp.Errorf(amqp.NotAllowed, "attempt to reuse consumer tag '%s'", k.Tag)
	}
	return k, nil
}

func (ch *channel) cancel(m *amqp.BasicCancel) {
	ch.mu.Lock()
	k := ch.consumers[m.ConsumerTag]
	if k != nil {
		k.gone = true
		delete(ch.consumers, k.Tag)
	}
	if ch.fast == k {
		ch.fast = nil
	}
	ch.mu.Unlock()
	if k != nil {
		if k.q == nil {
			ch.c.env.Replies.remove(k.token)
		}
		ch.detach(k)
	}
	ch.reply(m.NoWait, &amqp.BasicCancelOk{ConsumerTag: m.ConsumerTag})
}

func (ch *channel) get(m *amqp.BasicGet) *amqp.Error {
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
		return amqp.Errorf(amqp.NotImplemented, "basic.get not supported by stream queues queue '%s' in vhost '%s'", name, ch.c.vh.Name)
	}
	e, left, ok := q.Get(m.NoAck)
	if !ok {
		ch.mu.Lock()
		ch.count.GetEmpty++
		ch.mu.Unlock()
		ch.c.send(ch.id, &amqp.BasicGetEmpty{})
		return nil
	}
	ch.mu.Lock()
	ch.delivered++
	tag := ch.delivered
	if e.Redelivered {
		ch.count.Redeliver++
	}
	if m.NoAck {
		ch.count.GetNoAck++
	} else {
		ch.count.Get++
		ch.out.push(unacked{tag: tag, entry: e, q: q})
	}
	ch.mu.Unlock()
	if ch.c.vh.Tracing() {
		ch.c.vh.TraceDeliver(e.Msg, ch.tap(), name, e.Redelivered)
	}
	ch.c.out.sendContent(ch.id, &amqp.BasicGetOk{
		DeliveryTag: tag, Redelivered: e.Redelivered, Exchange: e.Msg.Exchange, RoutingKey: e.Msg.RoutingKey, MessageCount: uint32(left),
	}, e.Content(), ch.c.frameMax)
	ch.c.out.waitRoom() // a batch may ask for more than is good to gather
	return nil
}
