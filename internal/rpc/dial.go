package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// backoff is how long to wait before the nth attempt to connect. The first
// ones are quick: an embedded broker that restarts is back at once.
func backoff(attempt int) time.Duration {
	switch {
	case attempt <= 0:
		return 0
	case attempt <= 3:
		return 25 * time.Millisecond << attempt
	case attempt == 4:
		return time.Second
	}
	return min(time.Second<<min(attempt-4, 5), 30*time.Second)
}

const (
	handshakeTimeout = 30 * time.Second
	closeTimeout     = 3 * time.Second
)

// link is an open connection.
type link struct {
	*amqp.Connection
	raw net.Conn
}

// close says good-bye, but does not wait for ever for an answer.
func (l *link) close() {
	t := time.AfterFunc(closeTimeout, func() { l.raw.Close() })
	l.Connection.Close() // an error means it was closed already
	t.Stop()
}

// connect tries the endpoints in turn until one answers or ctx ends.
func (b *Bus) connect(ctx context.Context, purpose string) (*link, error) {
	for attempt := 0; ; attempt++ {
		wait := backoff(attempt)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		e := b.endpoints[attempt%len(b.endpoints)]
		l, err := b.dial(ctx, e, purpose)
		if err == nil {
			if attempt > 0 {
				b.log.Info("connected to the message broker again", "broker", e.addr, "purpose", purpose)
			}
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if attempt >= 3 {
			b.log.Warn("the message broker does not answer", "broker", e.addr, "purpose", purpose,
				"error", err, "retry_in", backoff(attempt+1))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dial opens one connection.
func (b *Bus) dial(ctx context.Context, e endpoint, purpose string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	raw, err := b.stream(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", e.addr, err)
	}
	// The library's handshake knows no context: closing the stream ends it.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, err := amqp.Open(raw, amqp.Config{
		// oslo.messaging's preference, then what every broker has.
		SASL: []amqp.Authentication{
			&amqp.AMQPlainAuth{Username: e.user, Password: e.password},
			&amqp.PlainAuth{Username: e.user, Password: e.password},
		},
		Vhost:     e.vhost,
		FrameSize: 131072,
		Heartbeat: b.cfg.Heartbeat,
		Locale:    "en_US",
		Properties: amqp.Table{
			"product":         "nubo",
			"connection_name": b.cfg.Name + ":" + purpose,
		},
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("AMQP handshake with %s: %w", e.addr, err)
	}
	return &link{conn, raw}, nil
}

// stream opens the byte stream under a connection.
func (b *Bus) stream(ctx context.Context, e endpoint) (net.Conn, error) {
	if b.cfg.Dial != nil {
		return b.cfg.Dial(ctx)
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", e.addr)
	if err != nil || !e.tls {
		return raw, err
	}
	cfg := b.cfg.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(e.addr)
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}
