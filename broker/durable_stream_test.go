package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// stream declares a stream and publishes numbers to it.
func publishStream(t *testing.T, ch *rabbit.Channel, name string, from, to int, args rabbit.Table) {
	t.Helper()
	all := rabbit.Table{"x-queue-type": "stream"}
	for k, v := range args {
		all[k] = v
	}
	_, err := ch.QueueDeclare(name, true, false, false, false, all)
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Confirm(false))
	var last *rabbit.DeferredConfirmation
	for i := from; i < to; i++ {
		last, err = ch.PublishWithDeferredConfirm("", name, false, false, rabbit.Publishing{Body: fmt.Append(nil, i, strings.Repeat(".", 200))})
		testx.NoErr(t, err)
	}
	testx.Equal(t, last.Wait(), true)
}

// readStream reads so many numbers from an offset on.
func readStream(t *testing.T, b *broker.Broker, name string, from any, first, n int) {
	t.Helper()
	ch := channel(t, b)
	testx.NoErr(t, ch.Qos(50, 0, false))
	d, err := ch.Consume(name, "", false, false, false, false, rabbit.Table{"x-stream-offset": from})
	testx.NoErr(t, err)
	for i := first; i < first+n; i++ {
		m := next(t, d)
		number, _, _ := strings.Cut(string(m.Body), ".")
		testx.Equal(t, []any{number, m.Headers["x-stream-offset"], m.Redelivered}, []any{fmt.Sprint(i), int64(i), false})
		testx.NoErr(t, m.Ack(false))
	}
	testx.NoErr(t, ch.Close())
}

// TestStreams has many read the same messages, from anywhere, at their own
// pace, before and after a restart, while more come.
func TestStreams(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir(), Sync: wal.Write}
	b, stop := openBroker(t, cfg)
	pub := channel(t, b)
	const n = 4000
	publishStream(t, pub, "s", 0, n, nil)
	readStream(t, b, "s", "first", 0, n)
	readStream(t, b, "s", int64(n-100), n-100, 100)
	readStream(t, b, "s", "last", n-1, 1)
	readStream(t, b, "s", time.Unix(0, 0), 0, 10)

	// One that never acknowledges holds nobody up.
	slow := channel(t, b)
	testx.NoErr(t, slow.Qos(1, 0, false))
	stuck, err := slow.Consume("s", "", false, false, false, false, rabbit.Table{"x-stream-offset": "first"})
	testx.NoErr(t, err)
	m := next(t, stuck)
	tail := channel(t, b)
	testx.NoErr(t, tail.Qos(1, 0, false))
	d, err := tail.Consume("s", "", false, false, false, false, nil)
	testx.NoErr(t, err)
	publishStream(t, pub, "s", n, n+10, nil)
	for i := n; i < n+10; i++ {
		m := next(t, d)
		testx.Equal(t, m.Headers["x-stream-offset"], any(int64(i)))
		testx.NoErr(t, m.Nack(false, true)) // credit, nothing else
	}
	testx.NoErr(t, m.Reject(false))
	testx.Equal(t, next(t, stuck).Headers["x-stream-offset"], any(int64(1)))
	q, err := pub.QueueDeclarePassive("s", true, false, false, false, nil)
	testx.NoErr(t, err)
	testx.Equal(t, []int{q.Messages, q.Consumers}, []int{n + 10, 2})
	stop()

	b, _ = openBroker(t, cfg)
	pub = channel(t, b)
	readStream(t, b, "s", "first", 0, n+10)
	publishStream(t, pub, "s", n+10, n+20, nil)
	readStream(t, b, "s", int64(n+5), n+5, 15)
	s := b.Stats().VHosts[0].Queues[0]
	testx.Equal(t, []any{s.Ready, s.Type, s.Committed}, []any{n + 20, s.Settings.Type, int64(n + 19)})
	_, err = pub.QueueDelete("s", true, true, false)
	testx.NoErr(t, err)
	testx.Equal(t, b.Stats().MemoryUsed, int64(0))
}

// TestStreamPolicy has a policy bound a stream that has no limits of its own.
func TestStreamPolicy(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	publishStream(t, ch, "s", 0, 1000, nil)
	v, err := b.VHost("/")
	testx.NoErr(t, err)
	testx.NoErr(t, v.SetPolicy(policy.Policy{Name: "p", Pattern: ".*", ApplyTo: "streams", Definition: amqp.Table{
		"max-length-bytes": int64(50_000), "stream-max-segment-size-bytes": int64(10_000), "max-age": "7D",
	}}, false))
	publishStream(t, ch, "s", 1000, 2000, nil)
	s, _, _ := v.QueueStats("s")
	testx.Equal(t, []any{s.Settings.Policy, s.Settings.MaxAge}, []any{"p", 7 * 24 * time.Hour})
	if s.ReadyBytes > 50_000 || s.Ready == 0 {
		t.Errorf("%d messages of %d octets are kept", s.Ready, s.ReadyBytes)
	}
	readStream(t, b, "s", "first", 2000-s.Ready, s.Ready)
}

// TestStreamFanout is how oslo.messaging fans out with rabbit_stream_fanout:
// one stream for all servers of a topic, each of which goes on where it was.
func TestStreamFanout(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	args := rabbit.Table{"x-queue-type": "stream", "x-max-age": "1800s"}
	server := func(offset any) <-chan rabbit.Delivery {
		ch := channel(t, b)
		testx.NoErr(t, ch.ExchangeDeclare("topic_fanout", "fanout", true, false, false, false, nil))
		_, err := ch.QueueDeclare("topic_fanout", true, false, false, false, args)
		testx.NoErr(t, err)
		bind(t, ch, "topic_fanout", "topic", "topic_fanout", nil)
		testx.NoErr(t, ch.Qos(10, 0, false))
		d, err := ch.Consume("topic_fanout", "", false, false, false, false, rabbit.Table{"x-stream-offset": offset})
		testx.NoErr(t, err)
		return d
	}
	servers := []<-chan rabbit.Delivery{server("next"), server("next"), server("last")}
	client := channel(t, b)
	for i := range 50 {
		publish(t, client, "topic_fanout", "topic", fmt.Sprint(i))
		for _, d := range servers {
			m := next(t, d)
			testx.Equal(t, string(m.Body), fmt.Sprint(i))
			testx.NoErr(t, m.Ack(false))
		}
	}
	missed := server(int64(47)) // one that was away after 46
	for i := 47; i < 50; i++ {
		testx.Equal(t, string(next(t, missed).Body), fmt.Sprint(i))
	}
}
