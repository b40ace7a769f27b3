package scheduler

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
	"nubo/sdk/placement"
	"nubo/sdk/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// hostState is an idle host that is up.
func hostState(name string, change ...func(*compute.HostState)) *compute.HostState {
	seen := now.Add(-5 * time.Second)
	h := &compute.HostState{
		Node: compute.ComputeNode{
			ID: "rp-" + name, Host: name, Hostname: name, HypervisorType: "QEMU", Version: 7002000, VCPUs: 16, MemoryMB: 8192, LocalGB: 100,
		},
		Service: compute.ComputeService{Host: name, Binary: compute.BinaryCompute, LastSeen: &seen},
	}
	for _, f := range change {
		f(h)
	}
	return h
}

func metadata(pairs ...string) func(*compute.HostState) {
	return func(h *compute.HostState) {
		a := compute.Aggregate{Metadata: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			a.Metadata[pairs[i]] = pairs[i+1]
		}
		h.Aggregates = append(h.Aggregates, a)
	}
}

// stage is the database and placement of a scheduler.
type stage struct {
	states  []*compute.HostState
	servers []*compute.Server
	group   *compute.ServerGroup

	mu     sync.Mutex // guards claims
	claims map[string]placement.Consumer
	refuse map[string]bool // providers that let nobody claim
}

func (s *stage) HostStates(context.Context) ([]*compute.HostState, error) { return s.states, nil }

func (s *stage) Servers(_ context.Context, q compute.ServerQuery) ([]*compute.Server, error) {
	var out []*compute.Server
	for _, one := range s.servers {
		if slices.Contains(q.IDs, one.ID) {
			out = append(out, one)
		}
	}
	return out, nil
}

func (s *stage) ServerGroup(_ context.Context, id string) (*compute.ServerGroup, error) {
	if s.group == nil {
		return nil, fault.NotFoundf("Instance group %s could not be found.", id)
	}
	return s.group, nil
}

func (s *stage) Heartbeat(context.Context, time.Time, []compute.ServiceReport) error { return nil }

func (s *stage) free(id string, class string) int {
	i := slices.IndexFunc(s.states, func(h *compute.HostState) bool { return h.Node.ID == id })
	n := map[string]int{
		placement.VCPU: s.states[i].Node.VCPUs, placement.MemoryMB: s.states[i].Node.MemoryMB, placement.DiskGB: s.states[i].Node.LocalGB,
	}[class]
	for _, c := range s.claims {
		n -= c.Allocations[id][class]
	}
	return n
}

func (s *stage) Candidates(_ context.Context, want placement.Resources, _ int, _ url.Values) (*placement.Candidates, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &placement.Candidates{Summaries: map[string]placement.Summary{}}
	for _, h := range s.states {
		usage, ok := map[string]placement.Usage{}, true
		for class, n := range want {
			free := s.free(h.Node.ID, class)
			ok = ok && free >= n
			usage[class] = placement.Usage{Capacity: free}
		}
		if ok {
			out.Candidates = append(out.Candidates, placement.Candidate{Allocations: placement.Allocation{h.Node.ID: want}})
			out.Summaries[h.Node.ID] = placement.Summary{Resources: usage}
		}
	}
	return out, nil
}

func (s *stage) Allocations(_ context.Context, consumer string) (*placement.Consumer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[consumer]
	return &c, nil
}

func (s *stage) PutAllocations(_ context.Context, consumer string, a placement.Allocation, _, _ string, generation *int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	has, ok := s.claims[consumer]
	if ok != (generation != nil) || ok && *generation != *has.Generation {
		return &rest.Error{Status: http.StatusConflict, Type: "placement.concurrent_update"}
	}
	for id := range a {
		if s.refuse[id] {
			return &rest.Error{Status: http.StatusConflict}
		}
	}
	g := int64(1)
	if ok {
		g += *has.Generation
	}
	if s.claims == nil {
		s.claims = map[string]placement.Consumer{}
	}
	s.claims[consumer] = placement.Consumer{Allocations: a, Generation: &g}
	return nil
}

func (s *stage) scheduler(log *slog.Logger) *Scheduler {
	return New(DefaultConfig(), Deps{Store: s, Placement: s, Clock: clock.Func(func() time.Time { return now }), Log: log})
}

var quiet = slog.New(slog.DiscardHandler)

func newServer(id string, change ...func(*compute.Server)) *compute.Server {
	s := &compute.Server{ID: id, ImageRef: "image", Flavor: compute.FlavorSnapshot{VCPUs: 1, MemoryMB: 1024, RootGB: 10}}
	for _, f := range change {
		f(s)
	}
	return s
}

func spec1(pairs ...string) func(*compute.Server) {
	return func(s *compute.Server) {
		s.Flavor.ExtraSpecs = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Flavor.ExtraSpecs[pairs[i]] = pairs[i+1]
		}
	}
}

// TestFilters asks each filter about one host.
func TestFilters(t *testing.T) {
	t.Parallel()
	long := now.Add(-2 * time.Minute)
	group := func(policy string, rules map[string]int) *compute.ServerGroup {
		return &compute.ServerGroup{ID: "g", Policy: policy, Rules: rules}
	}
	tests := []struct {
		filter string
		host   *compute.HostState
		server *compute.Server
		spec   func(*spec)
		want   string
	}{
		{"RetryFilter", hostState("a"), newServer("s"), func(s *spec) { s.excluded = []string{"b"} }, ""},
		{"RetryFilter", hostState("a"), newServer("s"), func(s *spec) { s.excluded = []string{"a"} }, "the build has failed there"},
		{"ForceHostFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.RequestedHost = "a" }), nil, ""},
		{"ForceHostFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.RequestedHost = "b" }), nil, "host b is asked for"},
		{"ForceHostFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.RequestedNode = "b" }), nil, "node b is asked for"},
		{"AvailabilityZoneFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.RequestedAZ = "nova" }), nil, ""},
		{"AvailabilityZoneFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.RequestedAZ = "z" }), nil, "is in availability zone nova, not z"},
		{"ComputeFilter", hostState("a"), newServer("s"), nil, ""},
		{"ComputeFilter", hostState("a", func(h *compute.HostState) { h.Service.Disabled = true }), newServer("s"), nil, "service is disabled"},
		{"ComputeFilter", hostState("a", func(h *compute.HostState) { h.Service.ForcedDown = true }), newServer("s"), nil, "service is down, an admin says"},
		{"ComputeFilter", hostState("a", func(h *compute.HostState) { h.Service.LastSeen = nil }), newServer("s"), nil, "service is down, never heard of"},
		{"ComputeFilter", hostState("a", func(h *compute.HostState) { h.Service.LastSeen = &long }), newServer("s"), nil, "service is down, last heard of 120 s ago"},
		{"ComputeCapabilitiesFilter", hostState("a"), newServer("s", spec1("capabilities:hypervisor_version", ">= 7000000")), nil, ""},
		{"ComputeCapabilitiesFilter", hostState("a"), newServer("s", spec1("capabilities:hypervisor_type", "s== ironic")), nil, "capability hypervisor_type is QEMU, not s== ironic"},
		{"ComputeCapabilitiesFilter", hostState("a"), newServer("s", spec1("capabilities:wings", "2")), nil, "has no capability wings"},
		{"ImagePropertiesFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.ImageProperties = map[string]string{"img_hv_type": "kvm"} }), nil, ""},
		{"ImagePropertiesFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.ImageProperties = map[string]string{"img_hv_type": "xen"} }), nil, "hypervisor is qemu, the image wants xen"},
		{"AggregateInstanceExtraSpecsFilter", hostState("a", metadata("ssd", "true")), newServer("s", spec1("aggregate_instance_extra_specs:ssd", "true")), nil, ""},
		{"AggregateInstanceExtraSpecsFilter", hostState("a", metadata("ssd", "no, true")), newServer("s", spec1("ssd", "<or> maybe <or> true")), nil, ""},
		{"AggregateInstanceExtraSpecsFilter", hostState("a"), newServer("s", spec1("aggregate_instance_extra_specs:ssd", "true")), nil, "is in no aggregate with ssd=true"},
		{"AggregateInstanceExtraSpecsFilter", hostState("a"), newServer("s", spec1("hw:cpu_policy", "dedicated")), nil, ""},
		{"SameHostFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.Hints = map[string][]string{"same_host": {"x"}} }), func(s *spec) { s.hintHosts = map[string]string{"x": "b"} }, "has none of the servers of hint same_host"},
		{"DifferentHostFilter", hostState("a"), newServer("s", func(s *compute.Server) { s.Hints = map[string][]string{"different_host": {"x"}} }), func(s *spec) { s.hintHosts = map[string]string{"x": "a"} }, "has a server of hint different_host"},
		{"ServerGroupAntiAffinityFilter", hostState("a"), newServer("s"), func(s *spec) { s.group, s.groupHosts = group("anti-affinity", nil), map[string]int{"a": 1} }, "has 1 of server group g already"},
		{"ServerGroupAntiAffinityFilter", hostState("a"), newServer("s"), func(s *spec) {
			s.group, s.groupHosts = group("anti-affinity", map[string]int{"max_server_per_host": 2}), map[string]int{"a": 1}
		}, ""},
		{"ServerGroupAffinityFilter", hostState("a"), newServer("s"), func(s *spec) { s.group, s.groupHosts = group("affinity", nil), map[string]int{"b": 1} }, "has none of server group g"},
		{"ServerGroupAffinityFilter", hostState("a"), newServer("s"), func(s *spec) { s.group = group("affinity", nil) }, ""},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%s/%d", test.filter, i), func(t *testing.T) {
			t.Parallel()
			s := &spec{server: test.server, now: now, downTime: time.Minute}
			if test.spec != nil {
				test.spec(s)
			}
			h := &host{HostState: test.host, zone: "nova", members: s.groupHosts[test.host.Node.Host]}
			k := slices.IndexFunc(filters, func(f filter) bool { return f.name == test.filter })
			testx.Equal(t, filters[k].refuse(s, h), test.want)
		})
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		has, want string
		ok        bool
	}{
		{"x", "x", true}, {"x", "y", false}, {"5", "= 4", true}, {"3", ">= 4", false}, {"4", "== 4.0", true}, {"4", "!= 4", false}, {"4", "<= 4", true},
		{"abc", "<in> b", true}, {"true", "<is> True", true}, {"a", "s!= a", false}, {"x", ">= 4", false}, {"two words", "two words", true},
	} {
		testx.Equal(t, matches(test.has, test.want), test.ok)
	}
}

func TestWeighedLine(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	st := &stage{states: []*compute.HostState{
		hostState("compute1", func(h *compute.HostState) { h.Node.Used = compute.Usage{Servers: 2, MemoryMB: 2048} }),
		hostState("compute2", func(h *compute.HostState) { h.Node.VCPUs, h.Node.MemoryMB, h.Node.LocalGB = 8, 4096, 50 }),
	}}
	s := st.scheduler(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	got, err := s.Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{newServer("s")}})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Destination, compute.Destination{Host: "compute1", Node: "compute1", Provider: "rp-compute1", AZ: "nova"})
	for _, line := range []string{
		"Filter ComputeFilter returned 2 host(s)",
		"Weighed [WeighedHost [host: (compute1, compute1) ram: 8192MB disk: 102400MB io_ops: 0 instances: 2, weight: 3.0], " +
			"WeighedHost [host: (compute2, compute2) ram: 4096MB disk: 51200MB io_ops: 0 instances: 0, weight: 0.0]]",
	} {
		if !strings.Contains(log.String(), line) {
			t.Fatalf("not logged: %s\n%s", line, log.String())
		}
	}
	testx.Equal(t, got[0].Decision.Weighed[0].By, map[string]float64{"RAMWeigher": 1, "DiskWeigher": 1, "CPUWeigher": 1})
}

func TestSpread(t *testing.T) {
	t.Parallel()
	st := &stage{states: []*compute.HostState{hostState("a"), hostState("b"), hostState("c")}}
	var servers []*compute.Server
	for i := range 9 {
		servers = append(servers, newServer(fmt.Sprint(i)))
	}
	got, err := st.scheduler(quiet).Select(t.Context(), compute.SelectArgs{Servers: servers})
	testx.NoErr(t, err)
	on := map[string]int{}
	for _, s := range got {
		on[s.Destination.Host]++
	}
	testx.Equal(t, on, map[string]int{"a": 3, "b": 3, "c": 3})
}

func TestClaims(t *testing.T) {
	t.Parallel()
	st := &stage{states: []*compute.HostState{hostState("a", func(h *compute.HostState) { h.Node.MemoryMB *= 2 }), hostState("b")}, refuse: map[string]bool{"rp-a": true}}
	s := st.scheduler(quiet)
	one := []*compute.Server{newServer("s")}
	got, err := s.Select(t.Context(), compute.SelectArgs{Servers: one})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Destination.Host, "b") // a was better, and somebody was faster

	// What was claimed before moves with the server.
	st.refuse = nil
	got, err = s.Select(t.Context(), compute.SelectArgs{Servers: one, Excluded: []string{"b"}})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Destination.Host, "a")
	testx.Equal(t, st.claims["s"].Allocations, placement.Allocation{"rp-a": Resources(one[0])})

	// A build that failed counts against the host, however large it is.
	st.states[1].Node.MemoryMB *= 8
	got, err = s.Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{newServer("t")}})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Destination.Host, "a")

	st.refuse = map[string]bool{"rp-a": true, "rp-b": true}
	got, err = s.Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{newServer("u")}})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Reason, "placement refused the claim on a, b")
	testx.Equal(t, got[0].Public, "placement refused the claim on 2")
}

// TestMeanings: each filter has words for those who may not know the hosts.
func TestMeanings(t *testing.T) {
	t.Parallel()
	for _, f := range filters {
		if f.means == "" {
			t.Errorf("%s says nothing to a server's project", f.name)
		}
	}
}

// TestClaimTwice is a request that is made again, of this scheduler or of
// another, because its answer was lost: the answer is the same, also where no
// host has room for a second one.
func TestClaimTwice(t *testing.T) {
	t.Parallel()
	st := &stage{states: []*compute.HostState{hostState("a"), hostState("b", func(h *compute.HostState) { h.Node.MemoryMB *= 2 }), hostState("c")}}
	many := make([]*compute.Server, 3)
	for i := range many {
		many[i] = newServer(strconv.Itoa(i), func(s *compute.Server) { s.Flavor.MemoryMB = 8192 })
	}
	where := func(s *Scheduler, servers []*compute.Server, excluded ...string) []string {
		got, err := s.Select(t.Context(), compute.SelectArgs{Servers: servers, Excluded: excluded})
		testx.NoErr(t, err)
		hosts := make([]string, len(got))
		for i, one := range got {
			hosts[i] = one.Destination.Host
			testx.Equal(t, st.claims[servers[i].ID].Allocations, placement.Allocation{one.Destination.Provider: Resources(servers[i])})
		}
		return hosts
	}
	first := where(st.scheduler(quiet), many[:2])
	testx.Equal(t, where(st.scheduler(quiet), many[:2]), first) // there is room for them
	first = where(st.scheduler(quiet), many)
	s := st.scheduler(quiet)
	testx.Equal(t, where(s, many), first)
	testx.Equal(t, where(s, many), first)

	// Not on a host that has failed since.
	moved := where(s, many[2:], first[2])
	testx.Equal(t, len(moved) == 1 && moved[0] != "" && moved[0] != first[2], true)
}

// TestClaimRace has many schedulers place one server at once.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	st := &stage{}
	for i := range 10 {
		st.states = append(st.states, hostState("h"+strconv.Itoa(i)))
	}
	one := []*compute.Server{newServer("s")}
	for _, excluded := range [][]string{nil, {"h0", "h1", "h2"}} {
		if excluded != nil { // a claim on a host that has failed
			g := int64(1)
			st.claims["s"] = placement.Consumer{Allocations: placement.Allocation{"rp-h1": Resources(one[0])}, Generation: &g}
		}
		hosts := make([]string, 8)
		var wg sync.WaitGroup
		for i := range hosts {
			wg.Go(func() {
				got, err := st.scheduler(quiet).Select(t.Context(), compute.SelectArgs{Servers: one, Excluded: excluded})
				if err != nil {
					t.Error(err)
					return
				}
				hosts[i] = got[0].Destination.Host
			})
		}
		wg.Wait()
		testx.Equal(t, len(slices.Compact(hosts)), 1)
		testx.Equal(t, slices.Contains(excluded, hosts[0]) || hosts[0] == "", false)
		testx.Equal(t, st.claims["s"].Allocations, placement.Allocation{"rp-" + hosts[0]: Resources(one[0])})
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	down := func(h *compute.HostState) { h.Service.ForcedDown = true }
	st := &stage{states: []*compute.HostState{hostState("a", down), hostState("b", down), hostState("c", down), hostState("d", down)}}
	for _, test := range []struct {
		server *compute.Server
		want   string
		public string // the same if empty
	}{
		{
			newServer("s"), "ComputeFilter refused 4: a service is down, an admin says, b service is down, an admin says, c service is down, an admin says, …",
			"ComputeFilter refused 4: the compute service is disabled or down",
		},
		{newServer("s", func(s *compute.Server) { s.Flavor.MemoryMB = 9000 }), "placement: no host has 9000 MB of RAM free", ""},
		{newServer("s", func(s *compute.Server) { s.Flavor.MemoryMB, s.Flavor.VCPUs = 9000, 17 }), "placement: no host has 9000 MB of RAM free, none has 17 virtual CPUs free", ""},
	} {
		got, err := st.scheduler(quiet).Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{test.server}})
		testx.NoErr(t, err)
		testx.Equal(t, got[0].Reason, test.want)
		testx.Equal(t, got[0].Public, cmp.Or(test.public, test.want))
	}
	half := &stage{states: []*compute.HostState{
		hostState("a", func(h *compute.HostState) { h.Node.MemoryMB = 512 }), hostState("b", func(h *compute.HostState) { h.Node.LocalGB = 5 }),
	}}
	got, err := half.scheduler(quiet).Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{newServer("s")}})
	testx.NoErr(t, err)
	testx.Equal(t, got[0].Reason, "placement: no host has all of this: 10 GB of disk free, 1024 MB of RAM free, 1 virtual CPUs free")
}

// TestAntiAffinityTogether places members at once, each before the database
// knows where the others are.
func TestAntiAffinityTogether(t *testing.T) {
	t.Parallel()
	st := &stage{group: &compute.ServerGroup{ID: "g", Policy: "anti-affinity"}}
	for i := range 4 {
		st.states = append(st.states, hostState(fmt.Sprint("h", i)))
		s := newServer(fmt.Sprint(i), func(s *compute.Server) { s.GroupID = "g" })
		st.servers, st.group.Members = append(st.servers, s), append(st.group.Members, s.ID)
	}
	s := st.scheduler(quiet)
	var wg sync.WaitGroup
	hosts := make([]string, 4)
	for i, one := range st.servers {
		wg.Go(func() {
			got, err := s.Select(t.Context(), compute.SelectArgs{Servers: []*compute.Server{one}})
			if err != nil {
				t.Error(err)
				return
			}
			hosts[i] = got[0].Destination.Host
		})
	}
	wg.Wait()
	slices.Sort(hosts)
	testx.Equal(t, hosts, []string{"h0", "h1", "h2", "h3"})
}

func TestResources(t *testing.T) {
	t.Parallel()
	s := newServer("s", spec1("resources:CUSTOM_GPU", "1", "resources:VCPU", "0"), func(s *compute.Server) { s.Flavor.SwapMB, s.Flavor.EphemeralGB = 1025, 3 })
	testx.Equal(t, Resources(s), placement.Resources{"MEMORY_MB": 1024, "DISK_GB": 15, "CUSTOM_GPU": 1})
	s.ImageRef = ""
	testx.Equal(t, Resources(s)["DISK_GB"], 5)
	testx.Equal(t, traits(newServer("t", spec1("trait:HW_A", "required", "trait:HW_B", "forbidden"))), url.Values{"required": {"HW_A,!HW_B"}})
}

func BenchmarkSelect(b *testing.B) {
	st := &stage{}
	for i := range 100 {
		st.states = append(st.states, hostState(fmt.Sprint("h", i), func(h *compute.HostState) { h.Node.MemoryMB, h.Node.LocalGB, h.Node.VCPUs = 1<<40, 1<<40, 1<<40 }))
	}
	s := st.scheduler(quiet)
	for i := 0; b.Loop(); i++ {
		if _, err := s.Select(b.Context(), compute.SelectArgs{Servers: []*compute.Server{newServer("s")}}); err != nil {
			b.Fatal(err)
		}
	}
}
