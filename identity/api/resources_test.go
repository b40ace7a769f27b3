package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"nubo/internal/testx"
)

func TestProjectTree(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		ids := []string{c.make(admin, "/v3/projects", `{"project":{"name":"l1","tags":["a","b"]}}`)}
		for n := 2; n <= 5; n++ {
			ids = append(ids, c.make(admin, "/v3/projects", fmt.Sprintf(`{"project":{"name":"l%d","parent_id":"%s"}}`, n, ids[n-2])))
		}
		c.want(c.do(admin, "POST", "/v3/projects", `{"project":{"name":"l6","parent_id":"`+ids[4]+`"}}`), 403, "Max hierarchy depth reached")
		c.want(c.do(admin, "GET", "/v3/projects/"+ids[2]+"?parents_as_ids&subtree_as_ids", ""), 200,
			`"parents":{"`+ids[1]+`":{"`+ids[0]+`":null}},"subtree":{"`+ids[3]+`":{"`+ids[4]+`":null}}`)
		c.want(c.do(admin, "GET", "/v3/projects/"+ids[2]+"?subtree_as_list", ""), 200, `"name":"l5"`)
		c.want(c.do(admin, "PATCH", "/v3/projects/"+ids[2], `{"project":{"enabled":false}}`), 403, "its subtree contains enabled projects")
		c.want(c.do(admin, "PATCH", "/v3/projects/"+ids[4], `{"project":{"enabled":false}}`), 200, "")
		c.want(c.do(admin, "DELETE", "/v3/projects/"+ids[3], ""), 403, "not a leaf")
		c.want(c.do(admin, "PATCH", "/v3/projects/"+ids[4], `{"project":{"options":{"immutable":true}}}`), 200, "")
		c.want(c.do(admin, "PATCH", "/v3/projects/"+ids[4], `{"project":{"name":"x"}}`), 403, "immutable project")
		c.want(c.do(admin, "DELETE", "/v3/projects/"+ids[4], ""), 403, "immutable project")
		c.want(c.do(admin, "PATCH", "/v3/projects/"+ids[4], `{"project":{"options":{"immutable":null}}}`), 200, "")
		c.want(c.do(admin, "DELETE", "/v3/projects/"+ids[4], ""), 204, "")
		for query, found := range map[string]bool{
			"tags=a": true, "tags=a,b": true, "tags=a,c": false, "tags=A": false, "tags-any=c,b": true, "not-tags=a,b": false, "not-tags=a,c": true, "not-tags-any=c": true,
			"not-tags-any=a,c": false, "name__contains=L1": true, "name__startswith=1": false, "name__endswith=1": true,
		} {
			if got := strings.Contains(c.want(c.do(admin, "GET", "/v3/projects?"+query, ""), 200, "").Text, `"id":"`+ids[0]); got != found {
				t.Errorf("%s: found %v", query, got)
			}
		}
		tags := "/v3/projects/" + ids[0] + "/tags"
		c.want(c.do(admin, "PUT", tags+"/c", ""), 201, "")
		c.want(c.do(admin, "GET", tags+"/none", ""), 404, "Could not find project tag: none.")
		c.want(c.do(admin, "DELETE", tags+"/a", ""), 204, "")
		c.want(c.do(admin, "GET", tags, ""), 200, `["b","c"]`)
		c.want(c.do(admin, "PUT", tags, `{"tags":["x,y"]}`), 400, "does not match")
	})
}

// TestInheritance gives a group a role on a domain, for the projects below.
func TestInheritance(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		d := c.make(admin, "/v3/domains", `{"domain":{"name":"d"}}`)
		p := c.make(admin, "/v3/projects", `{"project":{"name":"p","domain_id":"`+d+`"}}`)
		deep := c.make(admin, "/v3/projects", `{"project":{"name":"deep","parent_id":"`+p+`"}}`)
		u := c.make(admin, "/v3/users", `{"user":{"name":"u","password":"p"}}`)
		g := c.make(admin, "/v3/groups", `{"group":{"name":"g"}}`)
		c.want(c.do(admin, "PUT", "/v3/groups/"+g+"/users/"+u, ""), 204, "")
		member := c.role(admin, "member")
		c.want(c.do(admin, "PUT", "/v3/OS-INHERIT/domains/"+d+"/groups/"+g+"/roles/"+member+"/inherited_to_projects", ""), 204, "")
		token := c.want(c.signIn(login("u", "p", `{"project":{"id":"`+deep+`"}}`)), 201, `"name":"member"`).Header.Get("X-Subject-Token")
		own := c.want(c.do(token, "GET", "/v3/auth/projects", ""), 200, p)
		c.want(own, 200, deep)
		c.want(c.signIn(login("u", "p", `{"domain":{"id":"`+d+`"}}`)), 401, "")
		a := c.want(c.do(admin, "GET", "/v3/role_assignments?effective&user.id="+u+"&scope.project.id="+deep, ""), 200, "/OS-INHERIT/domains/"+d+"/groups/"+g)
		testx.Equal(t, len(a.JSON["role_assignments"].([]any)), 2) // member and the reader it implies
		a = c.want(c.do(admin, "GET", "/v3/role_assignments?effective&user.id="+u, ""), 200, "/groups/"+g+"/users/"+u)
		testx.Equal(t, len(a.JSON["role_assignments"].([]any)), 4) // on both projects
		c.want(c.do(admin, "GET", "/v3/role_assignments?group.id="+g, ""), 200, `"OS-INHERIT:inherited_to":"projects"`)
		c.want(c.do(admin, "GET", "/v3/role_assignments?include_subtree", ""), 400, "scope.project.id must be specified")
		// a domain's own role counts through what it implies
		own1 := c.make(admin, "/v3/roles", `{"role":{"name":"tester","domain_id":"`+d+`"}}`)
		c.want(c.do(admin, "PUT", "/v3/roles/"+own1+"/implies/"+c.role(admin, "reader"), ""), 201, "")
		v := c.make(admin, "/v3/users", `{"user":{"name":"v","password":"p"}}`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+p+"/users/"+v+"/roles/"+own1, ""), 204, "")
		c.want(c.signIn(login("v", "p", `{"project":{"id":"`+p+`"}}`)), 201, `"roles":[{"id":"`+c.role(admin, "reader")+`","name":"reader"}]`)
		c.want(c.do(admin, "PUT", "/v3/projects/"+c.make(admin, "/v3/projects", `{"project":{"name":"else"}}`)+"/users/"+v+"/roles/"+own1, ""), 403, "must be in the same domain")
		c.want(c.do(admin, "PUT", "/v3/roles/"+c.role(admin, "reader")+"/implies/"+own1, ""), 400, "domain-specific role")
	})
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u, v := c.member(admin, "u", "member"), c.member(admin, "v", "member")
		s := c.make(admin, "/v3/services", `{"service":{"type":"x"}}`)
		one := `{"service_id":"` + s + `","resource_name":"things","default_limit":5}`
		a := c.want(c.do(admin, "POST", "/v3/registered_limits", `{"registered_limits":[`+one+`]}`), 201, "")
		reg := a.at("registered_limits/0/id")
		c.want(c.do(admin, "POST", "/v3/registered_limits", `{"registered_limits":[{"service_id":"`+s+`","resource_name":"more","default_limit":1},`+one+`]}`), 409, "Duplicate entry")
		if text := c.do(admin, "GET", "/v3/registered_limits", "").Text; strings.Contains(text, "more") {
			t.Errorf("half of a refused request is there: %s", text)
		}
		limit := func(project, name string) string {
			return `{"limits":[{"service_id":"` + s + `","resource_name":"` + name + `","resource_limit":7,"project_id":"` + project + `"}]}`
		}
		id := c.want(c.do(admin, "POST", "/v3/limits", limit(u.project, "things")), 201, `"resource_limit":7`).at("limits/0/id")
		c.want(c.do(admin, "POST", "/v3/limits", limit(u.project, "things")), 409, "Duplicate")
		c.want(c.do(admin, "POST", "/v3/limits", limit(u.project, "nothing")), 403, "no corresponding registered limit")
		c.want(c.do(u.token, "GET", "/v3/limits", ""), 200, id)
		c.want(c.do(u.token, "GET", "/v3/limits/"+id, ""), 200, id)
		if text := c.want(c.do(v.token, "GET", "/v3/limits", ""), 200, "").Text; strings.Contains(text, id) {
			t.Errorf("another project's limit is listed: %s", text)
		}
		c.want(c.do(v.token, "GET", "/v3/limits/"+id, ""), 403, "identity:get_limit")
		c.want(c.do(admin, "DELETE", "/v3/registered_limits/"+reg, ""), 403, "associated")
		c.want(c.do(admin, "PATCH", "/v3/limits/"+id, `{"limit":{"resource_limit":-1}}`), 200, `"resource_limit":-1`)
		c.want(c.do(admin, "DELETE", "/v3/limits/"+id, ""), 204, "")
		c.want(c.do(admin, "DELETE", "/v3/services/"+s, ""), 204, "") // which leaves it
		c.want(c.do(admin, "DELETE", "/v3/registered_limits/"+reg, ""), 204, "")
		c.want(c.do(u.token, "GET", "/v3/limits/model", ""), 200, `"name":"flat"`)
	})
}

// TestWhatAProjectSees ties projects to endpoints.
func TestWhatAProjectSees(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		u := c.member(admin, "u", "member")
		e := c.want(c.do(admin, "GET", "/v3/endpoints?interface=internal", ""), 200, "").at("endpoints/0/id")
		catalog := func() int {
			return strings.Count(c.want(c.do(u.token, "GET", "/v3/auth/catalog", ""), 200, "").Text, `"interface"`)
		}
		testx.Equal(t, catalog(), 6)
		c.want(c.do(admin, "PUT", "/v3/OS-EP-FILTER/projects/"+u.project+"/endpoints/"+e, ""), 204, "")
		testx.Equal(t, catalog(), 1)
		c.want(c.do(admin, "POST", "/v3/OS-EP-FILTER/endpoint_groups", `{"endpoint_group":{"name":"g","filters":{"nonsense":"x"}}}`), 400, "nonsense")
		g := c.make(admin, "/v3/OS-EP-FILTER/endpoint_groups", `{"endpoint_group":{"name":"g","filters":{"interface":"public"}}}`)
		tie := "/v3/OS-EP-FILTER/endpoint_groups/" + g + "/projects/" + u.project
		c.want(c.do(admin, "GET", tie, ""), 404, "is not associated")
		c.want(c.do(admin, "PUT", tie, ""), 204, "")
		testx.Equal(t, catalog(), 3)
		c.want(c.do(admin, "GET", "/v3/OS-EP-FILTER/projects/"+u.project+"/endpoints", ""), 200, e)
		c.want(c.do(admin, "GET", "/v3/OS-EP-FILTER/endpoints/"+e+"/projects", ""), 200, u.project)
		c.want(c.do(admin, "DELETE", tie, ""), 204, "")
		c.want(c.do(admin, "DELETE", "/v3/OS-EP-FILTER/projects/"+u.project+"/endpoints/"+e, ""), 204, "")
		testx.Equal(t, catalog(), 6)
		// a policy for a service, and one for the endpoint itself
		ids := []string{c.make(admin, "/v3/policies", `{"policy":{"type":"t","blob":"1"}}`), c.make(admin, "/v3/policies", `{"policy":{"type":"t","blob":"2"}}`)}
		service := c.do(admin, "GET", "/v3/endpoints/"+e, "").at("endpoint/service_id")
		c.want(c.do(admin, "GET", "/v3/endpoints/"+e+"/OS-ENDPOINT-POLICY/policy", ""), 404, "No policy is associated")
		c.want(c.do(admin, "PUT", "/v3/policies/"+ids[0]+"/OS-ENDPOINT-POLICY/services/"+service+"/regions/RegionOne", ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/endpoints/"+e+"/OS-ENDPOINT-POLICY/policy", ""), 200, ids[0])
		c.want(c.do(admin, "PUT", "/v3/policies/"+ids[1]+"/OS-ENDPOINT-POLICY/endpoints/"+e, ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/endpoints/"+e+"/OS-ENDPOINT-POLICY/policy", ""), 200, ids[1])
		c.want(c.do(admin, "GET", "/v3/policies/"+ids[1]+"/OS-ENDPOINT-POLICY/endpoints", ""), 200, e)
		c.want(c.do(admin, "DELETE", "/v3/policies/"+ids[1]+"/OS-ENDPOINT-POLICY/endpoints/"+e, ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/policies/"+ids[1]+"/OS-ENDPOINT-POLICY/endpoints/"+e, ""), 404, "")
	})
}

func TestDomainConfig(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		d := c.make(admin, "/v3/domains", `{"domain":{"name":"d"}}`)
		path := "/v3/domains/" + d + "/config"
		c.want(c.do(admin, "PATCH", path+"/ldap", `{"config":{"ldap":{"url":"ldap://x"}}}`), 404, "Could not find group ldap")
		c.want(c.do(admin, "PUT", path, `{"config":{"ldap":{"url":"ldap://x","password":"hidden"},"identity":{"driver":"sql"}}}`), 201, `"url":"ldap://x"`)
		if text := c.want(c.do(admin, "GET", path, ""), 200, "ldap://x").Text; strings.Contains(text, "hidden") {
			t.Errorf("the password is shown: %s", text)
		}
		c.want(c.do(admin, "PATCH", path+"/ldap/url", `{"config":{"url":"ldap://y"}}`), 200, "ldap://y")
		c.want(c.do(admin, "PATCH", path+"/ldap/url", `{"config":{"user":"u"}}`), 400, "does not match")
		for _, bad := range []string{`{"nonsense":{"a":1}}`, `{"ldap":{"nonsense":1}}`, `{"ldap":{"url":1}}`, `{}`, `{"ldap":{}}`} {
			c.want(c.do(admin, "PATCH", path, `{"config":`+bad+`}`), 400, "Invalid domain specific configuration")
		}
		c.want(c.do(admin, "DELETE", path+"/ldap/url", ""), 204, "")
		c.want(c.do(admin, "GET", path+"/ldap/url", ""), 404, "option url in group ldap")
		c.want(c.do(admin, "DELETE", path, ""), 204, "")
		c.want(c.do(admin, "GET", "/v3/domains/config/ldap/url/default", ""), 200, "ldap://localhost")
		u := c.member(admin, "u", "reader")
		c.want(c.do(u.token, "GET", "/v3/domains/default/config/security_compliance", ""), 200, "password_regex")
		c.want(c.do(u.token, "GET", "/v3/domains/default/config/ldap", ""), 403, "identity:get_domain_config")
	})
}

func TestHomeDocument(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.want(c.do("", "GET", "/v3", "", "Accept", "application/json-home"), 200, `"https://docs.openstack.org/api/openstack-identity/3/rel/user_projects"`)
		testx.Equal(t, a.Header.Get("Content-Type"), "application/json-home")
		c.want(a, 200, `"href-template":"/users/{user_id}/projects"`)
		c.want(c.do("", "GET", "/", "", "Accept", "application/json-home"), 200, `"href":"/v3/users"`)
	})
}

// TestKeyRotation rotates keys while tokens are made and checked: none of
// them is refused.
func TestKeyRotation(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		newest := c.token("admin", adminPassword, onProject("admin"))
		var using sync.RWMutex // guards newest; who holds it for reading uses it
		issue := func() answer {
			using.RLock()
			defer using.RUnlock()
			return c.do("", "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["token"],"token":{"id":"`+newest+`"}},"scope":`+onProject("admin")+`}}`)
		}
		done := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(done)
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if a := issue(); a.Status != http.StatusCreated {
						t.Errorf("issue: %d %s", a.Status, a.Text)
						return
					}
				}
			})
		}
		for range 4 { // a token outlives one rotation, and is replaced before the next
			first := c.want(issue(), 201, "").Header.Get("X-Subject-Token")
			testx.NoErr(t, c.svc.RotateKeys())
			second := c.want(issue(), 201, "").Header.Get("X-Subject-Token")
			for _, token := range []string{first, second} {
				c.want(c.do(second, "GET", "/v3/auth/tokens?nocatalog", "", "X-Subject-Token", token), 200, "")
			}
			using.Lock()
			newest = second
			using.Unlock()
		}
	})
}

// TestTogether has many clients change the same things: no change is lost,
// and nobody is told of a mistake that is not his.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		p := c.make(admin, "/v3/projects", `{"project":{"name":"p"}}`)
		u := c.make(admin, "/v3/users", `{"user":{"name":"u"}}`)
		const clients = 64
		var wg sync.WaitGroup
		for n := range clients {
			wg.Go(func() {
				for _, a := range []answer{
					c.do(admin, "PATCH", "/v3/users/"+u, fmt.Sprintf(`{"user":{"k%d":"v"}}`, n)),
					c.do(admin, "PUT", fmt.Sprintf("/v3/projects/%s/tags/t%d", p, n), ""),
					c.do(admin, "POST", "/v3/projects", fmt.Sprintf(`{"project":{"name":"shared%d"}}`, n%8)),
				} {
					if a.Status >= 500 {
						t.Errorf("client %d: %d %s", n, a.Status, a.Text)
					}
				}
			})
		}
		wg.Wait()
		user := c.want(c.do(admin, "GET", "/v3/users/"+u, ""), 200, "").Text
		for n := range clients {
			if !strings.Contains(user, fmt.Sprintf(`"k%d":"v"`, n)) {
				t.Errorf("the change of client %d is lost", n)
			}
		}
		tags := c.want(c.do(admin, "GET", "/v3/projects/"+p+"/tags", ""), 200, "")
		testx.Equal(t, len(tags.JSON["tags"].([]any)), clients)
		testx.Equal(t, strings.Count(c.do(admin, "GET", "/v3/projects?name__startswith=shared", "").Text, `"name":"shared`), 8)
	})
}

// TestPages goes through a list a page at a time.
func TestPages(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		for _, name := range []string{"a", "b", "c"} {
			c.make(admin, "/v3/groups", `{"group":{"name":"`+name+`"}}`)
		}
		next, seen := "/v3/groups?sort_key=name&limit=2", ""
		for pages := 0; next != ""; pages++ {
			a := c.want(c.do(admin, "GET", next, ""), 200, "")
			groups, _ := a.JSON["groups"].([]any)
			for _, g := range groups {
				seen += g.(map[string]any)["name"].(string)
			}
			testx.Equal(t, a.JSON["truncated"] == true, pages == 0)
			next = strings.TrimPrefix(a.at("links/next"), "http://example.com")
		}
		testx.Equal(t, seen, "abc")
		c.want(c.do(admin, "GET", "/v3/groups", ""), 200, `"next":null`)
	})
}

// TestFederatedAttribute ties users to what a provider calls them before they
// come.
func TestFederatedAttribute(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		const idp = "/v3/OS-FEDERATION/identity_providers/acme"
		c.want(c.do(admin, "PUT", "/v3/OS-FEDERATION/mappings/m", `{"mapping":{"rules":[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"REMOTE_USER"}]}]}}`), 201, "")
		c.want(c.do(admin, "PUT", idp, `{"identity_provider":{"enabled":true}}`), 201, "")
		for _, p := range []string{"openid", "saml2"} {
			c.want(c.do(admin, "PUT", idp+"/protocols/"+p, `{"protocol":{"mapping_id":"m"}}`), 201, "")
		}
		tied := func(idp, protocol, id string) string {
			return `"federated":[{"idp_id":"` + idp + `","protocols":[{"protocol_id":"` + protocol + `","unique_id":"` + id + `"}]}]`
		}
		id := c.make(admin, "/v3/users", `{"user":{"name":"u",`+tied("acme", "openid", "s-1")+`}}`)
		path := "/v3/users/" + id
		c.want(c.do(admin, "GET", path, ""), 200, tied("acme", "openid", "s-1"))
		c.want(c.do(admin, "GET", "/v3/users?idp_id=acme&unique_id=s-1", ""), 200, id)
		c.want(c.do(admin, "POST", "/v3/users", `{"user":{"name":"v",`+tied("absent", "openid", "s-2")+`}}`), 400, "Could not find Identity Provider: absent")
		c.want(c.do(admin, "POST", "/v3/users", `{"user":{"name":"v",`+tied("acme", "absent", "s-2")+`}}`), 400, "Could not find federated protocol absent")
		c.want(c.do(admin, "POST", "/v3/users", `{"user":{"name":"v",`+tied("acme", "openid", "s-1")+`}}`), 409, "s-1")
		c.want(c.do(admin, "GET", "/v3/users?name=v", ""), 200, `"users":[]`)
		for _, bad := range []string{`"acme"`, `[{"idp_id":"acme"}]`, `[{"idp_id":"acme","protocols":[]}]`, `[{"idp_id":7,"protocols":[{}]}]`} {
			c.want(c.do(admin, "PATCH", path, `{"user":{"federated":`+bad+`}}`), 400, "")
		}
		c.want(c.do(admin, "PATCH", path, `{"user":{"description":"x"}}`), 200, tied("acme", "openid", "s-1"))
		c.want(c.do(admin, "PATCH", path, `{"user":{`+tied("acme", "saml2", "s-3")+`}}`), 200, tied("acme", "saml2", "s-3"))
		c.want(c.do(admin, "GET", "/v3/users?unique_id=s-1", ""), 200, `"users":[]`)
		c.want(c.do(admin, "DELETE", idp, ""), 204, "")
		if a := c.want(c.do(admin, "GET", path, ""), 200, `"name":"u"`); strings.Contains(a.Text, "federated") { // he was here before
			t.Errorf("tied to a provider that is gone: %s", a.Text)
		}
	})
}
