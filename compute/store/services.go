package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type serviceRow struct {
	bun.BaseModel `bun:"table:services,alias:services"`

	ID             string     `bun:"id,pk"`
	Num            int64      `bun:"num"`
	Host           string     `bun:"host"`
	Binary         string     `bun:"binary_name"`
	Topic          string     `bun:"topic"`
	ReportCount    int64      `bun:"report_count"`
	LastSeen       *time.Time `bun:"last_seen"`
	Disabled       bool       `bun:"disabled"`
	DisabledReason string     `bun:"disabled_reason"`
	ForcedDown     bool       `bun:"forced_down"`
	Version        int        `bun:"version"`
	CreatedAt      time.Time  `bun:"created_at"`
	UpdatedAt      *time.Time `bun:"updated_at"`
}

func (r *serviceRow) service() *compute.ComputeService {
	return &compute.ComputeService{
		ID: r.ID, Num: r.Num, Host: r.Host, Binary: r.Binary, Topic: r.Topic, ReportCount: r.ReportCount, LastSeen: r.LastSeen,
		Disabled: r.Disabled, DisabledReason: r.DisabledReason, ForcedDown: r.ForcedDown, Version: r.Version,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func noService(id string) *fault.Error {
	return fault.NotFoundf("Service %s could not be found.", id).WithType("ServiceNotFound")
}

// Heartbeat implements compute.ServiceStore.
func (s *Store) Heartbeat(ctx context.Context, at time.Time, reports []compute.ServiceReport) error {
	at = db.Micro(at)
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var rows []*serviceRow
		if err := tx.NewSelect().Model(&rows).Scan(ctx); err != nil {
			return fmt.Errorf("list services: %w", err)
		}
		type key struct{ host, binary string }
		known := make(map[key]*serviceRow, len(rows))
		for _, r := range rows {
			known[key{r.Host, r.Binary}] = r
		}
		var ids []string
		var fresh []*serviceRow
		for _, r := range reports {
			k := key{r.Host, r.Binary}
			if row := known[k]; row != nil {
				ids = append(ids, row.ID)
				continue
			}
			row := &serviceRow{
				ID: clock.NewID(), Host: r.Host, Binary: r.Binary, Topic: r.Topic, ReportCount: 1, LastSeen: &at, Version: r.Version, CreatedAt: at,
			}
			known[k] = row
			fresh = append(fresh, row)
		}
		if len(ids) > 0 {
			_, err := tx.NewUpdate().Model((*serviceRow)(nil)).Set("report_count = report_count + 1").Set("last_seen = ?", at).
				Where("id IN (?)", bun.List(ids)).Exec(ctx)
			if err != nil {
				return fmt.Errorf("count heartbeats: %w", err)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		first, err := sequence(ctx, tx, "services", int64(len(fresh)))
		if err != nil {
			return err
		}
		for i, r := range fresh {
			r.Num = first + int64(i)
		}
		if _, err := tx.NewInsert().Model(&fresh).Exec(ctx); err != nil {
			return fmt.Errorf("insert services: %w", err)
		}
		return nil
	})
}

// Services implements compute.ServiceStore.
func (s *Store) Services(ctx context.Context, host, binary string) ([]*compute.ComputeService, error) {
	var rows []*serviceRow
	q := s.query(ctx).NewSelect().Model(&rows).Order("num")
	if host != "" {
		q = q.Where("host = ?", host)
	}
	if binary != "" {
		q = q.Where("binary_name = ?", binary)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	services := make([]*compute.ComputeService, len(rows))
	for i, r := range rows {
		services[i] = r.service()
	}
	return services, nil
}

// byEither finds a row by its UUID, or by the number shown in its stead
// before microversion 2.53.
func byEither(q *bun.SelectQuery, id string) *bun.SelectQuery {
	if num, err := strconv.ParseInt(id, 10, 64); err == nil {
		return q.Where("num = ?", num)
	}
	return q.Where("id = ?", id)
}

// Service implements compute.ServiceStore.
func (s *Store) Service(ctx context.Context, id string) (*compute.ComputeService, error) {
	var row serviceRow
	if err := byEither(s.query(ctx).NewSelect().Model(&row), id).Scan(ctx); err != nil {
		return nil, notFound(err, noService(id))
	}
	return row.service(), nil
}

// UpdateService implements compute.ServiceStore.
func (s *Store) UpdateService(ctx context.Context, id string, change func(*compute.ComputeService) error) (*compute.ComputeService, error) {
	var found *compute.ComputeService
	err := s.tx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		if found, err = s.Service(ctx, id); err != nil {
			return err
		}
		if err := change(found); err != nil {
			return err
		}
		t := now()
		found.UpdatedAt = &t
		row := &serviceRow{ID: found.ID, Disabled: found.Disabled, DisabledReason: found.DisabledReason, ForcedDown: found.ForcedDown, UpdatedAt: &t}
		_, err = tx.NewUpdate().Model(row).Column("disabled", "disabled_reason", "forced_down", "updated_at").WherePK().Exec(ctx)
		return err
	})
	return found, err
}

// DeleteService implements compute.ServiceStore. A compute host's nodes and
// its places in aggregates go with it.
func (s *Store) DeleteService(ctx context.Context, id string) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		found, err := s.Service(ctx, id)
		if err != nil {
			return err
		}
		if found.Binary == compute.BinaryCompute {
			if _, err := tx.NewDelete().Model((*nodeRow)(nil)).Where("host = ?", found.Host).Exec(ctx); err != nil {
				return fmt.Errorf("delete nodes of %s: %w", found.Host, err)
			}
		}
		_, err = tx.NewDelete().Model((*serviceRow)(nil)).Where("id = ?", found.ID).Exec(ctx)
		return err
	})
}
