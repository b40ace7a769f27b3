package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"nubo/amqp"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/store"
	"nubo/internal/testx"
)

// TestStats follows what the management API shows of a queue: loads, counters,
// the head's timestamp, idleness and what its consumers could take.
func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(&gauge{}, store.Memory{}, nil)
		at := time.Unix(1700000000, 0).UTC()
		p := amqp.Properties{Timestamp: at}
		q.Publish(&message.Message{Body: []byte("12345"), Props: p.Append(nil), Persistent: true}, nil, 0)
		q.Publish(&message.Message{Body: []byte("123"), Props: []byte{0, 0}}, nil, 0)
		s := q.Stats()
		testx.Equal(t, []any{s.Ready, s.Persistent, s.ReadyBytes, s.PersistentBytes, s.ReadyRAM, s.ReadyRAMBytes, s.HeadTimestamp, s.IdleSince.IsZero()},
			[]any{2, 1, int64(8), int64(5), 2, int64(8), at, true})
		first := time.Now()
		time.Sleep(time.Minute)
		testx.Equal(t, q.Stats().IdleSince, first)

		e, _, _ := q.Get(false)
		s = q.Stats()
		testx.Equal(t, []any{s.Ready, s.Unacked, s.UnackedBytes, s.Persistent, s.PersistentBytes, s.HeadTimestamp.IsZero(), s.IdleSince.IsZero()},
			[]any{1, 1, int64(5), 1, int64(5), true, true})
		q.Ack([]queue.Entry{e})
		q.Get(true)
		q.Get(true)
		testx.Equal(t, q.Stats().Counters, queue.Counters{Publish: 2, Get: 1, GetNoAck: 1, GetEmpty: 1, Ack: 1})
		testx.Equal(t, q.Stats().Persistent, 0)

		// A consumer that takes one message and refuses the next for as long again.
		k := &sink{credit: 1}
		c := &queue.Consumer{Tag: "c", Sink: k, Prefetch: 1, Connection: "x", Channel: 3, User: "u"}
		q.Consume(c)
		testx.Equal(t, q.Stats().Capacity, 1.0)
		for range 20 {
			time.Sleep(time.Second)
			for range 2 {
				q.Publish(msg("m"), nil, 0)
			}
			time.Sleep(time.Second)
			q.Ack(k.got)
			k.got, k.credit = nil, 2
			q.Resume(c)
			k.credit = 1
		}
		if got := q.Stats().Capacity; got < 0.3 || got > 0.4 {
			t.Errorf("capacity is %v", got)
		}
		testx.Equal(t, q.ConsumerStats(), []queue.ConsumerStats{{Tag: "c", Prefetch: 1, Connection: "x", Channel: 3, User: "u", Active: true}})
		q.Cancel(c)
		testx.Equal(t, q.Stats().Capacity, 0.0)
	})
}
