package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
	"nubo/placement/store"
	sdk "nubo/sdk/placement"
	"nubo/sdk/rest"
)

// TestClient has the client that the other components use speak to the API.
func TestClient(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		server := httptest.NewServer(c.h)
		defer server.Close()
		p := sdk.Client{Client: &rest.Client{Endpoint: server.URL, Tokens: rest.StaticToken("service"), HTTP: server.Client()}}
		ctx := t.Context()
		uuid := clock.NewID()
		for _, name := range []string{"host1", "host1", "renamed"} { // made, there already, renamed
			made, err := p.EnsureProvider(ctx, sdk.Provider{UUID: uuid, Name: name})
			testx.NoErr(t, err)
			testx.Equal(t, made.Name, name)
		}
		_, err := p.EnsureProvider(ctx, sdk.Provider{UUID: clock.NewID(), Name: "renamed"})
		if !rest.IsStatus(err, http.StatusConflict) {
			t.Fatalf("a name taken: %v", err)
		}
		want := map[string]sdk.Inventory{sdk.VCPU: {Total: 4, AllocationRatio: 2}, sdk.MemoryMB: {Total: 1024, Reserved: 512}}
		testx.NoErr(t, p.PutInventories(ctx, uuid, want))
		before, err := p.Provider(ctx, uuid)
		testx.NoErr(t, err)
		testx.NoErr(t, p.PutInventories(ctx, uuid, want))
		testx.NoErr(t, p.CreateTrait(ctx, "CUSTOM_GOLD"))
		after, err := p.Provider(ctx, uuid)
		testx.NoErr(t, err)
		testx.Equal(t, after.Generation, before.Generation) // nothing new was written
		testx.NoErr(t, p.PutTraits(ctx, uuid, []string{"CUSTOM_GOLD", "COMPUTE_NODE"}))
		testx.NoErr(t, p.PutAggregates(ctx, uuid, []string{clock.NewID()}))
		traits, err := p.Traits(ctx, uuid)
		testx.NoErr(t, err)
		testx.Equal(t, traits, []string{"COMPUTE_NODE", "CUSTOM_GOLD"})

		amounts := sdk.Resources{sdk.VCPU: 3, sdk.MemoryMB: 300}
		for _, extra := range []url.Values{nil, {"required": {"CUSTOM_GOLD"}}} {
			found, err := p.Candidates(ctx, amounts, 10, extra)
			testx.NoErr(t, err)
			testx.Equal(t, len(found.Candidates), 1)
			testx.Equal(t, found.Candidates[0].Allocations, sdk.Allocation{uuid: amounts})
			testx.Equal(t, found.Summaries[uuid].Resources[sdk.VCPU], sdk.Usage{Capacity: 8})
			testx.Equal(t, found.Summaries[uuid].RootUUID == uuid, extra != nil)
		}
		server1, server2 := clock.NewID(), clock.NewID()
		testx.NoErr(t, p.PutAllocations(ctx, server1, sdk.Allocation{uuid: amounts}, "p3", "u3", nil))
		if err := p.PutAllocations(ctx, server1, sdk.Allocation{uuid: amounts}, "p3", "u3", nil); !sdk.IsConcurrentUpdate(err) || sdk.IsRefused(err) {
			t.Fatalf("a second claim of one consumer: %v", err)
		}
		if err := p.PutAllocations(ctx, server2, sdk.Allocation{uuid: amounts}, "p3", "u3", nil); !sdk.IsRefused(err) || sdk.IsConcurrentUpdate(err) {
			t.Fatalf("a claim of too much: %v", err)
		}
		held, err := p.Allocations(ctx, server1)
		testx.NoErr(t, err)
		testx.Equal(t, held.Allocations, sdk.Allocation{uuid: amounts})
		testx.NoErr(t, p.PutAllocations(ctx, server1, sdk.Allocation{uuid: {sdk.VCPU: 1}}, "p3", "u3", held.Generation))
		byConsumer, err := p.ProviderAllocations(ctx, uuid)
		testx.NoErr(t, err)
		testx.Equal(t, byConsumer, map[string]sdk.Resources{server1: {sdk.VCPU: 1}})
		for range 2 {
			testx.NoErr(t, p.DeleteAllocations(ctx, server1))
		}
		nothing, err := p.Allocations(ctx, server1)
		testx.NoErr(t, err)
		testx.Equal(t, nothing, &sdk.Consumer{Allocations: sdk.Allocation{}})
		list, err := p.Providers(ctx, "renamed")
		testx.NoErr(t, err)
		testx.Equal(t, len(list), 1)
		for range 2 {
			testx.NoErr(t, p.DeleteProvider(ctx, uuid))
		}
	})
}

// TestReporters has many agents report one provider while others claim from
// it: the client's retries get every report through.
func TestReporters(t *testing.T) {
	t.Parallel()
	c := newClient(t, dbtest.Open(t, store.Migrations))
	server := httptest.NewServer(c.h)
	defer server.Close()
	p := sdk.Client{Client: &rest.Client{Endpoint: server.URL, Tokens: rest.StaticToken("service"), HTTP: server.Client()}}
	uuid := c.provider("host", "", "VCPU:1000")
	errs := make(chan error)
	for i := range 4 {
		go func() {
			errs <- p.PutInventories(t.Context(), uuid, map[string]sdk.Inventory{sdk.VCPU: {Total: 1000 + i}})
		}()
		go func() {
			errs <- p.PutAllocations(t.Context(), clock.NewID(), sdk.Allocation{uuid: {sdk.VCPU: 1}}, "p", "u", nil)
		}()
	}
	for range 8 {
		testx.NoErr(t, <-errs)
	}
}
