package ctl

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"nubo/broker"
	"nubo/broker/vhost"
)

func checkCommands() []command {
	const section = "Monitoring, observability and health checks"
	asking := func(what string) func(*call) string {
		return func(c *call) string { return fmt.Sprintf("Asking node %s %s ...", nameOf(c), what) }
	}
	return []command{
		{
			name: "ping", section: section, in: everywhere, needs: always, about: "Checks that the broker's process is up and answers",
			banner: func(c *call) string {
				return fmt.Sprintf("Will ping %s. This only checks if the OS process is running and answers on its control socket. Timeout: %d ms.", nameOf(c), c.timeout(defaultTimeout).Milliseconds())
			},
			run: func(context.Context, *call) (result, error) { return message("Ping succeeded") },
		},
		{
			name: "check_running", section: section, in: diagnostics, needs: always,
			about:  "Health check that exits with a non-zero code if the broker on the target node is not running",
			banner: func(c *call) string { return fmt.Sprintf("Checking if RabbitMQ is running on node %s ...", nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				if c.broker() == nil {
					return result{}, failed(exitUnavailable, "%s", notBooted(c))
				}
				return message("RabbitMQ on node %s is fully booted and running", nameOf(c))
			},
		},
		{
			name: "is_running", section: section, in: diagnostics, needs: always, about: "Checks if the broker is fully booted and running on the target node",
			banner: asking("for its status"),
			run: func(_ context.Context, c *call) (result, error) {
				if c.broker() == nil {
					return result{text: notBooted(c), value: object{{"result", false}, {"message", notBooted(c)}}}, nil
				}
				return result{text: fmt.Sprintf("RabbitMQ on node %s is fully booted and running", nameOf(c)), value: object{{"result", true}, {"message", "running"}}}, nil
			},
		},
		{
			name: "is_booting", section: section, in: diagnostics, needs: always, about: "Checks if the broker is still booting on the target node",
			banner: asking("for its boot status"),
			run: func(_ context.Context, c *call) (result, error) {
				return message("RabbitMQ on node %s is fully booted (check with is_running), stopped or has not started booting yet", nameOf(c))
			},
		},
		{
			name: "alarms", section: section, in: diagnostics, about: "Lists resource alarms (local or cluster-wide) in effect on the target node",
			banner: asking("to report any known resource alarms"),
			run: func(_ context.Context, c *call) (result, error) {
				texts := alarmTexts(c)
				if len(texts) == 0 {
					texts = []string{fmt.Sprintf("Node %s reported no alarms, local or clusterwide", nameOf(c))}
				}
				return result{text: strings.Join(texts, "\n"), value: object{{"alarms", atoms(alarmTexts(c))}, {"node", nameOf(c)}, {"result", "ok"}}}, nil
			},
		},
		alarmCheck("check_local_alarms", "no local alarms"), alarmCheck("check_alarms", "no alarms, local or clusterwide"),
		{
			name: "check_port_connectivity", section: section, in: diagnostics, about: "Basic TCP connectivity health check for each listener's port on the target node",
			banner: func(c *call) string {
				return fmt.Sprintf("Testing TCP connections to all active listeners on node %s ...", nameOf(c))
			},
			run: checkConnectivity,
		},
		{
			name: "check_port_listener", section: section, usage: "<port>", min: 1, max: 1, in: diagnostics,
			about: "Health check that exits with a non-zero code if target node does not have an active listener for given port",
			check: func(c *call) error {
				if n, err := strconv.Atoi(c.args[0]); err != nil || n < 1 || n > 65535 {
					return badArgument("<port> must be a port number")
				}
				return nil
			},
			banner: func(c *call) string {
				return fmt.Sprintf("Asking node %s if there's an active listener on port %s ...", nameOf(c), c.args[0])
			},
			run: checkPort,
		},
		{
			name: "check_protocol_listener", section: section, usage: "<protocol>", min: 1, max: 1, in: diagnostics,
			about: "Health check that exits with a non-zero code if target node does not have an active listener for given protocol",
			banner: func(c *call) string {
				return fmt.Sprintf("Asking node %s if there's an active listener for protocol %s ...", nameOf(c), c.args[0])
			},
			run: checkProtocol,
		},
		{
			name: "check_virtual_hosts", section: section, in: diagnostics, about: "Health check that checks if all vhosts are running in the target node",
			banner: func(c *call) string {
				return fmt.Sprintf("Checking if all vhosts are running on node %s ...", nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) {
				return message("Node %s reported all vhosts as running", nameOf(c))
			},
		},
		{
			name: "node_health_check", section: "Deprecated", in: everywhere, about: "DEPRECATED. Checks that the node works; see the health checks of rabbitmq-diagnostics instead",
			banner: func(c *call) string {
				return "This command is DEPRECATED and will be removed in a future version.\n" +
					"It performs intrusive, opinionated health checks and requires a fully booted node.\n" +
					"Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.\n" +
					fmt.Sprintf("Timeout: %.0f seconds ...\nChecking health of node %s ...", c.timeout(70*time.Second).Seconds(), nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) {
				if names := c.broker().Alarms().Names(); len(names) > 0 {
					for i, n := range names {
						names[i] = fmt.Sprintf("{resource_limit,%s,%s}", n, nameOf(c))
					}
					return result{}, failed(exitSoftware, "Error: health check failed. Message: resource alarm(s) in effect:[%s]", strings.Join(names, ","))
				}
				if stuck := stuckQueues(c.broker()); len(stuck) > 0 {
					return result{}, failed(exitSoftware, "Error: health check failed. Message: queues that stand still: %s", strings.Join(stuck, ", "))
				}
				return message("Health check passed")
			},
		},
		criticalCheck("check_if_node_is_quorum_critical", "is critical for quorum of any quorum queues"),
		criticalCheck("check_if_node_is_mirror_sync_critical", "is critical for data safety of any classic mirrored queues"),
	}
}

func notBooted(c *call) string {
	return fmt.Sprintf("RabbitMQ on node %s is not running or has not fully booted yet (check with is_booting)", nameOf(c))
}

// alarmCheck is a check that no alarm is in effect. All alarms are local.
func alarmCheck(name, none string) command {
	return command{
		name: name, section: "Monitoring, observability and health checks", in: diagnostics,
		about: "Health check that exits with a non-zero code if the target node reports any alarms",
		banner: func(c *call) string {
			return fmt.Sprintf("Asking node %s to report any local resource alarms ...", nameOf(c))
		},
		run: func(_ context.Context, c *call) (result, error) {
			if texts := alarmTexts(c); len(texts) > 0 {
				return result{}, &failure{code: exitUnavailable, text: strings.Join(texts, "\n"), raw: name == "check_alarms"}
			}
			return result{text: fmt.Sprintf("Node %s reported %s", nameOf(c), none), value: object{{"result", "ok"}}}, nil
		},
	}
}

// criticalCheck is a check that means nothing to a single node.
func criticalCheck(name, what string) command {
	return command{
		name: name, section: "Monitoring, observability and health checks", in: checks,
		about:  "Health check that exits with a non-zero code if the node " + what,
		banner: func(c *call) string { return fmt.Sprintf("Checking if node %s %s ...", nameOf(c), what) },
		run: func(_ context.Context, c *call) (result, error) {
			return message("Node %s seems to be the only one in a single node cluster, the check does not apply", nameOf(c))
		},
	}
}

// ports are the ports that are listened on.
func ports(b *broker.Broker) []string {
	var list []string
	for _, l := range b.Listeners() {
		list = append(list, strconv.Itoa(l.Port))
	}
	return slices.Compact(list)
}

func checkConnectivity(ctx context.Context, c *call) (result, error) {
	var bad []string
	for _, l := range c.broker().Listeners() {
		ip := net.ParseIP(l.IP)
		switch {
		case ip.IsUnspecified() && ip.To4() != nil:
			ip = net.IPv4(127, 0, 0, 1)
		case ip.IsUnspecified():
			ip = net.IPv6loopback
		}
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), strconv.Itoa(l.Port)))
		if err != nil {
			bad = append(bad, describeListener(l))
			continue
		}
		if err := nc.Close(); err != nil {
			bad = append(bad, describeListener(l))
		}
	}
	if len(bad) > 0 {
		return result{}, failed(exitUnavailable, "Connection attempts to the following listeners failed:\n%s", strings.Join(bad, "\n"))
	}
	return message("Successfully connected to ports %s on node %s.", strings.Join(ports(c.broker()), ", "), nameOf(c))
}

func checkPort(_ context.Context, c *call) (result, error) {
	found := ports(c.broker())
	if slices.Contains(found, c.args[0]) {
		return message("A listener for port %s is running on node %s.", c.args[0], nameOf(c))
	}
	var numbers []any
	for _, l := range c.broker().Listeners() {
		numbers = append(numbers, l.Port)
	}
	return result{}, &failure{
		code: exitUnavailable, raw: true,
		text:  fmt.Sprintf("No listener for port %s is active on node %s. Found listeners that use the following ports: %s", c.args[0], nameOf(c), strings.Join(found, ", ")),
		value: object{{"listeners", listenersJSON(c)}, {"missing", c.args[0]}, {"ports", numbers}, {"result", "error"}},
	}
}

func checkProtocol(_ context.Context, c *call) (result, error) {
	var found []string
	for _, l := range c.broker().Listeners() {
		found = append(found, l.Protocol)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	wanted := strings.ToLower(c.args[0])
	switch wanted {
	case "amqp091", "amqp0.9.1", "amqp0-9-1":
		wanted = "amqp"
	case "amqps":
		wanted = "amqp/ssl"
	case "prometheus":
		wanted = "http/prometheus"
	}
	if slices.Contains(found, wanted) {
		return message("A listener for protocol %s is running on node %s.", c.args[0], nameOf(c))
	}
	return result{}, failed(exitUnavailable, "No listener for protocol %s is active on node %s. Found listeners for the following protocols: %s", c.args[0], nameOf(c), strings.Join(found, ", "))
}

// stuckQueues are the queues that cannot go on.
func stuckQueues(b *broker.Broker) []string {
	var stuck []string
	for _, i := range b.VHosts() {
		v, err := b.VHost(i.Name)
		if err != nil {
			continue // deleted this moment
		}
		for _, q := range slices.DeleteFunc(v.Queues(), func(q vhost.QueueStats) bool { return !q.Failed }) {
			stuck = append(stuck, fmt.Sprintf("queue '%s' in vhost '%s'", q.Name, i.Name))
		}
	}
	return stuck
}
