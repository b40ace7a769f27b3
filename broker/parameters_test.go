package broker_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"nubo/broker"
	"nubo/internal/testx"
)

// TestParameters keeps parameters, the cluster's name and what describes
// virtual hosts over a restart.
func TestParameters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() (*broker.Broker, func()) {
		b, err := broker.Open(broker.Config{DataDir: dir})
		testx.NoErr(t, err)
		return b, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			testx.NoErr(t, b.Shutdown(ctx))
		}
	}
	b, stop := open()
	testx.Equal(t, b.ClusterName(), b.NodeName())
	testx.NoErr(t, b.SetClusterName("cloud"))
	testx.NoErr(t, b.SetGlobalParameter("gone", json.RawMessage(`1`)))
	found, err := b.ClearGlobalParameter("gone")
	testx.NoErr(t, err)
	testx.Equal(t, found, true)
	vhost := broker.VHostInfo{Name: "v", Description: "d", Tags: []string{"t"}, DefaultQueueType: "quorum", Tracing: true, Protected: true}
	testx.NoErr(t, b.AddVHost(vhost))
	testx.NoErr(t, b.AddVHost(broker.VHostInfo{Name: "w"}))
	for _, name := range []string{"v", "w"} {
		testx.NoErr(t, b.SetParameter(broker.ParameterDef{Component: "federation-upstream", VHost: name, Name: "s", Value: json.RawMessage(`{"a":1}`)}))
	}
	testx.ErrIs(t, b.SetParameter(broker.ParameterDef{Component: "federation-upstream", VHost: "none", Name: "s"}), broker.ErrUnknownVHost)
	testx.NoErr(t, b.DeleteVHost("w")) // its parameters go with it
	testx.ErrIs(t, b.DeleteVHost("v"), broker.ErrProtected)
	globals, params := b.GlobalParameters(), b.AllParameters()
	testx.Equal(t, len(globals), 2) // the cluster's id and name
	testx.Equal(t, len(params), 1)
	stop()

	b, stop = open()
	defer stop()
	testx.Equal(t, b.ClusterName(), "cloud")
	testx.Equal(t, b.GlobalParameters(), globals)
	testx.Equal(t, b.AllParameters(), params)
	testx.Equal(t, b.VHosts()[1], vhost)
	testx.NoErr(t, b.DropParameter(params[0]))
	testx.Equal(t, len(b.AllParameters()), 0)
}
