package management

import (
	"cmp"
	"strconv"

	"nubo/broker"
	"nubo/broker/conn"
	"nubo/broker/history"
)

// exchangeTypes are the types of exchange there are.
var exchangeTypes = func() []object {
	var list []object
	for _, name := range []string{"direct", "fanout", "headers", "topic"} {
		list = append(list, object{"name": name, "description": "AMQP " + name + " exchange, as per the AMQP specification", "enabled": true})
	}
	return list
}()

// retention is how far back samples go, in seconds.
var retention = object{"global": []int{600, 3600, 28800, 86400}, "basic": []int{600, 3600}, "detailed": []int{600}}

func overview(c *call) error {
	r, err := parseRanges(c.URL.Query())
	if err != nil {
		return err
	}
	o := object{
		"management_version": broker.Compatible, "rates_mode": "basic", "sample_retention_policies": retention,
		"exchange_types": exchangeTypes, "product_version": broker.Version, "product_name": "nubo",
		"rabbitmq_version": broker.Compatible, "cluster_name": c.b.ClusterName(),
		"cluster_tags": []object{}, "node_tags": []object{}, "default_queue_type": "classic",
		"erlang_version": erlangVersion, "erlang_full_version": goVersion(),
		"release_series_support_status": "supported", "disable_stats": false, "enable_queue_totals": false,
		"is_op_policy_updating_enabled": true, "statistics_db_event_queue": 0,
	}
	c.totals(o, r)
	c.past(history.Key{Kind: history.Cluster}, func(v history.View) {
		churn := object{}
		rated(churn, v, r.messages, broker.ChurnMetrics(c.b.Churn()))
		o["churn_rates"] = churn
	})
	if isMonitor(c.user) {
		o["node"], o["listeners"], o["contexts"] = c.b.NodeName(), c.listeners(), c.contexts()
	}
	return c.one(o)
}

// totals adds what the caller sees of all virtual hosts together.
func (c *call) totals(o object, r ranges) {
	s := c.b.Snapshot()
	objects := struct{ connections, channels, consumers, exchanges, queues int }{}
	var sum broker.Total
	var of []history.Key
	all := isMonitor(c.user)
	for i := range s.VHosts {
		v := &s.VHosts[i]
		if !c.sees(v.Name) {
			continue
		}
		t := s.Of(v)
		sum.Ready += t.Ready
		sum.Unacked += t.Unacked
		sum.Add(t.Counters)
		of = append(of, history.Key{Kind: history.VHost, VHost: v.Name})
		objects.exchanges += len(v.Exchanges)
		objects.queues += len(v.Queues)
		for j := range v.Queues {
			objects.consumers += v.Queues[j].Consumers
		}
	}
	for i := range s.Connections {
		if x := &s.Connections[i]; x.VHost != "" && (all || x.User == c.user.Name) {
			objects.connections++
			objects.channels += len(x.Channels)
		}
	}
	if all {
		sum, of = s.Total(), []history.Key{{Kind: history.Cluster}}
	}
	counts := object{
		"connections": objects.connections, "channels": objects.channels, "exchanges": objects.exchanges, "queues": objects.queues,
	}
	if all {
		counts["consumers"] = objects.consumers
	}
	o["object_totals"] = counts
	c.b.History().Objects(of, func(v history.View) {
		lengths := object{}
		rated(lengths, v, r.lengths, broker.LengthMetrics(sum.Ready, sum.Unacked))
		o["queue_totals"], o["message_stats"] = lengths, object{}
		messageStats(o, v, r.messages, broker.PublishMetrics(sum.Counters), append(broker.DeliverMetrics(sum.Counters), diskMetrics...))
	})
}

// diskMetrics are not counted.
var diskMetrics = []broker.Metric{{Name: "disk_reads"}, {Name: "disk_writes"}}

func (c *call) listeners() []object {
	list := []object{}
	for _, l := range c.b.Listeners() {
		list = append(list, object{
			"node": c.b.NodeName(), "protocol": l.Protocol, "ip_address": l.IP, "port": l.Port,
			"socket_opts": object{"backlog": 128, "nodelay": true, "linger": []any{true, 0}, "exit_on_close": false},
		})
	}
	return list
}

// contexts are what is served over HTTP.
func (c *call) contexts() []object {
	list := []object{}
	for _, l := range c.b.Listeners() {
		description := map[string]string{
			"http": "RabbitMQ Management", "https": "RabbitMQ Management", "http/prometheus": "RabbitMQ Prometheus",
		}[l.Protocol]
		if description == "" {
			continue
		}
		list = append(list, object{
			"ssl_opts": []object{}, "node": c.b.NodeName(), "description": description, "path": "/",
			"cowboy_opts": "[{sendfile,false}]", "ip": cmp.Or(l.IP, "0.0.0.0"), "port": strconv.Itoa(l.Port),
		})
	}
	return list
}

// vhostFigures adds what goes through a virtual host, if anything ever did.
func (c *call) vhostFigures(o object, name string, s *broker.Stats, r ranges) {
	for i := range s.VHosts {
		v := &s.VHosts[i]
		if v.Name != name {
			continue
		}
		of := s.Of(v)
		c.past(history.Key{Kind: history.VHost, VHost: name}, func(p history.View) {
			rated(o, p, r.lengths, broker.LengthMetrics(of.Ready, of.Unacked))
			rated(o, p, r.octets, broker.OctetMetrics(of.Received, of.Sent))
			messageStats(o, p, r.messages, broker.PublishMetrics(of.Counters), broker.DeliverMetrics(of.Counters))
		})
	}
}

// alarm tells whether an alarm is on.
func (c *call) alarm(a conn.Alarm) bool { return c.b.Alarms()&a != 0 }
