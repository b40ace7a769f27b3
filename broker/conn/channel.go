package conn

import (
	"sync"
	"sync/atomic"
	"time"

	"nubo/amqp"
	"nubo/broker/match"
	"nubo/broker/queue"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// channel is one channel of a connection.
type channel struct {
	c  *Conn
	id uint16

	// The reader's own.
	closing   bool // channel.close was sent; all is ignored until close-ok
	touched   bool // confirms are held back until the end of the batch
	lastQueue string
	pub       publishing
	routes    routeCache
	taken     []unacked // scratch
	entries   []queue.Entry

	// Counted by the reader.
	published, returned, dropped atomic.Uint64

	confirms *confirms    // nil unless in confirm mode; has its own lock
	tx       *transaction // nil unless in tx mode

	// mu guards the rest. It is taken with a queue's lock held.
	mu        sync.Mutex
	closed    bool
	consumers map[string]*consumer
	fast      *consumer // of amq.rabbitmq.reply-to
	delivered uint64    // the last delivery tag
	out       unackedList
	inflight  int // deliveries unacknowledged, of consumers
	limit     int // prefetch of the whole channel; 0 is none
	starved   []*consumer
	prefetch  int // of consumers to come; only the reader writes it
	// What snapshots see of tx, which is the reader's own.
	transactional                bool
	uncommitted, acksUncommitted int
	count, before                Counters // of deliveries; before is as watch last saw them
	idle                         time.Time
	// timedOut is set by the ticker when a delivery is too old.
	timedOut *amqp.Error
	// cancelled are consumers that are yet to be told, while the channel
	// deletes their queue: the answer to that goes first.
	deleting  bool
	cancelled []string
}

func newChannel(c *Conn, id uint16) *channel {
	return &channel{c: c, id: id, consumers: make(map[string]*consumer)}
}

// frame handles a frame of this channel. An error that only concerns the
// channel closes it here; others are returned.
func (ch *channel) frame(f amqp.Frame) *amqp.Error {
	if ch.closing {
		return ch.awaitCloseOk(f)
	}
	var err *amqp.Error
	switch f.Type {
	case amqp.FrameMethod:
		err = ch.method(f.Payload)
	case amqp.FrameHeader:
		err = ch.header(f.Payload)
	case amqp.FrameBody:
		err = ch.body(f.Payload)
	default:
		return amqp.Errorf(amqp.FrameError, "unknown frame type %d", f.Type)
	}
	return ch.judge(err)
}

// judge closes the channel if an error only concerns it, and returns others.
func (ch *channel) judge(err *amqp.Error) *amqp.Error {
	if err == nil || err.Hard() {
		return err
	}
	ch.fail(err)
	return nil
}

// fail closes the channel with an error.
func (ch *channel) fail(err *amqp.Error) {
	ch.c.env.Log.Warn("channel error", "connection", ch.c.info.Name, "channel", ch.id, "error", err)
	ch.flushConfirms()
	ch.closing = true
	ch.teardown()
	ch.c.send(ch.id, &amqp.ChannelClose{
		ReplyCode: err.Code, ReplyText: err.ReplyText(), ClassID: err.Method.Class(), MethodID: err.Method.Method(),
	})
}

// awaitCloseOk ignores all but the answer to our channel.close, or the
// client's own close that crossed it.
func (ch *channel) awaitCloseOk(f amqp.Frame) *amqp.Error {
	if f.Type != amqp.FrameMethod {
		return nil
	}
	id, _, err := amqp.SplitMethod(f.Payload)
	if err != nil {
		return err
	}
	switch id {
	case amqp.IDChannelClose:
		ch.c.send(ch.id, &amqp.ChannelCloseOk{})
	case amqp.IDChannelCloseOk:
		ch.c.forget(ch)
	}
	return nil
}

// teardown ends consumers, and gives back what was not acknowledged.
func (ch *channel) teardown() {
	ch.restoreUnacked()
	ch.mu.Lock()
	if ch.closed {
		ch.mu.Unlock()
		return
	}
	ch.closed = true
	consumers := ch.consumers
	ch.consumers = nil
	fast := ch.fast
	ch.fast = nil
	if ch.confirms != nil {
		ch.confirms.close()
	}
	ch.taken = ch.out.takeAll(ch.taken[:0])
	ch.mu.Unlock()
	if fast != nil {
		ch.c.env.Replies.remove(fast.token)
	}
	for _, k := range consumers {
		ch.detach(k)
	}
	ch.settle(requeued)
}

// detach ends a consumer at its queue.
func (ch *channel) detach(k *consumer) {
	if k.q != nil && k.q.Cancel(&k.Consumer) {
		ch.c.vh.Forget(k.q)
	}
}

// method handles a method frame. The methods of the hot path are decoded
// without a heap object.
func (ch *channel) method(payload []byte) *amqp.Error {
	id, args, err := amqp.SplitMethod(payload)
	if err != nil {
		return err
	}
	if ch.pub.state != idle {
		return ch.pub.unexpected()
	}
	switch id {
	case amqp.IDBasicPublish:
		err = ch.publish(args)
	case amqp.IDBasicAck:
		var m amqp.BasicAck
		if m.Decode(args) != nil {
			return amqp.Errorf(amqp.FrameError, "cannot decode arguments of %s", id).In(id)
		}
		err = ch.acknowledge(m.DeliveryTag, m.Multiple, acked)
	default:
		m, bad := amqp.ParseMethod(payload)
		if bad != nil {
			return bad
		}
		ch.c.end() // it may wait
		err = ch.request(m)
		ch.c.begin()
	}
	if err != nil {
		return err.In(id)
	}
	return nil
}

// request handles the methods that are not of the hot path.
func (ch *channel) request(m amqp.Method) *amqp.Error {
	switch m := m.(type) {
	case *amqp.ChannelOpen:
		return amqp.Errorf(amqp.ChannelError, "second 'channel.open' seen")
	case *amqp.ChannelClose:
		ch.flushConfirms()
		ch.teardown()
		ch.c.send(ch.id, &amqp.ChannelCloseOk{})
		ch.c.forget(ch)
	case *amqp.ChannelCloseOk:
		ch.c.forget(ch)
	case *amqp.ChannelFlow:
		if !m.Active {
			return amqp.Errorf(amqp.NotImplemented, "active=false")
		}
		ch.c.send(ch.id, &amqp.ChannelFlowOk{Active: true})
	case *amqp.ExchangeDeclare:
		return ch.exchangeDeclare(m)
	case *amqp.ExchangeDelete:
		return ch.exchangeDelete(m)
	case *amqp.ExchangeBind:
		return ch.exchangeBind(m)
	case *amqp.ExchangeUnbind:
		return ch.exchangeUnbind(m)
	case *amqp.QueueDeclare:
		return ch.queueDeclare(m)
	case *amqp.QueueBind:
		return ch.queueBind(m)
	case *amqp.QueueUnbind:
		return ch.queueUnbind(m)
	case *amqp.QueuePurge:
		return ch.queuePurge(m)
	case *amqp.QueueDelete:
		return ch.queueDelete(m)
	case *amqp.ConfirmSelect:
		return ch.confirmSelect(m)
	case *amqp.TxSelect:
		return ch.txSelect()
	case *amqp.TxCommit:
		return ch.commit()
	case *amqp.TxRollback:
		return ch.rollback()
	default:
		return ch.basicRequest(m)
	}
	return nil
}

// basicRequest handles what of class basic is not of the hot path.
func (ch *channel) basicRequest(m amqp.Method) *amqp.Error {
	switch m := m.(type) {
	case *amqp.BasicQos:
		return ch.qos(m)
	case *amqp.BasicConsume:
		return ch.consume(m)
	case *amqp.BasicCancel:
		ch.cancel(m)
	case *amqp.BasicCancelOk: // the answer to a cancel notification
	case *amqp.BasicGet:
		return ch.get(m)
	case *amqp.BasicReject:
		return ch.refuse(m.DeliveryTag, false, m.Requeue)
	case *amqp.BasicNack:
		return ch.refuse(m.DeliveryTag, m.Multiple, m.Requeue)
	case *amqp.BasicRecoverAsync:
		return ch.recoverUnacked(m.Requeue)
	case *amqp.BasicRecover:
		if err := ch.recoverUnacked(m.Requeue); err != nil {
			return err
		}
		ch.c.send(ch.id, &amqp.BasicRecoverOk{})
	default:
		return amqp.Errorf(amqp.NotImplemented, "%s is not supported", m.ID())
	}
	return nil
}

// allow checks a permission of the connection's user.
func (ch *channel) allow(a user.Access, kind, name string) *amqp.Error {
	perms, ok := ch.c.env.Users.Permissions(ch.c.info.User, ch.c.vh.Name)
	if name == "" && kind == "exchange" {
		name = "amq.default"
	}
	if ok && perms.Allow(a, name) {
		return nil
	}
	return amqp.Errorf(amqp.AccessRefused, "access to %s '%s' in vhost '%s' refused for user '%s'", kind, name, ch.c.vh.Name, ch.c.info.User)
}

// allowTopic checks the permission of a routing key at a topic exchange.
func (ch *channel) allowTopic(a user.Access, x *vhost.Exchange, key string) *amqp.Error {
	if x.Kind != match.Topic || ch.c.env.Users.AllowTopic(a, ch.c.info.User, ch.c.vh.Name, x.Name, key) {
		return nil
	}
	return amqp.Errorf(amqp.AccessRefused, "access to topic '%s' in exchange '%s' in vhost '%s' refused for user '%s'",
		key, x.Name, ch.c.vh.Name, ch.c.info.User)
}

// tap is how traces tell of the channel.
func (ch *channel) tap() vhost.Tap {
	return vhost.Tap{Connection: ch.c.info.Name, User: ch.c.info.User, Channel: ch.id}
}

// reply sends the answer to a request unless the client wants none.
func (ch *channel) reply(noWait bool, m amqp.Method) {
	if !noWait {
		ch.c.send(ch.id, m)
	}
}
