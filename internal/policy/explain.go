package policy

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"nubo/internal/auth"
	"nubo/internal/nearest"
)

// Explanation tells how a decision came about.
type Explanation struct {
	Rule    string
	Allowed bool
	// Reason is the decision's cause in one sentence.
	Reason string
	// Trace is what was evaluated, in order; what was not needed is left out.
	Trace []Step
}

// Step is one evaluated part of a rule.
type Step struct {
	Depth  int    // how deep it is nested, from 0
	Text   string // the check, or the operator over the deeper steps
	Result bool
	Note   string // what was compared
}

// String writes the explanation for people, one step a line.
func (x Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s\n", x.Rule, map[bool]string{true: "allowed", false: "denied"}[x.Allowed], x.Reason)
	for _, s := range x.Trace {
		fmt.Fprintf(&b, "%s%s: %t", strings.Repeat("  ", s.Depth+1), s.Text, s.Result)
		if s.Note != "" {
			fmt.Fprintf(&b, " (%s)", s.Note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Explain decides as Check does and tells why.
func (e *Enforcer) Explain(c *auth.Context, rule string, t Target) Explanation {
	tab := *e.inForce.Load()
	x := Explanation{Rule: rule}
	en := tab.resolve(rule)
	switch {
	case en == nil:
		x.Reason = fmt.Sprintf("There is no such rule; the nearest known is %q.", nearest.Of(rule, tab.names()))
		return x
	case !tab.serves(rule, c):
		x.Reason = fmt.Sprintf("The rule serves tokens of %s scope and this one's is %s.", strings.Join(en.scopes, " or "), scopeOf(c))
		return x
	}
	r := tracer{table: tab, caller: c, target: t}
	x.Allowed = r.walk(en.tree, 0)
	x.Trace = r.steps
	x.Reason = r.reason(x.Allowed)
	return x
}

// tracer evaluates a tree like its compiled form and keeps the steps.
type tracer struct {
	table  table
	caller *auth.Context
	target Target
	steps  []Step
}

// walk evaluates a node; its own step comes before those of its kids.
func (r *tracer) walk(n *node, depth int) bool {
	at := len(r.steps)
	r.steps = append(r.steps, Step{Depth: depth, Text: n.text})
	result, note := false, ""
	switch n.op {
	case opTrue:
		result = true
	case opLeaf:
		result, note = n.leaf.check(r.caller, r.target), n.leaf.why(r.caller, r.target)
	case opRule:
		if en := r.table.resolve(n.ref); en != nil {
			result = r.walk(en.tree, depth+1)
		} else {
			note = "no such rule"
		}
	case opNot:
		result = !r.walk(n.kids[0], depth+1)
	case opAnd, opOr:
		stop := n.op == opOr
		result = !stop
		for _, k := range n.kids {
			if r.walk(k, depth+1) == stop {
				result = stop
				break
			}
		}
	}
	r.steps[at].Result, r.steps[at].Note = result, note
	return result
}

// reason names the checks without parts that came out as the whole did: the
// last one for a rule that allows, all of them for one that denies.
func (r *tracer) reason(allowed bool) string {
	var decisive []string
	for i, s := range r.steps {
		isPart := i+1 < len(r.steps) && r.steps[i+1].Depth > s.Depth
		if !isPart && s.Result == allowed && !slices.Contains(decisive, s.Text) {
			decisive = append(decisive, s.Text)
		}
	}
	switch {
	case len(decisive) == 0: // only a not turned it
		return fmt.Sprintf("%s is %t.", r.steps[0].Text, allowed)
	case allowed:
		return decisive[len(decisive)-1] + " is fulfilled."
	case len(decisive) == 1:
		return decisive[0] + " is not fulfilled."
	}
	return "None of " + strings.Join(decisive, ", ") + " is fulfilled."
}

// Question is what `nubo policy check` asks.
type Question struct {
	Rule      string
	UserID    string
	ProjectID string
	DomainID  string
	System    bool
	Roles     []string
	// Target are attributes as name=value. Without any the target is the
	// caller's own project, as it is for routes that act on no resource.
	Target []string
}

// Answer writes the verdict with its reason and reports whether it allows. An
// unknown rule or a malformed target is an error.
func (q Question) Answer(w io.Writer, e *Enforcer) (bool, error) {
	if !e.Known(q.Rule) {
		return false, fmt.Errorf("the %s policy has no rule %q; the nearest known is %q", e.service, q.Rule, nearest.Of(q.Rule, e.inForce.Load().names()))
	}
	t := Target{}
	for _, pair := range q.Target {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return false, fmt.Errorf("target attribute %q is not written name=value", pair)
		}
		t[name] = value
	}
	if len(t) == 0 {
		t = Target{"project_id": q.ProjectID, "tenant_id": q.ProjectID, "user_id": q.UserID, "domain_id": q.DomainID}
	}
	c := &auth.Context{UserID: q.UserID, ProjectID: q.ProjectID, DomainID: q.DomainID, System: q.System, Roles: q.Roles}
	c.IsAdmin = e.Check(c, "context_is_admin", nil) // as the HTTP door does
	x := e.Explain(c, q.Rule, t)
	_, err := io.WriteString(w, x.String())
	return x.Allowed, err
}
