package broker_test

import (
	"math"
	"sync"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/conn"
	"nubo/internal/testx"
)

// notices takes what a client is told about being blocked, as words.
func notices(c *rabbit.Connection) func(t *testing.T) string {
	ch := c.NotifyBlocked(make(chan rabbit.Blocking, 1000)) // a client that cannot pass one on stands still
	return func(t *testing.T) string {
		t.Helper()
		select {
		case n := <-ch:
			if n.Active {
				return n.Reason
			}
			return "unblocked"
		case <-time.After(30 * time.Second):
			t.Fatal("no notice")
			return ""
		}
	}
}

// TestMemoryAlarm publishes to the watermark: whoever publishes then is told
// and not read from, consumers go on, and when they have, so do publishers.
func TestMemoryAlarm(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{MemoryWatermark: 1 << 20})
	c := dial(t, b)
	told := notices(c)
	pub, err := c.Channel()
	testx.NoErr(t, err)
	declare(t, pub, "q", nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range 64 {
			if err := pub.Publish("", "q", false, false, rabbit.Publishing{Body: make([]byte, 32<<10)}); err != nil {
				t.Error(err)
			}
		}
	})
	testx.Equal(t, told(t), "low on memory")
	testx.Equal(t, b.Alarms().Names(), []string{"memory"})
	states := func() map[string]int {
		n := make(map[string]int)
		for _, c := range b.Stats().Connections {
			n[c.State]++
		}
		return n
	}
	con := channel(t, b)
	testx.Equal(t, states(), map[string]int{"blocked": 1, "blocking": 1})
	d := consume(t, con, "q", false)
	for range 64 {
		testx.NoErr(t, next(t, d).Ack(false))
	}
	testx.Equal(t, told(t), "unblocked")
	testx.Eventually(t, "all run", func() bool { return states()["running"] == 2 })
	testx.Equal(t, b.Alarms(), conn.Alarm(0))
}

// TestDiskAlarm has publishers wait because the disk is full, and memory too
// for one that comes later; a client that cannot be told is not.
func TestDiskAlarm(t *testing.T) {
	t.Parallel()
	b, _ := openBroker(t, broker.Config{DataDir: t.TempDir()})
	if b.DiskFree() <= 0 || b.DiskFreeLimit() != 50_000_000 {
		t.Errorf("%d octets of disk are free, the limit is %d", b.DiskFree(), b.DiskFreeLimit())
	}
	c, later := dial(t, b), dial(t, b)
	first, second := notices(c), notices(later)
	ch, err := c.Channel()
	testx.NoErr(t, err)
	ch2, err := later.Channel()
	testx.NoErr(t, err)
	declare(t, ch, "q", nil)
	mute := rawOpen(t, b) // has no capabilities
	b.SetDiskFreeLimit(math.MaxInt64)
	publish(t, ch, "", "q", "m")
	testx.Equal(t, first(t), "low on disk")
	b.SetMemoryWatermark(1)
	publish(t, ch2, "", "q", "m")
	testx.Equal(t, second(t), "low on memory & disk")
	testx.Equal(t, b.Alarms().Names(), []string{"memory", "disk"})
	mute.write(messageFrames("q", 16))
	testx.Eventually(t, "it is blocked", func() bool { return countBlocked(b) == 3 })
	mute.send(1, &amqp.QueueDeclare{Queue: "q", Passive: true})

	b.SetDiskFreeLimit(1)
	testx.Equal(t, b.Alarms().Names(), []string{"memory"})
	b.SetMemoryWatermark(0)
	testx.Equal(t, first(t), "unblocked")
	testx.Equal(t, second(t), "unblocked")
	f, err := mute.frame() // the answer, and no notice before it
	testx.NoErr(t, err)
	id, _, _ := amqp.SplitMethod(f.Payload)
	testx.Equal(t, id, amqp.IDQueueDeclareOk)
}

func countBlocked(b *broker.Broker) (n int) {
	for _, c := range b.Stats().Connections {
		if c.State == "blocked" {
			n++
		}
	}
	return n
}

// TestCloseBlocked closes connections that are not read from.
func TestCloseBlocked(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	b.SetMemoryWatermark(1)
	var ends []chan *rabbit.Error
	for range 2 {
		c := dial(t, b)
		ends = append(ends, c.NotifyClose(make(chan *rabbit.Error, 1)))
		told := notices(c)
		ch, err := c.Channel()
		testx.NoErr(t, err)
		declare(t, ch, "q", nil)
		publish(t, ch, "", "q", "m")
		testx.Equal(t, told(t), "low on memory")
	}
	for _, c := range b.Stats().Connections {
		b.CloseConnection(c.Name, "test")
	}
	for _, end := range ends {
		select {
		case err := <-end:
			testx.Equal(t, err.Code, amqp.ConnectionForced)
		case <-time.After(5 * time.Second): // a client that does not answer is cut off after 10
			t.Error("the connection was not closed at once")
		}
	}
	testx.Eventually(t, "both are gone", func() bool { return len(b.Stats().Connections) == 0 })
}
