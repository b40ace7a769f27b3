package placement_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"nubo/placement"
)

// world is a store of providers only.
type world struct {
	placement.Store
	nodes []*placement.Node
}

func (w *world) Versions(context.Context) ([]placement.NodeVersion, error) {
	var out []placement.NodeVersion
	for _, n := range w.nodes {
		out = append(out, placement.NodeVersion{UUID: n.UUID, Version: n.Version})
	}
	return out, nil
}

func (w *world) Nodes(_ context.Context, uuids []string) ([]*placement.Node, error) {
	return slices.DeleteFunc(slices.Clone(w.nodes), func(n *placement.Node) bool { return !slices.Contains(uuids, n.UUID) }), nil
}

func (w *world) node(uuid string) *placement.Node {
	i := slices.IndexFunc(w.nodes, func(n *placement.Node) bool { return n.UUID == uuid })
	return w.nodes[i]
}

const shares = "MISC_SHARES_VIA_AGGREGATE"

var (
	someClasses = []string{"DISK_GB", "MEMORY_MB", "VCPU"}
	someTraits  = []string{"COMPUTE_NODE", "HW_CPU_X86_AVX", "HW_CPU_X86_SSE", shares}
	someAggs    = []string{"agg1", "agg2"}
)

// subset draws some of the names; each with one chance in n.
func subset(t *rapid.T, names []string, n int, label string) []string {
	var out []string
	for _, name := range names {
		if rapid.IntRange(1, n).Draw(t, label) == 1 {
			out = append(out, name)
		}
	}
	return out
}

// drawWorld makes a few trees.
func drawWorld(t *rapid.T) *world {
	w := &world{}
	for i := range rapid.IntRange(1, 6).Draw(t, "providers") {
		n := &placement.Node{UUID: fmt.Sprintf("%d", i), Version: 1}
		n.RootUUID = n.UUID
		if parent := rapid.IntRange(-2, i-1).Draw(t, "parent"); parent >= 0 {
			n.ParentUUID, n.RootUUID = w.nodes[parent].UUID, w.nodes[parent].RootUUID
		}
		n.Traits, n.Aggregates = subset(t, someTraits, 3, "trait"), subset(t, someAggs, 2, "aggregate")
		for _, class := range subset(t, someClasses, 2, "class") {
			n.Inventories = append(n.Inventories, placement.Inventory{
				ResourceClass: class, Total: 8, Reserved: rapid.Int64Range(0, 2).Draw(t, "reserved"), Used: rapid.Int64Range(0, 6).Draw(t, "used"),
				MinUnit: rapid.Int64Range(1, 2).Draw(t, "min"), MaxUnit: rapid.Int64Range(2, 8).Draw(t, "max"),
				StepSize: rapid.Int64Range(1, 2).Draw(t, "step"), AllocationRatio: rapid.SampledFrom([]float64{1, 1.5}).Draw(t, "ratio"),
			})
		}
		w.nodes = append(w.nodes, n)
	}
	slices.SortStableFunc(w.nodes, func(a, b *placement.Node) int { return strings.Compare(a.RootUUID, b.RootUUID) })
	return w
}

func drawFilter(t *rapid.T) (f placement.Filter) {
	if rapid.IntRange(1, 3).Draw(t, "requires") == 1 {
		f.Required = [][]string{rapid.SliceOfNDistinct(rapid.SampledFrom(someTraits), 1, 2, rapid.ID[string]).Draw(t, "required")}
	}
	f.Forbidden = subset(t, slices.DeleteFunc(slices.Clone(someTraits), func(trait string) bool {
		return slices.ContainsFunc(f.Required, func(set []string) bool { return slices.Contains(set, trait) })
	}), 8, "forbidden")
	for _, a := range subset(t, someAggs, 5, "member") {
		f.MemberOf = append(f.MemberOf, []string{a})
	}
	f.ForbiddenAggs = subset(t, someAggs, 8, "not member")
	return f
}

// drawQuery makes a request of one group without a suffix, up to two with,
// and at times one that asks for no resources.
func drawQuery(t *rapid.T, w *world) placement.CandidateQuery {
	q := placement.CandidateQuery{
		Nested: rapid.IntRange(1, 4).Draw(t, "nested") > 1, Isolate: rapid.Bool().Draw(t, "isolate"), Subtrees: true,
	}
	for _, suffix := range subset(t, []string{"", "_a", "_b"}, 2, "group") {
		g := placement.Group{Suffix: suffix, Filter: drawFilter(t), Resources: map[string]int64{}}
		for _, class := range rapid.SliceOfNDistinct(rapid.SampledFrom(someClasses), 1, 2, rapid.ID[string]).Draw(t, "classes") {
			g.Resources[class] = rapid.Int64Range(1, 3).Draw(t, "amount")
		}
		if rapid.IntRange(1, 6).Draw(t, "in tree") == 1 {
			g.InTree = rapid.SampledFrom(w.nodes).Draw(t, "tree").UUID
		}
		q.Groups = append(q.Groups, g)
	}
	var named []string
	for _, g := range q.Groups {
		if g.Suffix != "" {
			named = append(named, g.Suffix)
		}
	}
	if len(named) > 0 && q.Nested && rapid.IntRange(1, 3).Draw(t, "subtree") == 1 {
		if rapid.Bool().Draw(t, "bare") {
			q.Groups = append(q.Groups, placement.Group{Suffix: "_bare", Filter: placement.Filter{Required: [][]string{{"COMPUTE_NODE"}}}})
			named = append(named, "_bare")
		}
		q.SameSubtree = [][]string{named}
	}
	if rapid.IntRange(1, 4).Draw(t, "root") == 1 {
		q.Root = placement.Filter{Required: [][]string{{"HW_CPU_X86_AVX"}}}
	}
	return q
}

// slot is one thing that some provider has to serve: a class of a group, or a
// whole group that asks for none.
type slot struct {
	group int
	class string
}

// bruteForce tries every provider for every slot under every root.
func bruteForce(w *world, q *placement.CandidateQuery) []string {
	var slots []slot
	for i, g := range q.Groups {
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			slots = append(slots, slot{i, class})
		}
		if len(g.Resources) == 0 {
			slots = append(slots, slot{i, ""})
		}
	}
	found := map[string]bool{}
	chosen := make([]*placement.Node, len(slots))
	var choose func(root *placement.Node, n int)
	choose = func(root *placement.Node, n int) {
		if n == len(slots) {
			if w.serves(q, root, slots, chosen) {
				found[keyOf(q, slots, chosen)] = true
			}
			return
		}
		for _, chosen[n] = range w.nodes {
			choose(root, n+1)
		}
	}
	for _, root := range w.nodes {
		if root.ParentUUID == "" && has(root.Traits, q.Root.Required) {
			choose(root, 0)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// serves reports whether a choice is a candidate for the tree of root, by the
// words of the reference.
func (w *world) serves(q *placement.CandidateQuery, root *placement.Node, slots []slot, chosen []*placement.Node) bool {
	servers := map[int][]*placement.Node{}
	amounts := map[*placement.Node]map[string]int64{}
	trees := map[string]*placement.Node{}
	for i, s := range slots {
		g, n := &q.Groups[s.group], chosen[i]
		if !w.within(root, n) || g.InTree != "" && n.RootUUID != w.node(g.InTree).RootUUID || !fits(n, s.class, g.Resources[s.class]) {
			return false
		}
		if other := trees[n.RootUUID]; !q.Nested && other != nil && other != n {
			return false
		}
		trees[n.RootUUID] = n
		servers[s.group] = append(servers[s.group], n)
		if amounts[n] == nil {
			amounts[n] = map[string]int64{}
		}
		amounts[n][s.class] += g.Resources[s.class]
	}
	for n, classes := range amounts {
		for class, amount := range classes {
			if !withinLimits(n, class, amount) {
				return false
			}
		}
	}
	single := map[*placement.Node]bool{}
	for i := range q.Groups {
		g := &q.Groups[i]
		if !groupServed(g, root, servers[i]) {
			return false
		}
		if g.Suffix != "" {
			if q.Isolate && single[servers[i][0]] {
				return false
			}
			single[servers[i][0]] = true
		}
	}
	return w.subtrees(q, servers)
}

// within reports whether n is of root's tree or shares with it.
func (w *world) within(root, n *placement.Node) bool {
	return n.RootUUID == root.UUID || slices.Contains(n.Traits, shares) && slices.ContainsFunc(w.nodes, func(m *placement.Node) bool {
		return m.RootUUID == root.UUID && slices.ContainsFunc(m.Aggregates, func(a string) bool { return slices.Contains(n.Aggregates, a) })
	})
}

func groupServed(g *placement.Group, root *placement.Node, servers []*placement.Node) bool {
	var together []string
	for _, n := range servers {
		lends := g.Suffix == "" && n.RootUUID == root.UUID && has(root.Aggregates, g.MemberOf)
		barred := g.Suffix == "" && (slices.ContainsFunc(root.Aggregates, func(a string) bool { return slices.Contains(g.ForbiddenAggs, a) }) ||
			g.InTree != "" && n.RootUUID != root.UUID)
		if barred || g.Suffix != "" && n != servers[0] || !lends && !has(n.Aggregates, g.MemberOf) ||
			slices.ContainsFunc(n.Aggregates, func(a string) bool { return slices.Contains(g.ForbiddenAggs, a) }) ||
			slices.ContainsFunc(n.Traits, func(tr string) bool { return slices.Contains(g.Forbidden, tr) }) {
			return false
		}
		together = append(together, n.Traits...)
	}
	return has(together, g.Required)
}

func (w *world) subtrees(q *placement.CandidateQuery, servers map[int][]*placement.Node) bool {
	for _, set := range q.SameSubtree {
		var of []*placement.Node
		for i, g := range q.Groups {
			if slices.Contains(set, g.Suffix) {
				of = append(of, servers[i][0])
			}
		}
		if !slices.ContainsFunc(of, func(top *placement.Node) bool {
			for _, n := range of {
				for n.UUID != top.UUID && n.ParentUUID != "" {
					n = w.node(n.ParentUUID)
				}
				if n != top {
					return false
				}
			}
			return true
		}) {
			return false
		}
	}
	return true
}

func has(have []string, sets [][]string) bool {
	for _, set := range sets {
		if !slices.ContainsFunc(set, func(one string) bool { return slices.Contains(have, one) }) {
			return false
		}
	}
	return true
}

func fits(n *placement.Node, class string, amount int64) bool {
	for _, i := range n.Inventories {
		if i.ResourceClass == class {
			return amount >= i.MinUnit && amount%i.StepSize == 0 && withinLimits(n, class, amount)
		}
	}
	return class == ""
}

func withinLimits(n *placement.Node, class string, amount int64) bool {
	for _, i := range n.Inventories {
		if i.ResourceClass == class {
			return amount <= i.MaxUnit && float64(i.Used+amount) <= float64(i.Total-i.Reserved)*i.AllocationRatio
		}
	}
	return class == ""
}

// keyOf writes a candidate so that two can be compared.
func keyOf(q *placement.CandidateQuery, slots []slot, chosen []*placement.Node) string {
	sums, mappings := map[string]int64{}, map[string][]string{}
	for i, s := range slots {
		g := q.Groups[s.group]
		mappings[g.Suffix] = append(mappings[g.Suffix], chosen[i].UUID)
		if s.class != "" {
			sums[chosen[i].UUID+"/"+s.class] += g.Resources[s.class]
		}
	}
	return write(sums, mappings)
}

func write(sums map[string]int64, mappings map[string][]string) string {
	for suffix, list := range mappings {
		slices.Sort(list)
		mappings[suffix] = slices.Compact(list)
	}
	return fmt.Sprint(sums, mappings) // maps are printed in order
}

// TestCandidatesModel compares the search with one that tries everything.
func TestCandidatesModel(t *testing.T) {
	t.Parallel()
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		q := drawQuery(t, w)
		if len(q.Groups) == 0 {
			t.Skip("nothing is asked for")
		}
		svc, err := placement.New(placement.Config{MaxAllocationCandidates: 1 << 20}, placement.Deps{Store: w})
		if err != nil {
			t.Fatal(err)
		}
		got, err := svc.Candidates(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		trees := map[string]bool{}
		for _, c := range got.Candidates {
			sums := map[string]int64{}
			for _, a := range c.Allocations {
				sums[a.Provider+"/"+a.ResourceClass] += a.Amount
				trees[w.node(a.Provider).RootUUID] = true
			}
			keys = append(keys, write(sums, c.Mappings))
		}
		slices.Sort(keys)
		want := bruteForce(w, &q)
		some += len(want)
		if d := cmp.Diff(want, keys); d != "" {
			t.Fatalf("candidates (-want +got):\n%s", d)
		}
		for _, n := range got.Nodes {
			if !trees[n.RootUUID] {
				t.Fatalf("provider %s is shown, and no candidate uses its tree", n.UUID)
			}
		}
	})
	if some == 0 {
		t.Fatal("no request had a candidate: the test compares nothing")
	}
}
