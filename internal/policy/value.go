package policy

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// template is the right side of a check: text with %(attribute)s in it, which
// the target's attributes fill in.
type template struct {
	src   string
	parts []part
}

// part is literal text, or an attribute if key is set.
type part struct {
	text string
	key  string
	path []string // key cut at the dots, nil if it has none
}

// parseTemplate understands %(name)s and %%; of Python's other conversions
// none makes sense in a policy.
func parseTemplate(src string) (template, error) {
	tpl := template{src: src}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			tpl.parts = append(tpl.parts, part{text: text.String()})
			text.Reset()
		}
	}
	for rest := src; rest != ""; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:i])
		rest = rest[i+1:]
		if after, ok := strings.CutPrefix(rest, "%"); ok {
			text.WriteByte('%')
			rest = after
			continue
		}
		end := strings.Index(rest, ")s")
		if !strings.HasPrefix(rest, "(") || end < 2 || strings.ContainsAny(rest[1:end], "()") {
			return template{}, fmt.Errorf("after %% only (name)s or another %% may stand")
		}
		flush()
		p := part{key: rest[1:end]}
		if strings.Contains(p.key, ".") {
			p.path = strings.Split(p.key, ".")
		}
		tpl.parts = append(tpl.parts, p)
		rest = rest[end+2:]
	}
	flush()
	return tpl, nil
}

// render fills in the target's attributes; false if one is missing.
func (tpl template) render(t Target) (string, bool) {
	switch len(tpl.parts) {
	case 0:
		return "", true
	case 1: // the common case, which must not allocate
		return tpl.parts[0].render(t)
	}
	var b strings.Builder
	for _, p := range tpl.parts {
		s, ok := p.render(t)
		if !ok {
			return "", false
		}
		b.WriteString(s)
	}
	return b.String(), true
}

func (p part) render(t Target) (string, bool) {
	if p.key == "" {
		return p.text, true
	}
	v, ok := t.lookup(p.key, p.path)
	if !ok {
		return "", false
	}
	return pythonString(v)
}

// lookup finds an attribute by its whole name, else by its path.
func (t Target) lookup(key string, path []string) (any, bool) {
	if v, ok := t[key]; ok {
		return v, true
	}
	if path == nil {
		return nil, false
	}
	var at any = t
	for _, name := range path {
		var ok bool
		switch m := at.(type) {
		case Target:
			at, ok = m[name]
		case map[string]any:
			at, ok = m[name]
		case map[string]string:
			at, ok = m[name]
		}
		if !ok {
			return nil, false
		}
	}
	return at, true
}

// pythonString writes a value as Python's str() does, because that is what
// checks compare. Lists and maps have no such form here: they match nothing.
func pythonString(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil:
		return none, true
	case bool:
		return pythonBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return pythonFloat(v), true
	}
	// Named strings (a status), other widths and pointers to optional values.
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return r.String(), true
	case reflect.Bool:
		return pythonBool(r.Bool()), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(r.Uint(), 10), true
	case reflect.Float32, reflect.Float64:
		return pythonFloat(r.Float()), true
	case reflect.Pointer:
		if r.IsNil() {
			return none, true
		}
		return pythonString(r.Elem().Interface())
	}
	return "", false
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// pythonFloat is the shortest form that reads back the same, with an exponent
// below 1e-4 and from 1e16 on, and always recognizable as a float.
func pythonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// literal reads the left side of a check as a Python constant and gives what
// str() makes of it. ok is false if it is no constant but an attribute's name.
func literal(kind string) (s string, ok bool, err error) {
	switch kind {
	case "True", "False", none:
		return kind, true, nil
	case "":
		return "", false, fmt.Errorf("nothing stands before the colon")
	}
	switch c := kind[0]; {
	case c == '\'' || c == '"':
		inner := kind[1:]
		if len(inner) == 0 || inner[len(inner)-1] != c || strings.ContainsAny(inner[:len(inner)-1], string(c)+`\`) {
			return "", false, fmt.Errorf("%s is not a quoted string", kind)
		}
		return inner[:len(inner)-1], true, nil
	case c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.':
		s, err := number(kind)
		return s, err == nil, err
	}
	return "", false, nil
}

// number gives Python's form of a decimal number.
func number(kind string) (string, error) {
	wrong := fmt.Errorf("%s is neither a number nor an attribute's name", kind)
	if strings.Trim(kind, "0123456789.eE+-") != "" {
		return "", wrong
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(kind, "+"), "-")
	if strings.Trim(digits, "0123456789") != "" { // not an integer
		f, err := strconv.ParseFloat(kind, 64)
		if err != nil {
			return "", wrong
		}
		return pythonFloat(f), nil
	}
	switch {
	case digits == "" || len(kind)-len(digits) > 1 || len(digits) > 1 && digits[0] == '0':
		return "", wrong
	case digits == "0":
		return "0", nil
	}
	return strings.TrimPrefix(kind, "+"), nil
}
