package broker_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// bigCount asks for TestBigQueue with so many messages.
const bigCount = "NUBO_TEST_BIG_QUEUE"

// memoryNow is what the process takes, and took at most, in MiB.
func memoryNow(t *testing.T) (rss, peak int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	testx.NoErr(t, err)
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "VmRSS:":
			rss = n >> 10
		case "VmHWM:":
			peak = n >> 10
		}
	}
	return rss, peak
}

// TestBigQueue fills a queue with far more than memory is to hold, restarts the
// broker and reads all of it back, every octet of it compared.
func TestBigQueue(t *testing.T) {
	n := 20_000
	if s := os.Getenv(bigCount); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		testx.NoErr(t, err)
	} else {
		t.Parallel()
	}
	const limit = 256 << 20
	cfg := broker.Config{DataDir: t.TempDir(), Sync: wal.Always, MemoryWatermark: limit, DiskFreeLimit: 1}
	b, stop := openBroker(t, cfg)
	begun := time.Now()
	fillBig(t, b, n, 1024)
	if used := b.Stats().MemoryUsed; used > limit {
		t.Errorf("messages take %d octets in memory; %d are allowed", used, limit)
	}
	rss, peak := memoryNow(t)
	t.Logf("%d messages of 1 KiB published and confirmed in %v; %d MiB in memory, %d at most", n, time.Since(begun).Round(time.Millisecond), rss, peak)
	begun = time.Now()
	stop()
	t.Logf("stopped in %v", time.Since(begun).Round(time.Millisecond))

	begun = time.Now()
	b, stop = openBroker(t, cfg)
	opened := time.Since(begun)
	con := rawOpen(t, b)
	testx.NoErr(t, con.nc.SetDeadline(time.Time{}))
	con.send(1, &amqp.BasicQos{PrefetchCount: 2000})
	con.expect(1, amqp.IDBasicQosOk)
	con.send(1, &amqp.BasicConsume{Queue: "q", ConsumerTag: "c"})
	con.expect(1, amqp.IDBasicConsumeOk)
	first := readBig(t, con, n, begun)
	rss, peak = memoryNow(t)
	t.Logf("opened in %v, first delivery after %v; all read back and acknowledged after %v; %d MiB in memory, %d at most",
		opened.Round(time.Millisecond), first.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), rss, peak)
	testx.Eventually(t, "all are acknowledged", func() bool {
		s := b.Stats().VHosts[0].Queues[0]
		return s.Ready+s.Unacked == 0
	})
	testx.NoErr(t, con.nc.Close())
	stop()
}

// bigBody is the body of a message.
func bigBody(body []byte, i int) { binary.BigEndian.PutUint64(body, uint64(i)) }

// fillBig publishes with confirms, 5000 of them outstanding at most.
func fillBig(t testing.TB, b *broker.Broker, n, size int) {
	t.Helper()
	pub := rawOpen(t, b)
	testx.NoErr(t, pub.nc.SetDeadline(time.Time{}))
	pub.send(1, &amqp.QueueDeclare{Queue: "q", Durable: true})
	pub.expect(1, amqp.IDQueueDeclareOk)
	pub.send(1, &amqp.ConfirmSelect{})
	pub.expect(1, amqp.IDConfirmSelectOk)
	const window, per = 5000, 50
	one := persistentFrames("q", size)
	at := len(one) - 1 - size
	var batch []byte
	for sent, confirmed := 0, 0; confirmed < n; {
		for sent < n && sent-confirmed < window {
			batch = batch[:0]
			for range min(per, n-sent) {
				bigBody(one[at:], sent)
				batch = append(batch, one...)
				sent++
			}
			pub.write(batch)
		}
		m := pub.expect(1, amqp.IDBasicAck).(*amqp.BasicAck)
		confirmed = int(m.DeliveryTag)
	}
	testx.NoErr(t, pub.nc.Close())
}

// readBig reads and acknowledges all messages, and returns when the first came.
func readBig(t *testing.T, con *raw, n int, begun time.Time) (first time.Duration) {
	t.Helper()
	want := make([]byte, 1024)
	for i := range n {
		m := con.expect(1, amqp.IDBasicDeliver).(*amqp.BasicDeliver)
		if i == 0 {
			first = time.Since(begun)
		}
		header, err := con.frame()
		testx.NoErr(t, err)
		body, err := con.frame()
		testx.NoErr(t, err)
		bigBody(want, i)
		if m.DeliveryTag != uint64(i+1) || header.Type != amqp.FrameHeader || body.Type != amqp.FrameBody || !bytes.Equal(body.Payload, want) {
			t.Fatalf("message %d has tag %d, frames of types %d and %d, and is wrong", i, m.DeliveryTag, header.Type, body.Type)
		}
		if i%1000 == 999 || i == n-1 {
			con.send(1, &amqp.BasicAck{DeliveryTag: m.DeliveryTag, Multiple: true})
		}
	}
	return first
}
