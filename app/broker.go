package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/broker/management"
	"nubo/broker/node"
	"nubo/broker/user"
	"nubo/dashboard"
	"nubo/internal/httpx"
	"nubo/internal/rpc"
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
				c.management.Register(managementHost, management.New(b, management.Options{Trusted: true, Log: c.module("broker")}))
				return nil
			},
			Stopped: func() {
				c.management.Register(managementHost, nil)
				c.broker.Store(nil)
			},
			Log:     c.module("broker"),
			LogFile: c.set.logFile(), Version: Version,
			Settings: brokerSettings(c.set, memoryLimit, "always"),
		}, ready)
	}), nil
}

// managementHost is where the dashboard, and nothing else, finds the embedded
// broker's management API: in memory, without a password.
const managementHost = "broker"

// managementAPI is the broker's management API as the dashboard reaches it:
// that of the embedded broker of this process, that of the controller's, or
// that of a RabbitMQ, with the credentials of its URL.
func (c *cloud) managementAPI() (dashboard.Endpoint, error) {
	e := dashboard.Endpoint{Rule: dashboard.BrokerRule, Endpoint: "http://" + managementHost + "/api", HTTP: httpx.Client(&c.management)}
	user, password := messagingUser, c.sec.Messaging
	switch m := c.set.messaging; {
	case m.URL != "":
		node, err := rpc.FirstNode(m.URL)
		if err != nil {
			return e, err
		}
		user, password = node.User, node.Password
		e.Endpoint = cmp.Or(strings.TrimRight(m.ManagementURL, "/"), "http://"+net.JoinHostPort(node.Host, strconv.Itoa(portManagement))) + "/api"
	case c.embedded:
		e.Silent = "The broker does not run at the moment."
		return e, nil
	default:
		e.Endpoint = c.set.url(portManagement, "/api")
	}
	e.HTTP = httpx.Client(loggedIn{c.http.Transport, user, password})
	e.Silent = "The broker's management API at " + e.Endpoint + " does not answer, or refuses the credentials of [messaging] url. " +
		"A RabbitMQ has it with its management plugin (rabbitmq-plugins enable rabbitmq_management); [messaging] management_url says where."
	return e, nil
}

// loggedIn sends requests with a name and a password.
type loggedIn struct {
	next           http.RoundTripper
	user, password string
}

// RoundTrip implements http.RoundTripper.
func (l loggedIn) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.SetBasicAuth(l.user, l.password)
	return l.next.RoundTrip(r)
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
