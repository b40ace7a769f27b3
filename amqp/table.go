package amqp

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// Table is a field table. Its values have these Go types, one for each of the
// types RabbitMQ knows:
//
//	t bool     b int8     B uint8     s int16   u uint16   I int32   i uint32
//	l int64    L uint64   f float32   d float64 D Decimal  S string  x []byte
//	A []any    T time.Time            F Table   V nil
//
// Int is accepted on the way out and written as l.
type Table map[string]any

// Decimal is the value Value / 10^Scale.
type Decimal struct {
	Scale uint8
	Value uint32
}

// maxDepth bounds nesting of tables and arrays: decoding is recursive.
const maxDepth = 64

// ParseTable decodes a table, its length first, and returns what follows it.
func ParseTable(b []byte) (Table, []byte, error) {
	d := decoder{b: b}
	raw := d.longBytes()
	if d.bad {
		return nil, nil, errMalformed
	}
	t, err := decodeTable(raw, 0)
	return t, d.b, err
}

// CheckTable reports whether b, a table without its length, is well formed.
// It allocates nothing.
func CheckTable(b []byte) error {
	d := decoder{b: b}
	for len(d.b) > 0 {
		d.shortBytes()
		d.skipValue(0)
	}
	return d.end()
}

func decodeTable(raw []byte, depth int) (Table, error) {
	d := decoder{b: raw}
	t := make(Table)
	for len(d.b) > 0 {
		key := d.shortstr()
		v := d.value(depth)
		if d.bad {
			return nil, errMalformed
		}
		t[key] = v
	}
	return t, d.end()
}

// value reads a type octet and the value.
func (d *decoder) value(depth int) any {
	switch typ := d.octet(); typ {
	case 't':
		return d.octet() != 0
	case 'b':
		return int8(d.octet())
	case 'B':
		return d.octet()
	case 's':
		return int16(d.short())
	case 'u':
		return d.short()
	case 'I':
		return int32(d.long())
	case 'i':
		return d.long()
	case 'l':
		return int64(d.longlong())
	case 'L':
		return d.longlong()
	case 'f':
		return math.Float32frombits(d.long())
	case 'd':
		return math.Float64frombits(d.longlong())
	case 'D':
		return Decimal{Scale: d.octet(), Value: d.long()}
	case 'S':
		return d.longstr()
	case 'x':
		return slices.Clone(d.longBytes())
	case 'T':
		return time.Unix(int64(d.longlong()), 0).UTC()
	case 'V':
		return nil
	case 'A', 'F':
		return d.nested(typ, depth+1)
	default:
		d.bad = true
		return nil
	}
}

// nested reads an array or a table.
func (d *decoder) nested(typ byte, depth int) any {
	raw := d.longBytes()
	if d.bad || depth > maxDepth {
		d.bad = true
		return nil
	}
	if typ == 'F' {
		t, err := decodeTable(raw, depth)
		d.bad = err != nil
		return t
	}
	in := decoder{b: raw}
	list := []any{}
	for len(in.b) > 0 && !in.bad {
		list = append(list, in.value(depth))
	}
	d.bad = in.bad
	return list
}

// skipValue is value without building it.
func (d *decoder) skipValue(depth int) {
	switch typ := d.octet(); typ {
	case 't', 'b', 'B':
		d.take(1)
	case 's', 'u':
		d.take(2)
	case 'I', 'i', 'f':
		d.take(4)
	case 'l', 'L', 'd', 'T':
		d.take(8)
	case 'D':
		d.take(5)
	case 'S', 'x':
		d.longBytes()
	case 'V':
	case 'A', 'F':
		raw := d.longBytes()
		if depth+1 > maxDepth {
			d.bad = true
			return
		}
		in := decoder{b: raw}
		for len(in.b) > 0 && !in.bad {
			if typ == 'F' {
				in.shortBytes()
			}
			in.skipValue(depth + 1)
		}
		d.bad = d.bad || in.bad
	default:
		d.bad = true
	}
}

// Append appends the table with its length. Keys are written in order, so
// that equal tables are equal bytes.
func (t Table) Append(b []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	keys := make([]string, 0, len(t))
	for k := range t {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		b = appendShortstr(b, k)
		b = appendValue(b, t[k])
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// appendValue appends the type octet and the value. A value of another type
// is the program's own mistake, not a peer's.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, 'V')
	case bool:
		return append(b, 't', bit(v, 0))
	case int8:
		return append(b, 'b', byte(v))
	case uint8:
		return append(b, 'B', v)
	case int16:
		return appendShort(append(b, 's'), uint16(v))
	case uint16:
		return appendShort(append(b, 'u'), v)
	case int32:
		return appendLong(append(b, 'I'), uint32(v))
	case uint32:
		return appendLong(append(b, 'i'), v)
	case int64:
		return appendLonglong(append(b, 'l'), uint64(v))
	case int:
		return appendLonglong(append(b, 'l'), uint64(v))
	case uint64:
		return appendLonglong(append(b, 'L'), v)
	case float32:
		return appendLong(append(b, 'f'), math.Float32bits(v))
	case float64:
		return appendLonglong(append(b, 'd'), math.Float64bits(v))
	case Decimal:
		return appendLong(append(b, 'D', v.Scale), v.Value)
	case string:
		return appendLongstr(append(b, 'S'), v)
	case []byte:
		return appendLongstr(append(b, 'x'), string(v))
	case time.Time:
		return appendLonglong(append(b, 'T'), uint64(v.Unix()))
	case Table:
		return v.Append(append(b, 'F'))
	case []any:
		b = append(b, 'A')
		start := len(b)
		b = append(b, 0, 0, 0, 0)
		for _, e := range v {
			b = appendValue(b, e)
		}
		binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
		return b
	default:
		panic(fmt.Sprintf("amqp: a field table cannot hold a %T", v))
	}
}

// Integer returns a value of any of the integer types as an int64.
func Integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int8:
		return int64(v), true
	case uint8:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int64:
		return v, true
	case uint64:
		return int64(min(v, math.MaxInt64)), true
	case int:
		return int64(v), true
	default:
		return 0, false
	}
}

// TypeName is RabbitMQ's name of a field value's type; error texts have it.
func TypeName(v any) string {
	switch v.(type) {
	case bool:
		return "bool"
	case int8:
		return "byte"
	case uint8:
		return "unsignedbyte"
	case int16:
		return "short"
	case uint16:
		return "unsignedshort"
	case int32:
		return "signedint"
	case uint32:
		return "unsignedint"
	case float32:
		return "float"
	case float64:
		return "double"
	case Decimal:
		return "decimal"
	case string:
		return "longstr"
	case []byte:
		return "binary"
	case []any:
		return "array"
	case time.Time:
		return "timestamp"
	case Table:
		return "table"
	case nil:
		return "void"
	default:
		return "long"
	}
}
