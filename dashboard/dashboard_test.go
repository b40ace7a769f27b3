package dashboard

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/policy"
	"nubo/internal/rpc"
	"nubo/internal/testx"
	"nubo/internal/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newService(t testing.TB, files fstest.MapFS) *Service {
	t.Helper()
	cfg := Config{
		Services: map[string]Endpoint{"identity": {Endpoint: "http://127.0.0.1:1/v3"}}, HTTP: http.DefaultClient,
		Key: make([]byte, 32), Policies: func() []Explainer { return nil }, Traces: trace.New("host"), Clock: clock.System, Log: slog.New(slog.DiscardHandler),
	}
	if files != nil {
		cfg.UI = files
	}
	s, err := New(cfg)
	testx.NoErr(t, err)
	return s
}

func TestSealer(t *testing.T) {
	t.Parallel()
	s, err := newSealer(make([]byte, 32))
	testx.NoErr(t, err)
	want := session{Unscoped: "a", Token: "b", Expires: time.Unix(1_900_000_000, 0).UTC()}
	value, err := s.seal(want)
	testx.NoErr(t, err)
	got, err := s.open(value)
	testx.NoErr(t, err)
	testx.Equal(t, got, want)
	again, err := s.seal(want)
	testx.NoErr(t, err)
	if again == value {
		t.Error("two cookies of one session are the same: the nonce is used twice")
	}
	for i := range value { // no byte of it may be changed
		changed := []byte(value)
		changed[i] ^= 1
		if _, err := s.open(string(changed)); err == nil {
			t.Fatalf("a cookie changed at byte %d is taken", i)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s, err := newSealer(make([]byte, 32))
	testx.NoErr(f, err)
	value, err := s.seal(session{Token: "t"})
	testx.NoErr(f, err)
	f.Add(value)
	f.Add("")
	f.Fuzz(func(t *testing.T, in string) {
		if got, err := s.open(in); err == nil && got.Token != "t" {
			t.Errorf("%q is taken for a session", in)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := newService(t, nil)
	now := time.Unix(1_900_000_000, 0)
	s.clock = clock.Func(func() time.Time { return now })
	value, err := s.sealer.seal(session{Token: "t", Expires: now.Add(time.Second)})
	testx.NoErr(t, err)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value})
	_, err = s.sessionOf(r)
	testx.NoErr(t, err)
	now = now.Add(time.Second)
	_, err = s.sessionOf(r)
	testx.Equal(t, errors.Is(err, errNoSession), true)
}

// TestHub holds that a stream that was away gets what it missed, and is told
// when some of it is kept no more.
func TestHub(t *testing.T) {
	t.Parallel()
	h := newHub()
	st := &stream{wake: make(chan struct{}, 1), sees: func(e event) (event, bool) { return e, e.ProjectID == "mine" }}
	first := h.open(st)
	testx.Equal(t, first, uint64(0))
	for i := range 10 {
		h.add(event{ID: string(rune('a' + i)), ProjectID: map[bool]string{true: "mine", false: "theirs"}[i%2 == 0]})
	}
	<-st.wake
	events, last, missed := h.after(4, st)
	testx.Equal(t, []any{len(events), events[0].ID, last, missed}, []any{3, "e", uint64(10), false})
	events, last, missed = h.after(last, st)
	testx.Equal(t, []any{len(events), last, missed}, []any{0, uint64(10), false})
	_, _, missed = h.after(99, st) // of a process before this one
	testx.Equal(t, missed, true)
	for range 2 * kept {
		h.add(event{ProjectID: "mine"})
	}
	_, _, missed = h.after(10, st)
	testx.Equal(t, missed, true)
	if n := len(h.ring); n > kept {
		t.Errorf("%d events are kept", n)
	}
	h.close(st)
	testx.Equal(t, len(h.streams), 0)
}

func TestEventOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind, payload string
		want          event
		ok            bool
	}{
		{"compute.instance.create.end", `{"instance_id": "s1", "display_name": "web", "tenant_id": "p", "state": "active", "state_description": ""}`,
			event{Topic: "server", ID: "s1", Name: "web", ProjectID: "p", Status: "active"}, true},
		{"port.update.end", `{"port": {"id": "p1", "project_id": "p", "status": "ACTIVE", "device_id": "s1"}}`,
			event{Topic: "port", ID: "p1", ProjectID: "p", Status: "ACTIVE", ServerID: "s1"}, true},
		{"network.delete.end", `{"network": {"id": "n1", "project_id": "p"}}`, event{Topic: "network", ID: "n1", ProjectID: "p", Gone: true}, true},
		{"router.interface.create", `{"router_interface": {"id": "r1", "tenant_id": "p"}}`, event{Topic: "router", ID: "r1", ProjectID: "p"}, true},
		{"identity.user.deleted", `{"resource_info": "u1"}`, event{Topic: "identity", ID: "u1", Gone: true}, true},
		{"identity.role_assignment.created", `{"role": "r1", "user": "u1", "project": "p"}`, event{Topic: "identity"}, true},
		{"volume.create.end", `{"volume_id": "v1", "tenant_id": "p", "status": "available"}`, event{Topic: "volume", ID: "v1", ProjectID: "p", Status: "available"}, true},
		{"image.activate", `{"id": "i1", "name": "disk", "owner": "p", "status": "active", "visibility": "shared", "members": ["q"]}`,
			event{Topic: "image", ID: "i1", Name: "disk", ProjectID: "p", Status: "active", members: []string{"q"}}, true},
		{"image.delete", `{"id": "i1", "owner": "p", "status": "deleted", "visibility": "public"}`,
			event{Topic: "image", ID: "i1", ProjectID: "p", Status: "deleted", Gone: true, everybody: true}, true},
		{"image.member.create", `{"image_id": "i1", "member_id": "q", "status": "pending"}`, event{Topic: "image", ID: "i1", ProjectID: "q"}, true},
		{"image.member.delete", `{"image_id": "i1", "member_id": "q", "status": "accepted"}`, event{Topic: "image", ID: "i1", noMore: []string{"q"}}, true},
		{"image.update", `{"id": "i1", "owner": "p", "visibility": "private", "was_visibility": "public"}`,
			event{Topic: "image", ID: "i1", ProjectID: "p", everybodyNoMore: true}, true},
		{"image.update", `{"id": "i1", "owner": "p", "visibility": "private", "was_visibility": "shared", "members": ["q"]}`,
			event{Topic: "image", ID: "i1", ProjectID: "p", noMore: []string{"q"}}, true},
		{"image.update", `{"id": "i1", "owner": "p", "visibility": "shared", "was_visibility": "community", "members": ["q"]}`,
			event{Topic: "image", ID: "i1", ProjectID: "p", members: []string{"q"}, everybodyNoMore: true}, true},
		{"image.update", `{"id": "i1", "owner": "p", "visibility": "public", "was_visibility": "shared", "members": ["q"]}`,
			event{Topic: "image", ID: "i1", ProjectID: "p", everybody: true}, true},
		{"network.create.end", `{"network": {"id": "n1", "project_id": "p", "shared": true, "router:external": false}}`,
			event{Topic: "network", ID: "n1", ProjectID: "p", everybody: true}, true},
		{"network.update.end", `{"network": {"id": "n1", "name": "net", "project_id": "p", "shared": false, "router:external": false}, "original": {"shared": true, "router:external": false}}`,
			event{Topic: "network", ID: "n1", Name: "net", ProjectID: "p", everybodyNoMore: true}, true},
		{"network.update.end", `{"network": {"id": "n1", "project_id": "p", "shared": false, "router:external": true}, "original": {"shared": true, "router:external": true}}`,
			event{Topic: "network", ID: "n1", ProjectID: "p", everybody: true}, true},
		{"network.update.end", `{"network": {"id": "n1", "project_id": "p", "shared": true, "router:external": false}, "original": {"shared": false, "router:external": false}}`,
			event{Topic: "network", ID: "n1", ProjectID: "p", everybody: true}, true},
		{"network.update.end", `{"network": {"id": "n1", "project_id": "p", "shared": false, "router:external": false}}`,
			event{Topic: "network", ID: "n1", ProjectID: "p"}, true},
		{"network.delete.end", `{"network": {"id": "n1", "project_id": "p", "shared": false, "router:external": true}}`,
			event{Topic: "network", ID: "n1", ProjectID: "p", Gone: true, everybody: true}, true},
		{"subnet.create.end", `{"subnet": {"id": "s1", "project_id": "p", "shared": true}}`, event{Topic: "subnet", ID: "s1", ProjectID: "p", everybody: true}, true},
		{"subnet.create.end", `{"subnet": {"id": "s1", "project_id": "p", "shared": false}}`, event{Topic: "subnet", ID: "s1", ProjectID: "p"}, true},
		{"something.else", `{}`, event{}, false},
		{"volume.create.end", `[]`, event{}, false},
		{"volume.create.end", `{"volume_id": 1}`, event{}, false},
	} {
		e, ok := eventOf(rpc.Notification{EventType: tc.kind, Payload: json.RawMessage(tc.payload)})
		testx.Equal(t, ok, tc.ok)
		if ok {
			tc.want.Type = tc.kind
			testx.Equal(t, e.Topic+e.ID+e.Name+e.ProjectID+e.Status+e.ServerID, tc.want.Topic+tc.want.ID+tc.want.Name+tc.want.ProjectID+tc.want.Status+tc.want.ServerID)
			testx.Equal(t, e.Gone, tc.want.Gone)
			for _, project := range []string{"p", "q", "z", ""} {
				got, sees := e.to(project)
				want, seen := tc.want.to(project)
				testx.Equal(t, []any{sees, got.ID, got.Gone}, []any{seen, want.ID, want.Gone})
				if sees && !e.seenBy(project) {
					testx.Equal(t, got.Name+got.ProjectID+got.Status, "")
				}
			}
		}
	}
}

func FuzzEventOf(f *testing.F) {
	f.Add("port.create.end", `{"port": {"id": "x"}}`)
	f.Fuzz(func(_ *testing.T, kind, payload string) {
		eventOf(rpc.Notification{EventType: kind, Payload: json.RawMessage(payload)})
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	get := func(s *Service, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	plain := newService(t, fstest.MapFS{".keep": {}})
	w := get(plain, "/servers")
	testx.Equal(t, w.Code, http.StatusOK)
	testx.Equal(t, strings.Contains(w.Body.String(), "make ui"), true)

	full := newService(t, fstest.MapFS{"index.html": {Data: []byte("front")}, "assets/a-123.js": {Data: []byte("js")}})
	for path, want := range map[string]string{"/": "front", "/servers/1": "front", "/index.html": "front", "/assets/a-123.js": "js", "/../../etc/passwd": "front"} {
		w := get(full, path)
		testx.Equal(t, []any{path, w.Code, w.Body.String()}, []any{path, http.StatusOK, want})
		testx.Equal(t, strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'"), true)
	}
	testx.Equal(t, get(full, "/assets/gone.js").Code, http.StatusNotFound)
	testx.Equal(t, strings.Contains(get(full, "/assets/a-123.js").Header().Get("Cache-Control"), "immutable"), true)
}

// TestFill holds that what a request says cannot leave its place in a path.
func TestFill(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{"8e6591e8-0003-4384-a749-e2b499493066": true, "default": true, "..": false, "a/b": false, "a?b": false, "": false, strings.Repeat("a", 65): false} {
		testx.Equal(t, anID.MatchString(id), want)
	}
}

// TestForeignSites holds that no route listens to another site's page,
// whichever way that is told by.
func TestForeignSites(t *testing.T) {
	t.Parallel()
	h := newService(t, nil).Handler()
	routes, ok := h.(chi.Routes)
	testx.Equal(t, ok, true)
	forgeries := map[string]func(*http.Request){
		"origin":       func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
		"another port": func(r *http.Request) { r.Header.Set("Origin", "http://example.com:81") },
		"no origin":    func(r *http.Request) { r.Header.Set("Origin", "null") },
		"cross-site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
	}
	asked := 0
	testx.NoErr(t, chi.Walk(routes, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		path, ours := strings.CutPrefix(route, "/dashboard/")
		if !ours || method == http.MethodConnect { // which names a host
			return nil
		}
		do := func(change func(*http.Request)) int {
			r := httptest.NewRequest(method, "http://example.com/dashboard/"+strings.NewReplacer("{", "", "}", "", "*", "x").Replace(path), nil)
			r.Header.Set(marker, "1")
			change(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			// Identity's page brings a token there, from another site; who did
			// not begin in this browser is refused in the page's way.
			if route == SSOPath && w.Header().Get("Location") == "/?sso=refused" {
				return http.StatusForbidden
			}
			return w.Code
		}
		for name, change := range forgeries {
			if code := do(change); code != http.StatusForbidden {
				t.Errorf("%s %s, %s: %d", method, route, name, code)
			}
		}
		if method != http.MethodGet && method != http.MethodHead {
			if code := do(func(r *http.Request) { r.Header.Del(marker) }); code != http.StatusForbidden {
				t.Errorf("%s %s without the header %s: %d", method, route, marker, code)
			}
		}
		if code := do(func(r *http.Request) { r.Header.Set("Origin", "http://example.com") }); code == http.StatusForbidden && route != SSOPath {
			t.Errorf("%s %s refuses its own page", method, route)
		}
		asked++
		return nil
	}))
	if asked < 8 {
		t.Errorf("%d routes are there", asked)
	}
}

// only allows its own rules.
type only []string

func (o only) Known(string) bool { return true }

func (o only) Explain(_ *auth.Context, rule string, _ policy.Target) policy.Explanation {
	return policy.Explanation{Allowed: slices.Contains(o, rule)}
}

// TestForbiddenPages holds that the address of a page somebody may not see
// answers 403, and that nobody's is the page to sign in at.
func TestForbiddenPages(t *testing.T) {
	t.Parallel()
	s := newService(t, fstest.MapFS{"index.html": {Data: []byte("front")}})
	s.policies = func() []Explainer { return []Explainer{only{"identity:list_projects"}} }
	until := time.Now().Add(time.Hour)
	s.callers.by[sha256.Sum256([]byte("t"))] = knownCaller{&auth.Context{}, until}
	value, err := s.sealer.seal(session{Token: "t", Expires: until})
	testx.NoErr(t, err)
	get := func(path, cookie string) int {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: cookie})
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		testx.Equal(t, w.Body.String(), "front")
		return w.Code
	}
	for path, want := range map[string]int{
		"/admin/overview": 403, "/admin": 403, "/broker/queues": 403, "/x/../admin/servers": 403, "/identity/users": 200, "/servers": 200, "/": 200, "/administrator": 200,
	} {
		testx.Equal(t, []any{path, get(path, value)}, []any{path, want})
		testx.Equal(t, []any{path, get(path, "")}, []any{path, http.StatusOK})
		testx.Equal(t, []any{path, get(path, "forged")}, []any{path, http.StatusOK})
	}
}
