package quota

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"nubo/internal/db"
)

// sqlStore is a table of limits: whose they are, of what, and how much.
type sqlStore struct {
	d     *db.DB
	table bun.Ident
	owner bun.Ident // the column of whose they are
}

// NewStore keeps the limits of projects in the table quota_limits of a
// component's database, in the transaction of the context if there is one.
func NewStore(d *db.DB) Store { return sqlStore{d, "quota_limits", "project_id"} }

// NewClasses keeps those of quota classes, in the table quota_classes.
func NewClasses(d *db.DB) Store { return sqlStore{d, "quota_classes", "class_name"} }

func (s sqlStore) Limits(ctx context.Context, of string) (map[string]int64, error) {
	var rows []struct {
		Resource  string
		HardLimit int64
	}
	err := s.d.Query(ctx).NewRaw("SELECT resource, hard_limit FROM ? WHERE ? = ?", s.table, s.owner, of).Scan(ctx, &rows)
	if err != nil {
		return nil, err
	}
	limits := make(map[string]int64, len(rows))
	for _, r := range rows {
		limits[r.Resource] = r.HardLimit
	}
	return limits, nil
}

func (s sqlStore) SetLimits(ctx context.Context, of string, limits map[string]int64) error {
	return s.d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for resource, limit := range limits {
			_, err := tx.NewRaw(`INSERT INTO ? (?, resource, hard_limit) VALUES (?, ?, ?)
				ON CONFLICT (?, resource) DO UPDATE SET hard_limit = EXCLUDED.hard_limit`,
				s.table, s.owner, of, resource, limit, s.owner).Exec(ctx)
			if err != nil {
				return fmt.Errorf("set limit of %s of %s: %w", resource, of, err)
			}
		}
		return nil
	})
}

func (s sqlStore) DeleteLimits(ctx context.Context, of string) error {
	if _, err := s.d.Query(ctx).NewRaw("DELETE FROM ? WHERE ? = ?", s.table, s.owner, of).Exec(ctx); err != nil {
		return fmt.Errorf("delete limits of %s: %w", of, err)
	}
	return nil
}
