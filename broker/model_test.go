package broker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/broker/vhost"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// entry is a message in a queue of the model.
type entry struct {
	body        string
	seq         int // in its queue
	level       int // of priority there
	expires     time.Time
	persistent  bool
	priority    uint8
	deliveries  int64
	redelivered bool
}

// modelQueue is what a queue is meant to be: a list that is looked through.
type modelQueue struct {
	name       string
	quorum     bool
	priorities int
	ttl        time.Duration // -1: none
	length     int           // -1: none
	reject     bool          // on overflow
	limit      int64         // of deliveries; -1: none
	dlx        *modelQueue

	ready, out  []*entry
	seq, handed int
	consumer    bool
	credit      int
}

func (q *modelQueue) args() amqp.Table {
	args := amqp.Table{}
	if q.quorum {
		args["x-queue-type"] = "quorum"
	}
	if q.priorities > 0 {
		args["x-max-priority"] = int64(q.priorities)
	}
	if q.ttl >= 0 {
		args["x-message-ttl"] = q.ttl.Milliseconds()
	}
	if q.length >= 0 {
		args["x-max-length"] = int64(q.length)
	}
	if q.reject {
		args["x-overflow"] = "reject-publish"
	}
	if q.limit >= 0 {
		args["x-delivery-limit"] = q.limit
	}
	if q.dlx != nil {
		args["x-dead-letter-exchange"], args["x-dead-letter-routing-key"] = "", q.dlx.name
	}
	return args
}

// insert puts an entry where it belongs: by priority, then by age.
func (q *modelQueue) insert(e *entry) {
	i := 0
	for i < len(q.ready) && (q.ready[i].level > e.level || q.ready[i].level == e.level && q.ready[i].seq < e.seq) {
		i++
	}
	q.ready = slices.Insert(q.ready, i, e)
}

// publish tells whether the queue takes the message.
func (q *modelQueue) publish(now time.Time, m entry, ttl time.Duration) bool {
	if q.reject && q.length >= 0 && len(q.ready) >= q.length {
		return false
	}
	q.seq++
	e := &entry{body: m.body, seq: q.seq, persistent: m.persistent, priority: m.priority, level: min(int(m.priority), q.priorities)}
	if q.ttl >= 0 && (ttl < 0 || q.ttl < ttl) {
		ttl = q.ttl
	}
	if ttl >= 0 {
		e.expires = now.Add(ttl)
	}
	q.insert(e)
	q.settle(now)
	return true
}

// settle delivers, cuts to length, and drops from the head what is too old.
func (q *modelQueue) settle(now time.Time) {
	for q.consumer && q.credit > 0 && len(q.ready) > 0 {
		if e := q.ready[0]; !e.expires.IsZero() && e.expires.Before(now) {
			q.die(now)
			continue
		}
		q.credit--
		q.out = append(q.out, q.pop())
	}
	for q.length >= 0 && !q.reject && len(q.ready) > q.length {
		q.die(now)
	}
	for len(q.ready) > 0 && !q.ready[0].expires.IsZero() && !q.ready[0].expires.After(now) {
		q.die(now)
	}
}

func (q *modelQueue) pop() *entry {
	e := q.ready[0]
	q.ready = q.ready[1:]
	q.handed = max(q.handed, e.seq)
	return e
}

// die dead-letters the head.
func (q *modelQueue) die(now time.Time) {
	e := q.ready[0]
	q.ready = q.ready[1:]
	q.deadLetter(now, e)
}

func (q *modelQueue) deadLetter(now time.Time, e *entry) {
	if q.dlx != nil {
		q.dlx.publish(now, *e, -1)
	}
}

// giveBack requeues.
func (q *modelQueue) giveBack(now time.Time, e *entry) {
	e.redelivered = true
	if q.quorum {
		if e.deliveries++; q.limit >= 0 && e.deliveries > q.limit {
			q.deadLetter(now, e)
			q.settle(now)
			return
		}
	}
	q.insert(e)
	q.settle(now)
}

// restart is what a stop in good order leaves.
func (q *modelQueue) restart() {
	q.ready = slices.DeleteFunc(q.ready, func(e *entry) bool { return !e.persistent && !q.quorum })
	for _, e := range q.ready {
		e.redelivered = e.deliveries > 0 || e.seq <= q.handed
	}
	q.consumer = false
}

// advance lets time pass in the model: heads die one by one, oldest first.
func advance(queues []*modelQueue, now, to time.Time) {
	for {
		var first *modelQueue
		for _, q := range queues {
			if len(q.ready) > 0 && !q.ready[0].expires.IsZero() && !q.ready[0].expires.After(to) &&
				(first == nil || q.ready[0].expires.Before(first.ready[0].expires)) {
				first = q
			}
		}
		if first == nil {
			return
		}
		if at := first.ready[0].expires; at.After(now) {
			now = at
		}
		first.settle(now)
	}
}

// modelSink is the consumer of a queue.
type modelSink struct {
	credit int
	out    *[]queue.Entry
}

func (s *modelSink) Offer(_ *queue.Queue, e queue.Entry) bool {
	if s.credit == 0 {
		return false
	}
	s.credit--
	*s.out = append(*s.out, e)
	return true
}

func (s *modelSink) Cancelled(*queue.Queue) {}

// pairing is a queue of the broker and one of the model that must agree.
type pairing struct {
	model    *modelQueue
	real     *queue.Queue
	out      []queue.Entry
	sink     *modelSink
	consumer *queue.Consumer
}

// GoString is what a failed test prints.
func (p *pairing) GoString() string { return p.model.name }

// world is a broker and its model.
type world struct {
	t      *rapid.T
	cfg    broker.Config
	b      *broker.Broker
	v      *vhost.VHost
	pairs  []*pairing
	models []*modelQueue
	n      int
}

func (w *world) open() {
	var err error
	w.b, err = broker.Open(w.cfg)
	w.noErr(err)
	w.v, err = w.b.VHost("/")
	w.noErr(err)
}

func (w *world) noErr(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// drawQueues makes queues that dead-letter to later ones.
func (w *world) drawQueues() {
	t := w.t
	for i := 2; i >= 0; i-- {
		q := &modelQueue{name: fmt.Sprint("q", i), ttl: -1, length: -1, limit: -1, quorum: rapid.Bool().Draw(t, "quorum")}
		if !q.quorum && rapid.Bool().Draw(t, "has priorities") {
			q.priorities = rapid.IntRange(1, 5).Draw(t, "priorities")
		}
		if rapid.Bool().Draw(t, "has TTL") {
			q.ttl = time.Duration(rapid.IntRange(0, 100).Draw(t, "minutes")) * time.Minute
		}
		if rapid.Bool().Draw(t, "has length") {
			q.length = rapid.IntRange(0, 20).Draw(t, "length")
			q.reject = rapid.Bool().Draw(t, "reject")
		}
		if q.quorum && rapid.Bool().Draw(t, "has limit") {
			q.limit = rapid.Int64Range(0, 3).Draw(t, "limit")
		}
		if len(w.models) > 0 && rapid.Bool().Draw(t, "has DLX") {
			q.dlx = rapid.SampledFrom(w.models).Draw(t, "dlx")
		}
		real, err := w.v.DeclareQueue(vhost.QueueSpec{Name: q.name, Flags: queue.Flags{Durable: true}, Args: q.args()}, nil)
		t.Logf("%s %v", q.name, q.args())
		if err != nil {
			t.Fatal(err)
		}
		w.models = append(w.models, q)
		w.pairs = append(w.pairs, &pairing{model: q, real: real})
	}
}

// operations are drawn by name; publishing is the most frequent.
var operations = []string{"publish", "publish", "publish", "publish", "get", "get", "settle", "settle", "consume", "credit", "cancel", "pass", "purge", "restart"}

func (w *world) step() {
	t := w.t
	// A moment of its own for every step: nothing expires at the same instant.
	time.Sleep(time.Nanosecond)
	p := rapid.SampledFrom(w.pairs).Draw(t, "queue")
	q, now := p.model, time.Now()
	switch op := rapid.SampledFrom(operations).Draw(t, "op"); op {
	case "publish":
		w.publish(p, now)
	case "get":
		e, left, ok := p.real.Get(false)
		w.equal("got", ok, len(q.ready) > 0)
		if !ok {
			break
		}
		want := q.pop()
		p.out, q.out = append(p.out, e), append(q.out, want)
		q.settle(now)
		w.same(e, want, q)
		synctest.Wait()
		w.equal("left", left >= len(q.ready), true)
	case "settle":
		w.settle(p, now)
	case "consume":
		if p.consumer == nil {
			p.sink = &modelSink{out: &p.out}
			p.consumer = &queue.Consumer{Sink: p.sink}
			p.real.Consume(p.consumer)
			q.consumer, q.credit = true, 0
		}
	case "credit":
		if p.consumer != nil {
			n := rapid.IntRange(1, 5).Draw(t, "credit")
			p.sink.credit += n
			q.credit += n
			p.real.Resume(p.consumer)
			q.settle(now)
		}
	case "cancel":
		w.cancel(p)
	case "pass":
		d := time.Duration(rapid.IntRange(1, 60).Draw(t, "minutes")) * time.Minute
		time.Sleep(d)
		synctest.Wait()
		advance(w.models, now, now.Add(d))
	case "purge":
		w.equal("purged", p.real.Purge(), len(q.ready))
		q.ready = nil
	case "restart":
		w.restart()
	}
	synctest.Wait()
	w.check()
}

func (w *world) publish(p *pairing, now time.Time) {
	t, q := w.t, p.model
	w.n++
	m := entry{body: fmt.Sprint(w.n), persistent: rapid.Bool().Draw(t, "persistent"), priority: uint8(rapid.IntRange(0, 6).Draw(t, "priority"))}
	real := &message.Message{Props: []byte{0, 0}, Body: []byte(m.body), Persistent: m.persistent, Priority: m.priority}
	ttl := time.Duration(-1)
	if rapid.IntRange(0, 3).Draw(t, "has expiration") == 0 {
		ttl = time.Duration(rapid.IntRange(0, 30).Draw(t, "minutes")) * time.Minute
		real.TTL, real.HasTTL = uint32(ttl.Milliseconds()), true
	}
	out := p.real.Publish(real, nil, 0)
	synctest.Wait()
	w.equal("accepted", out != queue.Rejected, q.publish(now, m, ttl))
}

// settle ends a delivery in one of the ways there are.
func (w *world) settle(p *pairing, now time.Time) {
	if len(p.out) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.out)-1).Draw(w.t, "which")
	real, want := p.out[i:i+1:i+1], p.model.out[i]
	p.out, p.model.out = slices.Concat(p.out[:i], p.out[i+1:]), slices.Concat(p.model.out[:i], p.model.out[i+1:])
	switch rapid.IntRange(0, 2).Draw(w.t, "how") {
	case 0:
		p.real.Ack(real)
	case 1:
		p.real.Discard(real)
		p.model.deadLetter(now, want)
	default:
		p.real.Requeue(real)
		p.model.giveBack(now, want)
	}
}

func (w *world) cancel(p *pairing) {
	if p.consumer != nil {
		p.real.Cancel(p.consumer)
		p.consumer, p.model.consumer = nil, false
	}
}

// restart gives everything back, stops the broker and starts it again.
func (w *world) restart() {
	for _, p := range w.pairs {
		w.cancel(p)
		for i := range p.out {
			p.real.Requeue(p.out[i : i+1])
			synctest.Wait()
			p.model.giveBack(time.Now(), p.model.out[i])
		}
		p.out, p.model.out = nil, nil
	}
	w.check()
	w.noErr(w.b.Shutdown(context.Background()))
	w.open()
	for _, p := range w.pairs {
		real, err := w.v.Queue(p.model.name, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		p.real = real
		p.model.restart()
	}
	for _, q := range w.models {
		q.settle(time.Now())
	}
}

// check compares the counts of all queues, and what consumers got last.
func (w *world) check() {
	for _, p := range w.pairs {
		s := p.real.Stats()
		w.equal(p.model.name+" ready, unacknowledged", [2]int{s.Ready, s.Unacked}, [2]int{len(p.model.ready), len(p.model.out)})
		if n := len(p.out); n > 0 {
			w.same(p.out[n-1], p.model.out[n-1], p.model)
		}
	}
}

// same compares one message.
func (w *world) same(e queue.Entry, want *entry, q *modelQueue) {
	w.t.Helper()
	var props amqp.Properties
	w.noErr(props.Decode(e.Content().Props))
	count, _ := props.Headers["x-delivery-count"].(int64)
	w.equal(q.name+" delivered", fmt.Sprint(string(e.Msg.Body), " ", e.Redelivered, count), fmt.Sprint(want.body, " ", want.redelivered, want.deliveries))
}

func (w *world) equal(what string, got, want any) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("%s: %v; want %v", what, got, want)
	}
}

// drain empties all queues and compares every message.
func (w *world) drain() {
	for _, p := range slices.Backward(w.pairs) { // those that dead-letter first
		q := p.model
		w.cancel(p)
		p.real.Ack(p.out)
		p.out, q.out = nil, nil
		for len(q.ready) > 0 {
			want := q.pop()
			e, _, ok := p.real.Get(true)
			w.equal(q.name+" has "+want.body, ok, true)
			w.same(e, want, q)
			q.settle(time.Now())
			synctest.Wait()
		}
		w.check()
	}
	w.equal("memory", w.b.Stats().MemoryUsed, int64(0))
}

// TestModel drives queues of all kinds and a plain model of them with the same
// random operations, through hours of virtual time and restarts.
func TestModel(t *testing.T) {
	t.Parallel()
	steps, passed := 0, time.Duration(0)
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		var failed any
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			w := &world{t: rt, cfg: broker.Config{DataDir: dir, Sync: wal.Write, DiskFreeLimit: 1}}
			w.open()
			defer func() {
				failed = recover() // rapid wants it on its own goroutine
				if w.b != nil {
					testx.NoErr(t, w.b.Shutdown(context.Background()))
				}
				passed += time.Since(begun)
			}()
			w.drawQueues()
			for range rapid.IntRange(1, 150).Draw(rt, "steps") {
				w.step()
				steps++
			}
			w.drain()
		})
		if failed != nil {
			panic(failed)
		}
	})
	t.Logf("%d steps in %v of virtual time", steps, passed.Round(time.Hour))
}
