package broker_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/internal/testx"
)

const (
	killChild  = "NUBO_TEST_BROKER_DIR"  // makes the test binary a broker
	killRounds = "NUBO_TEST_KILL_ROUNDS" // how often to kill it
	killLimit  = 4 << 20                 // its memory watermark: queues spill
)

// brokerMain is the process that is killed: a broker on a directory. It writes
// its address on one line and ends with its parent.
func brokerMain(dir string) {
	b, err := broker.Open(broker.Config{DataDir: dir, MemoryWatermark: killLimit})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
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

// killed is a broker process.
type killed struct {
	cmd *exec.Cmd
	url string
}

func startKilled(t *testing.T, dir string) *killed {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killChild+"="+dir)
	_, err := cmd.StdinPipe() // closed when this process ends
	testx.NoErr(t, err)
	out, err := cmd.StdoutPipe()
	testx.NoErr(t, err)
	testx.NoErr(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("the broker did not start: %v %s", err, line)
	}
	return &killed{cmd, "amqp://guest:guest@" + strings.TrimSpace(line) + "/"}
}

func (k *killed) kill(t *testing.T) {
	t.Helper()
	testx.NoErr(t, k.cmd.Process.Signal(syscall.SIGKILL))
	k.cmd.Wait()
}

// killQueues are the queues of the mixed load, with what dies of two of them
// in "dead".
var killQueues = map[string]rabbit.Table{
	"classic": nil,
	"quorum":  {"x-queue-type": "quorum"},
	"prio":    {"x-max-priority": int32(3)},
	"ttl":     {"x-message-ttl": int32(50), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
	"refused": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"},
	"spilled": nil,
	"dead":    nil,
}

// What is published to "classic" goes to a stream too, through an exchange.
const killStream, killExchange = "stream", "both"

var killStreamArgs = rabbit.Table{"x-queue-type": "stream", "x-max-length-bytes": int64(4 << 20), "x-stream-max-segment-size-bytes": int64(1 << 20)}

// ledger is what the load knows. An id is queue/publisher/number.
type ledger struct {
	mu        sync.Mutex
	confirmed map[string]bool
	settling  map[string]bool  // an ack was sent: it may be gone
	gone      map[string]bool  // an ack was seen to be done: it must be gone
	seen      map[string]bool  // delivered at least once
	offsets   map[int64]string // of the stream, as they were delivered
}

func (g *ledger) do(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// TestKill kills a broker under mixed load again and again. What was confirmed
// and not acknowledged must be there, what was seen before flagged, in order.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 20
	if s := os.Getenv(killRounds); s != "" {
		n, err := strconv.Atoi(s)
		testx.NoErr(t, err)
		rounds = n
	}
	dir, begun := t.TempDir(), time.Now()
	g := &ledger{confirmed: map[string]bool{}, settling: map[string]bool{}, gone: map[string]bool{}, seen: map[string]bool{}, offsets: map[int64]string{}}
	for round := range rounds {
		k := startKilled(t, dir)
		if round > 0 {
			checkKilled(t, k, g, round)
			checkStream(t, k, g, round)
		}
		var wg sync.WaitGroup
		for q, args := range killQueues {
			if q != "dead" {
				wg.Go(func() { killPublisher(k.url, g, q, args, round) })
			}
			if q != "spilled" && q != "ttl" && q != "dead" {
				wg.Go(func() { killConsumer(k.url, g, q, args) })
			}
		}
		wg.Go(func() { killReader(k.url, g) })
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond) // not a wait: when to kill
		k.kill(t)
		wg.Wait()
	}
	k := startKilled(t, dir)
	checkKilled(t, k, g, rounds)
	checkStream(t, k, g, rounds)
	k.kill(t)
	t.Logf("%d rounds, %d messages confirmed, %d acknowledged, %d read from the stream in %v", rounds, len(g.confirmed), len(g.gone), len(g.offsets), time.Since(begun).Round(time.Second))
}

func killChannel(url string) (*rabbit.Connection, *rabbit.Channel, error) {
	c, err := rabbit.Dial(url)
	if err != nil {
		return nil, nil, err
	}
	ch, err := c.Channel()
	return c, ch, err
}

// killPublisher publishes with confirms until the broker is gone.
func killPublisher(url string, g *ledger, q string, args rabbit.Table, round int) {
	c, ch, err := killChannel(url)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := ch.QueueDeclare("dead", true, false, false, false, nil); err != nil {
		return
	}
	if _, err := ch.QueueDeclare(q, true, false, false, false, args); err != nil || ch.Confirm(false) != nil {
		return
	}
	exchange := ""
	if q == "classic" {
		if exchange = killExchange; killTopology(ch) != nil {
			return
		}
	}
	confirms := ch.NotifyPublish(make(chan rabbit.Confirmation, 1<<16))
	var ids []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c := range confirms {
			if c.Ack {
				g.do(func() { g.confirmed[ids[c.DeliveryTag-1]] = true })
			}
		}
	}()
	pad := strings.Repeat(".", 400)
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s/%d/%06d", q, round, i)
		g.do(func() { ids = append(ids, id) })
		if ch.Publish(exchange, q, false, false, rabbit.Publishing{DeliveryMode: 2, Priority: uint8(i % 4), MessageId: id, Body: []byte(pad)}) != nil {
			break
		}
		if i%20 == 19 && q != "spilled" {
			time.Sleep(time.Millisecond) // the disk is to sync many small batches
		}
	}
	<-done
}

// killTopology declares the stream and what leads to it.
func killTopology(ch *rabbit.Channel) error {
	_, err := ch.QueueDeclare(killStream, true, false, false, false, killStreamArgs)
	return errors.Join(err, ch.ExchangeDeclare(killExchange, "fanout", true, false, false, false, nil),
		ch.QueueBind("classic", "", killExchange, false, nil), ch.QueueBind(killStream, "", killExchange, false, nil))
}

// killReader reads the stream until the broker is gone.
func killReader(url string, g *ledger) {
	c, ch, err := killChannel(url)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := ch.QueueDeclare(killStream, true, false, false, false, killStreamArgs); err != nil || ch.Qos(100, 0, false) != nil {
		return
	}
	d, err := ch.Consume(killStream, "", false, false, false, false, nil)
	if err != nil {
		return
	}
	for m := range d {
		offset, _ := m.Headers["x-stream-offset"].(int64)
		g.do(func() { g.offsets[offset] = m.MessageId })
		m.Ack(false)
	}
}

// checkStream reads what the stream has: no offset is missing or has changed
// its message, and all that was confirmed and is not too old is there once.
func checkStream(t *testing.T, k *killed, g *ledger, round int) {
	t.Helper()
	c, ch, err := killChannel(k.url)
	testx.NoErr(t, err)
	defer c.Close()
	q, err := ch.QueueDeclare(killStream, true, false, false, false, killStreamArgs)
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Qos(1000, 0, false))
	d, err := ch.Consume(killStream, "", false, false, false, false, rabbit.Table{"x-stream-offset": "first"})
	testx.NoErr(t, err)
	found := map[string]bool{}
	var oldest string
	var last int64
	for i := range q.Messages {
		m := next(t, d)
		offset, _ := m.Headers["x-stream-offset"].(int64)
		if i == 0 {
			oldest, last = m.MessageId, offset-1
		}
		if offset != last+1 || found[m.MessageId] {
			t.Fatalf("round %d: %s is at offset %d, behind %d, and was found before: %v", round, m.MessageId, offset, last, found[m.MessageId])
		}
		if was := g.offsets[offset]; was != "" && was != m.MessageId {
			t.Fatalf("round %d: offset %d was %s and is %s", round, offset, was, m.MessageId)
		}
		found[m.MessageId], last = true, offset
		if i%500 == 499 {
			testx.NoErr(t, m.Ack(true))
		}
	}
	for id := range g.confirmed {
		if strings.HasPrefix(id, "classic/") && killOrder(id) >= killOrder(oldest) && !found[id] {
			t.Fatalf("round %d: %s was confirmed and is not in the stream of %d from %s to offset %d", round, id, len(found), oldest, last)
		}
	}
}

// killOrder is what messages of a queue were published by: round and number.
func killOrder(id string) int {
	var round, n int
	_, numbers, _ := strings.Cut(id, "/")
	fmt.Sscanf(numbers, "%d/%d", &round, &n)
	return round*1_000_000 + n
}

// killConsumer acknowledges, requeues or refuses until the broker is gone.
func killConsumer(url string, g *ledger, q string, args rabbit.Table) {
	c, ch, err := killChannel(url)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := ch.QueueDeclare(q, true, false, false, false, args); err != nil || ch.Qos(30, 0, false) != nil {
		return
	}
	d, err := ch.Consume(q, "", false, false, false, false, nil)
	if err != nil {
		return
	}
	n := 0
	for m := range d {
		id := m.MessageId
		n++
		g.do(func() { g.seen[id] = true })
		switch {
		case q == "refused":
			m.Reject(false)
		case n%7 == 0:
			m.Reject(true)
		default:
			g.do(func() { g.settling[id] = true })
			m.Ack(false)
		}
	}
}

// checkKilled reads all queues of a broker that was killed and compares.
func checkKilled(t *testing.T, k *killed, g *ledger, round int) {
	t.Helper()
	c, ch, err := killChannel(k.url)
	testx.NoErr(t, err)
	defer c.Close()
	found := map[string]int{}
	for q := range killQueues {
		last := map[string]string{}
		for {
			m, ok, err := ch.Get(q, false)
			var closed *rabbit.Error
			if errors.As(err, &closed) && closed.Code == 404 { // killed before it was declared
				ch, err = c.Channel()
				testx.NoErr(t, err)
				break
			}
			testx.NoErr(t, err)
			if !ok {
				break
			}
			id := m.MessageId
			found[id]++
			if g.seen[id] && q != "dead" && !m.Redelivered {
				t.Errorf("round %d: %s was delivered before and is not flagged", round, id)
			}
			g.seen[id] = true
			if publisher := fmt.Sprint(id[:strings.LastIndex(id, "/")], m.Priority); q != "dead" && q != "ttl" && q != "refused" {
				if q != "prio" {
					publisher = id[:strings.LastIndex(id, "/")]
				}
				if id <= last[publisher] {
					t.Errorf("round %d: %s came after %s", round, id, last[publisher])
				}
				last[publisher] = id
			}
		}
	}
	lost := 0
	for id := range g.confirmed {
		if found[id] == 0 && !g.settling[id] && !g.gone[id] {
			if lost++; lost < 5 {
				t.Errorf("round %d: %s was confirmed and is lost", round, id)
			}
		}
		if found[id] == 0 {
			g.gone[id] = true // and must stay so
			continue
		}
		if g.gone[id] {
			t.Errorf("round %d: %s is back", round, id)
		}
		if q, _, _ := strings.Cut(id, "/"); found[id] > 1 && q != "ttl" && q != "refused" {
			t.Errorf("round %d: %s is there %d times", round, id, found[id])
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}
