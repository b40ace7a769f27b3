package bench

import (
	"context"
	"io"
	"testing"
	"time"
)

// BenchmarkServerBoot is one server after the other, from the request until
// the API shows it ACTIVE.
func BenchmarkServerBoot(b *testing.B) {
	c := start(b)
	ctx := context.Background()
	for b.Loop() {
		id, err := c.createServer(ctx, 1)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.await(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	c.clear(b)
}

// BenchmarkServerBurst is 500 servers asked for with concurrency 16, until
// all are ACTIVE. One iteration is the whole burst.
func BenchmarkServerBurst(b *testing.B) {
	c := start(b)
	ctx := context.Background()
	const servers = 500
	var made int
	var err error
	var posting, booting, busy time.Duration
	for b.Loop() {
		began, before := time.Now(), c.cpu(b)
		parallel(16, servers, func(int) {
			if _, err := c.createServer(ctx, 1); err != nil {
				b.Error(err)
			}
		})
		posting += time.Since(began)
		// Asked for those that are being built, a list that gets short, the
		// cloud has little to do but build.
		for n := -1; n != 0; {
			time.Sleep(2 * time.Millisecond)
			if n, err = c.count(ctx, "BUILD"); err != nil {
				b.Fatal(err)
			}
		}
		booting += time.Since(began)
		busy += c.cpu(b) - before
		made += servers
		if n, err := c.count(ctx, "ACTIVE"); err != nil || n != servers {
			b.Fatalf("%d servers are ACTIVE, %v", n, err)
		}
		b.StopTimer()
		c.clear(b)
		b.StartTimer()
	}
	b.ReportMetric(float64(made)/booting.Seconds(), "servers/s")
	b.ReportMetric(float64(made)/posting.Seconds(), "POST/s")
	b.ReportMetric(busy.Seconds()*1000/float64(made), "cpu-ms/server")
}

// BenchmarkServerList is GET /servers/detail with 1,000 servers.
func BenchmarkServerList(b *testing.B) {
	c := start(b)
	ctx := context.Background()
	for range 10 {
		if _, err := c.createServer(ctx, 100); err != nil {
			b.Fatal(err)
		}
	}
	for n := 0; n < 1000; {
		var err error
		if n, err = c.count(ctx, "ACTIVE"); err != nil {
			b.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	for b.Loop() {
		resp, err := c.client(8774, "/v2.1").Send(ctx, "GET", "/servers/detail?limit=1000", nil)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || n < 500000 {
			b.Fatalf("%d bytes, %v", n, err)
		}
		resp.Body.Close() //nolint:errcheck // read to its end
	}
	b.StopTimer()
	b.Logf("with 1,000 servers: %s RSS", c.rss())
	c.clear(b)
}
