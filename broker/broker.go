// Package broker is a message broker that speaks AMQP 0-9-1 as RabbitMQ does.
//
// It is a library: Open makes a broker with a data directory, New one that
// keeps everything in memory; Serve lets clients in through a
// listener, Dial connects a client of the same process through memory; both
// speak the same bytes. Nothing here knows what the messages are about.
//
//	amqp           the codec
//	broker         listeners, connections, users, definitions, statistics
//	broker/conn    one connection: handshake, channels, flow control
//	broker/vhost   exchanges, queues, bindings, routing
//	broker/match   which bindings take a message
//	broker/queue   one queue
//	broker/stream  the log of a stream queue
//	broker/store   what durable storage must provide
//	broker/wal     durable storage: the write-ahead log
//	broker/policy  policies
//	broker/pattern their regular expressions, and those of permissions
//	broker/user    users, passwords, permissions
//	broker/history samples of counters, for rates
//
//	broker/management  the HTTP API
//	broker/metrics     what Prometheus collects
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"nubo/amqp"
	"nubo/broker/conn"
	"nubo/broker/history"
	"nubo/broker/store"
	"nubo/broker/user"
	"nubo/broker/vhost"
	"nubo/broker/wal"
)

// Config is what a broker is made with. The zero value is RabbitMQ's defaults.
type Config struct {
	// DefaultUser and DefaultPass make the first user, an administrator;
	// "guest" and "guest", who may come only from this machine, if empty.
	DefaultUser, DefaultPass string
	// Heartbeat is what clients are offered, in seconds; 60 if zero.
	Heartbeat uint16
	// MemoryWatermark is how many bytes of messages may gather in memory
	// before publishers have to wait; 0 is no limit.
	MemoryWatermark int64
	// DiskFreeLimit is how many bytes must be free on DataDir's disk, or
	// publishers have to wait; 50 MB if zero, as much as there is if negative.
	DiskFreeLimit int64
	// ConsumerTimeout is how long a consumer may sit on a message before its
	// channel is closed; 30 minutes if zero, for ever if negative.
	ConsumerTimeout time.Duration
	// DataDir is where Open keeps what is durable; nothing is if empty.
	DataDir string
	// Sync says when a persistent message is confirmed; after fdatasync if
	// empty.
	Sync wal.Sync
	// Store keeps what is durable, in DataDir's place; nothing is kept if nil.
	Store Store
	// Log takes the broker's log; nothing is logged if nil.
	Log *slog.Logger
}

const (
	channelMax     = 2047
	frameMax       = 131072
	maxMessageSize = 128 << 20
	// defaultSpill is how much messages take in memory before long queues stay
	// on disk, if there is no watermark to go by.
	defaultSpill = 256 << 20
	defaultVHost = "/"
)

// version is what clients are told.
const version = "0.1.0"

// ErrClosed is returned once the broker shuts down.
var ErrClosed = errors.New("broker is shut down")

// Broker is a message broker.
type Broker struct {
	users *user.Registry
	store store.Store
	env   conn.Env

	node     node
	params   parameters
	shovels  shovels
	disk     disk
	churn    vhost.Churn
	past     *history.Set
	sampling sync.Once // begins to record the past

	// mu guards the rest.
	mu        sync.Mutex
	vhosts    map[string]*host
	closed    bool
	conns     map[*conn.Conn]bool
	listeners map[net.Listener]Listener
	served    sync.WaitGroup // connections and the ticker
	stop      chan struct{}  // closed when the broker is shut down
}

// New makes a broker and starts its clock. Shutdown ends it. It panics if the
// store holds definitions that make no sense; Open returns that as an error.
func New(cfg Config) *Broker {
	b, err := start(cfg)
	if err != nil {
		panic(err)
	}
	return b
}

// Open makes a broker with what DataDir holds from the time before. Shutdown
// ends it.
func Open(cfg Config) (*Broker, error) {
	if cfg.Store != nil || cfg.DataDir == "" {
		return start(cfg)
	}
	fs, err := wal.Dir(cfg.DataDir)
	if err != nil {
		return nil, fmt.Errorf("open broker: %w", err)
	}
	l, err := wal.Open(fs, wal.Options{Sync: cfg.Sync, Log: cfg.Log})
	if err != nil {
		return nil, fmt.Errorf("open broker in %s: %w", cfg.DataDir, err)
	}
	cfg.Store = l
	b, err := start(cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open broker in %s: %w", cfg.DataDir, err), l.Close())
	}
	return b, nil
}

// start makes a broker with what its store has from the time before.
func start(cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	b := &Broker{
		store:     cfg.Store,
		past:      history.New(),
		vhosts:    make(map[string]*host),
		conns:     make(map[*conn.Conn]bool),
		listeners: make(map[net.Listener]Listener),
		stop:      make(chan struct{}),
	}
	b.users = user.NewRegistry(cfg.Store, b.invalidate)
	b.env = conn.Env{
		Users: b.users, VHost: b.vhost, Store: cfg.Store,
		Alarms: conn.NewAlarms(cfg.Log), Replies: new(conn.Replies), Totals: conn.NewTotals(), ServerProperties: serverProperties(),
		ChannelMax: channelMax, FrameMax: frameMax, Heartbeat: cfg.Heartbeat, MaxMessageSize: maxMessageSize,
		ConsumerTimeout: max(cfg.ConsumerTimeout, 0), Log: cfg.Log,
	}
	b.disk.limit.Store(cfg.DiskFreeLimit)
	b.disk.dir = cfg.DataDir
	b.SetMemoryWatermark(cfg.MemoryWatermark)
	b.watchDisk()
	if err := b.restore(cfg); err != nil {
		return nil, err
	}
	b.served.Add(1)
	go b.tick()
	b.startShovels()
	return b, nil
}

func (cfg Config) withDefaults() Config {
	if cfg.DefaultUser == "" {
		cfg.DefaultUser, cfg.DefaultPass = "guest", "guest"
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 60
	}
	if cfg.ConsumerTimeout == 0 {
		cfg.ConsumerTimeout = 30 * time.Minute
	}
	if cfg.DiskFreeLimit == 0 {
		cfg.DiskFreeLimit = defaultDiskFree
	}
	if cfg.Store == nil {
		cfg.Store = store.Memory{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// serverProperties is what connection.start says. Clients choose what they do
// by product and version: they are those of the RabbitMQ it behaves as.
func serverProperties() amqp.Table {
	capabilities := amqp.Table{}
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
		"consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
	} {
		capabilities[name] = true
	}
	return amqp.Table{
		"product": "RabbitMQ", "version": compatible, "platform": "nubo " + version, "capabilities": capabilities,
		"copyright": "The nubo authors", "information": "Licensed under the Apache License 2.0",
	}
}

// tick drives what connections do by time.
func (b *Broker) tick() {
	defer b.served.Done()
	t := time.NewTicker(conn.TickInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-b.stop:
			return
		}
		b.watchDisk()
		for _, c := range b.connections() {
			c.Tick()
		}
	}
}

// connections lists the connections there are.
func (b *Broker) connections() []*conn.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*conn.Conn, 0, len(b.conns))
	for c := range b.conns {
		list = append(list, c)
	}
	return list
}

// Serve accepts connections until the listener or the broker is closed; it
// returns ErrClosed for the latter.
func (b *Broker) Serve(l net.Listener) error { return b.serve(l, listener("amqp", l.Addr())) }

// ServeTLS is Serve with TLS.
func (b *Broker) ServeTLS(l net.Listener, cfg *tls.Config) error {
	at := listener("amqp/ssl", l.Addr())
	at.CertificateExpires = expires(cfg)
	return b.serve(tls.NewListener(l, cfg), at)
}

func (b *Broker) serve(l net.Listener, at Listener) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	b.listeners[l] = at
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.listeners, l)
		b.mu.Unlock()
		l.Close()
	}()
	for {
		nc, err := l.Accept()
		if err == nil {
			err = b.ServeConn(nc)
		}
		if err != nil {
			if b.isClosed() {
				return ErrClosed
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
				b.env.Log.Warn("accept failed", "error", err)
				select {
				case <-time.After(100 * time.Millisecond):
				case <-b.stop:
				}
				continue
			}
			return fmt.Errorf("accept AMQP connections: %w", err)
		}
	}
}

func (b *Broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// ServeConn serves a client on nc, on goroutines of its own.
func (b *Broker) ServeConn(nc net.Conn) error {
	c := conn.New(&b.env, nc)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		nc.Close()
		return ErrClosed
	}
	b.conns[c] = true
	b.served.Add(1)
	go func() {
		defer b.served.Done()
		c.Serve()
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	return nil
}

// Dial connects to the broker through memory.
func (b *Broker) Dial() (net.Conn, error) {
	client, server := pipe()
	if err := b.ServeConn(server); err != nil {
		client.Close()
		return nil, fmt.Errorf("dial in-memory broker: %w", err)
	}
	return client, nil
}

// Shutdown closes all connections with CONNECTION_FORCED and waits until they
// are gone; when ctx ends first it cuts them off and returns its error.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	first := !b.closed
	b.closed = true
	for l := range b.listeners {
		l.Close()
	}
	b.mu.Unlock()
	if first {
		close(b.stop)
	}
	for _, c := range b.connections() {
		c.Close(amqp.ConnectionForced, "broker forced connection closure with reason 'shutdown'")
	}
	gone := make(chan struct{})
	go func() {
		b.served.Wait()
		close(gone)
	}()
	var err error
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
		for _, c := range b.connections() {
			c.Abort()
		}
		<-gone
	}
	if first {
		for _, v := range b.hosts() {
			v.Close()
		}
		err = errors.Join(err, b.store.Close())
	}
	return err
}

// CloseConnection closes the connections of a name, as Stats gives it, telling
// the client the reason. It returns how many there were.
func (b *Broker) CloseConnection(name, reason string) int {
	return b.closeWhere(func(i conn.Info) bool { return i.Name == name }, reason)
}
