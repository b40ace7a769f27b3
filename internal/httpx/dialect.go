package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strings"

	"nubo/internal/fault"
)

// Dialect is how one OpenStack service words its errors: statuses, envelope
// and the texts of a body it cannot read.
type Dialect struct {
	// Name is the service's: "nova", "neutron" …
	Name string
	// Malformed answers a body that is no JSON object.
	Malformed string
	// Invalid words a field that breaks the schema.
	Invalid func(v Violation) string
	// Forbidden words the refusal of a policy rule.
	Forbidden func(rule string) string
	// statuses differ from the usual ones for some kinds.
	statuses map[fault.Kind]int
	// envelope renders the error's body.
	envelope func(e *fault.Error, status int, requestID string) (contentType string, body []byte)
}

// usualStatus is the HTTP status of each kind where a service has no other.
var usualStatus = map[fault.Kind]int{
	fault.Internal: 500, fault.Invalid: 400, fault.Unauthorized: 401, fault.Forbidden: 403,
	fault.NotFound: 404, fault.MethodNotAllowed: 405, fault.NotAcceptable: 406, fault.Conflict: 409,
	fault.Gone: 410, fault.TooLarge: 413, fault.UnsupportedType: 415, fault.RangeInvalid: 416,
	fault.OverQuota: 403, fault.RateLimited: 429, fault.NotImplemented: 501, fault.Unavailable: 503,
}

// Status gives the HTTP status of a kind in this dialect.
func (d *Dialect) Status(k fault.Kind) int {
	if s, ok := d.statuses[k]; ok {
		return s
	}
	if s, ok := usualStatus[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// The dialects of the services nubo stands for.
var (
	Keystone = &Dialect{
		Name: "keystone",
		Malformed: "Expecting to find valid JSON - the server could not comply with the request since it is either " +
			"malformed or otherwise incorrect. The client is assumed to be in error.",
		Invalid: func(v Violation) string { return v.keystone() },
		Forbidden: func(rule string) string {
			return "You are not authorized to perform the requested action: " + rule + "."
		},
		envelope: keystoneEnvelope,
	}
	Nova = &Dialect{
		Name:      "nova",
		Malformed: "Malformed request body",
		Invalid:   func(v Violation) string { return v.nova() },
		Forbidden: func(rule string) string { return "Policy doesn't allow " + rule + " to be performed." },
		envelope:  novaEnvelope("computeFault"),
	}
	Cinder = &Dialect{
		Name:      "cinder",
		Malformed: "Malformed request body",
		Invalid:   func(v Violation) string { return v.nova() },
		statuses:  map[fault.Kind]int{fault.OverQuota: 413},
		Forbidden: func(rule string) string { return "Policy doesn't allow " + rule + " to be performed." },
		envelope:  novaEnvelope("volumeFault"),
	}
	Neutron = &Dialect{
		Name:      "neutron",
		Malformed: "Malformed request body",
		Invalid: func(v Violation) string {
			return fmt.Sprintf("Invalid input for %s. Reason: %s.", v.leaf(), v.Reason)
		},
		statuses:  map[fault.Kind]int{fault.OverQuota: 409},
		Forbidden: func(rule string) string { return "rule:" + rule + " is disallowed by policy" },
		envelope:  neutronEnvelope,
	}
	Glance = &Dialect{
		Name:      "glance",
		Malformed: "The request body is not valid JSON.",
		Invalid: func(v Violation) string {
			return fmt.Sprintf("Provided object does not match schema '%s': %s.", "image", v.Reason)
		},
		statuses:  map[fault.Kind]int{fault.OverQuota: 413},
		Forbidden: func(rule string) string { return "You are not authorized to complete " + rule + " action." },
		envelope:  glanceEnvelope,
	}
	Placement = &Dialect{
		Name:      "placement",
		Malformed: "Malformed JSON",
		Invalid: func(v Violation) string {
			return fmt.Sprintf("JSON does not validate: %s", v.Reason)
		},
		Forbidden: func(rule string) string { return "Policy does not allow " + rule + " to be performed." },
		envelope:  placementEnvelope,
	}
)

// mustJSON encodes an error's body; its texts are read by people: < and > stay
// as they are.
func mustJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("httpx: " + err.Error()) // only maps of strings and numbers come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func keystoneEnvelope(e *fault.Error, status int, _ string) (string, []byte) {
	return "application/json", mustJSON(map[string]any{"error": map[string]any{
		"code": status, "message": e.Msg, "title": http.StatusText(status),
	}})
}

// novaFaults are the names Nova and Cinder give to statuses.
var novaFaults = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
	409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit",
	501: "notImplemented", 503: "serviceUnavailable",
}

func novaEnvelope(other string) func(*fault.Error, int, string) (string, []byte) {
	return func(e *fault.Error, status int, _ string) (string, []byte) {
		name := novaFaults[status]
		if name == "" {
			name = other
		}
		return "application/json", mustJSON(map[string]any{name: map[string]any{"code": status, "message": e.Msg}})
	}
}

func neutronEnvelope(e *fault.Error, status int, _ string) (string, []byte) {
	name := e.Type
	if name == "" {
		name = map[int]string{
			400: "BadRequest", 403: "PolicyNotAuthorized", 404: "HTTPNotFound", 405: "HTTPMethodNotAllowed",
			409: "Conflict", 500: "HTTPInternalServerError", 501: "HTTPNotImplemented", 503: "ServiceUnavailable",
		}[status]
	}
	if name == "" {
		name = "HTTP" + strings.ReplaceAll(http.StatusText(status), " ", "")
	}
	return "application/json", mustJSON(map[string]any{"NeutronError": map[string]any{
		"type": name, "message": e.Msg, "detail": "",
	}})
}

func glanceEnvelope(e *fault.Error, status int, _ string) (string, []byte) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	return "text/html; charset=UTF-8", []byte("<html>\n <head>\n  <title>" + title + "</title>\n </head>\n <body>\n  <h1>" +
		title + "</h1>\n  " + html.EscapeString(e.Msg) + "<br /><br />\n\n\n </body>\n</html>")
}

func placementEnvelope(e *fault.Error, status int, requestID string) (string, []byte) {
	one := map[string]any{
		"status": status, "title": http.StatusText(status), "request_id": requestID,
		"detail": e.Msg + "  ",
	}
	if status == http.StatusNotAcceptable || e.Type != "" {
		code := e.Type
		if code == "" {
			code = "placement.undefined_code"
		}
		one["code"] = code
	} else {
		one["code"] = "placement.undefined_code"
	}
	var u *unsupported
	if errors.As(e, &u) {
		one["detail"], one["min_version"], one["max_version"] = u.Error()+"  ", u.min.String(), u.max.String()
	}
	return "application/json", mustJSON(map[string]any{"errors": []any{one}})
}

// unauthorized is the answer of the token middleware, the same in front of
// every service but identity itself.
func unauthorized(w http.ResponseWriter, authURI string) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", authURI))
	write(w, http.StatusUnauthorized, "application/json", mustJSON(map[string]any{"error": map[string]any{
		"code": 401, "title": "Unauthorized",
		"message": "The request you have made requires authentication.",
	}}))
}
