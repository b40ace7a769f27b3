package placement

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
)

// need is an amount of one class.
type need struct {
	class  string
	amount int64
}

// fits reports whether the node has that much left.
func (n *Node) fits(want need) bool {
	i := findInventory(n.Inventories, want.class)
	return i != nil && i.Accepts(want.amount) && i.Used+want.amount <= i.Capacity()
}

// Candidate is one way to serve a request: what to allocate, and which
// providers serve which group.
type Candidate struct {
	Allocations []Allocation // in the order of provider and class
	Mappings    map[string][]string
}

// Candidates are the ways to serve a request and the providers that matter to
// them: those that are used or, if trees may be used, all of their trees.
type Candidates struct {
	Candidates []Candidate
	Nodes      []*Node
}

// maxOptions bounds the ways to spread one group over one tree.
const maxOptions = 100_000

// Candidates finds where a request fits, tree by tree in the order of the
// roots' uuids.
func (s *Service) Candidates(ctx context.Context, q CandidateQuery) (*Candidates, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := s.known(ctx, &q); err != nil {
		return nil, err
	}
	limit := s.cfg.MaxAllocationCandidates
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	nodes, err := s.nodes.all(ctx, s.store)
	if err != nil {
		return nil, err
	}
	out := &Candidates{}
	plan := planOf(&q)
	for len(nodes) > 0 && len(out.Candidates) < limit {
		n := 1
		for n < len(nodes) && nodes[n].RootUUID == nodes[0].RootUUID {
			n++
		}
		search := &search{ctx: ctx, plan: plan, tree: nodes[:n:n], limit: limit - len(out.Candidates)}
		if search.possible() {
			search.run()
			out.add(search)
		}
		nodes = nodes[n:]
	}
	return out, ctx.Err()
}

// plan is a request, prepared for many trees.
type plan struct {
	*CandidateQuery
	needs [][]need         // of each group, in the order of the classes
	least map[string]int64 // of each class, the smallest amount
}

func planOf(q *CandidateQuery) *plan {
	p := &plan{CandidateQuery: q, needs: make([][]need, len(q.Groups)), least: map[string]int64{}}
	for i, g := range q.Groups {
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			p.needs[i] = append(p.needs[i], need{class, g.Resources[class]})
			if least, ok := p.least[class]; !ok || g.Resources[class] < least {
				p.least[class] = g.Resources[class]
			}
		}
	}
	return p
}

// add takes over what one tree has given.
func (c *Candidates) add(s *search) {
	if len(s.found) == 0 {
		return
	}
	c.Candidates = append(c.Candidates, s.found...)
	for _, n := range s.tree {
		if s.plan.Nested || slices.ContainsFunc(s.found, func(f Candidate) bool { return f.uses(n.UUID) }) {
			c.Nodes = append(c.Nodes, n)
		}
	}
}

func (c *Candidate) uses(provider string) bool {
	return slices.ContainsFunc(c.Allocations, func(a Allocation) bool { return a.Provider == provider })
}

// search looks for candidates in one tree.
type search struct {
	ctx   context.Context
	plan  *plan
	tree  []*Node // the root is among them
	limit int

	found []Candidate
	seen  map[string]bool // keys of found, if there can be equal ones
	steps int
}

// root is the tree's root; nil while it is being deleted.
func (s *search) root() *Node { return s.node(s.tree[0].RootUUID) }

// possible turns most trees away at once: each class must be left somewhere
// in the tree, the root must be as asked, and all groups are served by one
// tree, that of in_tree.
func (s *search) possible() bool {
	for class, amount := range s.plan.least {
		if !slices.ContainsFunc(s.tree, func(n *Node) bool { return n.fits(need{class, amount}) }) {
			return false
		}
	}
	for _, g := range s.plan.Groups {
		if g.InTree != "" && s.node(g.InTree) == nil {
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
		if s.plan.Groups[i].Suffix == "" {
			options[i] = s.spread(i)
		} else {
			options[i] = s.single(i)
		}
		if len(options[i]) == 0 {
			return
		}
	}
	if len(s.tree) > 1 {
		s.seen = map[string]bool{}
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
	for i, n := range s.tree {
		if !hasAll(n.Traits, g.Required) || hasAny(n.Traits, g.Forbidden) ||
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

// spread gives the ways to serve a group by any nodes of the tree, each class
// by one. The nodes have the required traits together. A root lends its
// aggregates to its whole tree.
func (s *search) spread(group int) []option {
	g, needs := &s.plan.Groups[group], s.plan.needs[group]
	root := s.root()
	allowed := func(n *Node) bool {
		aggregates := n.Aggregates
		if root != nil && root != n {
			aggregates = slices.Concat(aggregates, root.Aggregates)
		}
		return !hasAny(n.Traits, g.Forbidden) && hasAll(aggregates, g.MemberOf) && !hasAny(aggregates, g.ForbiddenAggs)
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
		for i, n := range s.tree {
			if !s.plan.Nested && len(parts) > 0 && parts[0].node != i {
				continue
			}
			if n.fits(want) && allowed(n) {
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
		if !slices.ContainsFunc(nodes, func(i int) bool { return hasAny(s.tree[i].Traits, set) }) {
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
		if s.plan.Groups[i].Suffix != "" && len(s.plan.Groups[i].Resources) > 0 && o.nodes[0] == node {
			return true
		}
	}
	return false
}

// accept makes a candidate of a choice if its parts fit together.
func (s *search) accept(chosen []option) {
	sums := map[Slot]int64{}
	c := Candidate{Mappings: make(map[string][]string, len(chosen))}
	for i, o := range chosen {
		for _, p := range o.parts {
			sums[Slot{s.tree[p.node].UUID, p.class}] += p.amount
		}
		for _, n := range o.nodes {
			c.Mappings[s.plan.Groups[i].Suffix] = append(c.Mappings[s.plan.Groups[i].Suffix], s.tree[n].UUID)
		}
	}
	for slot, amount := range sums {
		c.Allocations = append(c.Allocations, Allocation{Provider: slot.Provider, ResourceClass: slot.ResourceClass, Amount: amount})
	}
	slices.SortFunc(c.Allocations, func(a, b Allocation) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.ResourceClass, b.ResourceClass))
	})
	if !s.plan.Nested && c.Allocations[0].Provider != c.Allocations[len(c.Allocations)-1].Provider {
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
		n := s.node(a.Provider)
		i := findInventory(n.Inventories, a.ResourceClass)
		if i.Used+a.Amount > i.Capacity() || a.Amount > i.MaxUnit {
			return false
		}
	}
	return true
}

func (s *search) node(uuid string) *Node {
	i := slices.IndexFunc(s.tree, func(n *Node) bool { return n.UUID == uuid })
	if i < 0 {
		return nil
	}
	return s.tree[i]
}

// subtrees checks that of each set's nodes one is above all others.
func (s *search) subtrees(chosen []option) bool {
	for _, set := range s.plan.SameSubtree {
		var nodes []string
		for i, o := range chosen {
			if slices.Contains(set, s.plan.Groups[i].Suffix) {
				nodes = append(nodes, s.tree[o.nodes[0]].UUID)
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
		n := s.node(node)
		if n == nil {
			return false
		}
		node = n.ParentUUID
	}
	return node == top
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
