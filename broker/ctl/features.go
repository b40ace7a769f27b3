package ctl

import (
	"context"
	"fmt"
	"slices"
)

// featureFlags are those of the RabbitMQ this broker answers as: it does what
// they are about, always.
var featureFlags = []struct{ name, about string }{
	{"classic_mirrored_queue_version", "Support setting version for classic mirrored queues"},
	{"drop_unroutable_metric", "Count unroutable publishes to be dropped in stats"},
	{"empty_basic_get_metric", "Count AMQP `basic.get` on empty queues in stats"},
	{"implicit_default_bindings", "Default bindings are now implicit, instead of being stored in the database"},
	{"maintenance_mode_status", "Maintenance mode status"},
	{"quorum_queue", "Support queues of type `quorum`"},
	{"stream_queue", "Support queues of type `stream`"},
	{"user_limits", "Configure connection and channel limits for a user"},
	{"virtual_host_metadata", "Virtual host metadata (description, tags, etc)"},
}

func featureCommands() []command {
	const section = "Feature flags"
	return []command{
		{
			name: "list_feature_flags", section: section, usage: "[--no-table-headers] [<column> ...]", max: -1, in: everywhere,
			about: "Lists feature flags", columns: []string{"name", "state", "stability", "provided_by", "desc", "doc_url"}, check: knownColumns,
			banner: say("Listing feature flags ..."),
			run: func(_ context.Context, c *call) (result, error) {
				r := &rows{columns: columnsOf(c, "name state")}
				for _, f := range featureFlags {
					var row []any
					for _, col := range r.columns {
						row = append(row, map[string]any{
							"name": atom(f.name), "state": atom("enabled"), "stability": atom("stable"),
							"provided_by": atom("rabbit"), "desc": f.about, "doc_url": "",
						}[col])
					}
					r.add(row...)
				}
				return result{rows: r}, nil
			},
		},
		{
			name: "enable_feature_flag", section: section, usage: "<all | feature_flag>", min: 1, max: 1,
			about: "Enables a feature flag; all are enabled already", check: nonEmpty("feature_flag"),
			banner: func(c *call) string {
				if c.args[0] == "all" {
					return "Enabling all feature flags ..."
				}
				return fmt.Sprintf(`Enabling feature flag "%s" ...`, c.args[0])
			},
			run: func(_ context.Context, c *call) (result, error) {
				if c.args[0] != "all" && !slices.ContainsFunc(featureFlags, func(f struct{ name, about string }) bool { return f.name == c.args[0] }) {
					return result{}, failed(exitUsage, "This feature flag is not supported by node %s", nameOf(c))
				}
				return result{}, nil
			},
		},
	}
}
