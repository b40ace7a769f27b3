package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
	"nubo/internal/testx"
)

// caller is a persona of the policy table with a token: of its own project or
// domain, in which A's things are, or of another.
type caller struct {
	persona
	column  string // of the table
	foreign bool
}

// dryPolicy lets nobody through whom the service's own policy lets through,
// so that what may be done can be asked without doing it.
type dryPolicy struct{ httpx.Policy }

const statusDry = http.StatusRequestEntityTooLarge

// Enforce implements httpx.Policy.
func (d dryPolicy) Enforce(c *auth.Context, rule string, t policy.Target) error {
	if err := d.Policy.Enforce(c, rule, t); err != nil {
		return err
	}
	return fault.New(fault.TooLarge, "This would have been allowed.")
}

// ownAffairs are operations of which the table cannot know who is meant:
// somebody whom a header or the body names.
var ownAffairs = map[string]string{
	"identity GET /auth/tokens":       "of the token that the header names",
	"identity HEAD /auth/tokens":      "of the token that the header names",
	"identity DELETE /auth/tokens":    "of the token that the header names",
	"identity POST /OS-TRUST/trusts":  "of the trustor whom the body names",
	"compute GET /os-keypairs/{name}": "of the caller's own, and this one is another user's",
}

// routeVerdicts are the cells in which the running cloud differs from the
// table, by operation and persona ("*" for all), with the reason.
var routeVerdicts = map[string]string{
	"volume GET /types/{type_id}/extra_specs/{key} *": "the key is one that only administrators see",

	"identity GET /domains/{domain_id}/config *":                  "the rule also serves the security compliance, which tokens of every scope read",
	"identity GET /domains/{domain_id}/config/{group} *":          "as the whole configuration",
	"identity GET /domains/{domain_id}/config/{group}/{option} *": "as the whole configuration",

	"network GET /networks/{id} project service":                  "nubo's components read networks as administrators; the role service alone reads its project's",
	"network GET /subnets/{id} project service":                   "as networks",
	"network GET /ports/{id} project service":                     "as networks",
	"network GET /network-ip-availabilities/{id} project service": "as networks",
}

// TestPersonas asks every operation as every persona of the policy table, of
// the project and domain that own what is asked about and of others, and
// compares who is let through with the newest release.
func TestPersonas(t *testing.T) {
	b := testCloud(t, "")
	s := newSeed(b)
	table, callers := readPolicyTable(t), s.callers()
	ops, bodies := s.operations(s.values), s.bodies()
	dry := map[*httpx.API]http.Handler{}
	for _, a := range b.apis() {
		again := *a
		again.Policy = dryPolicy{a.Policy}
		h, err := again.Handler()
		testx.NoErr(t, err)
		dry[a] = h
	}
	cells, operations := 0, 0
	for _, o := range ops {
		row := table.rules[o.api.Service+" "+o.route.Rule]
		if _, own := ownAffairs[o.key()]; own || row == nil || isNothing(o) {
			continue
		}
		operations++
		for _, who := range callers {
			if !o.hasParams() && who.foreign {
				continue // it is about the caller's own
			}
			cells++
			// A's domain is nobody's, and what is shared is everybody's.
			_, shared := sharedWithAll[o.key()]
			who.foreign = (who.foreign || hasSegment(o.route.Path, "{domain_id}")) && !shared
			want, got := mayOn(o, who, row[who.column]), ""
			if want {
				got = s.allowed(o, who, bodies[o.key()], dry[o.api])
			} else {
				got = s.refused403(o, who, bodies[o.key()])
			}
			if got != "" && routeVerdicts[o.key()+" "+who.name] == "" && routeVerdicts[o.key()+" *"] == "" {
				t.Errorf("%s, %s: %s", o.key(), who.name, got)
			}
		}
	}
	t.Logf("%d operations, %d cells", operations, cells)
	testx.Equal(t, s.log.mistakes(), []string(nil))
}

// isNothing reports whether an operation reads what is not there.
func isNothing(o operation) bool {
	return hasSegment(o.route.Path, "{access_token_id}") || slices.ContainsFunc(nothingThere, func(k string) bool {
		return strings.HasPrefix(o.key(), k) && !strings.Contains(k, "/system/")
	})
}

// mayOn reads the cell for what an operation is about.
func mayOn(o operation, who caller, cell string) bool {
	switch {
	case cell == "all":
		return true
	case cell == "-":
		return false
	case !o.hasParams():
		return true
	}
	return cell == "own" && !who.foreign
}

// allowed says why a persona who may was not let through. Reads are done;
// changes only up to the decision.
func (s *seed) allowed(o operation, who caller, body any, dry http.Handler) string {
	s.Helper()
	r := reply{}
	if o.writes() {
		r = s.dry(o, who, body, dry)
		if r.status == statusDry {
			return ""
		}
		return "would be answered " + r.String() + ", and may in the newest release"
	}
	if r = s.ask(o, who.persona, nil); slices.Contains([]int{401, 403, 404}, r.status) {
		return "is answered " + r.String() + ", and may in the newest release"
	}
	return ""
}

// refused403 says why a persona who may not was let through.
func (s *seed) refused403(o operation, who caller, body any) string {
	s.Helper()
	if r := s.ask(o, who.persona, body); r.status != http.StatusForbidden && r.status != http.StatusNotFound {
		return "is answered " + r.String() + ", and may not in the newest release"
	}
	return ""
}

// dry sends a request to a service that only decides.
func (s *seed) dry(o operation, who caller, body any, h http.Handler) reply {
	s.Helper()
	text, err := json.Marshal(body)
	testx.NoErr(s, err)
	if body == nil {
		text = nil
	}
	r := httptest.NewRequestWithContext(s.Context(), o.route.Method, o.path, bytes.NewReader(text))
	r.Header.Set("X-Auth-Token", who.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("OpenStack-API-Version", o.api.Service+" "+strings.TrimPrefix(o.version().String(), "v"))
	for k, v := range s.headers(o) {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.Bytes()}
}

// callers makes a user for each role and gives him tokens for the system, for
// A's domain and another, and for A and another project.
func (s *seed) callers() []caller {
	roles := map[string]string{}
	for _, r := range s.must(s.root, "identity", "GET", "/v3/roles", nil).list("roles") {
		roles[r.text("name")] = r.text("id")
	}
	domain := s.id(s.root, "identity", "/v3/domains", obj{"domain": obj{"name": "elsewhere"}}, "domain/id")
	var out []caller
	for _, role := range []string{"admin", "manager", "member", "reader", "service"} {
		password := "password of a " + role
		user := s.id(s.root, "identity", "/v3/users", obj{"user": obj{"name": "persona-" + role, "password": password, "domain_id": "default"}}, "user/id")
		token := func(column, name, grant string, scope obj, foreign bool) {
			s.must(s.root, "identity", "PUT", "/v3/"+grant+"/users/"+user+"/roles/"+roles[role], nil)
			body := passwordBody("persona-"+role, password, "")
			body["auth"].(obj)["scope"] = scope
			r := s.do(call{service: "identity", method: "POST", path: "/v3/auth/tokens", body: body})
			if r.status != http.StatusCreated {
				s.Fatalf("%s: %s", name, r)
			}
			out = append(out, caller{persona{name, r.header.Get("X-Subject-Token"), user, ""}, column, foreign})
		}
		project := func(name, id string, foreign bool) {
			token("project:"+role, name+" "+role, "projects/"+id, obj{"project": obj{"id": id}}, foreign)
		}
		if role == "service" {
			project("project", s.nobody, true)
			continue
		}
		token("system:"+role, "system "+role, "system", obj{"system": obj{"all": true}}, false)
		token("domain:"+role, "domain "+role, "domains/default", obj{"domain": obj{"id": "default"}}, false)
		token("domain:"+role, "other domain's "+role, "domains/"+domain, obj{"domain": obj{"id": domain}}, true)
		project("project", s.aMember.project, false)
		project("other project's", s.bMember.project, true)
	}
	return out
}
