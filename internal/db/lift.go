package db

import (
	"database/sql/driver"
	"encoding/hex"
	"strconv"
	"strings"
)

// maxLifted bounds the parameters of a statement that is remembered: lists
// longer than that come in too many lengths.
const maxLifted = 200

// lift takes the literals out of a statement, so that statements that differ
// in their values only have one text: bun writes values into the text. It
// gives the text with a parameter in the place of each literal, and the
// values. It is not ok where the text is better run as it is.
//
// What the planner or the meaning depends on stays: the empty string, which
// partial indexes name, numbers after BY, which are columns, and numbers that
// are not integers.
func lift(query string) (text []byte, values []driver.NamedValue, ok bool) {
	text = make([]byte, 0, len(query))
	copied := 0 // what of the query is in the text
	replace := func(from, to int, v driver.Value) {
		text = append(append(text, query[copied:from]...), '?')
		if values == nil {
			values = make([]driver.NamedValue, 0, 16)
		}
		values = append(values, driver.NamedValue{Ordinal: len(values) + 1, Value: v})
		copied = to
	}
	by := false
	for i := 0; i < len(query); {
		n := 1
		switch class[query[i]] {
		case quote:
			var v string
			if v, n = quoted(query[i:]); v != "" && query[i] == '\'' {
				replace(i, i+n, v)
			}
		case digit:
			n = wordLen(query[i:])
			if v, ok := integer(query, i, n); ok && !by {
				replace(i, i+n, v)
			}
		case letter:
			n = wordLen(query[i:])
			if n == 2 && strings.EqualFold(query[i:i+2], "by") {
				by = true
			}
			if n > 1 || query[i]|0x20 != 'x' || !strings.HasPrefix(query[i+1:], "'") {
				break
			}
			v, more := quoted(query[i+1:])
			blob, err := hex.DecodeString(v)
			if more == 0 || err != nil {
				return nil, nil, false
			}
			if n += more; len(blob) > 0 {
				replace(i, i+n, blob)
			}
		case strange:
			return nil, nil, false
		default:
			if c := query[i:]; strings.HasPrefix(c, "--") || strings.HasPrefix(c, "/*") {
				return nil, nil, false
			}
		}
		if n == 0 || len(values) > maxLifted {
			return nil, nil, false
		}
		i += n
	}
	return append(text, query[copied:]...), values, true
}

// The classes of bytes in a statement.
const (
	other = iota
	letter
	digit
	quote
	strange // parameters, ends and other ways to quote: bun writes none
)

var class = func() (c [256]byte) {
	for i := range c {
		switch b := byte(i); {
		case b == '_' || b|0x20 >= 'a' && b|0x20 <= 'z' || b >= 0x80:
			c[i] = letter
		case b >= '0' && b <= '9':
			c[i] = digit
		case b == '\'' || b == '"':
			c[i] = quote
		case strings.IndexByte("?@:$`[;\x00", b) >= 0:
			c[i] = strange
		}
	}
	return c
}()

// integer reads the word at query[i:i+n] if it is an integer, not a name nor
// a part of another number: 1.5, 1.5e-3.
func integer(query string, i, n int) (int64, bool) {
	if i > 0 && query[i-1] == '.' || i+n < len(query) && query[i+n] == '.' {
		return 0, false
	}
	if i > 1 && (query[i-1] == '-' || query[i-1] == '+') && query[i-2]|0x20 == 'e' {
		return 0, false
	}
	v, err := strconv.ParseInt(query[i:i+n], 10, 64)
	return v, err == nil
}

// quoted reads the quoted text that s begins with, in which a doubled quote
// stands for one, and says how long it is in s; 0 if it has no end.
func quoted(s string) (value string, n int) {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		if i+1 < len(s) && s[i+1] == s[0] {
			i++
			continue
		}
		value = s[1:i]
		if q := s[:1]; strings.Contains(value, q) {
			value = strings.ReplaceAll(value, q+q, q)
		}
		return value, i + 1
	}
	return "", 0
}

func wordLen(s string) int {
	n := 1
	for n < len(s) && (class[s[n]] == letter || class[s[n]] == digit) {
		n++
	}
	return n
}
