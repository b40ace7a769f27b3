package broker_test

import (
	"net"
	"slices"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

// messageFrames is a publish to the default exchange as one piece of bytes.
func messageFrames(key string, size int) []byte {
	b := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: key})
	b = amqp.AppendContentHeader(b, 1, uint64(size), []byte{0, 0})
	return amqp.AppendBodyFrames(b, 1, make([]byte, size), 0)
}

// deliveries reads frames and counts the deliveries among them.
type deliveries struct {
	nc  net.Conn
	buf []byte
	in  [64 << 10]byte
	n   int
}

// read returns after at least one more delivery, or an error.
func (d *deliveries) read(want int) error {
	for d.n < want {
		got, err := d.nc.Read(d.in[:])
		if err != nil {
			return err
		}
		d.buf = append(d.buf, d.in[:got]...)
		used := 0
		for {
			f, n, _, bad := amqp.ParseFrame(d.buf[used:], 0)
			if bad != nil {
				return bad
			}
			if n == 0 {
				break
			}
			if f.Type == amqp.FrameMethod {
				d.n++
			}
			used += n
		}
		d.buf = d.buf[:copy(d.buf, d.buf[used:])]
	}
	return nil
}

// pair is a publisher and a consumer of the queue q.
func pair(t testing.TB, b *broker.Broker) (pub, con *raw) {
	con = rawOpen(t, b)
	con.send(1, &amqp.QueueDeclare{Queue: "q"})
	con.expect(1, amqp.IDQueueDeclareOk)
	con.send(1, &amqp.BasicConsume{Queue: "q", NoAck: true, ConsumerTag: "c"})
	con.expect(1, amqp.IDBasicConsumeOk)
	pub = rawOpen(t, b)
	for _, r := range []*raw{pub, con} {
		testx.NoErr(t, r.nc.SetDeadline(time.Time{}))
	}
	return pub, con
}

// BenchmarkTransient publishes as fast as the broker takes it, in writes of
// 64 KiB, to an auto-ack consumer.
func BenchmarkTransient(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"16B", 16}, {"1KiB", 1 << 10}, {"16KiB", 16 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			pub, con := pair(b, newBroker(b, broker.Config{}))
			one := messageFrames("q", size.n)
			per := max(1, (64<<10)/len(one))
			batch := slices.Repeat(one, per)
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for left := b.N; left > 0; left -= per {
					if _, err := pub.nc.Write(batch[:min(left, per)*len(one)]); err != nil {
						return
					}
				}
			}()
			d := deliveries{nc: con.nc}
			testx.NoErr(b, d.read(b.N))
		})
	}
}

// BenchmarkPingPong is a request and its reply through two queues, with
// clients that speak raw frames: what an RPC costs at the least.
func BenchmarkPingPong(b *testing.B) {
	br := newBroker(b, broker.Config{})
	open := func(q string) *raw {
		r := rawOpen(b, br)
		r.send(1, &amqp.QueueDeclare{Queue: q})
		r.expect(1, amqp.IDQueueDeclareOk)
		r.send(1, &amqp.BasicConsume{Queue: q, NoAck: true})
		r.expect(1, amqp.IDBasicConsumeOk)
		testx.NoErr(b, r.nc.SetDeadline(time.Time{}))
		return r
	}
	server, client := open("server"), open("client")
	request, reply := messageFrames("server", 64), messageFrames("client", 64)
	go func() {
		d := deliveries{nc: server.nc}
		for i := 1; d.read(i) == nil; i++ {
			server.nc.Write(reply)
		}
	}()
	d := deliveries{nc: client.nc}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		client.nc.Write(request)
		testx.NoErr(b, d.read(i+1))
	}
}

// BenchmarkClientPingPong is the same with a real client, acknowledgements
// and publisher confirms, as oslo.messaging does its calls.
func BenchmarkClientPingPong(b *testing.B) {
	br := newBroker(b, broker.Config{})
	open := func(q string) (*rabbit.Channel, <-chan rabbit.Delivery, *rabbit.Channel) {
		con, pub := channel(b, br), channel(b, br)
		declare(b, con, q, nil)
		testx.NoErr(b, pub.Confirm(false))
		return con, consume(b, con, q, false), pub
	}
	send := func(pub *rabbit.Channel, q string) {
		c, err := pub.PublishWithDeferredConfirm("", q, false, false, rabbit.Publishing{Body: make([]byte, 300)})
		if err == nil {
			c.Wait()
		}
	}
	_, requests, sPub := open("server")
	_, replies, cPub := open("client")
	go func() {
		for m := range requests {
			m.Ack(false)
			send(sPub, "client")
		}
	}()
	b.ResetTimer()
	for range b.N {
		send(cPub, "server")
		m := next(b, replies)
		m.Ack(false)
	}
}

// TestAllocations holds what a transient message may allocate on its way
// through: the message, with its properties and body if they are small.
func TestAllocations(t *testing.T) { // not parallel: it counts all there are
	pub, con := pair(t, newBroker(t, broker.Config{}))
	d := deliveries{nc: con.nc}
	const per = 100
	n := 0
	for _, c := range []struct {
		size int
		want float64
	}{{16, 1}, {62, 1}, {1024, 2}} {
		batch := slices.Repeat(messageFrames("q", c.size), per)
		round := func() {
			pub.nc.Write(batch)
			n += per
			testx.NoErr(t, d.read(n))
		}
		for range 100 { // let the buffers find their sizes
			round()
		}
		if got := testing.AllocsPerRun(200, round) / per; got > c.want+.05 {
			t.Errorf("a message of %d octets allocates %.2f times; want %.0f", c.size, got, c.want)
		}
	}
}
