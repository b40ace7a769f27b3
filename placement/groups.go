package placement

import (
	"context"
	"maps"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// Group is a part of a request for candidates. The one without a suffix may
// be served by several providers of a tree, any other by one alone.
type Group struct {
	Suffix    string
	Resources map[string]int64
	Filter
	InTree string // uuid of a provider of the tree
}

// CandidateQuery is a request for candidates.
type CandidateQuery struct {
	Groups []Group
	Limit  int // 0 for none
	// Isolate has each group with a suffix served by another provider.
	Isolate bool
	// Root is what the root of the tree must and must not have; only traits.
	Root Filter
	// SameSubtree lists sets of suffixes: of the providers that serve a set's
	// groups, one is above the others or all are one.
	SameSubtree [][]string

	// Nested allows one tree to serve with several providers.
	Nested bool
}

// Check refuses what makes no sense.
func (q *CandidateQuery) Check() error {
	var subtree, suffixes []string
	for _, set := range q.SameSubtree {
		subtree = append(subtree, set...)
	}
	resources := false
	for _, g := range q.Groups {
		suffixes = append(suffixes, g.Suffix)
		resources = resources || len(g.Resources) > 0
		if len(g.Resources) == 0 && !slices.Contains(subtree, g.Suffix) {
			return g.orphan(len(q.SameSubtree) > 0)
		}
		if bad := g.contradictions(); len(bad) > 0 {
			return fault.Invalidf("Conflicting required and forbidden traits found in the following traits keys: required%s: (%s)",
				g.Suffix, strings.Join(bad, ", "))
		}
	}
	if !resources {
		if len(q.Groups) > 0 {
			return fault.Invalidf("There should be at least one request group with resources.").WithType(codeMissingValue)
		}
		return fault.Invalidf("At least one request group (`resources` or `resources{$S}`) is required.")
	}
	for _, suffix := range subtree {
		switch {
		case suffix == "":
			return fault.Invalidf("Empty string (unsuffixed group) can not be specified in `same_subtree` ").WithType(codeBadValue)
		case !slices.Contains(suffixes, suffix):
			return fault.Invalidf("Real suffixes should be specified in `same_subtree`: %s not found in %s.", suffix, suffixes).WithType(codeBadValue)
		}
	}
	root := Group{Filter: q.Root}
	if bad := root.contradictions(); len(bad) > 0 {
		return fault.Invalidf("Conflicting required and forbidden traits found in root_required: %s", strings.Join(bad, ", ")).WithType(codeBadValue)
	}
	return nil
}

// orphan words a group without resources.
func (g *Group) orphan(subtree bool) error {
	switch {
	case subtree:
		return fault.Invalidf("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - ['%s'].", g.Suffix).WithType(codeBadValue)
	case len(g.Required) > 0:
		return fault.Invalidf("All traits parameters must be associated with resources.  Found the following orphaned traits keys: required%s", g.Suffix)
	case len(g.MemberOf)+len(g.ForbiddenAggs) > 0:
		return fault.Invalidf("All member_of parameters must be associated with resources. Found the following orphaned member_of keys: member_of%s", g.Suffix)
	}
	return fault.Invalidf("All request groups must specify resources.")
}

// contradictions gives traits that are both required and forbidden.
func (g *Group) contradictions() []string {
	var bad []string
	for _, set := range g.Required {
		forbidden := func(t string) bool { return slices.Contains(g.Forbidden, t) }
		if !slices.ContainsFunc(set, func(t string) bool { return !forbidden(t) }) {
			bad = append(bad, set...)
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// known fails unless all classes and traits of the request exist.
func (s *Service) known(ctx context.Context, q *CandidateQuery) error {
	filters := []Filter{q.Root}
	classes := map[string]int64{}
	for _, g := range q.Groups {
		filters = append(filters, g.Filter)
		maps.Copy(classes, g.Resources)
	}
	if err := s.knownClasses(ctx, classes); err != nil {
		return err
	}
	return s.knownTraits(ctx, filters...)
}
