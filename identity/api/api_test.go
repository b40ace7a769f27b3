package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"nubo/identity"
	"nubo/identity/api"
	"nubo/identity/fernet"
	"nubo/identity/store"
	"nubo/internal/clock"
	"nubo/internal/db/dbtest"
	"nubo/internal/policy"
	"nubo/internal/rpc"
	"nubo/internal/testx"
)

const adminPassword = "admin-secret"

// change makes the service of a test another than the usual one.
type change func(d *identity.Deps, opts *[]api.Option)

// cloud is an identity service with the bootstrap of a new cloud.
type cloud struct {
	t   testing.TB
	h   http.Handler
	svc *identity.Identity
}

func newCloud(t testing.TB, url string, changes ...change) *cloud {
	t.Helper()
	st, err := store.Open(t.Context(), url)
	testx.NoErr(t, err)
	t.Cleanup(func() { st.Close() })
	keys, err := fernet.OpenRepository(t.TempDir(), 3)
	testx.NoErr(t, err)
	credentialKeys, err := fernet.OpenRepository(t.TempDir(), 3)
	testx.NoErr(t, err)
	d := identity.Deps{Store: st, Keys: keys, CredentialKeys: credentialKeys, Bus: rpc.Open(rpc.Config{}), Clock: clock.System, Log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { d.Bus.Close(context.Background()) })
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	var opts []api.Option
	for _, change := range changes {
		change(&d, &opts)
	}
	svc, err := identity.New(identity.Config{
		TokenExpiration: time.Hour, BcryptRounds: 4, ConcurrentHash: 2, EpochInterval: time.Second, MaxProjectTreeDepth: 5, MaxRedelegationCount: 3,
		AllowExpiredWindow: time.Hour,
	}, d)
	testx.NoErr(t, err)
	testx.NoErr(t, svc.Bootstrap(t.Context(), identity.Bootstrap{
		AdminPassword: adminPassword, Region: "RegionOne",
		Services:     []identity.BootstrapService{{Type: "identity", Name: "keystone", URL: "http://127.0.0.1:5000/v3"}, {Type: "volumev3", Name: "cinderv3", URL: "http://127.0.0.1:8776/v3/$(project_id)s"}},
		ServiceUsers: map[string]string{"nova": "nova-secret"},
	}))
	rules, err := policy.NewEnforcer("identity", api.Rules())
	testx.NoErr(t, err)
	h, err := api.New(svc, rules, log, opts...).Handler()
	testx.NoErr(t, err)
	return &cloud{t, h, svc}
}

// each runs a test on every database there is.
func each(t *testing.T, test func(t *testing.T, c *cloud), changes ...change) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { test(t, newCloud(t, "sqlite::memory:", changes...)) })
	if os.Getenv("NUBO_TEST_POSTGRES") != "" {
		t.Run("postgres", func(t *testing.T) { test(t, newCloud(t, dbtest.PostgresURL(t), changes...)) })
	}
}

// answer is what came back.
type answer struct{ testx.Answer }

func (c *cloud) do(token, method, path, body string, headers ...string) answer {
	c.t.Helper()
	return answer{testx.Ask(c.t, c.h, method, path, strings.NewReader(body), append(headers, "X-Auth-Token", token)...)}
}

// want fails unless the answer has the status and contains text.
func (c *cloud) want(a answer, status int, text string) answer {
	c.t.Helper()
	if a.Status != status || !strings.Contains(a.Text, text) {
		c.t.Fatalf("got %d %s; want %d with %q", a.Status, a.Text, status, text)
	}
	return a
}

func login(user, password, scope string) string {
	if scope != "" {
		scope = `,"scope":` + scope
	}
	return `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"` + user + `","domain":{"name":"Default"},"password":"` + password + `"}}}` + scope + `}}`
}

func onProject(name string) string {
	return `{"project":{"name":"` + name + `","domain":{"id":"default"}}}`
}

func (c *cloud) token(user, password, scope string) string {
	c.t.Helper()
	return c.want(c.do("", "POST", "/v3/auth/tokens", login(user, password, scope)), 201, "").Header.Get("X-Subject-Token")
}

func (c *cloud) make(token, path, body string) string {
	c.t.Helper()
	a := c.want(c.do(token, "POST", path, body), 201, `"id"`)
	for _, v := range a.JSON {
		if o, ok := v.(map[string]any); ok && o["id"] != nil {
			return o["id"].(string)
		}
	}
	c.t.Fatalf("no id in %s", a.Text)
	return ""
}

func TestTokens(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		a := c.want(c.do(admin, "GET", "/v3/auth/tokens", "", "X-Subject-Token", admin), 200, `"methods":["password"]`)
		token := a.JSON["token"].(map[string]any)
		project := token["project"].(map[string]any)
		testx.Equal(t, project["name"], any("admin"))
		roles := []string{}
		for _, r := range token["roles"].([]any) {
			roles = append(roles, r.(map[string]any)["name"].(string))
		}
		testx.Equal(t, roles, []string{"admin", "manager", "member", "reader"})
		if !strings.Contains(a.Text, "http://127.0.0.1:8776/v3/"+project["id"].(string)) {
			t.Fatalf("the catalog does not have the project's address: %s", a.Text)
		}
		for name, body := range map[string]string{
			"wrong password":    login("admin", "nope", onProject("admin")),
			"no such user":      login("nobody", "nope", onProject("admin")),
			"no such project":   login("admin", adminPassword, onProject("nope")),
			"no role on it":     login("nova", "nova-secret", onProject("admin")),
			"a token of nobody": `{"auth":{"identity":{"methods":["token"],"token":{"id":"gAAAA"}}}}`,
			"unknown method":    `{"auth":{"identity":{"methods":["oracle"]}}}`,
		} {
			if got := c.do("", "POST", "/v3/auth/tokens", body); got.Status != 401 || !strings.Contains(got.Text, `"code":401`) {
				t.Errorf("%s: got %d %s; want 401", name, got.Status, got.Text)
			}
		}
		c.want(c.do("", "POST", "/v3/auth/tokens", `{"auth":{}}`), 400, "'identity' is a required property")
		c.want(c.do("", "POST", "/v3/auth/tokens", `{`), 400, "Expecting to find valid JSON")
		// rescoping keeps the end and the chain of audit ids
		again := c.want(c.do("", "POST", "/v3/auth/tokens", `{"auth":{"identity":{"methods":["token"],"token":{"id":"`+admin+`"}},"scope":{"system":{"all":true}}}}`), 201, `"all":true`)
		testx.Equal(t, again.JSON["token"].(map[string]any)["expires_at"], token["expires_at"])
		testx.Equal(t, again.JSON["token"].(map[string]any)["audit_ids"].([]any)[1], token["audit_ids"].([]any)[0])
		// revoked at once
		c.want(c.do(admin, "HEAD", "/v3/auth/tokens", "", "X-Subject-Token", admin), 200, "")
		c.want(c.do(admin, "DELETE", "/v3/auth/tokens", "", "X-Subject-Token", admin), 204, "")
		c.want(c.do(admin, "GET", "/v3/users", ""), 401, "requires authentication")
	})
}

// TestWhatEndsTokens changes what a token stands on; the next request shows it.
func TestWhatEndsTokens(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		member := c.want(c.do(admin, "GET", "/v3/roles?name=_member_", ""), 200, "_member_").JSON["roles"].([]any)[0].(map[string]any)["id"].(string)
		for name, end := range map[string]func(user, project string){
			"role": func(u, p string) {
				c.want(c.do(admin, "DELETE", "/v3/projects/"+p+"/users/"+u+"/roles/"+member, ""), 204, "")
			},
			"disabled": func(u, _ string) { c.want(c.do(admin, "PATCH", "/v3/users/"+u, `{"user":{"enabled":false}}`), 200, "") },
			"password": func(u, _ string) {
				c.want(c.do(admin, "PATCH", "/v3/users/"+u, `{"user":{"password":"new"}}`), 200, "")
			},
			"own": func(u, _ string) {
				c.want(c.do("", "POST", "/v3/users/"+u+"/password", `{"user":{"original_password":"p","password":"q"}}`), 204, "")
			},
			"deleted": func(u, _ string) { c.want(c.do(admin, "DELETE", "/v3/users/"+u, ""), 204, "") },
			"project": func(_, p string) {
				c.want(c.do(admin, "PATCH", "/v3/projects/"+p, `{"project":{"enabled":false}}`), 200, "")
			},
			"gone": func(_, p string) { c.want(c.do(admin, "DELETE", "/v3/projects/"+p, ""), 204, "") },
		} {
			p := c.make(admin, "/v3/projects", `{"project":{"name":"p-`+name+`"}}`)
			u := c.make(admin, "/v3/users", `{"user":{"name":"u-`+name+`","password":"p"}}`)
			c.want(c.do(admin, "PUT", "/v3/projects/"+p+"/users/"+u+"/roles/"+member, ""), 204, "")
			token := c.token("u-"+name, "p", onProject("p-"+name))
			c.want(c.do(token, "GET", "/v3/auth/projects", ""), 200, p)
			end(u, p)
			if got := c.do(token, "GET", "/v3/auth/projects", ""); got.Status != 401 {
				t.Errorf("%s: the token still counts: %d %s", name, got.Status, got.Text)
			}
		}
	})
}

// TestWords holds the texts that clients show and match.
func TestWords(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.token("admin", adminPassword, onProject("admin"))
		p := c.make(admin, "/v3/projects", `{"project":{"name":"p","color":"red"}}`)
		u := c.make(admin, "/v3/users", `{"user":{"name":"u","password":"p","default_project_id":"`+p+`"}}`)
		reader := c.want(c.do(admin, "GET", "/v3/roles?name=reader", ""), 200, "").JSON["roles"].([]any)[0].(map[string]any)["id"].(string)
		c.want(c.do(admin, "PUT", "/v3/projects/"+p+"/users/"+u+"/roles/"+reader, ""), 204, "")
		plain := c.token("u", "p", "")
		for _, one := range []struct {
			token, method, path, body string
			status                    int
			text                      string
		}{
			{plain, "GET", "/v3/users", "", 403, "You are not authorized to perform the requested action: identity:list_users."},
			{plain, "GET", "/v3/users/" + u, "", 200, `"name":"u"`},
			{plain, "GET", "/v3/users/absent", "", 403, "identity:get_user"},
			{plain, "GET", "/v3/projects/" + p, "", 200, `"color":"red"`},
			{"", "GET", "/v3/users", "", 401, `"title":"Unauthorized"`},
			{admin, "GET", "/v3/users/absent", "", 404, "Could not find user: absent."},
			{admin, "GET", "/v3/projects/absent", "", 404, "Could not find project: absent."},
			{admin, "GET", "/v3/roles/absent", "", 404, "Could not find role: absent."},
			{admin, "GET", "/v3/domains/" + p, "", 404, "Could not find domain: " + p + "."},
			{admin, "POST", "/v3/projects", `{"project":{"name":"p"}}`, 409, "it is not permitted to have two projects with the same name in the same domain: p."},
			{admin, "POST", "/v3/users", `{"user":{"name":"u"}}`, 409, "Duplicate entry found with name u at domain ID default."},
			{admin, "POST", "/v3/users", `{"user":{"name":7}}`, 400, "Invalid input for field 'name': 7 is not of type 'string'"},
			{admin, "POST", "/v3/users", `{"user":{}}`, 400, "user"},
			{admin, "POST", "/v3/users", `{"user":{"name":"long","default_project_id":"` + strings.Repeat("x", 65) + `"}}`, 400, "is too long"},
			{admin, "POST", "/v3/roles", `{"role":{"name":"long","domain_id":"` + strings.Repeat("x", 65) + `"}}`, 400, "is too long"},
			{admin, "DELETE", "/v3/domains/default", "", 403, "please disable it first"},
			{admin, "GET", "/v3/projects?name=p", "", 200, p},
			{admin, "GET", "/v3/role_assignments?effective&include_names&user.id=" + u, "", 200, `"name":"reader"`},
			{admin, "GET", "/", "", 300, `"id":"v3.14"`},
			{"", "GET", "/v3/", "", 200, `"status":"stable"`},
			{"", "GET", "/healthcheck", "", 200, "OK"},
			{"", "HEAD", "/healthcheck", "", 204, ""},
		} {
			c.want(c.do(one.token, one.method, one.path, one.body), one.status, one.text)
		}
	})
}

func TestBootstrapAgain(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		before := c.token("admin", adminPassword, onProject("admin"))
		testx.NoErr(t, c.svc.Bootstrap(t.Context(), identity.Bootstrap{
			AdminPassword: "other", Region: "RegionOne",
			Services:     []identity.BootstrapService{{Type: "identity", Name: "keystone", URL: "http://127.0.0.1:5999/v3"}},
			ServiceUsers: map[string]string{"nova": "nova-other"},
		}))
		a := c.want(c.do(before, "GET", "/v3/auth/catalog", ""), 200, "http://127.0.0.1:5999/v3")
		if strings.Contains(a.Text, ":5000") {
			t.Fatalf("the old address is left: %s", a.Text)
		}
		c.token("nova", "nova-other", onProject("service"))
		c.token("admin", adminPassword, onProject("admin"))
	})
}

func BenchmarkIssue(b *testing.B) {
	c := newCloud(b, "sqlite::memory:")
	admin := c.token("admin", adminPassword, onProject("admin"))
	body := `{"auth":{"identity":{"methods":["token"],"token":{"id":"` + admin + `"}},"scope":` + onProject("admin") + `}}`
	for b.Loop() {
		if a := c.do("", "POST", "/v3/auth/tokens?nocatalog", body); a.Status != 201 {
			b.Fatal(a.Text)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	c := newCloud(b, "sqlite::memory:")
	admin := c.token("admin", adminPassword, onProject("admin"))
	for b.Loop() {
		if a := c.do(admin, "GET", "/v3/auth/tokens", "", "X-Subject-Token", admin); a.Status != 200 {
			b.Fatal(a.Text)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	c := newCloud(b, "sqlite::memory:")
	admin := c.token("admin", adminPassword, onProject("admin"))
	for b.Loop() {
		if a := c.do(admin, "HEAD", "/v3/auth/tokens", "", "X-Subject-Token", admin); a.Status != 200 {
			b.Fatal(a.Text)
		}
	}
}
