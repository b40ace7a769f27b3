package compute

import (
	"context"
	"time"

	"nubo/internal/fault"
)

// QuotaUse is a limit and what is used of it.
type QuotaUse struct{ Limit, Used int64 }

// Quotas gives a project's limits and, if asked, what it uses.
func (s *Service) Quotas(ctx context.Context, project string, withUse bool) (map[string]QuotaUse, error) {
	limits, err := s.quotas.Limits(ctx, project)
	if err != nil {
		return nil, err
	}
	used := map[string]int64{}
	if withUse {
		if used, err = s.store.Used(ctx, project); err != nil {
			return nil, err
		}
		if used["server_groups"], err = s.store.CountServerGroups(ctx, project); err != nil {
			return nil, err
		}
	}
	out := make(map[string]QuotaUse, len(limits))
	for name, limit := range limits {
		out[name] = QuotaUse{Limit: limit, Used: used[name]}
	}
	return out, nil
}

// QuotaClass gives the limits of a class; those of quota.DefaultClass are the
// limits of a project without its own.
func (s *Service) QuotaClass(ctx context.Context, class string) (map[string]int64, error) {
	return s.quotas.Class(ctx, class)
}

// SetQuotaClass changes some of a class's limits.
func (s *Service) SetQuotaClass(ctx context.Context, class string, limits map[string]int64) error {
	return s.store.QuotaClasses().SetLimits(ctx, class, limits)
}

// SetQuotas changes some of a project's limits. Without force none goes
// below what is used.
func (s *Service) SetQuotas(ctx context.Context, project string, limits map[string]int64, force bool) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		if !force {
			now, err := s.Quotas(ctx, project, true)
			if err != nil {
				return err
			}
			for _, name := range sortedKeys(limits) {
				if limit, used := limits[name], now[name].Used; limit >= 0 && limit < used {
					return fault.Invalidf("Quota limit %d for %s must be greater than or equal to already used and reserved %d.", limit, name, used)
				}
			}
		}
		return s.store.Quotas().SetLimits(ctx, project, limits)
	})
}

// ResetQuotas puts a project back to the defaults.
func (s *Service) ResetQuotas(ctx context.Context, project string) error {
	return s.store.Quotas().DeleteLimits(ctx, project)
}

// ProjectUsage lists the servers of a project, or of all with "", that lived
// in a period.
func (s *Service) ProjectUsage(ctx context.Context, project string, start, end time.Time) ([]*Server, error) {
	return s.store.ProjectUsage(ctx, project, start, end)
}
