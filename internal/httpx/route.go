package httpx

import (
	"context"
	"net/http"

	"nubo/internal/policy"
)

// Handler serves one route. The error it returns is written in the
// service's envelope; after the body has begun it can only be logged.
type Handler func(w http.ResponseWriter, r *http.Request) error

// TargetFunc loads what the policy rule is about. A fault NotFound it
// returns is the answer.
type TargetFunc func(r *http.Request) (policy.Target, error)

// Public as a route's rule lets everyone in, without a token.
const Public = "public"

// Route is one operation: a line of the route table.
type Route struct {
	Method  string
	Path    string
	Rule    string // policy rule, or Public
	Handler Handler

	// Action is the only key of the body that selects the operation on a
	// path such as /servers/{id}/action; empty for ordinary routes.
	Action string

	body     Validator
	before   func(*http.Request) error
	target   TargetFunc
	min, max Version
	stream   bool
}

// Option refines a route.
type Option func(*Route)

// GET is a route that reads; HEAD is served by it as well.
func GET(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodGet, path, rule, h, opts)
}

// POST is a route that creates or acts.
func POST(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodPost, path, rule, h, opts)
}

// PUT is a route that replaces or updates.
func PUT(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodPut, path, rule, h, opts)
}

// PATCH is a route that updates.
func PATCH(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodPatch, path, rule, h, opts)
}

// DELETE is a route that removes.
func DELETE(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodDelete, path, rule, h, opts)
}

// HEAD is a route that only checks; needed where GET does something else.
func HEAD(path, rule string, h Handler, opts ...Option) Route {
	return newRoute(http.MethodHead, path, rule, h, opts)
}

// Action is a POST whose operation the body's only key names.
func Action(path, action, rule string, h Handler, opts ...Option) Route {
	r := newRoute(http.MethodPost, path, rule, h, opts)
	r.Action = action
	return r
}

func newRoute(method, path, rule string, h Handler, opts []Option) Route {
	r := Route{Method: method, Path: path, Rule: rule, Handler: h}
	for _, o := range opts {
		o(&r)
	}
	return r
}

// Body has the request's JSON checked before the handler sees it.
func Body(v Validator) Option { return func(r *Route) { r.body = v } }

// Before has a request looked at when it is known to be allowed, and before
// its body is.
func Before(check func(r *http.Request) error) Option {
	return func(r *Route) { r.before = check }
}

// On has the rule enforced on the target that load finds, instead of on the
// caller's own project and user.
func On(load TargetFunc) Option { return func(r *Route) { r.target = load } }

// Since makes the route exist from a microversion on.
func Since(major, minor int) Option { return func(r *Route) { r.min = Version{major, minor} } }

// Until makes the route exist up to a microversion.
func Until(major, minor int) Option { return func(r *Route) { r.max = Version{major, minor} } }

// Stream leaves the body unread for the handler, without limit of size or
// time: images and objects.
func Stream() Option { return func(r *Route) { r.stream = true } }

// HasBody reports whether the route checks a JSON body.
func (r *Route) HasBody() bool { return r.body != nil }

// Range gives the microversions in which the route exists; zero is no bound.
func (r *Route) Range() (min, max Version) { return r.min, r.max }

// IsStream reports whether the route leaves the body to its handler.
func (r *Route) IsStream() bool { return r.stream }

// request is what the router knows of a request in flight; handlers reach
// it through Param, Decode, VersionOf, Allowed.
type request struct {
	api     *API
	route   *Route
	version Version
	body    []byte // the whole JSON body, nil if there was none
	params  func(name string) string
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	st, _ := ctx.Value(requestKey{}).(*request)
	if st == nil {
		panic("httpx: not inside a request of an API")
	}
	return st
}
