package app

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
	"nubo/test/faults"
)

// TestModulesStopped stops and starts each module while users are at work on
// the cloud. When all run again everything that was acknowledged has
// happened, once, and nothing is left that belongs to nobody.
// NUBO_FAULT_ROUNDS is how many modules are stopped; each comes in turn.
func TestModulesStopped(t *testing.T) {
	for key, value := range faults.Environment() {
		t.Setenv(key, value)
	}
	t.Setenv("NUBO_COMPUTE_HOSTS", "3")
	rounds := max(20, len(allModules))
	if text := os.Getenv("NUBO_FAULT_ROUNDS"); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		testx.NoErr(t, err)
	}
	b := testCloud(t, "")
	cloud := faults.Open(func(port int) string { return b.c.set.url(port, "") }, b.c.sec.AdminPassword, b.c.set.def.DataDir)
	defer cloud.Close()
	testx.NoErr(t, cloud.Prepare(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	load := faults.Start(ctx, cloud, 6)
	defer load.Wait()
	defer stop()
	order := rand.Perm(len(allModules))
	for round := range rounds {
		name := allModules[order[round%len(order)]]
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond))
		testx.NoErr(t, b.c.manager.Stop(t.Context(), name))
		time.Sleep(rand.N(time.Second)) // users go on without it
		testx.NoErr(t, b.c.manager.Start(name))
		load.Pause()
		began := time.Now()
		limit, cancel := context.WithTimeout(t.Context(), faults.Settled)
		err := b.c.manager.Ready(limit)
		cancel()
		bad := load.Settle(t.Context(), faults.Settled)
		t.Logf("%s: settled after %v", name, time.Since(began).Round(time.Millisecond))
		failed, lookErr := load.Errors(t.Context())
		load.Resume()
		testx.NoErr(t, err)
		if bad != nil {
			t.Fatalf("after a stop of %s:\n%s\nthe log:\n%s", name, strings.Join(bad, "\n"), b.log.take())
		}
		testx.NoErr(t, lookErr)
		if failed != nil {
			t.Logf("servers in error:\n%s", strings.Join(failed, "\n"))
		}
	}
	stop()
	load.Wait()
	if bad := load.Clear(t.Context(), faults.Settled); bad != nil {
		t.Fatalf("left over:\n%s\nthe log:\n%s", strings.Join(bad, "\n"), b.log.take())
	}
	t.Logf("answers: %v", load.Counts())
}
