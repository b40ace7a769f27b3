package broker_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
	"nubo/broker"
	"nubo/internal/testx"
)

// raw is a client that sends whatever a test wants.
type raw struct {
	t   testing.TB
	nc  net.Conn
	buf []byte
}

func rawDial(t testing.TB, b *broker.Broker) *raw {
	t.Helper()
	nc, err := b.Dial()
	testx.NoErr(t, err)
	t.Cleanup(func() { nc.Close() })
	testx.NoErr(t, nc.SetDeadline(time.Now().Add(30*time.Second)))
	return &raw{t: t, nc: nc}
}

// login goes as far as connection.tune.
func (r *raw) login(props amqp.Table, mechanism, response string) {
	r.t.Helper()
	r.write([]byte(amqp.ProtocolHeader))
	r.expect(0, amqp.IDConnectionStart)
	r.send(0, &amqp.ConnectionStartOk{ClientProperties: props, Mechanism: mechanism, Response: response, Locale: "en_US"})
}

// rawOpen opens a connection with a channel 1.
func rawOpen(t testing.TB, b *broker.Broker) *raw {
	t.Helper()
	r := rawDial(t, b)
	r.open()
	return r
}

// open opens the connection and a channel 1.
func (r *raw) open() {
	r.t.Helper()
	r.login(nil, "PLAIN", "\x00guest\x00guest")
	tune := r.expect(0, amqp.IDConnectionTune).(*amqp.ConnectionTune)
	r.send(0, &amqp.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: tune.FrameMax})
	r.send(0, &amqp.ConnectionOpen{VirtualHost: "/"})
	r.expect(0, amqp.IDConnectionOpenOk)
	r.send(1, &amqp.ChannelOpen{})
	r.expect(1, amqp.IDChannelOpenOk)
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	_, err := r.nc.Write(b)
	testx.NoErr(r.t, err)
}

func (r *raw) send(channel uint16, m amqp.Method) {
	r.t.Helper()
	r.write(amqp.AppendMethodFrame(nil, channel, m))
}

// frame reads a frame.
func (r *raw) frame() (amqp.Frame, error) {
	for {
		f, n, _, bad := amqp.ParseFrame(r.buf, 0)
		if bad != nil {
			return f, bad
		}
		if n > 0 {
			f.Payload = bytes.Clone(f.Payload)
			r.buf = r.buf[n:]
			return f, nil
		}
		chunk := make([]byte, 64<<10)
		got, err := r.nc.Read(chunk)
		if err != nil {
			return f, err
		}
		r.buf = append(r.buf, chunk[:got]...)
	}
}

// expect reads the next method, over contents and heartbeats.
func (r *raw) expect(channel uint16, id amqp.MethodID) amqp.Method {
	r.t.Helper()
	for {
		f, err := r.frame()
		if err != nil {
			r.t.Fatalf("waiting for %s: %v", id, err)
		}
		if f.Type != amqp.FrameMethod {
			continue
		}
		m, bad := amqp.ParseMethod(f.Payload)
		if bad != nil {
			r.t.Fatal(bad)
		}
		if m.ID() != id || f.Channel != channel {
			r.t.Fatalf("got %+v on channel %d; want %s on %d", m, f.Channel, id, channel)
		}
		return m
	}
}

// expectClose wants connection.close with a code, and then the end.
func (r *raw) expectClose(code uint16) string {
	r.t.Helper()
	m := r.expect(0, amqp.IDConnectionClose).(*amqp.ConnectionClose)
	testx.Equal(r.t, m.ReplyCode, code)
	r.nc.Close()
	return m.ReplyText
}

func TestProtocolHeader(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	for _, h := range []string{"AMQP\x01\x01\x00\x0a", "GET / HTTP/1.1\r\n\r\n"} {
		r := rawDial(t, b)
		r.write([]byte(h))
		got, err := io.ReadAll(r.nc)
		testx.NoErr(t, err)
		testx.Equal(t, string(got), amqp.ProtocolHeader)
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	testx.NoErr(t, b.AddUser("nova", "secret", "monitoring"))
	caps := amqp.Table{"capabilities": amqp.Table{"authentication_failure_close": true}}
	amqplain := func(name, password string) string {
		return string(amqp.Table{"LOGIN": name, "PASSWORD": password}.Append(nil)[4:])
	}
	const refused = "ACCESS_REFUSED - Login was refused using authentication mechanism "
	tests := []struct {
		name, mechanism, response, refusal string
		code                               uint16
	}{
		{"plain", "PLAIN", "\x00nova\x00secret", "", 0},
		{"amqplain", "AMQPLAIN", amqplain("nova", "secret"), "", 0},
		{"wrong password", "PLAIN", "\x00nova\x00guess", refused + "PLAIN. For details see the broker logfile.", 403},
		{"wrong amqplain password", "AMQPLAIN", amqplain("nova", ""), refused + "AMQPLAIN. For details see the broker logfile.", 403},
		{"unknown user", "PLAIN", "\x00nobody\x00secret", refused + "PLAIN. For details see the broker logfile.", 403},
		{"empty response", "PLAIN", "", refused + "PLAIN. For details see the broker logfile.", 403},
		{"malformed table", "AMQPLAIN", "\x05LOGIN", refused + "AMQPLAIN. For details see the broker logfile.", 403},
		{"unknown mechanism", "EXTERNAL", "", "COMMAND_INVALID - no authentication mechanism 'EXTERNAL'", 503},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := rawDial(t, b)
			r.login(caps, tc.mechanism, tc.response)
			if tc.code == 0 {
				r.expect(0, amqp.IDConnectionTune)
				return
			}
			testx.Equal(t, r.expectClose(tc.code), tc.refusal)
		})
	}
	t.Run("without the capability", func(t *testing.T) {
		t.Parallel()
		r := rawDial(t, b)
		r.login(nil, "PLAIN", "\x00nova\x00guess")
		_, err := r.frame()
		testx.ErrIs(t, err, io.EOF)
	})
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{DefaultUser: "admin", DefaultPass: "first"})
	_, err := dialAs(b, "guest", "guest")
	testx.ErrIs(t, err, rabbit.ErrCredentials)
	testx.NoErr(t, b.SetPassword("admin", "second"))
	_, err = dialAs(b, "admin", "first")
	testx.ErrIs(t, err, rabbit.ErrCredentials)
	c, err := dialAs(b, "admin", "second")
	testx.NoErr(t, err)
	defer c.Close()
	if err := b.AddUser("admin", "x"); err == nil {
		t.Error("a user could be added twice")
	}
	ch, err := c.Channel()
	testx.NoErr(t, err)
	declare(t, ch, "mine", nil)
	publish(t, ch, "", "mine", "m") // the route is cached
	testx.Equal(t, len(drain(t, ch, "mine")), 1)

	testx.NoErr(t, b.SetPermissions("admin", "/", "^mine", "^mine", ".*"))
	closed := ch.NotifyClose(make(chan *rabbit.Error, 1))
	publish(t, ch, "", "mine", "m")
	testx.Equal(t, (<-closed).Reason, "ACCESS_REFUSED - access to exchange 'amq.default' in vhost '/' refused for user 'admin'")
	ch, err = c.Channel()
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("yours", false, false, false, false, nil)
	testx.Equal(t, err.(*rabbit.Error).Reason, "ACCESS_REFUSED - access to queue 'yours' in vhost '/' refused for user 'admin'")

	testx.NoErr(t, b.DeleteUser("admin"))
	_, err = dialAs(b, "admin", "second")
	testx.ErrIs(t, err, rabbit.ErrCredentials)
}

func TestNegotiation(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	tests := []struct {
		name   string
		tuneOk amqp.ConnectionTuneOk
		vhost  string
		text   string
	}{
		{"frame too small", amqp.ConnectionTuneOk{FrameMax: 100}, "/", "NOT_ALLOWED - negotiated frame_max = 100 is lower than the minimum allowed value (4096)"},
		{"frame too large", amqp.ConnectionTuneOk{FrameMax: 1 << 30}, "/", "NOT_ALLOWED - negotiated frame_max = 1073741824 is higher than the maximum allowed value (131072)"},
		{"too many channels", amqp.ConnectionTuneOk{ChannelMax: 5000}, "/", "NOT_ALLOWED - negotiated channel_max = 5000 is higher than the maximum allowed value (2047)"},
		{"no such vhost", amqp.ConnectionTuneOk{}, "nope", "NOT_ALLOWED - vhost nope not found"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := rawDial(t, b)
			r.login(nil, "PLAIN", "\x00guest\x00guest")
			r.expect(0, amqp.IDConnectionTune)
			r.send(0, &tc.tuneOk)
			r.send(0, &amqp.ConnectionOpen{VirtualHost: tc.vhost})
			testx.Equal(t, r.expectClose(530), tc.text)
		})
	}
}

// TestMalformed sends what no client should. The one connection is closed with
// the right code; another goes on.
func TestMalformed(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	witness := channel(t, b)
	declare(t, witness, "witness", nil)
	method := func(channel uint16, m amqp.Method) []byte { return amqp.AppendMethodFrame(nil, channel, m) }
	frame := func(typ byte, channel uint16, payload string) []byte {
		f := amqp.AppendFrameStart(nil, typ, channel)
		return amqp.AppendFrameEnd(append(f, payload...), 0)
	}
	badEnd := amqp.AppendHeartbeat(nil)
	badEnd[7] = 0
	huge := binary.BigEndian.AppendUint32([]byte{1, 0, 1}, 1<<31)
	publish := method(1, &amqp.BasicPublish{RoutingKey: "witness"})
	tests := []struct {
		name string
		in   []byte
		code uint16
	}{
		{"garbage", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS"), amqp.FrameError},
		{"wrong frame end", badEnd, amqp.FrameError},
		{"oversized frame", huge, amqp.FrameError},
		{"unknown frame type", frame(77, 1, ""), amqp.FrameError},
		{"short method", frame(1, 1, "\x00"), amqp.FrameError},
		{"unknown method", frame(1, 1, "\x00\x63\x00\x63"), amqp.CommandInvalid},
		{"truncated arguments", frame(1, 1, "\x00\x32\x00\x0a\x00\x00\x20"), amqp.FrameError},
		{"arguments too long", frame(1, 1, "\x00\x14\x00\x29\x00"), amqp.FrameError},
		{"malformed publish", frame(1, 1, "\x00\x3c\x00\x28\x00"), amqp.FrameError},
		{"malformed ack", frame(1, 1, "\x00\x3c\x00\x50\x00"), amqp.FrameError},
		{"heartbeat on a channel", frame(8, 1, ""), amqp.UnexpectedFrame},
		{"channel not open", method(9, &amqp.BasicQos{}), amqp.ChannelError},
		{"body on a channel not open", frame(3, 9, "x"), amqp.UnexpectedFrame},
		{"channel opened twice", method(1, &amqp.ChannelOpen{}), amqp.ChannelError},
		{"channel method on channel 0", method(0, &amqp.BasicQos{}), amqp.ChannelError},
		{"body on channel 0", frame(3, 0, "x"), amqp.UnexpectedFrame},
		{"handshake again", method(0, &amqp.ConnectionOpen{VirtualHost: "/"}), amqp.ChannelError},
		{"header out of the blue", frame(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), amqp.UnexpectedFrame},
		{"body out of the blue", frame(3, 1, "x"), amqp.UnexpectedFrame},
		{"method instead of header", append(publish[:len(publish):len(publish)], method(1, &amqp.BasicQos{})...), amqp.UnexpectedFrame},
		{"body instead of header", append(publish[:len(publish):len(publish)], frame(3, 1, "x")...), amqp.UnexpectedFrame},
		{"short header", append(publish[:len(publish):len(publish)], frame(2, 1, "\x00\x3c")...), amqp.FrameError},
		{"header of another class", append(publish[:len(publish):len(publish)],
			frame(2, 1, "\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")...), amqp.UnexpectedFrame},
		{"malformed properties", append(publish[:len(publish):len(publish)],
			frame(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")...), amqp.SyntaxError},
		{"body too long", append(publish[:len(publish):len(publish)],
			append(frame(2, 1, "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00"), frame(3, 1, "xx")...)...), amqp.FrameError},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := rawOpen(t, b)
			r.write(tc.in)
			r.expectClose(tc.code)
		})
	}
	t.Run("half a frame", func(t *testing.T) {
		t.Parallel()
		r := rawOpen(t, b)
		r.write(publish[:len(publish)-3])
		r.nc.Close()
	})
	t.Run("too large a message", func(t *testing.T) {
		t.Parallel()
		r := rawOpen(t, b)
		r.write(append(publish[:len(publish):len(publish)], amqp.AppendContentHeader(nil, 1, 1<<40, []byte{0, 0})...))
		m := r.expect(1, amqp.IDChannelClose).(*amqp.ChannelClose)
		testx.Equal(t, m.ReplyText, "PRECONDITION_FAILED - message size 1099511627776 is larger than configured max size 134217728")
	})
	t.Run("witness", func(t *testing.T) {
		publishTo(t, witness)
		testx.Equal(t, drain(t, witness, "witness"), []string{"still here"})
	})
}

func publishTo(t testing.TB, ch *rabbit.Channel) {
	t.Helper()
	testx.NoErr(t, ch.Publish("", "witness", false, false, rabbit.Publishing{Body: []byte("still here")}))
}

func TestChannelNumberIsReusable(t *testing.T) {
	t.Parallel()
	r := rawOpen(t, newBroker(t, broker.Config{}))
	for range 3 {
		r.send(1, &amqp.QueueDeclare{Queue: "nope", Passive: true})
		r.expect(1, amqp.IDChannelClose)
		r.send(1, &amqp.BasicQos{}) // ignored
		r.send(1, &amqp.ChannelCloseOk{})
		r.send(1, &amqp.ChannelOpen{})
		r.expect(1, amqp.IDChannelOpenOk)
	}
}

func TestChannelMax(t *testing.T) {
	t.Parallel()
	r := rawDial(t, newBroker(t, broker.Config{}))
	r.login(nil, "PLAIN", "\x00guest\x00guest")
	r.expect(0, amqp.IDConnectionTune)
	r.send(0, &amqp.ConnectionTuneOk{ChannelMax: 2})
	r.send(0, &amqp.ConnectionOpen{VirtualHost: "/"})
	r.expect(0, amqp.IDConnectionOpenOk)
	for _, id := range []uint16{1, 3} {
		r.send(id, &amqp.ChannelOpen{})
		r.expect(id, amqp.IDChannelOpenOk)
	}
	r.send(2, &amqp.ChannelOpen{})
	testx.Equal(t, r.expectClose(530), "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)")
}

func TestCloseConnection(t *testing.T) {
	t.Parallel()
	b := newBroker(t, broker.Config{})
	c := dial(t, b)
	closed := c.NotifyClose(make(chan *rabbit.Error, 1))
	testx.Equal(t, b.CloseConnection(b.Stats().Connections[0].Name, "enough"), 1)
	err := <-closed
	testx.Equal(t, []any{err.Code, err.Reason}, []any{320, "CONNECTION_FORCED - enough"})
	testx.Eventually(t, "the connection is gone", func() bool { return len(b.Stats().Connections) == 0 })
}

// TestShutdownCutsOff shuts down with a client that answers nothing.
func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	b := broker.New(broker.Config{})
	r := rawOpen(t, b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	c, err := rabbit.Dial("amqp://guest:guest@" + l.Addr().String())
	testx.NoErr(t, err)
	defer c.Close()
	ctx, cancel := context100()
	defer cancel()
	testx.ErrIs(t, b.Shutdown(ctx), ctx.Err())
	testx.ErrIs(t, <-served, broker.ErrClosed)
	testx.Equal(t, r.expect(0, amqp.IDConnectionClose).(*amqp.ConnectionClose).ReplyCode, uint16(320))
	_, err = b.Dial()
	testx.ErrIs(t, err, broker.ErrClosed)
	if _, err := r.frame(); !errors.Is(err, io.EOF) {
		t.Errorf("after the close got %v; want the end", err)
	}
}
