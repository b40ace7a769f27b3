package store_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
	"nubo/placement"
	"nubo/placement/store"
)

// hosts makes n providers of three inventories and five traits each.
func hosts(t testing.TB, st *store.Store, n int) []string {
	t.Helper()
	var uuids []string
	testx.NoErr(t, st.InTx(t.Context(), func(ctx context.Context) error {
		for i := range n {
			p := placement.Provider{UUID: clock.NewID(), Name: fmt.Sprint("host", i)}
			p.RootUUID = p.UUID
			uuids = append(uuids, p.UUID)
			_, err := st.InsertProvider(ctx, &p)
			for _, class := range []string{"VCPU", "MEMORY_MB", "DISK_GB"} {
				if err == nil {
					err = st.PutInventory(ctx, p.UUID, placement.Inventory{ResourceClass: class, Total: 1 << 20, MinUnit: 1, MaxUnit: 1 << 20, StepSize: 1, AllocationRatio: 1})
				}
			}
			if err == nil {
				err = st.SetTraits(ctx, p.UUID, []string{"COMPUTE_NODE", "COMPUTE_ACCELERATORS", "HW_CPU_X86_AVX", "HW_CPU_X86_AVX2", "HW_CPU_X86_SSE42"})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	slices.Sort(uuids)
	return uuids
}

var want = placement.CandidateQuery{Nested: true, Groups: []placement.Group{{
	Resources: map[string]int64{"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 10},
	Filter:    placement.Filter{Required: [][]string{{"HW_CPU_X86_AVX2"}}, Forbidden: []string{"COMPUTE_STATUS_DISABLED"}},
}}}

// TestNodes shows that a search sees every change at once, also those that
// another process made.
func TestNodes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, store.Migrations, func(t *testing.T, d *db.DB) {
		st := store.New(d)
		mine, err := placement.New(placement.Config{}, placement.Deps{Store: st})
		testx.NoErr(t, err)
		other, err := placement.New(placement.Config{}, placement.Deps{Store: st})
		testx.NoErr(t, err)
		uuids := hosts(t, st, 3)
		found := func(what string, uuids ...string) {
			t.Helper()
			for _, svc := range []*placement.Service{mine, other} {
				got, err := svc.Candidates(t.Context(), want)
				testx.NoErr(t, err)
				var names []string
				for _, c := range got.Candidates {
					names = append(names, c.Allocations[0].Provider)
				}
				if !slices.Equal(names, uuids) {
					t.Fatalf("%s: got %v; want %v", what, names, uuids)
				}
			}
		}
		found("all", uuids...)
		claim := placement.Claim{Consumer: clock.NewID(), ProjectID: "p", UserID: "u", Allocations: []placement.Allocation{
			{Provider: uuids[0], ResourceClass: "VCPU", Amount: 1 << 20},
		}}
		testx.NoErr(t, other.Claim(t.Context(), claim))
		found("one is full", uuids[1:]...)
		testx.NoErr(t, mine.Release(t.Context(), claim.Consumer))
		found("free again", uuids...)
		_, err = other.SetTraits(t.Context(), uuids[1], nil, nil)
		testx.NoErr(t, err)
		found("one without the trait", uuids[0], uuids[2])
		testx.NoErr(t, other.DeleteInventories(t.Context(), uuids[2]))
		found("one without inventories", uuids[0])
		testx.NoErr(t, mine.DeleteProvider(t.Context(), uuids[0]))
		found("one deleted")
		_, err = other.CreateProvider(t.Context(), placement.Provider{UUID: uuids[0], Name: "again"})
		testx.NoErr(t, err)
		found("one made anew, without anything")
		parent := uuids[2]
		_, err = mine.UpdateProvider(t.Context(), uuids[1], placement.ProviderUpdate{Name: "moved", Parent: &parent})
		testx.NoErr(t, err)
		_, err = other.SetTraits(t.Context(), parent, nil, []string{"CUSTOM_NOPE"})
		if err == nil {
			t.Fatal("an unknown trait was set")
		}
		q := want
		q.Groups = []placement.Group{{Resources: map[string]int64{"VCPU": 1}, InTree: parent}}
		got, err := other.Candidates(t.Context(), q)
		testx.NoErr(t, err)
		testx.Equal(t, len(got.Candidates), 1)
		testx.Equal(t, len(got.Nodes), 2)
	})
}

// BenchmarkCandidates searches after somebody has claimed; the first search,
// which reads everything, is not counted.
func BenchmarkCandidates(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		for _, limit := range []int{0, 1000, 100} {
			b.Run(fmt.Sprintf("hosts=%d/limit=%d", n, limit), func(b *testing.B) {
				st := store.New(dbtest.Open(b, store.Migrations))
				svc, err := placement.New(placement.Config{}, placement.Deps{Store: st})
				testx.NoErr(b, err)
				uuids := hosts(b, st, n)
				q := want
				q.Limit = limit
				_, err = svc.Candidates(b.Context(), q)
				testx.NoErr(b, err)
				var took []time.Duration
				for b.Loop() {
					b.StopTimer()
					testx.NoErr(b, svc.Claim(b.Context(), placement.Claim{Consumer: clock.NewID(), ProjectID: "p", UserID: "u", Allocations: []placement.Allocation{
						{Provider: uuids[len(took)%n], ResourceClass: "VCPU", Amount: 2},
					}}))
					b.StartTimer()
					started := time.Now()
					_, err := svc.Candidates(b.Context(), q)
					testx.NoErr(b, err)
					took = append(took, time.Since(started))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			})
		}
	}
}
