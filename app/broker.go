package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"nubo/broker"
	"nubo/internal/service"
)

// buildBroker is the embedded message broker.
func (c *cloud) buildBroker(context.Context) (service.Service, error) {
	return service.Func(func(ctx context.Context, ready func()) error {
		b := broker.New(broker.Config{DefaultUser: messagingUser, DefaultPass: c.sec.Messaging, Log: c.module("broker")})
		if err := b.AddUser("guest", "guest", "administrator"); err != nil {
			return err
		}
		if err := b.SetPermissions("guest", "/", ".*", ".*", ".*"); err != nil {
			return err
		}
		return runBroker(ctx, b, c.set.address(portAMQP), func() {
			c.broker.Store(b)
			ready()
		})
	}), nil
}

// runBroker serves a broker on an address until ctx ends.
func runBroker(ctx context.Context, b *broker.Broker, address string, ready func()) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w (is another broker running? --port-offset moves all ports)", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- b.Serve(l) }()
	ready()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if stop := b.Shutdown(limit); err == nil {
		err = stop
	}
	if errors.Is(err, broker.ErrClosed) {
		return nil
	}
	return err
}

type mqCommand struct {
	Serve mqServe `cmd:"" help:"Run the message broker alone, on the ports of RabbitMQ."`
}

type mqServe struct {
	Listen     string `default:"127.0.0.1" help:"Address to listen on."`
	PortOffset int    `help:"Added to the port."`
}

// Run serves the broker in the foreground.
func (m mqServe) Run(ctx context.Context, o output) error {
	b := broker.New(broker.Config{})
	address := net.JoinHostPort(m.Listen, fmt.Sprint(portAMQP+m.PortOffset))
	return runBroker(ctx, b, address, func() { fmt.Fprintf(o.out, "nubo mq is ready: amqp://%s\n", address) })
}
