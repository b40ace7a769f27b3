package ctl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nubo/broker"
)

func vhostCommands() []command {
	const section = "Virtual hosts"
	return []command{
		{
			name: "add_vhost", section: section, min: 1, max: 1,
			usage:  `<vhost> [--description <description> --tags "<tag1>,<tag2>,<...>" --default-queue-type <quorum|classic|stream>]`,
			about:  "Creates a virtual host",
			more:   map[string]kind{"description": text, "tags": text, "default-queue-type": text},
			check:  queueTypeOption,
			banner: func(c *call) string { return fmt.Sprintf(`Adding vhost "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				err := c.broker().AddVHost(broker.VHostInfo{
					Name: c.args[0], Description: c.str("description"), Tags: splitTags([]string{c.str("tags")}), DefaultQueueType: c.str("default-queue-type"),
				})
				if errors.Is(err, broker.ErrVHostExists) { // as it was asked for
					err = nil
				}
				return done(err)
			},
		},
		{
			name: "delete_vhost", section: section, usage: "<vhost>", min: 1, max: 1,
			about:  "Deletes a virtual host with all that is in it",
			banner: func(c *call) string { return fmt.Sprintf(`Deleting vhost "%s" ...`, c.args[0]) },
			run: func(_ context.Context, c *call) (result, error) {
				err := c.broker().DeleteVHost(c.args[0])
				if errors.Is(err, broker.ErrUnknownVHost) {
					err = noVHost(c.args[0])
				}
				return done(err)
			},
		},
		{
			name: "set_vhost_tags", section: section, usage: "<vhost> <tag> [...]", min: 1, max: -1,
			about: "Sets virtual host tags",
			banner: func(c *call) string {
				return fmt.Sprintf(`Setting tags for virtual host "%s" to [%s] ...`, c.args[0], strings.Join(c.args[1:], ", "))
			},
			run: func(_ context.Context, c *call) (result, error) {
				return done(c.updateVHost(c.args[0], func(v *broker.VHostInfo) { v.Tags = splitTags(c.args[1:]) }))
			},
		},
		{
			name: "list_vhosts", section: "Access Control", usage: "[--no-table-headers] [<column> ...] [--timeout <timeout>]", max: -1, in: everywhere,
			about:   "Lists virtual hosts",
			columns: []string{"name", "description", "tags", "default_queue_type", "tracing", "cluster_state"}, check: knownColumns,
			banner: say("Listing vhosts ..."), run: listVHosts,
		},
		{
			name: "restart_vhost", section: section, usage: "[--vhost <vhost>]",
			about: "Restarts what has failed of a virtual host",
			banner: func(c *call) string {
				return fmt.Sprintf("Trying to restart vhost '%s' on node '%s' ...", c.vhost(), nameOf(c))
			},
			run: func(_ context.Context, c *call) (result, error) {
				if c.inVHost() != nil {
					return result{}, noVHost(c.vhost())
				}
				return message("Vhost '%s' is already running on node '%s'", c.vhost(), nameOf(c))
			},
		},
		{
			name: "trace_on", section: section, usage: "[--vhost <vhost>]", about: "Copies what clients publish and are handed to the exchange amq.rabbitmq.trace",
			banner: func(c *call) string { return fmt.Sprintf(`Starting tracing for vhost "%s" ...`, c.vhost()) },
			run:    func(_ context.Context, c *call) (result, error) { return trace(c, true, "enabled") },
		},
		{
			name: "trace_off", section: section, usage: "[--vhost <vhost>]", about: "Stops tracing",
			banner: func(c *call) string { return fmt.Sprintf(`Stopping tracing for vhost "%s" ...`, c.vhost()) },
			run:    func(_ context.Context, c *call) (result, error) { return trace(c, false, "disabled") },
		},
	}
}

// trace switches tracing.
func trace(c *call, on bool, state string) (result, error) {
	if err := c.updateVHost(c.vhost(), func(v *broker.VHostInfo) { v.Tracing = on }); err != nil {
		return result{}, err
	}
	return message("Trace %s for vhost %s", state, c.vhost())
}

func queueTypeOption(c *call) error {
	switch c.or("default-queue-type", "classic") {
	case "classic", "quorum", "stream":
		return nil
	}
	return badArgument("%s is not a supported queue type", c.str("default-queue-type"))
}

// updateVHost changes what a virtual host is described with.
func (c *call) updateVHost(name string, f func(*broker.VHostInfo)) error {
	for _, v := range c.broker().VHosts() {
		if v.Name == name {
			f(&v)
			return c.broker().UpdateVHost(v)
		}
	}
	return noVHost(name)
}

func listVHosts(_ context.Context, c *call) (result, error) {
	r := &rows{columns: columnsOf(c, "name")}
	for _, v := range c.broker().VHosts() {
		var row []any
		for _, col := range r.columns {
			switch col {
			case "name":
				row = append(row, v.Name)
			case "description":
				row = append(row, v.Description)
			case "tags":
				row = append(row, atoms(v.Tags))
			case "default_queue_type":
				if v.DefaultQueueType == "" {
					v.DefaultQueueType = "undefined"
				}
				row = append(row, v.DefaultQueueType)
			case "tracing":
				row = append(row, v.Tracing)
			case "cluster_state":
				row = append(row, "[{"+nameOf(c)+", running}]")
			}
		}
		r.add(row...)
	}
	return result{rows: r}, nil
}
