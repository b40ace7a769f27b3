package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"nubo/internal/fault"
	"nubo/placement"
)

// The parameters of a group: a name and, from 1.25 on, a suffix.
var (
	unsuffixed = regexp.MustCompile(`^(resources|required|member_of)()$`)
	numbered   = regexp.MustCompile(`^(resources|required|member_of|in_tree)([1-9][0-9]*)?$`)
	suffixed   = regexp.MustCompile(`^(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?$`)
)

// wide are the parameters of the whole request by the version that has them.
var wide = map[string]int{"limit": 16, "group_policy": 25, "root_required": 35, "same_subtree": 36}

func (h *handler) listCandidates(w http.ResponseWriter, r *http.Request) error {
	q, err := parseCandidates(r)
	if err != nil {
		return err
	}
	found, err := h.svc.Candidates(r.Context(), q)
	if err != nil {
		return err
	}
	fresh(w, r, time.Time{})
	w.Header().Set("Content-Type", "application/json")
	body := viewCandidates(r, &q, found)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body)
	return err
}

// parseCandidates reads the query string.
func parseCandidates(r *http.Request) (placement.CandidateQuery, error) {
	out := placement.CandidateQuery{Nested: since(r, 29), Subtrees: since(r, 36)}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return out, fault.Invalidf("Invalid query string parameters: %s", err)
	}
	suffixes, err := groupSuffixes(r, q)
	if err != nil {
		return out, err
	}
	for _, suffix := range suffixes {
		g := placement.Group{Suffix: suffix}
		if q.Has("resources" + suffix) {
			if g.Resources, err = parseResources(q.Get("resources" + suffix)); err != nil {
				return out, err
			}
		}
		if g.Filter, err = parseFilter(q, suffix, listRules(r)); err != nil {
			return out, err
		}
		if g.InTree, err = parseInTree(q, suffix); err != nil {
			return out, err
		}
		out.Groups = append(out.Groups, g)
	}
	return out, parseWide(q, suffixes, &out)
}

// groupSuffixes gives the suffixes of the request's groups, the empty one
// first, and refuses unknown parameters.
func groupSuffixes(r *http.Request, q url.Values) ([]string, error) {
	pattern := unsuffixed
	switch {
	case since(r, 33):
		pattern = suffixed
	case since(r, 25):
		pattern = numbered
	}
	known := map[string]bool{}
	for name := range q {
		if minor, ok := wide[name]; ok && since(r, minor) {
			continue
		}
		m := pattern.FindStringSubmatch(name)
		if m == nil || m[1] == "required" && !since(r, 17) || m[1] == "member_of" && !since(r, 21) || m[1] == "in_tree" && !since(r, 31) {
			return nil, fault.Invalidf("Invalid query string parameters: '%s' does not match any of the regexes: '%s'", name, pattern)
		}
		known[m[2]] = true
	}
	if len(known) == 0 && !since(r, 25) {
		return nil, fault.Invalidf("Invalid query string parameters: 'resources' is a required property")
	}
	return slices.Sorted(maps.Keys(known)), nil
}

// parseWide reads the parameters of the whole request.
func parseWide(q url.Values, suffixes []string, out *placement.CandidateQuery) error {
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 {
			return fault.Invalidf("Invalid query string parameters: '%s' does not match '^[1-9][0-9]*$'", q.Get("limit"))
		}
		out.Limit = n
	}
	switch p := q.Get("group_policy"); p {
	case "none":
	case "isolate":
		out.Isolate = true
	case "":
		named := slices.DeleteFunc(slices.Clone(suffixes), func(s string) bool { return s == "" })
		if len(named) > 1 {
			return fault.Invalidf(`The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.`)
		}
	default:
		return fault.Invalidf("Invalid query string parameters: '%s' is not one of ['none', 'isolate']", p)
	}
	if roots := q["root_required"]; len(roots) > 1 {
		return fault.Invalidf("Query parameter 'root_required' may be specified only once.").WithType("placement.query.duplicate_key")
	} else if len(roots) == 1 {
		if err := parseTraits(roots[0], filterRules{forbidden: true}, &out.Root); err != nil {
			return err
		}
	}
	for _, s := range q["same_subtree"] {
		out.SameSubtree = append(out.SameSubtree, split(s))
	}
	return nil
}

// viewCandidates writes the answer by hand: with many hosts it is the largest
// of all, and the names in it, UUIDs and upper case letters, need no quoting.
func viewCandidates(r *http.Request, q *placement.CandidateQuery, found *placement.Candidates) []byte {
	v := &candidateView{asDict: since(r, 12), mappings: since(r, 34), allClasses: since(r, 27), traits: since(r, 17), trees: since(r, 29), asked: map[string]bool{}}
	for _, g := range q.Groups {
		for class := range g.Resources {
			v.asked[class] = true
		}
	}
	v.b = append(make([]byte, 0, 256+512*len(found.Candidates)), `{"allocation_requests": [`...)
	for i := range found.Candidates {
		v.sep(i)
		v.candidate(&found.Candidates[i])
	}
	v.add(`], "provider_summaries": {`)
	for i := range found.Nodes {
		v.sep(i)
		v.node(found.Nodes[i])
	}
	v.add("}}")
	return v.b
}

type candidateView struct {
	b     []byte
	asked map[string]bool // classes

	asDict, mappings, allClasses, traits, trees bool
}

func (v *candidateView) add(s string)   { v.b = append(v.b, s...) }
func (v *candidateView) key(s string)   { v.b = append(append(append(v.b, '"'), s...), `": `...) }
func (v *candidateView) number(n int64) { v.b = strconv.AppendInt(v.b, n, 10) }
func (v *candidateView) names(l []string) {
	b, _ := json.Marshal(append([]string{}, l...))
	v.b = append(v.b, b...)
}

func (v *candidateView) sep(i int) {
	if i > 0 {
		v.add(", ")
	}
}

func (v *candidateView) candidate(c *placement.Candidate) {
	v.add(`{"allocations": `)
	v.add(map[bool]string{true: "{", false: "["}[v.asDict])
	for i, a := range c.Allocations {
		switch {
		case i > 0 && a.Provider == c.Allocations[i-1].Provider:
			v.add(", ")
		default:
			if i > 0 {
				v.add("}}, ")
			}
			if v.asDict {
				v.key(a.Provider)
				v.add(`{"resources": {`)
			} else {
				v.add(`{"resource_provider": {"uuid": "` + a.Provider + `"}, "resources": {`)
			}
		}
		v.key(a.ResourceClass)
		v.number(a.Amount)
	}
	v.add("}}")
	v.add(map[bool]string{true: "}", false: "]"}[v.asDict])
	if v.mappings {
		v.add(`, "mappings": {`)
		for i, suffix := range slices.Sorted(maps.Keys(c.Mappings)) {
			v.sep(i)
			v.key(suffix)
			v.names(c.Mappings[suffix])
		}
		v.add("}")
	}
	v.add("}")
}

func (v *candidateView) node(n *placement.Node) {
	v.key(n.UUID)
	v.add(`{"resources": {`)
	shown := 0
	for i := range n.Inventories {
		inv := &n.Inventories[i]
		if !v.allClasses && !v.asked[inv.ResourceClass] {
			continue
		}
		v.sep(shown)
		shown++
		v.key(inv.ResourceClass)
		v.add(`{"capacity": `)
		v.number(inv.Capacity())
		v.add(`, "used": `)
		v.number(inv.Used)
		v.add("}")
	}
	v.add("}")
	if v.traits {
		v.add(`, "traits": `)
		v.names(n.Traits)
	}
	if v.trees {
		parent := "null"
		if n.ParentUUID != "" {
			parent = `"` + n.ParentUUID + `"`
		}
		v.add(`, "parent_provider_uuid": ` + parent + `, "root_provider_uuid": "` + n.RootUUID + `"`)
	}
	v.add("}")
}
