package broker_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/wal"
	"nubo/internal/testx"
)

// persistentFrames is messageFrames with delivery mode 2.
func persistentFrames(key string, size int) []byte {
	b := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: key})
	p := amqp.Properties{DeliveryMode: 2}
	b = amqp.AppendContentHeader(b, 1, uint64(size), p.Append(nil))
	return amqp.AppendBodyFrames(b, 1, make([]byte, size), 0)
}

// BenchmarkPersistent publishes to a durable queue with so many confirms
// outstanding, to an auto-ack consumer.
func BenchmarkPersistent(b *testing.B) {
	for _, sync := range []wal.Sync{wal.Always, wal.Write} {
		for _, kind := range []string{"classic", "quorum"} {
			for _, size := range []int{16, 1024} {
				for _, window := range []int{1, 100, 1000} {
					if sync == wal.Write && (kind == "quorum" || window == 100) {
						continue
					}
					b.Run(fmt.Sprintf("%s/%s/%dB/window%d", sync, kind, size, window), func(b *testing.B) {
						persistent(b, sync, kind, size, window)
					})
				}
			}
		}
	}
}

func persistent(b *testing.B, mode wal.Sync, kind string, size, window int) {
	br, _ := openBroker(b, broker.Config{DataDir: b.TempDir(), Sync: mode})
	con, pub := rawOpen(b, br), rawOpen(b, br)
	con.send(1, &amqp.QueueDeclare{Queue: "q", Durable: true, Arguments: amqp.Table{"x-queue-type": kind}})
	con.expect(1, amqp.IDQueueDeclareOk)
	con.send(1, &amqp.BasicConsume{Queue: "q", NoAck: true, ConsumerTag: "c"})
	con.expect(1, amqp.IDBasicConsumeOk)
	pub.send(1, &amqp.ConfirmSelect{})
	pub.expect(1, amqp.IDConfirmSelectOk)
	for _, r := range []*raw{pub, con} {
		testx.NoErr(b, r.nc.SetDeadline(time.Time{}))
	}
	one := persistentFrames("q", size)
	batch := slices.Repeat(one, min(window, max(1, (64<<10)/len(one))))
	per := len(batch) / len(one)
	var mu sync.Mutex
	confirmed, more := 0, sync.NewCond(&mu)
	go func() {
		for {
			f, err := pub.frame()
			if err != nil {
				return
			}
			m, bad := amqp.ParseMethod(f.Payload)
			if ack, ok := m.(*amqp.BasicAck); ok && bad == nil {
				mu.Lock()
				confirmed = int(ack.DeliveryTag)
				more.Signal()
				mu.Unlock()
			}
		}
	}()
	b.ResetTimer()
	go func() {
		for sent := 0; sent < b.N; sent += per {
			mu.Lock()
			for sent+per-confirmed > window {
				more.Wait()
			}
			mu.Unlock()
			if _, err := pub.nc.Write(batch[:min(b.N-sent, per)*len(one)]); err != nil {
				return
			}
		}
	}()
	d := deliveries{nc: con.nc}
	testx.NoErr(b, d.read(b.N))
	mu.Lock()
	for confirmed < b.N {
		more.Wait()
	}
	mu.Unlock()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkRecover opens a broker with a long queue and gets the first of its
// messages.
func BenchmarkRecover(b *testing.B) {
	for _, c := range []struct {
		name    string
		n, size int
	}{{"1Mx16B", 1_000_000, 16}, {"1Mx1KiB", 1_000_000, 1024}} {
		b.Run(c.name, func(b *testing.B) {
			cfg := broker.Config{DataDir: b.TempDir(), Sync: wal.Write, MemoryWatermark: 256 << 20, DiskFreeLimit: 1}
			br, stop := openBroker(b, cfg)
			fillBig(b, br, c.n, c.size)
			stop()
			b.ResetTimer()
			for range b.N {
				br, stop := openBroker(b, cfg)
				if _, ok := get(b, channel(b, br), "q", false); !ok {
					b.Fatal("the queue is empty")
				}
				b.StopTimer()
				stop()
				b.StartTimer()
			}
		})
	}
}
