package management

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"slices"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/history"
	"nubo/broker/queue"
)

// connections are those the caller may see, in the path's virtual host if it
// names one, by name.
func (c *call) connections() ([]conn.Stats, error) {
	if _, ok := c.args["vhost"]; ok {
		if _, err := c.vhost(); err != nil {
			return nil, err
		}
	}
	all := c.b.Connections()
	list := make([]conn.Stats, 0, len(all))
	for _, x := range all {
		vhost, ofVHost := c.args["vhost"]
		name, ofUser := c.args["user"]
		switch {
		case x.VHost == "", // not open yet
			!isMonitor(c.user) && x.User != c.user.Name,
			ofVHost && x.VHost != vhost, ofUser && x.User != name:
			continue
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b conn.Stats) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (c *call) connectionObject(x *conn.Stats, r ranges) object {
	o := object{
		"name": x.Name, "node": c.b.NodeName(), "type": "network", "protocol": "AMQP 0-9-1", "state": x.State,
		"user": x.User, "user_who_performed_action": x.User, "vhost": x.VHost, "auth_mechanism": x.Mechanism,
		"host": x.Host, "port": x.Port, "peer_host": x.PeerHost, "peer_port": x.PeerPort,
		"channel_max": x.ChannelMax, "frame_max": x.FrameMax, "timeout": x.Heartbeat, "channels": len(x.Channels),
		"connected_at": timestamp(x.Connected), "client_properties": plain(orEmpty(x.ClientProperties)),
		"recv_cnt": x.Reads, "send_cnt": x.Writes, "send_pend": x.Pending,
		"garbage_collection": garbageCollection,
	}
	if name, ok := x.ClientProperties["connection_name"].(string); ok {
		o["user_provided_name"] = name
	}
	for k, v := range tlsObject(x.TLS) {
		o[k] = v
	}
	c.past(history.Key{Kind: history.Connection, Name: x.Name}, func(v history.View) {
		rated(o, v, r.octets, append(broker.OctetMetrics(x.Received, x.Sent), reductions...))
	})
	return o
}

func orEmpty(t amqp.Table) amqp.Table {
	if t == nil {
		return amqp.Table{}
	}
	return t
}

// tlsObject tells what protects a connection.
func tlsObject(s *tls.ConnectionState) object {
	o := object{"ssl": s != nil}
	for _, k := range []string{
		"ssl_protocol", "ssl_key_exchange", "ssl_cipher", "ssl_hash", "peer_cert_subject", "peer_cert_issuer", "peer_cert_validity",
	} {
		o[k] = nil
	}
	if s == nil {
		return o
	}
	o["ssl_protocol"], o["ssl_cipher"] = tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite)
	if len(s.PeerCertificates) > 0 {
		cert := s.PeerCertificates[0]
		o["peer_cert_subject"], o["peer_cert_issuer"] = cert.Subject.String(), cert.Issuer.String()
		o["peer_cert_validity"] = cert.NotBefore.Format(validity) + " - " + cert.NotAfter.Format(validity)
	}
	return o
}

const validity = "2006-01-02T15:04:05Z"

func listConnections(c *call) error {
	list, err := c.connections()
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	return c.pageOf(len(list), func(i int) string { return list[i].Name }, func(i int) object { return c.connectionObject(&list[i], r) })
}

// connection is the one the path names.
func (c *call) connection() (*conn.Stats, error) {
	for _, x := range c.b.Connections() {
		if x.Name != c.args["connection"] || x.VHost == "" {
			continue
		}
		if !isMonitor(c.user) && x.User != c.user.Name {
			return nil, notAuthorised("User not authorised to access connection")
		}
		return &x, nil
	}
	return nil, errNotFound
}

func getConnection(c *call) error {
	x, err := c.connection()
	if err != nil {
		return err
	}
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	return c.one(c.connectionObject(x, r))
}

// reason is why a client is sent away.
func (c *call) reason() string {
	if r := c.Header.Get("X-Reason"); r != "" {
		return r
	}
	return "Closed via management plugin"
}

func closeConnection(c *call) error {
	x, err := c.connection()
	if err != nil {
		return err
	}
	if x.User != c.user.Name && !isAdministrator(c.user) {
		return notAuthorised("User not authorised to access connection")
	}
	c.b.CloseConnection(x.Name, c.reason())
	return c.done(false)
}

func closeUserConnections(c *call) error {
	if c.args["user"] != c.user.Name && !isAdministrator(c.user) {
		return notAuthorised("User not authorised to access connection")
	}
	list, err := c.connections()
	if err != nil {
		return err
	}
	for i := range list {
		c.b.CloseConnection(list[i].Name, c.reason())
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// channelItem is a channel and its connection.
type channelItem struct {
	of *conn.Stats
	*conn.ChannelStats
}

func channelsOf(list []conn.Stats) []channelItem {
	items := []channelItem{}
	for i := range list {
		for j := range list[i].Channels {
			items = append(items, channelItem{&list[i], &list[i].Channels[j]})
		}
	}
	return items
}

func (x *channelItem) name() string { return broker.ChannelName(x.of.Name, x.Number) }

func (c *call) channelObject(x *channelItem, r ranges) object {
	o := object{
		"name": x.name(), "number": x.Number, "node": c.b.NodeName(), "user": x.of.User, "user_who_performed_action": x.of.User,
		"vhost": x.of.VHost, "state": "running", "confirm": x.Confirm, "transactional": x.Transactional,
		"consumer_count": len(x.Consumers), "prefetch_count": x.Prefetch, "global_prefetch_count": x.GlobalPrefetch,
		"messages_unacknowledged": x.Unacked, "messages_unconfirmed": x.Unconfirmed,
		"messages_uncommitted": x.Uncommitted, "acks_uncommitted": x.AcksUncommitted, "pending_raft_commands": 0,
		"connection_details": object{"name": x.of.Name, "peer_host": x.of.PeerHost, "peer_port": x.of.PeerPort},
		"garbage_collection": garbageCollection,
	}
	if !x.Idle.IsZero() {
		o["idle_since"] = x.Idle.UTC().Format(idleFormat)
	}
	c.past(history.Key{Kind: history.Channel, Name: x.name()}, func(v history.View) {
		rated(o, v, r.messages, reductions)
		messageStats(o, v, r.messages, broker.PublishMetrics(x.Counters), broker.DeliverMetrics(x.Counters))
	})
	return o
}

// channels answers with the channels of connections.
func (c *call) channels(list []conn.Stats) error {
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	items := channelsOf(list)
	return c.pageOf(len(items), func(i int) string { return items[i].name() }, func(i int) object { return c.channelObject(&items[i], r) })
}

func listChannels(c *call) error {
	list, err := c.connections()
	if err != nil {
		return err
	}
	return c.channels(list)
}

func connectionChannels(c *call) error {
	x, err := c.connection()
	if err != nil {
		return err
	}
	return c.channels([]conn.Stats{*x})
}

func getChannel(c *call) error {
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	for _, x := range channelsOf(c.b.Connections()) {
		if x.name() != c.args["channel"] {
			continue
		}
		if !isMonitor(c.user) && x.of.User != c.user.Name {
			return notAuthorised("User not authorised to access channel")
		}
		o := c.channelObject(&x, r)
		o["publishes"], o["deliveries"] = []object{}, []object{}
		o["consumer_details"] = c.channelConsumers(&x)
		return c.one(o)
	}
	return errNotFound
}

// channelConsumers describes the consumers of a channel.
func (c *call) channelConsumers(x *channelItem) []object {
	list := []object{}
	v, err := c.b.VHost(x.of.VHost)
	if err != nil {
		return list // it is being deleted
	}
	for _, k := range x.Consumers {
		_, consumers, _ := v.QueueStats(k.Queue)
		for _, q := range consumers {
			if q.Tag == k.Tag && q.Connection == x.of.Name && q.Channel == x.Number {
				list = append(list, c.consumerObjects(v.Name, k.Queue, []queue.ConsumerStats{q}, map[string]*conn.Stats{x.of.Name: x.of})...)
			}
		}
	}
	return list
}
