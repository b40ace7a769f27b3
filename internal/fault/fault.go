// Package fault is the one error type of nubo's components.
//
// A fault is made where the rule is that was broken; it says what kind of
// problem it is, never which HTTP status: that, and the envelope each API
// wraps it in, are chosen in one place, package httpx.
package fault

import (
	"errors"
	"fmt"
)

// Kind classifies a fault by what the caller can do about it.
type Kind int

// The kinds. Internal is the zero value, so that an error nobody classified
// counts as nubo's own.
const (
	Internal         Kind = iota // nubo's own mistake: 500, the message is not shown
	Invalid                      // the request is malformed or breaks a rule: 400
	Unauthorized                 // no or no valid credentials: 401
	Forbidden                    // the policy says no: 403
	NotFound                     // absent, or not the caller's: 404
	MethodNotAllowed             // 405
	NotAcceptable                // no such microversion or representation: 406
	Conflict                     // the resource's state does not allow it: 409
	Gone                         // 410
	TooLarge                     // the body is over the limit: 413
	UnsupportedType              // 415
	RangeInvalid                 // 416
	OverQuota                    // a quota would be passed: 403, 409 or 413 by service
	RateLimited                  // 429
	NotImplemented               // the driver cannot do this: 501
	Unavailable                  // a peer or agent does not answer: 503
)

var kindNames = [...]string{
	"internal", "invalid", "unauthorized", "forbidden", "not found", "method not allowed",
	"not acceptable", "conflict", "gone", "too large", "unsupported type", "range invalid",
	"over quota", "rate limited", "not implemented", "unavailable",
}

// String names the kind for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error is a classified error.
type Error struct {
	Kind Kind
	// Type is the API's own name of the error where it has one: Neutron's
	// exception class ("SubnetNotFound"), Placement's code
	// ("placement.concurrent_update"). Empty means the kind's default.
	Type string
	// Msg is shown to the caller, worded as the original service words it.
	Msg string
	// Err is the cause. It is logged, not shown.
	Err error
}

// Error gives the message with its cause, for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a fault of the kind.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// WithType sets the API's own name of the error and returns e.
func (e *Error) WithType(name string) *Error { e.Type = name; return e }

// WithCause sets the cause and returns e.
func (e *Error) WithCause(err error) *Error { e.Err = err; return e }

// Invalidf is a request that breaks a rule.
func Invalidf(format string, args ...any) *Error { return New(Invalid, format, args...) }

// NotFoundf is an absent resource, or one the caller may not know of.
func NotFoundf(format string, args ...any) *Error { return New(NotFound, format, args...) }

// Conflictf is a resource in a state that does not allow the operation.
func Conflictf(format string, args ...any) *Error { return New(Conflict, format, args...) }

// Forbiddenf is an operation the policy refuses.
func Forbiddenf(format string, args ...any) *Error { return New(Forbidden, format, args...) }

// Unavailablef is a peer or agent that does not answer.
func Unavailablef(format string, args ...any) *Error { return New(Unavailable, format, args...) }

// KindOf classifies any error; one that is no fault is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a fault of the kind.
func Is(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}
