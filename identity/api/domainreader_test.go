package api_test

import (
	"fmt"
	"testing"

	"nubo/internal/testx"
)

// TestDomainReader: whoever has a role on a domain alone sees lists of what is
// in it, and of nothing else.
func TestDomainReader(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		role := c.do(admin, "GET", "/v3/roles?name=reader", "").JSON["roles"].([]any)[0].(map[string]any)["id"].(string)
		domain := c.make(admin, "/v3/domains", `{"domain":{"name":"d"}}`)
		project := c.make(admin, "/v3/projects", fmt.Sprintf(`{"project":{"name":"p","domain_id":%q}}`, domain))
		user := c.make(admin, "/v3/users", fmt.Sprintf(`{"user":{"name":"u","password":"secret","domain_id":%q}}`, domain))
		group := c.make(admin, "/v3/groups", fmt.Sprintf(`{"group":{"name":"g","domain_id":%q}}`, domain))
		elsewhere := c.make(admin, "/v3/projects", `{"project":{"name":"elsewhere"}}`)
		stranger := c.make(admin, "/v3/users", `{"user":{"name":"stranger"}}`)
		strangers := c.make(admin, "/v3/groups", `{"group":{"name":"strangers"}}`)
		for _, path := range []string{
			"/domains/" + domain + "/users/" + user + "/roles/" + role, "/projects/" + project + "/users/" + stranger + "/roles/" + role,
			"/projects/" + elsewhere + "/users/" + user + "/roles/" + role, "/OS-INHERIT/domains/" + domain + "/groups/" + group + "/roles/" + role + "/inherited_to_projects",
			"/groups/" + group + "/users/" + user, "/groups/" + group + "/users/" + stranger, "/groups/" + strangers + "/users/" + user,
		} {
			c.want(c.do(admin, "PUT", "/v3"+path, ""), 204, "")
		}
		reader := c.want(c.do("", "POST", "/v3/auth/tokens", fmt.Sprintf(
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":%q,"password":"secret"}}},"scope":{"domain":{"id":%q}}}}`, user, domain)), 201, "").Header.Get("X-Subject-Token")
		for path, want := range map[string][]string{
			"/domains": {domain}, "/projects": {project}, "/users": {user}, "/groups": {group},
			"/users/" + user + "/projects": {project}, "/users/" + user + "/groups": {group}, "/groups/" + group + "/users": {user},
		} {
			a := c.want(c.do(reader, "GET", "/v3"+path, ""), 200, "")
			var got []string
			for _, items := range a.JSON {
				list, _ := items.([]any)
				for _, v := range list {
					got = append(got, v.(map[string]any)["id"].(string))
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", path, got, want)
			}
		}
		for query, n := range map[string]int{
			"": 3, "?effective": 3, "?user.id=" + user: 1, "?scope.project.id=" + project: 1, "?scope.domain.id=" + domain + "&group.id=" + group: 1,
		} {
			a := c.want(c.do(reader, "GET", "/v3/role_assignments"+query, ""), 200, "")
			if got := a.JSON["role_assignments"].([]any); len(got) != n {
				t.Errorf("role assignments%s: %d, want %d: %v", query, len(got), n, got)
			}
		}
		c.want(c.do(reader, "GET", "/v3/role_assignments?scope.project.id="+elsewhere, ""), 403, "")
		c.want(c.do(reader, "GET", "/v3/role_assignments?scope.domain.id=default", ""), 403, "")
		testx.Equal(t, len(c.do(admin, "GET", "/v3/role_assignments", "").JSON["role_assignments"].([]any)) > 4, true)
	})
}
