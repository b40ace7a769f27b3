package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

type addArgs struct{ A, B int }

func add(_ context.Context, in addArgs) (int, error) { return in.A + in.B, nil }

type idArgs struct {
	ID int `json:"id"`
}

// one is a server with one method, run.
func one[A any](tg Target, fn func(ctx context.Context, in A) (any, error)) Server {
	return Server{Target: tg, Methods: map[string]Handler{"run": Method(fn)}}
}

func TestCall(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		tg.Namespace = "calc"
		serve(t, b, Server{Target: tg, Methods: map[string]Handler{
			"add": Method(add),
			"who": Method(func(ctx context.Context, _ struct{}) (*auth.Context, error) { return auth.From(ctx), nil }),
			"fault": Method(func(context.Context, struct{}) (any, error) {
				return nil, fmt.Errorf("look: %w", fault.NotFoundf("No such thing.").WithType("ThingNotFound"))
			}),
			"panic":  Method(func(context.Context, struct{}) (any, error) { panic("boom") }),
			"opaque": Method(func(context.Context, struct{}) (any, error) { return make(chan int), nil }),
			"null":   Method(func(context.Context, struct{}) (any, error) { return nil, nil }),
		}})
		c := b.Client(tg)
		var sum int
		testx.NoErr(t, c.Call(t.Context(), "add", addArgs{2, 3}, &sum))
		testx.Equal(t, sum, 5)
		testx.NoErr(t, c.Call(t.Context(), "null", nil, &sum))

		caller := &auth.Context{UserID: "u", ProjectID: "p", RequestID: "req-1", Roles: []string{"member"}, Token: "t"}
		var who auth.Context
		testx.NoErr(t, c.Call(auth.With(t.Context(), caller), "who", nil, &who))
		testx.Equal(t, &who, caller)

		other, newer := tg, tg
		other.Namespace, newer.Version = "", "1.4"
		tests := []struct {
			name   string
			c      *Client
			method string
			args   any
			kind   fault.Kind // of a fault; Internal for a RemoteError or none
			want   string
		}{
			{"fault", c, "fault", nil, fault.NotFound, "No such thing.: look: No such thing."},
			{"panic", c, "panic", nil, fault.Internal, "panic panicked: boom"},
			{"result that is no JSON", c, "opaque", nil, fault.Internal, "encode the result: json: unsupported type: chan int"},
			{"unknown argument", c, "add", map[string]int{"C": 1}, fault.Invalid, `The arguments do not fit the method: json: unknown field "C"`},
			{"argument of another type", c, "add", map[string]string{"A": "1"}, fault.Invalid,
				"The arguments do not fit the method: json: cannot unmarshal string into Go struct field addArgs.A of type int"},
			{"method", c, "sub", nil, fault.Internal, "remote error: NoSuchMethod: Endpoint does not support RPC method sub"},
			{"namespace", b.Client(other), "add", nil, fault.Internal,
				"remote error: UnsupportedVersion: Endpoint does not support RPC version 1.3. Attempted method: add"},
			{"version", b.Client(newer), "add", nil, fault.Internal,
				"remote error: UnsupportedVersion: Endpoint does not support RPC version 1.4. Attempted method: add"},
		}
		for _, tt := range tests {
			err := tt.c.Call(t.Context(), tt.method, tt.args, nil)
			if err == nil || err.Error() != tt.want || fault.KindOf(err) != tt.kind {
				t.Errorf("%s: got %v (%v); want %s (%v)", tt.name, err, fault.KindOf(err), tt.want, tt.kind)
			}
		}
		var wrong string
		if err := c.Call(t.Context(), "add", addArgs{}, &wrong); err == nil || !strings.Contains(err.Error(), "decode the result of add") {
			t.Errorf("got %v; want an error of decoding", err)
		}
	})
}

func TestCallTimesOut(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		ended := make(chan error, 1)
		serve(t, b, one(tg, func(ctx context.Context, _ struct{}) (any, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}))
		err := b.Client(tg).Call(t.Context(), "run", nil, nil, Timeout(300*time.Millisecond))
		testx.Equal(t, fault.KindOf(err), fault.Unavailable)
		testx.ErrIs(t, err, context.DeadlineExceeded)
		for _, part := range []string{"Timed out waiting for a reply to message ID ", tg.Exchange, tg.Topic, tg.Server, "run", "after 0.3 s"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		testx.ErrIs(t, receive(t, ended), context.DeadlineExceeded) // the handler knows too

		err = b.Client(tg).Call(t.Context(), "run", nil, nil, To("nobody"), Timeout(600*time.Millisecond))
		if err == nil || !strings.Contains(err.Error(), "no server has made its queue") {
			t.Errorf("got %v; want it to say that there is no queue", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		testx.ErrIs(t, b.Client(tg).Call(ctx, "run", nil, nil), context.Canceled)
	})
}

// TestBeforeServer sends to a server that starts afterwards.
func TestBeforeServer(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		ran := make(chan int, 2)
		called := make(chan error, 1)
		testx.NoErr(t, b.Client(tg).Cast(t.Context(), "run", idArgs{1}))
		depth(t, e.raw(), tg.Topic+"."+tg.Server, 1)
		topic := tg
		topic.Server = ""
		go func() { called <- b.Client(topic).Call(context.Background(), "run", idArgs{2}, nil) }()
		serve(t, e.bus(), one(tg, func(_ context.Context, in idArgs) (any, error) {
			ran <- in.ID
			return nil, nil
		}))
		testx.NoErr(t, receive(t, called))
		testx.Equal(t, receive(t, ran)+receive(t, ran), 3)
	})
}

func TestFanout(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		testx.NoErr(t, b.Client(tg).Fanout(t.Context(), "run", nil)) // nobody: nothing
		got := make(chan string, 4)
		var stops []func()
		for _, host := range []string{"h1", "h2"} {
			at := tg
			at.Server = host
			stops = append(stops, serve(t, b, one(at, func(context.Context, struct{}) (any, error) {
				got <- host
				return nil, nil
			})))
		}
		testx.NoErr(t, b.Client(tg).Fanout(t.Context(), "run", nil))
		testx.Equal(t, map[string]bool{receive(t, got): true, receive(t, got): true}, map[string]bool{"h1": true, "h2": true})
		for _, stop := range stops {
			stop()
		}
		// The exchange went with its last queue; that is no error.
		testx.NoErr(t, b.Client(tg).Fanout(t.Context(), "run", nil))
		testx.Equal(t, len(got), 0)
	})
}

func TestCastIsAcknowledgedAfterItsEffect(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		type run struct {
			ID          int
			Redelivered bool
		}
		runs := make(chan run, 10)
		verdicts := make(chan error)
		stop := serve(t, b, one(tg, func(ctx context.Context, in idArgs) (any, error) {
			runs <- run{in.ID, Redelivered(ctx)}
			return nil, <-verdicts
		}))
		c := b.Client(tg)
		cast := func(id int) {
			testx.NoErr(t, c.Cast(t.Context(), "run", idArgs{id}))
			testx.Equal(t, receive(t, runs), run{id, false})
		}
		cast(1)
		verdicts <- Requeue(errors.New("later"))
		testx.Equal(t, receive(t, runs), run{1, true})
		verdicts <- nil
		cast(2)
		verdicts <- fault.Conflictf("no") // classified: it is over

		// The connection breaks while it runs: it comes again, is not run
		// again, and is acknowledged when the first run is done.
		cast(3)
		e.cut()
		testx.NoErr(t, c.Cast(t.Context(), "run", idArgs{4}))
		testx.Equal(t, receive(t, runs), run{4, false})
		verdicts <- nil
		verdicts <- nil
		stop()
		depth(t, e.raw(), tg.Topic+"."+tg.Server, 0)
		testx.Equal(t, len(runs), 0)
	})
}

func TestStop(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		b.drain = 100 * time.Millisecond
		began := make(chan int, 10)
		srv := one(tg, func(ctx context.Context, in idArgs) (any, error) {
			began <- in.ID
			<-ctx.Done()
			return nil, ctx.Err()
		})
		srv.Concurrency = 1
		stop := serve(t, b, srv)
		for id := range 3 {
			testx.NoErr(t, b.Client(tg).Cast(t.Context(), "run", idArgs{id}))
		}
		testx.Equal(t, receive(t, began), 0)
		stop()
		// The one that ran was told to give up and is put back, the others
		// never ran: all three are there for the next server.
		depth(t, e.raw(), tg.Topic+"."+tg.Server, 3)
		testx.Equal(t, len(began), 0)

		got := make(chan int, 10)
		srv = one(tg, func(_ context.Context, in idArgs) (any, error) { got <- in.ID; return nil, nil })
		serve(t, e.bus(), srv)
		testx.Equal(t, receive(t, got)+receive(t, got)+receive(t, got), 3)
	})
}

func TestStopWaitsForHandlers(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	began, release := make(chan struct{}), make(chan struct{})
	stop := serve(t, b, one(tg, func(context.Context, struct{}) (any, error) {
		close(began)
		<-release
		return "done", nil
	}))
	called := make(chan error, 1)
	var result string
	go func() { called <- b.Client(tg).Call(context.Background(), "run", nil, &result) }()
	receive(t, began)
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	// Its queue is gone once the server drains; the handler still runs.
	close(release)
	receive(t, stopped)
	testx.NoErr(t, receive(t, called))
	testx.Equal(t, result, "done")
}

// TestStopEndsCalls stops a server whose handler does not finish in time.
func TestStopEndsCalls(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	b.drain = 50 * time.Millisecond
	began := make(chan struct{})
	stop := serve(t, b, one(tg, func(ctx context.Context, _ struct{}) (any, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	called := make(chan error, 1)
	go func() { called <- b.Client(tg).Call(context.Background(), "run", nil, nil) }()
	receive(t, began)
	stop()
	err := receive(t, called)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "is being stopped") {
		t.Errorf("got %v; want it to be unavailable", err)
	}
}

func TestConcurrencyAndExpiry(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		var running, most atomic.Int32
		ran := make(chan int, 100)
		release := make(chan struct{})
		srv := one(tg, func(_ context.Context, in idArgs) (any, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			ran <- in.ID
			<-release
			return nil, nil
		})
		srv.Concurrency = 1
		serve(t, b, srv)
		c := b.Client(tg)
		testx.NoErr(t, c.Cast(t.Context(), "run", idArgs{0}))
		testx.Equal(t, receive(t, ran), 0)
		// This call waits behind the cast until nobody waits for it.
		err := c.Call(t.Context(), "run", idArgs{-1}, nil, Timeout(200*time.Millisecond))
		testx.ErrIs(t, err, context.DeadlineExceeded)
		for id := 1; id <= 20; id++ {
			testx.NoErr(t, c.Cast(t.Context(), "run", idArgs{id}))
		}
		close(release)
		for id := 1; id <= 20; id++ {
			testx.Equal(t, receive(t, ran), id) // in order, and never -1
		}
		testx.Equal(t, most.Load(), int32(1))
	})
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	b, tg := e.bus(), target()
	serve(t, b, one(tg, func(ctx context.Context, _ struct{}) (any, error) {
		return "done", sleep(ctx, 2500*time.Millisecond)
	}))
	var result string
	testx.NoErr(t, b.Client(tg).Call(t.Context(), "run", nil, &result, Monitor(2*time.Second)))
	testx.Equal(t, result, "done")

	// A server that takes the call and is never heard of again.
	ch := e.raw()
	dead := target()
	testx.NoErr(t, topology{ch, false}.topic(dead.Exchange, dead.Topic+"."+dead.Server, dead.Topic+"."+dead.Server))
	err := b.Client(dead).Call(t.Context(), "run", nil, nil, Monitor(2*time.Second), Timeout(time.Hour))
	if err == nil || !strings.Contains(err.Error(), "after 2 s") {
		t.Errorf("got %v; want a time-out after 2 s", err)
	}
}

func TestPublishEnvelopes(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		ran := make(chan int, 1000)
		srv := one(tg, func(_ context.Context, in idArgs) (any, error) { ran <- in.ID; return nil, nil })
		srv.Concurrency = 1
		serve(t, b, srv)
		envs := make([]Envelope, 300)
		for i := range envs {
			env, err := b.Client(tg).EncodeCast(t.Context(), "run", idArgs{i})
			testx.NoErr(t, err)
			row, err := json.Marshal(env)
			testx.NoErr(t, err)
			testx.NoErr(t, json.Unmarshal(row, &envs[i]))
		}
		for range 2 { // the second time they are repeats
			sent, err := b.Publish(t.Context(), envs)
			testx.NoErr(t, err)
			testx.Equal(t, sent, len(envs))
		}
		testx.NoErr(t, b.Client(tg).Cast(t.Context(), "run", idArgs{-1}))
		for i := range envs {
			testx.Equal(t, receive(t, ran), i)
		}
		testx.Equal(t, receive(t, ran), -1)
	})
}

// TestRefusedMessage is one the broker closes the channel for: its sender
// hears of it, the others do not.
func TestRefusedMessage(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		serve(t, b, Server{Target: tg, Methods: map[string]Handler{"add": Method(add)}})
		bad := tg
		bad.Exchange = "amq.nubo" // names of this form are the broker's
		failed, fine := make(chan error, 1), make(chan error, 1)
		go func() { failed <- b.Client(bad).Cast(context.Background(), "run", nil) }()
		go func() {
			var err error
			for i := 0; i < 50 && err == nil; i++ {
				err = b.Client(tg).Call(context.Background(), "add", addArgs{i, i}, nil)
			}
			fine <- err
		}()
		if err := receive(t, failed); err == nil || !strings.Contains(err.Error(), "amq.nubo") {
			t.Errorf("got %v; want an error that names the exchange", err)
		}
		testx.NoErr(t, receive(t, fine))
	})
}

// TestTopology declares again, with a client of its own, what a server and a
// caller declare: RabbitMQ compares every property.
func TestTopology(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		serve(t, b, Server{Target: tg, Methods: map[string]Handler{"add": Method(add)}})
		testx.NoErr(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil))
		ch := e.raw()
		transient := amqp.Table{"x-expires": int32(1800000)}
		testx.NoErr(t, ch.ExchangeDeclare(tg.Exchange, "topic", false, false, false, false, nil))
		testx.NoErr(t, ch.ExchangeDeclare(tg.Topic+"_fanout", "fanout", false, true, false, false, nil))
		for name, args := range map[string]amqp.Table{tg.Topic: nil, tg.Topic + ".h1": nil, b.replies.queue: transient} {
			q, err := ch.QueueDeclare(name, false, false, false, false, args)
			testx.NoErr(t, err)
			testx.Equal(t, q.Consumers, 1)
		}

		// And what a message carries.
		seen, err := ch.QueueDeclare("", false, true, true, false, nil)
		testx.NoErr(t, err)
		testx.NoErr(t, ch.QueueBind(seen.Name, tg.Topic+".h1", tg.Exchange, false, nil))
		in, err := ch.Consume(seen.Name, "", true, false, false, false, nil)
		testx.NoErr(t, err)
		testx.NoErr(t, b.Client(tg).Call(t.Context(), "add", addArgs{}, nil, Timeout(30*time.Second)))
		d := receive(t, in)
		if ms := d.Expiration; ms < "29" || len(ms) != 5 {
			t.Errorf("expiration %s; want somewhat less than 30000", ms)
		}
		testx.Equal(t, []any{d.ContentType, d.ContentEncoding, d.DeliveryMode, d.Priority, d.ReplyTo, d.CorrelationId, d.MessageId, len(d.Headers)},
			[]any{"application/json", "utf-8", uint8(2), uint8(0), "", "", "", 0})
		testx.NoErr(t, b.Client(tg).Cast(t.Context(), "add", addArgs{}))
		testx.Equal(t, receive(t, in).Expiration, "")
	})
}

func TestNotifications(t *testing.T) {
	eachEnv(t, func(t *testing.T, e *env) {
		b, tg := e.bus(), target()
		ctx := auth.With(t.Context(), &auth.Context{UserID: "u", RequestID: "req-1", Token: "secret"})
		n := Notification{Exchange: tg.Exchange, PublisherID: "compute.h1", EventType: "first", Payload: map[string]int{"id": 1}}
		testx.NoErr(t, b.Notify(ctx, n)) // before anyone listens

		type heard struct {
			Event, User, Token string
			Redelivered        bool
		}
		got := make(chan heard, 10)
		refuse := true
		listening, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			targets := []ListenTarget{{Exchange: tg.Exchange}}
			ended <- b.Listen(listening, targets, func(ctx context.Context, n Notification) error {
				c := auth.From(ctx)
				got <- heard{n.EventType, c.UserID, c.Token, Redelivered(ctx)}
				if refuse {
					refuse = false
					return Requeue(errors.New("later"))
				}
				return errors.New("this one is over")
			}, nil)
		}()
		testx.Equal(t, receive(t, got), heard{"first", "u", "", false})
		testx.Equal(t, receive(t, got), heard{"first", "u", "", true})
		pool := listen(t, b, ListenTarget{Exchange: tg.Exchange, Pool: "pool" + tg.Topic})
		n.EventType, n.Priority = "second", "error"
		testx.NoErr(t, b.Notify(ctx, n))
		testx.Equal(t, receive(t, got).Event, "second")
		second := receive(t, pool) // a pool has everything from when it began
		testx.Equal(t, []string{second.EventType, second.Priority, second.Topic, second.Exchange}, []string{"second", "ERROR", "notifications", tg.Exchange})
		cancel()
		testx.NoErr(t, receive(t, ended))
	})
}
