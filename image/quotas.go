package image

import (
	"context"
	"fmt"

	"nubo/internal/fault"
)

// The resources that a project has limits of, under the names of their
// registered limits. Sizes are limited in MiB.
const (
	SizeTotal      = "image_size_total"
	StageTotal     = "image_stage_total"
	CountTotal     = "image_count_total"
	CountUploading = "image_count_uploading"
)

// QuotaResources are all of them.
var QuotaResources = []string{SizeTotal, StageTotal, CountTotal, CountUploading}

const mebibyte = 1 << 20

// limits are a project's. Identity may have to be asked: never call it inside
// a transaction.
func (s *Images) limits(ctx context.Context, project string) (map[string]int64, error) {
	if s.Limits != nil {
		limits, err := s.Limits(ctx, project)
		if err != nil {
			return nil, fault.Unavailablef("The project's limits cannot be read.").WithCause(err)
		}
		return limits, nil
	}
	return map[string]int64{
		SizeTotal: s.cfg.ImageSizeTotal, StageTotal: s.cfg.ImageStageTotal, CountTotal: s.cfg.ImageCountTotal, CountUploading: s.cfg.ImageCountUploading,
	}, nil
}

func unit(resource string) int64 {
	if resource == SizeTotal || resource == StageTotal {
		return mebibyte
	}
	return 1
}

// within fails if a project would have more than it may. It runs in the
// transaction that adds.
func (s *Images) within(ctx context.Context, limits map[string]int64, project, resource string, more int64) error {
	limit, ok := limits[resource]
	if !ok || limit < 0 {
		return nil
	}
	used, err := s.store.Usage(ctx, project, resource)
	if err != nil {
		return fmt.Errorf("count %s: %w", resource, err)
	}
	if most := limit * unit(resource); more > most-used {
		return fault.New(fault.OverQuota, "Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]",
			project, resource, limit, used/unit(resource), (more+unit(resource)-1)/unit(resource))
	}
	return nil
}

// room is how many bytes a project may still bring in: at most an image's
// size. Those that are announced, if it is known how many, have to fit.
func (s *Images) room(ctx context.Context, project, resource string, announced int64) (int64, error) {
	most := int64(s.cfg.ImageSizeCap)
	if announced > most {
		return 0, fault.New(fault.TooLarge, "The incoming image is too large: it is over %s.", s.cfg.ImageSizeCap)
	}
	limits, err := s.limits(ctx, project)
	if err != nil {
		return 0, err
	}
	limit, ok := limits[resource]
	if !ok || limit < 0 {
		return most, nil
	}
	used, err := s.store.Usage(ctx, project, resource)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", resource, err)
	}
	if err := s.within(ctx, limits, project, resource, max(announced, 1)); err != nil {
		return 0, err
	}
	return min(most, limit*mebibyte-used), nil
}

// Usage is what a project has, and may have, of one resource.
type Usage struct{ Limit, Usage int64 }

// Usages tells it of all.
func (s *Images) Usages(ctx context.Context, project string) (map[string]Usage, error) {
	limits, err := s.limits(ctx, project)
	if err != nil {
		return nil, err
	}
	out := map[string]Usage{}
	for _, r := range QuotaResources {
		used, err := s.store.Usage(ctx, project, r)
		if err != nil {
			return nil, err
		}
		limit, ok := limits[r]
		if !ok {
			limit = -1
		}
		out[r] = Usage{limit, used / unit(r)}
	}
	return out, nil
}
