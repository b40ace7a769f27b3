package agent_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"nubo/compute"
	"nubo/internal/testx"
)

// BenchmarkCreate measures a server from the create request, after its
// authentication, to ACTIVE: conductor, scheduler and agent over the broker
// in memory, SQLite on disk, other services in memory.
func BenchmarkCreate(b *testing.B) {
	for _, hostCount := range []int{1, 100} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("hosts=%d/clients=%d", hostCount, clients), func(b *testing.B) {
				names := make([]string, hostCount)
				for i := range names {
					names[i] = fmt.Sprintf("sim%d", i)
				}
				c := newCloud(b, hosts(names...), func(c *cloud) { c.size, c.interval = 100000, time.Hour })
				testx.NoErr(b, c.store.Quotas().SetLimits(c.ctx, project, map[string]int64{"instances": -1, "cores": -1, "ram": -1}))
				b.ResetTimer()
				work := make(chan struct{})
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for range work {
							c.await(c.create().ID, compute.Active)
						}
					})
				}
				for range b.N {
					work <- struct{}{}
				}
				close(work)
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "servers/s")
			})
		}
	}
}
