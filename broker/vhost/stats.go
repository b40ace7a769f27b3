package vhost

import (
	"cmp"
	"slices"

	"nubo/amqp"
	"nubo/broker/queue"
)

// ExchangeStats describes an exchange.
type ExchangeStats struct {
	ExchangeSpec
	// Policy is the name of the policy about it, or "".
	Policy string
	// In and Out count messages published to it and routed on to queues.
	In, Out uint64
}

// QueueStats describes a queue.
type QueueStats struct {
	Name string
	queue.Flags
	Args amqp.Table
	Type queue.Type
	// Owner is the connection an exclusive queue belongs to, or nil.
	Owner any
	queue.Stats
}

// BindingStats describes a binding. ToExchange tells what Destination names.
type BindingStats struct {
	Source, Destination string
	ToExchange          bool
	RoutingKey          string
	Args                amqp.Table
}

// Stats is a snapshot of a virtual host.
type Stats struct {
	Name      string
	Exchanges []ExchangeStats
	Queues    []QueueStats
	Bindings  []BindingStats
}

// Stats takes a snapshot, sorted by name.
func (v *VHost) Stats() Stats {
	return Stats{Name: v.Name, Exchanges: v.Exchanges(), Queues: v.Queues(), Bindings: v.Bindings()}
}

// Exchanges describes the exchanges, sorted by name.
func (v *VHost) Exchanges() []ExchangeStats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	list := make([]ExchangeStats, 0, len(v.exchanges))
	for _, x := range v.exchanges {
		list = append(list, x.stats())
	}
	slices.SortFunc(list, func(a, b ExchangeStats) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// ExchangeStats describes one exchange.
func (v *VHost) ExchangeStats(name string) (ExchangeStats, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	x := v.exchanges[name]
	if x == nil {
		return ExchangeStats{}, false
	}
	return x.stats(), true
}

// stats describes the exchange. The vhost's lock is held.
func (x *Exchange) stats() ExchangeStats {
	s := ExchangeStats{ExchangeSpec: x.ExchangeSpec, In: x.In.Load(), Out: x.Out.Load()}
	if x.policy != nil {
		s.Policy = x.policy.Name
	}
	return s
}

// Queues describes the queues, sorted by name.
func (v *VHost) Queues() []QueueStats {
	v.mu.RLock()
	queues := make([]*queue.Queue, 0, len(v.queues))
	for _, q := range v.queues {
		queues = append(queues, q)
	}
	v.mu.RUnlock()
	list := make([]QueueStats, 0, len(queues))
	for _, q := range queues {
		list = append(list, describe(q))
	}
	slices.SortFunc(list, func(a, b QueueStats) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// QueueStats describes one queue, and its consumers.
func (v *VHost) QueueStats(name string) (s QueueStats, consumers []queue.ConsumerStats, ok bool) {
	q := v.find(name)
	if q == nil {
		return s, nil, false
	}
	return describe(q), q.ConsumerStats(), true
}

// Consumers describes the consumers of all queues, by the queue's name.
func (v *VHost) Consumers() map[string][]queue.ConsumerStats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make(map[string][]queue.ConsumerStats)
	for name, q := range v.queues {
		if list := q.ConsumerStats(); len(list) > 0 {
			all[name] = list
		}
	}
	return all
}

func (v *VHost) find(name string) *queue.Queue {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.queues[name]
}

func describe(q *queue.Queue) QueueStats {
	return QueueStats{Name: q.Name, Flags: q.Flags, Args: q.Args, Type: q.Initial.Type, Owner: q.Owner, Stats: q.Stats()}
}

// Len is how many exchanges and queues there are.
func (v *VHost) Len() (exchanges, queues int) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.exchanges), len(v.queues)
}

// Bindings describes the bindings, sorted; every queue is bound to the default
// exchange by its name.
func (v *VHost) Bindings() []BindingStats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var list []BindingStats
	for _, x := range v.exchanges {
		for _, b := range x.bindings {
			list = append(list, b.stats())
		}
	}
	for name := range v.queues {
		list = append(list, BindingStats{Destination: name, RoutingKey: name})
	}
	return sorted(list)
}

// BindingsFrom describes the bindings an exchange is the source of.
func (v *VHost) BindingsFrom(exchange string) []BindingStats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var list []BindingStats
	if x := v.exchanges[exchange]; x != nil {
		for _, b := range x.bindings {
			list = append(list, b.stats())
		}
	}
	if exchange == "" {
		for name := range v.queues {
			list = append(list, BindingStats{Destination: name, RoutingKey: name})
		}
	}
	return sorted(list)
}

// BindingsTo describes the bindings that lead to a queue, or to an exchange.
func (v *VHost) BindingsTo(name string, toExchange bool) []BindingStats {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var d dest
	var list []BindingStats
	if toExchange {
		d.x = v.exchanges[name]
	} else if d.q = v.queues[name]; d.q != nil {
		list = append(list, BindingStats{Destination: name, RoutingKey: name})
	}
	for _, b := range v.inbound[d] {
		list = append(list, b.stats())
	}
	return sorted(list)
}

// stats describes the binding.
func (b *binding) stats() BindingStats {
	s := BindingStats{Source: b.source.Name, RoutingKey: b.key, Args: b.args}
	if s.ToExchange = b.dest.x != nil; s.ToExchange {
		s.Destination = b.dest.x.Name
	} else {
		s.Destination = b.dest.q.Name
	}
	return s
}

func sorted(list []BindingStats) []BindingStats {
	slices.SortFunc(list, func(a, b BindingStats) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.RoutingKey, b.RoutingKey))
	})
	return list
}
