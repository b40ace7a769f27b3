package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/placement"
)

const providerColumns = "p.uuid, p.name, p.generation, p.parent_uuid, p.root_uuid, p.created_at, p.updated_at"

func scanProvider(rows *sql.Rows) (p placement.Provider, err error) {
	err = rows.Scan(&p.UUID, &p.Name, &p.Generation, &p.ParentUUID, &p.RootUUID, &p.CreatedAt, &p.UpdatedAt)
	return p, err
}

// Provider implements placement.ProviderStore.
func (s *Store) Provider(ctx context.Context, uuid string) (*placement.Provider, error) {
	var found *placement.Provider
	err := s.query(ctx, func(rows *sql.Rows) error {
		p, err := scanProvider(rows)
		found = &p
		return err
	}, "SELECT "+providerColumns+" FROM resource_providers AS p WHERE p.uuid = ?", uuid)
	if err == nil && found == nil {
		err = placement.ProviderNotFound(uuid)
	}
	return found, err
}

// where collects conditions.
type where struct {
	parts []string
	args  []any
}

func (w *where) add(condition string, args ...any) {
	w.parts = append(w.parts, condition)
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

// filter adds what a provider must and must not have; uuid is its column.
func (w *where) filter(uuid string, f placement.Filter) {
	trait := " EXISTS (SELECT 1 FROM provider_traits AS t WHERE t.provider_uuid = " + uuid + " AND t.trait IN (?))"
	aggregate := " EXISTS (SELECT 1 FROM provider_aggregates AS a WHERE a.provider_uuid = " + uuid + " AND a.aggregate_uuid IN (?))"
	for _, set := range f.Required {
		w.add(trait, bun.List(set))
	}
	if len(f.Forbidden) > 0 {
		w.add("NOT"+trait, bun.List(f.Forbidden))
	}
	for _, set := range f.MemberOf {
		w.add(aggregate, bun.List(set))
	}
	if len(f.ForbiddenAggs) > 0 {
		w.add("NOT"+aggregate, bun.List(f.ForbiddenAggs))
	}
}

// fits is the condition that an inventory i has an amount left.
const fits = "(i.resource_class = ? AND i.capacity - i.used >= ? AND i.min_unit <= ? AND i.max_unit >= ? AND ? % i.step_size = 0)"

func fitArgs(class string, amount int64) []any { return []any{class, amount, amount, amount, amount} }

// Providers implements placement.ProviderStore.
func (s *Store) Providers(ctx context.Context, q placement.ProviderQuery) ([]placement.Provider, error) {
	var w where
	if q.UUID != "" {
		w.add("p.uuid = ?", q.UUID)
	}
	if q.Name != "" {
		w.add("p.name = ?", q.Name)
	}
	if q.InTree != "" {
		w.add("p.root_uuid = (SELECT root_uuid FROM resource_providers WHERE uuid = ?)", q.InTree)
	}
	for _, class := range slices.Sorted(maps.Keys(q.Fits)) {
		w.add("EXISTS (SELECT 1 FROM inventories AS i WHERE i.provider_uuid = p.uuid AND "+fits+")", fitArgs(class, q.Fits[class])...)
	}
	w.filter("p.uuid", q.Filter)
	list := []placement.Provider{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		p, err := scanProvider(rows)
		list = append(list, p)
		return err
	}, "SELECT "+providerColumns+" FROM resource_providers AS p"+w.String()+" ORDER BY p.uuid", w.args...)
	return list, err
}

// InsertProvider implements placement.ProviderStore. The version begins with
// the time, so that a provider made anew under a uuid has a higher one than
// the old.
func (s *Store) InsertProvider(ctx context.Context, p *placement.Provider) (string, error) {
	if taken, err := s.taken(ctx, p, true); taken != "" || err != nil {
		return taken, err
	}
	_, err := s.exec(ctx, "INSERT INTO resource_providers (uuid, name, generation, parent_uuid, root_uuid, created_at, updated_at, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		p.UUID, p.Name, p.Generation, p.ParentUUID, p.RootUUID, db.Micro(p.CreatedAt), db.Micro(p.UpdatedAt), db.NextSeq())
	return "", err
}

// taken says what of a provider another one has already. It is asked in the
// transaction that writes, hence still true when that commits.
func (s *Store) taken(ctx context.Context, p *placement.Provider, isNew bool) (string, error) {
	var parts []string
	err := s.query(ctx, func(rows *sql.Rows) error {
		var uuid, name string
		err := rows.Scan(&uuid, &name)
		if uuid == p.UUID && isNew {
			parts = append(parts, "uuid: "+p.UUID)
		}
		if name == p.Name && (uuid != p.UUID || isNew) {
			parts = append(parts, "name: "+p.Name)
		}
		return err
	}, "SELECT uuid, name FROM resource_providers WHERE uuid = ? OR name = ?", p.UUID, p.Name)
	return strings.Join(parts, ", "), err
}

// UpdateProvider implements placement.ProviderStore.
func (s *Store) UpdateProvider(ctx context.Context, p *placement.Provider) (string, error) {
	if taken, err := s.taken(ctx, p, false); taken != "" || err != nil {
		return taken, err
	}
	_, err := s.exec(ctx, "UPDATE resource_providers SET version = version + 1, name = ?, parent_uuid = ?, root_uuid = ?, updated_at = ? WHERE uuid = ?",
		p.Name, p.ParentUUID, p.RootUUID, db.Micro(p.UpdatedAt), p.UUID)
	return "", err
}

// DeleteProvider implements placement.ProviderStore.
func (s *Store) DeleteProvider(ctx context.Context, uuid string) error {
	_, err := s.exec(ctx, "DELETE FROM resource_providers WHERE uuid = ?", uuid)
	return err
}

// Bump implements placement.ProviderStore.
func (s *Store) Bump(ctx context.Context, uuid string, generation int64, now time.Time) error {
	n, err := s.exec(ctx, "UPDATE resource_providers SET version = version + 1, generation = generation + 1, updated_at = ? WHERE uuid = ? AND generation = ?",
		db.Micro(now), uuid, generation)
	if err == nil && n == 0 {
		return placement.GenerationConflict()
	}
	return err
}
