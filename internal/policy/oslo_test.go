package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

// python is Debian's own interpreter, which sees Debian's packages.
const python = "/usr/bin/python3"

// question and answer are the lines that testdata/oracle.py reads and writes.
type question struct {
	Rules  map[string]any `json:"rules"`
	Scopes []string       `json:"scopes"`
	Caller caller         `json:"caller"`
	Target map[string]any `json:"target"`
	Ask    []string       `json:"ask"`
}

type caller struct {
	User          string   `json:"user"`
	UserDomain    string   `json:"user_domain"`
	Project       string   `json:"project"`
	ProjectDomain string   `json:"project_domain"`
	Domain        string   `json:"domain"`
	System        bool     `json:"system"`
	IsAdmin       bool     `json:"is_admin"`
	Roles         []string `json:"roles"`
	ServiceRoles  []string `json:"service_roles"`
}

func (c caller) context() *auth.Context {
	return &auth.Context{
		UserID: c.User, UserDomainID: c.UserDomain, ProjectID: c.Project, ProjectDomainID: c.ProjectDomain,
		DomainID: c.Domain, System: c.System, IsAdmin: c.IsAdmin, Roles: c.Roles, ServiceRoles: c.ServiceRoles,
	}
}

type answer struct {
	Failed  []string `json:"failed"`
	Answers []*bool  `json:"answers"`
}

// askOslo answers the questions with the original.
func askOslo(t *testing.T, questions []question) []answer {
	t.Helper()
	if out, err := exec.Command(python, "-c", "import oslo_policy, oslo_context").CombinedOutput(); err != nil {
		t.Fatalf("this test compares with oslo.policy; install Debian's python3-oslo.policy: %v\n%s", err, out)
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range questions {
		testx.NoErr(t, enc.Encode(q))
	}
	cmd := exec.Command(python, "testdata/oracle.py")
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the oracle: %v\n%s", err, stderr.String())
	}
	var answers []answer
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var a answer
		testx.NoErr(t, dec.Decode(&a))
		answers = append(answers, a)
	}
	testx.Equal(t, len(answers), len(questions))
	return answers
}

// gen makes random questions. Every value is from a small set, so that checks
// often hold; floats are such that JSON does not make integers of them.
type gen struct{ *rand.Rand }

func (g gen) of(values ...string) string { return values[g.IntN(len(values))] }

func (g gen) value() any {
	return []any{"a", "b", "u", "", nil, true, false, 0, 1, 7, -3, 1.5, -0.25, 1.5e21, 2.5e-7, "True", "None", "admin", "Member", []any{"a"}}[g.IntN(20)]
}

func (g gen) target() map[string]any {
	keys := []string{"project_id", "user_id", "domain_id", "x", "y", "a.b", "target.project.domain_id"}
	out := map[string]any{}
	for _, k := range keys {
		if g.IntN(3) > 0 {
			out[k] = g.value()
		}
	}
	if g.IntN(2) == 0 {
		out["nest"] = map[string]any{"id": g.value(), "deep": map[string]any{"id": g.value()}}
	}
	return out
}

func (g gen) caller() caller {
	names := []string{"a", "b", "u", "7", "True"}
	c := caller{User: g.of("", "u", "a"), UserDomain: g.of("", "a", "b"), IsAdmin: g.IntN(2) == 0, Roles: []string{}, ServiceRoles: []string{}}
	switch g.IntN(4) { // a token has at most one scope
	case 0:
		c.Project, c.ProjectDomain = g.of(names...), g.of(names...)
	case 1:
		c.Domain = g.of(names...)
	case 2:
		c.System = true
	}
	for range g.IntN(3) {
		c.Roles = append(c.Roles, g.of("admin", "Member", "READER", "a", "None"))
	}
	for range g.IntN(2) {
		c.ServiceRoles = append(c.ServiceRoles, g.of("service", "a"))
	}
	return c
}

func (g gen) match() string {
	key := func() string {
		return "%(" + g.of("project_id", "user_id", "domain_id", "x", "y", "a.b", "target.project.domain_id", "nest.id", "nest.deep.id", "nest", "nope") + ")s"
	}
	return g.of("a", "b", "u", "all", "True", "None", "7", "", key(), key(), key(), key(), "p"+key(), key()+"-"+key(), "100%%"+key())
}

func (g gen) check(rules int) string {
	switch g.IntN(9) {
	case 0:
		return "@"
	case 1:
		return "!"
	case 2:
		return "role:" + g.of("admin", "member", "Reader", "A", "%(x)s", "%(nope)s", "no%(y)s")
	case 3:
		return "rule:" + g.of(fmt.Sprintf("r%d", rules+g.IntN(4)), "undefined")
	case 4:
		return g.of("True", "False", "None", "'a'", `"b"`, "''", "0", "1", "+7", "-3", "1.5", "-.25", "1.5e21", "1e3", "2.5e-7", "-0") + ":" + g.match()
	}
	return g.of("user_id", "project_id", "tenant_id", "domain_id", "user_domain_id", "project_domain_id", "system_scope", "system",
		"is_admin", "is_admin_project", "roles", "service_roles", "token.user.id", "token.user.domain.id", "token.project.id",
		"token.project.domain.id", "token.domain.id", "token.nope", "nope", "no-pe.x") + ":" + g.match()
}

// expr is a well-formed rule that refers to rules from r<rules> on only, so
// that there are no cycles.
func (g gen) expr(rules, depth int) string {
	if depth == 0 {
		return g.check(rules)
	}
	sub := func() string { return g.expr(rules, depth-1) }
	switch g.IntN(7) {
	case 0:
		return sub() + g.of(" and ", " AND ", "  and\t") + sub()
	case 1:
		return sub() + g.of(" or ", " Or ") + sub()
	case 2:
		return g.of("not ", "NOT ") + g.check(rules)
	case 3:
		return "not (" + sub() + ")"
	case 4:
		return "( " + sub() + " )"
	case 5:
		return "(" + sub() + ")"
	}
	return g.check(rules)
}

// soup is words in no order; a few of them parse.
func (g gen) soup() string {
	var words []string
	for range 1 + g.IntN(6) {
		words = append(words, g.of("and", "or", "not", "(", ")", "()", "@", "!", "role:a", "x:y", "(role:a", "role:b)", "bare", `"quoted"`, "'q:r'", "True:%(x)s", " "))
	}
	return strings.Join(words, g.of(" ", "\t", "  "))
}

func (g gen) list() any {
	out := []any{}
	for range g.IntN(3) {
		if g.IntN(3) == 0 {
			out = append(out, g.check(9))
			continue
		}
		inner := []any{}
		for range g.IntN(3) {
			inner = append(inner, g.check(9))
		}
		out = append(out, inner)
	}
	return out
}

func (g gen) question() question {
	q := question{
		Rules: map[string]any{}, Scopes: []string{}, Caller: g.caller(), Target: g.target(),
		Ask: []string{"r0", "r1", "r2", "r3", "missing"},
	}
	for i := range 4 {
		q.Rules[fmt.Sprintf("r%d", i)] = g.expr(i+1, g.IntN(4))
	}
	switch g.IntN(6) {
	case 0:
		q.Rules["r1"] = g.soup()
	case 1:
		q.Rules["r3"] = g.list()
	case 2:
		q.Rules["r3"] = ""
	}
	if g.IntN(3) == 0 {
		q.Rules["default"] = g.of("@", "!", "role:admin", "")
	}
	for _, s := range []string{"project", "domain", "system"} {
		if g.IntN(4) == 0 {
			q.Scopes = append(q.Scopes, s)
		}
	}
	return q
}

// TestSameAsOslo puts random rules, callers and targets to oslo.policy and to
// this package.
func TestSameAsOslo(t *testing.T) {
	t.Parallel()
	const cases = 4000
	var questions []question
	for seed := range uint64(cases) {
		questions = append(questions, gen{rand.New(rand.NewPCG(seed, 2))}.question())
	}
	var allowed, denied, refused, raised int
	for i, a := range askOslo(t, questions) {
		q := questions[i]
		show := func() string { b, _ := json.MarshalIndent(q, "", " "); return string(b) }
		registered := []Rule{{Name: "r0", Scopes: q.Scopes}, {Name: "r1"}, {Name: "r2"}, {Name: "r3"}}
		e, err := NewEnforcer("test", registered)
		testx.NoErr(t, err)
		data, err := json.Marshal(q.Rules)
		testx.NoErr(t, err)
		if err := e.LoadYAML(data, "rules.json"); err != nil {
			if len(a.Failed) == 0 {
				t.Fatalf("seed %d: refused what oslo.policy understands: %v\n%s", i, err, show())
			}
			refused++
			continue
		}
		if len(a.Failed) > 0 {
			t.Fatalf("seed %d: accepted %v, which oslo.policy does not understand\n%s", i, a.Failed, show())
		}
		for j, name := range q.Ask {
			if a.Answers[j] == nil {
				raised++
				continue
			}
			got, want := e.Check(q.Caller.context(), name, q.Target), *a.Answers[j]
			x := e.Explain(q.Caller.context(), name, q.Target)
			if got != want || x.Allowed != want {
				t.Fatalf("seed %d: %s is %t and explained as %t; oslo.policy says %t\n%s\n%s", i, name, got, x.Allowed, want, x, show())
			}
			if want {
				allowed++
			} else {
				denied++
			}
		}
	}
	t.Logf("allowed %d, denied %d, refused %d rule sets, oslo.policy raised %d", allowed, denied, refused, raised)
	if slices.Min([]int{allowed, denied, refused}) < cases/100 || raised > cases/10 {
		t.Fatal("the questions are one-sided: the comparison means little")
	}
}
