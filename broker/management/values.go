package management

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// boolean is true or false, as JSON or as a word.
type boolean bool

// UnmarshalJSON takes both.
func (b *boolean) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true", `"true"`:
		*b = true
	case "false", `"false"`, "null":
		*b = false
	default:
		return badRequest([]any{"not_boolean", json.RawMessage(bytes.Clone(text))})
	}
	return nil
}

// integer is a whole number, as JSON or as a word.
type integer int64

// UnmarshalJSON takes both.
func (i *integer) UnmarshalJSON(text []byte) error {
	n, err := strconv.ParseInt(string(bytes.Trim(text, `"`)), 10, 64)
	if err != nil {
		return badRequest([]any{"not_integer", json.RawMessage(bytes.Clone(text))})
	}
	*i = integer(n)
	return nil
}

// jsonText is a value of JSON that is kept as it came.
type jsonText json.RawMessage

// UnmarshalJSON keeps the text.
func (j *jsonText) UnmarshalJSON(text []byte) error {
	*j = bytes.Clone(text)
	return nil
}

// integer is the value as a whole number, if it is one.
func (j jsonText) integer() (int64, bool) {
	n, err := strconv.ParseInt(string(j), 10, 64)
	return n, err == nil
}

// term is the value as Erlang would print it.
func (j jsonText) term() string {
	if len(j) > 0 && j[0] == '"' {
		return "<<" + string(j) + ">>"
	}
	return string(j)
}
