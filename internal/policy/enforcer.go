// Package policy decides who may do what, in the language of oslo.policy: a
// component registers its rules with their defaults in Go, an operator
// overrides them in YAML, and the answers are those of the original.
//
//	"os_compute_api:servers:show": "rule:admin_or_owner"
//	"admin_or_owner": "role:admin or project_id:%(project_id)s"
//
// Rules are compiled to closures when they are loaded; a check allocates
// nothing in the common cases. What is stricter than the original: a rule
// that does not parse, that refers to itself, or that overrides a name nobody
// knows is an error when it is loaded, where the original logs it and then
// denies. Token scopes are enforced. Remote (http:) checks are refused.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/nearest"
)

// defaultRule is the rule that answers for names that are not defined, if it
// is defined itself.
const defaultRule = "default"

// Enforcer answers for the rules of one service. It is safe for concurrent
// use; rules may be loaded while it answers.
type Enforcer struct {
	service    string
	registered []Rule // never changed after NewEnforcer
	inForce    atomic.Pointer[table]

	mu    sync.Mutex // guards files, and is held while a new table is made of them
	files []file
}

// table is a consistent set of compiled rules. It is replaced, never changed.
type table map[string]*entry

// entry is a rule in force.
type entry struct {
	name   string
	text   string // the check as written
	scopes []string
	tree   *node
	check  checkFunc
}

// checkFunc is a compiled rule or part of one.
type checkFunc func(*auth.Context, Target) bool

// NotAuthorized is the cause inside the fault that Enforce returns.
type NotAuthorized struct {
	Rule string
	// Scope is the token's scope if that is what the rule does not serve.
	Scope string
}

// Error says which rule refused, and whether by scope.
func (e *NotAuthorized) Error() string {
	if e.Scope != "" {
		return fmt.Sprintf("rule %s does not serve tokens of %s scope", e.Rule, e.Scope)
	}
	return fmt.Sprintf("rule %s is not fulfilled", e.Rule)
}

// NewEnforcer compiles a service's default rules. Its errors name the rule
// and the place in it.
func NewEnforcer(service string, defaults ...[]Rule) (*Enforcer, error) {
	e := &Enforcer{service: service, registered: slices.Concat(defaults...)}
	seen := map[string]bool{}
	for _, r := range e.registered {
		switch {
		case r.Name == "":
			return nil, fmt.Errorf("policy of %s: a rule has no name", service)
		case seen[r.Name]:
			return nil, fmt.Errorf("policy of %s: rule %q is registered twice", service, r.Name)
		}
		seen[r.Name] = true
		for _, s := range r.Scopes {
			if s != "project" && s != "domain" && s != "system" {
				return nil, fmt.Errorf("policy of %s: rule %q: there is no scope %q", service, r.Name, s)
			}
		}
	}
	t, err := e.build(nil)
	if err != nil {
		return nil, fmt.Errorf("policy of %s: %w", service, err)
	}
	// In a file a dangling reference is the operator's and only denies; among
	// the defaults it is a mistake in the program.
	if d := t.dangling(); len(d) > 0 {
		return nil, fmt.Errorf("policy of %s: rule %q refers to rule %q, which is not defined; the nearest known is %q",
			service, d[0].from.name, d[0].ref, nearest.Of(d[0].ref, t.names()))
	}
	e.inForce.Store(&t)
	return e, nil
}

// build makes the table of the defaults with what files override.
func (e *Enforcer) build(files []file) (table, error) {
	overrides := map[string]fileRule{}
	for _, f := range files { // later files win
		for _, r := range f.rules {
			overrides[r.name] = r
		}
	}
	t := table{}
	for _, r := range e.registered {
		if o, ok := overrideOf(r, overrides); ok {
			t[r.Name] = &entry{name: r.Name, text: o.text, scopes: r.Scopes, tree: o.tree}
			continue
		}
		tree, err := parse(r.Check)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r.Name, err)
		}
		t[r.Name] = &entry{name: r.Name, text: r.Check, scopes: r.Scopes, tree: tree}
	}
	for name, o := range overrides {
		if t[name] == nil {
			t[name] = &entry{name: name, text: o.text, tree: o.tree}
		}
	}
	if err := t.acyclic(); err != nil {
		return nil, err
	}
	for _, en := range t {
		en.check = t.compile(en.tree)
	}
	return t, nil
}

// overrideOf finds what files say of a rule, under its name or, failing that,
// under the name it had before. An old name that is defined as the new one is
// an operator's bridge and overrides nothing.
func overrideOf(r Rule, overrides map[string]fileRule) (fileRule, bool) {
	if o, ok := overrides[r.Name]; ok {
		return o, true
	}
	if r.Deprecated != nil {
		if o, ok := overrides[r.Deprecated.Name]; ok && !(o.tree.op == opRule && o.tree.ref == r.Name) {
			return o, true
		}
	}
	return fileRule{}, false
}

// resolve finds the rule of a name, or the default rule, or nil.
func (t table) resolve(name string) *entry {
	if en := t[name]; en != nil {
		return en
	}
	return t[defaultRule]
}

func (t table) names() []string {
	out := make([]string, 0, len(t))
	for name := range t {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// compile makes closures of a tree. A reference binds to the entry, whose
// check may be compiled later.
func (t table) compile(n *node) checkFunc {
	switch n.op {
	case opTrue:
		return func(*auth.Context, Target) bool { return true }
	case opLeaf:
		return n.leaf.check
	case opRule:
		if en := t.resolve(n.ref); en != nil {
			return func(c *auth.Context, tg Target) bool { return en.check(c, tg) }
		}
	case opNot:
		kid := t.compile(n.kids[0])
		return func(c *auth.Context, tg Target) bool { return !kid(c, tg) }
	case opAnd, opOr:
		kids := make([]checkFunc, len(n.kids))
		for i, k := range n.kids {
			kids[i] = t.compile(k)
		}
		stop := n.op == opOr // the result that settles it
		return func(c *auth.Context, tg Target) bool {
			for _, kid := range kids {
				if kid(c, tg) == stop {
					return stop
				}
			}
			return !stop
		}
	}
	return func(*auth.Context, Target) bool { return false }
}

// acyclic fails if a rule reaches itself; it names the way round.
func (t table) acyclic() error {
	done := map[*entry]bool{}
	var path []*entry
	var visit func(en *entry) error
	var walk func(n *node) error
	walk = func(n *node) error {
		if n.op == opRule {
			if en := t.resolve(n.ref); en != nil {
				return visit(en)
			}
		}
		for _, k := range n.kids {
			if err := walk(k); err != nil {
				return err
			}
		}
		return nil
	}
	visit = func(en *entry) error {
		if i := slices.Index(path, en); i >= 0 {
			var round []string
			for _, p := range append(path[i:], en) {
				round = append(round, p.name)
			}
			return fmt.Errorf("rule %q refers to itself: %s", en.name, strings.Join(round, " -> "))
		}
		if done[en] {
			return nil
		}
		path = append(path, en)
		err := walk(en.tree)
		path = path[:len(path)-1]
		done[en] = true
		return err
	}
	for _, name := range t.names() { // sorted, so that the message is always the same
		if err := visit(t[name]); err != nil {
			return err
		}
	}
	return nil
}

// reference is a rule: check and the rule it stands in.
type reference struct {
	from *entry
	ref  string
}

// references lists every rule: check, in a stable order.
func (t table) references() []reference {
	var out []reference
	var walk func(en *entry, n *node)
	walk = func(en *entry, n *node) {
		if n.op == opRule {
			out = append(out, reference{en, n.ref})
		}
		for _, k := range n.kids {
			walk(en, k)
		}
	}
	for _, name := range t.names() {
		walk(t[name], t[name].tree)
	}
	return out
}

// dangling lists the references that nothing answers, which are therefore
// false.
func (t table) dangling() []reference {
	return slices.DeleteFunc(t.references(), func(r reference) bool { return t.resolve(r.ref) != nil })
}

// Check reports whether the caller may do what the rule guards to the target.
// A name that is no rule is answered by the rule "default", or else refused.
func (e *Enforcer) Check(c *auth.Context, rule string, t Target) bool {
	tab := *e.inForce.Load()
	en := tab.resolve(rule)
	return en != nil && tab.serves(rule, c) && en.check(c, t)
}

// serves reports whether the rule is for tokens of the caller's scope. The
// scopes of the rule "default" bind nothing else that it answers for.
func (t table) serves(rule string, c *auth.Context) bool {
	en := t[rule]
	return en == nil || len(en.scopes) == 0 || slices.Contains(en.scopes, scopeOf(c))
}

// Enforce is Check with the refusal as a fault of kind Forbidden. Its cause is
// a *NotAuthorized; its Type is left to the API, which has a name of its own
// for every refusal.
func (e *Enforcer) Enforce(c *auth.Context, rule string, t Target) error {
	if e.Check(c, rule, t) {
		return nil
	}
	cause := &NotAuthorized{Rule: rule}
	if !e.inForce.Load().serves(rule, c) {
		cause.Scope = scopeOf(c)
	}
	return fault.Forbiddenf("Policy doesn't allow %s to be performed.", rule).WithCause(cause)
}

// Rules gives the registered rules in the order of registration, each with the
// check that is in force.
func (e *Enforcer) Rules() []Rule {
	t := *e.inForce.Load()
	out := slices.Clone(e.registered)
	for i := range out {
		out[i].Check = t[out[i].Name].text
	}
	return out
}

// Known reports whether a rule of that name is defined.
func (e *Enforcer) Known(rule string) bool {
	return (*e.inForce.Load())[rule] != nil
}
