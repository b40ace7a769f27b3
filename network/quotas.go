package network

import (
	"context"
	"maps"
	"slices"
)

// QuotaResources are what quotas limit.
var QuotaResources = []string{"floatingip", "network", "port", "router", "security_group", "security_group_rule", "subnet"}

// QuotaDetail is a limit with what is used of it.
type QuotaDetail struct{ Limit, Used int64 }

// Quota gives a project's limits.
func (s *Service) Quota(ctx context.Context, project string) (map[string]int64, error) {
	return s.quotas.Limits(ctx, project)
}

// DefaultQuota gives the limits of projects without limits of their own.
func (s *Service) DefaultQuota() map[string]int64 { return maps.Clone(s.quotas.Defaults) }

// QuotaDetails gives a project's limits and usage.
func (s *Service) QuotaDetails(ctx context.Context, project string) (map[string]QuotaDetail, error) {
	limits, err := s.Quota(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]QuotaDetail{}
	for resource, limit := range limits {
		used, err := s.store.Count(ctx, project, resource)
		if err != nil {
			return nil, err
		}
		out[resource] = QuotaDetail{Limit: limit, Used: used}
	}
	return out, nil
}

// SetQuota changes some of a project's limits and gives all.
func (s *Service) SetQuota(ctx context.Context, project string, limits map[string]int64) (map[string]int64, error) {
	if err := s.quotas.Store.SetLimits(ctx, project, limits); err != nil {
		return nil, err
	}
	return s.Quota(ctx, project)
}

// ResetQuota puts a project back to the default limits.
func (s *Service) ResetQuota(ctx context.Context, project string) error {
	return s.quotas.Store.DeleteLimits(ctx, project)
}

// Quotas gives the limits of the projects that have limits of their own.
func (s *Service) Quotas(ctx context.Context) (map[string]map[string]int64, error) {
	projects, err := s.store.QuotaProjects(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	for _, p := range slices.Sorted(slices.Values(projects)) {
		if out[p], err = s.Quota(ctx, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}
