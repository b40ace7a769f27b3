package metrics

import (
	"time"

	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/vhost"
)

// identity names the node.
var identity = family{"", true, []metric{
	{"build_info", gauge, "RabbitMQ & Erlang/OTP version info"},
	{"identity_info", gauge, "RabbitMQ node & cluster identity info"},
}, func(s *snapshot, add func(string, string, ...float64)) {
	add("", labels("rabbitmq_node", s.b.NodeName(), "rabbitmq_cluster", s.b.ClusterName(), "rabbitmq_cluster_permanent_id", s.b.ClusterID(),
		"rabbitmq_version", broker.Compatible, "product_name", "nubo", "product_version", broker.Version), 1, 1)
}}

// families are what /metrics/detailed can be asked for, and /metrics has.
var families = []family{
	{"alarms", true, []metric{
		{"alarms_file_descriptor_limit", gauge, "is 1 if file descriptor limit alarm is in effect"},
		{"alarms_free_disk_space_watermark", gauge, "is 1 if free disk space watermark alarm is in effect"},
		{"alarms_memory_used_watermark", gauge, "is 1 if VM memory watermark alarm is in effect"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		on := s.b.Alarms()
		add("", "", 0, truth(on&conn.DiskAlarm != 0), truth(on&conn.MemoryAlarm != 0))
	}},
	{"connection_churn_metrics", true, []metric{
		{"connections_opened_total", counter, "Total number of connections opened"},
		{"connections_closed_total", counter, "Total number of connections closed or terminated"},
		{"channels_opened_total", counter, "Total number of channels opened"},
		{"channels_closed_total", counter, "Total number of channels closed"},
		{"queues_declared_total", counter, "Total number of queues declared"},
		{"queues_created_total", counter, "Total number of queues created"},
		{"queues_deleted_total", counter, "Total number of queues deleted"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		add("", "", values(broker.ChurnMetrics(s.stats.Churn))...)
	}},
	{"node_coarse_metrics", true, []metric{
		{"process_open_fds", gauge, "Open file descriptors"},
		{"process_open_tcp_sockets", gauge, "Open TCP sockets"},
		{"process_resident_memory_bytes", gauge, "Memory used in bytes"},
		{"disk_space_available_bytes", gauge, "Disk space available in bytes"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		add("", "", float64(s.process.Files), float64(len(s.stats.Connections)), float64(s.process.RSS), float64(s.b.DiskFree()))
	}},
	{"node_metrics", true, []metric{
		{"process_max_fds", gauge, "Open file descriptors limit"},
		{"process_max_tcp_sockets", gauge, "Open TCP sockets limit"},
		{"resident_memory_limit_bytes", gauge, "Memory high watermark in bytes"},
		{"disk_space_available_limit_bytes", gauge, "Free disk space low watermark in bytes"},
		{"erlang_processes_used", gauge, "Goroutines, which stand for Erlang's processes"},
		{"erlang_gc_runs_total", counter, "Total number of garbage collections"},
		{"erlang_gc_reclaimed_bytes_total", counter, "Total number of bytes of memory reclaimed by garbage collections"},
		{"erlang_uptime_seconds", gauge, "Node uptime"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		p := &s.process
		add("", "", float64(p.MaxFiles), float64(p.MaxFiles), float64(s.b.MemoryWatermark()), float64(s.b.DiskFreeLimit()),
			float64(p.Goroutines), float64(p.GCs), float64(p.Freed), time.Since(s.b.Started()).Seconds())
	}},
	{"auth_attempt_metrics", true, []metric{
		{"auth_attempts_total", counter, "Total number of authorization attempts"},
		{"auth_attempts_succeeded_total", counter, "Total number of successful authentication attempts"},
		{"auth_attempts_failed_total", counter, "Total number of failed authentication attempts"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		for _, a := range s.b.LoginAttempts() {
			add("", labels("protocol", a.Protocol), float64(a.Failed+a.Succeeded), float64(a.Succeeded), float64(a.Failed))
		}
	}},
	{"queue_coarse_metrics", false, []metric{
		{"queue_messages_ready", gauge, "Messages ready to be delivered to consumers"},
		{"queue_messages_unacked", gauge, "Messages delivered to consumers but not yet acknowledged"},
		{"queue_messages", gauge, "Sum of ready and unacknowledged messages - total queue depth"},
		{"queue_process_reductions_total", counter, "Total number of queue process reductions"},
	}, ofQueues(func(q *vhost.QueueStats) []float64 {
		return []float64{float64(q.Ready), float64(q.Unacked), float64(q.Ready + q.Unacked), 0}
	})},
	{"queue_consumer_count", false, []metric{
		{"queue_consumers", gauge, "Consumers on a queue"},
	}, ofQueues(func(q *vhost.QueueStats) []float64 { return []float64{float64(q.Consumers)} })},
	{"queue_metrics", false, []metric{
		{"queue_consumer_capacity", gauge, "Consumer capacity"},
		{"queue_consumer_utilisation", gauge, "Same as consumer capacity"},
		{"queue_process_memory_bytes", gauge, "Memory in bytes used by the Erlang queue process"},
		{"queue_messages_ram", gauge, "Ready and unacknowledged messages stored in memory"},
		{"queue_messages_ram_bytes", gauge, "Size of ready and unacknowledged messages stored in memory"},
		{"queue_messages_ready_ram", gauge, "Ready messages stored in memory"},
		{"queue_messages_unacked_ram", gauge, "Unacknowledged messages stored in memory"},
		{"queue_messages_persistent", gauge, "Persistent messages"},
		{"queue_messages_persistent_bytes", gauge, "Size in bytes of persistent messages"},
		{"queue_messages_bytes", gauge, "Size in bytes of ready and unacknowledged messages"},
		{"queue_messages_ready_bytes", gauge, "Size in bytes of ready messages"},
		{"queue_messages_unacked_bytes", gauge, "Size in bytes of all unacknowledged messages"},
		{"queue_messages_paged_out", gauge, "Messages paged out to disk"},
		{"queue_messages_paged_out_bytes", gauge, "Size in bytes of messages paged out to disk"},
		{"queue_head_message_timestamp", gauge, "Timestamp of the first message in the queue, if any"},
	}, ofQueues(func(q *vhost.QueueStats) []float64 {
		var head float64
		if !q.HeadTimestamp.IsZero() {
			head = float64(q.HeadTimestamp.Unix())
		}
		ram := q.ReadyRAMBytes + q.UnackedBytes
		return []float64{
			q.Capacity, q.Capacity, float64(ram), float64(q.ReadyRAM + q.Unacked), float64(ram), float64(q.ReadyRAM), float64(q.Unacked),
			float64(q.Persistent), float64(q.PersistentBytes), float64(q.ReadyBytes + q.UnackedBytes), float64(q.ReadyBytes), float64(q.UnackedBytes),
			float64(q.Ready - q.ReadyRAM), float64(q.ReadyBytes - q.ReadyRAMBytes), head,
		}
	})},
	{"queue_delivery_metrics", false, []metric{
		{"queue_messages_published_total", counter, "Total number of messages published to queues"},
		{"queue_get_ack_total", counter, "Total number of messages fetched from a queue with basic.get in manual acknowledgement mode"},
		{"queue_get_total", counter, "Total number of messages fetched from a queue with basic.get in automatic acknowledgement mode"},
		{"queue_messages_delivered_ack_total", counter, "Total number of messages delivered from a queue to consumers in manual acknowledgement mode"},
		{"queue_messages_delivered_total", counter, "Total number of messages delivered from a queue to consumers in automatic acknowledgement mode"},
		{"queue_messages_redelivered_total", counter, "Total number of messages redelivered from a queue to consumers"},
		{"queue_messages_acked_total", counter, "Total number of messages acknowledged by consumers on a queue"},
		{"queue_get_empty_total", counter, "Total number of times basic.get operations fetched no message on a queue"},
	}, ofQueues(func(q *vhost.QueueStats) []float64 {
		c := q.Counters
		return floats(c.Publish, c.Get, c.GetNoAck, c.Deliver, c.DeliverNoAck, c.Redeliver, c.Ack, c.GetEmpty)
	})},
	{"channel_metrics", false, []metric{
		{"channel_consumers", gauge, "Consumers on a channel"},
		{"channel_messages_unacked", gauge, "Delivered but not yet acknowledged messages"},
		{"channel_messages_unconfirmed", gauge, "Published but not yet confirmed messages"},
		{"channel_messages_uncommitted", gauge, "Messages received in a transaction but not yet committed"},
		{"channel_acks_uncommitted", gauge, "Message acknowledgements in a transaction not yet committed"},
		{"consumer_prefetch", gauge, "Limit of unacknowledged messages for each consumer"},
		{"channel_prefetch", gauge, "Total limit of unacknowledged messages for all consumers on a channel"},
	}, ofChannels(func(c *conn.ChannelStats) []float64 {
		return []float64{
			float64(len(c.Consumers)), float64(c.Unacked), float64(c.Unconfirmed), float64(c.Uncommitted), float64(c.AcksUncommitted),
			float64(c.Prefetch), float64(c.GlobalPrefetch),
		}
	})},
	{"channel_exchange_metrics", false, []metric{
		{"channel_messages_published_total", counter, "Total number of messages published into an exchange on a channel"},
		{"channel_messages_confirmed_total", counter, "Total number of messages published into an exchange and confirmed on the channel"},
		{"channel_messages_unroutable_returned_total", counter, "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable"},
		{"channel_messages_unroutable_dropped_total", counter, "Total number of messages published as non-mandatory into an exchange and dropped as unroutable"},
	}, ofChannels(func(c *conn.ChannelStats) []float64 { return values(broker.PublishMetrics(c.Counters)) })},
	{"channel_process_metrics", false, []metric{
		{"channel_process_reductions_total", counter, "Total number of channel process reductions"},
	}, ofChannels(func(*conn.ChannelStats) []float64 { return []float64{0} })},
	{"channel_queue_metrics", false, []metric{
		{"channel_get_ack_total", counter, "Total number of messages fetched with basic.get in manual acknowledgement mode"},
		{"channel_get_total", counter, "Total number of messages fetched with basic.get in automatic acknowledgement mode"},
		{"channel_messages_delivered_ack_total", counter, "Total number of messages delivered to consumers in manual acknowledgement mode"},
		{"channel_messages_delivered_total", counter, "Total number of messages delivered to consumers in automatic acknowledgement mode"},
		{"channel_messages_redelivered_total", counter, "Total number of messages redelivered to consumers"},
		{"channel_messages_acked_total", counter, "Total number of messages acknowledged by consumers"},
		{"channel_get_empty_total", counter, "Total number of times basic.get operations fetched no message"},
	}, ofChannels(func(c *conn.ChannelStats) []float64 {
		n := c.Counters
		return floats(n.Get, n.GetNoAck, n.Deliver, n.DeliverNoAck, n.Redeliver, n.Ack, n.GetEmpty)
	})},
	{"connection_coarse_metrics", false, []metric{
		{"connection_incoming_bytes_total", counter, "Total number of bytes received on a connection"},
		{"connection_outgoing_bytes_total", counter, "Total number of bytes sent on a connection"},
		{"connection_process_reductions_total", counter, "Total number of connection process reductions"},
	}, ofConnections(func(c *conn.Stats) []float64 { return floats(c.Received, c.Sent, 0) })},
	{"connection_metrics", false, []metric{
		{"connection_incoming_packets_total", counter, "Total number of packets received on a connection"},
		{"connection_outgoing_packets_total", counter, "Total number of packets sent on a connection"},
		{"connection_pending_packets", gauge, "Number of packets waiting to be sent on a connection"},
		{"connection_channels", gauge, "Channels on a connection"},
	}, ofConnections(func(c *conn.Stats) []float64 {
		return []float64{float64(c.Reads), float64(c.Writes), float64(c.Pending), float64(len(c.Channels))}
	})},
	{"exchange_metrics", false, []metric{
		{"exchange_messages_published_in_total", counter, "Total number of messages published into an exchange"},
		{"exchange_messages_published_out_total", counter, "Total number of messages published from an exchange into queues"},
	}, ofExchanges(func(_ string, x *vhost.ExchangeStats) []float64 { return floats(x.In, x.Out) })},
	{"totals", true, []metric{
		{"connections", gauge, "Connections currently open"},
		{"channels", gauge, "Channels currently open"},
		{"consumers", gauge, "Consumers currently connected"},
		{"queues", gauge, "Queues available"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		channels, consumers, queues := s.count()
		add("", "", float64(len(s.stats.Connections)), channels, consumers, queues)
	}},
	{"global_counters", true, []metric{
		{"global_messages_received_total", counter, "Total number of messages received from publishers"},
		{"global_messages_confirmed_total", counter, "Total number of messages confirmed to publishers"},
		{"global_messages_unroutable_returned_total", counter, "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable"},
		{"global_messages_unroutable_dropped_total", counter, "Total number of messages published as non-mandatory into an exchange and dropped as unroutable"},
		{"global_messages_redelivered_total", counter, "Total number of messages redelivered to consumers"},
		{"global_messages_acknowledged_total", counter, "Total number of messages acknowledged by consumers"},
		{"global_messages_get_empty_total", counter, "Total number of times basic.get operations fetched no message"},
		{"global_messages_delivered_get_manual_ack_total", counter, "Total number of messages delivered to consumers using basic.get with manual acknowledgment"},
		{"global_messages_delivered_get_auto_ack_total", counter, "Total number of messages delivered to consumers using basic.get with automatic acknowledgment"},
		{"global_messages_delivered_consume_manual_ack_total", counter, "Total number of messages delivered to consumers using basic.consume with manual acknowledgment"},
		{"global_messages_delivered_consume_auto_ack_total", counter, "Total number of messages delivered to consumers using basic.consume with automatic acknowledgment"},
		{"global_messages_delivered_total", counter, "Total number of messages delivered to consumers"},
		{"global_consumers", gauge, "Current number of consumers"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		t := s.stats.Total()
		_, consumers, _ := s.count()
		list := floats(t.Publish, t.Confirm, t.ReturnUnroutable, t.DropUnroutable, t.Redeliver, t.Ack, t.GetEmpty,
			t.Get, t.GetNoAck, t.Deliver, t.DeliverNoAck, t.Get+t.GetNoAck+t.Deliver+t.DeliverNoAck)
		add("", labels("protocol", "amqp091"), append(list, consumers)...)
	}},
}

// clusterFamilies are what only /metrics/detailed has.
var clusterFamilies = []family{
	{"vhost_status", true, []metric{
		{"vhost_status", gauge, "Whether a given vhost is running"},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		for i := range s.stats.VHosts {
			name := s.stats.VHosts[i].Name
			add(name, labels("vhost", name), 1)
		}
	}},
	{"exchange_bindings", true, []metric{
		{"exchange_bindings", gauge, "Number of bindings for an exchange. This value is cluster-wide."},
	}, func(s *snapshot, add func(string, string, ...float64)) {
		counts := make(map[string]map[string]float64) // by virtual host and exchange
		for i := range s.stats.VHosts {
			counts[s.stats.VHosts[i].Name] = s.bindings(s.stats.VHosts[i].Name)
		}
		ofExchanges(func(v string, x *vhost.ExchangeStats) []float64 { return []float64{counts[v][x.Name]} })(s, add)
	}},
	{"exchange_names", true, []metric{
		{"exchange_name", gauge, "Enumerates exchanges without any additional info. This value is cluster-wide."},
	}, ofExchanges(func(string, *vhost.ExchangeStats) []float64 { return []float64{1} })},
}

// memory is what the process's memory is used for.
var memory = family{"memory_breakdown", true, []metric{
	{"memory_messages_bytes", gauge, "Memory used by messages"},
	{"memory_other_heap_bytes", gauge, "Memory used by all else on the heap"},
	{"memory_allocated_unused_bytes", gauge, "Memory that was freed and not given back"},
	{"memory_resident_bytes", gauge, "Memory of the process"},
}, func(s *snapshot, add func(string, string, ...float64)) {
	p := &s.process
	messages := min(s.stats.MemoryUsed, p.Heap)
	add("", "", float64(messages), float64(p.Heap-messages), float64(p.Idle), float64(p.RSS))
}}

// count counts channels, consumers and queues.
func (s *snapshot) count() (channels, consumers, queues float64) {
	for i := range s.stats.Connections {
		channels += float64(len(s.stats.Connections[i].Channels))
	}
	for i := range s.stats.VHosts {
		list := s.stats.VHosts[i].Queues
		queues += float64(len(list))
		for j := range list {
			consumers += float64(list[j].Consumers)
		}
	}
	return channels, consumers, queues
}

// bindings counts the bindings of a virtual host's exchanges.
func (s *snapshot) bindings(name string) map[string]float64 {
	counts := make(map[string]float64)
	v, err := s.b.VHost(name)
	if err != nil {
		return counts // it is gone
	}
	for _, b := range v.Bindings() {
		counts[b.Source]++
	}
	return counts
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func floats(list ...uint64) []float64 {
	out := make([]float64, len(list))
	for i, n := range list {
		out[i] = float64(n)
	}
	return out
}

func values(list []broker.Metric) []float64 {
	out := make([]float64, len(list))
	for i, m := range list {
		out[i] = float64(m.Value)
	}
	return out
}

type collector = func(s *snapshot, add func(vhost, labels string, values ...float64))

func ofQueues(f func(*vhost.QueueStats) []float64) collector {
	return func(s *snapshot, add func(string, string, ...float64)) {
		for i := range s.stats.VHosts {
			v := &s.stats.VHosts[i]
			for j := range v.Queues {
				q := &v.Queues[j]
				add(v.Name, labels("vhost", v.Name, "queue", q.Name), f(q)...)
			}
		}
	}
}

func ofExchanges(f func(vhost string, x *vhost.ExchangeStats) []float64) collector {
	return func(s *snapshot, add func(string, string, ...float64)) {
		for i := range s.stats.VHosts {
			v := &s.stats.VHosts[i]
			for j := range v.Exchanges {
				x := &v.Exchanges[j]
				add(v.Name, labels("vhost", v.Name, "exchange", x.Name, "type", x.Kind), f(v.Name, x)...)
			}
		}
	}
}

func ofConnections(f func(*conn.Stats) []float64) collector {
	return func(s *snapshot, add func(string, string, ...float64)) {
		for i := range s.stats.Connections {
			c := &s.stats.Connections[i]
			add(c.VHost, labels("connection", c.Name, "vhost", c.VHost), f(c)...)
		}
	}
}

func ofChannels(f func(*conn.ChannelStats) []float64) collector {
	return func(s *snapshot, add func(string, string, ...float64)) {
		for i := range s.stats.Connections {
			c := &s.stats.Connections[i]
			for j := range c.Channels {
				ch := &c.Channels[j]
				add(c.VHost, labels("channel", broker.ChannelName(c.Name, ch.Number), "vhost", c.VHost), f(ch)...)
			}
		}
	}
}
