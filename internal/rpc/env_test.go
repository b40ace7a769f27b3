package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// env is a broker behind a wire that a test can cut.
type env struct {
	t testing.TB

	mu    sync.Mutex // guards the fields below
	dial  func() (net.Conn, error)
	conns []net.Conn
}

// inMemory is nubo's broker, in memory.
func inMemory(t testing.TB) *env {
	e := &env{t: t}
	e.restart()
	return e
}

// eachEnv runs a test with nubo's broker in memory and with RabbitMQ.
func eachEnv(t *testing.T, test func(t *testing.T, e *env)) {
	t.Parallel()
	t.Run("nubo", func(t *testing.T) {
		t.Parallel()
		test(t, inMemory(t))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		addr := strings.Trim(rabbittest.Start(t)[len("rabbit://guest:guest@"):], "/")
		test(t, &env{t: t, dial: func() (net.Conn, error) { return net.Dial("tcp", addr) }})
	})
}

// restart replaces the broker by an empty one.
func (e *env) restart() {
	b := broker.New(broker.Config{})
	e.t.Cleanup(func() { b.Shutdown(context.Background()) })
	e.mu.Lock()
	e.dial = b.Dial
	e.mu.Unlock()
	e.cut()
}

// stop lets nobody connect until restart.
func (e *env) stop() {
	e.mu.Lock()
	e.dial = func() (net.Conn, error) { return nil, errors.New("connection refused") }
	e.mu.Unlock()
	e.cut()
}

// cut breaks every connection.
func (e *env) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.conns {
		c.Close()
	}
	e.conns = nil
}

func (e *env) connect(context.Context) (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.dial()
	if err == nil {
		e.conns = append(e.conns, c)
	}
	return c, err
}

// bus opens a bus that is closed with the test.
func (e *env) bus() *Bus {
	b := Open(Config{Dial: e.connect, Name: e.t.Name(), Log: slog.New(slog.NewTextHandler(e.t.Output(), nil))})
	e.t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

// raw opens a channel of the AMQP library, apart from what cut breaks.
func (e *env) raw() *amqp.Channel {
	e.t.Helper()
	e.mu.Lock()
	nc, err := e.dial()
	e.mu.Unlock()
	testx.NoErr(e.t, err)
	conn, err := amqp.Open(nc, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "guest"}},
		Vhost: "/", Locale: "en_US"})
	testx.NoErr(e.t, err)
	e.t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	testx.NoErr(e.t, err)
	return ch
}

// depth waits until a queue holds n ready messages.
func depth(t testing.TB, ch *amqp.Channel, queue string, n int) {
	t.Helper()
	testx.Eventually(t, queue+" holds the messages", func() bool {
		q, err := ch.QueueDeclarePassive(queue, false, false, false, false, nil)
		testx.NoErr(t, err)
		return q.Messages == n
	})
}
