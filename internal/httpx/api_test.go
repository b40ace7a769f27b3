package httpx

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/policy"
	"nubo/internal/testx"
)

// personas are the callers of the tests, by token.
type personas map[string]*auth.Context

func (p personas) Authenticate(r *http.Request) (*auth.Context, error) {
	if c, ok := p[r.Header.Get("X-Auth-Token")]; ok {
		return c, nil
	}
	return nil, fault.New(fault.Unauthorized, "no")
}

const project = "0123456789abcdef0123456789abcdef"

func testAPI(t *testing.T, d *Dialect) http.Handler {
	t.Helper()
	rules, err := policy.NewEnforcer("test", []policy.Rule{
		{Name: "context_is_admin", Check: "role:admin"},
		{Name: "things:read", Check: "role:reader and project_id:%(project_id)s"},
		{Name: "things:write", Check: "role:member and project_id:%(project_id)s"},
	})
	testx.NoErr(t, err)
	schemas, err := LoadSchemas(os.DirFS("testdata"), "schemas")
	testx.NoErr(t, err)
	show := func(w http.ResponseWriter, r *http.Request) error {
		switch id := Param(r, "id"); id {
		case "absent":
			return fault.NotFoundf("Thing %s could not be found.", id)
		case "broken":
			return errors.New("secret detail")
		case "panics":
			panic("secret detail")
		case "late":
			w.WriteHeader(http.StatusOK)
			return errors.New("too late")
		default:
			return JSON(w, http.StatusOK, map[string]string{"id": id, "version": VersionOf(r.Context()).String()})
		}
	}
	create := func(w http.ResponseWriter, r *http.Request) error {
		var in struct{ Thing struct{ Name string } }
		if err := Decode(r, &in); err != nil {
			return err
		}
		return JSON(w, http.StatusCreated, in)
	}
	say := func(s string) Handler {
		return func(w http.ResponseWriter, _ *http.Request) error { return JSON(w, http.StatusOK, s) }
	}
	api := &API{
		Service: "test", Dialect: d, Policy: rules, AuthURI: "http://127.0.0.1:5000", BodyLimit: 512,
		Auth: personas{
			"reader": {ProjectID: project, Roles: []string{"reader"}},
			"member": {ProjectID: project, Roles: []string{"member", "reader"}},
		},
		Versions: &Microversions{Service: "compute", Legacy: "X-OpenStack-Nova-API-Version", Min: Version{2, 1}, Max: Version{2, 9}},
		Prefixes: []string{"/v2.1", "/v2.1/{project_id}"},
		Log:      slog.New(slog.DiscardHandler),
		Routes: []Route{
			GET("//", Public, say("root")),
			GET("/things/{id}", "things:read", show),
			POST("/things", "things:write", create, Body(schemas.Body("things.create"))),
			POST("/loose", "things:write", create),
			Action("/things/{id}/action", "os-start", "things:write", say("started")),
			Action("/things/{id}/action", "os-stop", "things:write", say("stopped"), Until(2, 3)),
			GET("/new", "things:read", say("new"), Since(2, 4)),
		},
	}
	h, err := api.Handler()
	testx.NoErr(t, err)
	return h
}

func TestRequests(t *testing.T) {
	t.Parallel()
	h := testAPI(t, Nova)
	for name, c := range map[string]struct {
		method, path, token, version, body string
		status                             int
		want                               string // in the answer's body
	}{
		"public":               {"GET", "/", "", "", "", 200, `"root"`},
		"anonymous":            {"GET", "/v2.1/things/1", "", "", "", 401, "requires authentication"},
		"default version":      {"GET", "/v2.1/things/1", "reader", "", "", 200, `"version":"2.1"`},
		"slash behind":         {"GET", "/v2.1/things/1/", "reader", "", "", 200, `"id":"1"`},
		"project in the path":  {"GET", "/v2.1/" + project + "/things/1", "reader", "", "", 200, `"id":"1"`},
		"foreign in the path":  {"GET", "/v2.1/" + strings.Repeat("f", 32) + "/things/1", "reader", "", "", 400, "doesn't match Context's project_id"},
		"escaped once":         {"GET", "/v2.1/things/a%2Fb%25", "reader", "", "", 200, `"id":"a/b%"`},
		"asked version":        {"GET", "/v2.1/things/1", "reader", "compute 2.7", "", 200, `"version":"2.7"`},
		"other's version":      {"GET", "/v2.1/things/1", "reader", "volume 3.9", "", 200, `"version":"2.1"`},
		"latest":               {"GET", "/v2.1/things/1", "reader", "compute latest", "", 200, `"version":"2.9"`},
		"too new":              {"GET", "/v2.1/things/1", "reader", "compute 2.10", "", 406, "Version 2.10 is not supported by the API. Minimum is 2.1 and maximum is 2.9."},
		"no version":           {"GET", "/v2.1/things/1", "reader", "compute two", "", 400, "is of invalid format"},
		"route not yet":        {"GET", "/v2.1/new", "reader", "compute 2.3", "", 404, "itemNotFound"},
		"route now":            {"GET", "/v2.1/new", "reader", "compute 2.4", "", 200, "new"},
		"absent":               {"GET", "/v2.1/things/absent", "reader", "", "", 404, `{"itemNotFound":{"code":404,"message":"Thing absent could not be found."}}`},
		"own mistake":          {"GET", "/v2.1/things/broken", "reader", "", "", 500, "computeFault"},
		"panic":                {"GET", "/v2.1/things/panics", "reader", "", "", 500, "computeFault"},
		"no route":             {"GET", "/v2.1/nothing", "reader", "", "", 404, "itemNotFound"},
		"no method":            {"PUT", "/v2.1/things/1", "reader", "", "", 405, "badMethod"},
		"created":              {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x"}}`, 201, `"x"`},
		"policy":               {"POST", "/v2.1/things", "reader", "", `{"thing":{"name":"x"}}`, 403, "things:write"},
		"malformed":            {"POST", "/v2.1/things", "member", "", `{"thing":`, 400, "Malformed request body"},
		"two documents":        {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x"}} {}`, 400, "Malformed request body"},
		"no body":              {"POST", "/v2.1/things", "member", "", ``, 400, "Malformed request body"},
		"null":                 {"POST", "/v2.1/loose", "member", "", ` null `, 400, "Malformed request body"},
		"NUL in the body":      {"POST", "/v2.1/loose", "member", "", `{"thing":{"name":"\\\u0000"}}`, 400, "Malformed request body"},
		"written NUL":          {"POST", "/v2.1/loose", "member", "", `{"thing":{"name":"\\u0000"}}`, 201, `\\u0000`},
		"NUL in the path":      {"GET", "/v2.1/things/a%00", "reader", "", "", 404, "itemNotFound"},
		"no UTF-8 in the path": {"GET", "/v2.1/things/a%ff", "reader", "", "", 404, "itemNotFound"},
		"NUL in the query":     {"GET", "/v2.1/things/1?name=%00", "reader", "", "", 400, "query string"},
		"too large":            {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"` + strings.Repeat("x", 600) + `"}}`, 413, "overLimit"},
		"empty name":           {"POST", "/v2.1/things", "member", "", `{"thing":{"name":""}}`, 400, "Invalid input for field/attribute name. Value: . '' is too short"},
		"wrong type":           {"POST", "/v2.1/things", "member", "", `{"thing":{"name":3}}`, 400, "Invalid input for field/attribute name. Value: 3. 3 is not of type 'string'"},
		"missing":              {"POST", "/v2.1/things", "member", "", `{"thing":{}}`, 400, "Invalid input for field/attribute thing. Value: {}. 'name' is a required property"},
		"unknown field":        {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x","naam":1}}`, 400, "Additional properties are not allowed ('naam' was unexpected)"},
		"enum":                 {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x","kind":"c"}}`, 400, "'c' is not one of ['a', 'b']"},
		"enum of newer schema": {"POST", "/v2.1/things", "member", "compute 2.5", `{"thing":{"name":"x","kind":"c"}}`, 201, "x"},
		"minimum":              {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x","size":0}}`, 400, "0 is less than the minimum of 1"},
		"format":               {"POST", "/v2.1/things", "member", "", `{"thing":{"name":"x","cidr":"10/8"}}`, 400, "'10/8' is not a 'cidr'"},
		"action":               {"POST", "/v2.1/things/1/action", "member", "", `{"os-start":null}`, 200, "started"},
		"unknown action":       {"POST", "/v2.1/things/1/action", "member", "", `{"os-fly":null}`, 400, "There is no such action: os-fly"},
		"two actions":          {"POST", "/v2.1/things/1/action", "member", "", `{"os-start":null,"os-stop":null}`, 400, "Malformed request body"},
		"action gone":          {"POST", "/v2.1/things/1/action", "member", "compute 2.4", `{"os-stop":null}`, 404, "itemNotFound"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("X-Auth-Token", c.token)
		if c.version != "" {
			r.Header.Set("OpenStack-API-Version", c.version)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: got %d %s; want %d with %q", name, w.Code, body, c.status, c.want)
		}
		if strings.Contains(body, "secret") {
			t.Errorf("%s: the answer tells an internal error: %s", name, body)
		}
		if !strings.HasPrefix(w.Header().Get("X-Openstack-Request-Id"), "req-") {
			t.Errorf("%s: no request id", name)
		}
	}
}

// TestLateFailure shows that an answer that fails after it began is cut, so
// that the client does not take it for whole.
func TestLateFailure(t *testing.T) {
	t.Parallel()
	h := testAPI(t, Nova)
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the connection was not aborted")
		}
	}()
	r := httptest.NewRequest("GET", "/v2.1/things/late", nil)
	r.Header.Set("X-Auth-Token", "reader")
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func TestEnvelopes(t *testing.T) {
	t.Parallel()
	for d, want := range map[*Dialect]string{
		Keystone:  `{"error":{"code":404,"message":"Thing absent could not be found.","title":"Not Found"}}`,
		Cinder:    `{"itemNotFound":{"code":404,"message":"Thing absent could not be found."}}`,
		Neutron:   `{"NeutronError":{"detail":"","message":"Thing absent could not be found.","type":"HTTPNotFound"}}`,
		Glance:    `<title>404 Not Found</title>`,
		Placement: `"detail":"Thing absent could not be found.  "`,
	} {
		r := httptest.NewRequest("GET", "/v2.1/things/absent", nil)
		r.Header.Set("X-Auth-Token", "reader")
		w := httptest.NewRecorder()
		testAPI(t, d).ServeHTTP(w, r)
		if w.Code != 404 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s; want %s", d.Name, w.Code, w.Body, want)
		}
	}
}

func TestRouteWithoutRule(t *testing.T) {
	t.Parallel()
	api := &API{Service: "x", Dialect: Nova, Routes: []Route{GET("/open", "", nil)}}
	if _, err := api.Handler(); err == nil || !strings.Contains(err.Error(), "no policy rule") {
		t.Fatalf("got %v; want a refusal to serve a route without a rule", err)
	}
}

func TestLocalServesSameBytes(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth.From(r.Context()).UserID != "" {
			t.Error("the client's context reached the server")
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Path", r.RequestURI)
		w.WriteHeader(http.StatusAccepted)
		for range 100 {
			w.Write(b) //nolint:errcheck // the test reads it all
		}
	})
	server := httptest.NewServer(h)
	defer server.Close()
	local := &Local{Next: http.DefaultTransport}
	local.Register("here:1", h)
	text := strings.Repeat("0123456789", 1000)
	var got [2]string
	for i, base := range []string{server.URL, "http://here:1"} {
		req, err := http.NewRequestWithContext(auth.With(t.Context(), &auth.Context{UserID: "u"}), "POST", base+"/a%2Fb?c=d", strings.NewReader(text))
		testx.NoErr(t, err)
		resp, err := Client(local).Do(req)
		testx.NoErr(t, err)
		b, err := io.ReadAll(resp.Body)
		testx.NoErr(t, err)
		resp.Body.Close()
		got[i] = resp.Status + resp.Header.Get("X-Path") + string(b)
	}
	testx.Equal(t, got[1], got[0])
	if len(got[0]) < 100*len(text) {
		t.Fatalf("only %d bytes came", len(got[0]))
	}
}

// TestLocalAbort shows that a handler that dies, or a client that leaves,
// ends the other side too.
func TestLocalAbort(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	local := &Local{}
	local.Register("dies", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half")) //nolint:errcheck // what comes next matters
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	local.Register("endless", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1024)); err != nil {
				ended <- err
				return
			}
		}
	}))
	resp, err := (&http.Client{Transport: local}).Get("http://dies/")
	testx.NoErr(t, err)
	_, err = io.ReadAll(resp.Body)
	testx.ErrIs(t, err, io.ErrUnexpectedEOF)
	resp.Body.Close()
	resp, err = (&http.Client{Transport: local}).Get("http://endless/")
	testx.NoErr(t, err)
	resp.Body.Close()
	testx.ErrIs(t, <-ended, io.ErrClosedPipe)
	if _, err = (&http.Client{Transport: local}).Get("http://nobody/"); err == nil {
		t.Fatal("a request to nobody succeeded")
	}
}

func BenchmarkLocal(b *testing.B) {
	local := &Local{}
	local.Register("here", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		JSON(w, http.StatusOK, map[string]string{"a": "b"}) //nolint:errcheck // cannot fail
	}))
	c := &http.Client{Transport: local}
	b.ReportAllocs()
	for b.Loop() {
		resp, err := c.Get("http://here/")
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body) //nolint:errcheck // an empty answer would show in the figure
		resp.Body.Close()
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	testAPI(t, Nova).ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/v2.1/things/1/", nil))
	testx.Equal(t, w.Code, http.StatusMethodNotAllowed)
	testx.Equal(t, w.Header()["Allow"], []string{"GET", "HEAD"})
}
