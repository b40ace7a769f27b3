package compute

import (
	"context"
	"slices"
	"time"

	"nubo/internal/db"
	"nubo/internal/fault"
)

// The binaries of compute services.
const (
	BinaryCompute   = "nova-compute"
	BinaryConductor = "nova-conductor"
	BinaryScheduler = "nova-scheduler"
)

// ComputeService is a process that reports itself: Nova's service record.
type ComputeService struct {
	ID             string // UUID
	Num            int64  // the id shown before microversion 2.53
	Host           string
	Binary         string
	Topic          string
	AZ             string // shown only; aggregates decide
	ReportCount    int64
	LastSeen       *time.Time
	Disabled       bool
	DisabledReason string
	ForcedDown     bool
	Version        int
	CreatedAt      time.Time
	UpdatedAt      *time.Time
}

// Up reports whether the service was heard of within the limit.
func (s *ComputeService) Up(now time.Time, limit time.Duration) bool {
	return !s.ForcedDown && s.LastSeen != nil && now.Sub(*s.LastSeen) <= limit
}

// Services lists the component's processes with their zones.
func (s *Service) Services(ctx context.Context, host, binary string) ([]*ComputeService, error) {
	services, err := s.store.Services(ctx, host, binary)
	if err != nil {
		return nil, err
	}
	return services, s.nameZones(ctx, services...)
}

// nameZones says which zone each service is in.
func (s *Service) nameZones(ctx context.Context, services ...*ComputeService) error {
	zones, err := s.hostZones(ctx)
	if err != nil {
		return err
	}
	for _, one := range services {
		switch zone := zones[one.Host]; {
		case one.Binary != BinaryCompute:
			one.AZ = s.cfg.Default.InternalServiceZone
		case zone != "":
			one.AZ = zone
		default:
			one.AZ = s.cfg.Default.DefaultAvailabilityZone
		}
	}
	return nil
}

// IsUp reports whether a service was heard of lately.
func (s *Service) IsUp(one *ComputeService) bool {
	return one.Up(s.clock.Now(), s.cfg.Default.ServiceDownTime)
}

// ServiceChange is what an admin says of a service; nil leaves a field.
type ServiceChange struct {
	Disabled   *bool
	Reason     *string
	ForcedDown *bool
}

// UpdateService changes a service by its id.
func (s *Service) UpdateService(ctx context.Context, id string, c ServiceChange) (*ComputeService, error) {
	one, err := s.store.UpdateService(ctx, id, func(one *ComputeService) error {
		if one.Binary != BinaryCompute {
			return fault.Invalidf("Updating a %s service is not supported. Only nova-compute services can be updated.", one.Binary)
		}
		if c.Disabled != nil {
			one.Disabled, one.DisabledReason = *c.Disabled, ""
			if *c.Disabled && c.Reason != nil {
				one.DisabledReason = *c.Reason
			}
		}
		if c.ForcedDown != nil {
			one.ForcedDown = *c.ForcedDown
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return one, s.nameZones(ctx, one)
}

// FindService gives the service of a host.
func (s *Service) FindService(ctx context.Context, host, binary string) (*ComputeService, error) {
	services, err := s.store.Services(ctx, host, binary)
	if err != nil {
		return nil, err
	}
	if len(services) == 0 || host == "" {
		return nil, fault.NotFoundf("Could not find binary %s on host %s.", binary, host).WithType("HostBinaryNotFound")
	}
	return services[0], nil
}

// DeleteService forgets a service. A compute host must be empty.
func (s *Service) DeleteService(ctx context.Context, id string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		one, err := s.store.Service(ctx, id)
		if err != nil {
			return err
		}
		if one.Binary == BinaryCompute {
			servers, err := s.store.Servers(ctx, ServerQuery{AllProjects: true, Host: one.Host, Page: db.Page{Limit: 1}})
			if err != nil {
				return err
			}
			if len(servers) > 0 {
				return fault.Conflictf("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
			}
			if err := s.leaveAggregates(ctx, one.Host); err != nil {
				return err
			}
		}
		return s.store.DeleteService(ctx, one.ID)
	})
}

// leaveAggregates takes a host out of all aggregates.
func (s *Service) leaveAggregates(ctx context.Context, host string) error {
	all, err := s.store.Aggregates(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if slices.Contains(a.Hosts, host) {
			if _, err := s.RemoveHost(ctx, a.ID, host); err != nil {
				return err
			}
		}
	}
	return nil
}
