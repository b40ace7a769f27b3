package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"nubo/identity/fernet"
	"nubo/internal/clock"
	"nubo/internal/testx"
	"nubo/sdk/identity"
	"nubo/sdk/placement"
	"nubo/sdk/rest"
)

// rotationsKept is how many rotations a token outlives in these tests.
const rotationsKept = 40

// records is the load on identity and placement, with what was promised.
type records struct {
	p         *process
	http      *http.Client
	tokens    *identity.PasswordTokens
	identity  identity.Client
	placement placement.Client
	providers []string
	consumers []*consumer

	mu        sync.Mutex // guards what follows
	issued    map[string]int
	revoked   map[string]int // both by the rotations there had been
	rotations int
	counts    map[string]int
}

// consumer is one holder of allocations. It is its writer's until the process
// has been killed.
type consumer struct {
	id      string
	have    held
	pending *held // asked for, and not answered
}

// held is what a consumer has; nothing when generation is nil.
type held struct {
	allocations placement.Allocation
	generation  *int64
}

// TestKilledRecords kills identity and placement while tokens are issued and
// revoked, keys are rotated by a process that is killed too, and allocations
// are written. What was acknowledged is there after each start.
func TestKilledRecords(t *testing.T) {
	p := &process{
		t: t, binary: build(t), dir: filepath.Join(t.TempDir(), "data"), offset: freeOffset(t), args: []string{"serve", "identity", "placement"},
		env: []string{"NUBO_IDENTITY_MAX_ACTIVE_KEYS=" + strconv.Itoa(rotationsKept+10)},
	}
	p.start()
	defer func() { p.kill() }()
	r := openRecords(t, p)
	defer r.http.CloseIdleConnections()
	for round := range rounds(t) {
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		for range 3 {
			load.Go(func() { r.issuer(ctx) })
		}
		for _, c := range r.consumers {
			load.Go(func() { r.claimer(ctx, c) })
		}
		load.Go(func() { r.rotator(ctx, t) })
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond)) // not a wait: when to kill
		p.kill()
		stop()
		load.Wait()
		r.http.CloseIdleConnections()
		p.start()
		if bad := r.check(t.Context()); bad != nil {
			t.Fatalf("after kill %d: %v", round, bad)
		}
	}
	t.Logf("%d rounds: %v, %d rotations", rounds(t), r.counts, r.rotations)
	for _, what := range []string{"issued", "revoked", "claimed", "released"} {
		if r.counts[what] == 0 {
			t.Errorf("nothing was %s", what)
		}
	}
}

func openRecords(t *testing.T, p *process) *records {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	r := &records{p: p, http: h, issued: map[string]int{}, revoked: map[string]int{}, counts: map[string]int{}}
	r.tokens = &identity.PasswordTokens{AuthURL: p.url(5000) + "/v3", Username: "admin", Password: password, Domain: "Default", Project: "admin", HTTP: h}
	r.identity = identity.Client{Client: &rest.Client{Endpoint: p.url(5000) + "/v3", Tokens: r.tokens, HTTP: h}}
	r.placement = placement.Client{Client: &rest.Client{Endpoint: p.url(8778), Tokens: r.tokens, HTTP: h}}
	for i := range 3 {
		provider, err := r.placement.EnsureProvider(t.Context(), placement.Provider{UUID: clock.NewID(), Name: fmt.Sprint("host", i)})
		testx.NoErr(t, err)
		testx.NoErr(t, r.placement.PutInventories(t.Context(), provider.UUID, map[string]placement.Inventory{
			placement.VCPU:     {Total: 1000, MinUnit: 1, MaxUnit: 1000, StepSize: 1, AllocationRatio: 1},
			placement.MemoryMB: {Total: 1000, MinUnit: 1, MaxUnit: 1000, StepSize: 1, AllocationRatio: 1},
		}))
		r.providers = append(r.providers, provider.UUID)
	}
	for range 4 {
		r.consumers = append(r.consumers, &consumer{id: clock.NewID()})
	}
	return r
}

// issuer buys tokens with a token, and ends some.
func (r *records) issuer(ctx context.Context) {
	for ctx.Err() == nil {
		own, err := r.tokens.Token(ctx)
		if err != nil {
			continue
		}
		before := r.rotated(0)
		token, _, err := identity.Issue(ctx, r.http, r.tokens.AuthURL+"/auth/tokens?nocatalog", object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": own}},
			"scope":    object{"project": object{"name": "admin", "domain": object{"id": "default"}}},
		})
		if err != nil {
			continue
		}
		r.note("issued", r.issued, token, before)
		if rand.IntN(3) > 0 {
			continue
		}
		r.mu.Lock()
		delete(r.issued, token) // until there is an answer nothing is promised
		r.mu.Unlock()
		if r.identity.Revoke(ctx, token) == nil {
			r.note("revoked", r.revoked, token, before)
		}
	}
}

func (r *records) note(what string, ledger map[string]int, token string, rotations int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ledger[token] = rotations
	r.counts[what]++
}

func (r *records) rotated(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rotations += n
	return r.rotations
}

// rotator rotates the keys in a process that it kills now and then.
func (r *records) rotator(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		cmd := r.p.command("keys", "rotate")
		if err := cmd.Start(); err != nil {
			t.Errorf("start the rotation: %v", err)
			return
		}
		r.rotated(1) // it may have been, even when it is killed
		if rand.IntN(2) == 0 {
			time.Sleep(rand.N(60 * time.Millisecond)) // not a wait: when to kill
			cmd.Process.Kill()                        //nolint:errcheck // it may have ended
		}
		var killed *exec.ExitError
		if err := cmd.Wait(); err != nil && (!errors.As(err, &killed) || killed.Exited()) {
			t.Errorf("rotate the keys: %v", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(300 * time.Millisecond)):
		}
	}
}

// claimer changes what one consumer has, until it gets no answer.
func (r *records) claimer(ctx context.Context, c *consumer) {
	for ctx.Err() == nil {
		var want held
		var err error
		if c.have.generation != nil && rand.IntN(4) == 0 {
			c.pending = &want
			err = r.placement.DeleteAllocations(ctx, c.id)
		} else {
			want = c.next(r.providers)
			c.pending = &want
			err = r.placement.PutAllocations(ctx, c.id, want.allocations, "p", "u", c.have.generation)
		}
		var refused *rest.Error
		switch {
		case err == nil:
			c.have, c.pending = want, nil
			what := "claimed"
			if want.generation == nil {
				what = "released"
			}
			r.mu.Lock()
			r.counts[what]++
			r.mu.Unlock()
		case placement.IsConcurrentUpdate(err):
			c.pending = nil // another's claim on the provider came between
		case errors.As(err, &refused):
			r.mu.Lock()
			r.counts["refused: "+refused.Message]++
			r.mu.Unlock()
			return
		default:
			return
		}
	}
}

// next is what the consumer is to have next: something of one or two
// providers.
func (c *consumer) next(providers []string) held {
	generation := int64(1)
	if c.have.generation != nil {
		generation = *c.have.generation + 1
	}
	h := held{allocations: placement.Allocation{}, generation: &generation}
	for range 1 + rand.IntN(2) {
		h.allocations[providers[rand.IntN(len(providers))]] = placement.Resources{
			placement.VCPU: 1 + rand.IntN(100), placement.MemoryMB: 1 + rand.IntN(100),
		}
	}
	return h
}

func (h held) equal(o held) bool {
	if h.generation == nil || o.generation == nil {
		return h.generation == o.generation && len(h.allocations)+len(o.allocations) == 0
	}
	return *h.generation == *o.generation && maps.EqualFunc(h.allocations, o.allocations, maps.Equal[placement.Resources, placement.Resources])
}

// check holds the process that has just started against what was promised.
func (r *records) check(ctx context.Context) []string {
	bad := append(r.checkKeys(), r.checkTokens(ctx)...)
	return append(bad, r.checkAllocations(ctx)...)
}

func (r *records) checkKeys() []string {
	dir := filepath.Join(r.p.dir, "fernet-keys")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []string{err.Error()}
	}
	var bad []string
	staged := false
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err == nil {
			_, err = fernet.ParseKey(string(b))
		}
		if err != nil {
			bad = append(bad, fmt.Sprintf("key %s: %v", e.Name(), err))
		}
		staged = staged || e.Name() == "0"
	}
	if !staged {
		bad = append(bad, "there is no staged key")
	}
	return bad
}

// checkTokens looks at every token that some key still opens.
func (r *records) checkTokens(ctx context.Context) []string {
	var bad []string
	young := func(_ string, rotations int) bool { return r.rotations-rotations > rotationsKept }
	maps.DeleteFunc(r.issued, young)
	maps.DeleteFunc(r.revoked, young)
	for token := range r.issued {
		if err := r.identity.Check(ctx, token); err != nil {
			bad = append(bad, "a token that was issued: "+err.Error())
		}
	}
	for token := range r.revoked {
		if err := r.identity.Check(ctx, token); !errors.Is(err, identity.ErrToken) {
			bad = append(bad, fmt.Sprintf("a token that was revoked: %v", err))
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// checkAllocations finds each consumer as it was left or as it was asked to
// become, and each provider with the sum of what the consumers have.
func (r *records) checkAllocations(ctx context.Context) []string {
	var bad []string
	sums := map[string]placement.Resources{}
	for _, c := range r.consumers {
		got, err := r.placement.Allocations(ctx, c.id)
		if err != nil {
			return append(bad, err.Error())
		}
		now := held{got.Allocations, got.Generation}
		if !now.equal(c.have) && (c.pending == nil || !now.equal(*c.pending)) {
			bad = append(bad, fmt.Sprintf("consumer %s has %+v, was promised %+v, and had asked for %+v", c.id, got, c.have, c.pending))
		}
		c.have, c.pending = now, nil
		for provider, resources := range now.allocations {
			if sums[provider] == nil {
				sums[provider] = placement.Resources{}
			}
			for class, n := range resources {
				sums[provider][class] += n
			}
		}
	}
	for _, provider := range r.providers {
		var out struct{ Usages placement.Resources }
		if err := r.placement.Get(ctx, "/resource_providers/"+provider+"/usages", &out); err != nil {
			return append(bad, err.Error())
		}
		for _, class := range []string{placement.VCPU, placement.MemoryMB} {
			if out.Usages[class] != sums[provider][class] {
				bad = append(bad, fmt.Sprintf("%d %s of provider %s are used, and %d allocated", out.Usages[class], class, provider, sums[provider][class]))
			}
		}
	}
	return bad
}
