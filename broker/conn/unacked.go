package conn

import (
	"slices"
	"sort"

	"nubo/amqp"
	"nubo/broker/queue"
)

// unacked is a message that was sent and not acknowledged.
type unacked struct {
	tag   uint64
	entry queue.Entry
	q     *queue.Queue
	k     *consumer // nil if it was got, not delivered
	since uint32    // the tick it was delivered at
	done  bool
}

// unackedList holds them by rising tag. Those acknowledged out of order stay
// as done until all before them are.
type unackedList struct {
	list []unacked
	head int // list[:head] is done
	live int // not done
}

func (l *unackedList) push(u unacked) {
	if l.head == len(l.list) {
		l.list, l.head = l.list[:0], 0
	} else if l.head > 64 && 2*l.head > len(l.list) || l.live < len(l.list)/4 && len(l.list) > 64 {
		l.compact()
	}
	l.list = append(l.list, u)
	l.live++
}

// compact drops what is done.
func (l *unackedList) compact() {
	kept := l.list[:0]
	for _, u := range l.list[l.head:] {
		if !u.done {
			kept = append(kept, u)
		}
	}
	clear(l.list[len(kept):])
	l.list, l.head = kept, 0
}

// take appends the message of a tag, or all up to it, to dst and takes them
// from the list. ok is false if the tag is unknown.
func (l *unackedList) take(tag uint64, multiple bool, dst []unacked) (_ []unacked, ok bool) {
	if multiple && tag == 0 {
		return l.takeAll(dst), true
	}
	live := l.list[l.head:]
	i := 0
	if len(live) > 0 && live[0].tag != tag {
		i = sort.Search(len(live), func(i int) bool { return live[i].tag >= tag })
	}
	if i == len(live) || live[i].tag != tag || live[i].done {
		return dst, false
	}
	from := i
	if multiple {
		from = 0
	}
	for ; from <= i; from++ {
		dst = l.finish(&live[from], dst)
	}
	for l.head < len(l.list) && l.list[l.head].done {
		l.head++
	}
	return dst, true
}

// takeAll takes everything.
func (l *unackedList) takeAll(dst []unacked) []unacked {
	for i := l.head; i < len(l.list); i++ {
		dst = l.finish(&l.list[i], dst)
	}
	l.list, l.head = l.list[:0], 0
	return dst
}

// finish marks u done and appends it to dst, unless it was.
func (l *unackedList) finish(u *unacked, dst []unacked) []unacked {
	if u.done {
		return dst
	}
	dst = append(dst, *u)
	*u = unacked{tag: u.tag, done: true}
	l.live--
	return dst
}

// settlement is what a delivery ends with.
type settlement int

const (
	acked settlement = iota
	refused
	requeued
)

// acknowledge ends deliveries with what becomes of them at their queue; in tx
// mode not before the commit.
func (ch *channel) acknowledge(tag uint64, multiple bool, how settlement) *amqp.Error {
	return ch.finish(tag, multiple, false, how)
}

// finish is acknowledge, now or when a transaction is committed.
func (ch *channel) finish(tag uint64, multiple, now bool, how settlement) *amqp.Error {
	ch.mu.Lock()
	var ok bool
	if ch.taken, ok = ch.out.take(tag, multiple, ch.taken[:0]); !ok {
		ch.mu.Unlock()
		return amqp.Errorf(amqp.PreconditionFailed, "unknown delivery tag %d", tag)
	}
	if ch.tx != nil && !now {
		ch.acksUncommitted += len(ch.taken)
		ch.mu.Unlock()
		ch.tx.settled = append(ch.tx.settled, txSettle{slices.Clone(ch.taken), how})
		clear(ch.taken)
		return nil
	}
	resume := ch.release(how)
	ch.mu.Unlock()
	ch.settle(how)
	resumeAll(resume)
	return nil
}

// release gives back the prefetch of what was taken, and returns the consumers
// that can use it. mu is held.
func (ch *channel) release(how settlement) []*consumer {
	if how == acked {
		ch.count.Ack += uint64(len(ch.taken))
	}
	for i := range ch.taken {
		if k := ch.taken[i].k; k != nil {
			k.inflight--
			ch.inflight--
		}
	}
	return ch.takeStarved()
}

// settle ends what was taken, run by run of the same queue.
func (ch *channel) settle(how settlement) {
	for i := 0; i < len(ch.taken); {
		q := ch.taken[i].q
		ch.entries = ch.entries[:0]
		for ; i < len(ch.taken) && ch.taken[i].q == q; i++ {
			ch.entries = append(ch.entries, ch.taken[i].entry)
		}
		switch how {
		case acked:
			q.Ack(ch.entries)
		case refused:
			q.Discard(ch.entries)
		case requeued:
			q.Requeue(ch.entries)
		}
		clear(ch.entries)
	}
	clear(ch.taken)
}

// refuse is basic.reject and basic.nack.
func (ch *channel) refuse(tag uint64, multiple, requeue bool) *amqp.Error {
	if requeue {
		return ch.acknowledge(tag, multiple, requeued)
	}
	return ch.acknowledge(tag, multiple, refused)
}

// recoverUnacked requeues all that is not acknowledged.
func (ch *channel) recoverUnacked(requeue bool) *amqp.Error {
	if !requeue {
		return amqp.Errorf(amqp.NotImplemented, "requeue=false")
	}
	return ch.finish(0, true, true, requeued)
}

// oldest is the first delivery to a consumer that is not acknowledged, or nil.
func (l *unackedList) oldest() *unacked {
	for i := l.head; i < len(l.list); i++ {
		if u := &l.list[i]; !u.done && u.k != nil {
			return u
		}
	}
	return nil
}
