package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"nubo/internal/db"
	"nubo/placement"
)

const consumerColumns = "c.uuid, c.generation, c.project_id, c.user_id, c.consumer_type, c.created_at, c.updated_at"

// Consumer implements placement.AllocationStore.
func (s *Store) Consumer(ctx context.Context, uuid string) (*placement.Consumer, []placement.Allocation, error) {
	consumers, allocations, err := s.allocations(ctx, "c.uuid = ?", uuid)
	if err != nil || len(consumers) == 0 {
		return nil, nil, err
	}
	return &consumers[0], allocations, nil
}

// ProviderAllocations implements placement.AllocationStore.
func (s *Store) ProviderAllocations(ctx context.Context, provider string) ([]placement.Consumer, []placement.Allocation, error) {
	return s.allocations(ctx, "a.provider_uuid = ?", provider)
}

// allocations reads consumers with their allocations. There is no consumer
// without any.
func (s *Store) allocations(ctx context.Context, condition, arg string) ([]placement.Consumer, []placement.Allocation, error) {
	var consumers []placement.Consumer
	var allocations []placement.Allocation
	err := s.query(ctx, func(rows *sql.Rows) error {
		var c placement.Consumer
		var a placement.Allocation
		err := rows.Scan(&c.UUID, &c.Generation, &c.ProjectID, &c.UserID, &c.Type, &c.CreatedAt, &c.UpdatedAt, &a.Provider, &a.ResourceClass, &a.Amount)
		if len(consumers) == 0 || consumers[len(consumers)-1].UUID != c.UUID {
			consumers = append(consumers, c)
		}
		a.Consumer = c.UUID
		allocations = append(allocations, a)
		return err
	}, "SELECT "+consumerColumns+", a.provider_uuid, a.resource_class, a.used FROM consumers AS c"+
		" JOIN allocations AS a ON a.consumer_uuid = c.uuid WHERE "+condition+" ORDER BY c.uuid, a.provider_uuid, a.resource_class", arg)
	return consumers, allocations, err
}

// SlotInventories implements placement.AllocationStore.
func (s *Store) SlotInventories(ctx context.Context, slots []placement.Slot) ([]placement.SlotInventory, error) {
	if len(slots) == 0 {
		return nil, nil
	}
	keys := make([]any, 0, 2*len(slots))
	for _, slot := range slots {
		keys = append(keys, slot.Provider, slot.ResourceClass)
	}
	var list []placement.SlotInventory
	err := s.query(ctx, func(rows *sql.Rows) error {
		var one placement.SlotInventory
		err := rows.Scan(append([]any{&one.Provider}, inventoryDest(&one.Inventory)...)...)
		one.Slot.ResourceClass = one.Inventory.ResourceClass
		list = append(list, one)
		return err
	}, "SELECT i.provider_uuid, "+inventoryColumns+" FROM inventories AS i WHERE (i.provider_uuid, i.resource_class) IN (VALUES "+
		strings.TrimSuffix(strings.Repeat("(?, ?), ", len(slots)), ", ")+")", keys...)
	return list, err
}

// AddUsed implements placement.AllocationStore.
func (s *Store) AddUsed(ctx context.Context, deltas []placement.SlotDelta, touched []string, by int64, now time.Time) error {
	if len(deltas) > 0 {
		args := make([]any, 0, 3*len(deltas))
		for _, d := range deltas {
			args = append(args, d.Provider, d.ResourceClass, d.Delta)
		}
		_, err := s.exec(ctx, "WITH d (provider_uuid, resource_class, delta) AS (VALUES "+
			strings.TrimSuffix(strings.Repeat("(?, ?, ?), ", len(deltas)), ", ")+")"+
			" UPDATE inventories SET used = used + d.delta FROM d"+
			" WHERE inventories.provider_uuid = d.provider_uuid AND inventories.resource_class = d.resource_class", args...)
		if err != nil {
			return err
		}
	}
	if len(touched) == 0 {
		return nil
	}
	_, err := s.exec(ctx, "UPDATE resource_providers SET version = version + 1, generation = generation + ?, updated_at = ? WHERE uuid IN (?)", by, db.Micro(now), bun.List(touched))
	return err
}

// PutConsumer implements placement.AllocationStore.
func (s *Store) PutConsumer(ctx context.Context, c placement.Consumer, had bool, allocations []placement.Allocation) error {
	var err error
	if had {
		if _, err = s.exec(ctx, "UPDATE consumers SET generation = ?, project_id = ?, user_id = ?, consumer_type = ?, updated_at = ? WHERE uuid = ?",
			c.Generation, c.ProjectID, c.UserID, c.Type, db.Micro(c.UpdatedAt), c.UUID); err != nil {
			return err
		}
		_, err = s.exec(ctx, "DELETE FROM allocations WHERE consumer_uuid = ?", c.UUID)
	} else {
		_, err = s.exec(ctx, "INSERT INTO consumers VALUES (?, ?, ?, ?, ?, ?, ?)",
			c.UUID, c.Generation, c.ProjectID, c.UserID, c.Type, db.Micro(c.CreatedAt), db.Micro(c.UpdatedAt))
	}
	if err != nil {
		return err
	}
	args := make([]any, 0, 4*len(allocations))
	for _, a := range allocations {
		args = append(args, c.UUID, a.Provider, a.ResourceClass, a.Amount)
	}
	_, err = s.exec(ctx, "INSERT INTO allocations VALUES "+
		strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(allocations)), ", "), args...)
	return err
}

// DeleteConsumer implements placement.AllocationStore.
func (s *Store) DeleteConsumer(ctx context.Context, uuid string) error {
	_, err := s.exec(ctx, "DELETE FROM consumers WHERE uuid = ?", uuid)
	return err
}

// ofUsage is the condition that a consumer c is counted.
func ofUsage(q placement.UsageQuery) *where {
	w := &where{}
	w.add("c.project_id = ?", q.ProjectID)
	if q.UserID != "" {
		w.add("c.user_id = ?", q.UserID)
	}
	if q.Type != nil {
		w.add("c.consumer_type = ?", *q.Type)
	}
	return w
}

// Usages implements placement.AllocationStore.
func (s *Store) Usages(ctx context.Context, q placement.UsageQuery) ([]placement.Usage, error) {
	w := ofUsage(q)
	var list []placement.Usage
	err := s.query(ctx, func(rows *sql.Rows) error {
		var u placement.Usage
		err := rows.Scan(&u.Type, &u.ResourceClass, &u.Amount)
		list = append(list, u)
		return err
	}, "SELECT c.consumer_type, a.resource_class, CAST(SUM(a.used) AS BIGINT) FROM consumers AS c JOIN allocations AS a ON a.consumer_uuid = c.uuid"+
		w.String()+" GROUP BY c.consumer_type, a.resource_class ORDER BY c.consumer_type, a.resource_class", w.args...)
	return list, err
}

// CountConsumers implements placement.AllocationStore.
func (s *Store) CountConsumers(ctx context.Context, q placement.UsageQuery) (map[string]int64, error) {
	w := ofUsage(q)
	counts := map[string]int64{}
	err := s.query(ctx, func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		counts[name] = n
		return err
	}, "SELECT c.consumer_type, COUNT(*) FROM consumers AS c"+w.String()+" GROUP BY c.consumer_type", w.args...)
	return counts, err
}
