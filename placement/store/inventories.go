package store

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/placement"
)

const inventoryColumns = "i.resource_class, i.total, i.reserved, i.min_unit, i.max_unit, i.step_size, i.allocation_ratio, i.used"

func inventoryDest(i *placement.Inventory) []any {
	return []any{&i.ResourceClass, &i.Total, &i.Reserved, &i.MinUnit, &i.MaxUnit, &i.StepSize, &i.AllocationRatio, &i.Used}
}

// Inventories implements placement.InventoryStore.
func (s *Store) Inventories(ctx context.Context, provider string) ([]placement.Inventory, error) {
	list := []placement.Inventory{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var i placement.Inventory
		err := rows.Scan(append(inventoryDest(&i), &i.UpdatedAt)...)
		list = append(list, i)
		return err
	}, "SELECT "+inventoryColumns+", i.updated_at FROM inventories AS i WHERE i.provider_uuid = ? ORDER BY i.resource_class", provider)
	return list, err
}

// PutInventory implements placement.InventoryStore.
func (s *Store) PutInventory(ctx context.Context, provider string, i placement.Inventory) error {
	_, err := s.exec(ctx, `INSERT INTO inventories VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
		ON CONFLICT (provider_uuid, resource_class) DO UPDATE SET total = excluded.total, reserved = excluded.reserved,
		min_unit = excluded.min_unit, max_unit = excluded.max_unit, step_size = excluded.step_size,
		allocation_ratio = excluded.allocation_ratio, capacity = excluded.capacity, updated_at = excluded.updated_at`,
		provider, i.ResourceClass, i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize, i.AllocationRatio, i.Capacity(), db.Micro(i.UpdatedAt))
	return err
}

// DeleteInventories implements placement.InventoryStore.
func (s *Store) DeleteInventories(ctx context.Context, provider string, classes []string) error {
	if len(classes) == 0 {
		return nil
	}
	_, err := s.exec(ctx, "DELETE FROM inventories WHERE provider_uuid = ? AND resource_class IN (?)", provider, bun.List(classes))
	return err
}
