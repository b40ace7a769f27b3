package quota

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"nubo/internal/db"
)

// limitRow is a row of quota_limits.
type limitRow struct {
	bun.BaseModel `bun:"table:quota_limits"`

	ProjectID string `bun:"project_id,pk"`
	Resource  string `bun:"resource,pk"`
	HardLimit int64  `bun:"hard_limit"`
}

type sqlStore struct{ d *db.DB }

// NewStore keeps limits in the table quota_limits of a component's database,
// in the transaction of the context if there is one.
func NewStore(d *db.DB) Store { return sqlStore{d} }

func (s sqlStore) Limits(ctx context.Context, project string) (map[string]int64, error) {
	var rows []limitRow
	if err := s.d.Query(ctx).NewSelect().Model(&rows).Where("project_id = ?", project).Scan(ctx); err != nil {
		return nil, err
	}
	limits := make(map[string]int64, len(rows))
	for _, r := range rows {
		limits[r.Resource] = r.HardLimit
	}
	return limits, nil
}

func (s sqlStore) SetLimits(ctx context.Context, project string, limits map[string]int64) error {
	if len(limits) == 0 {
		return nil
	}
	var rows []limitRow
	for resource, limit := range limits {
		rows = append(rows, limitRow{ProjectID: project, Resource: resource, HardLimit: limit})
	}
	_, err := s.d.Query(ctx).NewInsert().Model(&rows).
		On("CONFLICT (project_id, resource) DO UPDATE").Set("hard_limit = EXCLUDED.hard_limit").Exec(ctx)
	if err != nil {
		return fmt.Errorf("set limits of project %s: %w", project, err)
	}
	return nil
}

func (s sqlStore) DeleteLimits(ctx context.Context, project string) error {
	_, err := s.d.Query(ctx).NewDelete().Model((*limitRow)(nil)).Where("project_id = ?", project).Exec(ctx)
	if err != nil {
		return fmt.Errorf("delete limits of project %s: %w", project, err)
	}
	return nil
}
