package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/db"
	"nubo/internal/fault"
)

type aggregateRow struct {
	bun.BaseModel `bun:"table:aggregates,alias:aggregates"`

	ID        int64                  `bun:"id,pk"`
	UUID      string                 `bun:"uuid"`
	Name      string                 `bun:"name"`
	Metadata  doc[map[string]string] `bun:"metadata"`
	Hosts     doc[[]string]          `bun:"hosts"`
	CreatedAt time.Time              `bun:"created_at"`
	UpdatedAt *time.Time             `bun:"updated_at"`
}

func (r *aggregateRow) aggregate() *compute.Aggregate {
	a := &compute.Aggregate{
		ID: r.ID, UUID: r.UUID, Name: r.Name, Metadata: r.Metadata.V, Hosts: r.Hosts.V, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if a.Metadata == nil {
		a.Metadata = map[string]string{}
	}
	return a
}

func noAggregate(id int64) *fault.Error {
	return fault.NotFoundf("Aggregate %d could not be found.", id).WithType("AggregateNotFound")
}

func aggregateExists(name string) *fault.Error {
	return fault.Conflictf("Aggregate %s already exists.", name).WithType("AggregateNameExists")
}

// CreateAggregate implements compute.AggregateStore.
func (s *Store) CreateAggregate(ctx context.Context, a *compute.Aggregate) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		if a.ID, err = sequence(ctx, tx, "aggregates", 1); err != nil {
			return err
		}
		row := &aggregateRow{ID: a.ID, UUID: a.UUID, Name: a.Name, Metadata: docOf(a.Metadata), Hosts: docOf(a.Hosts), CreatedAt: db.Micro(a.CreatedAt)}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		if db.IsUnique(err) {
			return aggregateExists(a.Name)
		}
		return err
	})
}

// Aggregate implements compute.AggregateStore.
func (s *Store) Aggregate(ctx context.Context, id int64) (*compute.Aggregate, error) {
	var row aggregateRow
	if err := s.query(ctx).NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return nil, notFound(err, noAggregate(id))
	}
	return row.aggregate(), nil
}

// Aggregates implements compute.AggregateStore.
func (s *Store) Aggregates(ctx context.Context) ([]*compute.Aggregate, error) {
	var rows []*aggregateRow
	if err := s.query(ctx).NewSelect().Model(&rows).Order("id").Scan(ctx); err != nil {
		return nil, fmt.Errorf("list aggregates: %w", err)
	}
	aggregates := make([]*compute.Aggregate, len(rows))
	for i, r := range rows {
		aggregates[i] = r.aggregate()
	}
	return aggregates, nil
}

// UpdateAggregate implements compute.AggregateStore.
func (s *Store) UpdateAggregate(ctx context.Context, id int64, change func(context.Context, *compute.Aggregate) error) (*compute.Aggregate, error) {
	var a *compute.Aggregate
	err := s.tx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
		if a, err = s.Aggregate(ctx, id); err != nil {
			return err
		}
		if err := change(ctx, a); err != nil {
			return err
		}
		t := now()
		a.UpdatedAt = &t
		row := &aggregateRow{ID: id, Name: a.Name, Metadata: docOf(a.Metadata), Hosts: docOf(a.Hosts), UpdatedAt: &t}
		_, err = tx.NewUpdate().Model(row).Column("name", "metadata", "hosts", "updated_at").WherePK().Exec(ctx)
		if db.IsUnique(err) {
			return aggregateExists(a.Name)
		}
		return err
	})
	return a, err
}

// DeleteAggregate implements compute.AggregateStore.
func (s *Store) DeleteAggregate(ctx context.Context, id int64) error {
	res, err := s.query(ctx).NewDelete().Model((*aggregateRow)(nil)).Where("id = ?", id).Exec(ctx)
	return orMissing(res, err, noAggregate(id))
}
