package broker_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killChild); dir != "" {
		brokerMain(dir)
		return
	}
	if os.Getenv(overloadChild) != "" {
		overloadMain()
		return
	}
	goleak.VerifyTestMain(m)
}

// newBroker starts a broker that ends with the test.
func newBroker(t testing.TB, cfg broker.Config) *broker.Broker {
	t.Helper()
	b := broker.New(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		testx.NoErr(t, b.Shutdown(ctx))
	})
	return b
}

// dial connects a client through memory.
func dial(t testing.TB, b *broker.Broker) *rabbit.Connection {
	t.Helper()
	c, err := dialAs(b, "guest", "guest")
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func dialAs(b *broker.Broker, name, password string) (*rabbit.Connection, error) {
	return rabbit.DialConfig("amqp://"+name+":"+password+"@memory/", rabbit.Config{
		Dial: func(string, string) (net.Conn, error) { return b.Dial() },
	})
}

// channel opens a channel on a connection of its own.
func channel(t testing.TB, b *broker.Broker) *rabbit.Channel {
	t.Helper()
	ch, err := dial(t, b).Channel()
	testx.NoErr(t, err)
	return ch
}

func declare(t testing.TB, ch *rabbit.Channel, name string, args rabbit.Table) {
	t.Helper()
	_, err := ch.QueueDeclare(name, false, false, false, false, args)
	testx.NoErr(t, err)
}

func publish(t testing.TB, ch *rabbit.Channel, exchange, key, body string) {
	t.Helper()
	testx.NoErr(t, ch.Publish(exchange, key, false, false, rabbit.Publishing{Body: []byte(body)}))
}

func consume(t testing.TB, ch *rabbit.Channel, q string, autoAck bool) <-chan rabbit.Delivery {
	t.Helper()
	d, err := ch.Consume(q, "", autoAck, false, false, false, nil)
	testx.NoErr(t, err)
	return d
}

// next waits for a delivery.
func next(t testing.TB, d <-chan rabbit.Delivery) rabbit.Delivery {
	t.Helper()
	select {
	case m, ok := <-d:
		if !ok {
			t.Fatal("the consumer was closed")
		}
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("no delivery")
	}
	panic("unreachable")
}

func TestPublishConsume(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "hello", nil)
	publish(t, ch, "", "hello", "first")
	d := consume(t, ch, "hello", false)
	publish(t, ch, "", "hello", "second")
	for _, want := range []string{"first", "second"} {
		m := next(t, d)
		testx.Equal(t, string(m.Body), want)
		testx.NoErr(t, m.Ack(false))
	}
	testx.Eventually(t, "all acknowledged", func() bool { return b.Stats().VHosts[0].Queues[0].Unacked == 0 })
	testx.Equal(t, b.Stats().MemoryUsed, int64(0))
}
