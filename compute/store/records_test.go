package store_test

import (
	"context"
	"testing"
	"time"

	"nubo/compute"
	"nubo/compute/store"
	"nubo/internal/db"
	"nubo/internal/rpc"
	"nubo/internal/testx"
)

func TestActionEvents(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		begin := db.Micro(time.Now())
		end := begin.Add(time.Second)
		testx.NoErr(t, s.StartAction(ctx, &compute.Action{ServerID: "s", RequestID: "req-1", Action: "create", Start: begin}))
		testx.NoErr(t, s.StartAction(ctx, &compute.Action{ServerID: "s", RequestID: "req-2", Action: "stop", Start: end}))
		testx.NoErr(t, s.RecordEvent(ctx, "s", "req-1", compute.ActionEvent{Event: "build", Host: "h1", Start: begin}))
		testx.NoErr(t, s.RecordEvent(ctx, "s", "req-1", compute.ActionEvent{Event: "build", Host: "h1", Start: end, Finish: &end, Result: "Error", Details: "no"}))
		testx.NoErr(t, s.RecordEvent(ctx, "s", "req-unknown", compute.ActionEvent{Event: "build"}))
		a, err := s.Action(ctx, "s", "req-1")
		testx.NoErr(t, err)
		testx.Equal(t, a.Message, "Error")
		testx.Equal(t, a.Events, []compute.ActionEvent{{Event: "build", Host: "h1", Start: begin, Finish: &end, Result: "Error", Details: "no"}})
		all, err := s.Actions(ctx, "s", compute.ActionQuery{})
		testx.NoErr(t, err)
		testx.Equal(t, []string{all[0].Action, all[1].Action}, []string{"stop", "create"})
		rest, err := s.Actions(ctx, "s", compute.ActionQuery{Page: db.Page{Marker: "req-2"}})
		testx.NoErr(t, err)
		testx.Equal(t, len(rest), 1)
		_, err = s.Actions(ctx, "s", compute.ActionQuery{Page: db.Page{Marker: "req-3"}})
		testx.ErrIs(t, err, db.ErrMarker)
	})
}

func TestHostStates(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		now := time.Now()
		for range 2 { // the second report counts, and makes nothing new
			testx.NoErr(t, s.Heartbeat(ctx, now, []compute.ServiceReport{
				{Host: "h1", Binary: compute.BinaryCompute}, {Host: "h2", Binary: compute.BinaryCompute}, {Host: "c", Binary: compute.BinaryConductor},
			}))
			testx.NoErr(t, s.SaveNodes(ctx, now, []compute.ComputeNode{{ID: "n1", Host: "h1", Hostname: "h1", VCPUs: 8}, {ID: "n2", Host: "h2", Hostname: "h2"}}))
		}
		testx.NoErr(t, s.CreateAggregate(ctx, &compute.Aggregate{Name: "a", Hosts: []string{"h1"}, Metadata: map[string]string{"availability_zone": "z"}}))
		busy, quiet, nowhere := newServer("busy", now), newServer("quiet", now), newServer("nowhere", now)
		for _, one := range []*compute.Server{busy, quiet} {
			one.Host, one.Node = "h1", "h1"
		}
		quiet.TaskState, quiet.ProjectID = "", "p2"
		create(t, s, ctx, busy, quiet, nowhere)
		states, err := s.HostStates(ctx)
		testx.NoErr(t, err)
		testx.Equal(t, len(states), 2)
		h := states[0]
		testx.Equal(t, h.Node.Used, compute.Usage{Servers: 2, VCPUs: 4, MemoryMB: 1024, DiskGB: 2, Tasks: 1})
		testx.Equal(t, h.Projects, map[string]int{"p1": 1, "p2": 1})
		testx.Equal(t, []any{h.Aggregates[0].Zone(), h.Service.ReportCount, h.Node.VCPUs, states[1].Node.Used.Servers}, []any{"z", int64(2), 8, 0})
	})
}

func TestDecisionsAreKept(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		d := compute.Decision{ServerID: "s", RequestID: "r", Attempt: 1, Host: "h1", Detail: compute.DecisionDetail{
			Candidates: 2, Weighed: []compute.WeighedHost{{Host: "h1", Weight: 3}},
		}}
		testx.NoErr(t, s.SaveDecision(ctx, &d))
		got, err := s.Decisions(ctx, "s")
		testx.NoErr(t, err)
		testx.Equal(t, got[0].Detail, d.Detail)
		testx.Equal(t, len(got), 1)
	})
}

func TestMessagesLeaveWithTheirTransaction(t *testing.T) {
	each(t, func(t *testing.T, s *store.Store, ctx context.Context) {
		message := func(key string) rpc.Envelope { return rpc.Envelope{Exchange: "nova", Key: key, Body: []byte("{}")} }
		testx.NoErr(t, s.InTx(ctx, func(ctx context.Context) error { return s.Send(ctx, message("a"), message("b")) }))
		err := s.InTx(ctx, func(ctx context.Context) error {
			if err := s.Send(ctx, message("lost")); err != nil {
				return err
			}
			return context.Canceled
		})
		testx.ErrIs(t, err, context.Canceled)
		relay, cancel := context.WithCancel(ctx)
		defer cancel()
		var keys []string
		err = s.Relay(relay, func(_ context.Context, msgs []rpc.Envelope) (int, error) {
			for _, m := range msgs {
				keys = append(keys, m.Key)
			}
			cancel()
			return len(msgs), nil
		})
		testx.ErrIs(t, err, context.Canceled)
		testx.Equal(t, keys, []string{"a", "b"})
		testx.Equal(t, s.Send(ctx, message("x")) != nil, true) // outside a transaction
	})
}
