package bench

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"nubo/sdk/identity"
)

// BenchmarkLoginStorm is 200 sign-ins by password at once, and what they do
// to the 99th percentile of other requests.
func BenchmarkLoginStorm(b *testing.B) {
	c := start(b)
	client := c.client(5000, "/v3")
	probe := func(until func() bool) (p99 time.Duration) {
		var took []time.Duration
		for !until() {
			began := time.Now()
			if err := client.Get(context.Background(), "/projects", nil); err != nil {
				b.Error(err)
				return 0
			}
			took = append(took, time.Since(began))
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(took)
		return took[(len(took)-1)*99/100]
	}
	for b.Loop() {
		end := time.Now().Add(5 * time.Second)
		quiet := probe(func() bool { return time.Now().After(end) })
		var wg sync.WaitGroup
		done := make(chan struct{})
		for range 200 {
			wg.Go(func() {
				tokens := identity.PasswordTokens{
					AuthURL: c.tokens.AuthURL, Username: c.tokens.Username, Password: c.tokens.Password, Domain: c.tokens.Domain, Project: c.tokens.Project, HTTP: c.http,
				}
				if _, err := tokens.Token(context.Background()); err != nil {
					b.Error(err)
				}
			})
		}
		go func() { wg.Wait(); close(done) }()
		storm := probe(func() bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
		b.ReportMetric(float64(quiet.Microseconds())/1000, "quiet-p99-ms")
		b.ReportMetric(float64(storm.Microseconds())/1000, "storm-p99-ms")
	}
}
