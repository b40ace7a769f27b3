package broker_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/broker/message"
	"nubo/broker/store"
	"nubo/internal/testx"
)

// slowStore is a Store whose messages become durable when the test says so.
type slowStore struct {
	store.Memory
	mu      sync.Mutex
	waiting map[string]func(error) // by queue and body
	queues  uint64                 // a is the first, b the second
}

func (s *slowStore) NewQueue() uint64 { s.queues++; return s.queues }

func (s *slowStore) Put(p store.Place, m *message.Message, _ bool, w store.Waiter, tag uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[string('a'-1+rune(p.Queue))+" "+string(m.Body)] = func(err error) { w.Stored([]uint64{tag}, err) }
	return false
}

// done makes a message durable, or fails it, once it is there.
func (s *slowStore) done(t *testing.T, name string, err error) {
	t.Helper()
	var f func(error)
	testx.Eventually(t, name+" is put", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		f = s.waiting[name]
		return f != nil
	})
	f(err)
}

// TestConfirmsWaitForStore holds confirms back until every queue has the
// message durably, and refuses one the store could not keep.
func TestConfirmsWaitForStore(t *testing.T) {
	t.Parallel()
	st := &slowStore{waiting: make(map[string]func(error))}
	ch := channel(t, newBroker(t, broker.Config{Store: st}))
	for _, q := range []string{"a", "b"} {
		_, err := ch.QueueDeclare(q, true, false, false, false, nil)
		testx.NoErr(t, err)
		bind(t, ch, q, "", "amq.fanout", nil)
	}
	testx.NoErr(t, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, 10))
	for _, body := range []string{"1", "2", "3"} {
		testx.NoErr(t, ch.Publish("amq.fanout", "", false, false, rabbit.Publishing{DeliveryMode: 2, Body: []byte(body)}))
	}
	publish(t, ch, "amq.fanout", "", "transient")
	st.done(t, "a 2", nil)
	st.done(t, "b 2", errors.New("disk full"))
	st.done(t, "a 1", nil)
	testx.Equal(t, len(confirms), 0)
	st.done(t, "b 1", nil)
	st.done(t, "b 3", nil)
	st.done(t, "a 3", nil)
	var got []bool
	for range 4 {
		select {
		case c := <-confirms:
			got = append(got, c.Ack)
		case <-time.After(30 * time.Second):
			t.Fatalf("confirms so far: %v", got)
		}
	}
	testx.Equal(t, got, []bool{true, false, true, true})
}

// TestStats looks at what the management API will show.
func TestStats(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "q", rabbit.Table{"x-expires": int32(60000)})
	bind(t, ch, "q", "k", "amq.topic", nil)
	testx.NoErr(t, ch.Qos(1, 0, false))
	_, err := ch.Consume("q", "tag", false, false, false, false, nil)
	testx.NoErr(t, err)
	for range 3 {
		publish(t, ch, "amq.topic", "k", "four")
	}
	testx.Eventually(t, "one delivered, two ready", func() bool { return b.Stats().VHosts[0].Queues[0].Ready == 2 })
	s := b.Stats()
	q := s.VHosts[0].Queues[0]
	testx.Equal(t, []any{q.Name, q.Unacked, q.Consumers, q.ReadyBytes, q.Counters.Publish, q.Counters.Deliver}, []any{"q", 1, 1, int64(8), uint64(3), uint64(1)})
	testx.Equal(t, len(s.VHosts[0].Bindings), 2)
	testx.Equal(t, s.VHosts[0].Bindings[1].Source+" "+s.VHosts[0].Bindings[1].RoutingKey, "amq.topic k")
	for _, x := range s.VHosts[0].Exchanges {
		if x.Name == "amq.topic" {
			testx.Equal(t, []uint64{x.In, x.Out}, []uint64{3, 3})
		}
	}
	c := s.Connections[0]
	testx.Equal(t, []any{c.User, c.VHost, c.Mechanism, c.State, c.Channels[0].Counters.Publish, c.Channels[0].Counters.Deliver}, []any{"guest", "/", "PLAIN", "running", uint64(3), uint64(1)})
	testx.Equal(t, c.Channels[0].Consumers[0].Tag, "tag")
	testx.Equal(t, c.Channels[0].Unacked, 1)
	if s.MemoryUsed <= 0 {
		t.Error("messages take no memory")
	}
}
