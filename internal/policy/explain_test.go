package policy

import (
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	e, err := NewEnforcer("test", []Rule{
		{Name: "admin", Check: "role:admin"},
		{Name: "show", Check: "rule:admin or (role:member and project_id:%(project_id)s)"},
		{Name: "system_only", Check: "@", Scopes: []string{"system"}},
		{Name: "turned", Check: "not role:member"},
		{Name: "public", Check: "'public':%(visibility)s"},
		{Name: "odd", Check: "nothing:x"},
		{Name: "field", Check: "field:networks:shared=True"},
	})
	testx.NoErr(t, err)
	testx.NoErr(t, e.LoadYAML([]byte("field: field:networks:shared=True or rule:gone"), "p.yaml"))
	for _, tt := range []struct {
		c      *auth.Context
		rule   string
		target Target
		want   string
	}{
		{memberCtx, "show", Target{"project_id": "p2"}, `
show: denied
None of role:admin, project_id:%(project_id)s is fulfilled.
  or: false
    rule:admin: false
      role:admin: false (the caller's roles are [member])
    and: false
      role:member: true (the caller's roles are [member])
      project_id:%(project_id)s: false (the caller's project_id is "p1", compared with "p2")
`},
		{memberCtx, "show", Target{"project_id": "p1"}, `
show: allowed
project_id:%(project_id)s is fulfilled.
  or: true
    rule:admin: false
      role:admin: false (the caller's roles are [member])
    and: true
      role:member: true (the caller's roles are [member])
      project_id:%(project_id)s: true (the caller's project_id is "p1", compared with "p1")
`},
		{memberCtx, "show", nil, `
show: denied
None of role:admin, project_id:%(project_id)s is fulfilled.
  or: false
    rule:admin: false
      role:admin: false (the caller's roles are [member])
    and: false
      role:member: true (the caller's roles are [member])
      project_id:%(project_id)s: false (the target has no project_id that can be compared)
`},
		{adminCtx, "show", nil, `
show: allowed
role:admin is fulfilled.
  or: true
    rule:admin: true
      role:admin: true (the caller's roles are [admin])
`},
		{adminCtx, "system_only", nil, `
system_only: denied
The rule serves tokens of system scope and this one's is project.
`},
		{adminCtx, "shw", nil, `
shw: denied
There is no such rule; the nearest known is "show".
`},
		{memberCtx, "turned", nil, `
turned: denied
not is false.
  not: false
    role:member: true (the caller's roles are [member])
`},
		{memberCtx, "public", Target{"visibility": "private"}, `
public: denied
'public':%(visibility)s is not fulfilled.
  'public':%(visibility)s: false (the target's value is "private")
`},
		{memberCtx, "odd", nil, `
odd: denied
nothing:x is not fulfilled.
  nothing:x: false (callers have no attribute nothing)
`},
		{memberCtx, "field", Target{"shared": false}, `
field: denied
None of field:networks:shared=True, rule:gone is fulfilled.
  or: false
    field:networks:shared=True: false (the target's shared is false)
    rule:gone: false (no such rule)
`},
	} {
		testx.Equal(t, e.Explain(tt.c, tt.rule, tt.target).String(), tt.want[1:])
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	e := enforcer(t, "context_is_admin", "role:admin", "show", "is_admin:True or project_id:%(project_id)s and roles:member")
	for _, tt := range []struct {
		q    Question
		want bool
		says string
	}{
		{Question{Rule: "show", Roles: []string{"admin"}, Target: []string{"project_id=p9"}}, true, "is_admin:True is fulfilled."},
		{Question{Rule: "show", Roles: []string{"member"}, ProjectID: "p1"}, true, "roles:member is fulfilled."},
		{Question{Rule: "show", Roles: []string{"member"}, ProjectID: "p1", Target: []string{"project_id=p2"}}, false, `(the caller's project_id is "p1", compared with "p2")`},
		{Question{Rule: "show", System: true, Target: []string{"project_id="}}, false, "(the caller's project_id is not set, compared with \"\")"},
	} {
		var out strings.Builder
		got, err := tt.q.Answer(&out, e)
		testx.NoErr(t, err)
		testx.Equal(t, got, tt.want)
		if !strings.Contains(out.String(), tt.says) {
			t.Errorf("got\n%swant %s in it", out.String(), tt.says)
		}
	}
	for _, tt := range []struct {
		q    Question
		want string
	}{
		{Question{Rule: "shwo"}, `the test policy has no rule "shwo"; the nearest known is "show"`},
		{Question{Rule: "show", Target: []string{"project_id"}}, `target attribute "project_id" is not written name=value`},
	} {
		var out strings.Builder
		_, err := tt.q.Answer(&out, e)
		if err == nil {
			t.Fatalf("%+v is answered", tt.q)
		}
		testx.Equal(t, err.Error(), tt.want)
		testx.Equal(t, out.String(), "")
	}
}
