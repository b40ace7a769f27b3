package app

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"nubo/internal/testx"
)

const statusFile = "../docs/api-status.md"

// surfaceRow is an operation of an OpenStack API, from docs/api-surface.csv.
type surfaceRow struct{ service, method, path, title, action, tier string }

// surfaces are OpenStack's names of the services, in the order of the
// document, with nubo's name and the start of the paths that is a version.
var surfaces = []struct{ openstack, nubo, prefix string }{
	{"keystone", "identity", "/v3"}, {"glance", "image", "/v2"}, {"placement", "placement", ""}, {"nova", "compute", "/v2.1"},
	{"neutron", "network", "/v2.0"}, {"cinder", "volume", "/v3"}, {"swift", "object", ""}, {"gnocchi", "telemetry", ""}, {"aodh", "telemetry", ""},
}

// sameAnswers are reads whose answer does not follow what anybody makes, and
// where it comes from.
var sameAnswers = map[string]string{
	"identity GET //": document, "identity GET ": document, "identity GET /limits/model": document,
	"image GET //": document, "image GET //v2": document, "image GET //versions": document, "image GET /info/import": document,
	"image GET /schemas/image": document, "image GET /schemas/images": document, "image GET /schemas/member": document, "image GET /schemas/members": document,
	"image GET /schemas/metadefs/namespace": document, "image GET /schemas/metadefs/namespaces": document, "image GET /schemas/metadefs/object": document,
	"image GET /schemas/metadefs/objects": document, "image GET /schemas/metadefs/properties": document, "image GET /schemas/metadefs/property": document,
	"image GET /schemas/metadefs/resource_type": document, "image GET /schemas/metadefs/resource_types": document, "image GET /schemas/metadefs/tag": document,
	"image GET /schemas/metadefs/tags": document, "image GET /schemas/task": document, "image GET /schemas/tasks": document,
	"placement GET /": document, "compute GET //": document, "compute GET ": document, "network GET //": document, "network GET ": document,
	"volume GET //": document, "volume GET //v3": document,
	"compute GET /os-availability-zone": hosts, "compute GET /os-availability-zone/detail": hosts, "volume GET /os-availability-zone": hosts,
	"volume GET /os-services": hosts, "volume GET /scheduler-stats/get_pools": hosts,
	"compute GET /os-quota-sets/{tenant_id}/defaults": setting, "volume GET /os-quota-sets/{target_id}/defaults": setting, "volume GET /types/default": setting,
}

// The reasons of sameAnswers.
const (
	document = "a document of the API itself"
	hosts    = "tells of the hosts, which stay the same here"
	setting  = "comes from the configuration"
)

// TestAPIStatus finds out which operations of OpenStack's APIs are done, and
// compares that with docs/api-status.md, which may claim nothing that is not.
// NUBO_UPDATE=1 writes the document.
//
// That there is a route does not do: the same request is sent in two states,
// and an operation that answers both alike, or with a 5xx, is not done.
func TestAPIStatus(t *testing.T) {
	b := testCloud(t, "", "openid.client_id", "cloud", "federation.trusted_dashboard", trustedDashboard)
	root := b.login("admin", "admin", b.c.sec.AdminPassword, "admin")
	empty := map[string]string{}
	for _, a := range b.apis() {
		for i := range a.Routes {
			o := operation{a, &a.Routes[i], strings.Join(append(slices.Clone(a.Prefixes), ""), "|")}
			o.path, _, _ = strings.Cut(o.path, "|")
			o.path += o.route.Path
			if strings.HasPrefix(o.route.Path, "//") {
				o.path = o.route.Path[1:]
			}
			if !o.hasParams() && !o.writes() {
				empty[o.key()] = steadyText(b.do(o.call(root, nil)), nil)
			}
		}
	}
	s := newSeed(b)
	done := s.proven(empty)
	text := statusDocument(t, done)
	if os.Getenv("NUBO_UPDATE") != "" {
		testx.NoErr(t, os.WriteFile(statusFile, []byte(text), 0o644)) //nolint:gosec // a document
	}
	old, err := os.ReadFile(statusFile)
	testx.NoErr(t, err)
	claims := map[string]bool{}
	for line := range strings.Lines(text) {
		claims[line] = true
	}
	for line := range strings.Lines(string(old)) {
		if strings.Contains(line, "| done |") && !claims[line] {
			t.Errorf("docs/api-status.md claims what is not so: %s", line)
		}
	}
	if string(old) != text {
		t.Log("docs/api-status.md is not up to date; write it anew with: NUBO_UPDATE=1 go test ./app -run TestAPIStatus")
	}
}

// steadyText is an answer without what changes by itself and without the ids that
// were asked about.
func steadyText(r reply, ids map[string]string) string {
	var v any
	text := string(r.body)
	if json.Unmarshal(r.body, &v) == nil {
		stable, _ := json.Marshal(steady(v)) //nolint:errcheck // it came from JSON
		text = string(stable)
	}
	for _, id := range ids {
		if len(id) > 3 {
			text = strings.ReplaceAll(text, id, "ID")
		}
	}
	return fmt.Sprint(r.status, " ", text)
}

// proven gives the operations, by key, that answer differently in two states;
// of the others it says what they do instead. A read is asked about what is
// there and what is not, or of an empty cloud and a full one, and again after
// everything was changed; a write must answer differently for what is not
// there or what is no request, or change what is read at its path.
func (s *seed) proven(empty map[string]string) map[string]string {
	nowhere, gone, gets, out := map[string]string{}, map[string]operation{}, map[string]operation{}, map[string]string{}
	for name := range s.values {
		nowhere[name] = absent
	}
	for _, o := range s.operations(nowhere) {
		gone[o.key()] = o
	}
	ops, bodies := s.operations(s.values), s.bodies()
	for _, o := range ops {
		if o.route.Method == http.MethodGet {
			gets[o.path] = o
		}
	}
	first, proofs := map[string]string{}, s.proofs()
	for key, prove := range proofs {
		out[key] = prove()
		if out[key] != "" {
			s.Logf("%s: %s", key, out[key])
		}
	}
	for _, o := range inOrder(ops) {
		if proofs[o.key()] != nil {
			continue
		}
		if o.route.Method == http.MethodDelete && first != nil {
			s.again(ops, first, out)
			first = nil
		}
		body := bodies[o.key()]
		if o.key() == ownPassword {
			body = obj{"user": obj{"original_password": "password of memberA", "password": "new"}}
		}
		before := ""
		if read, ok := gets[o.path]; ok && o.writes() {
			before = steadyText(s.asAnyone(read, nil), s.values)
		}
		r := s.asAnyone(o, body)
		answer, other := steadyText(r, s.values), empty[o.key()]
		switch {
		case o.hasParams():
			other = steadyText(s.asAnyone(gone[o.key()], body), nowhere)
		case o.writes():
			other = steadyText(s.asAnyone(o, []byte("[1]")), nil)
		}
		if answer == other && before != "" {
			other = before
			answer = steadyText(s.asAnyone(gets[o.path], nil), s.values)
		}
		if strings.HasPrefix(answer, "401") && o.route.Method == http.MethodDelete {
			s.Errorf("%s: nobody is left to ask", o.key())
		}
		_, same := sameAnswers[o.key()]
		out[o.key()] = ""
		switch {
		case r.status >= 500:
			out[o.key()] = fmt.Sprint("answers ", r.status)
		case answer == other && !same:
			out[o.key()] = "always answers " + other
			if first != nil {
				first[o.key()] = answer
			}
		}
	}
	return out
}

// again asks the reads that answered alike once more, now that everything has
// been changed.
func (s *seed) again(ops []operation, first, out map[string]string) {
	for _, o := range ops {
		was, ok := first[o.key()]
		if !ok || o.writes() {
			continue
		}
		if r := s.asAnyone(o, nil); r.status < 300 && steadyText(r, s.values) != was {
			out[o.key()] = ""
		}
	}
}

// ownPassword ends the tokens of A's member.
const ownPassword = "identity POST /users/{user_id}/password"

// inOrder puts reads first, then what makes and changes, then what removes:
// what is deep in a path before what is above it, people and projects last.
func inOrder(ops []operation) []operation {
	rank := func(o operation) int {
		switch {
		case !o.writes():
			return 0
		case strings.Contains(strings.ToLower(o.route.Action), "delete"):
			return 2500
		case o.route.Method != http.MethodDelete:
			if o.key() == ownPassword {
				return 2999
			}
			return 1
		}
		switch o.route.Path {
		case "/users/{user_id}/application_credentials/{application_credential_id}", "/users/{user_id}/access_rules/{access_rule_id}":
			return 1600 - len(o.route.Path) // before the roles, which take them along; a rule after who uses it
		case "/projects/{project_id}", "/users/{user_id}", "/domains/{domain_id}", "/groups/{group_id}", "/services/{service_id}", "/security-groups/{id}":
			return 3000
		case "/registered_limits/{registered_limit_id}", "/servers/{server_id}":
			return 2600
		case "/roles/{role_id}", "/roles/{prior_id}/implies/{implied_id}":
			return 4000 // which ends everybody's tokens
		}
		if o.api.Service != "identity" {
			return 1000 - len(segments(o.route.Path, ""))
		}
		return 2000 - len(segments(o.route.Path, ""))
	}
	out := slices.Clone(ops)
	slices.SortStableFunc(out, func(a, b operation) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// asAnyone asks as an administrator or, if that is not for him, as the owner.
func (s *seed) asAnyone(o operation, body any) reply {
	who := s.able(o)
	if o.key() == "identity DELETE /auth/tokens" { // of somebody who has not been asked for anything
		other := *s
		other.aMember = s.bReader
		s = &other
	}
	if o.route.Method == http.MethodDelete && who == s.rootA {
		who = s.root // A and his users are removed as well
	}
	r := s.ask(o, who, body)
	if r.status == http.StatusForbidden || r.status == http.StatusNotFound {
		if mine := s.ask(o, s.aMember, body); mine.status < 400 {
			return mine
		}
	}
	return r
}

// segments are a path's parts without the version; a parameter is "{}".
func segments(path, prefix string) []string {
	path, _, _ = strings.Cut(strings.TrimPrefix(path, prefix), "?")
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/{project_id}"), "/{admin_project_id}")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if strings.Contains(p, "{") || p == "*" {
			parts[i] = "{}"
		}
	}
	return parts
}

// serves reports whether a route is the operation of a row. A parameter of the
// row may be a word in the route, as the kind of what is tagged is.
func (r *surfaceRow) serves(key, prefix string) bool {
	fields := strings.SplitN(key, " ", 4)
	method, path, action := fields[1], fields[2], ""
	if len(fields) > 3 {
		action = fields[3]
	}
	if r.method != method && (r.method != http.MethodHead || method != http.MethodGet) || r.action != action && action != "" {
		return false
	}
	want, got := segments(r.path, prefix), segments(strings.TrimPrefix(path, "/"), prefix)
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || w == "{}" })
}

func readSurface(t testing.TB) []surfaceRow {
	t.Helper()
	f, err := os.Open("../docs/api-surface.csv")
	testx.NoErr(t, err)
	defer f.Close() //nolint:errcheck // it was only read
	rows, err := csv.NewReader(f).ReadAll()
	testx.NoErr(t, err)
	var out []surfaceRow
	for _, r := range rows[1:] {
		out = append(out, surfaceRow{r[0], r[1], r[2], r[3], r[4], r[5]})
	}
	return out
}

// statusDocument writes docs/api-status.md.
func statusDocument(t testing.TB, done map[string]string) string {
	var b, tables strings.Builder
	rows := readSurface(t)
	fmt.Fprint(&b, "# What of OpenStack's APIs is done\n\nGenerated by `app/apistatus_test.go` from `docs/api-surface.csv` and a running cloud: an operation counts as done\n"+
		"if it answers differently in two states of the cloud, and never with a 5xx. Tier A is what every client uses, B what some do, C the rest.\n\n"+
		"| service | A | B | C |\n| --- | --- | --- | --- |\n")
	for _, sf := range surfaces {
		counts := map[string][2]int{}
		fmt.Fprintf(&tables, "\n## %s (%s)\n\n| operation | | tier | |\n| --- | --- | --- | --- |\n", sf.nubo, sf.openstack)
		for _, r := range rows {
			if r.service != sf.openstack {
				continue
			}
			verdict := "–"
			for _, key := range slices.Sorted(maps.Keys(done)) {
				if strings.HasPrefix(key, sf.nubo+" ") && r.serves(key, sf.prefix) && done[key] == "" {
					verdict = "done"
				}
			}
			n := counts[r.tier]
			n[1]++
			if verdict == "done" {
				n[0]++
			}
			counts[r.tier] = n
			fmt.Fprintf(&tables, "| %s `%s` %s | %s | %s | %s |\n", r.method, r.path, r.action, r.title, r.tier, verdict)
		}
		fmt.Fprintf(&b, "| %s (%s) |", sf.nubo, sf.openstack)
		for _, tier := range []string{"A", "B", "C"} {
			fmt.Fprintf(&b, " %d of %d |", counts[tier][0], counts[tier][1])
		}
		b.WriteByte('\n')
	}
	b.WriteString(skipTable(t))
	return b.String() + tables.String()
}

// skipTable are the clients' own tests that do not apply, with the reason.
func skipTable(t testing.TB) string {
	f, err := os.Open("../docs/api-skips.csv")
	testx.NoErr(t, err)
	defer f.Close() //nolint:errcheck // it was only read
	rows, err := csv.NewReader(f).ReadAll()
	testx.NoErr(t, err)
	if len(rows) < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n## Tests of clients that are skipped\n\n| component | test | reason |\n| --- | --- | --- |\n")
	for _, r := range rows[1:] {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r, " | "))
	}
	return b.String()
}
