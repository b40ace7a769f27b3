package placement

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// Node is a provider as the search for candidates sees it.
type Node struct {
	UUID, ParentUUID, RootUUID string

	Inventories []Inventory
	Traits      []string // nil unless asked for
	Aggregates  []string // nil unless asked for
}

func (n *Node) inventory(class string) *Inventory { return findInventory(n.Inventories, class) }

// fits reports whether the node has that much left.
func (n *Node) fits(class string, amount int64) bool {
	i := n.inventory(class)
	return i != nil && i.Accepts(amount) && i.Used+amount <= i.Capacity()
}

// RootQuery narrows down the trees in which candidates may be. Each part is
// something that a tree with a candidate has; a tree that has all of it need
// not have one.
type RootQuery struct {
	Needs    map[string]int64 // some provider of the tree has that much left
	Traits   [][]string       // of each set, some provider has one
	MemberOf [][]string       // of each set, some provider is in one
	Root     Filter           // what the root itself has; only traits
	In       []string         // only these trees; nil for all
}

// CandidateStore finds trees of providers.
type CandidateStore interface {
	// CandidateRoots gives the uuids of the trees' roots, in order.
	CandidateRoots(ctx context.Context, q RootQuery) ([]string, error)
	// Nodes gives all providers of the trees, root by root in order.
	Nodes(ctx context.Context, roots []string, traits, aggregates bool) ([]Node, error)
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
	Nodes      []Node
}

// treesAtOnce is how many trees are read before they are searched; a limit
// that the first of them reach spares the others.
const treesAtOnce = 256

// maxOptions bounds the ways to spread one group over one tree.
const maxOptions = 100_000

// Candidates finds where a request fits.
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
	out := &Candidates{}
	narrow := narrowed(&q)
	possible, err := s.inTrees(ctx, &q, &narrow)
	if err != nil || !possible {
		return out, err
	}
	roots, err := s.store.CandidateRoots(ctx, narrow)
	if err != nil {
		return nil, err
	}
	traits := q.WithTraits || len(narrow.Traits) > 0 || slices.ContainsFunc(q.Groups, func(g Group) bool { return len(g.Forbidden) > 0 })
	aggregates := slices.ContainsFunc(q.Groups, func(g Group) bool { return len(g.MemberOf)+len(g.ForbiddenAggs) > 0 })
	for chunk := range slices.Chunk(roots, treesAtOnce) {
		nodes, err := s.store.Nodes(ctx, chunk, traits, aggregates)
		if err != nil {
			return nil, err
		}
		for len(nodes) > 0 && len(out.Candidates) < limit {
			n := 1
			for n < len(nodes) && nodes[n].RootUUID == nodes[0].RootUUID {
				n++
			}
			search := &search{ctx: ctx, q: &q, tree: nodes[:n:n], limit: limit - len(out.Candidates)}
			search.run()
			out.add(search)
			nodes = nodes[n:]
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// narrowed says what every tree with a candidate has.
func narrowed(q *CandidateQuery) RootQuery {
	r := RootQuery{Needs: map[string]int64{}, Root: q.Root}
	for _, g := range q.Groups {
		for class, amount := range g.Resources {
			if least, ok := r.Needs[class]; !ok || amount < least {
				r.Needs[class] = amount
			}
		}
		r.Traits = append(r.Traits, g.Required...)
		r.MemberOf = append(r.MemberOf, g.MemberOf...)
	}
	return r
}

// inTrees resolves in_tree: all groups are served by one tree, so that two
// different ones leave nothing.
func (s *Service) inTrees(ctx context.Context, q *CandidateQuery, r *RootQuery) (bool, error) {
	for _, g := range q.Groups {
		if g.InTree == "" {
			continue
		}
		p, err := s.store.Provider(ctx, g.InTree)
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if r.In != nil && r.In[0] != p.RootUUID {
			return false, nil
		}
		r.In = []string{p.RootUUID}
	}
	return true, nil
}

// add takes over what one tree has given.
func (c *Candidates) add(s *search) {
	if len(s.found) == 0 {
		return
	}
	c.Candidates = append(c.Candidates, s.found...)
	for _, n := range s.tree {
		if s.q.Nested || slices.ContainsFunc(s.found, func(f Candidate) bool { return f.uses(n.UUID) }) {
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
	q     *CandidateQuery
	tree  []Node // the root is among them
	limit int

	found []Candidate
	seen  map[string]bool // keys of found, if there can be equal ones
	steps int
}

// part is one node's share in serving a group.
type part struct {
	node   int
	class  string
	amount int64
}

// option is one way to serve one group.
type option struct {
	parts []part
	nodes []int // those that serve it; the only one for a group with a suffix
}

func (s *search) run() {
	options := make([][]option, len(s.q.Groups))
	for i := range s.q.Groups {
		g := &s.q.Groups[i]
		if g.Suffix == "" {
			options[i] = s.spread(g)
		} else {
			options[i] = s.single(g)
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
func (s *search) single(g *Group) []option {
	var out []option
nodes:
	for i := range s.tree {
		n := &s.tree[i]
		if !hasAll(n.Traits, g.Required) || hasAny(n.Traits, g.Forbidden) ||
			!hasAll(n.Aggregates, g.MemberOf) || hasAny(n.Aggregates, g.ForbiddenAggs) {
			continue
		}
		o := option{nodes: []int{i}}
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			if !n.fits(class, g.Resources[class]) {
				continue nodes
			}
			o.parts = append(o.parts, part{i, class, g.Resources[class]})
		}
		out = append(out, o)
	}
	return out
}

// spread gives the ways to serve a group by any nodes of the tree, each class
// by one. The nodes have the required traits together. A root lends its
// aggregates to its whole tree.
func (s *search) spread(g *Group) []option {
	var root *Node
	for i := range s.tree {
		if s.tree[i].UUID == s.tree[i].RootUUID {
			root = &s.tree[i]
		}
	}
	allowed := func(n *Node) bool {
		aggregates := n.Aggregates
		if root != nil && root != n {
			aggregates = slices.Concat(aggregates, root.Aggregates)
		}
		return !hasAny(n.Traits, g.Forbidden) && hasAll(aggregates, g.MemberOf) && !hasAny(aggregates, g.ForbiddenAggs)
	}
	classes := slices.Sorted(maps.Keys(g.Resources))
	var out []option
	var walk func(c int, parts []part)
	walk = func(c int, parts []part) {
		if s.done() || len(out) >= maxOptions {
			return
		}
		if c == len(classes) {
			if o := (option{parts: slices.Clone(parts), nodes: nodesOf(parts)}); s.together(o.nodes, g.Required) {
				out = append(out, o)
			}
			return
		}
		for i := range s.tree {
			n := &s.tree[i]
			if !s.q.Nested && len(parts) > 0 && parts[0].node != i {
				continue
			}
			if n.fits(classes[c], g.Resources[classes[c]]) && allowed(n) {
				walk(c+1, append(parts, part{i, classes[c], g.Resources[classes[c]]}))
			}
		}
	}
	walk(0, make([]part, 0, len(classes)))
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
	g := &s.q.Groups[len(chosen)]
	for _, o := range options[len(chosen)] {
		if s.q.Isolate && g.Suffix != "" && s.taken(chosen, o.nodes[0]) {
			continue
		}
		s.combine(options, append(chosen, o))
	}
}

// taken reports whether a group with a suffix is served by the node already.
func (s *search) taken(chosen []option, node int) bool {
	for i, o := range chosen {
		if s.q.Groups[i].Suffix != "" && len(s.q.Groups[i].Resources) > 0 && o.nodes[0] == node {
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
			c.Mappings[s.q.Groups[i].Suffix] = append(c.Mappings[s.q.Groups[i].Suffix], s.tree[n].UUID)
		}
	}
	for slot, amount := range sums {
		c.Allocations = append(c.Allocations, Allocation{Provider: slot.Provider, ResourceClass: slot.ResourceClass, Amount: amount})
	}
	slices.SortFunc(c.Allocations, func(a, b Allocation) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.ResourceClass, b.ResourceClass))
	})
	if !s.q.Nested && c.Allocations[0].Provider != c.Allocations[len(c.Allocations)-1].Provider {
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
		i := n.inventory(a.ResourceClass)
		if i.Used+a.Amount > i.Capacity() || a.Amount > i.MaxUnit {
			return false
		}
	}
	return true
}

func (s *search) node(uuid string) *Node {
	i := slices.IndexFunc(s.tree, func(n Node) bool { return n.UUID == uuid })
	if i < 0 {
		return nil
	}
	return &s.tree[i]
}

// subtrees checks that of each set's nodes one is above all others.
func (s *search) subtrees(chosen []option) bool {
	for _, set := range s.q.SameSubtree {
		var nodes []string
		for i, o := range chosen {
			if slices.Contains(set, s.q.Groups[i].Suffix) {
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
