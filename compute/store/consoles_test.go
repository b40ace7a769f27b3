package store_test

import (
	"context"
	"testing"
	"time"

	"nubo/compute"
	"nubo/compute/store"
	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

func TestConsoleTokens(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		now := time.Now()
		one := &compute.ConsoleToken{
			Hash: "h1", ServerID: "s1", Type: compute.ConsoleSerial, Expires: db.Micro(now.Add(time.Minute)),
			ConsoleAddress: compute.ConsoleAddress{Host: "h", Port: 1, InternalAccessPath: "/p"},
		}
		testx.NoErr(t, s.SaveConsoleToken(ctx, now, one))
		got, err := s.ConsoleToken(ctx, now, "h1")
		testx.NoErr(t, err)
		testx.Equal(t, got, one)
		gone := func(at time.Time, hash string) {
			t.Helper()
			_, err := s.ConsoleToken(ctx, at, hash)
			testx.Equal(t, fault.Is(err, fault.NotFound), true)
		}
		gone(now, "h2")
		gone(one.Expires, "h1")

		later := *one
		later.Hash, later.Expires = "h2", one.Expires.Add(time.Minute)
		testx.NoErr(t, s.SaveConsoleToken(ctx, one.Expires, &later)) // forgets the first
		gone(now, "h1")
		_, err = s.ConsoleToken(ctx, now, "h2")
		testx.NoErr(t, err)
	})
}
