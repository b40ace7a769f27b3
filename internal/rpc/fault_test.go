package rpc

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"nubo/internal/clock"
	"nubo/internal/testx"
)

// TestWireCutDuringCall breaks every connection while a handler runs.
func TestWireCutDuringCall(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		began, release := make(chan struct{}, 10), make(chan struct{})
		serve(t, e.bus(), one(tg, func(context.Context, struct{}) (any, error) {
			began <- struct{}{}
			<-release
			return "done", nil
		}))
		var result string
		called := make(chan error, 1)
		go func() { called <- b.Client(tg).Call(context.Background(), "run", nil, &result) }()
		receive(t, began)
		e.cut()
		close(release)
		testx.NoErr(t, receive(t, called))
		testx.Equal(t, result, "done")
		testx.Equal(t, len(began), 0) // it ran once
	})
}

// TestCastsOverABadWire cuts the wire again and again while casts are sent
// and run: each has its effect, once.
func TestCastsOverABadWire(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		const senders, each = 8, 40
		b, tg := e.bus(), target()
		var mu sync.Mutex
		ran := map[int]int{}
		serve(t, e.bus(), one(tg, func(_ context.Context, in idArgs) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			ran[in.ID]++
			return nil, nil
		}))
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					if err := b.Client(tg).Cast(context.Background(), "run", idArgs{s*each + i}); err != nil {
						t.Errorf("cast: %v", err)
					}
				}
			})
		}
		sent := make(chan struct{})
		go func() { wg.Wait(); close(sent) }()
		for cuts := 0; ; cuts++ {
			select {
			case <-sent:
			case <-time.After(70 * time.Millisecond): // between reconnections
				if cuts < 20 {
					e.cut()
				}
				continue
			}
			break
		}
		testx.Eventually(t, "every cast ran", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(ran) == senders*each
		})
		depth(t, e.raw(), tg.Topic+"."+tg.Server, 0)
		mu.Lock()
		defer mu.Unlock()
		for id, n := range ran {
			if n != 1 {
				t.Errorf("cast %d ran %d times", id, n)
			}
		}
	})
}

// TestBrokerRestart replaces the broker by one that remembers nothing.
func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	ran := make(chan int, 10)
	hold := make(chan struct{})
	server := e.bus()
	serve(t, server, Server{Target: tg, Methods: map[string]Handler{
		"add": Method(add),
		"run": Method(func(_ context.Context, in idArgs) (any, error) { ran <- in.ID; return nil, nil }),
		"hold": Method(func(context.Context, struct{}) (any, error) {
			ran <- -1
			<-hold
			return "held", nil
		}),
	}})
	c := b.Client(tg)
	testx.NoErr(t, c.Call(t.Context(), "add", addArgs{1, 2}, nil))
	held, cast := make(chan error, 1), make(chan error, 1)
	var result string
	go func() { held <- c.Call(context.Background(), "hold", nil, &result) }()
	testx.Equal(t, receive(t, ran), -1)

	e.stop()
	err := c.Call(t.Context(), "add", addArgs{1, 2}, nil, Timeout(200*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "Timed out") {
		t.Errorf("got %v while there is no broker; want a time-out", err)
	}
	go func() { cast <- c.Cast(context.Background(), "run", idArgs{7}) }()
	close(hold) // its reply has nowhere to go yet
	e.restart()

	testx.NoErr(t, receive(t, cast))
	testx.Equal(t, receive(t, ran), 7)
	testx.NoErr(t, receive(t, held))
	testx.Equal(t, result, "held")
	var sum int
	testx.NoErr(t, c.Call(t.Context(), "add", addArgs{1, 2}, &sum))
	testx.Equal(t, sum, 3)
	testx.Equal(t, len(ran), 0)
}

// TestQueueDeleted is an operator's hand: the server makes its queue again.
func TestQueueDeleted(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		serve(t, e.bus(), Server{Target: tg, Methods: map[string]Handler{"add": Method(add)}})
		testx.NoErr(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil))
		_, err := e.raw().QueueDelete(tg.Topic+"."+tg.Server, false, false, false)
		testx.NoErr(t, err)
		testx.NoErr(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil))
	})
}

// TestReplyQueueGone is a caller that does not come back.
func TestReplyQueueGone(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b := e.bus()
	m := &outgoing{
		Envelope: Envelope{Key: "reply_gone", Body: []byte(`{}`), Mandatory: true},
		role:     roleReply, until: time.Now().Add(300 * time.Millisecond),
	}
	settled := make(chan error, 1)
	m.done = func(err error) { settled <- err }
	b.pub.submit(m)
	testx.NoErr(t, receive(t, settled))
	testx.Equal(t, b.dead.has("reply_gone"), true)

	// One that comes late finds its queue.
	ch := e.raw()
	late := "reply_" + clock.NewHexID()
	m = &outgoing{Envelope: Envelope{Key: late, Body: []byte(`{}`), Mandatory: true}, role: roleReply, until: time.Now().Add(limit)}
	m.done = func(err error) { settled <- err }
	b.pub.submit(m)
	testx.Eventually(t, "it came back", m.unroutable.Load)
	testx.NoErr(t, topology{ch, false}.reply(late))
	testx.NoErr(t, receive(t, settled))
	testx.Equal(t, b.dead.has(late), false)
}

// TestReplyForms are the ways servers answer.
func TestReplyForms(t *testing.T) {
	t.Parallel()
	b := Open(Config{})
	defer b.Close(context.Background())
	tests := []struct {
		name    string
		replies []string
		want    string
	}{
		{"one message", []string{`{"result":1,"failure":null,"ending":true,"_msg_id":"m"}`}, "1"},
		{"two messages", []string{`{"result":1,"failure":null,"ending":false,"_msg_id":"m"}`, `{"result":null,"failure":null,"ending":true,"_msg_id":"m"}`}, "1"},
		{"null", []string{`{"result":null,"failure":null,"ending":true,"_msg_id":"m"}`}, ""},
		{"after a sign of life", []string{`{"result":null,"failure":null,"ending":false,"_msg_id":"m"}`, `{"result":1,"failure":null,"ending":true,"_msg_id":"m"}`}, "1"},
		{"after another's and rubbish", []string{`{"result":2,"ending":true,"_msg_id":"n"}`, `rubbish`, `{"result":1,"ending":true,"_msg_id":"m"}`}, "1"},
		{"repeated", []string{`{"result":1,"ending":true,"_msg_id":"m"}`, `{"result":2,"ending":true,"_msg_id":"m"}`}, "1"},
	}
	for _, tt := range tests {
		w := b.replies.add("m", true)
		for _, body := range tt.replies {
			b.replies.deliver([]byte(body))
		}
		testx.Equal(t, string(receive(t, w.final).result), tt.want)
		testx.Equal(t, len(w.final), 0)
		b.replies.remove(w)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	serve(t, e.bus(), Server{Target: tg, Methods: map[string]Handler{"add": Method(add), "run": Method(
		func(ctx context.Context, _ struct{}) (any, error) { <-ctx.Done(); return nil, nil })}})
	serving, called := make(chan error, 1), make(chan error, 1)
	ready := make(chan struct{})
	other := target()
	go func() {
		serving <- b.Serve(context.Background(), Server{Target: other}, func() { close(ready) })
	}()
	receive(t, ready)
	testx.NoErr(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil))
	go func() { called <- b.Client(tg).Call(context.Background(), "run", nil, nil, Timeout(time.Second)) }()
	b.Close(t.Context())
	testx.ErrIs(t, receive(t, serving), ErrClosed)
	receive(t, called) // closed or timed out: it does not hang
	testx.ErrIs(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil), ErrClosed)
	testx.ErrIs(t, b.Client(tg).Cast(t.Context(), "add", addArgs{}), ErrClosed)
	testx.ErrIs(t, b.Serve(t.Context(), Server{Target: tg}, nil), ErrClosed)
	b.Close(t.Context()) // again: nothing
}

// TestCloseSendsWhatWaits gives a bus messages and closes it at once.
func TestCloseSendsWhatWaits(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	settled := make(chan error, 100)
	for range 100 {
		env, err := b.Client(tg).EncodeCast(t.Context(), "run", nil)
		testx.NoErr(t, err)
		b.pub.submit(&outgoing{Envelope: env, role: roleCast, done: func(err error) { settled <- err }})
	}
	b.Close(t.Context())
	for range 100 {
		testx.NoErr(t, receive(t, settled))
	}
	depth(t, e.raw(), tg.Topic+"."+tg.Server, 100)
}

func TestNoBroker(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	e.stop()
	b, tg := e.bus(), target()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := b.Client(tg).Cast(ctx, "run", nil)
	testx.ErrIs(t, err, context.DeadlineExceeded)
	if !strings.Contains(err.Error(), "did not confirm") {
		t.Errorf("%q does not say what happened", err)
	}
	bad := Open(Config{URLs: []string{"rabbit://u:secret@h/%zz"}})
	defer bad.Close(t.Context())
	for _, err := range []error{bad.Client(tg).Call(t.Context(), "m", nil, nil), bad.Client(tg).Cast(t.Context(), "m", nil),
		bad.Serve(t.Context(), Server{Target: tg}, nil)} {
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "transport URL") {
			t.Errorf("got %v; want an error about the URL, without the password", err)
		}
	}
	if err := b.Serve(t.Context(), Server{Target: Target{Topic: "t"}}, nil); err == nil {
		t.Error("a server without exchange and name: want an error")
	}
}
