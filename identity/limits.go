package identity

import (
	"context"

	"nubo/internal/clock"
	"nubo/internal/fault"
)

// RegisteredLimit is how much of a resource of a service everyone may use
// who has no limit of his own.
type RegisteredLimit struct {
	ID           string
	ServiceID    string
	RegionID     string
	ResourceName string
	DefaultLimit int64
	Description  string
}

// Limit is how much a project or a domain may use instead.
type Limit struct {
	ID                string
	RegisteredLimitID string
	ProjectID         string
	DomainID          string
	ServiceID         string
	RegionID          string
	ResourceName      string
	ResourceLimit     int64
	Description       string
}

// CreateRegisteredLimits makes all of them or none.
func (s *Identity) CreateRegisteredLimits(ctx context.Context, list []RegisteredLimit) error {
	return s.change(ctx, func(ctx context.Context) error {
		for i := range list {
			list[i].ID = clock.NewHexID()
			if err := s.catalogPlace(ctx, list[i].ServiceID, list[i].RegionID); err != nil {
				return err
			}
			if err := s.store.RegisteredLimits().Create(ctx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// catalogPlace checks that a service and, if one is named, a region exist.
func (s *Identity) catalogPlace(ctx context.Context, serviceID, regionID string) error {
	if _, err := s.store.Services().Get(ctx, serviceID); err != nil {
		return invalid(err, "Could not find service: %s.", serviceID)
	}
	if regionID == "" {
		return nil
	}
	_, err := s.store.Regions().Get(ctx, regionID)
	return invalid(err, "Could not find region: %s.", regionID)
}

// invalid turns an absent thing that a body refers to into a bad request.
func invalid(err error, format string, args ...any) error {
	if fault.Is(err, fault.NotFound) {
		return fault.Invalidf(format, args...)
	}
	return err
}

// UpdateRegisteredLimit changes one. What it is about stays while limits
// refer to it.
func (s *Identity) UpdateRegisteredLimit(ctx context.Context, id string, apply func(*RegisteredLimit)) (*RegisteredLimit, error) {
	return update(ctx, s, s.store.RegisteredLimits(), id, func(ctx context.Context, l *RegisteredLimit) error {
		old := *l
		apply(l)
		if old.ServiceID == l.ServiceID && old.RegionID == l.RegionID && old.ResourceName == l.ResourceName {
			return nil
		}
		if err := s.unusedLimit(ctx, id, "update"); err != nil {
			return err
		}
		return s.catalogPlace(ctx, l.ServiceID, l.RegionID)
	})
}

func (s *Identity) unusedLimit(ctx context.Context, id, verb string) error {
	used, err := s.store.Limits().Find(ctx, equal("registered_limit_id", id))
	if err == nil && used != nil {
		err = fault.Forbiddenf("Unable to %s registered limit %s because there are project limits associated with it.", verb, id)
	}
	return err
}

// DeleteRegisteredLimit removes one that no limit refers to.
func (s *Identity) DeleteRegisteredLimit(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error {
		if err := s.unusedLimit(ctx, id, "delete"); err != nil {
			return err
		}
		return s.store.RegisteredLimits().Delete(ctx, id)
	})
}

// CreateLimits makes all of them or none; each needs a registered limit of
// the same resource.
func (s *Identity) CreateLimits(ctx context.Context, list []Limit) error {
	return s.change(ctx, func(ctx context.Context) error {
		for i := range list {
			l := &list[i]
			l.ID = clock.NewHexID()
			if l.ProjectID == "" == (l.DomainID == "") {
				return fault.Invalidf("Invalid input for field 'project_id': exactly one of project_id and domain_id is required.")
			}
			owner := l.ProjectID + l.DomainID
			p, err := s.store.Projects().Get(ctx, owner)
			if err != nil {
				return invalid(err, "Could not find project: %s.", owner)
			}
			if p.IsDomain != (l.DomainID != "") {
				return fault.Invalidf("Could not find %s: %s.", map[bool]string{true: "project", false: "domain"}[p.IsDomain], owner)
			}
			reg, err := s.store.RegisteredLimits().Find(ctx, equal("service_id", l.ServiceID), equal("region_id", l.RegionID), equal("resource_name", l.ResourceName))
			if err != nil {
				return err
			}
			if reg == nil {
				return fault.Forbiddenf("Unable to create a limit that has no corresponding registered limit.")
			}
			l.RegisteredLimitID = reg.ID
			if err := s.store.Limits().Create(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// UpdateLimit changes a limit's size and description.
func (s *Identity) UpdateLimit(ctx context.Context, id string, apply func(*Limit)) (*Limit, error) {
	return update(ctx, s, s.store.Limits(), id, func(_ context.Context, l *Limit) error { apply(l); return nil })
}

// DeleteLimit lets the registered limit apply again.
func (s *Identity) DeleteLimit(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context) error { return s.store.Limits().Delete(ctx, id) })
}
