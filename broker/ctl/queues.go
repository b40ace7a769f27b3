package ctl

import (
	"context"
	"fmt"

	"nubo/amqp"
	"nubo/broker/queue"
	"nubo/broker/vhost"
)

// stream is the type of queues that are streams.
const stream queue.Type = "stream"

func queueCommands() []command {
	return []command{
		{
			name: "purge_queue", section: "Queues", usage: "[--vhost <vhost>] <queue>", min: 1, max: 1,
			about:  "Purges a queue (removes all messages in it)",
			banner: func(c *call) string { return fmt.Sprintf("Purging queue '%s' in vhost '%s' ...", c.args[0], c.vhost()) },
			run:    purgeQueue,
		},
		{
			name: "delete_queue", section: "Queues", usage: "[--vhost <vhost>] <queue_name> [--if-empty|-e] [--if-unused|-u]", min: 1, max: 1,
			about: "Deletes a queue", more: map[string]kind{"if-empty": flag, "if-unused": flag, "e": flag, "u": flag},
			banner: func(c *call) string {
				when := map[[2]bool]string{{true, false}: "if queue is empty ", {false, true}: "if queue is unused ", {true, true}: "if queue is empty and if queue is unused "}
				return fmt.Sprintf("Deleting queue '%s' on vhost '%s' %s...", c.args[0], c.vhost(), when[[2]bool{ifEmpty(c), ifUnused(c)}])
			},
			run: deleteQueue,
		},
		mirrorCommand("sync_queue", "Synchronising"), mirrorCommand("cancel_sync_queue", "Stopping synchronising"),
		{
			name: "quorum_status", section: "Monitoring, observability and health checks", usage: "[--vhost <vhost>] <queue>", min: 1, max: 1, in: checks,
			about: "Displays quorum status of a quorum queue",
			banner: func(c *call) string {
				return fmt.Sprintf("Status of quorum queue %s on node %s ...", c.args[0], nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) {
				q, err := queueOf(c, queue.Quorum, "quorum status")
				if err != nil {
					return result{}, err
				}
				// What a group of one has: it leads, and everything that is in
				// the log is committed.
				r := &rows{columns: []string{"Node Name", "Raft State", "Log Index", "Commit Index", "Snapshot Index", "Term", "Machine Version"}}
				at := q.Counters.Publish + q.Counters.Ack
				r.add(nameOf(c), atom("leader"), at, at, atom("undefined"), 1, 1)
				if !c.has("formatter") {
					c.opts["formatter"] = "pretty_table"
				}
				return result{rows: r}, nil
			},
		},
		{
			name: "stream_status", section: "Monitoring, observability and health checks", usage: "[--vhost <vhost>] <stream>", min: 1, max: 1, in: checks,
			about:  "Displays the status of a stream",
			banner: func(c *call) string { return fmt.Sprintf("Status of stream %s on node %s ...", c.args[0], nameOf(c)) },
			run: func(_ context.Context, c *call) (result, error) {
				q, err := queueOf(c, stream, "stream status")
				if err != nil {
					return result{}, err
				}
				r := &rows{columns: []string{"role", "node", "messages", "readers"}}
				r.add(atom("writer"), nameOf(c), q.Ready, q.Consumers)
				if !c.has("formatter") {
					c.opts["formatter"] = "pretty_table"
				}
				return result{rows: r}, nil
			},
		},
		{
			name: "rebalance", section: "Cluster", usage: "<all | classic | quorum | stream>", min: 1, max: 1, in: queues,
			more:   map[string]kind{"vhost-pattern": text, "queue-pattern": text},
			about:  "Re-balances leaders of replicated queues across the nodes, of which there is one",
			banner: func(c *call) string { return fmt.Sprintf("Re-balancing leaders of %s queues...", c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				n := 0
				for _, v := range c.broker().Stats().VHosts {
					for i := range v.Queues {
						if v.Queues[i].Type == queue.Quorum {
							n++
						}
					}
				}
				r := &rows{columns: []string{"Node name", "Number of quorum queues", "Number of replicated classic queues"}}
				r.add(nameOf(c), n, 0)
				if !c.has("formatter") {
					c.opts["formatter"] = "pretty_table"
				}
				return result{rows: r}, nil
			},
		},
	}
}

// mirrorCommand is a command about classic mirrored queues, which are not.
func mirrorCommand(name, doing string) command {
	return command{
		name: name, section: "Replication", usage: "[--vhost <vhost>] <queue>", min: 1, max: 1,
		about: "For classic mirrored queues, which do not exist: no queue is mirrored",
		banner: func(c *call) string {
			return fmt.Sprintf("%s queue '%s' in vhost '%s' ...", doing, c.args[0], c.vhost())
		},
		run: func(_ context.Context, c *call) (result, error) {
			if _, err := findQueue(c); err != nil {
				return result{}, err
			}
			return result{}, failed(exitUnavailable, "not_mirrored")
		},
	}
}

func ifEmpty(c *call) bool  { return c.has("if-empty") || c.has("e") }
func ifUnused(c *call) bool { return c.has("if-unused") || c.has("u") }

// findQueue is the queue the command is about.
func findQueue(c *call) (vhost.QueueStats, error) {
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return vhost.QueueStats{}, failed(exitUnavailable, "not_found")
	}
	q, _, ok := v.QueueStats(c.args[0])
	if !ok {
		return q, failed(exitUnavailable, "not_found")
	}
	return q, nil
}

// queueOf is the queue the command is about, which must be of a type.
func queueOf(c *call, t queue.Type, what string) (vhost.QueueStats, error) {
	q, err := findQueue(c)
	if err == nil && q.Type != t {
		err = failed(exitUnavailable, "Cannot get %s of a %s queue", what, q.Type)
	}
	return q, err
}

func purgeQueue(_ context.Context, c *call) (result, error) {
	stats, err := findQueue(c)
	if err != nil {
		return result{}, err
	}
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, failed(exitUnavailable, "not_found")
	}
	if stats.Type == stream {
		return result{}, failed(exitUnavailable, "a stream cannot be purged")
	}
	// An operator may do what the owner of an exclusive queue may.
	q, missing := v.Queue(c.args[0], stats.Owner)
	if missing != nil {
		return result{}, failed(exitUnavailable, "not_found")
	}
	q.Purge()
	return result{}, nil
}

func deleteQueue(_ context.Context, c *call) (result, error) {
	stats, err := findQueue(c)
	if err != nil {
		return result{}, failed(exitUsage, "Queue not found")
	}
	v, err := c.broker().VHost(c.vhost())
	if err != nil {
		return result{}, failed(exitUsage, "Queue not found")
	}
	n, refused := v.DeleteQueue(c.args[0], queue.Condition{IfEmpty: ifEmpty(c), IfUnused: ifUnused(c)}, stats.Owner)
	switch {
	case refused == nil:
		return message("Queue was successfully deleted with %d ready messages", n)
	case refused.Code != amqp.PreconditionFailed:
		return result{}, refused
	case ifEmpty(c) && stats.Ready > 0:
		return result{}, failed(exitUsage, "Queue is not empty")
	}
	return result{}, failed(exitUsage, "Queue is in use")
}
