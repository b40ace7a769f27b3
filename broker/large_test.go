package broker_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/broker/queue"
	"nubo/internal/testx"
)

// largeBody is a body that tells by each of its octets what it must be.
func largeBody(seed uint32, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint32(b, seed)
	for i := 4; i < size; i++ {
		b[i] = byte(seed) + byte(i*7)
	}
	return b
}

// checkLarge checks a body that largeBody made.
func checkLarge(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("a body of %d octets", len(b))
	}
	seed := binary.BigEndian.Uint32(b)
	for i := 4; i < len(b); i++ {
		if b[i] != byte(seed)+byte(i*7) {
			return fmt.Errorf("octet %d of %d is %#x in message %d", i, len(b), b[i], seed)
		}
	}
	return nil
}

// largeSink consumes what one of the ways of TestLargeBodies leads to.
type largeSink struct {
	queue   string
	args    rabbit.Table
	autoAck bool
	// settle ends a delivery; it is acknowledged if nil.
	settle func(rabbit.Delivery) error
}

// TestLargeBodies sends large messages all ways at once: to many queues, dead
// letters, streams, back again and again, through transactions, to nobody, and
// to one who looks at them without consuming. Their memory is used again, and
// with the race detector overwritten first: nobody may see that.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	b, _ := openBroker(t, broker.Config{DataDir: t.TempDir()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	go b.Serve(l) //nolint:errcheck // it ends with the broker
	open := func() *rabbit.Channel {
		c, err := rabbit.Dial("amqp://guest:guest@" + l.Addr().String())
		testx.NoErr(t, err)
		t.Cleanup(func() { c.Close() })
		ch, err := c.Channel()
		testx.NoErr(t, err)
		return ch
	}
	setup := open()
	sinks := []largeSink{
		{queue: "plain", autoAck: true},
		{queue: "acked"},
		{queue: "requeued", settle: func(d rabbit.Delivery) error {
			if d.Redelivered {
				return d.Ack(false)
			}
			return d.Nack(false, true)
		}},
		{queue: "quorum", args: rabbit.Table{"x-queue-type": "quorum"}},
		{queue: "refused", args: rabbit.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}, settle: func(d rabbit.Delivery) error { return d.Reject(false) }},
		{queue: "stream", args: rabbit.Table{"x-queue-type": "stream"}},
	}
	unread := map[string]rabbit.Table{
		"short":   {"x-max-length": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
		"expired": {"x-message-ttl": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
		"full":    {"x-max-length": 2, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
		"watched": {"x-max-length": 20},
	}
	var queues []string
	declareLarge := func(q string, args rabbit.Table) {
		_, err := setup.QueueDeclare(q, args["x-queue-type"] != nil, false, false, false, args)
		testx.NoErr(t, err)
		queues = append(queues, q)
	}
	for _, s := range sinks {
		declareLarge(s.queue, s.args)
	}
	readable := len(queues)
	for q, args := range unread {
		declareLarge(q, args)
	}
	declare(t, setup, "dead", nil)

	const publishers, each = 4, 150
	var sent, got [16]atomic.Int64
	var readers, writers sync.WaitGroup
	for i, s := range append(sinks, largeSink{queue: "dead"}) {
		ch := open()
		testx.NoErr(t, ch.Qos(20, 0, false))
		var args rabbit.Table
		if s.queue == "stream" {
			args = rabbit.Table{"x-stream-offset": "first"}
		}
		d, err := ch.Consume(s.queue, "", s.autoAck, false, false, false, args)
		testx.NoErr(t, err)
		readers.Go(func() {
			for m := range d {
				if err := checkLarge(m.Body); err != nil {
					t.Errorf("%s: %v", s.queue, err)
				}
				if s.settle != nil {
					_ = s.settle(m) // the connection may be closed by now
				} else if !s.autoAck {
					_ = m.Ack(false)
				}
				if !m.Redelivered {
					got[i].Add(1)
				}
			}
		})
	}
	var over atomic.Bool
	readers.Go(func() { watchLarge(t, b, &over) })
	for p := range publishers {
		ch := open()
		returned := ch.NotifyReturn(make(chan rabbit.Return, each))
		among := len(queues)
		if p == 0 {
			among = readable // a queue that is full fails transactions
			testx.NoErr(t, ch.Tx())
		}
		readers.Go(func() {
			for r := range returned {
				if err := checkLarge(r.Body); err != nil {
					t.Errorf("returned: %v", err)
				}
			}
		})
		writers.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(p)))
			for i := range each {
				size := 100 + rnd.IntN(40_000)
				if i%20 == 0 {
					size = 100_000 + rnd.IntN(200_000)
				}
				to := rnd.Perm(among)[:1+rnd.IntN(3)]
				var cc []any
				for _, q := range to {
					sent[q].Add(1)
					cc = append(cc, queues[q])
				}
				m := rabbit.Publishing{Body: largeBody(uint32(p*each+i), size), DeliveryMode: uint8(i % 3), Headers: rabbit.Table{"CC": cc}}
				if err := ch.Publish("", "nowhere", false, false, m); err != nil {
					t.Error(err)
					return
				}
				if i%4 == 0 {
					m.Headers = nil
					if err := ch.Publish("", "nowhere", true, false, m); err != nil {
						t.Error(err)
					}
				}
				if p == 0 && i%5 == 4 {
					if err := ch.TxCommit(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	for i, s := range sinks {
		testx.Eventually(t, "all arrive in "+s.queue, func() bool { return got[i].Load() == sent[i].Load() })
	}
	over.Store(true)
	l.Close()
	for _, c := range b.Stats().Connections {
		b.CloseConnection(c.Name, "the test is over")
	}
	readers.Wait()
}

// watchLarge looks at messages as the management API does.
func watchLarge(t *testing.T, b *broker.Broker, over *atomic.Bool) {
	v, err := b.VHost("/")
	testx.NoErr(t, err)
	q, bad := v.Queue("watched", nil)
	if bad != nil {
		t.Error(bad)
		return
	}
	for !over.Load() {
		e, _, ok := q.Get(false)
		if !ok {
			runtime.Gosched()
			continue
		}
		q.Requeue([]queue.Entry{e}) // others may drop it now
		if err := checkLarge(e.Msg.Body); err != nil {
			t.Errorf("watched: %v", err)
		}
		e, _, ok = q.Get(false)
		if !ok {
			continue
		}
		q.Ack([]queue.Entry{e})
		if err := checkLarge(e.Msg.Body); err != nil {
			t.Errorf("watched: %v", err)
		}
	}
}
