package compute

import (
	"context"
	"slices"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// ZoneKey is the metadata key that makes an aggregate an availability zone.
const ZoneKey = "availability_zone"

// Aggregate is a set of hosts with common metadata.
type Aggregate struct {
	ID        int64
	UUID      string
	Name      string
	Metadata  map[string]string
	Hosts     []string
	CreatedAt time.Time
	UpdatedAt *time.Time
	DeletedAt *time.Time
}

// Zone is the aggregate's availability zone, "" for none.
func (a *Aggregate) Zone() string { return a.Metadata[ZoneKey] }

// Aggregates lists all.
func (s *Service) Aggregates(ctx context.Context) ([]*Aggregate, error) {
	return s.store.Aggregates(ctx)
}

// Aggregate gives one.
func (s *Service) Aggregate(ctx context.Context, id int64) (*Aggregate, error) {
	return s.store.Aggregate(ctx, id)
}

// CreateAggregate makes one, with a zone if zone is not empty.
func (s *Service) CreateAggregate(ctx context.Context, name, zone string) (*Aggregate, error) {
	a := &Aggregate{UUID: clock.NewID(), Name: name, Metadata: map[string]string{}, CreatedAt: db.Micro(s.clock.Now())}
	if zone != "" {
		a.Metadata[ZoneKey] = zone
	}
	return a, s.store.CreateAggregate(ctx, a)
}

// UpdateAggregate renames one or changes its zone; nil leaves a field.
func (s *Service) UpdateAggregate(ctx context.Context, id int64, name, zone *string) (*Aggregate, error) {
	return s.store.UpdateAggregate(ctx, id, func(ctx context.Context, a *Aggregate) error {
		if name != nil {
			a.Name = *name
		}
		if zone != nil {
			return s.setZone(ctx, a, *zone)
		}
		return nil
	})
}

// SetAggregateMetadata adds, replaces and, where the value is nil, removes.
func (s *Service) SetAggregateMetadata(ctx context.Context, id int64, metadata map[string]*string) (*Aggregate, error) {
	return s.store.UpdateAggregate(ctx, id, func(ctx context.Context, a *Aggregate) error {
		for _, k := range sortedKeys(metadata) {
			v := metadata[k]
			switch {
			case k == ZoneKey && v != nil:
				if err := s.setZone(ctx, a, *v); err != nil {
					return err
				}
			case v == nil:
				delete(a.Metadata, k)
			default:
				a.Metadata[k] = *v
			}
		}
		return nil
	})
}

// setZone gives an aggregate a zone, unless one of its hosts is in another.
func (s *Service) setZone(ctx context.Context, a *Aggregate, zone string) error {
	for _, host := range a.Hosts {
		if err := s.checkZone(ctx, a.ID, host, zone, "update aggregate"); err != nil {
			return err
		}
	}
	a.Metadata[ZoneKey] = zone
	return nil
}

// checkZone refuses a host that would be in two zones.
func (s *Service) checkZone(ctx context.Context, id int64, host, zone, doing string) error {
	all, err := s.store.Aggregates(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ID != id && zone != "" && other.Zone() != "" && other.Zone() != zone && slices.Contains(other.Hosts, host) {
			return fault.Conflictf("Cannot %s %d. Reason: One or more hosts already in availability zone(s) ['%s'].", doing, id, other.Zone()).
				WithType("InvalidAggregateAction")
		}
	}
	return nil
}

// AddHost puts a host into an aggregate.
func (s *Service) AddHost(ctx context.Context, id int64, host string) (*Aggregate, error) {
	services, err := s.store.Services(ctx, host, BinaryCompute)
	if err != nil {
		return nil, err
	}
	if len(services) == 0 {
		return nil, fault.NotFoundf("Compute host %s could not be found.", host).WithType("ComputeHostNotFound")
	}
	return s.store.UpdateAggregate(ctx, id, func(ctx context.Context, a *Aggregate) error {
		if slices.Contains(a.Hosts, host) {
			return fault.Conflictf("Aggregate %d already has host %s.", id, host).WithType("AggregateHostExists")
		}
		if err := s.checkZone(ctx, id, host, a.Zone(), "add host to aggregate"); err != nil {
			return err
		}
		a.Hosts = append(a.Hosts, host)
		return nil
	})
}

// RemoveHost takes a host out of an aggregate.
func (s *Service) RemoveHost(ctx context.Context, id int64, host string) (*Aggregate, error) {
	return s.store.UpdateAggregate(ctx, id, func(_ context.Context, a *Aggregate) error {
		i := slices.Index(a.Hosts, host)
		if i < 0 {
			return fault.NotFoundf("Aggregate %d has no host %s.", id, host).WithType("AggregateHostNotFound")
		}
		a.Hosts = slices.Delete(a.Hosts, i, i+1)
		return nil
	})
}

// DeleteAggregate removes an empty one.
func (s *Service) DeleteAggregate(ctx context.Context, id int64) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		a, err := s.store.Aggregate(ctx, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return fault.Invalidf("Cannot delete aggregate %d. Reason: Host aggregate is not empty.", id).WithType("InvalidAggregateAction")
		}
		return s.store.DeleteAggregate(ctx, id)
	})
}
