package conn

import (
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"nubo/amqp"
)

// Info describes a connection.
type Info struct {
	// Name is "CLIENT:PORT -> BROKER:PORT".
	Name             string
	PeerHost, Host   string
	PeerPort, Port   int
	User, VHost      string
	Mechanism        string
	ClientProperties amqp.Table
	ChannelMax       uint16
	FrameMax         uint32
	Heartbeat        uint16
	Connected        time.Time
	TLS              *tls.ConnectionState // nil without TLS
	Blocked          bool                 // by an alarm, as it publishes
	phase            phase
}

// State is what the connection does, in RabbitMQ's words.
func (i *Info) state(closing, blocking, flow bool) string {
	switch {
	case closing:
		return "closing"
	case i.phase <= wantStartOk:
		return "starting"
	case i.phase == wantTuneOk:
		return "tuning"
	case i.phase == wantOpen:
		return "opening"
	case i.Blocked:
		return "blocked"
	case blocking:
		return "blocking"
	case flow:
		return "flow"
	default:
		return "running"
	}
}

// Stats is a snapshot of a connection.
type Stats struct {
	Info
	// State is starting, tuning, opening, running, blocking, blocked, flow or
	// closing. A connection is in flow while it waits for others to keep up.
	State string
	// Received and Sent count octets, Reads and Writes how often something came
	// and went; Pending is how many octets wait to be sent.
	Received, Sent, Reads, Writes uint64
	Pending                       int
	Channels                      []ChannelStats
}

// Counters count the messages of a channel, or of many.
type Counters struct {
	Publish, Confirm uint64
	// ReturnUnroutable and DropUnroutable are messages no queue took; the
	// former were mandatory.
	ReturnUnroutable, DropUnroutable uint64
	// Deliver and Get are those to be acknowledged.
	Deliver, DeliverNoAck, Get, GetNoAck, GetEmpty, Redeliver, Ack uint64
}

// Add adds other counters.
func (c *Counters) Add(o Counters) {
	c.Publish += o.Publish
	c.Confirm += o.Confirm
	c.ReturnUnroutable += o.ReturnUnroutable
	c.DropUnroutable += o.DropUnroutable
	c.Deliver += o.Deliver
	c.DeliverNoAck += o.DeliverNoAck
	c.Get += o.Get
	c.GetNoAck += o.GetNoAck
	c.GetEmpty += o.GetEmpty
	c.Redeliver += o.Redeliver
	c.Ack += o.Ack
}

// ChannelStats is a snapshot of a channel.
type ChannelStats struct {
	Number    uint16
	Consumers []ConsumerStats
	// Prefetch is that of consumers to come, GlobalPrefetch that of the channel.
	Prefetch, GlobalPrefetch int
	Confirm, Transactional   bool
	// Unacked are deliveries not acknowledged, Unconfirmed messages not
	// confirmed, Uncommitted and AcksUncommitted what a transaction gathered.
	Unacked, Unconfirmed, Uncommitted, AcksUncommitted int
	// Idle is since when nothing was published, delivered or acknowledged;
	// zero if that is not long.
	Idle     time.Time
	Counters Counters
}

// ConsumerStats describes a consumer.
type ConsumerStats struct {
	Tag, Queue       string
	NoAck, Exclusive bool
	Prefetch         int
	Priority         int
	Arguments        amqp.Table
}

// Totals adds up what all channels and connections of a broker did, also
// those that are gone, by virtual host.
type Totals struct {
	// mu guards the rest. It comes before the connections' and channels' locks.
	mu    sync.Mutex
	live  map[*Conn]struct{}
	gone  map[string]Traffic
	churn Churn

	// Refused and Admitted count tries to log in.
	Refused, Admitted atomic.Uint64
}

// Traffic is what went through a virtual host.
type Traffic struct {
	Counters
	Received, Sent uint64 // octets
}

// Churn counts what came and went.
type Churn struct{ ConnectionsCreated, ConnectionsClosed, ChannelsCreated, ChannelsClosed uint64 }

// NewTotals makes totals of nothing.
func NewTotals() *Totals {
	return &Totals{live: make(map[*Conn]struct{}), gone: make(map[string]Traffic)}
}

// Snapshot returns the totals by virtual host.
func (t *Totals) Snapshot() (map[string]Traffic, Churn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := maps.Clone(t.gone)
	for c := range t.live {
		vhost := c.Info().VHost
		sum := all[vhost]
		sum.Received += c.received.Load()
		sum.Sent += c.sent.Load()
		for _, ch := range c.list() {
			sum.Add(ch.counters())
		}
		all[vhost] = sum
	}
	return all, t.churn
}

// opened begins to count a connection that entered a virtual host.
func (t *Totals) opened(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[c] = struct{}{}
	t.churn.ConnectionsCreated++
}

// closed keeps what a connection did, when it has ended.
func (t *Totals) closed(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, c)
	sum := t.gone[c.info.VHost]
	sum.Received += c.received.Load()
	sum.Sent += c.sent.Load()
	t.gone[c.info.VHost] = sum
	t.churn.ConnectionsClosed++
}

// openedChannel lets a connection have one more channel.
func (t *Totals) openedChannel(ch *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.churn.ChannelsCreated++
	ch.c.mu.Lock()
	defer ch.c.mu.Unlock()
	ch.c.channels[ch.id] = ch
}

// closedChannel takes a channel from its connection and keeps what it did.
func (t *Totals) closedChannel(ch *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.churn.ChannelsClosed++
	ch.c.mu.Lock()
	delete(ch.c.channels, ch.id)
	ch.c.mu.Unlock()
	sum := t.gone[ch.c.info.VHost]
	sum.Add(ch.counters())
	t.gone[ch.c.info.VHost] = sum
}

// Info describes the connection.
func (c *Conn) Info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

// setInfo changes what Info returns.
func (c *Conn) setInfo(f func(*Info)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.info)
}

// list returns the channels, by number.
func (c *Conn) list() []*channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*channel, 0, len(c.channels))
	for _, ch := range c.channels {
		list = append(list, ch)
	}
	slices.SortFunc(list, func(a, b *channel) int { return int(a.id) - int(b.id) })
	return list
}

// Stats takes a snapshot.
func (c *Conn) Stats() Stats {
	s := Stats{
		Info: c.Info(), Received: c.received.Load(), Sent: c.sent.Load(),
		Reads: c.reads.Load(), Writes: c.writes.Load(), Pending: c.out.pending(),
	}
	for _, ch := range c.list() {
		s.Channels = append(s.Channels, ch.stats())
	}
	s.State = s.state(c.closing.Load(), c.env.Alarms.On() != 0, c.throttled.Load())
	return s
}

// endpoint splits an address; those of memory have no port.
func endpoint(a net.Addr) (host string, port int) {
	host, p, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String(), 0
	}
	port, _ = strconv.Atoi(p)
	return host, port
}

// counters adds up what the reader and the consumers counted.
func (ch *channel) counters() Counters {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.countersLocked()
}

func (ch *channel) countersLocked() Counters {
	c := ch.count
	c.Publish, c.ReturnUnroutable, c.DropUnroutable = ch.published.Load(), ch.returned.Load(), ch.dropped.Load()
	if ch.confirms != nil {
		c.Confirm, _ = ch.confirms.stats()
	}
	return c
}

// stats takes a snapshot.
func (ch *channel) stats() ChannelStats {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	s := ChannelStats{
		Number: ch.id, Unacked: ch.out.live, Prefetch: ch.prefetch, GlobalPrefetch: ch.limit,
		Confirm: ch.confirms != nil, Transactional: ch.transactional,
		Uncommitted: ch.uncommitted, AcksUncommitted: ch.acksUncommitted,
		Idle: ch.idle, Counters: ch.countersLocked(),
	}
	if ch.confirms != nil {
		_, s.Unconfirmed = ch.confirms.stats()
	}
	for _, k := range ch.consumers {
		s.Consumers = append(s.Consumers, ConsumerStats{k.Tag, k.queueName(), k.NoAck, k.Exclusive, k.limit, k.Priority, k.args})
	}
	return s
}

// watch notices, from time to time, whether the channel does anything.
func (ch *channel) watch() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	switch now := ch.countersLocked(); {
	case now != ch.before:
		ch.before, ch.idle = now, time.Time{}
	case ch.idle.IsZero():
		ch.idle = time.Now()
	}
}
