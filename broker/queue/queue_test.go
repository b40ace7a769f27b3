package queue_test

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"nubo/amqp"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/store"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gauge adds up without locks: the tests are single threaded.
type gauge struct {
	n     int64
	spill bool
}

func (g *gauge) Add(d int64) { g.n += d }
func (g *gauge) Spill() bool { return g.spill }

// sink takes as many entries as it has credit for.
type sink struct {
	credit    int
	got       []queue.Entry
	cancelled bool
}

func (s *sink) Offer(_ *queue.Queue, e queue.Entry) bool {
	if s.credit == 0 {
		return false
	}
	s.credit--
	s.got = append(s.got, e)
	return true
}

func (s *sink) Cancelled(*queue.Queue) { s.cancelled = true }

func newQueue(g *gauge, st store.Store, args amqp.Table) *queue.Queue {
	flags := queue.Flags{Durable: true}
	set, bad := queue.Parse(flags, args)
	if bad != nil {
		panic(bad.Text("q", "/"))
	}
	return queue.New(queue.Config{Name: "q", Flags: flags, Initial: set, Store: st, Memory: g, Expired: func(*queue.Queue) {}})
}

func msg(body string) *message.Message { return &message.Message{Body: []byte(body)} }

// recorder is a Store that writes down what it is told.
type recorder struct {
	store.Memory
	log    []string
	stored bool
}

func (r *recorder) Put(p store.Place, m *message.Message, _ bool, _ store.Waiter, _ uint64) bool {
	r.log = append(r.log, fmt.Sprintf("put %d %s", p.Seq, m.Body))
	return r.stored
}
func (r *recorder) Remove(_, seq uint64) { r.log = append(r.log, fmt.Sprintf("remove %d", seq)) }
func (r *recorder) Drop(uint64)          { r.log = append(r.log, "drop") }

// TestStore follows persistent messages, and only those, into the store and
// out again, whichever way they leave.
func TestStore(t *testing.T) {
	t.Parallel()
	st, g := &recorder{}, &gauge{}
	q := newQueue(g, st, amqp.Table{"x-max-length": int32(4)})
	put := func(body string, persistent bool) queue.Outcome {
		m := msg(body)
		m.Persistent = persistent
		return q.Publish(m, nil, 0)
	}
	testx.Equal(t, put("transient", false), queue.Accepted)
	for _, s := range []string{"acked", "refused", "requeued", "dropped"} {
		testx.Equal(t, put(s, true), queue.Pending)
	}
	st.stored = true
	take := func() queue.Entry { e, _, _ := q.Get(false); return e }
	q.Ack([]queue.Entry{take()})
	q.Discard([]queue.Entry{take()})
	q.Requeue([]queue.Entry{take()})
	for _, s := range []string{"a", "b", "c"} {
		testx.Equal(t, put(s, true), queue.Accepted)
	}
	last := take()
	n, _ := q.Close(queue.Condition{})
	q.Ack([]queue.Entry{last})
	testx.Equal(t, n, 3)
	testx.Equal(t, st.log, []string{
		"put 2 acked", "put 3 refused", "put 4 requeued", "put 5 dropped", // the transient one is dropped for it
		"remove 2", "remove 3", "put 6 a", "put 7 b", "put 8 c", "remove 4", "drop",
	})
	testx.Equal(t, g.n, int64(0))
}

// TestRoundRobin has consumers take turns, those without credit left out.
func TestRoundRobin(t *testing.T) {
	t.Parallel()
	q := newQueue(&gauge{}, store.Memory{}, nil)
	sinks := []*sink{{credit: 100}, {credit: 1}, {credit: 100}}
	var consumers []*queue.Consumer
	for _, s := range sinks {
		c := &queue.Consumer{Sink: s}
		consumers = append(consumers, c)
		testx.Equal(t, q.Consume(c), queue.Accepted)
	}
	for range 7 {
		q.Publish(msg("m"), nil, 0)
	}
	testx.Equal(t, []int{len(sinks[0].got), len(sinks[1].got), len(sinks[2].got)}, []int{3, 1, 3})
	sinks[1].credit = 5
	q.Publish(msg("m"), nil, 0) // not known yet
	testx.Equal(t, len(sinks[1].got), 1)
	q.Resume(consumers[1])
	for range 3 {
		q.Publish(msg("m"), nil, 0)
	}
	testx.Equal(t, len(sinks[1].got), 2)
	testx.Equal(t, q.Stats().Unacked, 11)
	q.Close(queue.Condition{})
	testx.Equal(t, []bool{sinks[0].cancelled, sinks[1].cancelled, sinks[2].cancelled}, []bool{true, true, true})
	testx.Equal(t, q.Publish(msg("m"), nil, 0), queue.Closed)
	testx.Equal(t, q.Consume(consumers[0]), queue.Closed)
}

// TestAgainstModel drives a queue and a sorted list with the same random
// operations.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &gauge{}
		q := newQueue(g, store.Memory{}, nil)
		var ready, out []string // by age
		var entries []queue.Entry
		n := 0
		settle := func(f func([]queue.Entry)) string {
			i := rapid.IntRange(0, len(out)-1).Draw(t, "which")
			f(entries[i : i+1])
			body := out[i]
			out, entries = slices.Delete(out, i, i+1), slices.Delete(entries, i, i+1)
			return body
		}
		t.Repeat(map[string]func(*rapid.T){
			"publish": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					n++
					body := fmt.Sprintf("%06d", n)
					q.Publish(msg(body), nil, 0)
					ready = append(ready, body)
				}
			},
			"get": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					e, left, ok := q.Get(false)
					testEqual(t, ok, len(ready) > 0)
					if !ok {
						return
					}
					testEqual(t, string(e.Msg.Body), ready[0])
					ready = ready[1:]
					testEqual(t, left, len(ready))
					out, entries = append(out, string(e.Msg.Body)), append(entries, e)
				}
			},
			"ack": func(t *rapid.T) {
				if len(out) > 0 {
					settle(q.Ack)
				}
			},
			"requeue": func(t *rapid.T) {
				if len(out) > 0 {
					body := settle(q.Requeue)
					i, _ := slices.BinarySearch(ready, body)
					ready = slices.Insert(ready, i, body)
				}
			},
			"purge": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					testEqual(t, q.Purge(), len(ready))
					ready = nil
				}
			},
			"": func(t *rapid.T) {
				s := q.Stats()
				testEqual(t, [2]int{s.Ready, s.Unacked}, [2]int{len(ready), len(out)})
				testEqual(t, g.n, int64(len(ready)+len(out))*(msg("000000").Footprint()))
				testEqual(t, s.ReadyBytes, int64(6*len(ready)))
			},
		})
	})
}

func testEqual[T comparable](t *rapid.T, got, want T) {
	if got != want {
		t.Fatalf("got %v; want %v", got, want)
	}
}

// TestSettings has policies and arguments meet: the smaller number and the
// argument's word hold.
func TestSettings(t *testing.T) {
	t.Parallel()
	s, bad := queue.Parse(queue.Flags{}, amqp.Table{
		"x-message-ttl": uint8(5), "x-max-length-bytes": int64(9), "x-overflow": "reject-publish", "x-ha-policy": "all", "x-queue-mode": "lazy",
	})
	testx.Equal(t, bad == nil, true)
	s = s.With(amqp.Table{"message-ttl": int64(7), "max-length-bytes": int64(3), "max-length": int64(4), "overflow": "drop-head", "dead-letter-exchange": "dlx", "expires": int64(50)})
	testx.Equal(t, []any{s.TTL, s.MaxBytes, s.MaxLength, s.Overflow, *s.DLX, s.DLKey == nil, s.Expires.Milliseconds(), s.DeliveryLimit},
		[]any{int64(5), int64(3), int64(4), queue.RejectPublish, "dlx", true, int64(50), int64(-1)})
}
