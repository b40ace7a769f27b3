package rpc

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"nubo/broker"
	"nubo/internal/auth"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// benchBuses gives a client's and a server's bus to each broker.
func benchBuses(b *testing.B, bench func(b *testing.B, client, server *Bus)) {
	open := func(b *testing.B, cfg Config) *Bus {
		cfg.Log = slog.New(slog.DiscardHandler)
		bus := Open(cfg)
		b.Cleanup(func() { bus.Close(context.Background()) })
		return bus
	}
	b.Run("nubo", func(b *testing.B) {
		br := broker.New(broker.Config{})
		b.Cleanup(func() { br.Shutdown(context.Background()) })
		e := &env{t: b, dial: br.Dial}
		bench(b, open(b, Config{Dial: e.connect}), open(b, Config{Dial: e.connect}))
	})
	b.Run("rabbitmq", func(b *testing.B) {
		cfg := Config{URLs: []string{rabbittest.Start(b)}}
		bench(b, open(b, cfg), open(b, cfg))
	})
}

func benchContext() context.Context {
	return auth.With(context.Background(), &auth.Context{UserID: "u", ProjectID: "p", RequestID: "req-1", Roles: []string{"member", "reader"},
		Token: "gAAAAABn"})
}

// BenchmarkCall is the round trip of one caller, and the rate of 64.
func BenchmarkCall(b *testing.B) {
	benchBuses(b, func(b *testing.B, client, server *Bus) {
		tg := target()
		serve(b, server, Server{Target: tg, Methods: map[string]Handler{"add": Method(add)}})
		c, ctx := client.Client(tg), benchContext()
		call := func() {
			var sum int
			if err := c.Call(ctx, "add", addArgs{2, 3}, &sum); err != nil || sum != 5 {
				b.Error(sum, err)
			}
		}
		call()
		b.Run("one", func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				call()
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
		})
		b.Run("64", func(b *testing.B) {
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call()
				}
			})
		})
	})
}

// BenchmarkCast counts casts until they have run: one at a time sent and
// confirmed, by 64 senders, and in batches of 100 as an outbox sends them.
func BenchmarkCast(b *testing.B) {
	benchBuses(b, func(b *testing.B, client, server *Bus) {
		tg := target()
		var ran atomic.Int64
		serve(b, server, one(tg, func(context.Context, idArgs) (any, error) { ran.Add(1); return nil, nil }))
		c, ctx := client.Client(tg), benchContext()
		measure := func(name string, batch int, run func(b *testing.B)) {
			b.Run(name, func(b *testing.B) {
				ran.Store(0)
				b.ReportAllocs()
				run(b)
				for ran.Load() < int64(b.N*batch) {
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		cast := func(b *testing.B) {
			if err := c.Cast(ctx, "run", idArgs{1}); err != nil {
				b.Error(err)
			}
		}
		measure("one", 1, func(b *testing.B) {
			for range b.N {
				cast(b)
			}
		})
		measure("64", 1, func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					cast(b)
				}
			})
		})
		measure("batch100", 100, func(b *testing.B) {
			for range b.N {
				envs := make([]Envelope, 100)
				for i := range envs {
					var err error
					envs[i], err = c.EncodeCast(ctx, "run", idArgs{i})
					testx.NoErr(b, err)
				}
				_, err := client.Publish(ctx, envs)
				testx.NoErr(b, err)
			}
		})
	})
}

func BenchmarkEncodeRequest(b *testing.B) {
	r := &request{method: "add", version: "1.0", msgID: "1", replyQ: "reply_1", uniqueID: "2"}
	caller := auth.From(benchContext())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encodeRequest(r, addArgs{2, 3}, caller); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	body, err := encodeRequest(&request{method: "add", version: "1.0", msgID: "1", replyQ: "reply_1", uniqueID: "2"}, addArgs{2, 3}, auth.From(benchContext()))
	testx.NoErr(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeRequest(body); err != nil {
			b.Fatal(err)
		}
	}
}
