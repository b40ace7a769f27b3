package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"nubo/internal/fault"
)

// ErrClosed is what a closed Bus answers.
var ErrClosed = errors.New("the message bus is closed")

// RemoteError is an exception of the other side that is no fault of nubo's:
// what a Python service raised, or oslo.messaging itself (NoSuchMethod,
// UnsupportedVersion of module oslo_messaging.rpc.dispatcher).
type RemoteError struct {
	Class, Module, Message string
	Traceback              []string
	// Args and Kwargs are what the exception was made with.
	Args, Kwargs json.RawMessage
}

// Error gives class and message; the traceback is for logs that ask for it.
func (e *RemoteError) Error() string {
	if e.Message == "" {
		return "remote error: " + e.Class
	}
	return "remote error: " + e.Class + ": " + e.Message
}

const (
	faultModule      = "nubo.fault"
	dispatcherModule = "oslo_messaging.rpc.dispatcher"
	timeoutType      = "MessagingTimeout"
)

// noSuchMethod is the error for a method no endpoint has.
func noSuchMethod(method string) error {
	return &RemoteError{Class: "NoSuchMethod", Module: dispatcherModule,
		Message: "Endpoint does not support RPC method " + method}
}

func unsupportedVersion(version, method string) error {
	return &RemoteError{Class: "UnsupportedVersion", Module: dispatcherModule,
		Message: fmt.Sprintf("Endpoint does not support RPC version %s. Attempted method: %s", version, method)}
}

// timedOut is the error of a call nobody answered. It is a fault of kind
// Unavailable, and errors.Is finds context.DeadlineExceeded in it.
func timedOut(w *waiter, t Target, method string, after time.Duration) error {
	msg := fmt.Sprintf("Timed out waiting for a reply to message ID %s: %s on exchange %s, topic %s, server %s, after %g s",
		w.id, method, t.Exchange, t.Topic, orDash(t.Server), math.Round(after.Seconds()*10)/10)
	if w.request.unroutable.Load() {
		msg += " (no server has made its queue)"
	}
	return fault.New(fault.Unavailable, "%s", msg).WithType(timeoutType).WithCause(context.DeadlineExceeded)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type requeueError struct{ err error }

func (e *requeueError) Error() string { return "requeue: " + e.err.Error() }
func (e *requeueError) Unwrap() error { return e.err }

// Requeue makes the handler of a cast or a notification give the message
// back to the queue; err says why.
func Requeue(err error) error { return &requeueError{err} }

// failure is an exception on the wire, the third level of JSON.
type failure struct {
	Class   string          `json:"class"`
	Module  string          `json:"module"`
	Message string          `json:"message"`
	TB      []string        `json:"tb"`
	Args    json.RawMessage `json:"args"`
	Kwargs  json.RawMessage `json:"kwargs"`
}

type faultKwargs struct {
	Kind  string `json:"kind"`
	Type  string `json:"type,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// classes are the class names of the fault kinds, and kindNames the way back.
var classes, kindNames = faultClasses()

func faultClasses() (map[fault.Kind]string, map[string]fault.Kind) {
	names, kinds := map[fault.Kind]string{}, map[string]fault.Kind{}
	for k := fault.Internal; k <= fault.Unavailable; k++ {
		var name strings.Builder
		for word := range strings.SplitSeq(k.String(), " ") {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
		names[k], kinds[name.String()] = name.String(), k
	}
	return names, kinds
}

// encodeFailure gives the JSON text of an error. A fault keeps its kind, type
// and message; a RemoteError passes through as it came.
func encodeFailure(err error) []byte {
	var remote *RemoteError
	var f *fault.Error
	out := failure{Module: faultModule, Args: json.RawMessage("[]"), Kwargs: json.RawMessage("{}")}
	switch {
	case errors.As(err, &f):
		kw := faultKwargs{Kind: f.Kind.String(), Type: f.Type}
		if error(f) != err {
			kw.Cause = err.Error()
		} else if f.Err != nil {
			kw.Cause = f.Err.Error()
		}
		out.Class, out.Message = classes[f.Kind], f.Msg
		out.Kwargs, _ = json.Marshal(kw) // strings only: cannot fail
		out.Args, _ = json.Marshal([]string{f.Msg})
	case errors.As(err, &remote):
		out.Class, out.Module, out.Message, out.TB = remote.Class, remote.Module, remote.Message, remote.Traceback
		if json.Valid(remote.Args) {
			out.Args = remote.Args
		}
		if json.Valid(remote.Kwargs) {
			out.Kwargs = remote.Kwargs
		}
	default:
		out.Class, out.Message = classes[fault.Internal], err.Error()
		out.Kwargs, _ = json.Marshal(faultKwargs{Kind: fault.Internal.String()})
		out.Args, _ = json.Marshal([]string{out.Message})
	}
	if len(out.TB) == 0 {
		out.TB = []string{out.Module + "." + out.Class + ": " + err.Error() + "\n"}
	}
	text, _ := json.Marshal(out) // strings and valid raw JSON only: cannot fail
	return text
}

// decodeFailure makes the error again that encodeFailure, or Python, wrote.
func decodeFailure(text []byte) error {
	var in failure
	if err := json.Unmarshal(text, &in); err != nil {
		return &RemoteError{Class: "RemoteError", Message: "unreadable failure: " + string(text)}
	}
	if kind, ok := kindNames[in.Class]; ok && in.Module == faultModule {
		var kw faultKwargs
		_ = json.Unmarshal(in.Kwargs, &kw) // what is missing stays empty
		f := &fault.Error{Kind: kind, Type: kw.Type, Msg: in.Message}
		if kw.Cause != "" {
			f.Err = errors.New(kw.Cause)
		}
		return f
	}
	return &RemoteError{Class: in.Class, Module: in.Module, Message: in.Message, Traceback: in.TB,
		Args: in.Args, Kwargs: in.Kwargs}
}
