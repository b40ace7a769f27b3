package network_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"nubo/internal/db"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/network"
)

// told is what a listener reads of a notification about a network or subnet.
type told struct {
	Event   string `json:"event_type"`
	Payload struct {
		Network, Subnet, Original *struct {
			ID       string
			Shared   bool
			External bool `json:"router:external"`
		}
	} `json:"payload"`
}

// tidings gives what is told in the background of the test, in its order.
func (e *env) tidings() (next func() told) {
	e.t.Helper()
	notes := make(chan told, 100)
	ctx, cancel := context.WithCancel(e.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- e.store.Relay(ctx, func(_ context.Context, msgs []db.Message) (int, error) {
			for _, m := range msgs {
				if m.Kind != "notify" {
					continue
				}
				var env rpc.Envelope
				var outer struct {
					Message string `json:"oslo.message"`
				}
				var n told
				err := json.Unmarshal(m.Body, &env)
				err = errors.Join(err, json.Unmarshal(env.Body, &outer))
				if err = errors.Join(err, json.Unmarshal([]byte(outer.Message), &n)); err != nil {
					e.t.Errorf("what is told cannot be read: %v", err)
				}
				notes <- n
			}
			return len(msgs), nil
		})
	}()
	e.t.Cleanup(func() { cancel(); <-ended })
	return func() told {
		e.t.Helper()
		select {
		case n := <-notes:
			return n
		case <-time.After(time.Minute):
			e.t.Fatal("nothing more is told")
			return told{}
		}
	}
}

// TestSightIsTold holds that the bus is told who sees a network and its
// subnets, and what it was before when that has changed.
func TestSightIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, e *env) {
		ctx := admin(t.Context())
		n := e.network(ctx, "net")
		next := e.tidings()
		want := func(event string, shared, external bool) told {
			t.Helper()
			got := next()
			for got.Payload.Network == nil && got.Payload.Subnet == nil { // its project's security group
				got = next()
			}
			about := got.Payload.Network
			if about == nil {
				about = got.Payload.Subnet
			}
			testx.Equal(t, []any{got.Event, about.Shared, about.External}, []any{event, shared, external})
			return got
		}
		yes, no, name := true, false, "other"
		update := func(u network.NetworkUpdate) {
			t.Helper()
			_, err := e.UpdateNetwork(ctx, n.ID, u)
			testx.NoErr(t, err)
		}
		want("network.create.end", false, false)

		update(network.NetworkUpdate{Shared: &yes})
		was := want("network.update.end", true, false).Payload.Original
		testx.Equal(t, []bool{was.Shared, was.External}, []bool{false, false})
		sub := e.subnet(ctx, n, "10.0.0.0/24")
		want("subnet.create.end", true, false)
		_, err := e.UpdateSubnet(ctx, sub.ID, network.SubnetUpdate{Name: &name})
		testx.NoErr(t, err)
		want("subnet.update.end", true, false)

		update(network.NetworkUpdate{Name: &name, Shared: &yes})
		if was := want("network.update.end", true, false).Payload.Original; was != nil {
			t.Errorf("who sees the network has not changed; told is that it was %+v", was)
		}
		update(network.NetworkUpdate{Shared: &no, External: &yes})
		was = want("network.update.end", false, true).Payload.Original
		testx.Equal(t, []bool{was.Shared, was.External}, []bool{true, false})
		testx.NoErr(t, e.DeleteNetwork(ctx, n.ID))
		want("subnet.delete.end", false, false)
		want("network.delete.end", false, true)
	})
}
