package conn

import "time"

// TickInterval is how often Tick must be called.
const TickInterval = time.Second

const (
	handshakeTicks = 10
	closeTicks     = 10
	// timeoutTicks is how often deliveries that are too old are looked for.
	timeoutTicks = 5
)

// beat is what Tick remembers from one call to the next.
type beat struct {
	reads, writes uint64
	quiet, idle   int64 // ticks since the last read, and write
}

// Tick does what is due by time, for all connections in turn: it ends a
// handshake or close that takes too long, sends heartbeats and notices that
// the peer's have stopped. One ticker for all spares every read a deadline.
func (c *Conn) Tick() {
	if d := c.deadline.Load(); d > 0 && c.deadline.CompareAndSwap(d, d-1) && d == 1 {
		c.Abort()
		return
	}
	if n := c.now.Add(1); n%timeoutTicks == 0 {
		c.findTimedOut(n)
	}
	every := c.heartbeat.Load()
	if every == 0 {
		return
	}
	b := &c.beat
	if n := c.reads.Load(); n != b.reads || c.paused.Load() {
		b.reads, b.quiet = n, 0
	} else if b.quiet++; b.quiet > 2*every {
		c.env.Log.Warn("missed heartbeats from client", "connection", c.Info().Name, "timeout", every)
		c.Abort()
		return
	}
	if n := c.writes.Load(); n != b.writes {
		b.writes, b.idle = n, 0
	} else if b.idle++; 2*b.idle >= every {
		b.idle = 0
		c.out.heartbeat()
	}
}
