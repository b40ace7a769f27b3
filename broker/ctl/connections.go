package ctl

import (
	"context"
	"fmt"
	"strings"

	"nubo/broker/conn"
)

func connectionCommands() []command {
	const section = "Operations"
	return []command{
		{
			name: "close_connection", section: section, usage: "<connection pid> <explanation>", min: 2, max: 2,
			about:  "Instructs the broker to close the connection of a pid or a name",
			banner: func(c *call) string { return fmt.Sprintf("Closing connection %s, reason: %s...", c.args[0], c.args[1]) },
			run: func(_ context.Context, c *call) (result, error) {
				id := c.args[0]
				n := closeAll(c, c.args[1], func(k *conn.Stats) bool { return k.Name == id || string(connectionPID(c, k.Name)) == id })
				if n == 0 && !strings.HasPrefix(id, "<"+nameOf(c)+".") {
					return result{}, failed(exitUnavailable, "Error:\n{:invalid_pid_syntax, \"%s\"}", id)
				}
				return result{}, nil // one that is gone is closed
			},
		},
		{
			name: "close_all_connections", section: section, usage: "[--vhost <vhost> --limit <limit>] [-n <node> --global] [--per-connection-delay <delay>] <explanation>", min: 1, max: 1,
			about: "Instructs the broker to close all connections for the specified vhost or entire node",
			more:  map[string]kind{"global": flag, "limit": integer, "per-connection-delay": integer},
			banner: func(c *call) string {
				if c.has("global") {
					return fmt.Sprintf("Closing all connections to node %s (across all vhosts), reason: %s...", nameOf(c), c.args[0])
				}
				return fmt.Sprintf("Closing all connections in vhost %s, reason: %s...", c.vhost(), c.args[0])
			},
			run: func(_ context.Context, c *call) (result, error) {
				limit := 0
				if _, err := fmt.Sscan(c.or("limit", "0"), &limit); err != nil {
					return result{}, err
				}
				n := 0
				closeAll(c, c.args[0], func(k *conn.Stats) bool {
					take := (c.has("global") || k.VHost == c.vhost()) && (limit <= 0 || n < limit)
					if take {
						n++
					}
					return take
				})
				return message("Closed %d connections", n)
			},
		},
		{
			name: "close_all_user_connections", section: section, usage: "<username> <explanation>", min: 2, max: 2,
			about: "Instructs the broker to close all connections of the specified user",
			banner: func(c *call) string {
				return fmt.Sprintf("Closing connections of user %s, reason: %s...", c.args[0], c.args[1])
			},
			run: func(_ context.Context, c *call) (result, error) {
				closeAll(c, c.args[1], func(k *conn.Stats) bool { return k.User == c.args[0] })
				return result{}, nil
			},
		},
		{
			name: "suspend_listeners", section: section, about: "Takes no new clients",
			banner: func(c *call) string {
				return fmt.Sprintf("Will suspend client connection listeners on node %s. The node will no longer accept client connections!", nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) { return done(c.node.SuspendListeners()) },
		},
		{
			name: "resume_listeners", section: section, about: "Takes new clients again",
			banner: func(c *call) string {
				return fmt.Sprintf("Will resume client connection listeners on node %s. The node will now accept client connections", nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) { return done(c.node.ResumeListeners()) },
		},
	}
}

// closeAll closes the connections f picks and counts them.
func closeAll(c *call, reason string, f func(*conn.Stats) bool) int {
	n := 0
	for _, k := range connections(c) {
		if f(&k) {
			n += c.broker().CloseConnection(k.Name, reason)
		}
	}
	return n
}
