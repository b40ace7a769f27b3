package placement

import (
	"context"
	"fmt"
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

	// Subtrees allows groups without resources, if a subtree holds them.
	Subtrees bool
	// Nested allows one tree to serve with several providers.
	Nested bool
}

// Check refuses what makes no sense.
func (q *CandidateQuery) Check() error {
	if err := q.checkResources(); err != nil {
		return err
	}
	var bad []string
	for _, g := range q.Groups {
		if names := g.contradictions(); len(names) > 0 {
			bad = append(bad, fmt.Sprintf("required%s: (%s)", g.Suffix, strings.Join(names, ", ")))
		}
	}
	if len(bad) > 0 {
		return fault.Invalidf("Conflicting required and forbidden traits found in the following traits keys: %s", strings.Join(bad, ", "))
	}
	root := Group{Filter: q.Root}
	if bad := root.contradictions(); len(bad) > 0 {
		return fault.Invalidf("Conflicting required and forbidden traits found in root_required: %s", strings.Join(bad, ", ")).WithType(codeBadValue)
	}
	return nil
}

// checkResources refuses groups that ask for no resources, unless a subtree
// holds them.
func (q *CandidateQuery) checkResources() error {
	var suffixes, bare []string
	for _, g := range q.Groups {
		suffixes = append(suffixes, g.Suffix)
		if len(g.Resources) == 0 {
			bare = append(bare, g.Suffix)
		}
	}
	if !q.Subtrees {
		return q.checkOrphans(len(bare) > 0)
	}
	if len(bare) == len(suffixes) {
		return fault.Invalidf("There must be at least one resources or resources[$S] parameter.").WithType(codeMissingValue)
	}
	subtrees := slices.Concat(q.SameSubtree...)
	bare = slices.DeleteFunc(bare, func(suffix string) bool { return slices.Contains(subtrees, suffix) })
	unknown := slices.DeleteFunc(slices.Clone(subtrees), func(suffix string) bool { return slices.Contains(suffixes, suffix) })
	switch {
	case slices.Contains(subtrees, ""):
		return fault.Invalidf("Empty string (unsuffixed group) can not be specified in `same_subtree` ").WithType(codeBadValue)
	case len(bare) > 0:
		return fault.Invalidf("Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - %s.",
			listed(bare)).WithType(codeBadValue)
	case len(unknown) > 0:
		return fault.Invalidf("Real suffixes should be specified in `same_subtree`: %s not found in %s.", listed(unknown), listed(suffixes)).WithType(codeBadValue)
	}
	return nil
}

// checkOrphans words what checkResources finds in the request of a caller who
// knows of no subtrees.
func (q *CandidateQuery) checkOrphans(bare bool) error {
	var traits, members []string
	for _, g := range q.Groups {
		if len(g.Resources) > 0 {
			continue
		}
		if len(g.Required) > 0 {
			traits = append(traits, "required"+g.Suffix)
		}
		if len(g.MemberOf)+len(g.ForbiddenAggs) > 0 {
			members = append(members, "member_of"+g.Suffix)
		}
	}
	switch {
	case len(traits) > 0:
		return fault.Invalidf("All traits parameters must be associated with resources.  Found the following orphaned traits keys: %s", strings.Join(traits, ", "))
	case len(members) > 0:
		return fault.Invalidf("All member_of parameters must be associated with resources. Found the following orphaned member_of keys: %s", strings.Join(members, ", "))
	case bare:
		return fault.Invalidf("All request groups must specify resources.")
	case len(q.Groups) == 0:
		return fault.Invalidf("At least one request group (`resources` or `resources{$S}`) is required.")
	}
	return nil
}

// listed writes names as the original's messages do.
func listed(names []string) string {
	return "['" + strings.Join(names, "', '") + "']"
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
