package broker_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

const (
	overloadChild = "NUBO_TEST_OVERLOAD" // makes the test binary a broker
	overloadMark  = 32 << 20
	// overloadLimit is what the broker's process may take then: Go lets garbage
	// grow to what is live.
	overloadLimit = 2*overloadMark + 64<<20
)

// overloadMain is a broker with a watermark that keeps all in memory, until
// its input ends.
func overloadMain() {
	b := broker.New(broker.Config{MemoryWatermark: overloadMark})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	go func() {
		bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	b.Serve(l)
}

// resident is the memory of a process.
func resident(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	testx.NoErr(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(raw))[1])
	testx.NoErr(t, err)
	return pages * os.Getpagesize()
}

// TestOverload has four publishers send three times what the broker may keep,
// while nobody consumes: all are told and stop. Then one consumer takes
// everything. The process stays within its memory and nothing is lost.
func TestOverload(t *testing.T) { // not parallel: it is about a whole process
	const publishers, each = 4, 24_000
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), overloadChild+"=1")
	in, err := cmd.StdinPipe()
	testx.NoErr(t, err)
	out, err := cmd.StdoutPipe()
	testx.NoErr(t, err)
	testx.NoErr(t, cmd.Start())
	defer cmd.Wait()
	defer in.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	testx.NoErr(t, err)
	connect := func() *rabbit.Connection {
		c, err := rabbit.Dial("amqp://guest:guest@" + strings.TrimSpace(line))
		testx.NoErr(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	consumer, err := connect().Channel()
	testx.NoErr(t, err)
	declare(t, consumer, "q", nil)
	var told []func(*testing.T) string
	var confirmed atomic.Int64
	var wg sync.WaitGroup
	for p := range publishers {
		c := connect()
		told = append(told, notices(c))
		ch, err := c.Channel()
		testx.NoErr(t, err)
		testx.NoErr(t, ch.Confirm(false))
		confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, each))
		wg.Go(func() {
			body := make([]byte, 1024)
			for i := range each {
				copy(body, fmt.Sprintf("%d/%d ", p, i))
				if err := ch.Publish("", "q", false, false, rabbit.Publishing{Body: body}); err != nil {
					t.Errorf("publish %d: %v", i, err)
					return
				}
			}
			for range each {
				if (<-confirms).Ack {
					confirmed.Add(1)
				}
			}
		})
	}
	for _, told := range told {
		testx.Equal(t, told(t), "low on memory")
	}
	peak := resident(t, cmd.Process.Pid)
	testx.NoErr(t, consumer.Qos(500, 0, false))
	seen := make(map[string]bool)
	d := consume(t, consumer, "q", false)
	for n := 1; n <= publishers*each; n++ {
		m := next(t, d)
		id, _, _ := strings.Cut(string(m.Body), " ")
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		if seen[id] = true; n%100 == 0 {
			testx.NoErr(t, m.Ack(true))
		}
		if n%4000 == 0 {
			peak = max(peak, resident(t, cmd.Process.Pid))
		}
	}
	wg.Wait()
	testx.Equal(t, confirmed.Load(), int64(publishers*each))
	t.Logf("%d MiB of messages through a watermark of %d MiB: %d MiB resident at most", publishers*each>>10, overloadMark>>20, peak>>20)
	if peak > overloadLimit && !raceDetector { // that takes memory of its own
		t.Errorf("%d octets were resident; at most %d are allowed", peak, overloadLimit)
	}
}

// hostile are clients that do not behave. Each is given a connection, and
// leaves it as it is.
var hostile = []func(r *raw){
	func(r *raw) { // no AMQP
		r.write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	},
	func(r *raw) { // half a header
		r.write([]byte("AMQ"))
	},
	func(r *raw) { // garbage for a frame
		r.write([]byte(amqp.ProtocolHeader + strings.Repeat("\xff\x00garbage", 1000)))
	},
	func(r *raw) { // half a frame, of all the size that is allowed
		r.open()
		r.write(slices.Concat([]byte{amqp.FrameBody, 0, 1, 0, 1, 0xff, 0}, make([]byte, 60_000)))
	},
	func(r *raw) { // half a message, which says to be the largest
		r.open()
		b := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: "hostile"})
		r.write(amqp.AppendContentHeader(b, 1, 128<<20, []byte{0, 0}))
	},
	func(r *raw) { // a frame that is not allowed, and then not a word
		r.open()
		r.write([]byte{amqp.FrameBody, 0, 1, 0xff, 0xff, 0xff, 0xff})
	},
	func(r *raw) { // requests, and nobody reads the answers
		r.open()
		r.flood(amqp.AppendMethodFrame(nil, 1, &amqp.QueueDeclare{Queue: "hostile", Passive: true}))
	},
	func(r *raw) { // asks for large messages, and does not read them
		r.open()
		r.flood(amqp.AppendMethodFrame(nil, 1, &amqp.BasicGet{Queue: "hostile"}))
	},
	func(r *raw) { // consumes large messages, and does not read them
		r.open()
		r.send(1, &amqp.BasicConsume{Queue: "hostile", NoAck: true})
	},
	func(r *raw) { // publishes to nowhere, and does not read what is returned
		r.open()
		b := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: "nowhere", Mandatory: true})
		b = amqp.AppendContentHeader(b, 1, 10_000, []byte{0, 0})
		r.flood(amqp.AppendBodyFrames(b, 1, make([]byte, 10_000), 0))
	},
}

// flood sends the same again and again, until nothing is taken any more.
func (r *raw) flood(request []byte) {
	batch := slices.Repeat(request, max(1, (64<<10)/len(request)))
	for sent := 0; sent < 64<<20; sent += len(batch) {
		r.nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := r.nc.Write(batch); err != nil {
			return
		}
	}
	r.t.Error("the broker takes more and more")
}

// TestHostileClients has a hundred clients that send garbage, stop in the
// middle or never read. Others go on, and when they are gone so is all that
// was held for them.
func TestHostileClients(t *testing.T) { // not parallel: it counts goroutines and memory
	b := newBroker(t, broker.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	go b.Serve(l)
	c, err := rabbit.Dial("amqp://guest:guest@" + l.Addr().String())
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	testx.NoErr(t, err)
	declare(t, ch, "hostile", nil)
	declare(t, ch, "q", nil)
	body := string(make([]byte, 100_000))
	for range 200 {
		publish(t, ch, "", "hostile", body)
	}
	d := consume(t, ch, "q", true)
	trips := func() (rate float64) { // messages there and back, for a while
		begin, n := time.Now(), 0
		for ; time.Since(begin) < 300*time.Millisecond; n++ {
			publish(t, ch, "", "q", "m")
			next(t, d)
		}
		return float64(n) / time.Since(begin).Seconds()
	}
	quiet := trips()
	goroutines, used := runtime.NumGoroutine(), live()

	var wg sync.WaitGroup
	var clients []net.Conn
	for i := range 100 {
		nc, err := net.Dial("tcp", l.Addr().String())
		testx.NoErr(t, err)
		clients = append(clients, nc)
		wg.Go(func() { hostile[i%len(hostile)](&raw{t: t, nc: nc}) })
	}
	during := trips()
	wg.Wait()
	rate := trips()
	pending := 0
	for _, c := range b.Stats().Connections {
		pending = max(pending, c.Pending)
	}
	held := live() - used
	t.Logf("%.0f messages/s there and back, %.0f while hostile clients come, %.0f when they are there; %d KiB held for them, %d KiB waiting for one at most",
		quiet, during, rate, held>>10, pending>>10)
	if pending > 2<<20 {
		t.Errorf("%d octets wait for a client that does not read", pending)
	}
	if limit := int64(100 * 2 << 20); held > limit {
		t.Errorf("%d octets are held for hostile clients; at most %d are allowed", held, limit)
	}
	for _, nc := range clients {
		nc.Close()
	}
	testx.Eventually(t, "they are gone", func() bool { return len(b.Stats().Connections) == 1 })
	testx.Eventually(t, "their goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	_, err = ch.QueuePurge("hostile", false)
	testx.NoErr(t, err)
	testx.Eventually(t, "their memory is free", func() bool { return live() < used+1<<20 })
	testx.Equal(t, b.Stats().MemoryUsed, int64(0))
	trips()
}

// live is how much memory is in use.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestConnectionChurn opens and closes connections, in good order, in the
// middle of a handshake and in the middle of work.
func TestConnectionChurn(t *testing.T) { // not parallel: it counts goroutines
	b := newBroker(t, broker.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	go b.Serve(l)
	declare(t, channel(t, b), "q", nil)
	goroutines := runtime.NumGoroutine()
	const workers, each = 8, 120
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				r := &raw{t: t, nc: nc}
				switch (w + i) % 4 {
				case 0:
				case 1:
					r.login(nil, "PLAIN", "\x00guest\x00guest")
				case 2:
					r.open()
					r.send(1, &amqp.QueueDeclare{Exclusive: true})
					r.send(1, &amqp.BasicConsume{Queue: "q"})
					r.write(messageFrames("q", 16))
					// Hang up only after what was answered is read: TCP resets
					// a connection otherwise, and loses what is on its way.
					testx.NoErr(t, nc.(*net.TCPConn).CloseWrite())
					_, _ = io.Copy(io.Discard, nc)
				case 3:
					r.open()
					r.send(0, &amqp.ConnectionClose{})
					r.expect(0, amqp.IDConnectionCloseOk)
				}
				nc.Close()
			}
		})
	}
	wg.Wait()
	testx.Eventually(t, "all are gone", func() bool { return len(b.Stats().Connections) == 1 })
	testx.Eventually(t, "their goroutines are gone", func() bool { return runtime.NumGoroutine() <= goroutines })
	s := b.Stats()
	testx.Equal(t, len(s.VHosts[0].Queues), 1)
	testx.Equal(t, s.Churn.ConnectionsCreated, uint64(1+workers*each/2))
	testx.Equal(t, s.Churn.ConnectionsClosed, uint64(workers*each/2))
	testx.Equal(t, s.VHosts[0].Queues[0].Ready, workers*each/4)
}

// FuzzConnection feeds the broker what a client may send once its connection
// is open. It must go on whatever that is.
func FuzzConnection(f *testing.F) {
	frames := func(list ...amqp.Method) (b []byte) {
		for _, m := range list {
			b = amqp.AppendMethodFrame(b, 1, m)
		}
		return b
	}
	f.Add(messageFrames("q", 100))
	f.Add(frames(&amqp.QueueDeclare{Queue: "x", Exclusive: true, Arguments: amqp.Table{"x-max-length": int32(1)}}, &amqp.BasicConsume{Queue: "x"}))
	f.Add(append(frames(&amqp.ConfirmSelect{}, &amqp.BasicConsume{Queue: "q"}), messageFrames("q", 3)...))
	f.Add(append(append(frames(&amqp.TxSelect{}), messageFrames("amq.rabbitmq.reply-to", 3)...), frames(&amqp.TxCommit{}, &amqp.TxRollback{})...))
	f.Add(frames(&amqp.BasicGet{Queue: "q"}, &amqp.BasicNack{DeliveryTag: 1, Requeue: true}, &amqp.BasicRecover{Requeue: true}, &amqp.BasicAck{Multiple: true}))
	f.Add(frames(&amqp.ExchangeDeclare{Exchange: "h", Type: "headers", AutoDelete: true}, &amqp.QueueBind{Queue: "q", Exchange: "h", Arguments: amqp.Table{"a": "b"}}))
	f.Add(amqp.AppendHeartbeat(frames(&amqp.ChannelClose{}, &amqp.ChannelOpen{}, &amqp.BasicCancel{ConsumerTag: "c"}, &amqp.ChannelFlow{Active: true})))
	b := newBroker(f, broker.Config{})
	keeper := channel(f, b)
	declare(f, keeper, "q", rabbit.Table{"x-max-length": 100})
	_, err := keeper.QueueDeclare("mine", false, false, true, false, nil) // exclusive: nobody can take it away
	testx.NoErr(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := rawOpen(t, b)
		r.nc.Write(data)
		r.nc.Close()
		publish(t, keeper, "", "mine", "m")
		if m, ok := get(t, keeper, "mine", true); !ok || string(m.Body) != "m" {
			t.Fatalf("got %q, %v", m.Body, ok)
		}
	})
}
