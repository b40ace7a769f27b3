package conn

import (
	"slices"
	"sync"

	"nubo/amqp"
	"nubo/broker/message"
)

// transaction is what a channel in tx mode has gathered since the last commit
// or rollback. It is the reader's own.
type transaction struct {
	published []txPublish
	settled   []txSettle
}

// txPublish is a message routed already, as RabbitMQ does.
type txPublish struct {
	m         *message.Message
	t         target
	mandatory bool
}

// txSettle is an acknowledgement or refusal of deliveries.
type txSettle struct {
	taken []unacked
	how   settlement
}

func (ch *channel) txSelect() *amqp.Error {
	if ch.confirms != nil {
		return amqp.Errorf(amqp.PreconditionFailed, "cannot switch from confirm to tx mode")
	}
	if ch.tx == nil {
		ch.beginTx()
	}
	ch.c.send(ch.id, &amqp.TxSelectOk{})
	return nil
}

// beginTx begins a transaction.
func (ch *channel) beginTx() {
	ch.tx = &transaction{}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.transactional, ch.uncommitted, ch.acksUncommitted = true, 0, 0
}

// inTx checks that the channel is transactional.
func (ch *channel) inTx() *amqp.Error {
	if ch.tx == nil {
		return amqp.Errorf(amqp.PreconditionFailed, "channel is not transactional")
	}
	return nil
}

// txWait is the store.Waiter of a commit.
type txWait struct {
	wg  sync.WaitGroup
	mu  sync.Mutex
	bad bool // guarded by mu
}

// Stored implements store.Waiter.
func (w *txWait) Stored(tags []uint64, err error) {
	if err != nil {
		w.mu.Lock()
		w.bad = true
		w.mu.Unlock()
	}
	w.wg.Add(-len(tags))
}

// commit publishes and settles what was gathered and answers when all of it is
// durable. The reader waits meanwhile: nothing else may happen on the channel.
func (ch *channel) commit() *amqp.Error {
	if err := ch.inTx(); err != nil {
		return err
	}
	tx := ch.tx
	ch.beginTx()
	w := &txWait{}
	bad := false
	for i := range tx.published {
		p := &tx.published[i]
		w.wg.Add(len(p.t.route.Queues)) // before any of them can be done
		routed, pending, rejected := ch.deliver(p.m, &p.t, w, 0)
		w.wg.Add(pending - len(p.t.route.Queues))
		bad = bad || rejected
		if !routed {
			ch.unroutable(p.m, p.mandatory)
		}
	}
	for i := range tx.settled {
		s := &tx.settled[i]
		ch.taken = append(ch.taken[:0], s.taken...)
		ch.mu.Lock()
		resume := ch.release(s.how)
		ch.mu.Unlock()
		ch.settle(s.how)
		resumeAll(resume)
	}
	w.wg.Wait()
	if bad || w.bad {
		return amqp.Errorf(amqp.PreconditionFailed, "partial tx completion")
	}
	ch.c.send(ch.id, &amqp.TxCommitOk{})
	return nil
}

// rollback forgets what was published; what was acknowledged is unacknowledged
// again.
func (ch *channel) rollback() *amqp.Error {
	if err := ch.inTx(); err != nil {
		return err
	}
	ch.restoreUnacked()
	ch.beginTx()
	ch.c.send(ch.id, &amqp.TxRollbackOk{})
	return nil
}

// restoreUnacked gives the deliveries a transaction settled back to the list.
func (ch *channel) restoreUnacked() {
	if ch.tx == nil {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for _, s := range ch.tx.settled {
		ch.out.putBack(s.taken)
	}
	ch.tx.settled = nil
}

// putBack puts deliveries that were taken back where they were.
func (l *unackedList) putBack(taken []unacked) {
	l.compact()
	l.list = append(l.list, taken...)
	l.live += len(taken)
	slices.SortFunc(l.list, func(a, b unacked) int {
		if a.tag < b.tag {
			return -1
		}
		return 1
	})
}
