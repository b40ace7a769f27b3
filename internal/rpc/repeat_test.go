package rpc

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/testx"
)

// deaf is a connection whose client can be made to hear nothing more, until it
// is cut.
type deaf struct {
	net.Conn
	now, closed chan struct{}
	once        sync.Once
}

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	select {
	case <-d.now:
		<-d.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (d *deaf) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Conn.Close()
}

// deafBus opens a bus of which deafen makes all connections so far deaf.
func deafBus(e *env) (b *Bus, deafen func()) {
	var mu sync.Mutex // guards conns
	var conns []*deaf
	b = Open(Config{Name: e.t.Name(), Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := e.connect(ctx)
		if err != nil {
			return nil, err
		}
		d := &deaf{Conn: c, now: make(chan struct{}), closed: make(chan struct{})}
		e.mu.Lock()
		e.conns = append(e.conns, d)
		e.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, d)
		return d, nil
	}})
	e.t.Cleanup(func() { b.Close(context.Background()) })
	return b, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range conns {
			close(d.now)
		}
		conns = nil
	}
}

// confirmed waits until the broker has all calls of the bus.
func confirmed(t *testing.T, b *Bus) {
	t.Helper()
	testx.Eventually(t, "the calls are confirmed", func() bool {
		b.replies.mu.Lock()
		defer b.replies.mu.Unlock()
		for _, w := range b.replies.waiting {
			if !w.confirmed.Load() {
				return false
			}
		}
		return len(b.replies.waiting) > 0
	})
}

// settled waits until the broker has all that the bus has published.
func settled(t *testing.T, b *Bus) {
	t.Helper()
	testx.Eventually(t, "all is published", func() bool {
		b.pub.mu.Lock()
		defer b.pub.mu.Unlock()
		return b.pub.outstanding == 0
	})
}

// TestRequestLost ends the broker before it has delivered a call.
func TestRequestLost(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	key := tg.Topic + "." + tg.Server
	testx.NoErr(t, topology{e.raw(), false}.topic(tg.Exchange, key, key)) // nobody consumes it
	called := make(chan error, 1)
	go func() { called <- b.Client(tg).Call(context.Background(), "run", nil, nil, Timeout(time.Hour)) }()
	depth(t, e.raw(), key, 1)
	confirmed(t, b)
	e.restart()
	serve(t, e.bus(), one(tg, func(context.Context, struct{}) (any, error) { return nil, nil }))
	testx.NoErr(t, receive(t, called))
}

// TestReplyLost ends the broker when it has the reply and the caller has not.
func TestReplyLost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// meanwhile happens to the servers while there is no broker.
		meanwhile func(first, second func())
		most      int32 // how often the call may run
	}{
		{"the server is asked again", func(_, _ func()) {}, 1},
		{"another server has started", func(stop, start func()) { stop(); start() }, 2},
		{"another server has come", func(_, start func()) { start() }, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := inMemory(t)
			b, deafen := deafBus(e)
			tg := target()
			topic := tg
			topic.Server = ""
			var ran atomic.Int32
			began, release := make(chan struct{}, 10), make(chan struct{})
			offer := one(tg, func(context.Context, struct{}) (any, error) {
				began <- struct{}{}
				<-release
				return "done " + strconv.Itoa(int(ran.Add(1))), nil
			})
			server := e.bus()
			stop := serve(t, server, offer)
			var result string
			called := make(chan error, 1)
			go func() { called <- b.Client(topic).Call(context.Background(), "run", nil, &result, Timeout(time.Hour)) }()
			receive(t, began)
			confirmed(t, b)
			deafen()
			close(release)
			testx.Eventually(t, "it ran", func() bool { return ran.Load() == 1 })
			settled(t, server) // its reply is in the broker's hands
			e.stop()
			tt.meanwhile(stop, func() {
				offer.Target.Server = "h2"
				other := e.bus()
				run(t, func(ctx context.Context) { _ = other.Serve(ctx, offer, nil) }) // the call shows it
			})
			e.restart()
			testx.NoErr(t, receive(t, called))
			if n := ran.Load(); n > tt.most || result != "done 1" && result != "done 2" {
				t.Errorf("it ran %d times and gave %q", n, result)
			}
		})
	}
}

// TestRepeatWhileRunning has calls that run, all through the broker's restart,
// sent again: the server drops the repeats and answers once.
func TestRepeatWhileRunning(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, server, tg := e.bus(), e.bus(), target()
	const calls = 20
	began, release := make(chan int, 2*calls), make(chan struct{})
	serve(t, server, one(tg, func(_ context.Context, in idArgs) (any, error) {
		began <- in.ID
		<-release
		return in.ID, nil
	}))
	called := make(chan error, calls)
	for i := range calls {
		go func() {
			var result int
			err := b.Client(tg).Call(context.Background(), "run", idArgs{i}, &result, Timeout(time.Hour))
			if result != i {
				t.Errorf("call %d was answered %d", i, result)
			}
			called <- err
		}()
	}
	for range calls {
		receive(t, began)
	}
	confirmed(t, b)
	e.restart()
	confirmed(t, b)
	close(release)
	for range calls {
		testx.NoErr(t, receive(t, called))
	}
	testx.Equal(t, len(began), 0)
}

// TestRepeatIsAnsweredAgain sends one call's message by hand, again and again.
func TestRepeatIsAnsweredAgain(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		tg, server := target(), e.bus()
		var ran atomic.Int32
		serve(t, server, Server{Target: tg, Methods: map[string]Handler{
			"run":  Method(func(context.Context, struct{}) (any, error) { return ran.Add(1), nil }),
			"long": Method(func(context.Context, struct{}) (any, error) { return make([]byte, answerBytes), nil }),
		}})
		ch, queue := e.raw(), "reply_"+clock.NewHexID()
		testx.NoErr(t, topology{ch, false}.reply(queue))
		answers, err := ch.Consume(queue, "", true, false, false, false, nil)
		testx.NoErr(t, err)
		send := func(method, id string) {
			body, err := encodeRequest(&request{method: method, version: "1.0", msgID: id, replyQ: queue, uniqueID: "u" + id}, nil, &auth.Context{})
			testx.NoErr(t, err)
			testx.NoErr(t, server.send(t.Context(), envelopeFor(tg, body), limit))
		}
		answer := func() string {
			in, err := decodeReply(receive(t, answers).Body)
			testx.NoErr(t, err)
			return in.msgID + " " + string(in.result[:1])
		}
		send("run", "a")
		testx.Equal(t, answer(), "a 1")
		send("run", "a")
		testx.Equal(t, answer(), "a 1")
		send("run", "b")
		testx.Equal(t, answer(), "b 2")
		send("long", "c")
		testx.Equal(t, answer(), `c "`)
		send("long", "c") // too long to be remembered: dropped
		send("run", "a")
		testx.Equal(t, answer(), "a 1")
		testx.Equal(t, ran.Load(), int32(2))
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	a := newAnswers(clock.Func(func() time.Time { return now }))
	soon, late := now.Add(time.Second), now.Add(time.Hour)
	a.keep("", []byte("x"), late)
	a.keep("one", []byte("1"), soon)
	a.keep("one", []byte("2"), late)
	testx.Equal(t, string(a.of("one")), "1")
	testx.Equal(t, len(a.of("")), 0)
	a.keep("long", make([]byte, answerBytes+1), late)
	testx.Equal(t, len(a.of("long")), 0)
	now = soon.Add(1)
	a.keep("two", []byte("2"), late) // nobody waits for the first any more
	testx.Equal(t, []int{len(a.kept), len(a.order), a.bytes}, []int{1, 1, 1})
	a.keep("late", []byte("3"), soon)
	testx.Equal(t, string(a.of("two")), "2")
	for i := range 5 {
		a.keep("big"+strconv.Itoa(i), make([]byte, answerBytes), late)
	}
	testx.Equal(t, []int{len(a.kept), len(a.order), a.bytes}, []int{4, 4, answersBytes})
	testx.Equal(t, len(a.of("big0")), 0)
	for i := range answersCount + 10 {
		a.keep(strconv.Itoa(i), []byte("x"), late)
	}
	testx.Equal(t, []int{len(a.kept), len(a.order), a.bytes}, []int{answersCount, answersCount, answersCount})
	now = late.Add(1)
	a.keep("last", nil, soon)
	testx.Equal(t, []int{len(a.kept), len(a.order), a.bytes}, []int{0, 0, 0})
}
