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

type flavorRow struct {
	bun.BaseModel `bun:"table:flavors,alias:flavors"`

	ID          string                 `bun:"id,pk"`
	Name        string                 `bun:"name"`
	Description string                 `bun:"description"`
	VCPUs       int                    `bun:"vcpus"`
	MemoryMB    int                    `bun:"memory_mb"`
	RootGB      int                    `bun:"root_gb"`
	EphemeralGB int                    `bun:"ephemeral_gb"`
	SwapMB      int                    `bun:"swap_mb"`
	RxtxFactor  float64                `bun:"rxtx_factor"`
	Public      bool                   `bun:"is_public"`
	Disabled    bool                   `bun:"disabled"`
	ExtraSpecs  doc[map[string]string] `bun:"extra_specs"`
	CreatedAt   time.Time              `bun:"created_at"`
	UpdatedAt   *time.Time             `bun:"updated_at"`
}

func (r *flavorRow) flavor() *compute.Flavor {
	return &compute.Flavor{
		ID: r.ID, Name: r.Name, Description: r.Description, VCPUs: r.VCPUs, MemoryMB: r.MemoryMB, RootGB: r.RootGB,
		EphemeralGB: r.EphemeralGB, SwapMB: r.SwapMB, RxtxFactor: r.RxtxFactor, Public: r.Public, Disabled: r.Disabled,
		ExtraSpecs: r.ExtraSpecs.V, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

type accessRow struct {
	bun.BaseModel `bun:"table:flavor_access,alias:flavor_access"`

	FlavorID  string `bun:"flavor_id,pk"`
	ProjectID string `bun:"project_id,pk"`
}

func noFlavor(id string) *fault.Error {
	return fault.NotFoundf("Flavor %s could not be found.", id).WithType("FlavorNotFound")
}

// CreateFlavor implements compute.FlavorStore.
func (s *Store) CreateFlavor(ctx context.Context, f *compute.Flavor, projects []string) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var ids []string
		err := tx.NewSelect().Table("flavors").Column("id").Where("id = ? OR name = ?", f.ID, f.Name).Scan(ctx, &ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if id == f.ID {
				return fault.Conflictf("Flavor with ID %s already exists.", f.ID)
			}
		}
		if len(ids) > 0 {
			return fault.Conflictf("Flavor with name %s already exists.", f.Name)
		}
		row := &flavorRow{
			ID: f.ID, Name: f.Name, Description: f.Description, VCPUs: f.VCPUs, MemoryMB: f.MemoryMB, RootGB: f.RootGB,
			EphemeralGB: f.EphemeralGB, SwapMB: f.SwapMB, RxtxFactor: f.RxtxFactor, Public: f.Public, Disabled: f.Disabled,
			ExtraSpecs: docOf(f.ExtraSpecs), CreatedAt: db.Micro(f.CreatedAt),
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return fmt.Errorf("insert flavor %s: %w", f.ID, err)
		}
		for _, p := range projects {
			if _, err := tx.NewInsert().Model(&accessRow{FlavorID: f.ID, ProjectID: p}).Exec(ctx); err != nil {
				return fmt.Errorf("grant flavor %s: %w", f.ID, err)
			}
		}
		return nil
	})
}

// Flavor implements compute.FlavorStore.
func (s *Store) Flavor(ctx context.Context, id string) (*compute.Flavor, error) {
	var row flavorRow
	if err := s.query(ctx).NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return nil, notFound(err, noFlavor(id))
	}
	return row.flavor(), nil
}

// Flavors implements compute.FlavorStore.
func (s *Store) Flavors(ctx context.Context, f compute.FlavorQuery) ([]*compute.Flavor, error) {
	d := s.query(ctx)
	var rows []*flavorRow
	visible := func(q *bun.SelectQuery) *bun.SelectQuery {
		if f.ProjectID != "" {
			q = q.Where("(is_public OR id IN (SELECT flavor_id FROM flavor_access WHERE project_id = ?))", f.ProjectID)
		}
		return q
	}
	q := visible(d.NewSelect().Model(&rows)).Where("memory_mb >= ?", f.MinRAM).Where("root_gb >= ?", f.MinDisk)
	if f.Public != nil {
		q = q.Where("is_public = ?", *f.Public)
	}
	q, err := f.Page.Apply(ctx, q, d, db.Keyset{Table: "flavors", Scope: visible})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list flavors: %w", err)
	}
	flavors := make([]*compute.Flavor, len(rows))
	for i, r := range rows {
		flavors[i] = r.flavor()
	}
	return flavors, nil
}

// SetFlavorDescription implements compute.FlavorStore.
func (s *Store) SetFlavorDescription(ctx context.Context, id, description string) error {
	res, err := s.query(ctx).NewUpdate().Model((*flavorRow)(nil)).Set("description = ?", description).Set("updated_at = ?", now()).
		Where("id = ?", id).Exec(ctx)
	return orMissing(res, err, noFlavor(id))
}

// DeleteFlavor implements compute.FlavorStore.
func (s *Store) DeleteFlavor(ctx context.Context, id string) error {
	res, err := s.query(ctx).NewDelete().Model((*flavorRow)(nil)).Where("id = ?", id).Exec(ctx)
	return orMissing(res, err, noFlavor(id))
}

// SetExtraSpecs implements compute.FlavorStore.
func (s *Store) SetExtraSpecs(ctx context.Context, id string, change func(map[string]string) error) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		var row flavorRow
		if err := tx.NewSelect().Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
			return notFound(err, noFlavor(id))
		}
		if row.ExtraSpecs.V == nil {
			row.ExtraSpecs.V = map[string]string{}
		}
		if err := change(row.ExtraSpecs.V); err != nil {
			return err
		}
		t := now()
		row.UpdatedAt = &t
		_, err := tx.NewUpdate().Model(&row).Column("extra_specs", "updated_at").WherePK().Exec(ctx)
		return err
	})
}

// FlavorAccess implements compute.FlavorStore.
func (s *Store) FlavorAccess(ctx context.Context, id string) ([]string, error) {
	var projects []string
	err := s.query(ctx).NewSelect().Table("flavor_access").Column("project_id").Where("flavor_id = ?", id).Order("project_id").Scan(ctx, &projects)
	return projects, err
}

// FlavorGranted implements compute.FlavorStore: whether a private flavor is
// granted to a project.
func (s *Store) FlavorGranted(ctx context.Context, id, project string) (bool, error) {
	return s.query(ctx).NewSelect().Table("flavor_access").Where("flavor_id = ?", id).Where("project_id = ?", project).Exists(ctx)
}

// GrantFlavor implements compute.FlavorStore.
func (s *Store) GrantFlavor(ctx context.Context, id, project string) error {
	_, err := s.query(ctx).NewInsert().Model(&accessRow{FlavorID: id, ProjectID: project}).Exec(ctx)
	if db.IsUnique(err) {
		return fault.Conflictf("Flavor access already exists for flavor %s and project %s combination.", id, project)
	}
	return err
}

// RevokeFlavor implements compute.FlavorStore.
func (s *Store) RevokeFlavor(ctx context.Context, id, project string) error {
	res, err := s.query(ctx).NewDelete().Model((*accessRow)(nil)).Where("flavor_id = ?", id).Where("project_id = ?", project).Exec(ctx)
	return orMissing(res, err, fault.NotFoundf("Flavor access not found for %s / %s combination.", id, project))
}
