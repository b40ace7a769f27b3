package volume

import (
	"context"
	"errors"

	"nubo/internal/fault"
	"nubo/internal/quota"
)

// checkQuota refuses, in Cinder's words, so many more volumes and gigabytes, or
// a volume of that size. It runs in the transaction that adds.
func (s *Volumes) checkQuota(ctx context.Context, project string, volumes, gigabytes, size int) error {
	limits, err := s.quotas.Limits(ctx, project)
	if err != nil {
		return err
	}
	if per := limits["per_volume_gigabytes"]; per >= 0 && int64(size) > per {
		return fault.New(fault.OverQuota, "VolumeSizeExceedsLimit: Requested volume size %d is larger than maximum allowed limit %d.", size, per)
	}
	err = s.quotas.Check(ctx, project, map[string]int64{"volumes": int64(volumes), "gigabytes": int64(gigabytes)})
	var over *quota.Exceeded
	if !errors.As(err, &over) {
		return err
	}
	if over.Resource == "volumes" {
		return fault.New(fault.OverQuota, "VolumeLimitExceeded: Maximum number of volumes allowed (%d) exceeded for quota 'volumes'.", over.Limit)
	}
	return fault.New(fault.OverQuota,
		"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.",
		over.Requested, over.Limit, over.Used)
}

// QuotaUse is a limit with what is used of it.
type QuotaUse struct{ Limit, Used int64 }

// Quotas gives a project's limits and use.
func (s *Volumes) Quotas(ctx context.Context, project string) (map[string]QuotaUse, error) {
	limits, err := s.quotas.Limits(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]QuotaUse{}
	for name, limit := range limits {
		used, err := s.store.Usage(ctx, project, name)
		if err != nil {
			return nil, err
		}
		out[name] = QuotaUse{limit, used}
	}
	return out, nil
}

// QuotaClass gives the limits of a class; those of quota.DefaultClass are the
// limits of a project that has none of its own.
func (s *Volumes) QuotaClass(ctx context.Context, class string) (map[string]int64, error) {
	return s.quotas.Class(ctx, class)
}

// SetQuotaClass changes some of a class's limits.
func (s *Volumes) SetQuotaClass(ctx context.Context, class string, limits map[string]int64) error {
	if err := s.checkLimits(limits); err != nil {
		return err
	}
	return s.store.QuotaClasses().SetLimits(ctx, class, limits)
}

// checkLimits refuses limits of what is not limited, or that are no limits.
func (s *Volumes) checkLimits(limits map[string]int64) error {
	for name, limit := range limits {
		if _, ok := s.quotas.Defaults[name]; !ok {
			return fault.Invalidf("Bad key(s) in quota set: %s", name)
		}
		if limit < quota.Unlimited {
			return fault.Invalidf("Quota limit must be -1 or greater.")
		}
	}
	return nil
}

// SetQuotas changes a project's limits.
func (s *Volumes) SetQuotas(ctx context.Context, project string, limits map[string]int64) error {
	if err := s.checkLimits(limits); err != nil {
		return err
	}
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.Quotas().SetLimits(ctx, project, limits) })
}

// ResetQuotas gives a project the default limits.
func (s *Volumes) ResetQuotas(ctx context.Context, project string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.Quotas().DeleteLimits(ctx, project) })
}
