package ctl

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"nubo/amqp"
)

// Values are strings, bools, numbers, nil, and these:
type (
	// atom is a word of Erlang's.
	atom string
	// atoms is a list of them, as users' tags are.
	atoms []string
	// pid is a process, which here is a connection, a channel or a queue.
	pid string
	// field is a key and its value, object what keeps its keys in order.
	field struct {
		key   string
		value any
	}
	object []field
	// raw is text that is JSON already.
	raw string
)

// arguments are the entries of a table by name: amqp.Table has no order.
func arguments(t amqp.Table) []field {
	list := make([]field, 0, len(t))
	for k, v := range t {
		list = append(list, field{k, v})
	}
	slices.SortFunc(list, func(a, b field) int { return cmp.Compare(a.key, b.key) })
	return list
}

// toText is a value in a table.
func toText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return escape(v)
	case atom:
		return string(v)
	case pid:
		return string(v)
	case raw:
		return string(v)
	case atoms:
		return "[" + strings.Join(v, ", ") + "]"
	case float64:
		return formatFloat(v)
	case amqp.Table:
		parts := make([]string, 0, len(v))
		for _, f := range arguments(v) {
			parts = append(parts, fmt.Sprintf("{%q,%s}", f.key, nested(f.value)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return fmt.Sprint(v)
}

// nested is a value inside a table of arguments.
func nested(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []byte:
		return strconv.Quote(string(v))
	case time.Time:
		return strconv.FormatInt(v.Unix(), 10)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = nested(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case nil:
		return "undefined"
	}
	return toText(v)
}

// escape keeps what a terminal would act upon out of tables.
func escape(s string) string {
	clean := true
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\\' {
			clean = false
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func formatFloat(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// toErlang is a value as Erlang would write it.
func toErlang(v any) string {
	switch v := v.(type) {
	case nil:
		return "undefined"
	case string:
		return "<<" + strconv.Quote(v) + ">>"
	case []byte:
		return "<<" + strconv.Quote(string(v)) + ">>"
	case raw:
		return "<<" + strconv.Quote(string(v)) + ">>"
	case atom:
		return erlangAtom(string(v))
	case atoms:
		parts := make([]string, len(v))
		for i, a := range v {
			parts[i] = erlangAtom(a)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case time.Time:
		return strconv.FormatInt(v.Unix(), 10)
	case object:
		parts := make([]string, len(v))
		for i, f := range v {
			parts[i] = "{" + erlangAtom(f.key) + "," + toErlang(f.value) + "}"
		}
		return "[" + strings.Join(parts, ",") + "]"
	case amqp.Table:
		parts := make([]string, 0, len(v))
		for _, f := range arguments(v) {
			parts = append(parts, fmt.Sprintf("{<<%q>>,%s,%s}", f.key, amqp.TypeName(f.value), toErlang(f.value)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = toErlang(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return toText(v)
}

// erlangAtom quotes an atom that needs it.
func erlangAtom(s string) string {
	ok := s != "" && s[0] >= 'a' && s[0] <= 'z'
	for _, r := range s {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '@')
	}
	if ok {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `\'`) + "'"
}

// toPretty is a value in a table with lines.
func toPretty(v any) string {
	switch v := v.(type) {
	case atoms:
		return strings.Join(v, "")
	case amqp.Table:
		return strings.Trim(strings.ReplaceAll(toErlang(v), "},{", "}{"), "[]")
	}
	return toText(v)
}

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(toJSON(f.key) + ":" + toJSON(f.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonable turns tables of AMQP into what RabbitMQ prints of them: name, type
// and value of each entry.
func jsonable(v any) any {
	switch v := v.(type) {
	case nil:
		return ""
	case atoms:
		return append([]string{}, v...)
	case time.Time:
		return v.Unix()
	case []byte:
		return string(v)
	case float64:
		return json.RawMessage(formatFloat(v))
	case amqp.Table:
		list := make([]any, 0, len(v))
		for _, f := range arguments(v) {
			list = append(list, []any{f.key, amqp.TypeName(f.value), jsonable(f.value)})
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = jsonable(e)
		}
		return list
	}
	return v
}

// toJSON is a value as JSON. Everything a command shows can be encoded.
func toJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(jsonable(v)); err != nil {
		return strconv.Quote(err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
