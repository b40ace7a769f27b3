package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/amqp"
)

const (
	readSize = 64 << 10
	// writeSize is how much is written at a time, if there is so much.
	writeSize = 64 << 10
	// patience is how long a broker may do nothing at all.
	patience = 30 * time.Second
)

// link is a connection with a channel 1 that speaks frames. One goroutine
// reads and one writes.
type link struct {
	nc         net.Conn
	buf        []byte
	start, end int // buf[start:end] is not looked at yet
	frameMax   uint32
}

// dial opens a connection and its channel.
func dial(ctx context.Context, uri rabbit.URI) (*link, error) {
	if uri.Scheme != "amqp" {
		return nil, fmt.Errorf("frames go over %s only, not %s", "amqp", uri.Scheme)
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)))
	if err != nil {
		return nil, err
	}
	l := &link{nc: nc, buf: make([]byte, readSize)}
	if err := l.open(uri); err != nil {
		nc.Close()
		return nil, fmt.Errorf("open a connection: %w", err)
	}
	return l, nil
}

// open does the handshake.
func (l *link) open(uri rabbit.URI) error {
	if err := l.write([]byte(amqp.ProtocolHeader)); err != nil {
		return err
	}
	if _, err := l.expect(amqp.IDConnectionStart); err != nil {
		return err
	}
	start := &amqp.ConnectionStartOk{
		Mechanism: "PLAIN", Response: "\x00" + uri.Username + "\x00" + uri.Password, Locale: "en_US",
		ClientProperties: amqp.Table{
			"product": "nubo mq bench", "capabilities": amqp.Table{"connection.blocked": true, "authentication_failure_close": true},
		},
	}
	m, err := l.call(0, start, amqp.IDConnectionTune)
	if err != nil {
		return err
	}
	tune := m.(*amqp.ConnectionTune)
	l.frameMax = tune.FrameMax
	if err := l.send(0, &amqp.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: tune.FrameMax}); err != nil {
		return err
	}
	if _, err := l.call(0, &amqp.ConnectionOpen{VirtualHost: uri.Vhost}, amqp.IDConnectionOpenOk); err != nil {
		return err
	}
	_, err = l.call(1, &amqp.ChannelOpen{}, amqp.IDChannelOpenOk)
	return err
}

// write writes bytes; a broker that takes none for too long is an error.
func (l *link) write(b []byte) error {
	for len(b) > 0 {
		if err := l.nc.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		n, err := l.nc.Write(b)
		if b = b[n:]; err != nil && n == 0 {
			return err
		}
	}
	return nil
}

func (l *link) send(channel uint16, m amqp.Method) error {
	return l.write(amqp.AppendMethodFrame(nil, channel, m))
}

// call sends a method and waits for its answer.
func (l *link) call(channel uint16, m amqp.Method, want amqp.MethodID) (amqp.Method, error) {
	if err := l.send(channel, m); err != nil {
		return nil, err
	}
	return l.expect(want)
}

// expect waits for a method, with the patience the broker is granted.
func (l *link) expect(want amqp.MethodID) (amqp.Method, error) {
	if err := l.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for {
		f, err := l.next()
		if err != nil {
			return nil, err
		}
		if f.Type != amqp.FrameMethod {
			continue
		}
		m, bad := amqp.ParseMethod(f.Payload)
		switch {
		case bad != nil:
			return nil, bad
		case m.ID() == want:
			return m, l.nc.SetReadDeadline(time.Time{})
		}
		if err := refusal(m); err != nil {
			return nil, err
		}
	}
}

// errClosed is a connection that was closed as we asked.
var errClosed = errors.New("closed")

// refusal is the error a method of the broker's tells, or nil.
func refusal(m amqp.Method) error {
	switch m := m.(type) {
	case *amqp.ChannelClose:
		return fmt.Errorf("the broker closed the channel: %d %s", m.ReplyCode, m.ReplyText)
	case *amqp.ConnectionClose:
		return fmt.Errorf("the broker closed the connection: %d %s", m.ReplyCode, m.ReplyText)
	case *amqp.ConnectionCloseOk:
		return errClosed
	case *amqp.BasicCancel:
		return errors.New("the broker cancelled the consumer")
	case *amqp.BasicReturn:
		return fmt.Errorf("the broker returned a message: %d %s", m.ReplyCode, m.ReplyText)
	}
	return nil
}

// next returns the next frame, which is good until next is called again.
func (l *link) next() (amqp.Frame, error) {
	for {
		f, ok, need, err := l.parse()
		if ok || err != nil {
			return f, err
		}
		if err := l.fill(need); err != nil {
			return f, err
		}
	}
}

// parse takes a frame from what was read. If it is not whole, need is the size
// it is known to have at least.
func (l *link) parse() (f amqp.Frame, ok bool, need int, err error) {
	f, n, need, bad := amqp.ParseFrame(l.buf[l.start:l.end], 0)
	if bad != nil {
		return f, false, 0, bad
	}
	l.start += n
	return f, n > 0, need, nil
}

// fill reads once, with room for a frame of a size.
func (l *link) fill(need int) error {
	if l.start > 0 {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	if need > len(l.buf) {
		l.buf = append(make([]byte, 0, 2*need), l.buf[:l.end]...)[:2*need]
	}
	n, err := l.nc.Read(l.buf[l.end:])
	if n > 0 {
		l.end += n
		return nil
	}
	return err
}

// close asks the broker to close the connection. Whoever reads sees errClosed.
func (l *link) close() error {
	return l.send(0, &amqp.ConnectionClose{ReplyCode: 200, ReplyText: "done"})
}

// declare makes the queue of a scenario anew.
func (l *link) declare(name string, durable bool, kind string) error {
	if err := l.remove(name); err != nil {
		return err
	}
	args := amqp.Table{}
	if kind != "" {
		args["x-queue-type"] = kind
	}
	_, err := l.call(1, &amqp.QueueDeclare{Queue: name, Durable: durable, Arguments: args}, amqp.IDQueueDeclareOk)
	return err
}

// remove deletes a queue, if it is there.
func (l *link) remove(name string) error {
	_, err := l.call(1, &amqp.QueueDelete{Queue: name}, amqp.IDQueueDeleteOk)
	return err
}

// message encodes a publish to the default exchange.
func message(key string, body []byte, p amqp.Properties, frameMax uint32) []byte {
	b := amqp.AppendMethodFrame(nil, 1, &amqp.BasicPublish{RoutingKey: key})
	b = amqp.AppendContentHeader(b, 1, uint64(len(body)), p.Append(nil))
	return amqp.AppendBodyFrames(b, 1, body, frameMax)
}
