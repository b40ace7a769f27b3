package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/placement"
	"nubo/placement/store"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// TestClaimers has 64 clients claim, change and release on the same hosts: no
// inventory is ever given away twice, and what is used stays the sum of the
// allocations.
func TestClaimers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		st := store.New(d)
		svc, err := placement.New(placement.Config{}, placement.Deps{Store: st})
		testx.NoErr(t, err)
		var hosts []string
		for i := range 3 {
			p, err := svc.CreateProvider(t.Context(), placement.Provider{Name: fmt.Sprint("host", i)})
			testx.NoErr(t, err)
			_, err = svc.SetInventories(t.Context(), p.UUID, 0, []placement.Inventory{
				{ResourceClass: "VCPU", Total: 10, MinUnit: 1, MaxUnit: 10, StepSize: 1, AllocationRatio: 2},
				{ResourceClass: "MEMORY_MB", Total: 4096, MinUnit: 1, MaxUnit: 4096, StepSize: 1, AllocationRatio: 1},
			}, true)
			testx.NoErr(t, err)
			hosts = append(hosts, p.UUID)
		}
		var wg sync.WaitGroup
		var granted, refused atomic.Int64
		for range 64 {
			wg.Go(func() {
				c := claimer{t, svc, clock.NewID(), nil}
				for range 5 {
					switch err := c.step(t.Context(), hosts); {
					case err == nil:
						granted.Add(1)
					case fault.Is(err, fault.Conflict):
						refused.Add(1)
					default:
						t.Errorf("claim: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if granted.Load() == 0 || refused.Load() == 0 {
			t.Fatalf("%d granted, %d refused: the test does not contend", granted.Load(), refused.Load())
		}
		for _, host := range hosts {
			_, inventories, err := svc.Inventories(t.Context(), host)
			testx.NoErr(t, err)
			_, _, allocations, err := svc.ProviderAllocations(t.Context(), host)
			testx.NoErr(t, err)
			sums := map[string]int64{}
			for _, a := range allocations {
				sums[a.ResourceClass] += a.Amount
			}
			for _, i := range inventories {
				if i.Used != sums[i.ResourceClass] || i.Used > i.Capacity() {
					t.Errorf("%s of %s: %d used, %d allocated, capacity %d", i.ResourceClass, host, i.Used, sums[i.ResourceClass], i.Capacity())
				}
			}
		}
	})
}

// claimer is one client with one consumer.
type claimer struct {
	t          *testing.T
	svc        *placement.Service
	consumer   string
	generation *int64
}

// step claims on a random host, moves there, or gives everything back.
func (c *claimer) step(ctx context.Context, hosts []string) error {
	host := hosts[rand.IntN(len(hosts))]
	claim := placement.Claim{
		Consumer: c.consumer, ProjectID: "p", UserID: "u", Type: "INSTANCE", Check: true, Generation: c.generation,
		Allocations: []placement.Allocation{
			{Provider: host, ResourceClass: "VCPU", Amount: 1 + rand.Int64N(4)}, {Provider: host, ResourceClass: "MEMORY_MB", Amount: 256},
		},
	}
	if c.generation != nil && rand.IntN(3) == 0 {
		claim.Allocations = nil
	}
	if err := c.svc.Claim(ctx, claim); err != nil {
		return err
	}
	now, _, _, err := c.svc.Consumer(ctx, c.consumer)
	c.generation = nil
	if now != nil {
		c.generation = &now.Generation
	}
	return err
}

// TestStaleGeneration has many writers of one provider's inventories: each
// generation is written once.
func TestStaleGeneration(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		svc, err := placement.New(placement.Config{}, placement.Deps{Store: store.New(d)})
		testx.NoErr(t, err)
		p, err := svc.CreateProvider(t.Context(), placement.Provider{Name: "host"})
		testx.NoErr(t, err)
		var wg sync.WaitGroup
		var won atomic.Int64
		for i := range 16 {
			wg.Go(func() {
				_, err := svc.SetInventories(t.Context(), p.UUID, 0, []placement.Inventory{
					{ResourceClass: "VCPU", Total: int64(i + 1), MinUnit: 1, MaxUnit: 1, StepSize: 1, AllocationRatio: 1},
				}, true)
				switch {
				case err == nil:
					won.Add(1)
				case !fault.Is(err, fault.Conflict):
					t.Errorf("set inventories: %v", err)
				}
			})
		}
		wg.Wait()
		testx.Equal(t, won.Load(), int64(1))
	})
}
