package placement

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"nubo/internal/fault"
)

// Consumer is who has allocations: a server.
type Consumer struct {
	UUID       string
	Generation int64
	ProjectID  string
	UserID     string
	Type       string // "" where nobody said
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Allocation is how much of one class of one provider a consumer has.
type Allocation struct {
	Consumer      string
	Provider      string
	ResourceClass string
	Amount        int64
}

// Claim is what a consumer is to have: exactly Allocations, nothing else.
type Claim struct {
	Consumer    string
	ProjectID   string
	UserID      string
	Type        string
	Allocations []Allocation // Consumer is not looked at

	// Check compares Generation with the consumer's; nil is one that has
	// nothing yet.
	Check      bool
	Generation *int64
}

// Slot names one inventory.
type Slot struct{ Provider, ResourceClass string }

// SlotDelta changes what is used of an inventory.
type SlotDelta struct {
	Slot
	Delta int64
}

// SlotInventory is an inventory and where it is.
type SlotInventory struct {
	Slot
	Inventory
}

// AllocationStore keeps consumers and their allocations.
type AllocationStore interface {
	// Consumer gives one with its allocations; nil if it has none.
	Consumer(ctx context.Context, uuid string) (*Consumer, []Allocation, error)
	ProviderAllocations(ctx context.Context, provider string) ([]Consumer, []Allocation, error)
	// SlotInventories gives those of the inventories that exist.
	SlotInventories(ctx context.Context, slots []Slot) ([]SlotInventory, error)
	// AddUsed changes what is used, and raises by so much the generation of
	// every provider touched, which are those of deltas and maybe more.
	AddUsed(ctx context.Context, deltas []SlotDelta, touched []string, by int64, now time.Time) error
	// PutConsumer writes the consumer and replaces its allocations. had says
	// whether there was one before.
	PutConsumer(ctx context.Context, c Consumer, had bool, allocations []Allocation) error
	DeleteConsumer(ctx context.Context, uuid string) error
	// Usages sums up what a project's consumers have.
	Usages(ctx context.Context, q UsageQuery) ([]Usage, error)
	// CountConsumers counts them by type.
	CountConsumers(ctx context.Context, q UsageQuery) (map[string]int64, error)
}

// Consumer shows what a consumer has; nil and nothing for one unknown.
func (s *Service) Consumer(ctx context.Context, uuid string) (*Consumer, []Allocation, map[string]int64, error) {
	c, allocations, err := s.store.Consumer(ctx, uuid)
	if err != nil || c == nil {
		return nil, nil, nil, err
	}
	generations := map[string]int64{}
	for _, a := range allocations {
		if _, known := generations[a.Provider]; known {
			continue
		}
		p, err := s.store.Provider(ctx, a.Provider)
		if err != nil {
			return nil, nil, nil, err
		}
		generations[a.Provider] = p.Generation
	}
	return c, allocations, generations, nil
}

// ProviderAllocations shows who has what of a provider.
func (s *Service) ProviderAllocations(ctx context.Context, uuid string) (*Provider, []Consumer, []Allocation, error) {
	p, err := s.store.Provider(ctx, uuid)
	if err != nil {
		return nil, nil, nil, err
	}
	consumers, allocations, err := s.store.ProviderAllocations(ctx, uuid)
	return p, consumers, allocations, err
}

// Claim makes all consumers have exactly what their claims say, or changes
// nothing. The transaction sees what every other claim before it has taken,
// so that no inventory is ever given away twice.
func (s *Service) Claim(ctx context.Context, claims ...Claim) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		change := newChange()
		before := make([]*Consumer, len(claims))
		for i := range claims {
			var err error
			if before[i], err = s.compare(ctx, &claims[i], change); err != nil {
				return err
			}
		}
		if err := s.checkCapacity(ctx, claims, change); err != nil {
			return err
		}
		for i := range claims {
			if err := s.replace(ctx, &claims[i], before[i]); err != nil {
				return err
			}
		}
		return s.store.AddUsed(ctx, change.deltas(), change.providers, 1, s.clock.Now())
	})
}

// change collects what claims do to the inventories.
type change struct {
	used      map[Slot]int64 // by how much
	providers []string       // whose generation changes
}

func newChange() *change { return &change{used: map[Slot]int64{}} }

func (c *change) add(a Allocation, amount int64) {
	c.used[Slot{a.Provider, a.ResourceClass}] += amount
	if !slices.Contains(c.providers, a.Provider) {
		c.providers = append(c.providers, a.Provider)
	}
}

// deltas are in a fixed order, in which all transactions take their rows.
func (c *change) deltas() []SlotDelta {
	var out []SlotDelta
	for slot, delta := range c.used {
		if delta != 0 {
			out = append(out, SlotDelta{slot, delta})
		}
	}
	slices.SortFunc(out, func(a, b SlotDelta) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.ResourceClass, b.ResourceClass))
	})
	return out
}

// compare notes what a claim changes of the use of inventories, and gives the
// consumer as it is before; nil if it has nothing.
func (s *Service) compare(ctx context.Context, c *Claim, change *change) (*Consumer, error) {
	now, had, err := s.store.Consumer(ctx, c.Consumer)
	if err != nil {
		return nil, err
	}
	if err := c.checkGeneration(now); err != nil {
		return nil, err
	}
	for _, a := range had {
		change.add(a, -a.Amount)
	}
	for _, a := range c.Allocations {
		change.add(a, a.Amount)
	}
	return now, nil
}

// replace writes the consumer with its new allocations.
func (s *Service) replace(ctx context.Context, c *Claim, before *Consumer) error {
	if len(c.Allocations) == 0 {
		if before == nil {
			return nil
		}
		return s.store.DeleteConsumer(ctx, c.Consumer)
	}
	at := s.clock.Now()
	next := Consumer{UUID: c.Consumer, Generation: 1, ProjectID: c.ProjectID, UserID: c.UserID, Type: c.Type, CreatedAt: at, UpdatedAt: at}
	if before != nil {
		next.Generation, next.CreatedAt = before.Generation+1, before.CreatedAt
		if next.Type == "" {
			next.Type = before.Type
		}
	}
	return s.store.PutConsumer(ctx, next, before != nil, c.Allocations)
}

func (c *Claim) checkGeneration(now *Consumer) error {
	switch {
	case !c.Check:
	case now == nil && c.Generation != nil:
		return conflict(codeConcurrentUpdate, "consumer generation conflict - expected null but got %d", *c.Generation)
	case now != nil && c.Generation == nil:
		return conflict(codeConcurrentUpdate, "consumer generation conflict - expected %d but got None", now.Generation)
	case now != nil && now.Generation != *c.Generation:
		return conflict(codeConcurrentUpdate, "consumer generation conflict - expected %d but got %d", now.Generation, *c.Generation)
	}
	return nil
}

// checkCapacity refuses what the inventories do not have. Where a provider is
// over its capacity, because its inventory shrank, a change may only lessen
// what is used.
func (s *Service) checkCapacity(ctx context.Context, claims []Claim, change *change) error {
	var slots []Slot
	for slot := range change.used {
		slots = append(slots, slot)
	}
	rows, err := s.store.SlotInventories(ctx, slots)
	if err != nil {
		return err
	}
	inventories := make(map[Slot]*Inventory, len(rows))
	for i := range rows {
		inventories[rows[i].Slot] = &rows[i].Inventory
	}
	for _, c := range claims {
		for _, a := range c.Allocations {
			slot := Slot{a.Provider, a.ResourceClass}
			inventory := inventories[slot]
			if inventory == nil {
				return s.noInventory(ctx, c.Consumer, slot)
			}
			if !inventory.Accepts(a.Amount) {
				return refused(slot, "would violate inventory constraints.")
			}
			if delta := change.used[slot]; delta > 0 && inventory.Used+delta > inventory.Capacity() {
				return refused(slot, "would exceed the capacity.")
			}
		}
	}
	return nil
}

func refused(slot Slot, why string) error {
	return fault.Conflictf("Unable to allocate inventory: Unable to create allocation for '%s' on resource provider '%s'. The requested amount %s",
		slot.ResourceClass, slot.Provider, why)
}

// noInventory says what is wrong with a claim on an inventory that is not
// there.
func (s *Service) noInventory(ctx context.Context, consumer string, slot Slot) error {
	_, err := s.store.Provider(ctx, slot.Provider)
	if fault.Is(err, fault.NotFound) {
		return fault.Invalidf("Allocation for resource provider '%s' that does not exist.", slot.Provider)
	}
	if err != nil {
		return err
	}
	if s.Class(ctx, slot.ResourceClass) != nil {
		return fault.Invalidf("Unable to allocate inventory for consumer %s: No such resource class %s.", consumer, slot.ResourceClass)
	}
	return fault.Conflictf("Unable to allocate inventory: Inventory for '%s' on resource provider '%s' invalid.", slot.ResourceClass, slot.Provider)
}

// Release takes everything from a consumer. As in the original, that leaves
// the providers' generations as they are.
func (s *Service) Release(ctx context.Context, consumer string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error {
		c, had, err := s.store.Consumer(ctx, consumer)
		if err != nil {
			return err
		}
		if c == nil {
			return fault.NotFoundf("No allocations for consumer '%s'", consumer)
		}
		change := newChange()
		for _, a := range had {
			change.add(a, -a.Amount)
		}
		if err := s.store.DeleteConsumer(ctx, consumer); err != nil {
			return err
		}
		return s.store.AddUsed(ctx, change.deltas(), change.providers, 0, s.clock.Now())
	})
}
