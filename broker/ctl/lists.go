package ctl

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"nubo/broker/conn"
	"nubo/broker/queue"
	"nubo/broker/vhost"
)

// getter is how a column's value is got from what a row is about.
type getter[T any] func(c *call, t *T) any

// list is a table of things: its columns, and those shown if none are asked for.
type list[T any] struct {
	columns map[string]getter[T]
	usual   string
}

func (l *list[T]) names() []string {
	names := make([]string, 0, len(l.columns))
	for name := range l.columns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// rows makes the table.
func (l *list[T]) rows(c *call, things []T) (result, error) {
	r := &rows{columns: columnsOf(c, l.usual), stream: true}
	for i := range things {
		row := make([]any, len(r.columns))
		for j, col := range r.columns {
			row[j] = l.columns[col](c, &things[i])
		}
		r.add(row...)
	}
	return result{rows: r}, nil
}

func listCommands() []command {
	const section = "Monitoring, observability and health checks"
	inVHost := "[--vhost <vhost>] [--no-table-headers] [<column> ...] [--timeout <timeout>]"
	node := "[--no-table-headers] [<column> ...] [--timeout <timeout>]"
	return []command{
		{
			name: "list_queues", section: section, max: -1, in: everywhere,
			usage: "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...] [--timeout <timeout>]",
			about: "Lists queues and their properties", more: map[string]kind{"online": flag, "offline": flag, "local": flag},
			columns: queueList.names(), check: knownColumns,
			banner: func(c *call) string {
				return fmt.Sprintf("Timeout: %s seconds ...\nListing queues for vhost %s ...", formatFloat(c.timeout(defaultTimeout).Seconds()), c.vhost())
			},
			run: listQueues,
		},
		{
			name: "list_unresponsive_queues", section: section, max: -1, in: everywhere, usage: "[--vhost <vhost>] [--local] [<column> ...]",
			about: "Lists queues that do not answer in time", more: map[string]kind{"local": flag, "queue-timeout": number},
			columns: queueList.names(), check: knownColumns,
			banner: func(c *call) string {
				return fmt.Sprintf("Listing unresponsive queues for vhost %s ...", c.vhost())
			},
			run: func(_ context.Context, c *call) (result, error) {
				var stuck []vhost.QueueStats
				if v, err := c.broker().VHost(c.vhost()); err == nil {
					stuck = slices.DeleteFunc(v.Queues(), func(q vhost.QueueStats) bool { return !q.Failed })
				}
				return (&list[vhost.QueueStats]{queueList.columns, "name"}).rows(c, stuck)
			},
		},
		{
			name: "list_exchanges", section: section, usage: inVHost, max: -1, in: everywhere,
			about: "Lists exchanges", columns: exchangeList.names(), check: knownColumns,
			banner: func(c *call) string { return fmt.Sprintf("Listing exchanges for vhost %s ...", c.vhost()) },
			run: func(_ context.Context, c *call) (result, error) {
				var all []vhost.ExchangeStats
				if v, err := c.broker().VHost(c.vhost()); err == nil {
					all = v.Exchanges()
				}
				return exchangeList.rows(c, all)
			},
		},
		{
			name: "list_bindings", section: section, usage: inVHost, max: -1, in: everywhere,
			about: "Lists all bindings on a vhost", columns: bindingList.names(), check: knownColumns,
			banner: func(c *call) string { return fmt.Sprintf("Listing bindings for vhost %s...", c.vhost()) },
			run: func(_ context.Context, c *call) (result, error) {
				var all []vhost.BindingStats
				if v, err := c.broker().VHost(c.vhost()); err == nil {
					all = v.Bindings()
				}
				return bindingList.rows(c, all)
			},
		},
		{
			name: "list_connections", section: section, usage: node, max: -1, in: everywhere,
			about: "Lists AMQP 0.9.1 connections for the node", columns: connectionList.names(), check: knownColumns,
			banner: say("Listing connections ..."),
			run:    func(_ context.Context, c *call) (result, error) { return connectionList.rows(c, connections(c)) },
		},
		{
			name: "list_channels", section: section, usage: "[--no-table-headers] [<column> ...]", max: -1, in: everywhere,
			about: "Lists all channels in the node", columns: channelList.names(), check: knownColumns,
			banner: say("Listing channels ..."),
			run: func(_ context.Context, c *call) (result, error) {
				var all []channel
				for _, k := range connections(c) {
					for _, ch := range k.Channels {
						all = append(all, channel{&k, ch})
					}
				}
				return channelList.rows(c, all)
			},
		},
		{
			name: "list_consumers", section: section, usage: inVHost, max: -1, in: everywhere,
			about: "Lists all consumers for a vhost", columns: consumerList.names(), check: knownColumns,
			banner: func(c *call) string { return fmt.Sprintf("Listing consumers in vhost %s ...", c.vhost()) },
			run:    listConsumers,
		},
	}
}

// connections are the connections that have entered a virtual host, by name.
func connections(c *call) []conn.Stats {
	all := c.broker().Connections()
	slices.SortFunc(all, func(a, b conn.Stats) int {
		return cmp.Or(a.Connected.Compare(b.Connected), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// process makes up a process for what has none: RabbitMQ's users know
// connections, channels and queues by theirs.
func process(c *call, kind, name string, part int) pid {
	h := fnv.New64a()
	h.Write([]byte(kind + "\x00" + name)) //nolint:errcheck // a hash takes everything
	return pid(fmt.Sprintf("<%s.%d.%d.%d>", nameOf(c), c.broker().Started().Unix(), h.Sum64()>>16, part))
}

func connectionPID(c *call, name string) pid { return process(c, "connection", name, 0) }

func channelPID(c *call, connection string, number uint16) pid {
	return process(c, "connection", connection, int(number))
}

var queueList = list[vhost.QueueStats]{usual: "name messages", columns: map[string]getter[vhost.QueueStats]{
	"name":        func(_ *call, q *vhost.QueueStats) any { return q.Name },
	"type":        func(_ *call, q *vhost.QueueStats) any { return atom(q.Type) },
	"durable":     func(_ *call, q *vhost.QueueStats) any { return q.Durable },
	"auto_delete": func(_ *call, q *vhost.QueueStats) any { return q.AutoDelete },
	"exclusive": func(_ *call, q *vhost.QueueStats) any {
		if q.Type != queue.Classic {
			return ""
		}
		return q.Exclusive
	},
	"arguments": func(_ *call, q *vhost.QueueStats) any { return q.Args },
	"policy":    func(_ *call, q *vhost.QueueStats) any { return q.Settings.Policy },
	"state": func(_ *call, q *vhost.QueueStats) any {
		if q.Failed {
			return atom("stopped")
		}
		return atom("running")
	},
	"pid": func(c *call, q *vhost.QueueStats) any { return process(c, "queue", c.vhost()+"\x00"+q.Name, 0) },
	"owner_pid": func(c *call, q *vhost.QueueStats) any {
		if o, ok := q.Owner.(interface{ Info() conn.Info }); ok {
			return connectionPID(c, o.Info().Name)
		}
		return ""
	},
	"exclusive_consumer_pid": exclusiveConsumer(func(c *call, k *queue.ConsumerStats) any { return channelPID(c, k.Connection, k.Channel) }),
	"exclusive_consumer_tag": exclusiveConsumer(func(_ *call, k *queue.ConsumerStats) any { return k.Tag }),

	"messages":                     func(_ *call, q *vhost.QueueStats) any { return q.Ready + q.Unacked },
	"messages_ready":               func(_ *call, q *vhost.QueueStats) any { return q.Ready },
	"messages_unacknowledged":      func(_ *call, q *vhost.QueueStats) any { return q.Unacked },
	"messages_ram":                 func(_ *call, q *vhost.QueueStats) any { return q.ReadyRAM + q.Unacked },
	"messages_ready_ram":           func(_ *call, q *vhost.QueueStats) any { return q.ReadyRAM },
	"messages_unacknowledged_ram":  func(_ *call, q *vhost.QueueStats) any { return q.Unacked },
	"messages_persistent":          func(_ *call, q *vhost.QueueStats) any { return q.Persistent },
	"message_bytes":                func(_ *call, q *vhost.QueueStats) any { return q.ReadyBytes + q.UnackedBytes },
	"message_bytes_ready":          func(_ *call, q *vhost.QueueStats) any { return q.ReadyBytes },
	"message_bytes_unacknowledged": func(_ *call, q *vhost.QueueStats) any { return q.UnackedBytes },
	"message_bytes_ram":            func(_ *call, q *vhost.QueueStats) any { return q.ReadyRAMBytes + q.UnackedBytes },
	"message_bytes_persistent":     func(_ *call, q *vhost.QueueStats) any { return q.PersistentBytes },
	"memory":                       func(_ *call, q *vhost.QueueStats) any { return q.ReadyRAMBytes + q.UnackedBytes },
	"consumers":                    func(_ *call, q *vhost.QueueStats) any { return q.Consumers },
	"consumer_utilisation":         func(_ *call, q *vhost.QueueStats) any { return capacity(q) },
	"consumer_capacity":            func(_ *call, q *vhost.QueueStats) any { return capacity(q) },
	"head_message_timestamp": func(_ *call, q *vhost.QueueStats) any {
		if q.HeadTimestamp.IsZero() {
			return ""
		}
		return q.HeadTimestamp.Unix()
	},
	"disk_reads":  func(_ *call, q *vhost.QueueStats) any { return 0 },
	"disk_writes": func(_ *call, q *vhost.QueueStats) any { return q.Persistent },
	// There is one node, which leads all queues and mirrors none.
	"leader":                   ofGroups(func(c *call) any { return atom(nameOf(c)) }),
	"members":                  ofGroups(func(c *call) any { return atoms{nameOf(c)} }),
	"online":                   ofGroups(func(c *call) any { return atoms{nameOf(c)} }),
	"slave_pids":               func(*call, *vhost.QueueStats) any { return "" },
	"synchronised_slave_pids":  func(*call, *vhost.QueueStats) any { return "" },
	"mirror_pids":              func(*call, *vhost.QueueStats) any { return "" },
	"synchronised_mirror_pids": func(*call, *vhost.QueueStats) any { return "" },
}}

// capacity is a whole number at the ends, as in RabbitMQ.
func capacity(q *vhost.QueueStats) any {
	if q.Capacity == 0 {
		return 0
	}
	return q.Capacity
}

// ofGroups is a value of queues that have members.
func ofGroups(f func(*call) any) getter[vhost.QueueStats] {
	return func(c *call, q *vhost.QueueStats) any {
		if q.Type == queue.Classic {
			return ""
		}
		return f(c)
	}
}

// exclusiveConsumer is a value of the consumer that has the queue for itself.
func exclusiveConsumer(f func(*call, *queue.ConsumerStats) any) getter[vhost.QueueStats] {
	return func(c *call, q *vhost.QueueStats) any {
		if v, err := c.broker().VHost(c.vhost()); err == nil && q.Consumers == 1 {
			_, consumers, _ := v.QueueStats(q.Name)
			for i := range consumers {
				if consumers[i].Exclusive {
					return f(c, &consumers[i])
				}
			}
		}
		return ""
	}
}

func listQueues(_ context.Context, c *call) (result, error) {
	var all []vhost.QueueStats
	if v, err := c.broker().VHost(c.vhost()); err == nil && !c.has("offline") {
		all = v.Queues()
	}
	return queueList.rows(c, all)
}

var exchangeList = list[vhost.ExchangeStats]{usual: "name type", columns: map[string]getter[vhost.ExchangeStats]{
	"name":        func(_ *call, x *vhost.ExchangeStats) any { return x.Name },
	"type":        func(_ *call, x *vhost.ExchangeStats) any { return atom(x.Kind) },
	"durable":     func(_ *call, x *vhost.ExchangeStats) any { return x.Durable },
	"auto_delete": func(_ *call, x *vhost.ExchangeStats) any { return x.AutoDelete },
	"internal":    func(_ *call, x *vhost.ExchangeStats) any { return x.Internal },
	"arguments":   func(_ *call, x *vhost.ExchangeStats) any { return x.Args },
	"policy":      func(_ *call, x *vhost.ExchangeStats) any { return x.Policy },
}}

var bindingList = list[vhost.BindingStats]{
	usual: "source_name source_kind destination_name destination_kind routing_key arguments",
	columns: map[string]getter[vhost.BindingStats]{
		"source_name":      func(_ *call, b *vhost.BindingStats) any { return b.Source },
		"source_kind":      func(*call, *vhost.BindingStats) any { return atom("exchange") },
		"destination_name": func(_ *call, b *vhost.BindingStats) any { return b.Destination },
		"destination_kind": func(_ *call, b *vhost.BindingStats) any {
			if b.ToExchange {
				return atom("exchange")
			}
			return atom("queue")
		},
		"routing_key": func(_ *call, b *vhost.BindingStats) any { return b.RoutingKey },
		"arguments":   func(_ *call, b *vhost.BindingStats) any { return b.Args },
	},
}

var connectionList = list[conn.Stats]{usual: "user peer_host peer_port state", columns: map[string]getter[conn.Stats]{
	"pid":               func(c *call, k *conn.Stats) any { return connectionPID(c, k.Name) },
	"name":              func(_ *call, k *conn.Stats) any { return k.Name },
	"user":              func(_ *call, k *conn.Stats) any { return k.User },
	"vhost":             func(_ *call, k *conn.Stats) any { return k.VHost },
	"host":              func(_ *call, k *conn.Stats) any { return k.Host },
	"port":              func(_ *call, k *conn.Stats) any { return k.Port },
	"peer_host":         func(_ *call, k *conn.Stats) any { return k.PeerHost },
	"peer_port":         func(_ *call, k *conn.Stats) any { return k.PeerPort },
	"state":             func(_ *call, k *conn.Stats) any { return atom(k.State) },
	"channels":          func(_ *call, k *conn.Stats) any { return len(k.Channels) },
	"protocol":          func(*call, *conn.Stats) any { return atom("{0,9,1}") },
	"auth_mechanism":    func(_ *call, k *conn.Stats) any { return k.Mechanism },
	"timeout":           func(_ *call, k *conn.Stats) any { return int(k.Heartbeat) },
	"frame_max":         func(_ *call, k *conn.Stats) any { return int64(k.FrameMax) },
	"channel_max":       func(_ *call, k *conn.Stats) any { return int(k.ChannelMax) },
	"client_properties": func(_ *call, k *conn.Stats) any { return k.ClientProperties },
	"recv_oct":          func(_ *call, k *conn.Stats) any { return k.Received },
	"recv_cnt":          func(_ *call, k *conn.Stats) any { return k.Reads },
	"send_oct":          func(_ *call, k *conn.Stats) any { return k.Sent },
	"send_cnt":          func(_ *call, k *conn.Stats) any { return k.Writes },
	"send_pend":         func(_ *call, k *conn.Stats) any { return k.Pending },
	"connected_at":      func(_ *call, k *conn.Stats) any { return k.Connected.UnixMilli() },

	"ssl": func(_ *call, k *conn.Stats) any { return k.TLS != nil },
	"ssl_protocol": tlsValue(func(s *tls.ConnectionState) any {
		return strings.ToLower(strings.ReplaceAll(tls.VersionName(s.Version), " ", "v"))
	}),
	"ssl_key_exchange":  tlsValue(func(s *tls.ConnectionState) any { return strings.ToLower(s.CurveID.String()) }),
	"ssl_cipher":        tlsValue(func(s *tls.ConnectionState) any { return tls.CipherSuiteName(s.CipherSuite) }),
	"ssl_hash":          tlsValue(func(*tls.ConnectionState) any { return "" }),
	"peer_cert_subject": tlsValue(peer(func(s *x509.Certificate) any { return s.Subject.String() })),
	"peer_cert_issuer":  tlsValue(peer(func(s *x509.Certificate) any { return s.Issuer.String() })),
	"peer_cert_validity": tlsValue(peer(func(s *x509.Certificate) any {
		return s.NotBefore.UTC().Format(time.RFC3339) + " - " + s.NotAfter.UTC().Format(time.RFC3339)
	})),
}}

// tlsValue is a value of connections with TLS.
func tlsValue(f func(*tls.ConnectionState) any) getter[conn.Stats] {
	return func(_ *call, k *conn.Stats) any {
		if k.TLS == nil {
			return ""
		}
		return f(k.TLS)
	}
}

// peer is a value of a client's certificate.
func peer(f func(*x509.Certificate) any) func(*tls.ConnectionState) any {
	return func(s *tls.ConnectionState) any {
		if len(s.PeerCertificates) == 0 {
			return ""
		}
		return f(s.PeerCertificates[0])
	}
}

// channel is a channel with its connection.
type channel struct {
	conn *conn.Stats
	conn.ChannelStats
}

var channelList = list[channel]{usual: "pid user consumer_count messages_unacknowledged", columns: map[string]getter[channel]{
	"pid":                     func(c *call, h *channel) any { return channelPID(c, h.conn.Name, h.Number) },
	"connection":              func(c *call, h *channel) any { return connectionPID(c, h.conn.Name) },
	"name":                    func(_ *call, h *channel) any { return fmt.Sprintf("%s (%d)", h.conn.Name, h.Number) },
	"number":                  func(_ *call, h *channel) any { return int(h.Number) },
	"user":                    func(_ *call, h *channel) any { return h.conn.User },
	"vhost":                   func(_ *call, h *channel) any { return h.conn.VHost },
	"transactional":           func(_ *call, h *channel) any { return h.Transactional },
	"confirm":                 func(_ *call, h *channel) any { return h.Confirm },
	"consumer_count":          func(_ *call, h *channel) any { return len(h.Consumers) },
	"messages_unacknowledged": func(_ *call, h *channel) any { return h.Unacked },
	"messages_uncommitted":    func(_ *call, h *channel) any { return h.Uncommitted },
	"acks_uncommitted":        func(_ *call, h *channel) any { return h.AcksUncommitted },
	"messages_unconfirmed":    func(_ *call, h *channel) any { return h.Unconfirmed },
	"prefetch_count":          func(_ *call, h *channel) any { return h.Prefetch },
	"global_prefetch_count":   func(_ *call, h *channel) any { return h.GlobalPrefetch },
}}

// consumer is a consumer with its queue.
type consumer struct {
	of string
	queue.ConsumerStats
}

var consumerList = list[consumer]{
	usual: "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments",
	columns: map[string]getter[consumer]{
		"queue_name":      func(_ *call, k *consumer) any { return k.of },
		"channel_pid":     func(c *call, k *consumer) any { return channelPID(c, k.Connection, k.Channel) },
		"consumer_tag":    func(_ *call, k *consumer) any { return k.Tag },
		"ack_required":    func(_ *call, k *consumer) any { return !k.NoAck },
		"prefetch_count":  func(_ *call, k *consumer) any { return k.Prefetch },
		"active":          func(_ *call, k *consumer) any { return k.Active },
		"activity_status": func(_ *call, k *consumer) any { return activity(k.Active) },
		"arguments":       func(_ *call, k *consumer) any { return k.Args },
	},
}

// activity says whether a consumer is served, or waits for its turn.
func activity(active bool) atom {
	if active {
		return "up"
	}
	return "waiting"
}

func listConsumers(_ context.Context, c *call) (result, error) {
	var all []consumer
	if v, err := c.broker().VHost(c.vhost()); err == nil {
		for name, consumers := range v.Consumers() {
			for _, k := range consumers {
				all = append(all, consumer{name, k})
			}
		}
	}
	slices.SortFunc(all, func(a, b consumer) int { return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.Tag, b.Tag)) })
	return consumerList.rows(c, all)
}
