package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/internal/db/dbtest"
	"nubo/internal/httpx"
	"nubo/internal/obs"
	"nubo/internal/testx"
)

// ports are those of the services under test.
var ports = map[string]int{
	"identity": portIdentity, "image": portImage, "compute": portCompute, "placement": portPlacement, "network": portNetwork, "volume": portVolume,
}

// testbed is a whole simulated cloud in this process.
type testbed struct {
	testing.TB
	c   *cloud
	log *errorLog
}

// onEach runs a test on a fresh cloud, on SQLite and where there is one on
// PostgreSQL.
func onEach(t *testing.T, test func(t *testing.T, b *testbed)) {
	t.Run("sqlite", func(t *testing.T) { test(t, testCloud(t, "")) })
	t.Run("postgres", func(t *testing.T) { test(t, testCloud(t, dbtest.PostgresURL(t))) })
}

// testCloud starts a cloud of all modules and stops it when the test ends,
// after which none of its goroutines may be left. more are further keys of the
// configuration, each before its value.
func testCloud(t *testing.T, database string, more ...string) *testbed {
	t.Helper()
	before := goleak.IgnoreCurrent()
	dir := t.TempDir()
	keys := map[string]string{
		"database.url":     database,
		"DEFAULT.data_dir": dir, "DEFAULT.host": "sim0", "DEFAULT.port_offset": fmt.Sprint(freeOffset(t)), "compute.virt": "simulated",
		"image.image_cache_max_size": "64MiB",
	}
	for i := 0; i+1 < len(more); i += 2 {
		keys[more[i]] = more[i+1]
	}
	set, err := loadWith("", keys)
	testx.NoErr(t, err)
	sec, _, err := ensureSecrets(filepath.Join(dir, "secrets.json"), "")
	testx.NoErr(t, err)
	b := &testbed{TB: t, log: &errorLog{}}
	b.c = newCloud(set, sec, slog.New(obs.NewHandler(b.log, obs.Options{Level: slog.LevelWarn})), true)
	b.c.addModules(allModules)
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- b.c.run(ctx, allModules, func() error { close(ready); return nil })
	}()
	select {
	case <-ready:
	case err := <-done:
		stop()
		t.Fatalf("the cloud did not start: %v\n%s", err, b.log.take())
	}
	t.Cleanup(func() {
		stop()
		testx.NoErr(t, <-done)
		b.c.http.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	return b
}

// freeOffset finds a port offset at which nothing listens, and no port is among
// those that the system gives to whoever asks for any.
func freeOffset(t *testing.T) int {
	t.Helper()
	for range 50 {
		offset := 1000 + rand.IntN(16000)
		if free(offset) {
			return offset
		}
	}
	t.Fatal("there is no free range of ports")
	return 0
}

func free(offset int) bool {
	for _, port := range append([]int{portAMQP, portDashboard}, portList()...) {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
		if err != nil {
			return false
		}
		l.Close() //nolint:errcheck // it was only tried
	}
	return true
}

func portList() (out []int) {
	for _, p := range ports {
		out = append(out, p)
	}
	return out
}

// errorLog keeps what the cloud logs from warnings on.
type errorLog struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *errorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take empties the log.
func (l *errorLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// mistakes are the log's lines about faults of the cloud's own making.
func (l *errorLog) mistakes() []string {
	var out []string
	for line := range strings.Lines(l.take()) {
		if strings.Contains(line, "panic") || strings.Contains(line, "request failed") {
			out = append(out, line)
		}
	}
	return out
}

// apis are the HTTP doors of all services, in order.
func (b *testbed) apis() []*httpx.API {
	var out []*httpx.API
	b.c.apis.Range(func(_, a any) bool {
		out = append(out, a.(*httpx.API))
		return true
	})
	slices.SortFunc(out, func(x, y *httpx.API) int { return strings.Compare(x.Service, y.Service) })
	return out
}

// persona is a caller: a user's token for a project.
type persona struct{ name, token, user, project string }

// call is one request.
type call struct {
	who     persona
	service string
	method  string
	path    string
	body    any // []byte goes as it is, anything else as JSON
	header  map[string]string
	version httpx.Version // zero is the newest
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string {
	return fmt.Sprintf("%d %s", r.status, bytes.TrimSpace(r.body[:min(len(r.body), 400)]))
}

// do sends a request in memory, as components do among themselves.
func (b *testbed) do(in call) reply {
	b.Helper()
	out, err := b.send(in)
	if err != nil {
		b.Fatalf("%s %s: %v", in.method, in.path, err)
	}
	return out
}

func (b *testbed) send(in call) (reply, error) {
	var body []byte
	var err error
	switch v := in.body.(type) {
	case nil:
	case []byte:
		body = v
	default:
		if body, err = json.Marshal(v); err != nil {
			return reply{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, in.method, b.c.set.url(ports[in.service], in.path), bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if in.who.token != "" {
		req.Header.Set("X-Auth-Token", in.who.token)
	}
	if in.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	version := "latest"
	if !in.version.IsZero() {
		version = in.version.String()
	}
	req.Header.Set("OpenStack-API-Version", in.service+" "+version)
	for k, v := range in.header {
		req.Header.Set(k, v)
	}
	resp, err := b.c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, answer}, err
}

// must sends a request that has to succeed, and gives its answer.
func (b *testbed) must(who persona, service, method, path string, body any) doc {
	b.Helper()
	r := b.do(call{who: who, service: service, method: method, path: path, body: body})
	if r.status >= 300 {
		b.Fatalf("%s: %s %s %s: %s", who.name, service, method, path, r)
	}
	out := doc{}
	if len(bytes.TrimSpace(r.body)) > 0 {
		if err := json.Unmarshal(r.body, &out.v); err != nil {
			b.Fatalf("%s %s: %v in %s", method, path, err, r)
		}
	}
	return out
}

// await repeats a GET until ok holds of its answer.
func (b *testbed) await(who persona, service, path string, ok func(doc) bool) {
	b.Helper()
	testx.Eventually(b, service+" "+path, func() bool { return ok(b.must(who, service, "GET", path, nil)) })
}

// doc is a JSON document.
type doc struct{ v any }

// at goes down by keys and indexes: "server/addresses/0".
func (d doc) at(path string) doc {
	for key := range strings.SplitSeq(path, "/") {
		switch v := d.v.(type) {
		case map[string]any:
			d.v = v[key]
		case []any:
			i := 0
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				return doc{}
			}
			d.v = v[i]
		default:
			return doc{}
		}
	}
	return d
}

// text is the string at a path, "" if there is none.
func (d doc) text(path string) string {
	s, _ := d.at(path).v.(string)
	return s
}

// list is the list at a path.
func (d doc) list(path string) []doc {
	l, _ := d.at(path).v.([]any)
	out := make([]doc, len(l))
	for i, v := range l {
		out[i] = doc{v}
	}
	return out
}

// login gives a user a token for a project.
func (b *testbed) login(name, user, password, project string) persona {
	b.Helper()
	r := b.do(call{service: "identity", method: "POST", path: "/v3/auth/tokens", body: passwordBody(user, password, project)})
	if r.status != http.StatusCreated {
		b.Fatalf("login of %s: %s", name, r)
	}
	var d doc
	testx.NoErr(b, json.Unmarshal(r.body, &d.v))
	return persona{name: name, token: r.header.Get("X-Subject-Token"), user: d.text("token/user/id"), project: d.text("token/project/id")}
}

func passwordBody(user, password, project string) obj {
	domain := obj{"id": "default"}
	return obj{"auth": obj{
		"identity": obj{"methods": arr{"password"}, "password": obj{"user": obj{"name": user, "domain": domain, "password": password}}},
		"scope":    obj{"project": obj{"name": project, "domain": domain}},
	}}
}

// obj and arr are JSON in the making.
type (
	obj = map[string]any
	arr = []any
)

// operation is a route with what a request to it needs.
type operation struct {
	api   *httpx.API
	route *httpx.Route
	path  string // filled in
}

// key names the operation in the tables: "compute POST /servers/{server_id}/action reboot".
func (o operation) key() string {
	k := o.api.Service + " " + o.route.Method + " " + o.route.Path
	if o.route.Action != "" {
		k += " " + o.route.Action
	}
	return k
}

// version is one in which the route exists: the newest.
func (o operation) version() httpx.Version {
	_, until := o.route.Range()
	if until.IsZero() && o.api.Versions != nil {
		return o.api.Versions.Max
	}
	return until
}

func (o operation) call(who persona, body any) call {
	return call{who: who, service: o.api.Service, method: o.route.Method, path: o.path, body: body, version: o.version()}
}

func (o operation) hasParams() bool { return strings.Contains(o.route.Path, "{") }

func (o operation) writes() bool {
	return o.route.Method != http.MethodGet && o.route.Method != http.MethodHead
}

// takesBody reports whether requests of the method carry one.
func (o operation) takesBody() bool {
	return o.writes() && o.route.Method != http.MethodDelete
}

// operations are all routes of all services, their paths filled in from
// values; a parameter that values does not know fails the test.
func (b *testbed) operations(values map[string]string) []operation {
	b.Helper()
	var out []operation
	for _, a := range b.apis() {
		prefix := ""
		if len(a.Prefixes) > 0 {
			prefix = a.Prefixes[0]
		}
		for i := range a.Routes {
			r := &a.Routes[i]
			template := prefix + r.Path
			if strings.HasPrefix(r.Path, "//") {
				template = r.Path[1:]
			}
			path, missing := fill(a.Service, template, values)
			if missing != "" {
				b.Errorf("%s %s %s: add a value for %s to seed.values", a.Service, r.Method, r.Path, missing)
				continue
			}
			out = append(out, operation{a, r, path})
		}
	}
	return out
}

// fill puts values into a path's parameters. The name of a value is the
// service with the path up to the parameter, or only with the parameter.
func fill(service, template string, values map[string]string) (path, missing string) {
	raw := strings.Split(template, "/")
	segments := slices.Clone(raw)
	for i, s := range raw {
		name := s
		if inner, ok := strings.CutPrefix(s, "{"); ok {
			inner, _, _ = strings.Cut(strings.TrimSuffix(inner, "}"), ":")
			name = "{" + inner + "}"
		} else if s != "*" {
			continue
		}
		v, ok := values[service+" "+strings.Join(raw[:i], "/")+"/"+name]
		if !ok {
			if v, ok = values[service+" "+name]; !ok {
				return "", name
			}
		}
		segments[i] = url.PathEscape(v)
	}
	return strings.Join(segments, "/"), ""
}
