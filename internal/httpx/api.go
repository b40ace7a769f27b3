package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/trace"
)

// Authenticator finds out who sent a request. A fault Unauthorized is
// answered with 401; any other as it is.
type Authenticator interface {
	Authenticate(r *http.Request) (*auth.Context, error)
}

// Policy decides; *policy.Enforcer is one.
type Policy interface {
	Enforce(c *auth.Context, rule string, t policy.Target) error
	Check(c *auth.Context, rule string, t policy.Target) bool
}

// API is one service's HTTP door.
type API struct {
	// Service names it in logs: "compute".
	Service string
	Dialect *Dialect
	// Versions is nil for a service without microversions.
	Versions *Microversions
	Auth     Authenticator
	// AuthURI is told to callers without a token.
	AuthURI string
	Policy  Policy
	// Prefixes stand before every route's path that does not begin with
	// one itself; one may hold {project_id}. Empty means {""}.
	Prefixes []string
	Routes   []Route
	// BodyLimit bounds a JSON body; 0 means 1 MiB.
	BodyLimit int64
	// Timeout bounds a request that is no stream; 0 means a minute.
	Timeout time.Duration
	Log     *slog.Logger
	// Trace keeps what requests did, as the work of Module; nil keeps nothing.
	Trace  *trace.Recorder
	Module string
}

const (
	defaultBodyLimit = 1 << 20
	defaultTimeout   = time.Minute
)

// projectPattern is what a project id looks like in a path, so that no
// other segment is taken for one.
const projectPattern = "{project_id:[0-9a-f]{32}|[0-9a-f-]{36}}"

// Handler builds the router. An error names the route that is wrong.
func (a *API) Handler() (http.Handler, error) {
	if a.BodyLimit == 0 {
		a.BodyLimit = defaultBodyLimit
	}
	if a.Timeout == 0 {
		a.Timeout = defaultTimeout
	}
	if a.Log == nil {
		a.Log = slog.Default()
	}
	mux := chi.NewRouter()
	mux.NotFound(a.plain(fault.NotFoundf("The resource could not be found.")))
	groups, err := a.group()
	if err != nil {
		return nil, err
	}
	methods := map[string][]string{}
	for _, g := range groups {
		methods[g.path] = append(methods[g.path], g.method)
	}
	for _, g := range groups {
		mux.Method(g.method, g.path, a.serve(g.routes))
		if g.method == http.MethodGet && !slices.Contains(methods[g.path], http.MethodHead) {
			mux.Method(http.MethodHead, g.path, a.serve(g.routes))
		}
	}
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if mux.Match(chi.NewRouteContext(), m, trimSlash(r.URL.EscapedPath())) {
				w.Header().Add("Allow", m) // RFC 9110 15.5.6
			}
		}
		a.fail(w, r, fault.New(fault.MethodNotAllowed, "The method is not allowed for this resource."))
	})
	return a.outer(mux), nil
}

// group collects the routes that share method and path: versions of one
// operation, or actions.
type group struct {
	method, path string
	routes       []*Route
}

func (a *API) group() ([]*group, error) {
	prefixes := a.Prefixes
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	var order []*group
	byKey := map[string]*group{}
	for i := range a.Routes {
		r := &a.Routes[i]
		if r.Rule == "" {
			return nil, fmt.Errorf("route %s %s of %s has no policy rule", r.Method, r.Path, a.Service)
		}
		paths := []string{}
		for _, p := range prefixes {
			paths = append(paths, strings.ReplaceAll(p, "{project_id}", projectPattern)+r.Path)
		}
		if strings.HasPrefix(r.Path, "//") { // an absolute path, outside the prefixes
			paths = []string{r.Path[1:]}
		}
		for _, path := range paths {
			key := r.Method + " " + path
			if byKey[key] == nil {
				byKey[key] = &group{method: r.Method, path: path}
				order = append(order, byKey[key])
			}
			byKey[key].routes = append(byKey[key].routes, r)
		}
	}
	return order, nil
}

// outer does what every request needs, found or not: an id, the log line,
// protection from a panic, routing on the escaped path.
func (a *API) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		c := &auth.Context{RequestID: clock.NewRequestID(), GlobalRequestID: globalID(r)}
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("X-Openstack-Request-Id", c.RequestID)
		if a.Dialect == Nova {
			rec.Header().Set("X-Compute-Request-Id", c.RequestID)
		}
		ctx := auth.With(trace.With(r.Context(), a.Trace, a.Module), c)
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		ctx, span := trace.Root(ctx, trace.HTTPServer, r.Method+" "+r.URL.Path, r.Header.Get(trace.Header), reads)
		r = r.WithContext(ctx)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				a.Log.ErrorContext(r.Context(), "panic in handler", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				a.fail(rec, r, fault.New(fault.Internal, "panic"))
			}
			span.Answered(rec.status)
			span.End(nil)
			a.Log.LogAttrs(r.Context(), slog.LevelInfo, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", time.Since(started)))
		}()
		rctx := chi.NewRouteContext()
		rctx.RoutePath = trimSlash(r.URL.EscapedPath())
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, rctx)))
	})
}

// trimSlash lets every path also be asked for with a slash behind it.
func trimSlash(p string) string {
	if len(p) > 1 && strings.HasSuffix(p, "/") {
		p = strings.TrimRight(p, "/")
	}
	if p == "" {
		return "/"
	}
	return p
}

// globalID is the caller's request id, if it looks like one.
func globalID(r *http.Request) string {
	id := r.Header.Get("X-Openstack-Request-Id")
	if len(id) == 40 && strings.HasPrefix(id, "req-") {
		return id
	}
	return ""
}

// serve is the way of a request through one group of routes.
func (a *API) serve(routes []*Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.serveErr(routes, w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *API) serveErr(routes []*Route, w http.ResponseWriter, r *http.Request) error {
	st := &request{api: a, params: func(name string) string { return chi.URLParam(r, name) }}
	caller, err := a.authenticate(routes[0], r)
	if err != nil {
		return err
	}
	if a.Versions != nil {
		if st.version, err = a.Versions.negotiate(w, r); err != nil {
			return err
		}
	}
	ctx := context.WithValue(auth.With(r.Context(), caller), requestKey{}, st)
	if !routes[0].stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Timeout)
		defer cancel()
	}
	r = r.WithContext(ctx)
	if err := checkURL(r.URL); err != nil {
		return err
	}
	if err := a.ownProject(caller, st); err != nil {
		return err
	}
	if st.route, err = a.choose(routes, st, r); err != nil {
		return err
	}
	if st.route.Rule != Public {
		target, err := a.targetOf(caller, st, r)
		if err != nil {
			return err
		}
		if err := a.enforce(caller, st.route.Rule, target); err != nil {
			return err
		}
	}
	if st.route.before != nil {
		if err := st.route.before(r); err != nil {
			return err
		}
	}
	if st.route.body != nil {
		if err := a.validate(st, r); err != nil {
			return err
		}
	}
	return st.route.Handler(w, r)
}

func (a *API) authenticate(rt *Route, r *http.Request) (*auth.Context, error) {
	outer := auth.From(r.Context())
	if rt.Rule == Public {
		return outer, nil
	}
	found, err := a.Auth.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if !found.MayRequest(a.Service, r) {
		return nil, fault.New(fault.Unauthorized, "The request you have made requires authentication.")
	}
	c := *found
	c.RequestID, c.GlobalRequestID = outer.RequestID, outer.GlobalRequestID
	c.IsAdmin = a.Policy.Check(&c, "context_is_admin", nil)
	trace.From(r.Context()).Asked(&c)
	return &c, nil
}

// ownProject refuses a project id in the path that is not the token's.
func (a *API) ownProject(c *auth.Context, st *request) error {
	id := st.params("project_id")
	if id == "" || id == c.ProjectID || a.Dialect != Nova && a.Dialect != Cinder {
		return nil
	}
	return fault.Invalidf("Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'", id, c.ProjectID)
}

// choose finds, among routes of one path, that of the body's action and of
// the request's version.
func (a *API) choose(routes []*Route, st *request, r *http.Request) (*Route, error) {
	action := ""
	if routes[0].Action != "" || routes[0].body != nil || !routes[0].stream && r.ContentLength != 0 {
		if err := a.readBody(st, r); err != nil {
			return nil, err
		}
	}
	if routes[0].Action != "" {
		var err error
		if action, err = actionOf(st.body); err != nil {
			return nil, fault.New(fault.Invalid, "%s", a.Dialect.Malformed)
		}
	}
	known := false
	for _, rt := range routes {
		if rt.Action != action {
			continue
		}
		known = true
		if a.Versions != nil && (st.version.Less(rt.min) || !rt.max.IsZero() && rt.max.Less(st.version)) {
			continue
		}
		return rt, nil
	}
	if action != "" && !known {
		return nil, fault.Invalidf("There is no such action: %s", action)
	}
	return nil, fault.NotFoundf("The resource could not be found.")
}

// targetOf is what the rule is about: by default the caller's own project
// and user, and the path's parameters as target.<name>.
func (a *API) targetOf(c *auth.Context, st *request, r *http.Request) (policy.Target, error) {
	if st.route.target != nil {
		return st.route.target(r)
	}
	return policy.Target{"project_id": c.ProjectID, "tenant_id": c.ProjectID, "user_id": c.UserID, "domain_id": c.DomainID}, nil
}

func (a *API) readBody(st *request, r *http.Request) error {
	if st.body != nil || r.Body == nil {
		return nil
	}
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= a.BodyLimit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, a.BodyLimit+1))
	if err != nil {
		return fault.Invalidf("The request body could not be read.").WithCause(err)
	}
	if n > a.BodyLimit {
		return fault.New(fault.TooLarge, "Request is too large.")
	}
	if holdsNUL(buf.Bytes()) {
		return fault.New(fault.Invalid, "%s", a.Dialect.Malformed)
	}
	st.body = buf.Bytes()
	return nil
}

// plain answers with a fixed fault, for what is no route.
func (a *API) plain(e *fault.Error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, e) }
}

// fail writes the error in the service's envelope; what is nubo's own
// mistake is logged whole and told only by its request id.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	id := auth.From(r.Context()).RequestID
	var e *fault.Error
	if !errors.As(err, &e) {
		e = &fault.Error{Kind: fault.Internal, Err: err}
	}
	if r.Context().Err() != nil && e.Kind == fault.Internal {
		e = fault.Unavailablef("The request was not finished in time.").WithCause(err)
	}
	if e.Kind == fault.Internal {
		a.Log.ErrorContext(r.Context(), "request failed", "error", err.Error())
		e = &fault.Error{Kind: fault.Internal, Type: e.Type, Msg: "Unexpected API Error. The log has the reason under request id " + id + "."}
	}
	if rec, ok := w.(*recorder); ok && rec.status != 0 {
		panic(http.ErrAbortHandler) // the answer has begun: cut it, so that the client notices
	}
	if e.Kind == fault.Unauthorized && a.Dialect != Keystone {
		unauthorized(w, a.AuthURI)
		return
	}
	status := a.Dialect.Status(e.Kind)
	if status == http.StatusUnauthorized && len(a.Prefixes) > 0 {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", BaseURL(r)+a.Prefixes[0]))
	}
	contentType, body := a.Dialect.envelope(e, status, id)
	write(w, status, contentType, body)
}

// Param gives a parameter of the path, unescaped once.
func Param(r *http.Request, name string) string {
	raw := requestOf(r.Context()).params(name)
	if v, err := url.PathUnescape(raw); err == nil {
		return v
	}
	return raw
}

// Allowed asks for a further rule than the route's own, such as the one that
// shows an attribute.
func Allowed(ctx context.Context, rule string, t policy.Target) bool {
	return requestOf(ctx).api.Policy.Check(auth.From(ctx), rule, t)
}

// Enforce is Allowed with the refusal as a fault.
func Enforce(ctx context.Context, rule string, t policy.Target) error {
	return requestOf(ctx).api.enforce(auth.From(ctx), rule, t)
}

// enforce refuses in the service's own words.
func (a *API) enforce(c *auth.Context, rule string, t policy.Target) error {
	err := a.Policy.Enforce(c, rule, t)
	if fault.Is(err, fault.Forbidden) {
		return fault.Forbiddenf("%s", a.Dialect.Forbidden(rule)).WithCause(err)
	}
	return err
}
