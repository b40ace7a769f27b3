package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/testx"
	"nubo/internal/trace"
)

// run runs f until the test ends.
func run(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); f(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

func TestTracesOfOtherProcessesArrive(t *testing.T) {
	t.Parallel()
	e := inMemory(t)
	node, shown := trace.New("node1"), trace.New("controller")
	sender, receiver := e.bus(), e.bus()
	ready := make(chan struct{})
	run(t, func(ctx context.Context) { _ = receiver.ReceiveTraces(ctx, shown, func() { close(ready) }) })
	<-ready
	run(t, func(ctx context.Context) { sender.SendTraces(ctx, node) })

	ctx := auth.With(trace.With(context.Background(), node, "compute-agent"), &auth.Context{RequestID: "req-a", ProjectID: "p"})
	ctx, span := trace.Root(ctx, trace.Handle, "build", "00000000000000ff", false)
	span.Routed("nova", "compute.node1", "compute.node1")
	trace.Note(ctx, trace.Native, "libvirt define", time.Now(), nil)
	trace.Called(ctx, trace.Call, "nova", "conductor", "update", time.Millisecond, nil)
	span.End(errors.New("no disk"))
	var got []trace.Span
	testx.Eventually(t, "the node's spans", func() bool {
		got = shown.Trace("req-a")
		return len(got) == 2
	})
	testx.Equal(t, []string{got[0].Host, got[0].Service, got[0].Name, got[0].Queue, got[0].Error, got[0].Project, got[1].Name},
		[]string{"node1", "compute-agent", "build", "compute.node1", "no disk", "p", "libvirt define"})
	testx.Equal(t, []trace.ID{got[0].Parent, got[1].Parent}, []trace.ID{255, got[0].ID})
	testx.Equal(t, len(node.Trace("req-a")), 0)
	counts, _ := shown.Calls.LastMinute()
	testx.Equal(t, len(counts), 1)
	testx.Equal(t, counts[0].Route, trace.Route{Caller: "compute-agent", Kind: trace.Call, Exchange: "nova", Topic: "conductor", Method: "update"})
}
