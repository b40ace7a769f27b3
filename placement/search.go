package placement

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// search looks for candidates in one tree and in the providers that share
// what they have with it.
type search struct {
	ctx   context.Context
	plan  *plan
	nodes []*Node // those of the tree, the root among them, and those that lend
	own   int     // how many of the nodes are the tree's
	limit int

	found []Candidate
	seen  map[string]bool // keys of all found, if there can be equal ones
	steps int
}

// root is the tree's root; nil while it is being deleted.
func (s *search) root() *Node { return s.node(s.nodes[0].RootUUID) }

// possible turns most trees away at once: each class must be left somewhere,
// and the root must be as asked.
func (s *search) possible() bool {
	for class, amount := range s.plan.least {
		if !slices.ContainsFunc(s.nodes, func(n *Node) bool { return n.fits(need{class, amount}) }) {
			return false
		}
	}
	if f := s.plan.Root; len(f.Required)+len(f.Forbidden) > 0 {
		root := s.root()
		return root != nil && hasAll(root.Traits, f.Required) && !hasAny(root.Traits, f.Forbidden)
	}
	return true
}

// part is one node's share in serving a group.
type part struct {
	node int
	need
}

// option is one way to serve one group.
type option struct {
	parts []part
	nodes []int // those that serve it; the only one for a group with a suffix
}

func (s *search) run() {
	options := make([][]option, len(s.plan.Groups))
	for i := range s.plan.Groups {
		if s.plan.Groups[i].Suffix == "" && len(s.nodes) > 1 {
			options[i] = s.spread(i)
		} else {
			options[i] = s.single(i)
		}
		if len(options[i]) == 0 {
			return
		}
	}
	s.combine(options, make([]option, 0, len(options)))
}

// done reports whether to stop; now and then it looks at the clock.
func (s *search) done() bool {
	s.steps++
	return len(s.found) >= s.limit || s.steps%1024 == 0 && s.ctx.Err() != nil
}

// single gives the nodes that serve a whole group alone.
func (s *search) single(group int) []option {
	g := &s.plan.Groups[group]
	var out []option
nodes:
	for i, n := range s.nodes {
		if g.InTree != "" && n.RootUUID != s.plan.inTree[group] || !hasAll(n.Traits, g.Required) || hasAny(n.Traits, g.Forbidden) ||
			!hasAll(n.Aggregates, g.MemberOf) || hasAny(n.Aggregates, g.ForbiddenAggs) {
			continue
		}
		o := option{nodes: []int{i}}
		for _, want := range s.plan.needs[group] {
			if !n.fits(want) {
				continue nodes
			}
			o.parts = append(o.parts, part{i, want})
		}
		out = append(out, o)
	}
	return out
}

// spread gives the ways to serve a group by any nodes, each class by one. The
// nodes have the required traits together. The root's aggregates are those of
// its whole tree, and what the root must not be in, nobody may be.
func (s *search) spread(group int) []option {
	g, needs := &s.plan.Groups[group], s.plan.needs[group]
	nodes := s.nodes
	if g.InTree != "" {
		if s.nodes[0].RootUUID != s.plan.inTree[group] {
			return nil
		}
		nodes = nodes[:s.own] // nothing of another tree
	}
	root := s.root()
	allowed := make([]bool, len(nodes))
	for i, n := range nodes {
		member := hasAll(n.Aggregates, g.MemberOf) || i < s.own && root != nil && hasAll(root.Aggregates, g.MemberOf)
		bad := hasAny(n.Aggregates, g.ForbiddenAggs) || root != nil && hasAny(root.Aggregates, g.ForbiddenAggs)
		allowed[i] = member && !bad && !hasAny(n.Traits, g.Forbidden)
	}
	var out []option
	var walk func(parts []part)
	walk = func(parts []part) {
		if s.done() || len(out) >= maxOptions {
			return
		}
		if len(parts) == len(needs) {
			if o := (option{parts: slices.Clone(parts), nodes: nodesOf(parts)}); s.together(o.nodes, g.Required) {
				out = append(out, o)
			}
			return
		}
		want := needs[len(parts)]
		for i, n := range nodes {
			if allowed[i] && n.fits(want) {
				walk(append(parts, part{i, want}))
			}
		}
	}
	walk(make([]part, 0, len(needs)))
	return out
}

// together reports whether nodes have the traits between them.
func (s *search) together(nodes []int, required [][]string) bool {
	for _, set := range required {
		if !slices.ContainsFunc(nodes, func(i int) bool { return hasAny(s.nodes[i].Traits, set) }) {
			return false
		}
	}
	return true
}

// combine tries every choice of one option per group.
func (s *search) combine(options [][]option, chosen []option) {
	if s.done() {
		return
	}
	if len(chosen) == len(options) {
		s.accept(chosen)
		return
	}
	g := &s.plan.Groups[len(chosen)]
	for _, o := range options[len(chosen)] {
		if s.plan.Isolate && g.Suffix != "" && s.taken(chosen, o.nodes[0]) {
			continue
		}
		s.combine(options, append(chosen, o))
	}
}

// taken reports whether a group with a suffix is served by the node already.
func (s *search) taken(chosen []option, node int) bool {
	for i, o := range chosen {
		if s.plan.Groups[i].Suffix != "" && o.nodes[0] == node {
			return true
		}
	}
	return false
}

// accept makes a candidate of a choice if its parts fit together.
func (s *search) accept(chosen []option) {
	n := 0
	for _, o := range chosen {
		n += len(o.parts)
	}
	c := Candidate{Mappings: make(map[string][]string, len(chosen)), Allocations: make([]Allocation, 0, n)}
	for i, o := range chosen {
		for _, p := range o.parts {
			c.add(s.nodes[p.node], p.need)
		}
		suffix := s.plan.Groups[i].Suffix
		for _, n := range o.nodes {
			c.Mappings[suffix] = append(c.Mappings[suffix], s.nodes[n].UUID)
		}
	}
	slices.SortFunc(c.Allocations, func(a, b Allocation) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.ResourceClass, b.ResourceClass))
	})
	if !s.plan.Nested && !c.flat() {
		return
	}
	if len(chosen) > 1 && !s.fit(c.Allocations) || !s.subtrees(chosen) {
		return
	}
	if s.seen != nil {
		key := c.key()
		if s.seen[key] {
			return
		}
		s.seen[key] = true
	}
	s.found = append(s.found, c)
}

// fit checks the sums of several groups on one inventory.
func (s *search) fit(allocations []Allocation) bool {
	for _, a := range allocations {
		i := findInventory(s.node(a.Provider).Inventories, a.ResourceClass)
		if i.Used+a.Amount > i.Capacity() || a.Amount > i.MaxUnit {
			return false
		}
	}
	return true
}

func (s *search) node(uuid string) *Node {
	i := slices.IndexFunc(s.nodes, func(n *Node) bool { return n.UUID == uuid })
	if i < 0 {
		return nil
	}
	return s.nodes[i]
}

// subtrees checks that of each set's nodes one is above all others.
func (s *search) subtrees(chosen []option) bool {
	for _, set := range s.plan.SameSubtree {
		var nodes []string
		for i, o := range chosen {
			if slices.Contains(set, s.plan.Groups[i].Suffix) {
				nodes = append(nodes, s.nodes[o.nodes[0]].UUID)
			}
		}
		if !slices.ContainsFunc(nodes, func(top string) bool {
			return !slices.ContainsFunc(nodes, func(n string) bool { return !s.under(n, top) })
		}) {
			return false
		}
	}
	return true
}

// under reports whether a node is top or anywhere below it.
func (s *search) under(node, top string) bool {
	for node != "" && node != top {
		n := s.plan.forest.node(node)
		if n == nil {
			return false
		}
		node = n.ParentUUID
	}
	return node == top
}

// add takes an amount of a provider.
func (c *Candidate) add(n *Node, want need) {
	for i := range c.Allocations {
		if a := &c.Allocations[i]; a.Provider == n.UUID && a.ResourceClass == want.class {
			a.Amount += want.amount
			return
		}
	}
	c.Allocations = append(c.Allocations, Allocation{Provider: n.UUID, ResourceClass: want.class, Amount: want.amount})
	if !slices.Contains(c.used, n) {
		c.used = append(c.used, n)
	}
}

// flat reports whether no tree has two of the providers: callers of before
// 1.29 know of no trees.
func (c *Candidate) flat() bool {
	for i, n := range c.used {
		if slices.ContainsFunc(c.used[:i], func(m *Node) bool { return m.RootUUID == n.RootUUID }) {
			return false
		}
	}
	return true
}

// key tells candidates apart.
func (c *Candidate) key() string {
	var b strings.Builder
	for _, suffix := range slices.Sorted(maps.Keys(c.Mappings)) {
		b.WriteString(suffix + "=" + strings.Join(c.Mappings[suffix], ",") + ";")
	}
	for _, a := range c.Allocations {
		b.WriteString(a.Provider + "/" + a.ResourceClass + ";")
	}
	return b.String()
}

func nodesOf(parts []part) []int {
	var out []int
	for _, p := range parts {
		if !slices.Contains(out, p.node) {
			out = append(out, p.node)
		}
	}
	return out
}

// hasAll reports whether of each set one is there.
func hasAll(have []string, sets [][]string) bool {
	for _, set := range sets {
		if !hasAny(have, set) {
			return false
		}
	}
	return true
}

func hasAny(have, set []string) bool {
	return slices.ContainsFunc(set, func(one string) bool { return slices.Contains(have, one) })
}
