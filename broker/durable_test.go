package broker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/user"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// openBroker starts a broker on a directory; the returned function stops it.
func openBroker(t testing.TB, cfg broker.Config) (*broker.Broker, func()) {
	t.Helper()
	b, err := broker.Open(cfg)
	testx.NoErr(t, err)
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		testx.NoErr(t, b.Shutdown(ctx))
	}
	t.Cleanup(stop)
	return b, stop
}

// TestRestart finds again what is durable, and nothing else.
func TestRestart(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir(), Sync: wal.Write}
	b, stop := openBroker(t, cfg)
	testx.NoErr(t, b.AddVHost(broker.VHostInfo{Name: "other", Description: "another", Tags: []string{"a"}}))
	testx.NoErr(t, b.AddUser("nova", "nova", "monitoring"))
	testx.NoErr(t, b.SetPermissions("nova", "other", "", "w", "r"))
	testx.NoErr(t, b.UserRegistry().SetTopicPermissions(user.TopicGrant{User: "nova", VHost: "other", Exchange: "x", Write: "a", Read: "b"}))
	testx.NoErr(t, b.UserRegistry().SetLimit("nova", user.MaxChannels, 5))
	v, err := b.VHost("/")
	testx.NoErr(t, err)
	testx.NoErr(t, v.SetLimit("max-queues", 50))
	testx.NoErr(t, v.SetPolicy(policy.Policy{Name: "p", Pattern: "^capped$", ApplyTo: "queues", Priority: 3, Definition: amqp.Table{"max-length": int64(1)}}, false))
	testx.NoErr(t, v.SetPolicy(policy.Policy{Name: "op", Pattern: "x", Definition: amqp.Table{"expires": int64(1 << 30)}}, true))

	ch := channel(t, b)
	testx.NoErr(t, ch.Confirm(false))
	testx.NoErr(t, ch.ExchangeDeclare("x", "topic", true, false, false, false, nil))
	testx.NoErr(t, ch.ExchangeDeclare("y", "headers", true, true, true, false, rabbit.Table{"alternate-exchange": "x"}))
	testx.NoErr(t, ch.ExchangeDeclare("transient", "topic", false, false, false, false, nil))
	args := rabbit.Table{"x-max-priority": int32(3), "x-message-ttl": int64(1 << 31)}
	for name, a := range map[string]rabbit.Table{
		"q": nil, "prio": args, "quorum": {"x-queue-type": "quorum"}, "capped": nil,
	} {
		_, err := ch.QueueDeclare(name, true, false, false, false, a)
		testx.NoErr(t, err)
		bind(t, ch, name, "#", "x", nil)
	}
	_, err = ch.QueueDeclare("mine", true, false, true, false, nil)
	testx.NoErr(t, err)
	declare(t, ch, "transient", nil)
	bind(t, ch, "transient", "#", "x", nil)
	bind(t, ch, "q", "k", "y", rabbit.Table{"h": int32(1)})
	bind(t, ch, "q", "k", "y", rabbit.Table{"h": "\x00"})
	testx.NoErr(t, ch.ExchangeBind("y", "key", "x", false, nil))
	var last *rabbit.DeferredConfirmation
	for i := range 5 {
		last, err = ch.PublishWithDeferredConfirm("x", fmt.Sprint("key.", i), false, false, rabbit.Publishing{
			Body: fmt.Append(nil, i), DeliveryMode: 2, Priority: uint8(i % 2), Headers: rabbit.Table{"h": int32(7)},
		})
		testx.NoErr(t, err)
	}
	testx.Equal(t, last.Wait(), true)
	testx.NoErr(t, ch.QueueUnbind("capped", "#", "x", nil))
	publish(t, ch, "x", "transient", "transient") // only the quorum queue keeps it
	m, _ := get(t, ch, "q", false)
	testx.NoErr(t, m.Ack(false))
	get(t, ch, "q", false) // not acknowledged
	m, _ = get(t, ch, "quorum", false)
	testx.NoErr(t, m.Nack(false, true))
	_, err = ch.QueueDelete("gone", false, false, false)
	testx.NoErr(t, err)
	before := b.Stats()
	grants := b.UserRegistry().Grants()
	stop()

	for range 2 { // a second time from what the first restart left
		b, stop = openBroker(t, cfg)
		after := b.Stats()
		testx.Equal(t, b.VHosts()[1], broker.VHostInfo{Name: "other", Description: "another", Tags: []string{"a"}})
		testx.NoErr(t, b.Authenticate("nova", "nova"))
		testx.Equal(t, b.UserRegistry().Grants(), grants)
		testx.Equal(t, len(b.UserRegistry().TopicGrants()), 1)
		testx.Equal(t, b.Users()[1].Limits, map[string]int64{"max-channels": 5})
		v, err = b.VHost("/")
		testx.NoErr(t, err)
		testx.Equal(t, v.Limits(), map[string]int64{"max-queues": 50})
		testx.Equal(t, v.Policies(false)[0].Priority, 3)
		testx.Equal(t, v.Policies(true)[0].Definition, amqp.Table{"expires": int64(1 << 30)})
		var lost []string
		have := map[string]bool{}
		for _, x := range after.VHosts[0].Exchanges {
			have["x "+x.Name] = true
		}
		for _, q := range after.VHosts[0].Queues {
			have["q "+q.Name] = true
		}
		for _, x := range before.VHosts[0].Exchanges {
			if !have["x "+x.Name] {
				lost = append(lost, x.Name)
			}
		}
		for _, q := range before.VHosts[0].Queues {
			if !have["q "+q.Name] {
				lost = append(lost, q.Name)
			}
		}
		testx.Equal(t, lost, []string{"transient", "mine", "transient"})
		testx.Equal(t, len(after.VHosts[0].Bindings), len(before.VHosts[0].Bindings)-3)
		for _, q := range after.VHosts[0].Queues {
			want := map[string]int{"q": 4, "prio": 5, "quorum": 6, "capped": 1}[q.Name]
			testx.Equal(t, []any{q.Name, q.Ready}, []any{q.Name, want})
		}
		stop()
	}
	b, _ = openBroker(t, cfg)
	ch = channel(t, b)
	_, err = ch.QueueDeclare("prio", true, false, false, false, args)
	testx.NoErr(t, err)
	testx.Equal(t, drain(t, ch, "prio"), []string{"1", "3", "0", "2", "4"})
	m, _ = get(t, ch, "q", true)
	testx.Equal(t, []any{string(m.Body), m.Redelivered, m.RoutingKey, m.Headers["h"], m.DeliveryMode}, []any{"1", true, "key.1", int32(7), uint8(2)})
	m, _ = get(t, ch, "q", true)
	testx.Equal(t, []any{string(m.Body), m.Redelivered}, []any{"2", false})
	m, _ = get(t, ch, "quorum", true)
	testx.Equal(t, []any{string(m.Body), m.Redelivered, m.Headers["x-delivery-count"]}, []any{"0", true, int64(1)})
	testx.Equal(t, drain(t, ch, "capped"), []string{"4"})
	_, err = ch.QueueDelete("quorum", false, false, false)
	testx.NoErr(t, err)
	publish(t, ch, "x", "k", "still bound")
	testx.Equal(t, drain(t, ch, "q"), []string{"3", "4", "still bound"})
}

// TestSpill holds more messages than memory is to have: they stay on disk, in
// order, and nothing is lost or counted wrongly.
func TestSpill(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir(), Sync: wal.Write, MemoryWatermark: 8 << 20}
	b, stop := openBroker(t, cfg)
	ch := channel(t, b)
	_, err := ch.QueueDeclare("q", true, false, false, false, nil)
	testx.NoErr(t, err)
	declare(t, ch, "transient", nil)
	testx.NoErr(t, ch.Confirm(false))
	const n = 20000
	pad := strings.Repeat("x", 1000)
	var last *rabbit.DeferredConfirmation
	for i := range n {
		for _, q := range []string{"q", "transient"} {
			last, err = ch.PublishWithDeferredConfirm("", q, false, false, rabbit.Publishing{Body: fmt.Append(nil, i, pad), DeliveryMode: 2})
			testx.NoErr(t, err)
		}
	}
	testx.Equal(t, last.Wait(), true)
	s := b.Stats()
	for _, q := range s.VHosts[0].Queues {
		testx.Equal(t, q.Ready, n)
	}
	if s.MemoryUsed > cfg.MemoryWatermark {
		t.Errorf("%d octets of messages are in memory", s.MemoryUsed)
	}
	take := func(ch *rabbit.Channel, q string, from, to int) {
		t.Helper()
		testx.NoErr(t, ch.Qos(200, 0, false))
		d, err := ch.Consume(q, q, false, false, false, false, nil)
		testx.NoErr(t, err)
		for i := from; i < to; i++ {
			m := next(t, d)
			if want := fmt.Sprint(i, pad); string(m.Body) != want {
				t.Fatalf("got %.10s; want %.10s", m.Body, want)
			}
			testx.NoErr(t, m.Ack(false))
		}
		testx.NoErr(t, ch.Cancel(q, false))
	}
	take(ch, "transient", 0, n)
	take(ch, "q", 0, n/2)
	testx.NoErr(t, ch.Close())
	stop()

	b, _ = openBroker(t, cfg)
	ch = channel(t, b)
	testx.Equal(t, b.Stats().VHosts[0].Queues[0].Ready, n/2)
	take(ch, "q", n/2, n-3000)
	testx.NoErr(t, ch.Close())
	testx.Eventually(t, "what was not acknowledged is back", func() bool { return b.Stats().VHosts[0].Queues[0].Unacked == 0 })
	purged, err := channel(t, b).QueuePurge("q", false)
	testx.NoErr(t, err)
	testx.Equal(t, purged, 3000)
	testx.Equal(t, b.Stats().VHosts[0].Queues[0].ReadyBytes, int64(0))
}

// TestOpenRefuses does not start on a log that is damaged.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir()}
	_, stop := openBroker(t, cfg)
	_, err := broker.Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "another broker uses the directory") {
		t.Errorf("a second broker on a directory: %v", err)
	}
	stop()
	name := filepath.Join(cfg.DataDir, "0000000000000001.wal")
	data, err := os.ReadFile(name)
	testx.NoErr(t, err)
	data[100] ^= 1
	testx.NoErr(t, os.WriteFile(name, data, 0o600))
	_, err = broker.Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "the log is corrupt: segment 0000000000000001 is damaged") {
		t.Errorf("a damaged log: %v", err)
	}
}
