package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"nubo/internal/fault"
)

// Validator checks a request's JSON document. version is the request's
// microversion, zero in services without.
type Validator interface {
	Validate(doc any, version Version) error
}

// Violation is a field that breaks the rules; the dialect words it.
type Violation struct {
	Path   []string // from the body's root: "server", "name"
	Value  any
	Reason string // as Python's jsonschema says it: "'' is too short"
}

// Error makes a Violation an error, which the router words by dialect.
func (v Violation) Error() string { return v.nova() }

func (v Violation) leaf() string {
	if len(v.Path) == 0 {
		return "body"
	}
	return v.Path[len(v.Path)-1]
}

func (v Violation) nova() string {
	if len(v.Path) == 0 {
		return v.Reason
	}
	return fmt.Sprintf("Invalid input for field/attribute %s. Value: %s. %s", v.leaf(), pyStr(v.Value), v.Reason)
}

func (v Violation) keystone() string {
	if len(v.Path) == 0 {
		return v.Reason
	}
	return fmt.Sprintf("Invalid input for field '%s': %s", v.leaf(), v.Reason)
}

// validate parses the body and has the route's validator check it.
func (a *API) validate(st *request, r *http.Request) error {
	if err := a.readBody(st, r); err != nil {
		return err
	}
	doc, err := parse(st.body)
	if err != nil {
		return fault.New(fault.Invalid, "%s", a.Dialect.Malformed).WithCause(err)
	}
	err = st.route.body.Validate(doc, st.version)
	var v Violation
	if errors.As(err, &v) {
		return fault.New(fault.Invalid, "%s", a.Dialect.Invalid(v))
	}
	return err
}

// storable reports whether a database can keep a text: it is UTF-8 without
// U+0000.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// checkURL refuses what no id, name or filter can be. Nothing is found under
// such a path; such a query is the client's mistake.
func checkURL(u *url.URL) error {
	if !storable(u.Path) {
		return fault.NotFoundf("The resource could not be found.")
	}
	if q, err := url.QueryUnescape(u.RawQuery); err == nil && !storable(q) {
		return fault.Invalidf("The query string holds characters that no text has.")
	}
	return nil
}

// holdsNUL reports whether a JSON document has U+0000 in a text. Backslashes
// are in its texts only, and there each begins an escape (RFC 8259 §7).
func holdsNUL(body []byte) bool {
	for {
		i := bytes.IndexByte(body, '\\')
		if i < 0 {
			return false
		}
		if bytes.HasPrefix(body[i+1:], []byte("u0000")) {
			return true
		}
		body = body[min(i+2, len(body)):]
	}
}

// parse reads exactly one JSON value, its numbers kept as written.
func parse(body []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return doc, nil
}

// actionOf gives the body's only key.
func actionOf(body []byte) (string, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return "", err
	}
	if len(m) != 1 {
		return "", errors.New("not exactly one action")
	}
	for k := range m {
		return k, nil
	}
	return "", nil
}

// Decode puts the request's JSON body into v. What does not fit v's types is
// a fault in the service's words, and so is null, which json lets pass for
// anything.
func Decode(r *http.Request, v any) error {
	st := requestOf(r.Context())
	if err := st.api.readBody(st, r); err != nil {
		return err
	}
	if bytes.Equal(bytes.TrimSpace(st.body), []byte("null")) {
		return fault.New(fault.Invalid, "%s", st.api.Dialect.Malformed)
	}
	err := json.Unmarshal(st.body, v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		violation := Violation{Path: splitPath(wrong.Field), Value: wrong.Value, Reason: fmt.Sprintf("%s is not of the expected type", wrong.Value)}
		return fault.New(fault.Invalid, "%s", st.api.Dialect.Invalid(violation))
	default:
		return fault.New(fault.Invalid, "%s", st.api.Dialect.Malformed).WithCause(err)
	}
}

// RawBody gives the request's JSON body as it came.
func RawBody(r *http.Request) ([]byte, error) {
	st := requestOf(r.Context())
	if err := st.api.readBody(st, r); err != nil {
		return nil, err
	}
	return st.body, nil
}

// Form gives the fields of a request whose body is a form; none if it is
// something else.
func Form(r *http.Request) (url.Values, error) {
	st := requestOf(r.Context())
	if err := st.api.readBody(st, r); err != nil {
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return url.Values{}, nil
	}
	v, err := url.ParseQuery(string(st.body))
	if err != nil {
		return nil, fault.Invalidf("The request body is no form.").WithCause(err)
	}
	return v, nil
}
