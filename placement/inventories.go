package placement

import (
	"context"
	"math"
	"time"

	"nubo/internal/fault"
)

// MaxInt bounds all amounts, as the original's columns do.
const MaxInt = math.MaxInt32

// Inventory is how much of a class a provider has, and how much of it is
// given away.
type Inventory struct {
	ResourceClass   string
	Total           int64
	Reserved        int64
	MinUnit         int64
	MaxUnit         int64
	StepSize        int64
	AllocationRatio float64
	Used            int64
	UpdatedAt       time.Time
}

// Capacity is how much may be given away.
func (i *Inventory) Capacity() int64 {
	c := float64(i.Total-i.Reserved) * i.AllocationRatio
	return int64(min(max(c, 0), math.MaxInt64/4))
}

// Accepts reports whether a single allocation may have this amount.
func (i *Inventory) Accepts(amount int64) bool {
	return amount >= i.MinUnit && amount <= i.MaxUnit && amount%i.StepSize == 0
}

// InventoryStore keeps inventories.
type InventoryStore interface {
	// Inventories gives a provider's, in the order of the classes.
	Inventories(ctx context.Context, provider string) ([]Inventory, error)
	// PutInventory writes all but Used.
	PutInventory(ctx context.Context, provider string, i Inventory) error
	DeleteInventories(ctx context.Context, provider string, classes []string) error
}

// Inventories shows a provider with all it has.
func (s *Service) Inventories(ctx context.Context, uuid string) (*Provider, []Inventory, error) {
	p, err := s.store.Provider(ctx, uuid)
	if err != nil {
		return nil, nil, err
	}
	list, err := s.store.Inventories(ctx, uuid)
	return p, list, err
}

// SetInventories makes the provider have exactly these. fullReserve allows
// one to be reserved whole.
func (s *Service) SetInventories(ctx context.Context, uuid string, generation int64, want []Inventory, fullReserve bool) (*Provider, error) {
	return s.edit(ctx, uuid, &generation, func(ctx context.Context, p *Provider) error {
		now, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		wanted := map[string]bool{}
		for _, i := range want {
			wanted[i.ResourceClass] = true
			if err := s.putInventory(ctx, p, i, false, fullReserve); err != nil {
				return err
			}
		}
		var gone, used []string
		for _, i := range now {
			if !wanted[i.ResourceClass] {
				gone = append(gone, i.ResourceClass)
				if i.Used > 0 {
					used = append(used, i.ResourceClass)
				}
			}
		}
		if len(used) > 0 {
			return conflict(codeInventoryInUse, "update conflict: %s", inUse(uuid, used))
		}
		return s.store.DeleteInventories(ctx, uuid, gone)
	})
}

// putInventory checks and writes one.
func (s *Service) putInventory(ctx context.Context, p *Provider, i Inventory, isNew, fullReserve bool) error {
	if err := s.knownClasses(ctx, map[string]int64{i.ResourceClass: 1}); err != nil {
		return fault.Invalidf("Unknown resource class in inventory for resource provider %s: No such resource class %s.", p.UUID, i.ResourceClass)
	}
	limit, action := "greater than total", "update"
	if !fullReserve {
		limit = "greater than or equal to total"
	}
	if isNew {
		action = "create"
	}
	if i.Reserved > i.Total || i.Reserved == i.Total && !fullReserve {
		return fault.Invalidf("Unable to %s inventory for resource provider %s: Invalid inventory for '%s' on resource provider '%s'. The reserved value is %s.",
			action, p.UUID, i.ResourceClass, p.UUID, limit)
	}
	i.UpdatedAt = s.clock.Now()
	return s.store.PutInventory(ctx, p.UUID, i)
}

// SetInventory replaces what the provider has of one class it already has.
func (s *Service) SetInventory(ctx context.Context, uuid string, generation int64, i Inventory, fullReserve bool) (*Provider, error) {
	return s.edit(ctx, uuid, &generation, func(ctx context.Context, p *Provider) error {
		now, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		if findInventory(now, i.ResourceClass) == nil {
			return fault.Invalidf("No inventory record with resource class for resource provider %s: No inventory of class %s found.", uuid, i.ResourceClass)
		}
		return s.putInventory(ctx, p, i, false, fullReserve)
	})
}

// AddInventory gives the provider a class it does not have.
func (s *Service) AddInventory(ctx context.Context, uuid string, i Inventory, fullReserve bool) (*Provider, error) {
	return s.edit(ctx, uuid, nil, func(ctx context.Context, p *Provider) error {
		now, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		if findInventory(now, i.ResourceClass) != nil {
			return conflict(codeConcurrentUpdate, "Update conflict: the provider has an inventory of class %s already.", i.ResourceClass)
		}
		return s.putInventory(ctx, p, i, true, fullReserve)
	})
}

// DeleteInventory takes one class away that nobody uses.
func (s *Service) DeleteInventory(ctx context.Context, uuid, class string) error {
	_, err := s.edit(ctx, uuid, nil, func(ctx context.Context, _ *Provider) error {
		now, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		i := findInventory(now, class)
		if i == nil {
			return fault.NotFoundf("No inventory of class %s found for delete: No inventory of class %s found for delete", class, class)
		}
		if i.Used > 0 {
			return conflict(codeConcurrentUpdate, "Unable to delete inventory of class %s: %s", class, inUse(uuid, []string{class}))
		}
		return s.store.DeleteInventories(ctx, uuid, []string{class})
	})
	return err
}

// DeleteInventories takes everything away from a provider that nobody uses.
func (s *Service) DeleteInventories(ctx context.Context, uuid string) error {
	_, err := s.edit(ctx, uuid, nil, func(ctx context.Context, _ *Provider) error {
		now, err := s.store.Inventories(ctx, uuid)
		if err != nil {
			return err
		}
		var all, used []string
		for _, i := range now {
			all = append(all, i.ResourceClass)
			if i.Used > 0 {
				used = append(used, i.ResourceClass)
			}
		}
		if len(used) > 0 {
			return conflict(codeInventoryInUse, "%s", inUse(uuid, used))
		}
		return s.store.DeleteInventories(ctx, uuid, all)
	})
	return err
}

func findInventory(list []Inventory, class string) *Inventory {
	for n := range list {
		if list[n].ResourceClass == class {
			return &list[n]
		}
	}
	return nil
}
