package store

import (
	"context"

	"github.com/uptrace/bun"
)

// CustomClasses implements placement.LabelStore.
func (s *Store) CustomClasses(ctx context.Context, names []string) ([]string, error) {
	if names == nil {
		return s.names(ctx, "SELECT name FROM resource_classes ORDER BY name")
	}
	return s.names(ctx, "SELECT name FROM resource_classes WHERE name IN (?)", bun.List(names))
}

// PutClass implements placement.LabelStore.
func (s *Store) PutClass(ctx context.Context, name string) (bool, error) {
	n, err := s.exec(ctx, "INSERT INTO resource_classes (name) VALUES (?) ON CONFLICT DO NOTHING", name)
	return n == 1, err
}

// RenameClass implements placement.LabelStore. Allocations refer to their
// inventory by its class, so that one in use is written anew under the name.
func (s *Store) RenameClass(ctx context.Context, name, to string) error {
	if name == to {
		return nil
	}
	for _, step := range []string{
		"UPDATE resource_classes SET name = ?1 WHERE name = ?0",
		`INSERT INTO inventories SELECT provider_uuid, ?1, total, reserved, min_unit, max_unit, step_size, allocation_ratio, capacity, used, updated_at
			FROM inventories WHERE resource_class = ?0`,
		"UPDATE resource_providers SET version = version + 1 WHERE uuid IN (SELECT provider_uuid FROM inventories WHERE resource_class = ?0)",
		"UPDATE allocations SET resource_class = ?1 WHERE resource_class = ?0",
		"DELETE FROM inventories WHERE resource_class = ?0",
	} {
		if _, err := s.exec(ctx, step, name, to); err != nil {
			return err
		}
	}
	return nil
}

// DeleteClass implements placement.LabelStore.
func (s *Store) DeleteClass(ctx context.Context, name string) error {
	_, err := s.exec(ctx, "DELETE FROM resource_classes WHERE name = ?", name)
	return err
}

// ClassInUse implements placement.LabelStore.
func (s *Store) ClassInUse(ctx context.Context, name string) (bool, error) {
	found, err := s.names(ctx, "SELECT resource_class FROM inventories WHERE resource_class = ? LIMIT 1", name)
	return len(found) > 0, err
}

// CustomTraits implements placement.LabelStore.
func (s *Store) CustomTraits(ctx context.Context, names []string) ([]string, error) {
	if names == nil {
		return s.names(ctx, "SELECT name FROM traits ORDER BY name")
	}
	return s.names(ctx, "SELECT name FROM traits WHERE name IN (?)", bun.List(names))
}

// PutTrait implements placement.LabelStore.
func (s *Store) PutTrait(ctx context.Context, name string) (bool, error) {
	n, err := s.exec(ctx, "INSERT INTO traits (name) VALUES (?) ON CONFLICT DO NOTHING", name)
	return n == 1, err
}

// DeleteTrait implements placement.LabelStore.
func (s *Store) DeleteTrait(ctx context.Context, name string) error {
	_, err := s.exec(ctx, "DELETE FROM traits WHERE name = ?", name)
	return err
}

// UsedTraits implements placement.LabelStore.
func (s *Store) UsedTraits(ctx context.Context) ([]string, error) {
	return s.names(ctx, "SELECT DISTINCT trait FROM provider_traits")
}

// Traits implements placement.LabelStore.
func (s *Store) Traits(ctx context.Context, provider string) ([]string, error) {
	return s.names(ctx, "SELECT trait FROM provider_traits WHERE provider_uuid = ? ORDER BY trait", provider)
}

// SetTraits implements placement.LabelStore.
func (s *Store) SetTraits(ctx context.Context, provider string, traits []string) error {
	return s.setLabels(ctx, "provider_traits", "trait", provider, traits)
}

// Aggregates implements placement.LabelStore.
func (s *Store) Aggregates(ctx context.Context, provider string) ([]string, error) {
	return s.names(ctx, "SELECT aggregate_uuid FROM provider_aggregates WHERE provider_uuid = ? ORDER BY aggregate_uuid", provider)
}

// SetAggregates implements placement.LabelStore.
func (s *Store) SetAggregates(ctx context.Context, provider string, aggregates []string) error {
	return s.setLabels(ctx, "provider_aggregates", "aggregate_uuid", provider, aggregates)
}

func (s *Store) setLabels(ctx context.Context, table, column, provider string, labels []string) error {
	if _, err := s.exec(ctx, "DELETE FROM ? WHERE provider_uuid = ?", bun.Ident(table), provider); err != nil || len(labels) == 0 {
		return err
	}
	rows := make([][]string, len(labels))
	for i, l := range labels {
		rows[i] = []string{provider, l}
	}
	_, err := s.exec(ctx, "INSERT INTO ? (provider_uuid, ?) VALUES ? ON CONFLICT DO NOTHING", bun.Ident(table), bun.Ident(column), bun.In(rows)) //nolint:staticcheck // neither of its successors makes rows of values
	return err
}
