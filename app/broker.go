package app

import (
	"context"
	"errors"
	"fmt"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/broker/node"
	"nubo/broker/user"
	"nubo/internal/service"
)

// brokerDir is the broker's directory, where its control socket is.
func (s *settings) brokerDir() string { return s.path("mq") }

// The ports of RabbitMQ beside portAMQP.
const (
	portAMQPS      = 5671
	portManagement = 15672
	portMetrics    = 15692
)

// memoryLimit is RabbitMQ's default: what share of the machine's memory the
// process may use before publishers wait.
const memoryLimit = "0.4"

// buildBroker is the embedded message broker.
func (c *cloud) buildBroker(context.Context) (service.Service, error) {
	return service.Func(func(ctx context.Context, ready func()) error {
		return node.Run(ctx, node.Options{
			Dir: c.set.brokerDir(), AMQP: c.set.address(portAMQP),
			Management: c.set.address(portManagement), Metrics: c.set.address(portMetrics),
			Broker:      broker.Config{DefaultUser: messagingUser, DefaultPass: c.sec.Messaging},
			MemoryLimit: memoryLimit,
			Started: func(b *broker.Broker) error {
				if err := c.brokerUsers(b); err != nil {
					return err
				}
				c.broker.Store(b)
				return nil
			},
			Stopped: func() { c.broker.Store(nil) },
			Log:     c.module("broker"),
			LogFile: c.set.logFile(), Version: Version,
			Settings: brokerSettings(c.set, memoryLimit, "always"),
		}, ready)
	}), nil
}

// brokerUsers sees to it that the cloud can log in, and guest, who can only
// come from this machine.
func (c *cloud) brokerUsers(b *broker.Broker) error {
	err := b.AddUser("guest", "guest", "administrator")
	if err != nil && !errors.Is(err, user.ErrExists) {
		return fmt.Errorf("make the broker's users: %w", err)
	}
	if b.Authenticate(messagingUser, c.sec.Messaging) == nil {
		return nil
	}
	// Somebody has changed the password, or it is new.
	switch err := b.SetPassword(messagingUser, c.sec.Messaging); {
	case errors.Is(err, user.ErrUnknown):
		err = b.AddUser(messagingUser, c.sec.Messaging, "administrator")
		fallthrough
	default:
		if err != nil {
			return fmt.Errorf("make the broker's users: %w", err)
		}
	}
	return nil
}

// brokerSettings are what "environment" shows.
func brokerSettings(s *settings, memory, sync string) []ctl.Setting {
	return []ctl.Setting{
		{Name: "disk_free_limit", Value: int64(50_000_000)},
		{Name: "management_listener", Value: s.address(portManagement)},
		{Name: "prometheus_listener", Value: s.address(portMetrics)},
		{Name: "sync", Value: sync},
		{Name: "tcp_listener", Value: s.address(portAMQP)},
		{Name: "vm_memory_high_watermark", Value: memory},
	}
}
