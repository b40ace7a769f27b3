package amqp

import (
	"encoding/binary"
	"strconv"
)

// decoder reads from b and remembers the first error, so that generated code
// needs to look once, at the end.
type decoder struct {
	b   []byte
	bad bool
}

// take returns the next n bytes, or nil if there are not so many.
func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n:n]
	d.b = d.b[n:]
	return s
}

func (d *decoder) octet() uint8 {
	if s := d.take(1); s != nil {
		return s[0]
	}
	return 0
}

func (d *decoder) short() uint16 {
	if s := d.take(2); s != nil {
		return binary.BigEndian.Uint16(s)
	}
	return 0
}

func (d *decoder) long() uint32 {
	if s := d.take(4); s != nil {
		return binary.BigEndian.Uint32(s)
	}
	return 0
}

func (d *decoder) longlong() uint64 {
	if s := d.take(8); s != nil {
		return binary.BigEndian.Uint64(s)
	}
	return 0
}

func (d *decoder) shortstr() string { return string(d.shortBytes()) }

// shortBytes is shortstr without the copy.
func (d *decoder) shortBytes() []byte { return d.take(int(d.octet())) }

func (d *decoder) longstr() string { return string(d.longBytes()) }

// longBytes is longstr without the copy.
func (d *decoder) longBytes() []byte {
	n := d.long()
	if uint64(n) > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) table() Table {
	raw := d.longBytes()
	if len(raw) == 0 {
		return nil
	}
	t, err := decodeTable(raw, 0)
	if err != nil {
		d.bad = true
	}
	return t
}

// end reports whether all was well and nothing is left over.
func (d *decoder) end() error {
	if d.bad || len(d.b) != 0 {
		return errMalformed
	}
	return nil
}

var errMalformed = &Error{Code: SyntaxError, Text: "malformed arguments"}

func appendOctet(b []byte, v uint8) []byte { return append(b, v) }

func appendShort(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

func appendLong(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

func appendLonglong(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// appendShortstr cuts what does not fit: the length is an octet.
func appendShortstr(b []byte, s string) []byte {
	if len(s) > 255 {
		s = s[:255]
	}
	return append(append(b, byte(len(s))), s...)
}

func appendLongstr(b []byte, s string) []byte {
	return append(appendLong(b, uint32(len(s))), s...)
}

func appendTable(b []byte, t Table) []byte { return t.Append(b) }

func appendDecimal(b []byte, v uint64) []byte { return strconv.AppendUint(b, v, 10) }

// bit is 1<<n if v.
func bit(v bool, n uint) uint8 {
	if v {
		return 1 << n
	}
	return 0
}
