package policy

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

var (
	adminCtx  = &auth.Context{UserID: "root", ProjectID: "p0", Roles: []string{"admin"}, IsAdmin: true}
	memberCtx = &auth.Context{UserID: "u1", ProjectID: "p1", Roles: []string{"member"}}
	systemCtx = &auth.Context{UserID: "u3", System: true, Roles: []string{"admin"}}
	domainCtx = &auth.Context{UserID: "u2", DomainID: "d2", Roles: []string{"admin"}}
)

func TestNewEnforcerErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rules []Rule
		want  string
	}{
		{[]Rule{{Check: "@"}}, `policy of test: a rule has no name`},
		{[]Rule{{Name: "a"}, {Name: "a"}}, `policy of test: rule "a" is registered twice`},
		{[]Rule{{Name: "a", Scopes: []string{"projet"}}}, `policy of test: rule "a": there is no scope "projet"`},
		{[]Rule{{Name: "a", Check: "role:x and"}}, `policy of test: rule "a": column 11: a check is missing at the end`},
		{[]Rule{{Name: "a", Check: "rule:a"}}, `policy of test: rule "a" refers to itself: a -> a`},
		{
			[]Rule{{Name: "a", Check: "role:x or not rule:b"}, {Name: "b", Check: "(rule:c)"}, {Name: "c", Check: "rule:b"}},
			`policy of test: rule "b" refers to itself: b -> c -> b`,
		},
		{[]Rule{{Name: "default", Check: "rule:nowhere"}}, `policy of test: rule "default" refers to itself: default -> default`},
		{[]Rule{{Name: "admin_or_owner"}, {Name: "a", Check: "rule:admin_owner"}}, `policy of test: rule "a" refers to rule "admin_owner", which is not defined; the nearest known is "admin_or_owner"`},
	} {
		_, err := NewEnforcer("test", tt.rules)
		if err == nil {
			t.Errorf("%+v is accepted; want error %s", tt.rules, tt.want)
			continue
		}
		testx.Equal(t, err.Error(), tt.want)
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	// A rule may be referred to before it is defined, from several places.
	e := enforcer(t, "a", "rule:b and rule:c", "b", "rule:c", "c", "role:admin")
	testx.Equal(t, e.Check(adminCtx, "a", nil), true)
	testx.Equal(t, e.Check(memberCtx, "a", nil), false)
	testx.Equal(t, e.Check(adminCtx, "unknown", nil), false)

	e = enforcer(t, "default", "role:admin", "a", "rule:unknown")
	testx.Equal(t, e.Check(adminCtx, "a", nil), true)
	testx.Equal(t, e.Check(adminCtx, "unknown", nil), true)
	testx.Equal(t, e.Check(memberCtx, "unknown", nil), false)
}

func TestScopes(t *testing.T) {
	t.Parallel()
	unscoped := &auth.Context{UserID: "u4"}
	for _, tt := range []struct {
		scopes                            []string
		project, domain, system, unscoped bool
	}{
		{nil, true, true, true, true},
		{[]string{"project"}, true, false, false, true},
		{[]string{"system"}, false, false, true, false},
		{[]string{"domain"}, false, true, false, false},
		{[]string{"system", "domain", "project"}, true, true, true, true},
	} {
		e, err := NewEnforcer("test", []Rule{{Name: "it", Check: "@", Scopes: tt.scopes}, {Name: "other", Check: "rule:it"}})
		testx.NoErr(t, err)
		testx.Equal(t, e.Check(adminCtx, "it", nil), tt.project)
		testx.Equal(t, e.Check(domainCtx, "it", nil), tt.domain)
		testx.Equal(t, e.Check(systemCtx, "it", nil), tt.system)
		testx.Equal(t, e.Check(unscoped, "it", nil), tt.unscoped)
		// A reference takes the check, not the scopes.
		testx.Equal(t, e.Check(domainCtx, "other", nil), true)
	}
}

func TestEnforce(t *testing.T) {
	t.Parallel()
	e, err := NewEnforcer("test", []Rule{{Name: "it", Check: "role:admin", Scopes: []string{"project"}}})
	testx.NoErr(t, err)
	testx.NoErr(t, e.Enforce(adminCtx, "it", nil))
	for _, tt := range []struct {
		c     *auth.Context
		scope string
		cause string
	}{
		{memberCtx, "", "rule it is not fulfilled"},
		{systemCtx, "system", "rule it does not serve tokens of system scope"},
	} {
		err := e.Enforce(tt.c, "it", nil)
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("got %v; want a fault", err)
		}
		testx.Equal(t, f.Kind, fault.Forbidden)
		testx.Equal(t, f.Msg, "Policy doesn't allow it to be performed.")
		testx.Equal(t, f.Type, "")
		var why *NotAuthorized
		if !errors.As(err, &why) {
			t.Fatalf("got %v; want a NotAuthorized inside", err)
		}
		testx.Equal(t, *why, NotAuthorized{Rule: "it", Scope: tt.scope})
		testx.Equal(t, why.Error(), tt.cause)
	}
}

func TestLoadYAML(t *testing.T) {
	t.Parallel()
	type ask struct {
		c    *auth.Context
		rule string
		want bool
	}
	for _, tt := range []struct {
		name, file string
		asks       []ask
	}{
		{"empty", "# nothing\n", []ask{{adminCtx, "create", true}, {memberCtx, "create", false}}},
		{"null", "~", []ask{{adminCtx, "create", true}}},
		{"override", `create: "role:member"`, []ask{{adminCtx, "create", false}, {memberCtx, "create", true}}},
		{"json", `{"create": "!", "list": ""}`, []ask{{adminCtx, "create", false}, {memberCtx, "list", true}}},
		{"base rule", `admin_required: role:member`, []ask{{memberCtx, "create", true}}},
		{"helper rule", "helper: role:member\ncreate: rule:helper\n", []ask{{memberCtx, "create", true}, {memberCtx, "helper", true}}},
		{"default", `default: "@"`, []ask{{memberCtx, "whatever", true}}},
		{"dangling", `create: rule:nowhere`, []ask{{adminCtx, "create", false}}},
		{"folded", "create: >\n  role:member\n  or role:admin\n", []ask{{adminCtx, "create", true}, {memberCtx, "create", true}}},
		{"list", `create: [["role:member", "project_id:p1"], "role:x"]`, []ask{{memberCtx, "create", true}, {adminCtx, "create", false}}},
		{"empty list", `create: []`, []ask{{memberCtx, "create", true}}},
		{"list of nothing", `create: [[], ""]`, []ask{{adminCtx, "create", false}}},
		{"alias", "list: &x role:admin\ncreate: *x\n", []ask{{adminCtx, "create", true}, {memberCtx, "list", false}}},
		{"deprecated name", `make: role:member`, []ask{{memberCtx, "create", true}, {adminCtx, "create", false}}},
		{"both names", "make: role:member\ncreate: role:admin\n", []ask{{memberCtx, "create", false}, {memberCtx, "make", true}}},
		{"bridge", `make: rule:create`, []ask{{adminCtx, "create", true}, {memberCtx, "create", false}, {adminCtx, "make", true}}},
		{"scope stays", `system_only: "@"`, []ask{{adminCtx, "system_only", false}, {systemCtx, "system_only", true}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := loadable(t)
			testx.NoErr(t, e.LoadYAML([]byte(tt.file), "policy.yaml"))
			for _, a := range tt.asks {
				if got := e.Check(a.c, a.rule, nil); got != a.want {
					t.Errorf("%s for %v is %t; want %t", a.rule, a.c.Roles, got, a.want)
				}
			}
		})
	}
}

func loadable(t testing.TB) *Enforcer {
	e, err := NewEnforcer("test", []Rule{
		{Name: "admin_required", Check: "role:admin"},
	}, []Rule{
		{Name: "create", Check: "rule:admin_required", Deprecated: &DeprecatedRule{Name: "make"}},
		{Name: "list", Check: "role:reader"},
		{Name: "system_only", Check: "role:admin", Scopes: []string{"system"}},
	})
	testx.NoErr(t, err)
	return e
}

func TestLoadYAMLErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ file, want string }{
		{"\ncraete: role:x", `p.yaml:2: there is no rule "craete"; the nearest known is "create"`},
		{"list: role:x\ncreate: role:x or", `p.yaml:2: rule "create": column 10: a check is missing at the end`},
		{"create: bare", `p.yaml:1: rule "create": column 1: "bare" is no check: one is written kind:match, @ or !`},
		{"create: [bare]", `p.yaml:1: rule "create": "bare" is no check: one is written kind:match, @ or !`},
		{"create: [[[role:x]]]", `p.yaml:1: rule "create": a list of checks holds strings and lists of strings`},
		{"create: [{}]", `p.yaml:1: rule "create": a list of checks holds strings and lists of strings`},
		{"create:", `p.yaml:1: rule "create": a check is a string ("" allows everyone, "!" nobody) or a list`},
		{"create: true", `p.yaml:1: rule "create": a check is a string ("" allows everyone, "!" nobody) or a list`},
		{"create: {a: b}", `p.yaml:1: rule "create": a check is a string ("" allows everyone, "!" nobody) or a list`},
		{"create: role:x\nlist: '@'\ncreate: role:y", `p.yaml:3: rule "create" is defined twice`},
		{"1: role:x", `p.yaml:1: a rule's name is a string`},
		{"[a, b]", `p.yaml:1: a policy file is a mapping of rule names to checks`},
		{"create: rule:list\nlist: rule:create", `p.yaml: rule "create" refers to itself: create -> list -> create`},
	} {
		e := loadable(t)
		err := e.LoadYAML([]byte(tt.file), "p.yaml")
		if err == nil {
			t.Errorf("%q is accepted; want error %s", tt.file, tt.want)
			continue
		}
		testx.Equal(t, err.Error(), tt.want)
		testx.Equal(t, e.Check(adminCtx, "create", nil), true) // as before
		testx.Equal(t, e.Check(memberCtx, "list", nil), false)
	}
	err := loadable(t).LoadYAML([]byte("create: [\n"), "p.yaml")
	if err == nil || !strings.HasPrefix(err.Error(), "p.yaml: ") {
		t.Fatalf("got %v; want an error that begins with the file", err)
	}
}

func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	e := loadable(t)
	testx.NoErr(t, e.LoadYAML([]byte("create: role:member\nlist: '!'"), "a.yaml"))
	testx.NoErr(t, e.LoadYAML([]byte("list: role:member"), "b.yaml"))
	testx.Equal(t, e.Check(memberCtx, "create", nil), true)
	testx.Equal(t, e.Check(memberCtx, "list", nil), true)
	// Loaded again, the first file no longer speaks of create, and is the
	// last word on list.
	testx.NoErr(t, e.LoadYAML([]byte("list: '!'"), "a.yaml"))
	testx.Equal(t, e.Check(memberCtx, "create", nil), false)
	testx.Equal(t, e.Check(memberCtx, "list", nil), false)
}

func TestRules(t *testing.T) {
	t.Parallel()
	e := loadable(t)
	testx.NoErr(t, e.LoadYAML([]byte("list: [[role:a, role:b], role:c]\ncreate: role:x or @"), "p.yaml"))
	testx.Equal(t, e.Rules(), []Rule{
		{Name: "admin_required", Check: "role:admin"},
		{Name: "create", Check: "role:x or @", Deprecated: &DeprecatedRule{Name: "make"}},
		{Name: "list", Check: "((role:a and role:b) or role:c)"},
		{Name: "system_only", Check: "role:admin", Scopes: []string{"system"}},
	})
	testx.Equal(t, e.Known("list"), true)
	testx.Equal(t, e.Known("lists"), false)
}

func TestChecksDoNotAllocate(t *testing.T) {
	e := common(t)
	target := Target{"project_id": "p1", "user_id": "u1", "shared": true, "target": Target{"id": "p1"}}
	for _, r := range e.Rules() {
		e.Check(memberCtx, r.Name, target)
		if n := testing.AllocsPerRun(100, func() { e.Check(memberCtx, r.Name, target) }); n != 0 {
			t.Errorf("rule %s allocates %v times", r.Check, n)
		}
	}
}

func common(t testing.TB) *Enforcer {
	e, err := NewEnforcer("bench", []Rule{
		{Name: "context_is_admin", Check: "role:admin"},
		{Name: "admin_or_owner", Check: "is_admin:True or project_id:%(project_id)s"},
		{Name: "show", Check: "rule:context_is_admin or (role:reader and project_id:%(project_id)s) or rule:admin_or_owner", Scopes: []string{"project"}},
		{Name: "shared", Check: "True:%(shared)s"},
		{Name: "nested", Check: "token.project.id:%(target.id)s"},
	})
	testx.NoErr(t, err)
	return e
}

func BenchmarkCheck(b *testing.B) {
	e := common(b)
	target := Target{"project_id": "p1"}
	b.ReportAllocs()
	for b.Loop() {
		if !e.Check(memberCtx, "show", target) {
			b.Fatal("denied")
		}
	}
}

func FuzzLoadYAML(f *testing.F) {
	for _, s := range []string{"", "create: role:x", `{"create": [["role:x"], "@"]}`, "create: &a [*a]", "make: rule:create", "a: rule:create\ncreate: rule:a", "? [a]\n: b", "<<: {create: x}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := loadable(t)
		if err := e.LoadYAML(data, "f"); err == nil {
			for _, r := range e.Rules() {
				e.Check(memberCtx, r.Name, Target{"project_id": "p1"})
			}
		} else if !e.Check(adminCtx, "create", nil) {
			t.Fatal("a file that was refused changed a rule")
		}
	})
}

// TestLoadWhileChecking is for the race detector; besides, a check sees one
// file or the other, never a mixture.
func TestLoadWhileChecking(t *testing.T) {
	t.Parallel()
	e := enforcer(t, "a", "@", "b", "!", "either", "rule:a and not rule:b or rule:b and not rule:a")
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !e.Check(memberCtx, "either", nil) {
					t.Error("a check saw half a file")
					return
				}
			}
		})
	}
	for i := range 200 {
		file := []string{"a: '@'\nb: '!'", "a: '!'\nb: '@'"}[i%2]
		if err := e.LoadYAML([]byte(file), "p.yaml"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}
