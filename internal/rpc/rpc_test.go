package rpc

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"nubo/broker"
	"nubo/internal/clock"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// openURL gives a bus to a broker, closed with the test.
func openURL(t testing.TB, url string) *Bus {
	t.Helper()
	b := Open(Config{URLs: []string{url}, Name: t.Name(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(func() { b.Close(context.Background()) })
	return b
}

// serve runs a server until the test ends.
func serve(t testing.TB, b *Bus, srv Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.Serve(ctx, srv, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("serve: %v", err)
	case <-time.After(limit):
		t.Fatal("the server is not ready")
	}
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			testx.NoErr(t, receive(t, ended))
		}
	}
	t.Cleanup(stop)
	return stop
}

func target() Target {
	return Target{Exchange: "x" + clock.NewHexID()[:8], Topic: "t" + clock.NewHexID()[:8], Server: "h1", Version: "1.3"}
}

// eachBroker runs a test against every broker nubo works with.
func eachBroker(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	t.Run("nubo", func(t *testing.T) {
		t.Parallel()
		test(t, startBroker(t))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		test(t, rabbittest.Start(t))
	})
}

// startBroker gives the transport URL of a nubo broker that ends with the test.
func startBroker(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	b := newBroker(t)
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(l) }()
	t.Cleanup(func() {
		testx.NoErr(t, b.Shutdown(context.Background()))
		testx.ErrIs(t, <-ended, broker.ErrClosed)
	})
	return "rabbit://guest:guest@" + l.Addr().String() + "/"
}

func newBroker(t testing.TB) *broker.Broker {
	b := broker.New(broker.Config{})
	t.Cleanup(func() { b.Shutdown(context.Background()) })
	return b
}

// limit is how long a test waits for what must happen. It bounds a broken
// test, it does not assert speed.
const limit = time.Minute

// receive waits for a value.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(limit):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// listen collects notifications until the test ends.
func listen(t testing.TB, b *Bus, target ListenTarget) <-chan Notification {
	t.Helper()
	got := make(chan Notification, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- b.Listen(ctx, []ListenTarget{target}, func(_ context.Context, n Notification) error {
			got <- n
			return nil
		}, func() { close(ready) })
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("listen: %v", err)
	case <-time.After(limit):
		t.Fatal("the listener is not ready")
	}
	t.Cleanup(func() { cancel(); testx.NoErr(t, receive(t, ended)) })
	return got
}
