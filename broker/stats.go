package broker

import (
	"nubo/broker/conn"
	"nubo/broker/vhost"
)

// Stats is a snapshot of a broker.
type Stats struct {
	Connections []conn.Stats
	VHosts      []vhost.Stats
	// MemoryUsed is what the messages in queues take.
	MemoryUsed int64
	// Traffic is what went through virtual hosts, Churn what came and went,
	// since the broker started.
	Traffic map[string]conn.Traffic
	Churn   Churn
}

// Churn counts what came and went since the broker started.
type Churn struct {
	conn.Churn
	QueuesDeclared, QueuesCreated, QueuesDeleted uint64
}

// Stats takes a snapshot.
func (b *Broker) Stats() Stats {
	s := b.counts()
	for _, v := range b.hosts() {
		s.VHosts = append(s.VHosts, v.Stats())
	}
	return s
}

// Snapshot takes one without bindings.
func (b *Broker) Snapshot() Stats {
	s := b.counts()
	for _, v := range b.hosts() {
		s.VHosts = append(s.VHosts, vhost.Stats{Name: v.Name, Exchanges: v.Exchanges(), Queues: v.Queues()})
	}
	return s
}

// counts takes one without what is in virtual hosts.
func (b *Broker) counts() Stats {
	s := Stats{MemoryUsed: b.env.Alarms.Used(), Churn: b.Churn(), Connections: b.Connections()}
	s.Traffic, _ = b.env.Totals.Snapshot()
	return s
}

// Churn counts what came and went.
func (b *Broker) Churn() Churn {
	_, c := b.env.Totals.Snapshot()
	return Churn{c, b.churn.Declared.Load(), b.churn.Created.Load(), b.churn.Deleted.Load()}
}

// Connections describes the connections.
func (b *Broker) Connections() []conn.Stats {
	list := b.connections()
	stats := make([]conn.Stats, 0, len(list))
	for _, c := range list {
		stats = append(stats, c.Stats())
	}
	return stats
}

// Total is what there is in one virtual host, or in all.
type Total struct {
	conn.Traffic
	Ready, Unacked int
}

// Of is what there is in a virtual host.
func (s *Stats) Of(v *vhost.Stats) Total {
	t := Total{Traffic: s.Traffic[v.Name]}
	for i := range v.Queues {
		t.Ready += v.Queues[i].Ready
		t.Unacked += v.Queues[i].Unacked
	}
	return t
}

// Total is what there is in all virtual hosts, and was in those that are gone.
func (s *Stats) Total() Total {
	var t Total
	for _, traffic := range s.Traffic {
		t.Add(traffic.Counters)
		t.Received += traffic.Received
		t.Sent += traffic.Sent
	}
	for i := range s.VHosts {
		of := s.Of(&s.VHosts[i])
		t.Ready += of.Ready
		t.Unacked += of.Unacked
	}
	return t
}

// MemoryUsed is what the messages in queues take.
func (b *Broker) MemoryUsed() int64 { return b.env.Alarms.Used() }
