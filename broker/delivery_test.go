package broker_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

// get takes a message with basic.get.
func get(t testing.TB, ch *rabbit.Channel, q string, autoAck bool) (rabbit.Delivery, bool) {
	t.Helper()
	m, ok, err := ch.Get(q, autoAck)
	testx.NoErr(t, err)
	return m, ok
}

// drain takes all messages of a queue.
func drain(t testing.TB, ch *rabbit.Channel, q string) []string {
	t.Helper()
	list := []string{}
	for {
		m, ok := get(t, ch, q, true)
		if !ok {
			return list
		}
		list = append(list, string(m.Body))
	}
}

func TestRequeueKeepsOrder(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	for i := range 6 {
		publish(t, ch, "", "q", strconv.Itoa(i))
	}
	var got []rabbit.Delivery
	for range 4 {
		m, ok := get(t, ch, "q", false)
		testx.Equal(t, []bool{ok, m.Redelivered}, []bool{true, false})
		got = append(got, m)
	}
	testx.NoErr(t, got[2].Reject(true))
	testx.NoErr(t, got[0].Nack(false, true))
	testx.NoErr(t, got[1].Reject(false))
	testx.NoErr(t, got[3].Ack(false))
	m, _ := get(t, ch, "q", true)
	testx.Equal(t, []any{string(m.Body), m.Redelivered, m.MessageCount}, []any{"0", true, uint32(3)})
	testx.Equal(t, drain(t, ch, "q"), []string{"2", "4", "5"})
}

func TestNackMultiple(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "q", nil)
	for i := range 5 {
		publish(t, ch, "", "q", strconv.Itoa(i))
	}
	var third rabbit.Delivery
	for range 3 {
		third, _ = get(t, ch, "q", false)
	}
	testx.NoErr(t, third.Nack(true, true))
	testx.Equal(t, drain(t, ch, "q"), []string{"0", "1", "2", "3", "4"})
}

func TestRecoverRedelivers(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	publish(t, ch, "", "q", "m")
	d := consume(t, ch, "q", false)
	testx.Equal(t, next(t, d).Redelivered, false)
	testx.NoErr(t, ch.Recover(true))
	testx.Equal(t, next(t, d).Redelivered, true)
}

func TestLostConnectionGivesBack(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "q", nil)
	for i := range 3 {
		publish(t, ch, "", "q", strconv.Itoa(i))
	}
	other := dial(t, b)
	och, err := other.Channel()
	testx.NoErr(t, err)
	d := consume(t, och, "q", false)
	for range 3 {
		next(t, d)
	}
	testx.NoErr(t, other.Close())
	mine := consume(t, ch, "q", true)
	for i := range 3 {
		m := next(t, mine)
		testx.Equal(t, []any{string(m.Body), m.Redelivered}, []any{strconv.Itoa(i), true})
	}
}

func TestPrefetch(t *testing.T) {
	t.Parallel()
	for _, global := range []bool{false, true} {
		t.Run(fmt.Sprintf("global=%v", global), func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, broker.Config{})
			ch := channel(t, b)
			declare(t, ch, "q", nil)
			testx.NoErr(t, ch.Qos(2, 0, global))
			one, two := consume(t, ch, "q", false), consume(t, ch, "q", false)
			for i := range 10 {
				publish(t, ch, "", "q", strconv.Itoa(i))
			}
			unacked := 4 // two for each
			if global {
				unacked = 2
			}
			state := func() [2]int {
				q := b.Stats().VHosts[0].Queues[0]
				return [2]int{q.Unacked, q.Ready}
			}
			testx.Eventually(t, "prefetch is used up", func() bool { return state() == [2]int{unacked, 10 - unacked} })
			for range 10 {
				select {
				case m := <-one:
					testx.NoErr(t, m.Ack(false))
				case m := <-two:
					testx.NoErr(t, m.Ack(false))
				case <-time.After(30 * time.Second):
					t.Fatalf("stuck with %v", state())
				}
			}
			testx.Eventually(t, "all is acknowledged", func() bool { return state() == [2]int{0, 0} })
		})
	}
}

func TestFairDispatch(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	ch := channel(t, b)
	declare(t, ch, "q", nil)
	high, err := ch.Consume("q", "high", false, false, false, false, rabbit.Table{"x-priority": int32(5)})
	testx.NoErr(t, err)
	low1, low2 := consume(t, ch, "q", true), consume(t, ch, "q", true)
	publish(t, ch, "", "q", "a")
	testx.Equal(t, string(next(t, high).Body), "a")
	testx.NoErr(t, ch.Cancel("high", false))
	for _, s := range []string{"b", "c"} {
		publish(t, ch, "", "q", s)
	}
	got := []string{string(next(t, low1).Body), string(next(t, low2).Body)}
	slices.Sort(got)
	testx.Equal(t, got, []string{"b", "c"})
}

func TestConfirms(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", rabbit.Table{"x-max-length": int32(3), "x-overflow": "reject-publish"})
	testx.NoErr(t, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, 10))
	for i := range 5 {
		publish(t, ch, "", "q", strconv.Itoa(i))
	}
	for i := range 5 {
		select {
		case c := <-confirms:
			testx.Equal(t, c, rabbit.Confirmation{DeliveryTag: uint64(i + 1), Ack: i < 3})
		case <-time.After(30 * time.Second):
			t.Fatal("no confirm")
		}
	}
}

func TestMandatory(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	testx.NoErr(t, ch.Confirm(false))
	returns := ch.NotifyReturn(make(chan rabbit.Return, 1))
	confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, 1))
	testx.NoErr(t, ch.Publish("", "nowhere", true, false, rabbit.Publishing{Body: []byte("m"), MessageId: "id"}))
	select {
	case r := <-returns:
		testx.Equal(t, []any{r.ReplyCode, r.ReplyText, r.Exchange, r.RoutingKey, string(r.Body), r.MessageId},
			[]any{uint16(312), "NO_ROUTE", "", "nowhere", "m", "id"})
	case <-time.After(30 * time.Second):
		t.Fatal("not returned")
	}
	testx.Equal(t, <-confirms, rabbit.Confirmation{DeliveryTag: 1, Ack: true})
}

func TestMaxLengthDropsHead(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "n", rabbit.Table{"x-max-length": int32(2)})
	declare(t, ch, "bytes", rabbit.Table{"x-max-length-bytes": int32(5)})
	for _, s := range []string{"aa", "bb", "cc", "dd"} {
		publish(t, ch, "", "n", s)
		publish(t, ch, "", "bytes", s)
	}
	testx.Equal(t, drain(t, ch, "n"), []string{"cc", "dd"})
	testx.Equal(t, drain(t, ch, "bytes"), []string{"cc", "dd"})
}

// TestLargeBody sends bodies of several frames, past the limits at which
// buffers grow and bodies are no longer copied.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	ch := channel(t, newBroker(t, broker.Config{}))
	declare(t, ch, "q", nil)
	d := consume(t, ch, "q", true)
	for _, size := range []int{0, 1, 8 << 10, 131072 - 8, 131072, 3 << 20} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 7)
		}
		testx.NoErr(t, ch.Publish("", "q", false, false, rabbit.Publishing{Body: body}))
		if got := next(t, d).Body; !slices.Equal(got, body) {
			t.Fatalf("body of %d bytes came back as %d others", size, len(got))
		}
	}
}

// TestSlowConsumer lets much more gather than a connection buffers: it stays
// in the queue, and all of it comes when the consumer reads.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	c := rawOpen(t, b)
	c.send(1, &amqp.QueueDeclare{Queue: "q"})
	c.expect(1, amqp.IDQueueDeclareOk)
	c.send(1, &amqp.BasicConsume{Queue: "q", NoAck: true})
	c.expect(1, amqp.IDBasicConsumeOk)
	const n = 1000
	pub := channel(t, b)
	body := make([]byte, 4<<10)
	for range n {
		testx.NoErr(t, pub.Publish("", "q", false, false, rabbit.Publishing{Body: body}))
	}
	testx.Eventually(t, "the queue holds messages back", func() bool { return b.Stats().VHosts[0].Queues[0].Ready > n/10 })
	for range n {
		c.expect(1, amqp.IDBasicDeliver)
	}
	testx.Equal(t, b.Stats().MemoryUsed, int64(0))
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, broker.Config{})
		ch := channel(t, b)
		declare(t, ch, "queue", rabbit.Table{"x-message-ttl": int32(1000)})
		declare(t, ch, "message", nil)
		publish(t, ch, "", "queue", "a")
		for _, ttl := range []string{"5000", "1000"} {
			testx.NoErr(t, ch.Publish("", "message", false, false, rabbit.Publishing{Body: []byte(ttl), Expiration: ttl}))
		}
		ready := func(name string) int {
			q, err := ch.QueueDeclarePassive(name, false, false, false, false, nil)
			testx.NoErr(t, err)
			return q.Messages
		}
		time.Sleep(900 * time.Millisecond)
		testx.Equal(t, []int{ready("queue"), ready("message")}, []int{1, 2})
		time.Sleep(200 * time.Millisecond)
		// Only the head expires: behind the message of 5 s the other waits.
		testx.Equal(t, []int{ready("queue"), ready("message")}, []int{0, 2})
		time.Sleep(4 * time.Second)
		testx.Equal(t, ready("message"), 0)
		// With a consumer waiting even a TTL of 0 is delivered.
		d := consume(t, ch, "message", true)
		testx.NoErr(t, ch.Publish("", "message", false, false, rabbit.Publishing{Body: []byte("now"), Expiration: "0"}))
		testx.Equal(t, string(next(t, d).Body), "now")
		// A message that is out does not expire until it is back.
		publish(t, ch, "", "queue", "b")
		m, _ := get(t, ch, "queue", false)
		time.Sleep(2 * time.Second)
		testx.NoErr(t, m.Reject(true))
		synctest.Wait()
		testx.Equal(t, ready("queue"), 0)
		testx.Equal(t, b.Stats().MemoryUsed, int64(0))
	})
}

func TestQueueExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, broker.Config{})
		ch := channel(t, b)
		args := rabbit.Table{"x-expires": int32(10000)}
		declare(t, ch, "q", args)
		time.Sleep(9 * time.Second)
		declare(t, ch, "q", args) // is use
		time.Sleep(9 * time.Second)
		_, err := ch.Consume("q", "tag", true, false, false, false, nil)
		testx.NoErr(t, err)
		time.Sleep(time.Minute)
		testx.NoErr(t, ch.Cancel("tag", false))
		exists := func() bool { return len(b.Stats().VHosts[0].Queues) == 1 }
		time.Sleep(9 * time.Second)
		testx.Equal(t, exists(), true)
		time.Sleep(2 * time.Second)
		testx.Equal(t, exists(), false)
	})
}

func TestMemoryWatermark(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{MemoryWatermark: 64 << 10})
	ctl := channel(t, b)
	declare(t, ctl, "q", nil)
	conn := dial(t, b)
	blocked := conn.NotifyBlocked(make(chan rabbit.Blocking, 10))
	ch, err := conn.Channel()
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, 10))
	for range 2 {
		testx.NoErr(t, ch.Publish("", "q", false, false, rabbit.Publishing{Body: make([]byte, 64<<10)}))
	}
	testx.Equal(t, <-blocked, rabbit.Blocking{Active: true, Reason: "low on memory"})
	// Others go on and make room.
	d := consume(t, ctl, "q", true)
	for i := range 2 {
		next(t, d)
		testx.Equal(t, (<-confirms).DeliveryTag, uint64(i+1))
	}
	testx.Equal(t, <-blocked, rabbit.Blocking{})
}
