package conn

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"nubo/amqp"
	"nubo/broker/message"
	"nubo/broker/queue"
	"nubo/internal/testx"
)

// stingy is a connection that takes as much as it likes of what is tried, and
// all of what is written.
type stingy struct {
	net.Conn
	mu  sync.Mutex
	rnd *rand.Rand
	got []byte
}

func (s *stingy) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, b...)
	return len(b), nil
}

func (s *stingy) TryWrite(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.rnd.IntN(len(b) + 1)
	s.got = append(s.got, b[:n]...)
	return n, nil
}

// newConn makes a connection of no broker.
func newConn(nc net.Conn) *Conn {
	log := slog.New(slog.DiscardHandler)
	return New(&Env{Log: log, Alarms: NewAlarms(log)}, nc)
}

// TestPush has a connection's reader, another's and somebody with neither send
// through one connection at once, large bodies among it. All arrives once, and
// in each sender's order.
func TestPush(t *testing.T) {
	t.Parallel()
	const each = 3000
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	nc := &stingy{Conn: near, rnd: rand.New(rand.NewPCG(1, 2))}
	c, other := newConn(nc), newConn(near)
	var writer, senders sync.WaitGroup
	writer.Go(c.writeLoop)
	senders.Go(func() { // its reader
		for tag := uint64(1); tag <= each; {
			c.begin()
			for range 1 + tag%3 {
				c.out.ack(1, tag, false)
				tag++
			}
			c.end()
		}
	})
	senders.Go(func() { // another's reader
		k := &consumer{Consumer: queue.Consumer{Tag: "c"}, ch: newChannel(c, 2)}
		for tag := uint64(1); tag <= each; tag++ {
			m := &message.Message{Props: []byte{0, 0}, Body: make([]byte, 10), Origin: &other.batch}
			if tag%100 == 0 {
				m.Block = message.NewBlock(copyLimit + 1)
				m.Body = m.Block.Bytes()[:copyLimit]
				clear(m.Body)
			}
			other.begin()
			for !c.out.deliver(k, tag, false, m, 4096) {
				other.end()
				other.begin()
			}
			m.Block.Free()
			other.end()
		}
	})
	senders.Go(func() { // a confirm, say, from the log
		for tag := uint64(1); tag <= each; tag++ {
			c.out.ack(3, tag, false)
		}
	})
	senders.Wait()
	c.out.close()
	writer.Wait()

	seen := make(map[uint16]uint64) // the last tag by channel
	var octets int
	for b := nc.got; len(b) > 0; {
		f, n, _, bad := amqp.ParseFrame(b, 0)
		if bad != nil || n == 0 {
			t.Fatalf("%d octets are no frame: %v", len(b), bad)
		}
		b = b[n:]
		if f.Type == amqp.FrameBody {
			octets += len(f.Payload)
			testx.Equal(t, bytes.Count(f.Payload, []byte{0}), len(f.Payload))
		}
		if f.Type != amqp.FrameMethod {
			continue
		}
		m, bad := amqp.ParseMethod(f.Payload)
		if bad != nil {
			t.Fatal(bad)
		}
		var tag uint64
		switch m := m.(type) {
		case *amqp.BasicAck:
			tag = m.DeliveryTag
		case *amqp.BasicDeliver:
			tag = m.DeliveryTag
		}
		if tag != seen[f.Channel]+1 {
			t.Fatalf("%d follows %d on channel %d", tag, seen[f.Channel], f.Channel)
		}
		seen[f.Channel] = tag
	}
	for ch, last := range map[uint16]uint64{1: each, 2: each, 3: each} {
		testx.Equal(t, seen[ch] >= last, true)
	}
	testx.Equal(t, octets, (each-each/100)*10+each/100*copyLimit)
	testx.Equal(t, c.sent.Load(), uint64(len(nc.got)))
}
