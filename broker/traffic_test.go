package broker_test

import (
	"net"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/broker/conn"
	"nubo/internal/testx"
)

// TestTraffic has a client do a bit of everything and looks at what is counted,
// while it is there and when it is gone.
func TestTraffic(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	go b.Serve(l)
	c, err := rabbit.DialConfig("amqp://guest:guest@"+l.Addr().String(), rabbit.Config{Heartbeat: 7 * time.Second, FrameSize: 65536, ChannelMax: 9})
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	testx.NoErr(t, err)
	declare(t, ch, "q", nil)
	testx.NoErr(t, ch.Confirm(false))
	testx.NoErr(t, ch.Qos(5, 0, false))
	returns := ch.NotifyReturn(make(chan rabbit.Return, 1))
	for range 4 {
		publish(t, ch, "", "q", "m")
	}
	publish(t, ch, "", "nowhere", "m")
	testx.NoErr(t, ch.Publish("", "nowhere", true, false, rabbit.Publishing{}))
	<-returns
	get(t, ch, "q", true)
	m, _ := get(t, ch, "q", false)
	testx.NoErr(t, m.Ack(false))
	d := consume(t, ch, "q", false)
	testx.NoErr(t, next(t, d).Nack(false, true))
	next(t, d)
	next(t, d)
	get(t, ch, "q", true)
	tx, err := c.Channel()
	testx.NoErr(t, err)
	testx.NoErr(t, tx.Tx())
	publish(t, tx, "", "q", "m")
	declare(t, tx, "other", nil) // what was sent before is done when it is answered

	s := b.Stats().Connections[0]
	testx.Equal(t, []any{s.PeerHost, s.Host, s.Port, s.State, s.Heartbeat, s.FrameMax, s.ChannelMax, s.TLS == nil},
		[]any{"127.0.0.1", "127.0.0.1", l.Addr().(*net.TCPAddr).Port, "running", uint16(7), uint32(65536), uint16(9), true})
	testx.Equal(t, s.Received > 500 && s.Sent > 500 && s.Reads > 5 && s.Writes > 5, true)
	testx.Equal(t, len(s.Channels), 2)
	got := s.Channels[0]
	testx.Equal(t, []any{got.Number, got.Prefetch, got.GlobalPrefetch, got.Confirm, got.Transactional, got.Unacked, got.Unconfirmed, len(got.Consumers)},
		[]any{uint16(1), 5, 0, true, false, 2, 0, 1})
	testx.Equal(t, []any{got.Consumers[0].Queue, got.Consumers[0].Prefetch, got.Consumers[0].NoAck}, []any{"q", 5, false})
	want := conn.Counters{
		Publish: 6, Confirm: 6, ReturnUnroutable: 1, DropUnroutable: 1,
		Deliver: 3, Get: 1, GetNoAck: 1, GetEmpty: 1, Redeliver: 1, Ack: 1,
	}
	testx.Equal(t, got.Counters, want)
	testx.Equal(t, []any{s.Channels[1].Transactional, s.Channels[1].Uncommitted}, []any{true, 1})

	want.Publish++ // the transaction's
	testx.Equal(t, b.Stats().Traffic["/"].Counters, want)
	testx.NoErr(t, tx.Close())
	testx.NoErr(t, c.Close())
	testx.Eventually(t, "the connection is gone", func() bool { return b.Stats().Churn.ConnectionsClosed == 1 })
	all := b.Stats()
	testx.Equal(t, all.Traffic["/"].Counters, want)
	testx.Equal(t, all.Traffic["/"].Received >= s.Received, true)
	testx.Equal(t, all.Churn.Churn, conn.Churn{ConnectionsCreated: 1, ConnectionsClosed: 1, ChannelsCreated: 2, ChannelsClosed: 2})
}
