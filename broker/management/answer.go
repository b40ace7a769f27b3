package management

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// call is one request and its answer.
type call struct {
	*http.Request
	w      http.ResponseWriter
	server *server
	b      *broker.Broker
	args   map[string]string // of the path
	user   user.Info
}

// object is what becomes an object of JSON.
type object map[string]any

// failure is an error that has its own status and words.
type failure struct {
	status int
	code   string
	reason any
}

// Error is for the log.
func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.code, f.reason) }

// errAnswered ends a call that was answered already.
var errAnswered = errors.New("answered")

var errNotFound = &failure{http.StatusNotFound, "Object Not Found", "Not Found"}

func badRequest(reason any) error { return &failure{http.StatusBadRequest, "bad_request", reason} }

func notAuthorised(reason string) error {
	return &failure{http.StatusUnauthorized, "not_authorised", reason}
}

// method is the request's; a HEAD is a GET without a body.
func (c *call) method() string {
	if c.Method == http.MethodHead {
		return http.MethodGet
	}
	return c.Method
}

// answer sends a value as JSON.
func (c *call) answer(status int, v any) error {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-cache")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))) // the client is gone: nobody to tell
	return nil
}

// ok sends a value as JSON.
func (c *call) ok(v any) error { return c.answer(http.StatusOK, v) }

// done says that something was made, or changed.
func (c *call) done(created bool) error {
	if created {
		c.w.WriteHeader(http.StatusCreated)
		return nil
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// fail answers with an error.
func (c *call) fail(err error) {
	f := asFailure(err)
	if f.status == http.StatusInternalServerError {
		c.server.opts.Log.Error("management request failed", "method", c.Method, "path", c.URL.Path, "error", err)
	}
	if err := c.answer(f.status, object{"error": f.code, "reason": f.reason}); err != nil {
		c.server.opts.Log.Error("an error could not be told", "error", err)
	}
}

// asFailure gives an error of the broker the status and words it has here.
func asFailure(err error) *failure {
	var f *failure
	var a *amqp.Error
	var p *policy.Error
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &a):
		return amqpFailure(a)
	case errors.As(err, &p):
		return &failure{http.StatusBadRequest, "bad_request", p.Error()}
	case errors.As(err, &tooLong):
		return &failure{http.StatusRequestEntityTooLarge, "payload_too_large", "the request is too long"}
	case errors.Is(err, user.ErrUnknown), errors.Is(err, broker.ErrUnknownVHost):
		return errNotFound
	case errors.Is(err, broker.ErrProtected):
		return &failure{http.StatusPreconditionFailed, "precondition_failed", err.Error()}
	case errors.Is(err, user.ErrHash), errors.Is(err, user.ErrLimit), errors.Is(err, vhost.ErrLimit), errors.Is(err, broker.ErrDefinitions), errors.Is(err, broker.ErrNotRun):
		return &failure{http.StatusBadRequest, "bad_request", err.Error()}
	}
	return &failure{http.StatusInternalServerError, "internal_server_error", "the broker failed; its log says how"}
}

// amqpFailure is what an AMQP client would be told.
func amqpFailure(a *amqp.Error) *failure {
	switch a.Code {
	case amqp.NotFound:
		return &failure{http.StatusNotFound, "not_found", a.Text}
	case amqp.AccessRefused:
		return &failure{http.StatusUnauthorized, "not_authorised", "Access refused."}
	case amqp.InternalError:
		return &failure{http.StatusInternalServerError, "internal_server_error", a.Text}
	}
	return &failure{http.StatusBadRequest, "bad_request", a.Text}
}

// body decodes the request's body, an object of JSON; none is an empty one.
func (c *call) body(v any) error {
	text, err := io.ReadAll(c.Body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return decode(text, v)
}

// decode reads an object of JSON as far as it is known.
func decode(text []byte, v any) error {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil
	}
	var typ *json.UnmarshalTypeError
	var f *failure
	err := json.Unmarshal(text, v)
	switch {
	case text[0] != '{':
		return badRequest("not_json")
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.As(err, &typ):
		return badRequest(fmt.Sprintf("%s: expected %s, got %s", typ.Field, typ.Type, typ.Value))
	case !json.Valid(text):
		return badRequest("not_json")
	}
	return badRequest(err.Error())
}
