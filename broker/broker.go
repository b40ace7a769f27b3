// Package broker is a message broker that speaks AMQP 0-9-1 as RabbitMQ does.
//
// It is a library: New makes a broker, Serve lets clients in through a
// listener, Dial connects a client of the same process through memory; both
// speak the same bytes. Nothing here knows what the messages are about.
//
//	amqp           the codec
//	broker         listeners, connections, users, statistics
//	broker/conn    one connection: handshake, channels, flow control
//	broker/vhost   exchanges, queues, bindings, routing
//	broker/match   which bindings take a message
//	broker/queue   one queue
//	broker/store   what durable storage must provide
//	broker/user    users, passwords, permissions
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"nubo/amqp"
	"nubo/broker/conn"
	"nubo/broker/store"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// Config is what a broker is made with. The zero value is RabbitMQ's defaults.
type Config struct {
	// DefaultUser and DefaultPass make the first user, an administrator;
	// "guest" and "guest", who may come only from this machine, if empty.
	DefaultUser, DefaultPass string
	// Heartbeat is what clients are offered, in seconds; 60 if zero.
	Heartbeat uint16
	// MemoryWatermark is how many bytes of messages may gather before
	// publishers have to wait; 0 is no limit.
	MemoryWatermark int64
	// Store keeps durable messages; in memory only if nil.
	Store Store
	// Log takes the broker's log; nothing is logged if nil.
	Log *slog.Logger
}

const (
	channelMax     = 2047
	frameMax       = 131072
	maxMessageSize = 128 << 20
	defaultVHost   = "/"
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

	vhosts map[string]*vhost.VHost // fixed

	// mu guards the rest.
	mu        sync.Mutex
	closed    bool
	conns     map[*conn.Conn]bool
	listeners map[net.Listener]bool
	served    sync.WaitGroup // connections and the ticker
	stop      chan struct{}  // closed when the broker is shut down
}

// New makes a broker and starts its clock. Shutdown ends it.
func New(cfg Config) *Broker {
	if cfg.DefaultUser == "" {
		cfg.DefaultUser, cfg.DefaultPass = "guest", "guest"
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 60
	}
	if cfg.Store == nil {
		cfg.Store = store.Memory{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	memory := conn.NewMemory(cfg.MemoryWatermark)
	b := &Broker{
		store:     cfg.Store,
		vhosts:    map[string]*vhost.VHost{defaultVHost: vhost.New(defaultVHost, cfg.Store, memory)},
		conns:     make(map[*conn.Conn]bool),
		listeners: make(map[net.Listener]bool),
		stop:      make(chan struct{}),
	}
	b.users = user.NewRegistry(func() {
		for _, v := range b.vhosts {
			v.Invalidate()
		}
	})
	b.env = conn.Env{
		Users: b.users, VHost: func(name string) *vhost.VHost { return b.vhosts[name] },
		Memory: memory, Replies: new(conn.Replies), ServerProperties: serverProperties(),
		ChannelMax: channelMax, FrameMax: frameMax, Heartbeat: cfg.Heartbeat, MaxMessageSize: maxMessageSize, Log: cfg.Log,
	}
	if err := b.AddUser(cfg.DefaultUser, cfg.DefaultPass, "administrator"); err != nil {
		panic(err) // the registry is empty
	}
	b.served.Add(1)
	go b.tick()
	return b
}

// serverProperties is what connection.start says.
func serverProperties() amqp.Table {
	capabilities := amqp.Table{}
	for _, name := range []string{
		"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
		"consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
	} {
		capabilities[name] = true
	}
	return amqp.Table{
		"product": "nubo", "version": version, "platform": "Go", "capabilities": capabilities,
		"copyright": "The nubo authors", "information": "Licensed under the Apache License 2.0",
		"cluster_name": "nubo",
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
func (b *Broker) Serve(l net.Listener) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	b.listeners[l] = true
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
		for _, v := range b.vhosts {
			v.Close()
		}
		err = errors.Join(err, b.store.Close())
	}
	return err
}

// AddUser adds a user who may do everything in the virtual host /.
func (b *Broker) AddUser(name, password string, tags ...string) error {
	if err := b.users.Add(name, password, tags...); err != nil {
		return err
	}
	return b.SetPermissions(name, defaultVHost, ".*", ".*", ".*")
}

// SetPassword changes a user's password.
func (b *Broker) SetPassword(name, password string) error { return b.users.SetPassword(name, password) }

// DeleteUser removes a user. Connections that are open stay open but may do
// nothing that needs permission.
func (b *Broker) DeleteUser(name string) error { return b.users.Delete(name) }

// SetPermissions sets what a user may do in a virtual host: regular
// expressions for the names of the queues and exchanges.
func (b *Broker) SetPermissions(name, vhost, configure, write, read string) error {
	p, err := user.ParsePermissions(configure, write, read)
	if err != nil {
		return err
	}
	return b.users.SetPermissions(name, vhost, p)
}

// Authenticate checks a user's password.
func (b *Broker) Authenticate(name, password string) error {
	return b.users.Authenticate(name, password)
}

// Users describes the users.
func (b *Broker) Users() []user.Info { return b.users.List() }

// CloseConnection closes the connections of a name, as Stats gives it, telling
// the client the reason. It returns how many there were.
func (b *Broker) CloseConnection(name, reason string) int {
	n := 0
	for _, c := range b.connections() {
		if c.Info().Name == name {
			c.Close(amqp.ConnectionForced, reason)
			n++
		}
	}
	return n
}

// Stats is a snapshot of a broker.
type Stats struct {
	Connections []conn.Stats
	VHosts      []vhost.Stats
	// MemoryUsed is what the messages in queues take.
	MemoryUsed int64
}

// Stats takes a snapshot.
func (b *Broker) Stats() Stats {
	s := Stats{MemoryUsed: b.env.Memory.Used()}
	for _, c := range b.connections() {
		s.Connections = append(s.Connections, c.Stats())
	}
	for _, v := range b.vhosts {
		s.VHosts = append(s.VHosts, v.Stats())
	}
	return s
}
