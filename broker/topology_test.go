package broker_test

import (
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/testx"
)

func bind(t testing.TB, ch *rabbit.Channel, q, key, exchange string, args rabbit.Table) {
	t.Helper()
	testx.NoErr(t, ch.QueueBind(q, key, exchange, false, args))
}

func TestExchangeTypes(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	for _, q := range []string{"a", "b"} {
		declare(t, ch, q, nil)
	}
	bind(t, ch, "a", "one", "amq.direct", nil)
	bind(t, ch, "b", "two", "amq.direct", nil)
	bind(t, ch, "a", "", "amq.fanout", nil)
	bind(t, ch, "b", "", "amq.fanout", nil)
	bind(t, ch, "a", "compute.*", "amq.topic", nil)
	bind(t, ch, "a", "#.error", "amq.topic", nil)
	bind(t, ch, "b", "compute.#", "amq.topic", nil)
	bind(t, ch, "a", "", "amq.headers", rabbit.Table{"x-match": "all", "kind": "vm", "n": int32(1)})
	bind(t, ch, "b", "", "amq.headers", rabbit.Table{"x-match": "any", "kind": "vm", "n": int32(1)})
	tests := []struct {
		exchange, key string
		headers       rabbit.Table
		a, b          int
	}{
		{"", "a", nil, 1, 0},
		{"amq.direct", "one", nil, 1, 0},
		{"amq.direct", "three", nil, 0, 0},
		{"amq.fanout", "whatever", nil, 1, 1},
		{"amq.topic", "compute.host", nil, 1, 1},
		{"amq.topic", "compute.host.up", nil, 0, 1},
		{"amq.topic", "compute.error", nil, 1, 1}, // a: two bindings, one copy
		{"amq.headers", "", rabbit.Table{"kind": "vm", "n": int64(1)}, 1, 1},
		{"amq.headers", "", rabbit.Table{"kind": "vm", "n": int64(2)}, 0, 1},
		{"amq.headers", "", nil, 0, 0},
	}
	for _, tc := range tests {
		testx.NoErr(t, ch.Publish(tc.exchange, tc.key, false, false, rabbit.Publishing{Headers: tc.headers}))
		got := []int{len(drain(t, ch, "a")), len(drain(t, ch, "b"))}
		if want := []int{tc.a, tc.b}; got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s %q %v: got %v; want %v", tc.exchange, tc.key, tc.headers, got, want)
		}
	}
}

func TestUnbind(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	bind(t, ch, "q", "k", "amq.direct", nil)
	bind(t, ch, "q", "k", "amq.direct", rabbit.Table{"another": "binding"})
	publish(t, ch, "amq.direct", "k", "1")
	testx.NoErr(t, ch.QueueUnbind("q", "k", "amq.direct", nil))
	publish(t, ch, "amq.direct", "k", "2")
	testx.NoErr(t, ch.QueueUnbind("q", "k", "amq.direct", rabbit.Table{"another": "binding"}))
	publish(t, ch, "amq.direct", "k", "3")
	testx.Equal(t, drain(t, ch, "q"), []string{"1", "2"})
}

func TestExchangeToExchange(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	for _, x := range []string{"x", "y"} {
		testx.NoErr(t, ch.ExchangeDeclare(x, "fanout", false, false, false, false, nil))
	}
	testx.NoErr(t, ch.ExchangeBind("y", "", "x", false, nil))
	testx.NoErr(t, ch.ExchangeBind("x", "", "y", false, nil)) // a circle
	bind(t, ch, "q", "", "y", nil)
	publish(t, ch, "x", "", "1")
	testx.NoErr(t, ch.ExchangeUnbind("y", "", "x", false, nil))
	publish(t, ch, "x", "", "2")
	testx.Equal(t, drain(t, ch, "q"), []string{"1"})
}

func TestAlternateExchange(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	testx.NoErr(t, ch.ExchangeDeclare("x", "direct", false, false, false, false, rabbit.Table{"alternate-exchange": "amq.fanout"}))
	bind(t, ch, "q", "", "amq.fanout", nil)
	publish(t, ch, "x", "unknown", "m")
	testx.Equal(t, drain(t, ch, "q"), []string{"m"})
}

func TestCarbonCopies(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	for _, q := range []string{"a", "b", "c"} {
		declare(t, ch, q, nil)
	}
	testx.NoErr(t, ch.Publish("", "a", false, false, rabbit.Publishing{
		Headers: rabbit.Table{"CC": []any{"b", "a"}, "BCC": []any{"c"}}, Body: []byte("m"),
	}))
	for _, q := range []string{"a", "b", "c"} {
		m, ok := get(t, ch, q, true)
		testx.Equal(t, ok, true)
		testx.Equal(t, m.Headers, rabbit.Table{"CC": []any{"b", "a"}})
		testx.Equal(t, drain(t, ch, q), []string{})
	}
}

func TestExclusiveQueue(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	owner := dial(t, b)
	och, err := owner.Channel()
	testx.NoErr(t, err)
	q, err := och.QueueDeclare("", false, false, true, false, nil)
	testx.NoErr(t, err)
	_, _, err = channel(t, b).Get(q.Name, true)
	testx.Equal(t, err.(*rabbit.Error).Code, rabbit.ResourceLocked)
	publish(t, channel(t, b), "", q.Name, "m") // publishing is free
	testx.Equal(t, string(next(t, consume(t, och, q.Name, true)).Body), "m")
	testx.NoErr(t, owner.Close())
	testx.Eventually(t, "the queue is gone", func() bool { return len(b.Stats().VHosts[0].Queues) == 0 })
}

func TestAutoDelete(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	testx.NoErr(t, ch.ExchangeDeclare("x", "fanout", false, true, false, false, nil))
	_, err := ch.QueueDeclare("q", false, true, false, false, nil)
	testx.NoErr(t, err)
	bind(t, ch, "q", "", "x", nil)
	_, err = ch.Consume("q", "tag", true, false, false, false, nil)
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Cancel("tag", false))
	_, err = channel(t, b).QueueDeclarePassive("q", false, true, false, false, nil)
	testx.Equal(t, err.(*rabbit.Error).Code, rabbit.NotFound)
	err = ch.ExchangeDeclarePassive("x", "fanout", false, true, false, false, nil)
	testx.Equal(t, err.(*rabbit.Error).Code, rabbit.NotFound)
}

func TestConsumerIsToldOfDeletion(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "q", nil)
	cancelled := ch.NotifyCancel(make(chan string, 1))
	_, err := ch.Consume("q", "tag", true, false, false, false, nil)
	testx.NoErr(t, err)
	_, err = channel(t, b).QueueDelete("q", false, false, false)
	testx.NoErr(t, err)
	select {
	case tag := <-cancelled:
		testx.Equal(t, tag, "tag")
	case <-time.After(30 * time.Second):
		t.Fatal("not told")
	}
	declare(t, ch, "q", nil) // the channel lives
}

func TestPurgeAndDelete(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	for range 3 {
		publish(t, ch, "", "q", "m")
	}
	n, err := ch.QueuePurge("q", false)
	testx.NoErr(t, err)
	testx.Equal(t, n, 3)
	publish(t, ch, "", "q", "m")
	n, err = ch.QueueDelete("q", false, false, false)
	testx.NoErr(t, err)
	testx.Equal(t, n, 1)
	n, err = ch.QueueDelete("q", false, false, false) // no error: it is deleted
	testx.NoErr(t, err)
	testx.Equal(t, n, 0)
}

func TestDirectReplyTo(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	client, server := channel(t, b), channel(t, b)
	declare(t, server, "rpc", nil)
	replies := consume(t, client, "amq.rabbitmq.reply-to", true)
	testx.NoErr(t, client.Publish("", "rpc", false, false, rabbit.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte("ping")}))
	m := next(t, consume(t, server, "rpc", true))
	publish(t, server, "", m.ReplyTo, "pong")
	testx.Equal(t, string(next(t, replies).Body), "pong")
}
