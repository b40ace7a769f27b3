package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/rpc"
	"nubo/sdk/placement"
)

// Store is what the scheduler reads of the component's database.
type Store interface {
	HostStates(ctx context.Context) ([]*compute.HostState, error)
	Servers(ctx context.Context, q compute.ServerQuery) ([]*compute.Server, error)
	ServerGroup(ctx context.Context, id string) (*compute.ServerGroup, error)
	Heartbeat(ctx context.Context, now time.Time, reports []compute.ServiceReport) error
}

// Placement is what the scheduler asks of the placement service.
type Placement interface {
	Candidates(ctx context.Context, want placement.Resources, limit int, extra url.Values) (*placement.Candidates, error)
	Allocations(ctx context.Context, consumer string) (*placement.Consumer, error)
	PutAllocations(ctx context.Context, consumer string, a placement.Allocation, projectID, userID string, generation *int64) error
}

// Deps are what the scheduler is joined to.
type Deps struct {
	Store     Store
	Bus       *rpc.Bus
	Placement Placement
	Clock     clock.Clock
	Log       *slog.Logger
	// Host is the name the service reports itself by.
	Host string
}

// Scheduler is the RPC server. It is safe for concurrent use.
type Scheduler struct {
	cfg   Config
	deps  Deps
	log   *slog.Logger
	known *knowledge

	// groupMu is held while a member of a server group is placed, so that
	// two members do not choose the same host at once.
	groupMu sync.Mutex
}

// New makes a scheduler.
func New(cfg Config, deps Deps) *Scheduler {
	if deps.Clock == nil {
		deps.Clock = clock.System
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	return &Scheduler{cfg: cfg, deps: deps, log: deps.Log, known: newKnowledge(deps.Store, deps.Clock.Now)}
}

// Run serves until ctx ends.
func (s *Scheduler) Run(ctx context.Context, ready func()) error {
	beat := compute.Heartbeat{
		Reports: []compute.ServiceReport{{Host: s.deps.Host, Binary: compute.BinaryScheduler, Topic: compute.TopicScheduler}},
		Send: func(ctx context.Context, r []compute.ServiceReport) error {
			return s.deps.Store.Heartbeat(ctx, s.deps.Clock.Now(), r)
		},
		Log: s.log,
	}
	return beat.During(ctx, func(ctx context.Context) error {
		return s.deps.Bus.Serve(ctx, rpc.Server{
			Target:  compute.SchedulerTarget(s.deps.Host),
			Methods: map[string]rpc.Handler{compute.MethodSelectDestinations: rpc.Method(s.selectDestinations)},
		}, ready)
	})
}

func (s *Scheduler) selectDestinations(ctx context.Context, args compute.SelectArgs) (compute.SelectReply, error) {
	selections, err := s.Select(ctx, args)
	return compute.SelectReply{Selections: selections}, err
}

// Select chooses and claims a host for each of the servers, which are alike.
// The last of the excluded hosts is the one that failed just now.
func (s *Scheduler) Select(ctx context.Context, args compute.SelectArgs) ([]compute.Selection, error) {
	if len(args.Servers) == 0 {
		return nil, nil
	}
	if n := len(args.Excluded); n > 0 {
		s.known.failed(args.Excluded[n-1])
	}
	first := args.Servers[0]
	if first.GroupID != "" {
		s.groupMu.Lock()
		defer s.groupMu.Unlock()
	}
	spec, err := s.spec(ctx, first, args)
	if err != nil {
		return nil, err
	}
	want := Resources(first)
	candidates, err := s.deps.Placement.Candidates(ctx, want, s.cfg.MaxPlacementResults, traits(first))
	if err != nil {
		return nil, fmt.Errorf("ask placement for candidates: %w", err)
	}
	hosts, err := s.hosts(ctx, spec, candidates)
	if err != nil {
		return nil, err
	}
	out := make([]compute.Selection, len(args.Servers))
	for i, server := range args.Servers {
		spec.server = server
		out[i], err = s.place(ctx, spec, want, hosts)
		if err != nil {
			return nil, fmt.Errorf("place server %s: %w", server.ID, err)
		}
	}
	return out, nil
}

// Resources is what a server takes of its host.
func Resources(s *compute.Server) placement.Resources {
	disk := s.Flavor.EphemeralGB + (s.Flavor.SwapMB+1023)/1024
	if !s.BootsFromVolume() {
		disk += s.Flavor.RootGB
	}
	want := placement.Resources{placement.VCPU: s.Flavor.VCPUs, placement.MemoryMB: s.Flavor.MemoryMB, placement.DiskGB: disk}
	for key, value := range s.Flavor.ExtraSpecs {
		if class, ok := strings.CutPrefix(key, "resources:"); ok {
			if n, err := strconv.Atoi(value); err == nil && n >= 0 {
				want[class] = n
			}
		}
	}
	maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
	return want
}

// traits are what the flavor requires and forbids, as a query.
func traits(s *compute.Server) url.Values {
	var required []string
	for _, key := range slices.Sorted(maps.Keys(s.Flavor.ExtraSpecs)) {
		name, ok := strings.CutPrefix(key, "trait:")
		switch value := s.Flavor.ExtraSpecs[key]; {
		case ok && value == "required":
			required = append(required, name)
		case ok && value == "forbidden":
			required = append(required, "!"+name)
		}
	}
	if required == nil {
		return nil
	}
	return url.Values{"required": {strings.Join(required, ",")}}
}

// spec reads what a request's filters have to know.
func (s *Scheduler) spec(ctx context.Context, first *compute.Server, args compute.SelectArgs) (*spec, error) {
	out := &spec{
		server: first, excluded: args.Excluded, now: s.deps.Clock.Now(), downTime: s.cfg.ServiceDownTime,
		hintHosts: map[string]string{}, groupHosts: map[string]int{},
	}
	var ids []string
	for _, hint := range []string{"same_host", "different_host"} {
		ids = append(ids, first.Hints[hint]...)
	}
	if first.GroupID != "" {
		g, err := s.deps.Store.ServerGroup(ctx, first.GroupID)
		if err != nil && !fault.Is(err, fault.NotFound) { // deleted meanwhile: its rule is, too
			return nil, fmt.Errorf("read server group %s: %w", first.GroupID, err)
		}
		if err == nil {
			out.group = g
			ids = append(ids, g.Members...)
		}
	}
	if ids == nil {
		return out, nil
	}
	servers, err := s.deps.Store.Servers(ctx, compute.ServerQuery{AllProjects: true, IDs: ids})
	if err != nil {
		return nil, fmt.Errorf("read the servers of hints and group: %w", err)
	}
	for _, one := range servers {
		at := one.Host
		if at == "" {
			at = s.known.placedAt(one.ID)
		}
		if at == "" || slices.ContainsFunc(args.Servers, func(a *compute.Server) bool { return a.ID == one.ID }) {
			continue
		}
		out.hintHosts[one.ID] = at
		if out.group != nil && slices.Contains(out.group.Members, one.ID) {
			out.groupHosts[at]++
		}
	}
	return out, nil
}

// hosts joins placement's candidates with what is known of their hosts.
func (s *Scheduler) hosts(ctx context.Context, spec *spec, c *placement.Candidates) ([]*host, error) {
	states, err := s.known.hosts(ctx)
	if err != nil {
		return nil, err
	}
	var out []*host
	for _, candidate := range c.Candidates {
		for provider := range candidate.Allocations {
			state := states[provider]
			if state == nil || len(candidate.Allocations) != 1 {
				continue
			}
			h := s.host(spec, state)
			// Placement knows of claims whose servers the database does not
			// have on their hosts yet.
			has := c.Summaries[provider].Resources
			for class, free := range map[string]*int{placement.MemoryMB: &h.freeRAM, placement.DiskGB: &h.freeDisk, placement.VCPU: &h.freeCPU} {
				if u, ok := has[class]; ok {
					*free = u.Capacity - u.Used
				}
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// host is a host as the database knows it.
func (s *Scheduler) host(spec *spec, state *compute.HostState) *host {
	h := &host{
		HostState: state, servers: state.Node.Used.Servers, tasks: state.Node.Used.Tasks,
		freeRAM: state.Node.MemoryMB - state.Node.Used.MemoryMB, freeDisk: state.Node.LocalGB - state.Node.Used.DiskGB,
		freeCPU: state.Node.VCPUs - state.Node.Used.VCPUs, failures: s.known.failureCount(state.Node.Host),
		members: spec.groupHosts[state.Node.Host], zone: s.cfg.DefaultAvailabilityZone,
	}
	for i := range state.Aggregates {
		if zone := state.Aggregates[i].Zone(); zone != "" {
			h.zone = zone
		}
	}
	return h
}

// place filters, weighs, and claims the best host that lets it.
func (s *Scheduler) place(ctx context.Context, spec *spec, want placement.Resources, hosts []*host) (compute.Selection, error) {
	decision := &compute.DecisionDetail{Candidates: len(hosts)}
	out := compute.Selection{ServerID: spec.server.ID, Decision: decision}
	left := s.filter(ctx, spec, hosts, decision)
	ranked := s.rank(ctx, spec, left, decision)
	var refused []string
	for _, h := range ranked {
		at, err := s.claim(ctx, spec, h.host, want, hosts)
		switch {
		case placement.IsRefused(err):
			refused = append(refused, h.name())
			continue
		case err != nil:
			return out, fmt.Errorf("claim resources of %s: %w", h.Node.ID, err) // the provider's id tells no host's name
		}
		out.Destination = s.take(ctx, spec, at, want)
		return out, nil
	}
	// What no host has left may be what the server itself has.
	had, err := s.deps.Placement.Allocations(ctx, spec.server.ID)
	if err != nil {
		return out, fmt.Errorf("show the allocations: %w", err)
	}
	at, err := s.held(ctx, spec, had, want, hosts)
	if err != nil {
		return out, err
	}
	if at != nil {
		out.Destination = s.take(ctx, spec, at, want)
		return out, nil
	}
	out.Reason, out.Public, err = s.reason(ctx, want, decision, refused)
	s.log.InfoContext(ctx, "no valid host was found", "server", spec.server.ID, "reason", out.Reason)
	return out, err
}

// take notes that a server will be on the host, where its claim is.
func (s *Scheduler) take(ctx context.Context, spec *spec, h *host, want placement.Resources) compute.Destination {
	if spec.group != nil {
		s.known.place(spec.server.ID, h.name())
		spec.groupHosts[h.name()]++
		h.members++
	}
	h.freeRAM -= want[placement.MemoryMB]
	h.freeDisk -= want[placement.DiskGB]
	h.freeCPU -= want[placement.VCPU]
	h.servers++
	h.tasks++
	s.log.DebugContext(ctx, "host was selected", "server", spec.server.ID, "host", h.name())
	return compute.Destination{Host: h.name(), Node: h.Node.Hostname, Provider: h.Node.ID, AZ: h.zone}
}

// filter gives the hosts that no filter refuses.
func (s *Scheduler) filter(ctx context.Context, spec *spec, hosts []*host, d *compute.DecisionDetail) []*host {
	debug := s.log.Enabled(ctx, slog.LevelDebug)
	for _, f := range filters {
		if len(hosts) == 0 {
			break
		}
		verdict := compute.FilterVerdict{Filter: f.name}
		var passed []*host
		for _, h := range hosts {
			why := f.refuse(spec, h)
			if why == "" {
				passed = append(passed, h)
				continue
			}
			if verdict.Refused == nil {
				verdict.Refused = map[string]string{}
			}
			verdict.Refused[h.name()] = why
		}
		verdict.Passed = len(passed)
		if debug { // Nova's words, which operators search logs for
			s.log.DebugContext(ctx, fmt.Sprintf("Filter %s returned %d host(s)", f.name, len(passed))) //nolint:sloglint // the whole line is what is searched for
		}
		if verdict.Refused != nil {
			d.Filters = append(d.Filters, verdict)
		}
		hosts = passed
	}
	return hosts
}

// keptWeights is how many of the weighed hosts a decision keeps.
const keptWeights = 20

// rank orders hosts by weight, best first; equals come in random order, and
// the first is chosen at random among the best.
func (s *Scheduler) rank(ctx context.Context, spec *spec, hosts []*host, d *compute.DecisionDetail) []weighed {
	if len(hosts) == 0 {
		return nil
	}
	ranked := weigh(&s.cfg, spec, hosts)
	rand.Shuffle(len(ranked), func(i, j int) { ranked[i], ranked[j] = ranked[j], ranked[i] })
	slices.SortStableFunc(ranked, func(a, b weighed) int {
		switch {
		case a.weight > b.weight:
			return -1
		case a.weight < b.weight:
			return 1
		}
		return 0
	})
	if s.log.Enabled(ctx, slog.LevelDebug) {
		s.log.DebugContext(ctx, "Weighed "+describe(ranked)) //nolint:sloglint // as above
	}
	for _, w := range ranked[:min(keptWeights, len(ranked))] {
		d.Weighed = append(d.Weighed, compute.WeighedHost{Host: w.name(), Node: w.Node.Hostname, Weight: w.weight, By: w.by})
	}
	if n := min(s.cfg.HostSubsetSize, len(ranked)); n > 1 {
		i := rand.IntN(n)
		ranked[0], ranked[i] = ranked[i], ranked[0]
	}
	return ranked
}

// describe writes weighed hosts as Nova does.
func describe(hosts []weighed) string {
	parts := make([]string, len(hosts))
	for i, h := range hosts {
		weight := strconv.FormatFloat(h.weight, 'g', -1, 64)
		if !strings.ContainsAny(weight, ".eIN") {
			weight += ".0"
		}
		parts[i] = fmt.Sprintf("WeighedHost [host: (%s, %s) ram: %dMB disk: %dMB io_ops: %d instances: %d, weight: %s]",
			h.name(), h.Node.Hostname, h.freeRAM, h.freeDisk*1024, h.tasks, h.servers, weight)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// claim makes the server's allocation one on the host, whatever it was: that
// of a host which failed, say. But if it is one that will do the choice has
// been made, and it gives that host: who asks did not get the answer, or
// another scheduler is about to give it.
func (s *Scheduler) claim(ctx context.Context, spec *spec, h *host, want placement.Resources, hosts []*host) (*host, error) {
	at := h
	err := claim(ctx, s.deps.Placement, spec.server, h.Node.ID, want, func(has *placement.Consumer) (bool, error) {
		other, err := s.held(ctx, spec, has, want, hosts)
		if other != nil {
			at = other
		}
		return other != nil, err
	})
	return at, err
}

// held gives the host on which a server has what it wants; nil if on none, or
// if it would not be put there.
func (s *Scheduler) held(ctx context.Context, spec *spec, has *placement.Consumer, want placement.Resources, hosts []*host) (*host, error) {
	for provider, claimed := range has.Allocations {
		if len(has.Allocations) != 1 || !maps.Equal(claimed, want) {
			break
		}
		var h *host
		if i := slices.IndexFunc(hosts, func(h *host) bool { return h.Node.ID == provider }); i >= 0 {
			h = hosts[i]
		} else { // full, with this server
			states, err := s.known.hosts(ctx)
			if err != nil || states[provider] == nil {
				return nil, err
			}
			h = s.host(spec, states[provider])
		}
		if len(s.filter(ctx, spec, []*host{h}, &compute.DecisionDetail{})) == 1 {
			return h, nil
		}
	}
	return nil, nil
}

// Claimer writes allocations.
type Claimer interface {
	Allocations(ctx context.Context, consumer string) (*placement.Consumer, error)
	PutAllocations(ctx context.Context, consumer string, a placement.Allocation, projectID, userID string, generation *int64) error
}

// claimAttempts bounds the retries of a claim that others race with.
const claimAttempts = 10

// Claim makes a server's allocation exactly this on one provider.
func Claim(ctx context.Context, p Claimer, server *compute.Server, provider string, want placement.Resources) error {
	return claim(ctx, p, server, provider, want, func(has *placement.Consumer) (bool, error) {
		return len(has.Allocations) == 1 && maps.Equal(has.Allocations[provider], want), nil
	})
}

// claim makes a server's allocation this, unless it has one that will do.
func claim(ctx context.Context, p Claimer, server *compute.Server, provider string, want placement.Resources, willDo func(*placement.Consumer) (bool, error)) error {
	allocation := placement.Allocation{provider: want}
	var generation *int64
	var err error
	for range claimAttempts {
		err = p.PutAllocations(ctx, server.ID, allocation, server.ProjectID, server.UserID, generation)
		if !placement.IsConcurrentUpdate(err) {
			return err
		}
		has, readErr := p.Allocations(ctx, server.ID)
		if readErr != nil {
			return errors.Join(err, readErr)
		}
		if ok, err := willDo(has); ok || err != nil {
			return err
		}
		generation = has.Generation
	}
	return err
}

// reason says for people why there is no host: for administrators with the
// hosts, and for everybody without.
func (s *Scheduler) reason(ctx context.Context, want placement.Resources, d *compute.DecisionDetail, refused []string) (reason, public string, err error) {
	if d.Candidates == 0 {
		short, err := s.shortOf(ctx, want)
		return "placement: " + short, "placement: " + short, err
	}
	var full, told []string
	for _, f := range d.Filters {
		full = append(full, fmt.Sprintf("%s refused %d: %s", f.Filter, len(f.Refused), some(f.Refused)))
		told = append(told, fmt.Sprintf("%s refused %d: %s", f.Filter, len(f.Refused), meanings[f.Filter]))
	}
	if len(refused) > 0 {
		full = append(full, "placement refused the claim on "+strings.Join(refused, ", "))
		told = append(told, fmt.Sprintf("placement refused the claim on %d", len(refused)))
	}
	return strings.Join(full, "; "), strings.Join(told, "; "), nil
}

// someReasons is how many hosts' reasons a fault names.
const someReasons = 3

func some(refused map[string]string) string {
	var parts []string
	for _, host := range slices.Sorted(maps.Keys(refused)) {
		if len(parts) == someReasons {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, host+" "+refused[host])
	}
	return strings.Join(parts, ", ")
}

// units name amounts of the resource classes.
var units = map[string]string{
	placement.VCPU: "%d virtual CPUs free", placement.MemoryMB: "%d MB of RAM free", placement.DiskGB: "%d GB of disk free",
}

// shortOf asks placement, one resource at a time, what no host has.
func (s *Scheduler) shortOf(ctx context.Context, want placement.Resources) (string, error) {
	amount := func(class string) string {
		if unit, ok := units[class]; ok {
			return fmt.Sprintf(unit, want[class])
		}
		return fmt.Sprintf("%d of %s free", want[class], class)
	}
	var missing []string
	for _, class := range slices.Sorted(maps.Keys(want)) {
		c, err := s.deps.Placement.Candidates(ctx, placement.Resources{class: want[class]}, 1, nil)
		if err != nil {
			return "", fmt.Errorf("ask placement what is missing: %w", err)
		}
		if len(c.Candidates) == 0 {
			missing = append(missing, amount(class))
		}
	}
	switch {
	case missing != nil:
		return "no host has " + strings.Join(missing, ", none has "), nil
	case len(want) == 1:
		return "no host has the traits the flavor asks for", nil
	}
	var all []string
	for _, class := range slices.Sorted(maps.Keys(want)) {
		all = append(all, amount(class))
	}
	return "no host has all of this: " + strings.Join(all, ", "), nil
}
