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
	add := func(v driver.Value) {
		text = append(text, '?')
		values = append(values, driver.NamedValue{Ordinal: len(values) + 1, Value: v})
	}
	by := false
	for i := 0; i < len(query); {
		n := 1
		switch c := query[i]; {
		case c == '\'':
			var v string
			if v, n = quoted(query[i:]); v != "" {
				add(v)
				i += n
				continue
			}
		case c == '"':
			_, n = quoted(query[i:])
		case isWord(c):
			n = wordLen(query[i:])
			word := query[i : i+n]
			if v, ok := integer(query, i, n); ok && !by {
				add(v)
				i += n
				continue
			}
			if strings.EqualFold(word, "x") && strings.HasPrefix(query[i+1:], "'") {
				v, more := quoted(query[i+1:])
				blob, err := hex.DecodeString(v)
				if more == 0 || err != nil {
					return nil, nil, false
				}
				if n += more; len(blob) > 0 {
					add(blob)
					i += n
					continue
				}
			}
			by = by || strings.EqualFold(word, "by")
		case strings.IndexByte("?@:$`[;\x00", c) >= 0, strings.HasPrefix(query[i:], "--"), strings.HasPrefix(query[i:], "/*"):
			return nil, nil, false // parameters, comments and other ways to quote: bun writes none
		}
		if n == 0 || len(values) > maxLifted {
			return nil, nil, false
		}
		text = append(text, query[i:i+n]...)
		i += n
	}
	return text, values, len(values) <= maxLifted
}

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

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

func wordLen(s string) int {
	n := 1
	for n < len(s) && isWord(s[n]) {
		n++
	}
	return n
}
