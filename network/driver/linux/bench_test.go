package linux

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/testx"
	"nubo/network/driver"
)

// BenchmarkPlug plugs ports into a host that has some hundred already: one at
// a time, and sixteen at a time. It needs root.
func BenchmarkPlug(b *testing.B) {
	if !inside() {
		b.Skip("NOT RUN: needs root")
	}
	s, err := ensureNamed("bench")
	testx.NoErr(b, err)
	defer deleteNamed("bench")
	defer s.close()
	var d *Driver
	testx.NoErr(b, s.do(func() (err error) {
		d, err = New(Config{StateDir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
		return err
	}))
	defer d.Close()
	ctx := context.Background()
	testx.NoErr(b, d.Setup(ctx))
	n := driver.Network{ID: clock.NewID(), Type: driver.TypeLocal, MTU: 1450}
	testx.NoErr(b, d.ApplyNetwork(ctx, n))
	next := 0
	plug := func() driver.Port {
		next++
		return newPort(n.ID, rules(ingress("icmp", -1), ingress("tcp", 22)), "10.0."+strconv.Itoa(next/250)+"."+strconv.Itoa(next%250+1))
	}
	for range 200 {
		testx.NoErr(b, d.ApplyPort(ctx, plug()))
	}
	for _, width := range []int{1, 16} {
		b.Run(strconv.Itoa(width), func(b *testing.B) {
			ports := make(chan driver.Port, b.N)
			for range b.N {
				ports <- plug()
			}
			close(ports)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range width {
				wg.Go(func() {
					for p := range ports {
						if err := d.ApplyPort(ctx, p); err != nil {
							b.Error(err)
						}
						if err := d.RemovePort(ctx, p.ID); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
