package httpx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Schemas are a service's JSON Schemas, one file an operation:
// "servers.create.json", and "servers.create@2.37.json" for what holds from
// that microversion on.
type Schemas struct{ byName map[string][]versioned }

type versioned struct {
	since  Version
	schema *jsonschema.Schema
}

// LoadSchemas compiles all schemas below dir. "$ref": "defs.json#/…" refers
// to a file of the same folder.
func LoadSchemas(files fs.FS, dir string) (*Schemas, error) {
	names, err := fs.Glob(files, path.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, f := range formats {
		c.RegisterFormat(&f)
	}
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if err := c.AddResource("mem:///"+path.Base(name), doc); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	s := &Schemas{byName: map[string][]versioned{}}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".json")
		op, at, _ := strings.Cut(base, "@")
		since, ok := parseVersion(at)
		if at != "" && !ok {
			return nil, fmt.Errorf("schema %s: %q is no microversion", name, at)
		}
		compiled, err := c.Compile("mem:///" + path.Base(name))
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		s.byName[op] = append(s.byName[op], versioned{since, compiled})
	}
	for _, list := range s.byName {
		slices.SortFunc(list, func(a, b versioned) int {
			if a.since.Less(b.since) {
				return -1
			}
			return 1
		})
	}
	return s, nil
}

// MustLoadSchemas is LoadSchemas for embedded files, whose faults are
// programming errors that the package's tests meet first.
func MustLoadSchemas(files fs.FS, dir string) *Schemas {
	s, err := LoadSchemas(files, dir)
	if err != nil {
		panic(err)
	}
	return s
}

// Body gives the validator of an operation.
func (s *Schemas) Body(op string) Validator {
	list, ok := s.byName[op]
	if !ok {
		panic("httpx: no schema " + op)
	}
	return schemaValidator(list)
}

type schemaValidator []versioned

// at gives the newest schema the version knows.
func (l schemaValidator) at(v Version) *jsonschema.Schema {
	chosen := l[0].schema
	for _, one := range l[1:] {
		if !v.Less(one.since) {
			chosen = one.schema
		}
	}
	return chosen
}

// Schema gives the JSON Schema that the route's body has to meet at a
// version, nil if no schema says it.
func (r *Route) Schema(v Version) *jsonschema.Schema {
	if l, ok := r.body.(schemaValidator); ok {
		return l.at(v)
	}
	return nil
}

// Validate implements Validator.
func (l schemaValidator) Validate(doc any, v Version) error {
	err := l.at(v).Validate(doc)
	if ve, ok := err.(*jsonschema.ValidationError); ok {
		leaf := deepest(ve)
		return Violation{Path: leaf.InstanceLocation, Value: lookup(doc, leaf.InstanceLocation), Reason: reason(doc, leaf)}
	}
	return err
}

// deepest finds the error that says most: the one furthest into the document.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if len(e.Causes) > 0 && !strictlyBelow(e) {
			return e
		}
	}
	best := e
	for i, c := range e.Causes {
		d := deepest(c)
		if i == 0 || len(d.InstanceLocation) > len(best.InstanceLocation) {
			best = d
		}
	}
	return best
}

// strictlyBelow reports whether some branch failed deeper than the choice
// itself, so that its reason says more than "not valid under any".
func strictlyBelow(e *jsonschema.ValidationError) bool {
	for _, c := range e.Causes {
		if len(deepest(c).InstanceLocation) > len(e.InstanceLocation) {
			return true
		}
	}
	return false
}

func lookup(doc any, at []string) any {
	for _, key := range at {
		switch d := doc.(type) {
		case map[string]any:
			doc = d[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(d) {
				return nil
			}
			doc = d[i]
		default:
			return nil
		}
	}
	return doc
}

// reason words one violation as Python's jsonschema does.
func reason(doc any, e *jsonschema.ValidationError) string {
	value := pyRepr(lookup(doc, e.InstanceLocation))
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("%s is not of type %s", value, quoteJoin(k.Want))
	case *kind.Required:
		return fmt.Sprintf("'%s' is a required property", k.Missing[0])
	case *kind.AdditionalProperties:
		props := slices.Clone(k.Properties)
		sort.Strings(props)
		verb := "was"
		if len(props) > 1 {
			verb = "were"
		}
		return fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", quoteJoin(props), verb)
	case *kind.Enum:
		return fmt.Sprintf("%s is not one of %s", value, pyRepr(k.Want))
	case *kind.MinLength:
		return fmt.Sprintf("%s is too short", value)
	case *kind.MaxLength:
		return fmt.Sprintf("%s is too long", value)
	case *kind.MinItems:
		return fmt.Sprintf("%s is too short", value)
	case *kind.MaxItems:
		return fmt.Sprintf("%s is too long", value)
	case *kind.UniqueItems:
		return fmt.Sprintf("%s has non-unique elements", value)
	case *kind.Minimum:
		return fmt.Sprintf("%s is less than the minimum of %s", value, k.Want.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("%s is greater than the maximum of %s", value, k.Want.RatString())
	case *kind.Pattern:
		return fmt.Sprintf("%s does not match %s", value, pyRepr(k.Want))
	case *kind.Format:
		return fmt.Sprintf("%s is not a %s", value, pyRepr(k.Want))
	case *kind.AnyOf, *kind.OneOf:
		return fmt.Sprintf("%s is not valid under any of the given schemas", value)
	case *kind.MinProperties:
		return fmt.Sprintf("%s does not have enough properties", value)
	case *kind.MaxProperties:
		return fmt.Sprintf("%s has too many properties", value)
	}
	return fmt.Sprintf("%s is not valid", value)
}

func quoteJoin(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "'" + n + "'"
	}
	return strings.Join(quoted, ", ")
}

// pyRepr shows a JSON value as Python's repr does.
func pyRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return v.String()
	case string:
		if strings.Contains(v, "'") && !strings.Contains(v, `"`) {
			return `"` + v + `"`
		}
		return "'" + strings.ReplaceAll(v, "'", `\'`) + "'"
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = pyRepr(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = pyRepr(k) + ": " + pyRepr(v[k])
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// pyStr shows a JSON value as Python's str does: a string without quotes.
func pyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pyRepr(v)
}

func splitPath(s string) []string { return strings.Split(s, ".") }
