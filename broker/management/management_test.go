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
		{"seer", "GET", "queues/%2F", "", 401, `{"error":"not_authorised","reason":"User not authorised to access virtual host"}`},
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

// TestLogin checks passwords that come as a form, hashes one, and counts.
func TestLogin(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	post := func(form string) int {
		req := httptest.NewRequest("POST", "/api/login", strings.NewReader(form))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		a.h.ServeHTTP(w, req)
		return w.Code
	}
	testx.Equal(t, []int{post("username=guest&password=guest"), post("username=guest&password=x"), post("")}, []int{200, 401, 401})
	hash := get[map[string]string](a, "auth/hash_password/secret")["ok"]
	a.want(201, "PUT", "users/u", `{"password_hash":"`+hash+`","tags":"management"}`)
	testx.NoErr(t, a.b.Authenticate("u", "secret"))
	node := a.b.NodeName()
	http := get[[]object](a, "auth/attempts/"+node)[0]
	testx.Equal(t, []any{http["protocol"], http["auth_attempts_failed"]}, []any{"http", 2.0})
	a.want(204, "DELETE", "auth/attempts/"+node, "")
	testx.Equal(t, get[[]object](a, "auth/attempts/"+node)[0]["auth_attempts_failed"], any(0.0))
	testx.Equal(t, len(get[[]object](a, "auth/attempts/"+node+"/source")), 0)

	// guest's password is known: it may come only from this machine.
	req := httptest.NewRequest("GET", "/api/whoami", nil)
	req.RemoteAddr = "192.0.2.1:1"
	req.SetBasicAuth("guest", "guest")
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, req)
	testx.Equal(t, w.Code, 401)
}

// TestReplicas answers for the one node there is.
func TestReplicas(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(201, "PUT", "queues/%2F/q", `{"durable":true,"arguments":{"x-queue-type":"quorum"}}`)
	a.want(201, "PUT", "queues/%2F/classic", `{}`)
	node := a.b.NodeName()
	testx.Equal(t, get[[]object](a, "queues/quorum/%2F/q/status")[0]["Raft State"], any("leader"))
	for path, want := range map[string]string{
		"POST queues/quorum/%2F/q/replicas/add":                "already_a_member",
		"DELETE queues/quorum/%2F/q/replicas/delete":           "last_node",
		"DELETE queues/quorum/replicas/on/" + node + "/shrink": "last_node",
	} {
		method, path, _ := strings.Cut(path, " ")
		testx.Equal(t, a.want(400, method, path, `{"node":"`+node+`"}`).body, `{"error":"bad_request","reason":"`+want+`"}`)
	}
	a.want(400, "POST", "queues/quorum/%2F/classic/replicas/add", `{"node":"`+node+`"}`)
	a.want(400, "POST", "queues/quorum/%2F/q/replicas/add", `{"node":"rabbit@other"}`)
	a.want(400, "POST", "queues/quorum/%2F/q/replicas/add", `{}`)
	a.want(404, "GET", "queues/quorum/%2F/none/status", "")
	a.want(204, "POST", "queues/quorum/replicas/on/"+node+"/grow", "")
	a.want(404, "POST", "queues/quorum/replicas/on/rabbit@other/grow", "")
	a.want(204, "POST", "vhosts/%2F/deletion/protection", "")
	a.want(412, "DELETE", "vhosts/%2F", "")
	a.want(204, "DELETE", "vhosts/%2F/deletion/protection", "")
	a.want(204, "DELETE", "vhosts/%2F", "")
}

// TestShovels runs what moves a queue, and lists the other shovels and the
// links that are kept but not run.
func TestShovels(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(400, "PUT", "parameters/shovel/%2F/s", `{"value":{"src-uri":"amqp://"}}`)
	a.want(201, "PUT", "parameters/shovel/%2F/s", `{"value":{"src-uri":"amqp://","src-queue":"a","dest-uri":"amqp://","dest-exchange":"amq.topic","src-delete-after":"never"}}`)
	testx.Equal(t, get[[]object](a, "shovels/%2F")[0]["state"], any("terminated"))
	reason, _ := get[object](a, "shovels/vhost/%2F/s")["reason"].(string)
	if want := "its dest-exchange is not run: "; !strings.HasPrefix(reason, want) {
		t.Errorf("got %s, want %s", reason, want)
	}
	a.want(400, "DELETE", "shovels/vhost/%2F/s/restart", "")
	a.want(204, "DELETE", "shovels/vhost/%2F/s", "")
	a.want(404, "GET", "shovels/vhost/%2F/s", "")
	a.want(404, "DELETE", "shovels/vhost/%2F/s/restart", "")
	// One that moves what is in a queue is run, and is gone when it is done.
	for _, name := range []string{"from", "to"} {
		a.want(201, "PUT", "queues/%2F/"+name, `{}`)
	}
	a.want(200, "POST", "exchanges/%2F/amq.default/publish", `{"routing_key":"from","payload":"x","payload_encoding":"string","properties":{}}`)
	const move = `{"value":{"src-uri":"amqp:///%2f","src-queue":"from","src-delete-after":"queue-length","dest-uri":"amqp:///%2f","dest-queue":"TO"}}`
	a.want(201, "PUT", "parameters/shovel/%2F/m", strings.ReplaceAll(move, "TO", "nowhere"))
	testx.Eventually(t, "it stands still", func() bool { return get[object](a, "shovels/vhost/%2F/m")["state"] == "terminated" })
	testx.Equal(t, get[object](a, "shovels/vhost/%2F/m")["reason"], any("NOT_FOUND - no queue 'nowhere' in vhost '/'"))
	a.want(204, "DELETE", "shovels/vhost/%2F/m/restart", "")
	a.want(204, "PUT", "parameters/shovel/%2F/m", strings.ReplaceAll(move, "TO", "to"))
	testx.Eventually(t, "it is done", func() bool { return len(get[[]object](a, "shovels")) == 0 })
	testx.Equal(t, []any{get[object](a, "queues/%2F/from")["messages"], get[object](a, "queues/%2F/to")["messages"]}, []any{0.0, 1.0})

	a.want(201, "PUT", "parameters/federation-upstream/%2F/up", `{"value":{"uri":["amqp://a","amqp://b"]}}`)
	a.want(201, "PUT", "policies/%2F/p", `{"pattern":"^amq.topic$","apply-to":"exchanges","definition":{"federation-upstream-set":"all"}}`)
	link := get[[]object](a, "federation-links")[0]
	testx.Equal(t, []any{link["exchange"], link["uri"], link["status"]}, []any{"amq.topic", "amqp://a", "shutdown"})
	testx.Equal(t, len(get[[]object](a, "federation-links/%2F/state/down")), 1)
}
