package policy

import (
	"testing"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

// enforcer makes an enforcer of name, check pairs.
func enforcer(t testing.TB, pairs ...string) *Enforcer {
	t.Helper()
	var rules []Rule
	for i := 0; i < len(pairs); i += 2 {
		rules = append(rules, Rule{Name: pairs[i], Check: pairs[i+1]})
	}
	e, err := NewEnforcer("test", rules)
	testx.NoErr(t, err)
	return e
}

type status string

func TestCheck(t *testing.T) {
	t.Parallel()
	owner := "p1"
	var nobody *string
	member := &auth.Context{UserID: "u1", UserDomainID: "d1", ProjectID: "p1", ProjectDomainID: "d1", Roles: []string{"member", "Reader"}, ServiceRoles: []string{"service"}}
	admin := &auth.Context{UserID: "root", ProjectID: "p0", Roles: []string{"Admin"}, IsAdmin: true}
	domain := &auth.Context{UserID: "u2", DomainID: "d2"}
	system := &auth.Context{UserID: "u3", System: true}
	for _, tt := range []struct {
		check  string
		c      *auth.Context
		target Target
		want   bool
	}{
		{"", member, nil, true},
		{"@", member, nil, true},
		{"!", admin, nil, false},
		{"not !", member, nil, true},
		{"not not @", member, nil, true},
		{"role:MEMBER", member, nil, true},
		{"role:reader", member, nil, true},
		{"role:admin", member, nil, false},
		{"role:%(r)s", member, Target{"r": "Member"}, true},
		{"role:%(r)s", member, nil, false},

		// not binds tighter than and, and tighter than or.
		{"@ or @ and !", member, nil, true},
		{"(@ or @) and !", member, nil, false},
		{"not @ or @", member, nil, true},
		{"not (@ or @)", member, nil, false},
		{"! and ! or @", member, nil, true},
		{"@ AND nOt ! Or !", member, nil, true},

		{"project_id:%(project_id)s", member, Target{"project_id": "p1"}, true},
		{"project_id:%(project_id)s", member, Target{"project_id": "p2"}, false},
		{"project_id:%(project_id)s", member, Target{}, false},
		{"project_id:%(project_id)s", member, nil, false},
		{"tenant_id:%(project_id)s", member, Target{"project_id": &owner}, true},
		{"project_id:p1", member, nil, true},
		{"project_id:%(a)s1", member, Target{"a": "p"}, true},
		{"project_id:%(a)s%(b)s", member, Target{"a": "p", "b": 1}, true},

		// What is not set is None, which is not the empty string.
		{"project_id:%(project_id)s", system, Target{"project_id": ""}, false},
		{"project_id:%(project_id)s", system, Target{"project_id": nil}, true},
		{"project_id:%(project_id)s", member, Target{"project_id": nobody}, false},
		{"None:%(owner)s", member, Target{"owner": nil}, true},
		{"None:%(owner)s", member, Target{"owner": nobody}, true},
		{"None:%(owner)s", member, Target{"owner": ""}, false},
		{"None:%(owner)s", member, nil, false},
		{"not None:%(owner)s", member, nil, true},

		{"is_admin:True", admin, nil, true},
		{"is_admin:True", member, nil, false},
		{"is_admin:true", admin, nil, false},
		{"is_admin:False", member, nil, true},
		{"is_admin_project:True", member, nil, true},
		{"system_scope:all", system, nil, true},
		{"system_scope:all", member, nil, false},
		{"system:all", system, nil, true},
		{"domain_id:%(domain_id)s", domain, Target{"domain_id": "d2"}, true},
		{"roles:member", member, nil, true},
		{"roles:Member", member, nil, false},
		{"service_roles:service", member, nil, true},
		{"service_roles:service", admin, nil, false},
		{"token.project.domain.id:%(target.project.domain_id)s", member, Target{"target": Target{"project": map[string]any{"domain_id": "d1"}}}, true},
		{"token.user.domain.id:%(target.user.domain_id)s", member, Target{"target.user.domain_id": "d1"}, true},
		{"token.domain.id:%(x.y)s", domain, Target{"x": map[string]string{"y": "d2"}}, true},
		{"token.project.id:None", domain, nil, false},
		{"nothing:like.this", member, nil, false},
		{"user_id:%(a.b)s", member, Target{"a": "flat"}, false},
		{"user_id:%(a.b)s", member, Target{"a.b": "u1", "a": Target{"b": "other"}}, true},

		{"True:%(shared)s", member, Target{"shared": true}, true},
		{"True:%(shared)s", member, Target{"shared": "true"}, false},
		{"'public':%(visibility)s", member, Target{"visibility": status("public")}, true},
		{`"public":%(visibility)s`, member, Target{"visibility": "private"}, false},
		{"5:%(n)s", member, Target{"n": int64(5)}, true},
		{"5:%(n)s", member, Target{"n": uint8(5)}, true},
		{"+5:%(n)s", member, Target{"n": 5}, true},
		{"5:%(n)s", member, Target{"n": 5.0}, false},
		{"5.0:%(n)s", member, Target{"n": float32(5)}, true},
		{"1e16:%(n)s", member, Target{"n": 1e16}, true},
		{"1e16:1e+16", member, nil, true},
		{"'100%':100%%", member, nil, true},
		{"'x':%(list)s", member, Target{"list": []string{"x"}}, false},

		{"field:networks:shared=True", member, Target{"shared": true}, true},
		{"field:networks:shared=true", member, Target{"shared": true}, true},
		{"field:networks:shared=True", member, Target{"shared": false}, false},
		{"field:networks:shared=True", member, Target{"shared": nil}, false},
		{"field:networks:router:external=True", member, Target{"router:external": true}, true},
		{"field:port:device_owner=~^network:", member, Target{"device_owner": "network:dhcp"}, true},
		{"field:port:device_owner=~network:", member, Target{"device_owner": "xnetwork:"}, false},
		{"field:port:device_owner=", member, Target{"device_owner": ""}, true},
		{"field:port:device_owner=a", member, Target{"device_owner": []string{"a"}}, false},
	} {
		e := enforcer(t, "it", tt.check)
		if got := e.Check(tt.c, "it", tt.target); got != tt.want {
			t.Errorf("%s for %+v on %v is %t; want %t", tt.check, tt.c, tt.target, got, tt.want)
		}
		if x := e.Explain(tt.c, "it", tt.target); x.Allowed != tt.want {
			t.Errorf("%s for %+v on %v is explained as %t; want %t", tt.check, tt.c, tt.target, x.Allowed, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	deep := ""
	for range maxNesting + 1 {
		deep += "("
	}
	for _, tt := range []struct{ check, want string }{
		{" ", `column 2: a check is missing at the end`},
		{"role:a and", `column 11: a check is missing at the end`},
		{"role:a or or role:b", `column 11: "or" stands where a check should`},
		{"role:a role:b", `column 8: "role:b" follows where "and", "or" or the end should`},
		{"(role:a", `column 8: a ")" is missing`},
		{"(role:a role:b)", `column 9: a ")" is missing`},
		{"role:a)", `column 7: ")" follows where "and", "or" or the end should`},
		{"()", `column 2: ")" stands where a check should`},
		{"bare", `column 1: "bare" is no check: one is written kind:match, @ or !`},
		{`"quo:ted"`, `column 1: "\"quo:ted\"" is no check: one is written kind:match, @ or !`},
		{":x", `column 1: nothing stands before the colon`},
		{"'a:b'", `column 1: "'a:b'" is no check: one is written kind:match, @ or !`},
		{"'a:b", `column 1: 'a is not a quoted string`},
		{"@ or 'a'b':c", `column 6: 'a'b' is not a quoted string`},
		{"007:x", `column 1: 007 is neither a number nor an attribute's name`},
		{"1.2.3:x", `column 1: 1.2.3 is neither a number nor an attribute's name`},
		{"+-1:x", `column 1: +-1 is neither a number nor an attribute's name`},
		{"a..b:x", `column 1: "a..b" is neither a constant nor an attribute's name`},
		{"100%:x", `column 1: 100% is neither a number nor an attribute's name`},
		{"a/b:x", `column 1: "a/b" is neither a constant nor an attribute's name`},
		{"user_id:%(x", `column 1: after % only (name)s or another % may stand`},
		{"user_id:%(x)d", `column 1: after % only (name)s or another % may stand`},
		{"user_id:%()s", `column 1: after % only (name)s or another % may stand`},
		{"user_id:50%", `column 1: after % only (name)s or another % may stand`},
		{"role:%s", `column 1: after % only (name)s or another % may stand`},
		{"http://decide.example/", `column 1: checks by a remote server (http:, https:) are not supported`},
		{"field:networks", `column 1: a field check is written field:resource:attribute=value`},
		{"field:networks:shared", `column 1: a field check is written field:resource:attribute=value`},
		{"field:a:b=~[", "column 1: compile the expression \"[\": error parsing regexp: missing closing ]: `[)`"},
		{deep + "@", `column 101: nested deeper than 100`},
	} {
		_, err := parse(tt.check)
		if err == nil {
			t.Errorf("%q parses; want error %s", tt.check, tt.want)
			continue
		}
		testx.Equal(t, err.Error(), tt.want)
	}
}

func TestPythonFloat(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1.5: "-1.5", 0.0001: "0.0001", 0.00001: "1e-05", 1e15: "1000000000000000.0",
		1e16: "1e+16", 1.25e100: "1.25e+100", 123456.789: "123456.789",
	} {
		testx.Equal(t, pythonFloat(f), want)
	}
}

// FuzzParse finds no string that makes the parser panic, and whatever parses
// means the same after it was written out and read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "@", "!", "not (role:admin or project_id:%(project_id)s) and is_admin:True", "rule:x", "'a':%(b.c)s",
		"((@))", "field:a:b=~^c", "1.5:%(n)s", "not not not !", "role:a AND role:b Or role:c", "user_id:%%%(x)s", ") or (",
	} {
		f.Add(s)
	}
	c := &auth.Context{UserID: "u", ProjectID: "p", Roles: []string{"admin", "a"}}
	target := Target{"project_id": "p", "x": nil, "n": 1.5, "b": Target{"c": "a"}}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parse(s)
		if err != nil {
			return
		}
		again, err := parse(n.String())
		if err != nil {
			// Writing adds parentheses, which only the limit may mind.
			if e := err.(*SyntaxError); e.Msg != "nested deeper than 100" {
				t.Fatalf("%q was written as %q: %v", s, n, err)
			}
			return
		}
		tab := table{"x": {name: "x", check: func(*auth.Context, Target) bool { return true }}}
		if got, want := tab.compile(again)(c, target), tab.compile(n)(c, target); got != want {
			t.Fatalf("%q is %t, but written as %q it is %t", s, want, n, got)
		}
	})
}
