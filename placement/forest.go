package placement

import "slices"

// sharingTrait marks a provider whose inventories are for all trees that have
// a provider in one of its aggregates.
const sharingTrait = "MISC_SHARES_VIA_AGGREGATE"

// forest is all providers, tree by tree.
type forest struct {
	nodes []*Node
	trees [][]*Node        // in the order of the roots' uuids
	byID  map[string]*Node // see node
	// sharing are those that share, by the aggregates that they share with.
	sharing map[string][]*Node
}

// forestOf sorts the nodes, which come tree by tree.
func forestOf(nodes []*Node) *forest {
	f := &forest{nodes: nodes, trees: make([][]*Node, 0, len(nodes)), sharing: map[string][]*Node{}}
	for len(nodes) > 0 {
		n := 1
		for n < len(nodes) && nodes[n].RootUUID == nodes[0].RootUUID {
			n++
		}
		f.trees = append(f.trees, nodes[:n:n])
		for _, one := range nodes[:n] {
			if len(one.Aggregates) == 0 || !slices.Contains(one.Traits, sharingTrait) {
				continue
			}
			for _, a := range one.Aggregates {
				f.sharing[a] = append(f.sharing[a], one)
			}
		}
		nodes = nodes[n:]
	}
	return f
}

// lenders are the providers of other trees that share with this one.
func (f *forest) lenders(tree []*Node) []*Node {
	if len(f.sharing) == 0 {
		return nil
	}
	var out []*Node
	for _, n := range tree {
		for _, a := range n.Aggregates {
			for _, s := range f.sharing[a] {
				if s.RootUUID != tree[0].RootUUID && !slices.Contains(out, s) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// node finds a provider; nil if it is unknown.
func (f *forest) node(uuid string) *Node {
	if f.byID == nil { // most requests name none
		f.byID = make(map[string]*Node, len(f.nodes))
		for _, n := range f.nodes {
			f.byID[n.UUID] = n
		}
	}
	return f.byID[uuid]
}

// rootOf names the root of a provider's tree; "?", which no root is called,
// if there is no such provider.
func (f *forest) rootOf(uuid string) string {
	if n := f.node(uuid); n != nil {
		return n.RootUUID
	}
	return "?"
}

// shown are the providers that go with candidates: those used, or all of
// their trees.
func (f *forest) shown(candidates []Candidate, trees bool) []*Node {
	used, roots := make(map[string]bool, len(candidates)), make(map[string]bool, len(candidates))
	for _, c := range candidates {
		for _, n := range c.used {
			used[n.UUID], roots[n.RootUUID] = true, true
		}
	}
	out := make([]*Node, 0, len(used))
	for _, n := range f.nodes {
		if used[n.UUID] || trees && roots[n.RootUUID] {
			out = append(out, n)
		}
	}
	return out
}
