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

	"github.com/santhosh-tekuri/jsonschema/v6"

	"nubo/internal/testx"
)

// TestBadInput sends what is no request to every operation that reads a
// body, as somebody who may do everything: it is refused in the service's
// own envelope, and nothing changes.
func TestBadInput(t *testing.T) {
	onEach(t, badInput)
}

func badInput(t *testing.T, b *testbed) {
	s := newSeed(b)
	ops, bodies := s.operations(s.values), s.bodies()
	s.checkTables(ops, bodies)
	if t.Failed() {
		return
	}
	before := s.snapshot(ops)
	for _, o := range ops {
		if body, ok := bodies[o.key()]; ok && !bodiless(o) {
			t.Run(o.key(), func(t *testing.T) {
				s := s.with(t)
				s.unreadable(o, body)
				s.mistyped(o, body)
			})
		}
	}
	testx.Equal(t, s.snapshot(ops), before)
	t.Run("unknown ids", func(t *testing.T) { s.with(t).unknownIDs(bodies) })
	t.Run("queries", func(t *testing.T) { s.with(t).queries(ops) })
	for _, o := range ops {
		if body, ok := bodies[o.key()]; ok && !bodiless(o) {
			t.Run("odd "+o.key(), func(t *testing.T) { s.with(t).odd(o, body) })
		}
	}
	testx.Equal(t, s.log.mistakes(), []string(nil))
}

// able is somebody who may do an operation.
func (s *seed) able(o operation) persona {
	switch o.route.Rule {
	case "placement:reshaper:reshape": // not even an administrator
		return s.service
	case "identity:create_application_credential", "identity:create_trust": // only who hands on his own rights
		return s.aMember
	}
	return s.rootA
}

// refuses sends a body that has to be answered with one of the statuses, in
// the service's envelope.
func (s *seed) refuses(o operation, what string, body any, statuses ...int) {
	s.Helper()
	r := s.ask(o, s.able(o), body)
	if !slices.Contains(statuses, r.status) {
		s.Errorf("%s: %s; want %v", what, r, statuses)
	} else if why := envelope(o.api.Service, r); why != "" {
		s.Errorf("%s: %s: %s", what, why, r)
	}
}

// envelope says what is wrong with an error's form, "" if nothing is.
func envelope(service string, r reply) string {
	if service == "image" {
		title := fmt.Sprintf("<title>%d %s</title>", r.status, http.StatusText(r.status))
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") || !bytes.Contains(r.body, []byte(title)) {
			return "it is not Glance's page"
		}
		return ""
	}
	var d doc
	if err := json.Unmarshal(r.body, &d.v); err != nil || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		return "it is no JSON"
	}
	code, message := doc{}, ""
	switch service {
	case "identity":
		code, message = d.at("error/code"), d.text("error/message")
	case "placement":
		code, message = d.at("errors/0/status"), d.text("errors/0/detail")
	case "network":
		if d.text("NeutronError/type") == "" {
			return "it names no type"
		}
		code, message = doc{float64(r.status)}, d.text("NeutronError/message")
	default:
		name := map[int]string{400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest", 413: "overLimit"}[r.status]
		code, message = d.at(name+"/code"), d.text(name+"/message")
	}
	if code.v != float64(r.status) || strings.TrimSpace(message) == "" {
		return "it is not " + service + "'s envelope"
	}
	return ""
}

// unreadable sends what is no JSON, or JSON of another form.
func (s *seed) unreadable(o operation, body any) {
	s.Helper()
	valid, err := json.Marshal(body)
	testx.NoErr(s, err)
	for _, text := range []string{
		"", " ", "{", `{"a"`, `{"a": }`, "nul", "\x00", "\xff\xfe", "<xml/>", "a=b", string(valid) + string(valid), string(valid) + "]", string(valid[:len(valid)-1]),
		strings.Repeat("[", 100_000), strings.Repeat(`{"a":`, 100_000), `"text"`, "1", "1.5", "true", "null", "[1]", `[["a"]]`,
	} {
		s.refuses(o, fmt.Sprintf("%.40q", text), []byte(text), http.StatusBadRequest)
	}
	if _, isList := body.([]any); isList {
		s.refuses(o, "{}", []byte("{}"), http.StatusBadRequest)
	} else {
		s.refuses(o, "[]", []byte("[]"), http.StatusBadRequest)
	}
	if o.route.Action != "" {
		for _, text := range []string{"{}", `{"no-such-action": null}`, fmt.Sprintf(`{"%s": null, "b": null}`, o.route.Action)} {
			s.refuses(o, text, []byte(text), http.StatusBadRequest)
		}
	}
	large := append(bytes.Repeat([]byte(" "), 2<<20), valid...)
	s.refuses(o, "2 MiB", large, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
}

// field is one place in a body.
type field struct {
	path   []string
	value  any // what the acceptable body has there, nil if nothing
	schema *jsonschema.Schema
}

// fields are all places in an acceptable body, and those beside them that
// the schema knows.
func fields(v any, schema *jsonschema.Schema, path []string) []field {
	var out []field
	add := func(key string, child any, s *jsonschema.Schema) {
		at := append(slices.Clone(path), key)
		out = append(out, field{at, child, s})
		out = append(out, fields(child, s, at)...)
	}
	switch v := v.(type) {
	case map[string]any:
		known := properties(schema)
		for key := range v {
			add(key, v[key], known[key])
		}
		for key, s := range known {
			if _, given := v[key]; !given {
				add(key, nil, s)
			}
		}
	case []any:
		for i := range v {
			add(fmt.Sprint(i), v[i], items(schema))
		}
	}
	slices.SortFunc(out, func(a, b field) int { return slices.Compare(a.path, b.path) })
	return out
}

func properties(s *jsonschema.Schema) map[string]*jsonschema.Schema {
	out := map[string]*jsonschema.Schema{}
	if s == nil {
		return out
	}
	maps.Copy(out, properties(s.Ref))
	for _, part := range s.AllOf {
		maps.Copy(out, properties(part))
	}
	maps.Copy(out, s.Properties)
	return out
}

func items(s *jsonschema.Schema) *jsonschema.Schema {
	for ; s != nil; s = s.Ref {
		if s.Items2020 != nil {
			return s.Items2020
		}
	}
	return nil
}

// replaced is a copy of a body with another value at a place.
func replaced(v any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		out[path[0]] = replaced(v[path[0]], path[1:], value)
		return out
	case []any:
		i := 0
		fmt.Sscan(path[0], &i) //nolint:errcheck // fields made it of a number
		out := slices.Clone(v)
		out[i] = replaced(v[i], path[1:], value)
		return out
	}
	return v
}

// plain is a body as its receiver reads it.
func plain(s *seed, body any) any {
	text, err := json.Marshal(body)
	testx.NoErr(s, err)
	var out any
	testx.NoErr(s, json.Unmarshal(text, &out))
	return out
}

// mistyped replaces each field by values of types it cannot have.
func (s *seed) mistyped(o operation, body any) {
	s.Helper()
	schema := o.route.Schema(o.version())
	base := plain(s, body)
	if schema != nil {
		if err := schema.Validate(base); err != nil {
			s.Fatalf("the test's own body is wrong: %v", err)
		}
	}
	nested := []any{map[string]any{"x": []any{1.0}}, []any{[]any{1.0}}}
	for _, f := range fields(base, schema, nil) {
		wrong := nested
		switch f.value.(type) {
		case map[string]any:
			wrong = []any{"word", 7.0, true, []any{7.0}}
		case []any:
			wrong = []any{"word", 7.0, true, map[string]any{"x": 1.0}}
		case float64, bool:
			wrong = append(slices.Clone(nested), "word")
		case nil:
			wrong = append(slices.Clone(nested), 7.5, "word", true)
		}
		for _, w := range wrong {
			mutant := replaced(base, f.path, w)
			if f.value == nil && (schema == nil || schema.Validate(mutant) == nil) {
				continue // its type is not known, or it may be this
			}
			text, err := json.Marshal(w)
			testx.NoErr(s, err)
			s.refuses(o, strings.Join(f.path, ".")+" = "+string(text), mutant, http.StatusBadRequest)
		}
	}
}

// odd replaces each field by values that a client may well send. Some are
// taken; none is an error of the service's own.
func (s *seed) odd(o operation, body any) {
	schema := o.route.Schema(o.version())
	base := plain(s, body)
	for _, f := range fields(base, schema, nil) {
		for _, text := range []string{
			`null`, `""`, `" "`, `"word"`, `true`, `7`, `-1`, `0`, `1.5`, `1e400`, `99999999999999999999`, `-9223372036854775808`, `[]`, `{}`, `[null]`, `{"": null}`,
			`"\ud800"`, `"日本語 ∀"`, `"../../etc/passwd"`, `"' OR 1=1 --"`, `"%s%n%00"`, `"` + absent + `"`, `"` + strings.Repeat("x", 70_000) + `"`, `"` + strings.Repeat("x", 200) + `"`, `"` + strings.Repeat("∀", 255) + `"`,
		} {
			r := s.ask(o, s.able(o), splice(s, base, f.path, text))
			if r.status >= 500 {
				s.Errorf("%s = %.40s: %s", strings.Join(f.path, "."), text, r)
			}
		}
		for _, text := range []string{`"\u0000"`, `"a\u0000b"`} {
			r := s.ask(o, s.able(o), splice(s, base, f.path, text))
			if r.status < 400 || r.status >= 500 {
				s.Errorf("%s = %s: %s; want a refusal", strings.Join(f.path, "."), text, r)
			}
		}
	}
}

// splice puts JSON text, which need not be a value Go can hold, into a body.
func splice(s *seed, base any, path []string, text string) []byte {
	const mark = "@@here@@"
	whole, err := json.Marshal(replaced(base, path, mark))
	testx.NoErr(s, err)
	return bytes.Replace(whole, []byte(`"`+mark+`"`), []byte(text), 1)
}

// unknownIDs asks every operation about things that are not there, by names
// of every form.
func (s *seed) unknownIDs(bodies map[string]any) {
	for _, id := range []string{absent, "nonsense", "0", "-1", "99999999999999999999", "%", "a\x00b", "\xff", "a/b", "..", " ", "'", strings.Repeat("x", 3000), strings.Repeat("x", 200)} {
		values := map[string]string{}
		for name := range s.values {
			values[name] = id
		}
		for _, o := range s.operations(values) {
			if !o.hasParams() {
				continue
			}
			r := s.ask(o, s.able(o), bodies[o.key()])
			if r.status >= 500 {
				s.Errorf("%s with %.30q: %s", o.key(), id, r)
			}
		}
	}
}

// queries asks every list with queries that cannot be.
func (s *seed) queries(ops []operation) {
	for _, o := range ops {
		if o.route.Method != http.MethodGet {
			continue
		}
		for _, q := range []string{
			"limit=-1", "limit=x", "limit=99999999999999999999", "limit=0", "marker=nonsense", "marker=" + absent, "marker=%00", "sort_key=nonsense", "sort_key=name&sort_dir=up",
			"sort=name:up", "sort=,", "name=%00", "name=%ff", "status=%00", "id=%00", "id=a&id=b", "fields=nonsense", "changes-since=nonsense", "created_at=nonsense",
			"updated_at=gt:nonsense", "metadata=nonsense", "all_tenants=nonsense", "ip=%5B", "tags=%00", "page_reverse=nonsense", "size_min=x", "admin_state_up=nonsense",
			"fixed_ips=nonsense", "mtu=x", "%", "%zz=1", ";", "resources=nonsense", "resources=VCPU:x", "member_of=nonsense", "required=nonsense", "detailed=x&start=nonsense",
			"user_id=%00", "project_id=%00", "domain_id=%00", "scope.project.id=%00", "host=%00", "tag=%00", "visibility=nonsense",
		} {
			o := o
			o.path += "?" + q
			if r := s.ask(o, s.able(o), nil); r.status >= 500 {
				s.Errorf("%s?%s: %s", o.key(), q, r)
			}
		}
	}
}
