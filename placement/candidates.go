package placement

import (
	"context"
	"maps"
	"slices"
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

	used []*Node // the allocations' providers
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
	all := forestOf(nodes)
	plan := planOf(&q, all)
	seen := map[string]bool{}
	for _, tree := range all.trees {
		if len(out.Candidates) >= limit {
			break
		}
		search := &search{ctx: ctx, plan: plan, own: len(tree), nodes: append(tree, all.lenders(tree)...), limit: limit - len(out.Candidates)}
		// Only several nodes, some maybe of another tree's too, can give the
		// same candidate twice.
		if len(search.nodes) > 1 || len(all.sharing) > 0 {
			search.seen = seen
		}
		if search.possible() {
			search.run()
			out.Candidates = append(out.Candidates, search.found...)
		}
	}
	out.Nodes = all.shown(out.Candidates, q.Nested)
	return out, ctx.Err()
}

// plan is a request, prepared for many trees.
type plan struct {
	*CandidateQuery
	forest *forest
	needs  [][]need         // of each group, in the order of the classes
	inTree []string         // of each group, the root of the tree it is confined to, "" for any
	least  map[string]int64 // of each class, the smallest amount
}

func planOf(q *CandidateQuery, all *forest) *plan {
	p := &plan{CandidateQuery: q, forest: all, needs: make([][]need, len(q.Groups)), inTree: make([]string, len(q.Groups)), least: map[string]int64{}}
	for i, g := range q.Groups {
		if g.InTree != "" {
			p.inTree[i] = all.rootOf(g.InTree)
		}
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			p.needs[i] = append(p.needs[i], need{class, g.Resources[class]})
			if least, ok := p.least[class]; !ok || g.Resources[class] < least {
				p.least[class] = g.Resources[class]
			}
		}
	}
	return p
}
