package broker

import (
	"fmt"
	"time"

	"nubo/broker/conn"
	"nubo/broker/history"
	"nubo/broker/vhost"
)

// Metric is a value under RabbitMQ's name for it.
type Metric struct {
	Name  string
	Value int64
}

func metric[T int | int64 | uint64](name string, v T) Metric { return Metric{name, int64(v)} }

// PublishMetrics are what publishers did.
func PublishMetrics(c conn.Counters) []Metric {
	return []Metric{
		metric("publish", c.Publish), metric("confirm", c.Confirm),
		metric("return_unroutable", c.ReturnUnroutable), metric("drop_unroutable", c.DropUnroutable),
	}
}

// DeliverMetrics are what consumers were given, and what they did with it.
func DeliverMetrics(c conn.Counters) []Metric {
	return []Metric{
		metric("get", c.Get), metric("get_no_ack", c.GetNoAck), metric("get_empty", c.GetEmpty),
		metric("deliver", c.Deliver), metric("deliver_no_ack", c.DeliverNoAck),
		metric("redeliver", c.Redeliver), metric("ack", c.Ack),
		metric("deliver_get", c.Get+c.GetNoAck+c.Deliver+c.DeliverNoAck),
	}
}

// QueueMetrics are what came into a queue, and what went out.
func QueueMetrics(q *vhost.QueueStats) []Metric {
	c := &q.Counters
	return append(DeliverMetrics(conn.Counters{
		Get: c.Get, GetNoAck: c.GetNoAck, GetEmpty: c.GetEmpty, Deliver: c.Deliver, DeliverNoAck: c.DeliverNoAck,
		Redeliver: c.Redeliver, Ack: c.Ack,
	}), metric("publish", c.Publish))
}

// LengthMetrics are how many messages there are.
func LengthMetrics(ready, unacked int) []Metric {
	return []Metric{
		metric("messages", ready+unacked), metric("messages_ready", ready), metric("messages_unacknowledged", unacked),
	}
}

// ExchangeMetrics are what went through an exchange.
func ExchangeMetrics(x *vhost.ExchangeStats) []Metric {
	return []Metric{metric("publish_in", x.In), metric("publish_out", x.Out)}
}

// OctetMetrics are what connections received and sent.
func OctetMetrics(received, sent uint64) []Metric {
	return []Metric{metric("recv_oct", received), metric("send_oct", sent)}
}

// ChurnMetrics are what came and went.
func ChurnMetrics(c Churn) []Metric {
	return []Metric{
		metric("connection_created", c.ConnectionsCreated), metric("connection_closed", c.ConnectionsClosed),
		metric("channel_created", c.ChannelsCreated), metric("channel_closed", c.ChannelsClosed),
		metric("queue_declared", c.QueuesDeclared), metric("queue_created", c.QueuesCreated), metric("queue_deleted", c.QueuesDeleted),
	}
}

// History is how the broker's counters and lengths were a while ago. Sampling
// begins with the first call.
func (b *Broker) History() *history.Set {
	b.sampling.Do(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.closed {
			b.served.Add(1)
			go b.sample()
		}
	})
	return b.past
}

// sample takes samples until the broker stops.
func (b *Broker) sample() {
	defer b.served.Done()
	t := time.NewTicker(history.Step)
	defer t.Stop()
	for {
		s, p := b.Snapshot(), b.Process()
		b.past.Record(time.Now(), func(r history.Recorder) {
			s.record(r)
			add(r, history.Key{Kind: history.Cluster, Name: b.NodeName()}, p.NodeMetrics(len(s.Connections), b.DiskFree()))
		})
		select {
		case <-t.C:
		case <-b.stop:
			return
		}
	}
}

// ChannelName is the name of a connection's channel.
func ChannelName(connection string, number uint16) string {
	return fmt.Sprintf("%s (%d)", connection, number)
}

// record gives the samples of one round.
func (s *Stats) record(r history.Recorder) {
	all := s.Total()
	add(r, history.Key{Kind: history.Cluster}, ChurnMetrics(s.Churn), LengthMetrics(all.Ready, all.Unacked),
		PublishMetrics(all.Counters), DeliverMetrics(all.Counters), OctetMetrics(all.Received, all.Sent))
	for i := range s.VHosts {
		v := &s.VHosts[i]
		total := s.Of(v)
		add(r, history.Key{Kind: history.VHost, VHost: v.Name}, LengthMetrics(total.Ready, total.Unacked),
			PublishMetrics(total.Counters), DeliverMetrics(total.Counters), OctetMetrics(total.Received, total.Sent))
		for j := range v.Exchanges {
			x := &v.Exchanges[j]
			add(r, history.Key{Kind: history.Exchange, VHost: v.Name, Name: x.Name}, ExchangeMetrics(x))
		}
		for j := range v.Queues {
			q := &v.Queues[j]
			add(r, history.Key{Kind: history.Queue, VHost: v.Name, Name: q.Name}, QueueMetrics(q), LengthMetrics(q.Ready, q.Unacked))
		}
	}
	for i := range s.Connections {
		c := &s.Connections[i]
		add(r, history.Key{Kind: history.Connection, Name: c.Name}, OctetMetrics(c.Received, c.Sent))
		for _, ch := range c.Channels {
			add(r, history.Key{Kind: history.Channel, Name: ChannelName(c.Name, ch.Number)}, PublishMetrics(ch.Counters), DeliverMetrics(ch.Counters))
		}
	}
}

func add(r history.Recorder, k history.Key, groups ...[]Metric) {
	record := r.Object(k)
	for _, g := range groups {
		for _, m := range g {
			record(m.Name, m.Value)
		}
	}
}
