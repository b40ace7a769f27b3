package agent_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"nubo/internal/auth"
	"nubo/internal/testx"
	"nubo/network"
	"nubo/network/agent"
	"nubo/network/driver/simulated"
)

// BenchmarkPlug creates ports bound to one of many simulated hosts, all on
// one network and in one security group whose members admit each other, and
// waits until all are ACTIVE.
func BenchmarkPlug(b *testing.B) {
	for _, hosts := range []int{1, 100} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) { benchmarkPlug(b, hosts) })
	}
}

func benchmarkPlug(b *testing.B, hosts int) {
	c := newCloud(b)
	for i := range hosts {
		a, err := agent.New(agent.Config{
			Host: fmt.Sprint("host", i), Zone: "nova", ReportInterval: 10 * time.Second, ResyncInterval: time.Hour, RefreshInterval: time.Second, Parallel: 8,
		}, agent.Deps{Bus: c.bus, Driver: simulated.New(simulated.Config{})})
		testx.NoErr(b, err)
		c.run(a)
	}
	ctx := member(b.Context(), "p1")
	n, _ := c.network(ctx, "10.0.0.0/12")
	_, err := c.SetQuota(ctx, "p1", map[string]int64{"port": -1})
	testx.NoErr(b, err)
	var made atomic.Int64
	b.ResetTimer()
	var g errgroup.Group
	g.SetLimit(16)
	for range b.N {
		g.Go(func() error {
			_, err := c.CreatePorts(ctx, []network.PortCreate{{Port: network.Port{
				NetworkID: n.ID, AdminStateUp: true, HostID: fmt.Sprint("host", int(made.Add(1))%hosts), DeviceID: "srv", DeviceOwner: "compute:nova",
			}}})
			return err
		})
	}
	testx.NoErr(b, g.Wait())
	created := b.Elapsed()
	testx.Eventually(b, "all ports are up", func() bool { return down(b.Context(), c) == 0 })
	b.ReportMetric(float64(b.N)/created.Seconds(), "created/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "active/s")
}

// down counts the ports that are not ACTIVE yet.
func down(ctx context.Context, c *cloud) int {
	ports, err := c.Ports(auth.Admin(ctx), network.Where("status", network.StatusDown))
	if err != nil {
		return -1
	}
	return len(ports)
}
