package simulated

import (
	"context"
	"testing"
	"time"

	"nubo/internal/testx"
	"nubo/network/driver"
)

func TestRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := New(Config{})
	if d.ApplyNetwork(ctx, driver.Network{ID: "n"}) == nil {
		t.Fatal("a host that is not set up took a network")
	}
	testx.NoErr(t, d.Setup(ctx))
	p := driver.Port{ID: "p", NetworkID: "n"}
	r := driver.Router{ID: "r", Gateway: &driver.RouterGateway{RouterPort: driver.RouterPort{NetworkID: "n"}}}
	if d.ApplyPort(ctx, p) == nil || d.ApplyRouter(ctx, r) == nil {
		t.Fatal("something was put on a network that is not there")
	}
	testx.NoErr(t, d.ApplyNetwork(ctx, driver.Network{ID: "n"}))
	testx.NoErr(t, d.ApplyPort(ctx, p))
	testx.NoErr(t, d.ApplyRouter(ctx, r))
	inv, err := d.Inventory(ctx)
	testx.NoErr(t, err)
	testx.Equal(t, inv, driver.Inventory{Networks: []string{"n"}, Ports: []string{"p"}, Routers: []string{"r"}})
	if d.RemoveNetwork(ctx, "n") == nil {
		t.Fatal("a network in use was removed")
	}
	testx.NoErr(t, d.RemovePort(ctx, "p"))
	testx.NoErr(t, d.RemovePort(ctx, "p"))
	if d.RemoveNetwork(ctx, "n") == nil {
		t.Fatal("a router's network was removed")
	}
	testx.NoErr(t, d.RemoveRouter(ctx, "r"))
	testx.NoErr(t, d.RemoveNetwork(ctx, "n"))
}

func TestLatencyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	d := New(Config{MinLatency: time.Hour, MaxLatency: 2 * time.Hour})
	testx.NoErr(t, d.Setup(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	testx.ErrIs(t, d.ApplyNetwork(ctx, driver.Network{ID: "n"}), context.Canceled)
}
