package api_test

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"nubo/compute/api"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/internal/testx"
)

// path fills a route's parameters with ids that do not exist.
func path(p string) string {
	for strings.Contains(p, "{") {
		i, j := strings.IndexByte(p, '{'), strings.IndexByte(p, '}')
		id := netID
		if p[i:j] == "{aggregate_id" {
			id = "4711"
		}
		p = p[:i] + id + p[j+1:]
	}
	return "/v2.1" + p
}

// TestEveryRoute holds the whole table against what is true of every route:
// its rule is defined, nobody gets in without a token, and a body that is no
// JSON or no object is the client's mistake.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	known := map[string]bool{}
	for _, r := range api.Rules() {
		known[r.Name] = true
	}
	enforcer, err := policy.NewEnforcer("compute", api.Rules())
	testx.NoErr(t, err)
	n := 0
	for _, r := range api.New(f.svc, personas{}, enforcer, slog.New(slog.NewTextHandler(io.Discard, nil))).Routes {
		if r.Rule == httpx.Public {
			continue
		}
		n++
		if !known[r.Rule] {
			t.Errorf("%s %s: rule %s is not defined", r.Method, r.Path, r.Rule)
		}
		version := latest
		if _, until := r.Range(); until != (httpx.Version{}) {
			version = until.String()
		}
		p := path(r.Path)
		f.want(401, "", version, r.Method, p, "")
		if !r.HasBody() {
			continue
		}
		bad := []string{`{`, `[]`, `"x"`, `{"` + r.Action + `x":1}`, ``}
		if r.Action != "" {
			bad = append(bad, `{"a":1,"b":2}`, `{"`+r.Action+`":[[]]}`)
			if r.Action == "os-start" || r.Action == "os-stop" || r.Action == "unlock" {
				bad = bad[:len(bad)-1] // they take anything
			}
		}
		for _, body := range bad {
			a := f.do("admin", version, r.Method, p, body)
			if a.Status != 400 || a.Message() == "" {
				t.Errorf("%s %s %s with %q: %d %s", r.Method, r.Path, r.Action, body, a.Status, a.Text)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d routes", n)
	}
}

// TestAdminRoutes checks that what changes hosts and flavors is the admin's.
func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct{ method, path string }{
		{"GET", "/os-services"}, {"GET", "/os-hypervisors"}, {"GET", "/os-hypervisors/detail"}, {"GET", "/os-aggregates"},
		{"GET", "/os-availability-zone/detail"}, {"DELETE", "/flavors/1"}, {"GET", "/os-simple-tenant-usage"},
		{"GET", "/os-quota-sets/" + p2}, {"DELETE", "/os-quota-sets/" + p1}, {"GET", "/os-keypairs?user_id=user-admin"},
		{"GET", "/limits?tenant_id=" + p2},
	} {
		f.want(403, "member", "2.60", c.method, "/v2.1"+c.path, "")
	}
}

func TestVersionDocuments(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, p := range []string{"/v2.1", "/v2.1/"} {
		a := f.want(200, "", "", "GET", p, "")
		testx.Equal(t, []any{a.At("version", "id"), a.At("version", "version"), a.At("version", "min_version"), a.At("version", "status")},
			[]any{"v2.1", "2.96", "2.1", "CURRENT"})
	}
	testx.Equal(t, f.want(200, "", "", "GET", "/", "").At("versions", 0, "id"), any("v2.1"))
	a := f.want(406, "member", "2.97", "GET", "/v2.1/servers", "")
	if !strings.Contains(a.Message(), "Minimum is 2.1 and maximum is 2.96.") {
		t.Errorf("message: %q", a.Message())
	}
	testx.Equal(t, f.want(200, "member", "2.50", "GET", "/v2.1/servers", "").Header.Get("X-OpenStack-Nova-API-Version"), "2.50")
}
