package conn

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"nubo/amqp"
	"nubo/internal/testx"
)

// socketPair is a TCP connection's two ends.
func socketPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	testx.NoErr(t, err)
	server, err = l.Accept()
	testx.NoErr(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// TestIncoming cuts what comes in at every place that matters, on a connection
// that reads into several pieces of memory and on one that cannot.
func TestIncoming(t *testing.T) {
	t.Parallel()
	const size = 3 * directLimit
	body := bytes.Repeat([]byte("body"), size/4)
	frame := amqp.AppendBodyFrames(nil, 1, body, 0)
	follow := amqp.AppendHeartbeat(nil)
	whole := len(frame)
	for _, tt := range []struct {
		name  string
		first int   // octets that are there when the frame is seen
		cuts  []int // octets that are there later
		end   byte
		fail  bool
	}{
		{"at once", 7, []int{whole}, amqp.FrameEnd, false},
		{"with what follows", 7, []int{whole + len(follow)}, amqp.FrameEnd, false},
		{"in the middle", 1000, []int{6000, whole + 2, whole + len(follow)}, amqp.FrameEnd, false},
		{"before its end", 1000, []int{whole - 1, whole}, amqp.FrameEnd, false},
		{"with a bad end", 1000, []int{whole}, 0, true},
		{"with a bad end that comes late", 1000, []int{whole - 1, whole}, 0, true},
	} {
		for _, vectors := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				client, server := socketPair(t)
				c := newConn(server)
				c.phase, c.frameMax = open, 0
				if !vectors {
					c.readv = nil
				}
				ch := newChannel(c, 1)
				c.channels[1] = ch
				ch.pub = publishing{state: wantBody, missing: size + 1} // the rest never comes
				data := append(bytes.Clone(frame), follow...)
				data[len(frame)-1] = tt.end
				used, need, err := c.frames(data[:tt.first], 0)
				testx.NoErr(t, err)
				testx.Equal(t, []int{used, need}, []int{tt.first, 0})
				if tt.first > 7 {
					testx.Equal(t, c.incoming.left, size-(tt.first-7))
				}
				sent := tt.first
				buf := make([]byte, minRead)
				have := 0
				for _, cut := range tt.cuts {
					_, err := client.Write(data[sent:cut])
					testx.NoErr(t, err)
					for sent < cut {
						direct, n, err := c.read(buf[have:])
						testx.NoErr(t, err)
						sent += direct + n
						have += n
						used, _, err := c.frames(buf[:have], 0)
						testx.NoErr(t, err)
						have = copy(buf, buf[used:have])
					}
				}
				testx.Equal(t, c.incoming.ch == nil, true)
				testx.Equal(t, c.discard, tt.fail)
				testx.Equal(t, bytes.Equal(ch.pub.block, body), true)
				if !tt.fail {
					testx.Equal(t, ch.pub.missing, uint64(1))
				}
				client.Close()
				_, _, err = c.read(buf)
				testx.Equal(t, errors.Is(err, io.EOF), true)
			})
		}
	}
}

// TestNotIncoming has nothing but the body of a message read directly.
func TestNotIncoming(t *testing.T) {
	t.Parallel()
	const size = 3 * directLimit
	for name, spoil := range map[string]func(*Conn, *channel){
		"closing connection": func(c *Conn, _ *channel) { c.closing.Store(true) },
		"closing channel":    func(_ *Conn, ch *channel) { ch.closing = true },
		"handshake":          func(c *Conn, _ *channel) { c.phase = wantOpen },
		"too long a body":    func(_ *Conn, ch *channel) { ch.pub.missing = size - 1 },
		"nothing published":  func(_ *Conn, ch *channel) { ch.pub.state = idle },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, server := socketPair(t)
			c := newConn(server)
			c.phase = open
			ch := newChannel(c, 1)
			c.channels[1] = ch
			ch.pub = publishing{state: wantBody, missing: size}
			spoil(c, ch)
			b := amqp.AppendBodyStart(nil, 1, size)
			testx.Equal(t, c.takeBody(b, size+amqp.FrameOverhead), false)
		})
	}
}
