// Package conn is one AMQP connection: the handshake, its channels and what
// clients do on them.
//
// A connection has two goroutines. The reader parses frames in place and does
// what they ask, down to handing messages to consumers of other connections.
// The writer takes all that has gathered in the outbox and writes it at once.
//
// Locks, in the order they may be nested: the queue's, channel.mu, outbox.mu.
// The reader calls vhosts and queues with none of its own held.
package conn

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"nubo/amqp"
	"nubo/broker/store"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// Env is what connections share of their broker.
type Env struct {
	Users            *user.Registry
	VHost            func(name string) *vhost.VHost
	Alarms           *Alarms
	Store            store.Messages
	Replies          *Replies
	Totals           *Totals
	ServerProperties amqp.Table
	ChannelMax       uint16
	FrameMax         uint32
	Heartbeat        uint16
	MaxMessageSize   uint64
	// ConsumerTimeout is how long a delivery may stay unacknowledged; 0 is
	// for ever.
	ConsumerTimeout time.Duration
	Log             *slog.Logger
}

// Conn is a connection.
type Conn struct {
	env *Env
	nc  net.Conn
	out outbox
	// tryWrite writes what can be written at once; nil if that cannot be done.
	tryWrite func([][]byte) (int, error)
	// dead is closed when the connection is to stop at once.
	dead     chan struct{}
	deadOnce sync.Once
	// left is closed when the broker has asked the client to close.
	left chan struct{}

	// The reader's own.
	phase    phase
	frameMax uint32
	channels map[uint16]*channel
	recent   *channel // the last one used
	touched  []*channel
	route    []byte // scratch for looking up a route
	caps     capabilities
	posted   bool  // something was published in this batch
	batch    batch // has its own lock
	discard  bool  // what comes in is not frames; it is read so that our close arrives
	incoming incoming
	readv    *vectorReader // nil if the connection cannot do that
	gathered int           // octets read since the batch was begun; 0 if it is not
	vh       *vhost.VHost

	// closing is set once a connection.close was sent: what comes in is
	// ignored but the answer.
	closing atomic.Bool
	// deadline, in ticks, until which the handshake or the close must be
	// through; 0 is none.
	deadline atomic.Int64

	// Activity, for heartbeats: the reader and writer count, tick compares.
	reads, writes atomic.Uint64
	paused        atomic.Bool // the reader waits for memory: silence is ours
	heartbeat     atomic.Int64
	beat          beat          // tick's own
	now           atomic.Uint32 // ticks
	kicked        atomic.Bool   // the reader's read was cut short to look at timedOut

	// received and sent count octets; throttled is set while the reader waits
	// for others to keep up.
	received, sent atomic.Uint64
	throttled      atomic.Bool

	// mu guards what the reader sets and snapshots read, info and channels.
	mu   sync.Mutex
	info Info
}

// capabilities are the client's, as far as they matter here.
type capabilities struct{ cancelNotify, blocked, authClose bool }

// New makes a connection of nc. Serve runs it.
func New(env *Env, nc net.Conn) *Conn {
	c := &Conn{
		env: env, nc: nc, dead: make(chan struct{}), left: make(chan struct{}),
		frameMax: amqp.FrameMinSize, channels: make(map[uint16]*channel),
	}
	c.out.init()
	_, c.out.whole = nc.(*tls.Conn)
	c.tryWrite, c.readv = writeNow(nc), newVectorReader(nc)
	c.info = Info{Name: fmt.Sprintf("%s -> %s", nc.RemoteAddr(), nc.LocalAddr()), Connected: time.Now()}
	c.info.PeerHost, c.info.PeerPort = endpoint(nc.RemoteAddr())
	c.info.Host, c.info.Port = endpoint(nc.LocalAddr())
	c.deadline.Store(handshakeTicks)
	return c
}

// Serve runs the connection until it ends.
func (c *Conn) Serve() {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writeLoop()
	}()
	err := c.readLoop()
	for _, ch := range c.list() {
		ch.teardown()
		c.forget(ch)
	}
	if c.vh != nil {
		c.vh.Release(c)
		c.vh.Leave()
		c.env.Users.Disconnect(c.info.User)
		c.env.Totals.closed(c)
	}
	c.nc.SetWriteDeadline(time.Now().Add(lingerTime))
	c.out.close()
	<-written
	if err == nil {
		c.drain()
	}
	c.nc.Close()
	if err != nil {
		c.env.Log.Info("connection lost", "connection", c.Info().Name, "error", err)
	}
}

// lingerTime is how long the last bytes may take when a connection ends.
const lingerTime = 2 * time.Second

// drain takes what a client still sends that has said goodbye, until it hangs
// up: a close while that is on its way would reset the connection, and the
// client might not read our last words.
func (c *Conn) drain() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if c.nc.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.Copy(io.Discard, c.nc) // it ends with the client or in time
	}
}

// Close asks the client to close, with a reply code and text; a client that
// does not answer in time is cut off.
func (c *Conn) Close(code uint16, text string) {
	c.sendClose(amqp.Errorf(code, "%s", text))
}

// Abort ends the connection at once.
func (c *Conn) Abort() {
	c.deadOnce.Do(func() { close(c.dead) })
	c.nc.Close()
	c.out.close()
}

// sendClose sends connection.close once and lets nothing follow it.
func (c *Conn) sendClose(err *amqp.Error) {
	if c.closing.Swap(true) {
		return
	}
	c.deadline.Store(closeTicks)
	close(c.left)
	c.out.last(&amqp.ConnectionClose{
		ReplyCode: err.Code, ReplyText: err.ReplyText(), ClassID: err.Method.Class(), MethodID: err.Method.Method(),
	})
}

// send appends a method frame to what goes out.
func (c *Conn) send(channel uint16, m amqp.Method) { c.out.send(channel, m) }
