package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"sync"

	"nubo/internal/auth"
)

// Envelope is an encoded message with its address, for publishing later: what
// an outbox row holds. Publishing it twice does no harm within a server's
// window, because the body carries its _unique_id.
type Envelope struct {
	Exchange string `json:"exchange"`
	// Kind is the exchange's type, topic or fanout; the publisher declares it.
	Kind string          `json:"kind"`
	Key  string          `json:"key"`
	Body json.RawMessage `json:"body"`
	// Mandatory messages that have no queue make one, named as the key.
	Mandatory bool `json:"mandatory,omitempty"`
	// Notification messages have their queue made first.
	Notification bool `json:"notification,omitempty"`
}

const envelopeHead = `{"oslo.version": "2.0", "oslo.message": `

// scratch holds buffers for inner messages, which are copied out escaped.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// seal builds the inner message with build and gives the body around it.
func seal(build func(dst []byte) ([]byte, error)) ([]byte, error) {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	inner, err := build((*buf)[:0])
	if err != nil {
		return nil, err
	}
	*buf = inner
	body := make([]byte, 0, len(envelopeHead)+len(inner)+len(inner)/4+16)
	body = appendString(append(body, envelopeHead...), inner)
	return append(body, '}'), nil
}

// open gives the inner message of a body; a body without an envelope, as
// version 1 notifications have none, is its own inner message.
func open(body []byte) ([]byte, error) {
	var version, message []byte
	err := walkObject(body, func(key, value []byte) error {
		switch string(key) {
		case "oslo.version":
			version = value
		case "oslo.message":
			message = value
		}
		return nil
	})
	if err != nil || version == nil || message == nil {
		return body, err
	}
	if v := text(version); !compatible("2.0", v) {
		return nil, fmt.Errorf("envelope version %q is not supported", v)
	}
	return unquote(message)
}

// request is a call or a cast.
type request struct {
	method, namespace, version string
	args                       json.RawMessage
	msgID, replyQ, uniqueID    string
	monitor                    float64 // call monitor time-out in seconds, 0 for none
	caller                     auth.Context
	// span is the sender's, which the handler's belongs under; Python
	// services keep it, as every key of the context they do not know.
	span string
}

// encodeRequest gives a request's body. args must be a JSON object.
func encodeRequest(r *request, args any, caller *auth.Context) ([]byte, error) {
	return seal(func(b []byte) ([]byte, error) {
		b = appendString(append(b, `{"method":`...), r.method)
		b = append(b, `,"args":`...)
		if args == nil {
			b = append(b, "{}"...)
		} else {
			at := len(b)
			var err error
			if b, err = appendJSON(b, args); err != nil {
				return nil, fmt.Errorf("encode the arguments of %s: %w", r.method, err)
			}
			switch {
			case string(b[at:]) == "null":
				b = append(b[:at], "{}"...)
			case b[at] != '{':
				return nil, fmt.Errorf("encode the arguments of %s: a %T is no JSON object", r.method, args)
			}
		}
		if r.namespace != "" {
			b = appendString(append(b, `,"namespace":`...), r.namespace)
		}
		if r.version != "" {
			b = appendString(append(b, `,"version":`...), r.version)
		}
		if r.msgID != "" {
			b = appendString(append(b, `,"_msg_id":`...), r.msgID)
			b = appendString(append(b, `,"_reply_q":`...), r.replyQ)
			b = append(b, `,"_timeout":`...)
			if r.monitor > 0 {
				b = fmt.Appendf(b, "%d", int(math.Ceil(r.monitor)))
			} else {
				b = append(b, "null"...)
			}
		}
		b = appendString(append(b, `,"_unique_id":`...), r.uniqueID)
		b = appendContext(b, caller, true)
		if r.span != "" {
			b = appendString(append(b, `,"_context_nubo_span":`...), r.span)
		}
		return append(b, '}'), nil
	})
}

var contextPrefix = []byte("_context_")

// decodeRequest reads a body. The arguments share its memory.
func decodeRequest(body []byte) (*request, error) {
	inner, err := open(body)
	if err != nil {
		return nil, err
	}
	r := &request{version: "1.0", args: json.RawMessage("{}")}
	err = walkObject(inner, func(key, value []byte) error {
		if k, ok := bytes.CutPrefix(key, contextPrefix); ok {
			if string(k) == "nubo_span" {
				r.span = text(value)
				return nil
			}
			readContext(&r.caller, k, value)
			return nil
		}
		switch string(key) {
		case "method":
			r.method = text(value)
		case "args":
			if !isNull(value) {
				r.args = value
			}
		case "namespace":
			r.namespace = text(value)
		case "version":
			if !isNull(value) {
				r.version = text(value)
			}
		case "_msg_id":
			r.msgID = text(value)
		case "_reply_q":
			r.replyQ = text(value)
		case "_unique_id":
			r.uniqueID = text(value)
		case "_timeout":
			// Python's int() takes numbers and their text alike.
			n := json.Number(bytes.Trim(value, `"`))
			r.monitor, _ = n.Float64()
		}
		return nil
	})
	if err == nil && r.method == "" {
		err = fmt.Errorf("%w: no method", errSyntax)
	}
	return r, err
}

// reply is the answer to a call, or (not ending, no result) a sign of life.
type reply struct {
	msgID   string
	result  json.RawMessage
	failure []byte // JSON text, nil for none
	ending  bool
}

func encodeReply(r *reply, result any, uniqueID string) ([]byte, error) {
	return seal(func(b []byte) ([]byte, error) {
		b = append(b, `{"result":`...)
		var err error
		if b, err = appendJSON(b, result); err != nil {
			return nil, fmt.Errorf("encode the result: %w", err)
		}
		b = append(b, `,"failure":`...)
		if r.failure == nil {
			b = append(b, "null"...)
		} else {
			b = appendString(b, r.failure)
		}
		if r.ending {
			b = append(b, `,"ending":true,"_msg_id":`...)
		} else {
			b = append(b, `,"ending":false,"_msg_id":`...)
		}
		b = appendString(b, r.msgID)
		b = appendString(append(b, `,"_unique_id":`...), uniqueID)
		return append(b, '}'), nil
	})
}

func decodeReply(body []byte) (*reply, error) {
	inner, err := open(body)
	if err != nil {
		return nil, err
	}
	r := &reply{}
	err = walkObject(inner, func(key, value []byte) error {
		switch string(key) {
		case "_msg_id":
			r.msgID = text(value)
		case "result":
			if !isNull(value) {
				r.result = value
			}
		case "failure":
			if !isNull(value) {
				r.failure, err = unquote(value)
				return err
			}
		case "ending":
			r.ending = string(value) == "true"
		}
		return nil
	})
	return r, err
}

// compatible is oslo.messaging's rule: the same major version, and not newer.
func compatible(implemented, asked string) bool {
	if implemented == "" {
		implemented = "1.0"
	}
	var have, want [3]int
	if !parseVersion(implemented, &have) || !parseVersion(asked, &want) || have[0] != want[0] {
		return false
	}
	return want[1] < have[1] || want[1] == have[1] && want[2] <= have[2]
}

// parseVersion reads MAJOR.MINOR or MAJOR.MINOR.REVISION.
func parseVersion(s string, out *[3]int) bool {
	field, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && digits < 6:
			out[field] = out[field]*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && field < 2:
			field, digits = field+1, 0
		default:
			return false
		}
	}
	return field >= 1 && digits > 0
}
