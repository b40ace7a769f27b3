package ctl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func nodeCommands() []command {
	const section, cluster = "Nodes", "Cluster"
	return []command{
		{
			name: "stop_app", section: section, about: "Stops the broker, leaving its process running", needs: always,
			banner: func(c *call) string { return fmt.Sprintf("Stopping rabbit application on node %s ...", nameOf(c)) },
			run: func(ctx context.Context, c *call) (result, error) {
				if c.broker() == nil {
					return result{}, nil
				}
				return done(c.node.StopApp(ctx))
			},
		},
		{
			name: "start_app", section: section, about: "Starts the broker in a process where it was stopped", needs: always,
			banner: func(c *call) string { return fmt.Sprintf("Starting node %s ...", nameOf(c)) },
			run: func(ctx context.Context, c *call) (result, error) {
				if c.broker() != nil {
					return result{}, nil
				}
				return done(c.node.StartApp(ctx))
			},
		},
		{
			name: "reset", section: section, about: "Returns a stopped broker to its virgin state", needs: stopped,
			banner: func(c *call) string { return fmt.Sprintf("Resetting node %s ...", nameOf(c)) },
			run:    func(ctx context.Context, c *call) (result, error) { return done(c.node.Reset(ctx)) },
		},
		{
			name: "force_reset", section: cluster, about: "Returns a stopped broker to its virgin state", needs: stopped,
			banner: func(c *call) string { return fmt.Sprintf("Forcefully resetting node %s ...", nameOf(c)) },
			run:    func(ctx context.Context, c *call) (result, error) { return done(c.node.Reset(ctx)) },
		},
		{
			name: "stop", section: section, usage: "[<pidfile>] [--idempotent]", max: 1, about: "Stops the broker and its process", needs: always,
			more:   map[string]kind{"idempotent": flag},
			banner: func(c *call) string { return fmt.Sprintf("Stopping and halting node %s ...", nameOf(c)) },
			run:    func(_ context.Context, c *call) (result, error) { return done(c.node.Stop()) },
			output: awaitExit,
			offline: func(_ context.Context, c *call) (result, error) {
				if c.has("idempotent") {
					return message("Node %s is no longer running", nodeName(c))
				}
				return result{}, unreachable(c, c.dir, errNotRunning)
			},
		},
		{
			name: "shutdown", section: section, usage: "[--wait]", about: "Stops the broker and its process, and waits for its end", needs: always,
			more: map[string]kind{"wait": flag},
			banner: func(c *call) string {
				return fmt.Sprintf("Shutting down RabbitMQ node %s running at PID %d", nameOf(c), os.Getpid())
			},
			run: func(_ context.Context, c *call) (result, error) {
				if err := c.node.Stop(); err != nil {
					return result{}, err
				}
				return message("Waiting for PID %d to terminate\nRabbitMQ node %s running at PID %d successfully shut down", os.Getpid(), nameOf(c), os.Getpid())
			},
			output: awaitExit,
		},
		{
			name: "wait", section: section, usage: "[<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]", max: 1, in: everywhere,
			about: "Waits until the process of a pid, or of a file with it, runs a broker that serves",
			more:  map[string]kind{"pid": integer},
			check: func(c *call) error {
				if len(c.args) == 0 && !c.has("pid") {
					return &usageError{`"No pid or pidfile specified"`, exitUsage, true}
				}
				return nil
			},
			local: waitForStart,
		},
		{
			name: "await_startup", section: section, about: "Waits until the broker serves", in: everywhere,
			local: func(ctx context.Context, c *call) (result, error) { return done(awaitStart(ctx, c, 5*time.Minute)) },
		},
		{
			name: "rotate_logs", section: section, about: "Does nothing [deprecated]", needs: always,
			run: func(context.Context, *call) (result, error) {
				return result{}, failed(exitUnavailable, "This command does not rotate logs anymore [deprecated]")
			},
		},
		{
			name: "force_gc", section: "Operations", about: "Collects garbage at once", needs: always,
			banner: func(c *call) string {
				return fmt.Sprintf("Will ask all processes on node %s to schedule a full sweep GC", nameOf(c))
			},
			run: func(context.Context, *call) (result, error) {
				runtime.GC()
				return result{}, nil
			},
		},
	}
}

// clusterCommands are honest about a single node.
func clusterCommands() []command {
	const section = "Cluster"
	alone := func(context.Context, *call) (result, error) {
		return result{}, failed(exitUnavailable, "this broker is a single node: it does not form clusters")
	}
	return []command{
		{
			name: "join_cluster", section: section, usage: "[--disc|--ram] <existing_cluster_member>", min: 1, max: 1, needs: stopped,
			about: "Makes the node a member of a cluster, which it cannot be", more: map[string]kind{"disc": flag, "ram": flag},
			banner: func(c *call) string { return fmt.Sprintf("Clustering node %s with %s", nameOf(c), c.args[0]) },
			run: func(ctx context.Context, c *call) (result, error) {
				if c.args[0] == nameOf(c) {
					return result{}, failed(exitSoftware, "Error: cannot cluster node with itself: %s", c.args[0])
				}
				return alone(ctx, c)
			},
		},
		{
			name: "forget_cluster_node", section: section, usage: "[--offline] <existing_cluster_member>", min: 1, max: 1,
			about: "Removes a node from the cluster", more: map[string]kind{"offline": flag},
			banner: func(c *call) string { return fmt.Sprintf("Removing node %s from the cluster", c.args[0]) },
			run: func(context.Context, *call) (result, error) {
				return result{}, failed(exitUnavailable, "{:not_a_cluster_node, 'The node selected is not in the cluster.'}")
			},
		},
		{
			name: "change_cluster_node_type", section: section, usage: "<disc | ram>", min: 1, max: 1, needs: stopped,
			about: "Changes the type of the cluster node",
			check: func(c *call) error {
				if c.args[0] != "disc" && c.args[0] != "ram" && c.args[0] != "disk" {
					return badArgument("The node type must be either disc or ram.")
				}
				return nil
			},
			banner: func(c *call) string { return fmt.Sprintf("Turning %s into a %s node", nameOf(c), c.args[0]) },
			run: func(context.Context, *call) (result, error) {
				return result{}, failed(exitUnavailable, "{:not_clustered, 'Non-clustered nodes can only be disc nodes.'}")
			},
		},
		{
			name: "update_cluster_nodes", section: section, usage: "<seed_node>", min: 1, max: 1, needs: stopped,
			about:  "Learns of the members of the cluster from one of them",
			banner: func(c *call) string { return fmt.Sprintf("Will seed %s from %s on next start", nameOf(c), c.args[0]) }, run: alone,
		},
		{
			name: "rename_cluster_node", section: section, usage: "<oldnode1> <newnode1> [oldnode2] [newnode2] ...", min: 2, max: -1, needs: stopped,
			about: "Renames cluster nodes in the local database", run: alone,
		},
		{
			name: "force_boot", section: section, about: "Starts though the other nodes are away: there are none", needs: stopped,
			run: func(context.Context, *call) (result, error) { return result{}, nil },
		},
		{
			name: "await_online_nodes", section: section, usage: "<count>", min: 1, max: 1, about: "Waits for <count> nodes to join the cluster",
			check: func(c *call) error {
				if n, err := strconv.Atoi(c.args[0]); err != nil || n < 1 {
					return badArgument("<count> must be a positive number")
				}
				return nil
			},
			banner: func(c *call) string {
				return fmt.Sprintf("Will wait for at least %s nodes to join the cluster of %s. Timeout: %.0f seconds.", c.args[0], nameOf(c), c.timeout(5*time.Minute).Seconds())
			},
			run: func(ctx context.Context, c *call) (result, error) {
				if c.args[0] == "1" {
					return result{}, nil
				}
				return alone(ctx, c)
			},
		},
	}
}

const pollInterval = 20 * time.Millisecond

// awaitStart waits until the broker in the call's directory serves.
func awaitStart(ctx context.Context, c *call, limit time.Duration) error {
	limit = c.timeout(limit)
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	ping := &call{program: c.program, opts: map[string]string{}, cmd: find(RabbitMQDiagnostics, "check_running")}
	for {
		resp, err := send(ctx, c.dir, ping, request{Program: RabbitMQDiagnostics, Args: []string{"check_running"}})
		if err == nil && resp.Code == exitOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return failed(exitUnavailable, "rabbit_is_not_running")
		case <-time.After(pollInterval):
		}
	}
}

// waitForStart is awaitStart that ends with the process that is to serve.
func waitForStart(ctx context.Context, c *call) (result, error) {
	pid := c.str("pid")
	if limit := c.timeout(10 * time.Second); pid == "" {
		var cancel context.CancelFunc
		wait, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for pid == "" {
			text, err := os.ReadFile(c.args[0])
			if pid = strings.TrimSpace(string(text)); err == nil && pid != "" {
				break
			}
			select {
			case <-wait.Done():
				return result{}, &failure{code: exitTempFail, raw: true, text: fmt.Sprintf(
					"Error: operation wait on node %s timed out. Timeout value used: %d", nodeName(c), limit.Milliseconds())}
			case <-time.After(pollInterval):
			}
		}
	}
	n, err := strconv.Atoi(pid)
	if err != nil {
		return result{}, failed(exitData, "%s holds no process id", c.arg(0))
	}
	if err := syscall.Kill(n, 0); errors.Is(err, syscall.ESRCH) {
		return result{}, failed(exitUnavailable, "process_not_running")
	}
	if err := awaitStart(ctx, c, 5*time.Minute); err != nil {
		return result{}, err
	}
	if c.quiet() {
		return result{}, nil
	}
	return message("Applications 'rabbit_and_plugins' are running on node '%s'", nodeName(c))
}

// awaitExit waits until the control socket of a process that ends is gone.
func awaitExit(c *call, _ []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		nc, err := Dial(ctx, c.dir)
		if err != nil {
			return nil //nolint:nilerr // that is what it waits for
		}
		if err := nc.Close(); err != nil {
			slog.Debug("the control socket could not be closed", "error", err)
		}
		select {
		case <-ctx.Done():
			return failed(exitTempFail, "the broker's process has not ended in a minute")
		case <-time.After(pollInterval):
		}
	}
}
