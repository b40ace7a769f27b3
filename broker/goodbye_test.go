package broker_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

// TestTalkAfterClose has a client say goodbye and go on sending what it had
// gathered: it still gets its answer, and then the end.
func TestTalkAfterClose(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	testx.NoErr(t, err)
	defer nc.Close()
	testx.NoErr(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
	r := &raw{t: t, nc: nc}
	r.open()
	r.send(0, &amqp.ConnectionClose{ReplyCode: 200, ReplyText: "bye"})
	r.expect(0, amqp.IDConnectionCloseOk)
	more := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: "q"})
	for range 1000 { // more than a reset connection would take
		r.write(more)
	}
	if _, err := r.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v after close-ok; want the end", err)
	}
}

// TestDeleteOkBeforeCancel deletes a queue the channel consumes from.
func TestDeleteOkBeforeCancel(t *testing.T) {
	t.Parallel()
	r := rawDial(t, newBroker(t, broker.Config{}))
	r.login(amqp.Table{"capabilities": amqp.Table{"consumer_cancel_notify": true}}, "PLAIN", "\x00guest\x00guest")
	tune := r.expect(0, amqp.IDConnectionTune).(*amqp.ConnectionTune)
	r.send(0, &amqp.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: tune.FrameMax})
	r.send(0, &amqp.ConnectionOpen{VirtualHost: "/"})
	r.expect(0, amqp.IDConnectionOpenOk)
	r.send(1, &amqp.ChannelOpen{})
	r.expect(1, amqp.IDChannelOpenOk)
	r.send(1, &amqp.QueueDeclare{Queue: "q"})
	r.expect(1, amqp.IDQueueDeclareOk)
	r.send(1, &amqp.BasicConsume{Queue: "q", ConsumerTag: "c"})
	r.expect(1, amqp.IDBasicConsumeOk)
	r.send(1, &amqp.QueueDelete{Queue: "q"})
	r.expect(1, amqp.IDQueueDeleteOk)
	testx.Equal(t, r.expect(1, amqp.IDBasicCancel).(*amqp.BasicCancel).ConsumerTag, "c")
}
