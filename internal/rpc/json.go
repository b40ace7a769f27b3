package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The messages of this protocol are JSON inside a JSON string. encoding/json
// would walk each level twice; the few functions here build them by appending
// and take them apart by slicing, and leave the values to encoding/json.

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendJSON appends v as encoding/json writes it, without escaping HTML.
func appendJSON(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return appendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	}
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

var errSyntax = errors.New("malformed JSON")

// unquote gives the text of a JSON string. The result may share raw's memory.
func unquote(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, fmt.Errorf("%w: not a string", errSyntax)
	}
	raw = raw[1 : len(raw)-1]
	i := bytes.IndexByte(raw, '\\')
	if i < 0 {
		return raw, nil
	}
	out := make([]byte, i, len(raw))
	copy(out, raw)
	for i < len(raw) {
		if raw[i] != '\\' {
			end := bytes.IndexByte(raw[i:], '\\')
			if end < 0 {
				return append(out, raw[i:]...), nil
			}
			out = append(out, raw[i:i+end]...)
			i += end
		}
		if i+1 >= len(raw) {
			return nil, fmt.Errorf("%w: string ends in a backslash", errSyntax)
		}
		c := raw[i+1]
		i += 2
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'u':
			r, size := unescapeRune(raw[i:])
			if size == 0 {
				return nil, fmt.Errorf("%w: bad \\u escape", errSyntax)
			}
			out = utf8.AppendRune(out, r)
			i += size
		default:
			return nil, fmt.Errorf("%w: unknown escape", errSyntax)
		}
	}
	return out, nil
}

// unescapeRune reads what follows \u, a surrogate pair included, and how many
// bytes that took; 0 if it is malformed.
func unescapeRune(s []byte) (rune, int) {
	hi, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(hi) && len(s) >= 10 && s[4] == '\\' && s[5] == 'u' {
		if lo, ok := hex4(s[6:]); ok {
			if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
				return r, 10
			}
		}
	}
	if utf16.IsSurrogate(hi) {
		hi = utf8.RuneError
	}
	return hi, 4
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// isNull reports whether a value is absent or null.
func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// text gives a string value; "" for null and for what is no string.
func text(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return "" // null, mostly
	}
	s, err := unquote(raw)
	if err != nil {
		return ""
	}
	return string(s)
}

// walkObject calls visit for each member of a JSON object, with the key's text
// and the value as it stands. Strings and brackets are checked to balance;
// whether a value is good JSON inside is left to who decodes it.
func walkObject(data []byte, visit func(key, value []byte) error) error {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return fmt.Errorf("%w: not an object", errSyntax)
	}
	i = skipSpace(data, i+1)
	for first := true; ; first = false {
		if i >= len(data) {
			return fmt.Errorf("%w: unexpected end", errSyntax)
		}
		if data[i] == '}' && first {
			break
		}
		end := skipString(data, i)
		if end < 0 {
			return fmt.Errorf("%w: no key at offset %d", errSyntax, i)
		}
		key, err := unquote(data[i:end])
		if err != nil {
			return err
		}
		i = skipSpace(data, end)
		if i >= len(data) || data[i] != ':' {
			return fmt.Errorf("%w: no colon at offset %d", errSyntax, i)
		}
		i = skipSpace(data, i+1)
		if end = skipValue(data, i); end <= i {
			return fmt.Errorf("%w: no value at offset %d", errSyntax, i)
		}
		if err := visit(key, data[i:end]); err != nil {
			return err
		}
		i = skipSpace(data, end)
		if i < len(data) && data[i] == ',' {
			i = skipSpace(data, i+1)
			continue
		}
		if i < len(data) && data[i] == '}' {
			break
		}
		return fmt.Errorf("%w: no comma at offset %d", errSyntax, i)
	}
	if i = skipSpace(data, i+1); i != len(data) {
		return fmt.Errorf("%w: text after the object at offset %d", errSyntax, i)
	}
	return nil
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the offset after the string that begins at i; -1 if none.
func skipString(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue gives the offset after the value that begins at i; -1 if it does
// not end. It keeps no stack, so that deep nesting costs nothing: that the
// kinds of brackets match is checked by who decodes the value.
func skipValue(data []byte, i int) int {
	for depth := 0; i < len(data); {
		switch data[i] {
		case '"':
			if i = skipString(data, i); i < 0 {
				return -1
			}
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
			i++
		case ' ', '\n', '\t', '\r', ',', ':':
			if depth == 0 {
				return -1
			}
			i++
			continue
		default:
			for i < len(data) && !delimiter(data[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return -1
}

func delimiter(c byte) bool {
	switch c {
	case ' ', '\n', '\t', '\r', ',', ':', '{', '}', '[', ']', '"':
		return true
	}
	return false
}
