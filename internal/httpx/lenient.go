package httpx

import (
	"encoding/json"
	"strconv"
	"strings"

	"nubo/internal/fault"
)

// LenientInt is a number that clients also send as text; null and "" are 0. It has
// the range of the databases' integers, as the APIs' schemas bound them.
type LenientInt int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *LenientInt) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "" || text == "null" {
		*n = 0
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fault.Invalidf("%s is no integer", text)
	}
	*n = LenientInt(v)
	return nil
}

// LenientBool is a truth value in any of OpenStack's spellings.
type LenientBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (v *LenientBool) UnmarshalJSON(b []byte) error {
	is, err := Bool(strings.Trim(string(b), `"`))
	if err != nil {
		return err
	}
	*v = LenientBool(is.(bool))
	return nil
}

// LenientText is a text that clients also send as a number.
type LenientText string

// UnmarshalJSON implements json.Unmarshaler.
func (s *LenientText) UnmarshalJSON(b []byte) error {
	var text *string
	if json.Unmarshal(b, &text) != nil {
		*s = LenientText(b)
		return nil
	}
	*s = LenientText(Deref(text))
	return nil
}

// Texts are pairs whose values may be null, which counts as empty.
type Texts map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *Texts) UnmarshalJSON(b []byte) error {
	var raw map[string]*string
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*m = Texts{}
	for k, v := range raw {
		(*m)[k] = Deref(v)
	}
	return nil
}

// Deref is the pointed-to value, or the zero value.
func Deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
