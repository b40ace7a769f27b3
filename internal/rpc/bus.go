package rpc

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"nubo/internal/clock"
)

// Config says which broker a Bus uses.
type Config struct {
	// URLs are transport URLs, tried in turn:
	// rabbit://user:password@host:5672,host2:5672/vhost.
	URLs []string
	// Dial opens the byte stream to the broker, if it is not to be TCP: the
	// embedded broker's. The credentials are still those of URLs; guest's on
	// the virtual host / without any.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS is the client configuration for amqps URLs.
	TLS *tls.Config
	// Name is what the broker shows as connection_name.
	Name string
	// CallTimeout bounds calls, and casts whose context has no end; 60 s if 0.
	CallTimeout time.Duration
	// Heartbeat is AMQP's, 60 s if 0.
	Heartbeat time.Duration
	// AMQPDurableQueues is oslo's amqp_durable_queues: exchanges and queues
	// survive a restart of the broker.
	AMQPDurableQueues bool
	Log               *slog.Logger
}

// Bus is one process's way to the broker. Its methods may be called from any
// goroutine.
type Bus struct {
	cfg       Config
	log       *slog.Logger
	endpoints []endpoint
	err       error // the URLs are no good; every use says so
	drain     time.Duration

	ctx     context.Context // ends when the bus is closed
	cancel  context.CancelFunc
	wg      sync.WaitGroup // the publisher's and the reply consumer's goroutines
	pub     *publisher
	replies *replies
	dead    *deadQueues
	answers *answers
}

// Open makes a Bus. It connects when it is first used, and opens a lost
// connection again for ever.
func Open(cfg Config) *Bus {
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = time.Minute
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = time.Minute
	}
	if cfg.Name == "" {
		cfg.Name = "nubo"
	}
	b := &Bus{cfg: cfg, log: cfg.Log, drain: defaultDrain}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, u := range cfg.URLs {
		es, err := parseURL(u)
		if err != nil {
			b.err = err
		}
		b.endpoints = append(b.endpoints, es...)
	}
	if len(cfg.URLs) == 0 {
		b.endpoints = []endpoint{{addr: "localhost:5672", user: "guest", password: "guest", vhost: "/"}}
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.dead, b.answers = newDeadQueues(clock.System), newAnswers(clock.System)
	b.pub = newPublisher(b)
	b.replies = newReplies(b)
	return b
}

// Close sends what is still to be sent, until ctx ends, and drops the
// connections. Calls in flight fail; Serve and Listen return.
func (b *Bus) Close(ctx context.Context) {
	b.pub.flush(ctx)
	b.cancel()
	b.wg.Wait()
}

// check says why the bus cannot be used, if it cannot.
func (b *Bus) check() error {
	if b.err != nil {
		return b.err
	}
	if b.ctx.Err() != nil {
		return ErrClosed
	}
	return nil
}
