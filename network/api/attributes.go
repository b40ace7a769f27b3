package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// attribute is one line of a resource's table: what a body may say of it.
type attribute struct {
	name string
	// convert checks a value and gives it in the type the handlers use; the
	// error says, in Neutron's words, what is wrong.
	convert func(v any) (any, error)
	// where tells in which requests it may be.
	where where
	// def is the value whose mention needs no right.
	def any
	// guarded attributes need the rule create_RESOURCE:NAME or
	// update_RESOURCE:NAME to be set to something else.
	guarded bool
}

// where an attribute may be given.
type where int

const (
	post     where = 1 << iota // in a POST
	put                        // in a PUT
	required                   // it must be in a POST
	both           = post | put
	readOnly where = 0
)

// operation is the kind of request a body is in.
type operation int

const (
	creating operation = iota
	updating
)

func (o operation) verb() string { return [...]string{"create_", "update_"}[o] }

// attrs are the attributes of one body, converted.
type attrs map[string]any

// opt gives an attribute, nil if it was not given.
func opt[T any](a attrs, name string) *T {
	if v, ok := a[name].(T); ok {
		return &v
	}
	return nil
}

// or gives an attribute, or another value if it was not given.
func or[T any](a attrs, name string, otherwise T) T {
	if v, ok := a[name].(T); ok {
		return v
	}
	return otherwise
}

func (a attrs) has(name string) bool { _, ok := a[name]; return ok }

// resource is what the API knows of one kind of thing.
type resource struct {
	name, plural string // as bodies have them: "floatingip", "floatingips"
	attributes   []attribute
}

// common are the attributes of every resource. tenant_id is project_id's old
// name, and becomes it.
var common = []attribute{
	{name: "id", convert: text(36)}, {name: "status", convert: text(16)}, {name: "revision_number", convert: integer},
	{name: "created_at", convert: text(64)}, {name: "updated_at", convert: text(64)}, {name: "tags", convert: texts(), where: post},
	{name: "project_id", convert: text(255), where: post}, {name: "tenant_id", convert: text(255), where: post},
	{name: "description", convert: text(255), where: both},
}

func (res *resource) find(name string) *attribute {
	for _, list := range [][]attribute{res.attributes, common} {
		if i := slices.IndexFunc(list, func(a attribute) bool { return a.name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// bad is a fault of the body as a whole.
func bad(format string, args ...any) error {
	return fault.Invalidf(format, args...).WithType("HTTPBadRequest")
}

// body is the validator of the resource's requests.
type body struct {
	res *resource
	op  operation
}

// Validate implements httpx.Validator.
func (b body) Validate(doc any, _ httpx.Version) error {
	_, _, err := b.res.parse(doc, b.op)
	return err
}

// create and update have a route's body checked.
func (res *resource) create() httpx.Option { return httpx.Body(body{res, creating}) }
func (res *resource) update() httpx.Option { return httpx.Body(body{res, updating}) }

// read gives the attributes of a request's body: of several resources if it
// is a bulk request.
func (res *resource) read(r *http.Request, op operation) (items []attrs, bulk bool, err error) {
	doc, err := document(r)
	if err != nil {
		return nil, false, err
	}
	return res.parse(doc, op)
}

// document is a request's body as JSON.
func document(r *http.Request) (any, error) {
	raw, err := httpx.RawBody(r)
	if err != nil {
		return nil, err
	}
	return decode(raw)
}

func decode(raw []byte) (doc any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&doc) != nil {
		return nil, bad("Malformed request body")
	}
	return doc, nil
}

func (res *resource) parse(doc any, op operation) (items []attrs, bulk bool, err error) {
	m, ok := doc.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, false, bad("Resource body required")
	}
	var raw []any
	if list, ok := m[res.plural]; ok && op == creating {
		if raw, ok = list.([]any); !ok {
			return nil, false, bad("Body contains invalid data")
		}
		if len(raw) == 0 {
			return nil, false, bad("Resources required")
		}
		bulk = true
	} else if one, ok := m[res.name]; ok {
		raw = []any{one}
	} else {
		return nil, false, bad("Unable to find '%s' in request body", res.name)
	}
	for _, one := range raw {
		if wrapped, ok := one.(map[string]any); ok && bulk && len(wrapped) == 1 && wrapped[res.name] != nil {
			one = wrapped[res.name] // {"networks": [{"network": {…}}]} is taken as well
		}
		a, err := res.convert(one, op)
		if err != nil {
			return nil, false, err
		}
		items = append(items, a)
	}
	return items, bulk, nil
}

// convert checks one resource's attributes.
func (res *resource) convert(doc any, op operation) (attrs, error) {
	m, ok := doc.(map[string]any)
	if !ok {
		return nil, bad("Body contains invalid data")
	}
	var unknown []string
	out := attrs{}
	for name, v := range m {
		a := res.find(name)
		switch {
		case a == nil:
			unknown = append(unknown, name)
		case op == creating && a.where&post == 0:
			return nil, bad("Attribute '%s' not allowed in POST", name)
		case op == updating && a.where&put == 0:
			return nil, bad("Cannot update read-only attribute %s", name)
		default:
			converted, err := a.convert(v)
			if err != nil {
				return nil, bad("Invalid input for %s. Reason: %s.", name, err)
			}
			out[name] = converted
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, bad("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	if op == creating {
		for _, a := range res.attributes {
			if a.where&required != 0 && !out.has(a.name) {
				return nil, bad("Failed to parse request. Required attribute '%s' not specified", a.name)
			}
		}
	}
	return out, sameProject(out)
}

// sameProject makes tenant_id project_id.
func sameProject(a attrs) error {
	tenant, ok := a["tenant_id"]
	if !ok {
		return nil
	}
	if project, ok := a["project_id"]; ok && project != tenant {
		return bad("'project_id' and 'tenant_id' do not match")
	}
	a["project_id"] = tenant
	delete(a, "tenant_id")
	return nil
}

// show is a value as Neutron's messages show it.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// The converters.

func text(limit int) func(any) (any, error) {
	return func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("'%s' is not a valid string", show(v))
		}
		if len([]rune(s)) > limit {
			return nil, fmt.Errorf("'%s' exceeds maximum length of %d", s, limit)
		}
		if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return nil, fmt.Errorf("'%s' is not a valid string", strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), ""))
		}
		return s, nil
	}
}

// orNull lets null stand for the empty text.
func orNull(next func(any) (any, error)) func(any) (any, error) {
	return func(v any) (any, error) {
		if v == nil {
			return "", nil
		}
		return next(v)
	}
}

func texts() func(any) (any, error) {
	one := text(255)
	return func(v any) (any, error) {
		list, err := items(v)
		out := []string{}
		for _, x := range list {
			s, err := one(x)
			if err != nil {
				return nil, err
			}
			out = append(out, s.(string))
		}
		return out, err
	}
}

// items gives a list; null is an empty one.
func items(v any) ([]any, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a list", show(v))
	}
	return list, nil
}

func boolean(v any) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	case json.Number:
		switch v.String() {
		case "1":
			return true, nil
		case "0":
			return false, nil
		}
	}
	return nil, fmt.Errorf("'%s' cannot be converted to boolean", show(v))
}

func integer(v any) (any, error) {
	s, ok := v.(string)
	if n, isNumber := v.(json.Number); isNumber {
		s, ok = n.String(), true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if !ok || err != nil {
		return nil, fmt.Errorf("'%s' is not an integer", show(v))
	}
	return int(n), nil
}

func uuid(v any) (any, error) {
	s, ok := v.(string)
	if !ok || !httpx.IsUUID(s) {
		return nil, fmt.Errorf("'%s' is not a valid UUID", show(v))
	}
	return s, nil
}

func uuids(v any) (any, error) {
	list, err := items(v)
	out := []string{}
	for _, x := range list {
		s, err := uuid(x)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, s.(string)) {
			return nil, fmt.Errorf("Duplicate items in the list: '%s'", s)
		}
		out = append(out, s.(string))
	}
	return out, err
}

func oneOf(values ...string) func(any) (any, error) {
	return func(v any) (any, error) {
		if s, ok := v.(string); ok && slices.Contains(values, s) {
			return s, nil
		}
		return nil, fmt.Errorf("'%s' is not in ['%s']", show(v), strings.Join(values, "', '"))
	}
}

func address(v any) (any, error) {
	s, _ := v.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil, fmt.Errorf("'%s' is not a valid IP address", show(v))
	}
	return a.String(), nil
}

func mac(v any) (any, error) {
	s, _ := v.(string)
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != 6 {
		return nil, fmt.Errorf("'%s' is not a valid MAC address", show(v))
	}
	return hw.String(), nil
}

func cidr(v any) (any, error) {
	s, _ := v.(string)
	if _, err := netip.ParsePrefix(s); err != nil {
		return nil, fmt.Errorf("'%s' is not a valid IP subnet", show(v))
	}
	return s, nil
}

// nothing admits null only: an extension that is not served.
func nothing(v any) (any, error) {
	if v != nil {
		return nil, fmt.Errorf("'%s' is not supported", show(v))
	}
	return nil, nil
}

// dict reads an object whose keys are all known.
func dict(v any, known ...string) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a dictionary", show(v))
	}
	for key := range m {
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("Unexpected keys supplied: %s", key)
		}
	}
	return m, nil
}

// memberText gives a text of an object, "" if it is not there or null.
func memberText(m map[string]any, key string, convert func(any) (any, error)) (string, error) {
	if m[key] == nil {
		return "", nil
	}
	v, err := convert(m[key])
	s, _ := v.(string)
	return s, err
}
