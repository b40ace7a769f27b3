package bench

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"nubo/broker"
	"nubo/internal/rpc"
)

// BenchmarkCall is an rpc.call with an argument of 300 bytes and its reply,
// through nubo's broker in memory, as the modules of one process have it.
func BenchmarkCall(b *testing.B) {
	mq := broker.New(broker.Config{})
	bus := rpc.Open(rpc.Config{Dial: func(context.Context) (net.Conn, error) { return mq.Dial() }})
	type echo struct{ Text string }
	target := rpc.Target{Exchange: "bench", Topic: "bench", Server: "one"}
	ctx, stop := context.WithCancel(context.Background())
	serving, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- bus.Serve(ctx, rpc.Server{Target: target, Methods: map[string]rpc.Handler{
			"echo": rpc.Method(func(_ context.Context, in echo) (echo, error) { return in, nil }),
		}}, func() { close(serving) })
	}()
	<-serving
	client := bus.Client(target)
	in := echo{strings.Repeat("0123456789", 30)}
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		var out echo
		if err := client.Call(ctx, "echo", in, &out); err != nil || out != in {
			b.Fatalf("%d bytes, %v", len(out.Text), err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	stop()
	<-ended
	bus.Close(context.Background())
	if err := mq.Shutdown(context.Background()); err != nil {
		b.Error(err)
	}
}
