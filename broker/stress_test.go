package broker_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

// TestNothingLost has publishers with confirms and consumers that acknowledge,
// requeue, close their channels and drop their connections at random. In the
// end every confirmed message was acknowledged, and none twice.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	const (
		publishers, consumers = 3, 4
		each                  = 1500
	)
	b := newBroker(t, broker.Config{})
	declare(t, channel(t, b), "q", nil)
	var (
		mu    sync.Mutex
		acked = make(map[string]int)
		total int
		done  = make(chan struct{})
		wg    sync.WaitGroup
	)
	for c := range consumers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(c), 1))
			for !isClosed(done) {
				messyConsumer(t, b, rnd, done, func(body string) {
					mu.Lock()
					defer mu.Unlock()
					acked[body]++
					if total++; total == publishers*each {
						close(done)
					}
				})
			}
		})
	}
	for p := range publishers {
		wg.Go(func() {
			ch := channel(t, b)
			if err := ch.Confirm(false); err != nil {
				t.Error(err)
				return
			}
			var last *rabbit.DeferredConfirmation
			for i := range each {
				var err error
				last, err = ch.PublishWithDeferredConfirm("", "q", true, false, rabbit.Publishing{Body: fmt.Appendf(nil, "%d/%d", p, i)})
				if err != nil {
					t.Error(err)
					return
				}
			}
			if !last.Wait() {
				t.Error("the last message was not confirmed")
			}
		})
	}
	wg.Wait()
	for body, n := range acked {
		if n != 1 {
			t.Errorf("%s was acknowledged %d times", body, n)
		}
	}
	testx.Equal(t, len(acked), publishers*each)
	testx.Eventually(t, "the queue is empty", func() bool {
		q := b.Stats().VHosts[0].Queues[0]
		return q.Ready == 0 && q.Unacked == 0
	})
	testx.Equal(t, b.Stats().MemoryUsed, int64(0))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// messyConsumer consumes on a connection of its own for a while. A message
// counts as acknowledged when a basic.qos after its ack was answered: what was
// sent before a request has been done by then.
func messyConsumer(t *testing.T, b *broker.Broker, rnd *rand.Rand, done <-chan struct{}, acked func(body string)) {
	conn, err := dialAs(b, "guest", "guest")
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Error(err)
		return
	}
	if rnd.IntN(2) == 0 {
		ch.Qos(1+rnd.IntN(50), 0, rnd.IntN(2) == 0)
	}
	d, err := ch.Consume("q", "", false, false, false, false, nil)
	if err != nil {
		t.Error(err)
		return
	}
	for range rnd.IntN(400) {
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
			return // what is kept may be all there is
		case m, ok := <-d:
			if !ok {
				t.Error("the consumer was closed")
				return
			}
			switch rnd.IntN(10) {
			case 0:
				m.Nack(false, true)
			case 1:
				m.Reject(true)
			case 2: // kept until the connection goes
			default:
				m.Ack(false)
				if ch.Qos(50, 0, false) == nil {
					acked(string(m.Body))
				}
			}
		}
	}
	if rnd.IntN(2) == 0 {
		ch.Close()
	}
}

// TestTopologyChurn declares, binds and deletes on many connections while
// others publish through what comes and goes.
func TestTopologyChurn(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			ch := channel(t, b)
			for i := range 150 {
				x, q := fmt.Sprintf("x%d", i%3), fmt.Sprintf("q%d", (i+c)%5)
				ch.ExchangeDeclare(x, "topic", false, true, false, false, nil)
				ch.QueueDeclare(q, false, true, false, false, nil)
				ch.QueueBind(q, "#.k", x, false, nil)
				tag := fmt.Sprint(i)
				ch.Consume(q, tag, true, false, false, false, nil)
				ch.Publish("", q, false, false, rabbit.Publishing{})
				ch.Publish("amq.topic", "k", false, false, rabbit.Publishing{})
				if i%3 == 0 {
					ch.QueueDelete(q, false, false, false)
				}
				ch.Cancel(tag, false)
				if ch.IsClosed() { // another deleted what was used here
					ch = channel(t, b)
				}
			}
		})
	}
	wg.Wait()
	s := b.Stats()
	for _, x := range s.VHosts[0].Exchanges {
		if x.AutoDelete && x.In > 0 {
			t.Errorf("%+v", x)
		}
	}
	testx.Equal(t, s.MemoryUsed >= 0, true)
}

// TestClientThatNeverReads asks and asks and does not read the answers: it is
// not read from any more, and others go on.
func TestClientThatNeverReads(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	r := rawOpen(t, b)
	request := amqp.AppendMethodFrame(nil, 1, &amqp.QueueDeclare{Queue: "amq.rabbitmq.reply-to"})
	batch := make([]byte, 0, 64<<10)
	for len(batch)+len(request) < cap(batch) {
		batch = append(batch, request...)
	}
	testx.NoErr(t, r.nc.SetWriteDeadline(time.Now().Add(time.Second)))
	sent := 0
	for {
		n, err := r.nc.Write(batch)
		sent += n
		if err != nil {
			break // full, from end to end
		}
		if sent > 64<<20 {
			t.Fatal("the broker keeps on gathering answers")
		}
	}
	ch := channel(t, b)
	declare(t, ch, "q", nil)
	publish(t, ch, "", "q", "m")
	testx.Equal(t, drain(t, ch, "q"), []string{"m"})
}

// TestWideFanout binds many queues, some twice, and each gets one copy.
func TestWideFanout(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	const n = 40
	for i := range n {
		q := fmt.Sprint("q", i)
		declare(t, ch, q, nil)
		bind(t, ch, q, "a.#", "amq.topic", nil)
		bind(t, ch, q, "#.b", "amq.topic", nil)
	}
	publish(t, ch, "amq.topic", "a.b", "m")
	for i := range n {
		testx.Equal(t, drain(t, ch, fmt.Sprint("q", i)), []string{"m"})
	}
}
