package management

// featureFlags are RabbitMQ's, all of which are enabled.
var featureFlags = []struct{ name, description, url, by string }{
	{"classic_mirrored_queue_version", "Support setting version for classic mirrored queues", "", "rabbit"},
	{"classic_queue_type_delivery_support", "Bug fix for classic queue deliveries using mixed versions", "", "rabbit"},
	{"direct_exchange_routing_v2", "v2 direct exchange routing implementation", "", "rabbit"},
	{"drop_unroutable_metric", "Count unroutable publishes to be dropped in stats", "", "rabbitmq_management_agent"},
	{"empty_basic_get_metric", "Count AMQP `basic.get` on empty queues in stats", "", "rabbitmq_management_agent"},
	{"feature_flags_v2", "Feature flags subsystem V2", "", "rabbit"},
	{"implicit_default_bindings", "Default bindings are now implicit, instead of being stored in the database", "", "rabbit"},
	{"listener_records_in_ets", "Store listener records in ETS instead of Mnesia", "", "rabbit"},
	{"maintenance_mode_status", "Maintenance mode status", "", "rabbit"},
	{"quorum_queue", "Support queues of type `quorum`", "https://www.rabbitmq.com/quorum-queues.html", "rabbit"},
	{"stream_queue", "Support queues of type `stream`", "https://www.rabbitmq.com/stream.html", "rabbit"},
	{"stream_single_active_consumer", "Single active consumer for streams", "https://www.rabbitmq.com/stream.html", "rabbit"},
	{"tracking_records_in_ets", "Store tracking records in ETS instead of Mnesia", "", "rabbit"},
	{"user_limits", "Configure connection and channel limits for a user", "", "rabbit"},
	{"virtual_host_metadata", "Virtual host metadata (description, tags, etc)", "", "rabbit"},
}

func listFeatureFlags(c *call) error {
	var list []object
	for _, f := range featureFlags {
		list = append(list, object{
			"name": f.name, "desc": f.description, "doc_url": f.url, "state": "enabled", "stability": "stable", "provided_by": f.by,
		})
	}
	return c.list(list)
}

// enableFeatureFlag has nothing to do: all are enabled.
func enableFeatureFlag(c *call) error {
	for _, f := range featureFlags {
		if f.name == c.args["name"] {
			return c.done(false)
		}
	}
	return badRequest("unsupported")
}

// deprecatedFeatures are those newer releases of RabbitMQ deny; here they work.
var deprecatedFeatures = []struct{ name, description string }{
	{"amqp_address_v1", "AMQP 1.0 address format v1"},
	{"classic_queue_mirroring", "Classic mirrored queues"},
	{"global_qos", "basic.qos with global set"},
	{"management_metrics_collection", "Statistics in the management API"},
	{"queue_master_locator", "The argument x-queue-master-locator"},
	{"ram_node_type", "Nodes that keep everything in memory"},
	{"transient_nonexcl_queues", "Queues that are neither durable nor exclusive"},
}

func listDeprecatedFeatures(c *call) error {
	var list []object
	for _, f := range deprecatedFeatures {
		list = append(list, object{
			"name": f.name, "desc": f.description, "deprecation_phase": "permitted_by_default", "state": "permitted",
			"doc_url": "", "provided_by": "rabbit",
		})
	}
	return c.list(list)
}

// usedDeprecatedFeatures tells which of them are in use.
func usedDeprecatedFeatures(c *call) error {
	var list []object
	for _, f := range deprecatedFeatures {
		if f.name == "transient_nonexcl_queues" && !c.hasTransientQueues() {
			continue
		}
		if f.name == "transient_nonexcl_queues" || f.name == "management_metrics_collection" {
			list = append(list, object{
				"name": f.name, "desc": f.description, "deprecation_phase": "permitted_by_default",
				"doc_url": "", "provided_by": "rabbit",
			})
		}
	}
	return c.list(list)
}

func (c *call) hasTransientQueues() bool {
	for _, i := range c.b.VHosts() {
		v, err := c.b.VHost(i.Name)
		if err != nil {
			continue
		}
		for _, q := range v.Queues() {
			if !q.Durable && !q.Exclusive {
				return true
			}
		}
	}
	return false
}
