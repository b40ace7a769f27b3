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
	In, Out uint64
}

// QueueStats describes a queue.
type QueueStats struct {
	Name string
	queue.Flags
	Args amqp.Table
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
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := Stats{Name: v.Name}
	for _, x := range v.exchanges {
		s.Exchanges = append(s.Exchanges, ExchangeStats{x.ExchangeSpec, x.In.Load(), x.Out.Load()})
		for _, b := range x.bindings {
			bs := BindingStats{Source: x.Name, RoutingKey: b.key, Args: b.args}
			if bs.ToExchange = b.dest.x != nil; bs.ToExchange {
				bs.Destination = b.dest.x.Name
			} else {
				bs.Destination = b.dest.q.Name
			}
			s.Bindings = append(s.Bindings, bs)
		}
	}
	for _, q := range v.queues {
		s.Queues = append(s.Queues, QueueStats{q.Name, q.Flags, q.Args, q.Stats()})
		s.Bindings = append(s.Bindings, BindingStats{Destination: q.Name, RoutingKey: q.Name})
	}
	slices.SortFunc(s.Exchanges, func(a, b ExchangeStats) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Queues, func(a, b QueueStats) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Bindings, func(a, b BindingStats) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.RoutingKey, b.RoutingKey))
	})
	return s
}
