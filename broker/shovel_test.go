package broker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/queue"
	"nubo/internal/testx"
)

// yard is a broker with queues whose messages are moved.
type yard struct {
	*testing.T
	dir string
	*broker.Broker
}

func newYard(t *testing.T) *yard {
	y := &yard{T: t, dir: t.TempDir()}
	y.open()
	t.Cleanup(func() { y.close() })
	testx.NoErr(t, y.ImportDefinitions(broker.Definitions{Queues: []broker.QueueDef{
		{VHost: "/", Name: "from", Durable: true}, {VHost: "/", Name: "to", Durable: true},
		{VHost: "/", Name: "small", Durable: true, Arguments: broker.Args{"x-max-length": int64(3), "x-overflow": "reject-publish"}},
		{VHost: "/", Name: "log", Durable: true, Arguments: broker.Args{"x-queue-type": "stream"}},
	}}))
	return y
}

func (y *yard) open() {
	b, err := broker.Open(broker.Config{DataDir: y.dir})
	testx.NoErr(y, err)
	y.Broker = b
}

func (y *yard) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	testx.NoErr(y, y.Shutdown(ctx))
}

func (y *yard) fill(n int) {
	y.Helper()
	for i := range n {
		routed, err := y.Publish("/", broker.Publication{RoutingKey: "from", Body: fmt.Append(nil, i), Properties: amqp.Properties{
			DeliveryMode: uint8(1 + i%2), MessageID: fmt.Sprint("id", i), Headers: amqp.Table{"n": int64(i)},
		}})
		testx.NoErr(y, err)
		testx.Equal(y, routed, true)
	}
}

func (y *yard) queue(name string) *queue.Queue {
	y.Helper()
	v, err := y.VHost("/")
	testx.NoErr(y, err)
	q, bad := v.Queue(name, nil)
	if bad != nil {
		y.Fatal(bad)
	}
	return q
}

func (y *yard) ready(name string) int {
	v, err := y.VHost("/")
	testx.NoErr(y, err)
	q, _, ok := v.QueueStats(name)
	testx.Equal(y, ok, true)
	return int(q.Ready + q.Unacked)
}

func (y *yard) move(to string) {
	y.Helper()
	value := fmt.Sprintf(`{"src-uri":"amqp:///%%2F","src-queue":"from","src-delete-after":"queue-length","dest-uri":["amqp:///%%2F"],"dest-queue":%q,"ack-mode":"on-confirm"}`, to)
	testx.NoErr(y, y.SetParameter(broker.ParameterDef{Component: "shovel", VHost: "/", Name: "m", Value: json.RawMessage(value)}))
}

func (y *yard) done() bool { return len(y.Parameters()) == 0 }

func (y *yard) standsStill() string {
	y.Helper()
	var s broker.Shovel
	testx.Eventually(y, "the shovel stands still", func() bool {
		s, _ = y.Shovel("/", "m")
		return s.Reason != "" && !s.Running
	})
	return s.Reason
}

// TestMove moves a queue's messages in their order, with all they have, and
// forgets the shovel.
func TestMove(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.fill(1500)
	y.move("to")
	testx.Eventually(t, "all is moved", y.done)
	testx.Equal(t, []int{y.ready("from"), y.ready("to")}, []int{0, 1500})
	q := y.queue("to")
	for i := range 1500 {
		e, _, _ := q.Get(true)
		var p amqp.Properties
		testx.NoErr(t, p.Decode(e.Msg.Props))
		testx.Equal(t, []any{string(e.Msg.Body), e.Msg.RoutingKey, e.Msg.Exchange, e.Msg.Persistent, p.MessageID, p.Headers["n"]},
			[]any{fmt.Sprint(i), "to", "", i%2 == 1, fmt.Sprint("id", i), int64(i)})
	}
	y.move("to") // of nothing
	testx.Eventually(t, "nothing is moved", y.done)
}

// TestMoveRefused loses nothing of what a queue does not take, and goes on
// when it is told to.
func TestMoveRefused(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.fill(10)
	y.move("small")
	testx.Equal(t, y.standsStill(), "queue 'small' is full")
	testx.Equal(t, []int{y.ready("from"), y.ready("small")}, []int{7, 3})
	q := y.queue("small")
	testx.Equal(t, q.Purge(), 3)
	found, err := y.RestartShovel("/", "m")
	testx.NoErr(t, err)
	testx.Equal(t, found, true)
	testx.Equal(t, y.standsStill(), "queue 'small' is full")
	testx.Equal(t, []int{y.ready("from"), y.ready("small")}, []int{4, 3})
	y.move("log") // in its place
	testx.Eventually(t, "the rest is in the stream", y.done)
	testx.Equal(t, y.ready("from"), 0)

	y.move("none")
	testx.Equal(t, y.standsStill(), "NOT_FOUND - no queue 'none' in vhost '/'")
	found, err = y.ClearParameter("shovel", "/", "m")
	testx.NoErr(t, err)
	testx.Equal(t, found, true)
	_, found = y.Shovel("/", "m")
	again, err := y.RestartShovel("/", "m")
	testx.NoErr(t, err)
	testx.Equal(t, []bool{found, again}, []bool{false, false})
}

// TestMoveGoesOn stops the broker while it moves, and finds every message on
// one side or the other, and all on the other in the end.
func TestMoveGoesOn(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	const n, publishers = 4000, 16
	var g errgroup.Group
	for p := range publishers {
		g.Go(func() error {
			for i := p; i < n; i += publishers {
				if _, err := y.Publish("/", broker.Publication{RoutingKey: "from", Body: fmt.Append(nil, i), Properties: amqp.Properties{DeliveryMode: 2}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	testx.NoErr(t, g.Wait())
	y.move("to")
	y.close()
	y.open()
	testx.Eventually(t, "all is moved", y.done)
	testx.Equal(t, y.ready("from"), 0)
	q := y.queue("to")
	seen := map[string]bool{}
	for {
		e, _, ok := q.Get(true)
		if !ok {
			break
		}
		seen[string(e.Msg.Body)] = true
	}
	testx.Equal(t, len(seen), n)
}

// TestOtherShovels stand still, each for what of it is not run, and are listed
// so that they can be managed.
func TestOtherShovels(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.fill(1)
	const ends = `"src-uri":"amqp://","dest-uri":"amqp://"`
	const queues = `"src-queue":"from","dest-queue":"to"`
	const until = `"src-delete-after":"queue-length"`
	for value, about := range map[string]string{
		`{"src-uri":"amqp://other","dest-uri":"amqp://",` + queues + `,` + until + `}`:              "src-uri",
		`{"src-uri":"amqp://guest:secret@","dest-uri":"amqp://",` + queues + `,` + until + `}`:      "src-uri",
		`{"src-uri":"amqp:///v","dest-uri":"amqp://",` + queues + `,` + until + `}`:                 "src-uri",
		`{"src-uri":["amqp://","amqp://b"],"dest-uri":"amqp://",` + queues + `,` + until + `}`:      "src-uri",
		`{"src-uri":"amqp:///%zz","dest-uri":"amqp://",` + queues + `,` + until + `}`:               "src-uri",
		`{"src-uri":"amqp://","dest-uri":7,` + queues + `,` + until + `}`:                           "dest-uri",
		`{"src-uri":"amqp://",` + queues + `,` + until + `}`:                                        "dest-uri",
		`{` + ends + `,` + queues + `,"src-delete-after":"never"}`:                                  "src-delete-after",
		`{` + ends + `,` + queues + `,"delete-after":42}`:                                           "delete-after",
		`{` + ends + `,` + queues + `}`:                                                             "src-delete-after",
		`{` + ends + `,"src-queue":"from","dest-exchange":"amq.topic",` + until + `}`:               "dest-exchange",
		`{` + ends + `,"src-exchange":"amq.topic","dest-queue":"to",` + until + `}`:                 "src-exchange",
		`{` + ends + `,"src-queue":"from","dest-queue":"",` + until + `}`:                           "dest-queue",
		`{` + ends + `,"src-queue":"from",` + until + `}`:                                           "dest-queue",
		`{` + ends + `,` + queues + `,` + until + `,"src-protocol":"amqp10"}`:                       "src-protocol",
		`{` + ends + `,` + queues + `,` + until + `,"dest-add-forward-headers":true}`:               "dest-add-forward-headers",
		`{` + ends + `,` + queues + `,` + until + `,"dest-publish-properties":{"delivery_mode":2}}`: "dest-publish-properties",
		`[]`: "definition", `"x"`: "definition", `null`: "src-uri",
	} {
		testx.NoErr(t, y.SetParameter(broker.ParameterDef{Component: "shovel", VHost: "/", Name: "m", Value: json.RawMessage(value)}))
		reason := y.standsStill()
		if text, _, ok := strings.Cut(reason, ": this broker"); !ok || !strings.Contains(text, about) || strings.Contains(text, "secret") {
			t.Errorf("%s: %s", value, reason)
		}
		found, err := y.RestartShovel("/", "m")
		testx.ErrIs(t, err, broker.ErrNotRun)
		testx.Equal(t, found, true)
	}
	testx.Equal(t, y.ready("from"), 1)
	// What takes the URI without a virtual host for the default one is run.
	testx.NoErr(t, y.SetParameter(broker.ParameterDef{Component: "shovel", VHost: "/", Name: "m",
		Value: json.RawMessage(`{"src-uri":"amqp://","src-queue":"from","delete-after":"queue-length","dest-uri":"amqp://","dest-queue":"to"}`)}))
	testx.Eventually(t, "it is moved", y.done)
	testx.Equal(t, y.ready("to"), 1)

	testx.NoErr(t, y.SetParameter(broker.ParameterDef{Component: "shovel", VHost: "/", Name: "m", Value: json.RawMessage(`{}`)}))
	y.close()
	y.open()
	testx.Equal(t, strings.HasPrefix(y.standsStill(), "it has no src-uri: "), true)
}
