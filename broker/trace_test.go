package broker_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// tracing publishes, consumes and gets with tracing on, and describes what was
// traced.
func tracing(p *peer, c ch, trace func(on bool)) []string {
	p.t.Helper()
	durable(p, c, "q", nil)
	durable(p, c, "dl", nil)
	watcher := p.channel()
	spool, err := watcher.QueueDeclare("", false, false, true, false, nil)
	testx.NoErr(p.t, err)
	testx.NoErr(p.t, watcher.QueueBind(spool.Name, "#", "amq.rabbitmq.trace", false, nil))
	traced, err := watcher.Consume(spool.Name, "", true, false, false, false, nil)
	testx.NoErr(p.t, err)
	publishFull(p, c, "", "q", rabbit.Publishing{Body: []byte("before")})
	wait(p, c, "q") // stays unacknowledged, and comes again
	trace(true)
	c2 := p.channel()
	publishFull(p, c2, "", "q", rabbit.Publishing{
		Body: []byte("1"), ContentType: "text/plain", DeliveryMode: 2, Priority: 3, Timestamp: time.Unix(1e9, 0), MessageId: "m", AppId: "a",
		Headers: rabbit.Table{"mine": "x", "CC": []any{"dl"}},
	})
	publishFull(p, c2, "amq.topic", "nowhere", rabbit.Publishing{Body: make([]byte, 20_000)})
	var got []string
	take := func(n int) {
		var some []string
		for range n {
			some = append(some, traceOf(next(p.t, traced)))
		}
		slices.Sort(some) // a queue may be faster than a trace
		got = append(got, some...)
	}
	take(2)
	wait(p, c2, "q")
	testx.NoErr(p.t, c.Close())
	d, err := c2.Consume("q", "", true, false, false, false, nil)
	testx.NoErr(p.t, err)
	next(p.t, d)
	take(2)
	trace(false)
	testx.NoErr(p.t, wait(p, c2, "dl").Nack(false, true)) // which nobody sees
	left(p, c2, "dl")
	trace(true)
	d, err = p.channel().Consume("dl", "", true, false, false, false, nil)
	testx.NoErr(p.t, err)
	next(p.t, d)
	take(1)
	trace(false)
	return got
}

// traceOf describes a trace, but for what is another's each time.
func traceOf(m rabbit.Delivery) string {
	h := m.Headers
	for _, k := range []string{"node", "connection"} {
		if s, ok := h[k].(string); !ok || s == "" {
			return "no " + k
		}
		delete(h, k)
	}
	if list, ok := h["routed_queues"].([]any); ok { // in no order
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	}
	var all []string
	for k, v := range h {
		all = append(all, fmt.Sprintf("%s=%v %T", k, v, v))
	}
	slices.Sort(all)
	return fmt.Sprintf("%s %s of %d, mode %d: %s", m.Exchange, m.RoutingKey, len(m.Body), m.DeliveryMode, strings.Join(all, ", "))
}

// switchTrace switches tracing as rabbitmqctl and the HTTP API do.
func switchTrace(t *testing.T, b *broker.Broker) func(on bool) {
	return func(on bool) {
		testx.NoErr(t, b.UpdateVHost(broker.VHostInfo{Name: "/", Tracing: on}))
	}
}

// TestTracing traces on this broker, and also after it was started again.
func TestTracing(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir()}
	b, stop := openBroker(t, cfg)
	p := &peer{t, func() (*rabbit.Connection, error) { return dialAs(b, "guest", "guest") }}
	got := tracing(p, p.channel(), switchTrace(t, b))
	testx.Equal(t, len(got), 5)
	for i, want := range []string{
		"amq.rabbitmq.trace publish. of 1,", "amq.rabbitmq.trace publish.amq.topic of 20000,",
		"amq.rabbitmq.trace deliver.q of 1,", "amq.rabbitmq.trace deliver.q of 6,", "amq.rabbitmq.trace deliver.dl of 1,",
	} {
		testx.Equal(t, strings.HasPrefix(got[i], want), true)
	}
	switchTrace(t, b)(true)
	stop()

	b, _ = openBroker(t, cfg)
	ch := channel(t, b)
	declare(t, ch, "spool", nil)
	testx.NoErr(t, ch.QueueBind("spool", "publish.#", "amq.rabbitmq.trace", false, nil))
	publish(t, ch, "", "nowhere", "again")
	testx.Equal(t, string(next(t, consume(t, ch, "spool", true)).Body), "again")
	for _, q := range []string{"q", "dl"} {
		_, err := ch.QueuePurge(q, false)
		testx.NoErr(t, err)
	}
	testx.Eventually(t, "the copies are gone", func() bool { return b.MemoryUsed() == 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	testx.NoErr(t, b.Shutdown(ctx))
}

// tracesLikeRabbitMQ compares the traces of this broker with those of RabbitMQ.
func tracesLikeRabbitMQ(t *testing.T, theirs *peer) {
	b := newBroker(t, broker.Config{})
	ours := &peer{t, func() (*rabbit.Connection, error) {
		return rabbit.DialConfig("amqp://guest:guest@memory/", rabbit.Config{Dial: func(string, string) (net.Conn, error) { return b.Dial() }})
	}}
	want := tracing(theirs, theirs.channel(), func(on bool) {
		_, errs, code := rabbittest.Run(t, "rabbitmqctl", map[bool]string{true: "trace_on", false: "trace_off"}[on])
		testx.Equal(t, []any{code, errs}, []any{0, errs})
	})
	testx.Equal(t, tracing(ours, ours.channel(), switchTrace(t, b)), want)
}
