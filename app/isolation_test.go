package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nubo/internal/httpx"
	"nubo/internal/testx"
)

// sharedWithAll are operations about what is nobody's own: everyone with a
// token may, and the answer tells nothing of A's.
var sharedWithAll = map[string]string{
	"identity GET /regions/{region_id}":                     "the catalog's regions are in every token",
	"identity GET /registered_limits/{registered_limit_id}": "the defaults are the same for everyone",
	"network GET /extensions/{alias}":                       "what the service can do",
	"volume GET /types/{type_id}":                           "the type is public",
	"volume GET /types/{type_id}/extra_specs":               "the type is public",
	"compute GET /os-quota-sets/{tenant_id}/defaults":       "the same for everyone",
}

// readersMay are the operations that change something and yet need no more
// than a token, because it is the caller's own.
var readersMay = map[string]string{
	"identity POST /auth/tokens":              "signing in",
	"identity POST /users/{user_id}/password": "needs the old password",
	"identity DELETE /auth/tokens":            "needs to be the token's user",
	"identity POST /credentials":              "credentials are the user's own",
	"identity POST /OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth": "signing in",
	"identity POST /OS-OAUTH1/request_token":                                                "needs a consumer's signature",
	"identity POST /OS-OAUTH1/access_token":                                                 "needs a consumer's signature",
	"identity POST /OS-OAUTH2/token":                                                        "signing in",
	"compute POST /os-keypairs":                                                             "key pairs are the user's own",
	"volume POST /volumes/{volume_id}/action os-show_image_metadata":                        "it reads",
	"compute DELETE /os-keypairs/{name}":                                                    "key pairs are the user's own; the name is one of A's member",
}

// membersMay are the operations by which a project's member makes things of
// his own; whatever else changes something without naming it in its path is
// for administrators.
var membersMay = []string{
	"compute POST /servers", "compute POST /os-server-groups", "image POST /images", "network POST /networks", "network POST /subnets",
	"network POST /ports", "network POST /routers", "network POST /floatingips", "network POST /security-groups",
	"network POST /security-group-rules", "volume POST /volumes", "volume POST /attachments",
}

// queries are what some reads do not work without.
var queries = map[string]string{
	"placement GET /allocation_candidates": "?resources=VCPU:1", "placement GET /usages": "?project_id=$A",
}

// nothingThere are reads of what nubo does not keep or A cannot have.
var nothingThere = []string{
	"volume GET /snapshots/{snapshot_id}", "volume GET /backups/{backup_id}",
	"identity GET /system/", // roles of the system are in no project's answer
}

func hasSegment(path, segment string) bool { return slices.Contains(strings.Split(path, "/"), segment) }

// TestIsolation asks every operation of every service as people who have no
// business with project A's things.
func TestIsolation(t *testing.T) {
	onEach(t, isolation)
}

func isolation(t *testing.T, b *testbed) {
	s := newSeed(b)
	ops, bodies := s.operations(s.values), s.bodies()
	s.checkTables(ops, bodies)
	if t.Failed() {
		return
	}
	before := s.snapshot(ops)
	t.Run("owners see", func(t *testing.T) { s.with(t).ownersSee(ops) })
	for _, o := range ops {
		t.Run(o.key(), func(t *testing.T) { s.with(t).strangers(o, bodies[o.key()]) })
	}
	t.Run("lists", func(t *testing.T) { s.with(t).lists(ops) })
	testx.Equal(t, s.snapshot(ops), before)
	reaches := s.reaches() // which share an image of A's with B
	before = s.snapshot(ops)
	for _, c := range reaches {
		t.Run(c.name, func(t *testing.T) { s.with(t).refused(c) })
	}
	testx.Equal(t, s.snapshot(ops), before)
	testx.Equal(t, s.log.mistakes(), []string(nil))
}

// with is the seed for a subtest.
func (s *seed) with(t *testing.T) *seed {
	bed, out := *s.testbed, *s
	bed.TB, out.testbed = t, &bed
	return &out
}

// checkTables fails for what was added to the services and not to the tables
// of this test, and for a route without a rule.
func (s *seed) checkTables(ops []operation, bodies map[string]any) {
	s.Helper()
	known := map[string]bool{}
	for _, o := range ops {
		known[o.key()] = true
		if o.route.Rule == "" {
			s.Errorf("%s has no policy rule", o.key())
		}
		if _, ok := bodies[o.key()]; o.takesBody() && !ok && !bodiless(o) {
			s.Errorf("%s: add a body to seed.bodies, or the operation to bodiless", o.key())
		}
	}
	served := s.apiNames()
	for key := range bodies {
		if service, _, _ := strings.Cut(key, " "); !known[key] && slices.Contains(served, service) {
			s.Errorf("there is no operation %q any more", key)
		}
	}
	for _, key := range slices.Concat(membersMay, slices.Collect(maps.Keys(sharedWithAll)), slices.Collect(maps.Keys(readersMay)), slices.Collect(maps.Keys(queries))) {
		if !known[key] {
			s.Errorf("there is no operation %q any more", key)
		}
	}
}

// headers are what an operation wants beside its path and body.
func (s *seed) headers(o operation) map[string]string {
	switch {
	case o.route.Path == "/auth/tokens" && o.route.Method != http.MethodPost:
		return map[string]string{"X-Subject-Token": s.aMember.token}
	case o.route.IsStream():
		return map[string]string{"Content-Type": "application/octet-stream"}
	case o.key() == "image PATCH /images/{image_id}":
		return map[string]string{"Content-Type": "application/openstack-images-v2.1-json-patch"}
	}
	return nil
}

func (s *seed) ask(o operation, who persona, body any) reply {
	s.Helper()
	c := o.call(who, body)
	if q := queries[o.key()]; q != "" && !strings.Contains(c.path, "?") {
		c.path += strings.ReplaceAll(q, "$A", s.aMember.project)
	}
	c.header = s.headers(o)
	if o.takesBody() && body == nil {
		c.body = []byte{}
	}
	return s.do(c)
}

// ownersSee shows that the paths are those of things that are there: every
// read finds them as somebody who may.
func (s *seed) ownersSee(ops []operation) {
	for _, o := range ops {
		if o.writes() || slices.ContainsFunc(nothingThere, func(k string) bool { return strings.HasPrefix(o.key(), k) }) || o.route.Rule == httpx.Public {
			continue
		}
		r := s.ask(o, s.aMember, nil)
		if r.status == http.StatusForbidden || r.status == http.StatusNotFound {
			r = s.ask(o, s.rootA, nil)
		}
		if r.status >= 300 {
			s.Errorf("%s: %s", o.key(), r)
		}
	}
}

// strangers asks one operation about A's things as each who may not.
func (s *seed) strangers(o operation, body any) {
	public := o.route.Rule == httpx.Public
	for _, who := range []persona{s.anonymous, s.revoked} {
		r := s.ask(o, who, body)
		if !public && r.status != http.StatusUnauthorized {
			s.Errorf("%s: %s; want 401", who.name, r)
		}
		s.quiet(who, r)
	}
	for _, who := range []persona{s.bReader, s.bMember} {
		r := s.ask(o, who, body)
		s.quiet(who, r)
		if r.status >= 500 {
			s.Errorf("%s: %s", who.name, r)
		}
		if public {
			continue
		}
		_, shared := sharedWithAll[o.key()]
		refused := r.status == http.StatusForbidden || r.status == http.StatusNotFound
		if o.hasParams() && refused == shared {
			s.Errorf("%s: %s; want 403 or 404: %v", who.name, r, !shared)
		}
		if o.hasParams() && o.api.Service == "identity" && !shared && r.status != http.StatusForbidden {
			s.Errorf("%s: %s; want 403, which does not tell what exists", who.name, r)
		}
	}
	_, ownAffair := readersMay[o.key()]
	if o.writes() && !o.hasParams() && !public && !ownAffair && !slices.Contains(membersMay, o.key()) {
		if r := s.ask(o, s.bMember, body); r.status != http.StatusForbidden {
			s.Errorf("%s: %s; want 403", s.bMember.name, r)
		}
	}
	if o.writes() && !ownAffair {
		for _, who := range []persona{s.aReader, s.bReader} {
			r := s.ask(o, who, body)
			if r.status != http.StatusForbidden && (who == s.aReader || r.status != http.StatusNotFound) {
				s.Errorf("%s: %s; want 403", who.name, r)
			}
		}
	}
}

// quiet fails if an answer has anything of A's in it.
func (s *seed) quiet(who persona, r reply) {
	s.Helper()
	if bytes.Contains(r.body, []byte(s.secret)) || strings.Contains(fmt.Sprint(r.header), s.secret) {
		s.Errorf("%s is told of A's: %s", who.name, r)
	}
}

// lists shows that no list has anything of A's in it for others, whatever
// the query asks for.
func (s *seed) lists(ops []operation) {
	a := s.aMember.project
	queries := []string{
		"", "?all_tenants=1", "?all_projects=true", "?project_id=" + a, "?tenant_id=" + a, "?all_tenants=1&project_id=" + a, "?user_id=" + s.aMember.user,
		"?owner=" + a, "?visibility=all", "?member_status=all", "?is_public=none", "?marker=" + s.value("compute", "server_id"),
		"?scope.project.id=" + a, "?name=" + label, "?network_id=" + s.network("networks"), "?device_id=" + s.value("compute", "server_id"),
	}
	for _, o := range ops {
		if o.hasParams() || o.route.Method != http.MethodGet {
			continue
		}
		for _, q := range queries {
			o := o
			o.path += q
			for _, who := range []persona{s.bMember, s.bReader} {
				r := s.ask(o, who, nil)
				s.quiet(who, r)
				if r.status >= 500 {
					s.Errorf("%s%s: %s", o.key(), q, r)
				}
				s.withoutIDs(o, q, r)
			}
		}
	}
}

// withoutIDs fails if an answer names one of A's ids that the query did not.
func (s *seed) withoutIDs(o operation, query string, r reply) {
	for _, id := range s.private {
		if bytes.Contains(r.body, []byte(id)) && !strings.Contains(query, id) {
			s.Errorf("%s%s names %s of A's: %s", o.key(), query, id, r)
		}
	}
	if r.status >= 300 {
		return
	}
	// A query that names a project may be repeated in links, nowhere else.
	var d doc
	if json.Unmarshal(r.body, &d.v) != nil {
		return
	}
	if m, ok := d.v.(map[string]any); ok {
		for key, value := range m {
			if list, ok := value.([]any); ok && !strings.HasSuffix(key, "links") {
				text, _ := json.Marshal(list) //nolint:errcheck // it came from JSON
				if bytes.Contains(text, []byte(s.aMember.project)) {
					s.Errorf("%s%s lists something of A's: %s", o.key(), query, text)
				}
			}
		}
	}
}

// volatile are attributes that change by themselves.
var volatile = []string{"request_id", "configurations", "updated_at", "updated", "heartbeat_timestamp", "issued_at", "uptime", "host_time", "total_seconds", "total_hours",
	"total_memory_mb_usage", "total_vcpus_usage", "total_local_gb_usage", "stop", "server_usages", "start"}

// snapshot is all that there is to see of A's things.
func (s *seed) snapshot(ops []operation) map[string]string {
	out := map[string]string{}
	for _, o := range ops {
		if o.route.Method != http.MethodGet || o.route.Rule == httpx.Public || o.route.Path == "/auth/tokens" {
			continue
		}
		who := s.aMember // who sees nothing of what B makes meanwhile
		if o.hasParams() {
			who = s.rootA
		}
		r := s.ask(o, who, nil)
		var v any
		text := string(r.body)
		if json.Unmarshal(r.body, &v) == nil {
			stable, err := json.Marshal(steady(v))
			testx.NoErr(s, err)
			text = string(stable)
		}
		out[o.key()] = fmt.Sprint(r.status, " ", text)
	}
	return out
}

// steady is a document without what changes by itself.
func steady(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range volatile {
			delete(v, k)
		}
		for k := range v {
			v[k] = steady(v[k])
		}
	case []any:
		for i := range v {
			v[i] = steady(v[i])
		}
	}
	return v
}
