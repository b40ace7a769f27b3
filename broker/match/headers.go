package match

import (
	"bytes"
	"strings"
	"time"

	"nubo/amqp"
)

// headers matches each binding's arguments against a message's headers.
type headers[D comparable] []headersBinding[D]

type headersBinding[D comparable] struct {
	dest D
	any  bool
	args amqp.Table
}

func newHeaders[D comparable](bindings []Binding[D]) headers[D] {
	m := make(headers[D], 0, len(bindings))
	for _, b := range bindings {
		mode, _ := b.Args["x-match"].(string)
		h := headersBinding[D]{
			dest: b.Dest,
			any:  mode == "any" || mode == "any-with-x",
			args: make(amqp.Table, len(b.Args)),
		}
		withX := strings.HasSuffix(mode, "-with-x")
		for k, v := range b.Args {
			if k != "x-match" && (withX || !strings.HasPrefix(k, "x-")) {
				h.args[k] = v
			}
		}
		m = append(m, h)
	}
	return m
}

func (m headers[D]) Match(msg Message, dst []D) []D {
	if len(m) == 0 {
		return dst
	}
	have := msg.Headers()
	for i := range m {
		if m[i].matches(have) {
			dst = append(dst, m[i].dest)
		}
	}
	return dst
}

// matches tells whether all of the arguments hold, or with any, one of them.
// No arguments match everything, except with any.
func (b *headersBinding[D]) matches(have amqp.Table) bool {
	for k, want := range b.args {
		got, ok := have[k]
		// An argument without a value asks only for the header's presence.
		ok = ok && (want == nil || equal(want, got))
		if ok == b.any {
			return ok
		}
	}
	return !b.any
}

// equal compares two field values. Numbers are equal across their widths.
func equal(a, b any) bool {
	if x, ok := amqp.Integer(a); ok {
		y, ok := amqp.Integer(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case float32:
		return equal(float64(a), b)
	case float64:
		switch b := b.(type) {
		case float32:
			return a == float64(b)
		case float64:
			return a == b
		}
		return false
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case amqp.Table:
		b, ok := b.(amqp.Table)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if v, ok := b[k]; !ok || !equal(a[k], v) {
				return false
			}
		}
		return true
	default: // nil, bool, string, Decimal
		return a == b
	}
}
