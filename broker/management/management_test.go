package management_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/broker/management"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is a broker with its API.
type api struct {
	t testing.TB
	b *broker.Broker
	h http.Handler
	// name logs in, with itself as the password.
	name string
}

func newAPI(t testing.TB) *api {
	t.Helper()
	b := broker.New(broker.Config{})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		testx.NoErr(t, b.Shutdown(ctx))
	})
	return &api{t, b, management.New(b, management.Options{}), "guest"}
}

// as is the API used by another.
func (a *api) as(name string) *api {
	other := *a
	other.name = name
	return &other
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *api) do(method, path, body string) answer {
	a.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, "/api/"+path, r)
	req.RemoteAddr = "127.0.0.1:1"
	req.SetBasicAuth(a.name, a.name)
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, req)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// query reads with parameters that may be anything.
func (a *api) query(path, query string) answer {
	req := httptest.NewRequest("GET", "/api/"+path, nil)
	req.URL.RawQuery = query
	req.RemoteAddr = "127.0.0.1:1"
	req.SetBasicAuth(a.name, a.name)
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, req)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// want does a request and checks the status.
func (a *api) want(status int, method, path, body string) answer {
	a.t.Helper()
	got := a.do(method, path, body)
	if got.status != status {
		a.t.Fatalf("%s %s %s: got %d %s; want %d", method, path, body, got.status, got.body, status)
	}
	return got
}

// get reads a value.
func get[T any](a *api, path string) T {
	a.t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader([]byte(a.want(http.StatusOK, "GET", path, "").body)))
	testx.NoErr(a.t, d.Decode(&v))
	return v
}

type object = map[string]any

func TestUsersAndPermissions(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(201, "PUT", "users/u1", `{"password":"u1","tags":"management"}`)
	a.want(204, "PUT", "users/u1", `{"password":"u1","tags":["management","x"]}`)
	u := get[object](a, "users/u1")
	testx.Equal(t, u["tags"], any([]any{"management", "x"}))
	testx.Equal(t, get[object](a.as("u1"), "whoami"), object{"name": "u1", "tags": []any{"management", "x"}})
	testx.Equal(t, len(get[[]object](a, "users/without-permissions")), 1)
	a.want(201, "PUT", "permissions/%2F/u1", `{"configure":".*","write":".*","read":"x"}`)
	a.want(204, "PUT", "permissions/%2F/u1", `{"configure":".*","write":".*","read":"y"}`)
	testx.Equal(t, get[object](a, "permissions/%2F/u1"), object{"user": "u1", "vhost": "/", "configure": ".*", "write": ".*", "read": "y"})
	testx.Equal(t, len(get[[]object](a, "permissions")), 2)
	testx.Equal(t, len(get[[]object](a, "users/u1/permissions")), 1)
	a.want(201, "PUT", "topic-permissions/%2F/u1", `{"exchange":"amq.topic","write":".*","read":"x"}`)
	testx.Equal(t, len(get[[]object](a, "topic-permissions/%2F/u1")), 1)
	a.want(204, "DELETE", "topic-permissions/%2F/u1/amq.topic", "")
	a.want(404, "DELETE", "topic-permissions/%2F/u1/amq.topic", "")
	a.want(404, "GET", "topic-permissions/%2F/u1", "")
	a.want(204, "DELETE", "permissions/%2F/u1", "")
	a.want(404, "DELETE", "permissions/%2F/u1", "")
	a.want(201, "PUT", "users/u2", `{"password":"u2","tags":""}`)
	a.want(400, "POST", "users/bulk-delete", `{"users":["u1","nobody"]}`)
	a.want(204, "POST", "users/bulk-delete", `{"users":["u1","u2"]}`)
	testx.Equal(t, len(get[[]object](a, "users")), 1)
}

func TestVHosts(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(201, "PUT", "vhosts/a%2Fb", `{"description":"d","tags":"x,y","default_queue_type":"quorum"}`)
	a.want(204, "PUT", "vhosts/a%2Fb", "")
	v := get[object](a, "vhosts/a%2Fb")
	testx.Equal(t, []any{v["name"], v["description"], v["default_queue_type"], v["tags"]}, []any{"a/b", "d", "quorum", []any{"x", "y"}})
	testx.Equal(t, len(get[[]object](a, "vhosts")), 2)
	a.want(204, "DELETE", "vhosts/a%2Fb", "")
	a.want(404, "DELETE", "vhosts/a%2Fb", "")
}

// TestErrors are RabbitMQ's answers to what cannot be done.
func TestErrors(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(201, "PUT", "users/plain", `{"password":"plain","tags":""}`)
	a.want(201, "PUT", "users/seer", `{"password":"seer","tags":"management"}`)
	for _, tc := range []struct {
		as, method, path, body string
		status                 int
		want                   string
	}{
		{"guest", "GET", "nosuch", "", 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"guest", "GET", "users/none", "", 404, `{"error":"Object Not Found","reason":"Not Found"}`},
		{"wrong", "GET", "whoami", "", 401, `{"error":"not_authorized","reason":"Login failed"}`},
		{"plain", "GET", "whoami", "", 401, `{"error":"not_authorised","reason":"Not management user"}`},
		{"seer", "GET", "users", "", 401, `{"error":"not_authorised","reason":"Not administrator user"}`},
		{"seer", "PUT", "vhosts/x", "", 401, `{"error":"not_authorised","reason":"Not administrator user"}`},
		{"seer", "GET", "vhosts/%2F", "", 401, `{"error":"not_authorised","reason":"User not authorised to access virtual host"}`},
		{"guest", "PUT", "cluster-name", `{"nam":"x"}`, 400, `{"error":"bad_request","reason":"[{key_missing,name}]"}`},
		{"guest", "PUT", "cluster-name", `{"name`, 400, `{"error":"bad_request","reason":"not_json"}`},
		{"guest", "PUT", "cluster-name", `[]`, 400, `{"error":"bad_request","reason":"not_json"}`},
		{"guest", "PUT", "users/u", `{"password":"p"}`, 400, `{"error":"bad_request","reason":"tags_not_present"}`},
		{"guest", "PUT", "permissions/%2F/plain", `{"configure":"","write":""}`, 400, `{"error":"bad_request","reason":"[{key_missing,read}]"}`},
		{"guest", "PUT", "permissions/%2F/nobody", `{"configure":"","write":"","read":""}`, 400, `{"error":"bad_request","reason":"vhost_or_user_not_found"}`},
		{"guest", "PUT", "permissions/no/plain", `{"configure":"","write":"","read":""}`, 400, `{"error":"bad_request","reason":"vhost_or_user_not_found"}`},
		{"guest", "POST", "whoami", "", 405, ""},
	} {
		got := a.as(tc.as).do(tc.method, tc.path, tc.body)
		testx.Equal(t, []any{tc.path, got.status, got.body}, []any{tc.path, tc.status, tc.want})
	}
}
