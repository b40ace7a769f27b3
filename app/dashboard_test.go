package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

// browser is a browser with the dashboard open.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func newBrowser(t *testing.T, b *testbed) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	testx.NoErr(t, err)
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t, b.c.set.url(portDashboard, ""), &http.Client{Jar: jar, Transport: tr}}
}

// do sends a request as a page of the dashboard would.
func (w *browser) do(method, path string, body any, change ...func(*http.Request)) (int, string) {
	w.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		testx.NoErr(w.t, err)
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, in)
	testx.NoErr(w.t, err)
	req.Header.Set("Origin", w.base)
	req.Header.Set("X-Nubo-Dashboard", "1")
	for _, c := range change {
		c(req)
	}
	resp, err := w.http.Do(req)
	testx.NoErr(w.t, err)
	defer resp.Body.Close() //nolint:errcheck // it is read
	out, err := io.ReadAll(resp.Body)
	testx.NoErr(w.t, err)
	return resp.StatusCode, string(out)
}

func (w *browser) signIn(user, password string) {
	w.t.Helper()
	status, body := w.do("POST", "/dashboard/session", map[string]string{"user": user, "password": password})
	if status != http.StatusOK {
		w.t.Fatalf("sign in: %d %s", status, body)
	}
}

func TestDashboard(t *testing.T) {
	b := testCloud(t, "")
	admin := newBrowser(t, b)

	t.Run("nobody is signed in", func(t *testing.T) {
		for _, path := range []string{"/dashboard/session", "/dashboard/can?rules=x", "/dashboard/events", "/dashboard/pages/servers", "/dashboard/api/compute/servers"} {
			status, body := admin.do("GET", path, nil)
			testx.Equal(t, status, http.StatusUnauthorized)
			testx.Equal(t, strings.Contains(body, "Nobody is signed in"), true)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		status, body := admin.do("POST", "/dashboard/session", map[string]string{"user": "admin", "password": "wrong"})
		testx.Equal(t, status, http.StatusUnauthorized)
		testx.Equal(t, strings.Contains(body, "requires authentication"), true)
	})
	t.Run("bad input", func(t *testing.T) {
		for _, body := range []any{nil, 1, map[string]any{"user": 1}, map[string]any{"user": "a", "else": "b"}, map[string]any{"user": "a"}} {
			status, _ := admin.do("POST", "/dashboard/session", body)
			testx.Equal(t, status, http.StatusBadRequest)
		}
		status, _ := admin.do("POST", "/dashboard/session", map[string]any{"user": strings.Repeat("a", 1<<20)})
		testx.Equal(t, status, http.StatusRequestEntityTooLarge)
	})
	admin.signIn("admin", b.c.sec.AdminPassword)

	t.Run("foreign sites are refused", func(t *testing.T) {
		for name, change := range map[string]func(*http.Request){
			"origin":       func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") },
			"fetch":        func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"null":         func(r *http.Request) { r.Header.Set("Origin", "null") },
			"no marker":    func(r *http.Request) { r.Header.Del("X-Nubo-Dashboard") },
			"another port": func(r *http.Request) { r.Header.Set("Origin", "http://"+r.Host+"1") },
		} {
			status, body := admin.do("POST", "/dashboard/api/compute/servers", map[string]string{}, change)
			if status != http.StatusForbidden {
				t.Errorf("%s: %d %s", name, status, body)
			}
		}
	})
	t.Run("the cookie is sealed", func(t *testing.T) {
		foreign := newBrowser(t, b)
		status, _ := foreign.do("GET", "/dashboard/session", nil, func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "nubo_session", Value: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
		})
		testx.Equal(t, status, http.StatusUnauthorized)
	})
	t.Run("the session tells who and where", func(t *testing.T) {
		_, body := admin.do("GET", "/dashboard/session", nil)
		var a struct {
			User     struct{ Name string }
			Project  struct{ Name string }
			Roles    []string
			Services []string
			System   bool `json:"system_scope"`
		}
		testx.NoErr(t, json.Unmarshal([]byte(body), &a))
		testx.Equal(t, []string{a.User.Name, a.Project.Name}, []string{"admin", "admin"})
		testx.Equal(t, a.System, true)
		testx.Equal(t, strings.Contains(body, "gAAAA"), false) // no token
	})
	t.Run("every page answers", func(t *testing.T) {
		for _, page := range []string{"overview", "servers", "server-new", "volumes", "networks", "routers", "floating-ips", "topology", "admin-overview", "aggregates",
			"images", "flavors", "keypairs", "security-groups", "ports", "hypervisors", "volume-types", "domains", "projects", "users", "groups", "roles", "services",
			"admin-topology", "api-access", "account", "app-credentials", "assignments", "idps", "server-groups", "usage", "admin-usage", "admin-quotas", "default-quotas",
			"admin-floating-ips", "admin-networks", "agents", "placement",
			"broker-overview", "broker-connections", "broker-channels", "broker-exchanges", "broker-exchange?vhost=/&name=amq.topic&age=60&incr=5", "broker-queues?vhost=%2F", "broker-users",
			"broker-user?name=guest", "broker-vhosts", "broker-vhost?name=/", "broker-queue?vhost=/&name=conductor", "broker-policies", "broker-operator-policies", "broker-limits", "broker-features", "broker-node?name=" + b.c.broker.Load().NodeName()} {
			status, body := admin.do("GET", "/dashboard/pages/"+page, nil)
			var out map[string]any
			testx.NoErr(t, json.Unmarshal([]byte(body), &out))
			if status != http.StatusOK || len(out["errors"].(map[string]any)) > 0 {
				t.Errorf("%s: %d %v", page, status, out["errors"])
			}
			for name, part := range out {
				if part == nil {
					t.Errorf("%s: the part %s is not in its answer", page, name)
				}
			}
		}
		for path, want := range map[string]int{"/dashboard/pages/none": 404, "/dashboard/pages/broker-queue": 400, "/dashboard/pages/broker-queue?vhost=/&name=gone": 404, "/dashboard/pages/server": 400, "/dashboard/pages/server?id=..": 400, "/dashboard/pages/server?id=0": 404, "/dashboard/none": 404} {
			status, _ := admin.do("GET", path, nil)
			testx.Equal(t, status, want)
		}
	})
	t.Run("what it may", func(t *testing.T) {
		_, body := admin.do("GET", "/dashboard/can?rules=identity:create_project,os_compute_api:servers:create,none", nil)
		var out map[string]struct {
			Allowed bool
			Reason  string
		}
		testx.NoErr(t, json.Unmarshal([]byte(body), &out))
		testx.Equal(t, []bool{out["identity:create_project"].Allowed, out["os_compute_api:servers:create"].Allowed, out["none"].Allowed}, []bool{true, true, false})
	})
	t.Run("what one does another sees", func(t *testing.T) {
		other := newBrowser(t, b)
		other.signIn("admin", b.c.sec.AdminPassword)
		events := other.events("network")
		status, body := admin.do("POST", "/dashboard/api/network/networks", map[string]any{"network": map[string]any{"name": "seen"}})
		testx.Equal(t, status, http.StatusCreated)
		if e := <-events; !strings.Contains(e, `"topic":"network"`) || !strings.Contains(e, `"name":"seen"`) {
			t.Fatalf("the event is %s of %s", e, body)
		}
	})
	t.Run("more of a list comes without the names of the page but for what is asked of it", func(t *testing.T) {
		var page map[string]json.RawMessage
		var networks []struct{ ID string }
		_, body := admin.do("GET", "/dashboard/pages/networks?limit=1", nil)
		testx.NoErr(t, json.Unmarshal([]byte(body), &page))
		testx.NoErr(t, json.Unmarshal(page["networks"], &networks))
		testx.Equal(t, []bool{len(networks) == 1, page["subnets"] != nil}, []bool{true, true})
		clear(page)
		status, body := admin.do("GET", "/dashboard/pages/networks?limit=1&marker="+networks[0].ID, nil)
		testx.NoErr(t, json.Unmarshal([]byte(body), &page))
		testx.Equal(t, []any{status, page["networks"] != nil, page["subnets"] != nil, page["shared"] != nil}, []any{http.StatusOK, true, true, false})
		status, body = admin.do("GET", "/dashboard/pages/servers?limit=1&marker="+networks[0].ID, nil)
		testx.Equal(t, []any{status, strings.Contains(body, "marker")}, []any{http.StatusBadRequest, true})
	})
	t.Run("a member", func(t *testing.T) { dashboardMember(t, b, admin) })
	t.Run("another scope, and out", func(t *testing.T) {
		status, _ := admin.do("PUT", "/dashboard/session/scope", map[string]any{"system": true})
		testx.Equal(t, status, http.StatusOK)
		status, _ = admin.do("PUT", "/dashboard/session/scope", map[string]any{"project_id": "0123"})
		testx.Equal(t, status, http.StatusUnauthorized)
		status, _ = admin.do("PUT", "/dashboard/session/scope", map[string]any{})
		testx.Equal(t, status, http.StatusBadRequest)
		status, _ = admin.do("DELETE", "/dashboard/session", nil)
		testx.Equal(t, status, http.StatusNoContent)
		status, _ = admin.do("GET", "/dashboard/session", nil)
		testx.Equal(t, status, http.StatusUnauthorized)
	})
}

// dashboardMember looks at the dashboard as somebody without the admin's role.
func dashboardMember(t *testing.T, b *testbed, admin *browser) {
	id := func(status int, body string) string {
		t.Helper()
		var out map[string]struct{ ID string }
		testx.NoErr(t, json.Unmarshal([]byte(body), &out))
		for _, v := range out {
			return v.ID
		}
		t.Fatalf("no id in %d %s", status, body)
		return ""
	}
	const api = "/dashboard/api/identity"
	project := id(admin.do("POST", api+"/projects", map[string]any{"project": map[string]any{"name": "course", "domain_id": "default"}}))
	user := id(admin.do("POST", api+"/users", map[string]any{"user": map[string]any{"name": "pupil", "password": "pupil-pw", "domain_id": "default"}}))
	var roles struct{ Roles []struct{ ID string } }
	_, body := admin.do("GET", api+"/roles?name=member", nil)
	testx.NoErr(t, json.Unmarshal([]byte(body), &roles))
	status, _ := admin.do("PUT", fmt.Sprintf("%s/projects/%s/users/%s/roles/%s", api, project, user, roles.Roles[0].ID), nil)
	testx.Equal(t, status, http.StatusNoContent)

	pupil := newBrowser(t, b)
	pupil.signIn("pupil", "pupil-pw")
	status, _ = pupil.do("GET", api+"/users", nil)
	testx.Equal(t, status, http.StatusForbidden)
	status, _ = pupil.do("GET", "/dashboard/pages/admin-overview", nil)
	testx.Equal(t, status, http.StatusForbidden)
	_, body = pupil.do("GET", "/dashboard/can?rules=identity:create_project,os_compute_api:servers:create", nil)
	var can map[string]struct {
		Allowed bool
		Reason  string
	}
	testx.NoErr(t, json.Unmarshal([]byte(body), &can))
	testx.Equal(t, []bool{can["identity:create_project"].Allowed, can["os_compute_api:servers:create"].Allowed}, []bool{false, true})
	testx.Equal(t, can["identity:create_project"].Reason != "", true)

	// Others' events do not reach it: the first it sees is its own.
	events := pupil.events("network")
	status, _ = admin.do("POST", "/dashboard/api/network/networks", map[string]any{"network": map[string]any{"name": "foreign"}})
	testx.Equal(t, status, http.StatusCreated)
	status, _ = pupil.do("POST", "/dashboard/api/network/networks", map[string]any{"network": map[string]any{"name": "own"}})
	testx.Equal(t, status, http.StatusCreated)
	if e := <-events; !strings.Contains(e, `"name":"own"`) {
		t.Fatalf("the event is %s", e)
	}
	searchAsMember(t, admin, pupil, project)
	// Of images it sees its own, and those that are everybody's.
	images := pupil.events("image")
	for _, visibility := range []string{"private", "public"} {
		status, _ = admin.do("POST", "/dashboard/api/image/v2/images", map[string]any{"name": visibility, "visibility": visibility})
		testx.Equal(t, status, http.StatusCreated)
	}
	if e := <-images; !strings.Contains(e, `"type":"image.create"`) || !strings.Contains(e, `"name":"public"`) {
		t.Fatalf("the event is %s", e)
	}
}

// searchAsMember holds that a search finds what one may see and nothing else:
// by name, by address, and by the very id.
func searchAsMember(t *testing.T, admin, pupil *browser, project string) {
	t.Helper()
	find := func(w *browser, text string) (kinds []string, ids map[string]string) {
		t.Helper()
		status, body := w.do("GET", "/dashboard/search?q="+url.QueryEscape(text), nil)
		testx.Equal(t, []any{text, status}, []any{text, http.StatusOK})
		var out struct {
			Found  []struct{ Kind, ID, Name string }
			Errors map[string]any
		}
		testx.NoErr(t, json.Unmarshal([]byte(body), &out))
		testx.Equal(t, len(out.Errors), 0)
		kinds, ids = []string{}, map[string]string{}
		for _, f := range out.Found {
			kinds = append(kinds, f.Kind+" "+f.Name)
			ids[f.Name] = f.ID
		}
		return kinds, ids
	}
	must := func(method, path string, body any, change ...func(*http.Request)) string {
		t.Helper()
		status, said := admin.do(method, "/dashboard/api"+path, body, change...)
		if status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, status, said)
		}
		return said
	}
	var flavor struct{ Flavor struct{ ID string } }
	testx.NoErr(t, json.Unmarshal([]byte(must("POST", "/compute/flavors", json.RawMessage(`{"flavor": {"name": "searched", "vcpus": 1, "ram": 64, "disk": 1}}`))), &flavor))
	var image struct{ ID string }
	testx.NoErr(t, json.Unmarshal([]byte(must("POST", "/image/v2/images", json.RawMessage(`{"name": "foreign-image", "disk_format": "raw", "container_format": "bare"}`))), &image))
	must("PUT", "/image/v2/images/"+image.ID+"/file", "bytes", func(r *http.Request) { r.Header.Set("Content-Type", "application/octet-stream") })
	server := fmt.Sprintf(`{"server": {"name": "foreign-server", "flavorRef": %q, "imageRef": %q, "networks": "none"}}`, flavor.Flavor.ID, image.ID)
	for path, body := range map[string]string{
		"/network/security-groups": `{"security_group": {"name": "foreign-group"}}`,
		"/network/routers":         `{"router": {"name": "foreign-router"}}`,
		"/volume/volumes":          `{"volume": {"name": "foreign-disk", "size": 1}}`,
		"/compute/servers":         server,
	} {
		must("POST", path, json.RawMessage(body))
	}
	kinds, ids := find(admin, "FOREIGN")
	testx.Equal(t, kinds, []string{"server foreign-server", "volume foreign-disk", "image foreign-image", "network foreign", "router foreign-router", "securitygroup foreign-group"})
	if kinds, _ := find(pupil, "foreign"); len(kinds) > 0 {
		t.Errorf("a member finds %v of another project", kinds)
	}
	for name, id := range ids {
		if kinds, _ := find(pupil, id); len(kinds) > 0 {
			t.Errorf("a member finds %s of another project by its id", name)
		}
		if kinds, _ := find(admin, id); len(kinds) != 1 {
			t.Errorf("by the id of %s are found: %v", name, kinds)
		}
	}
	kinds, _ = find(admin, project)
	testx.Equal(t, kinds, []string{"project course"})
	kinds, _ = find(admin, "pupil")
	testx.Equal(t, kinds, []string{"user pupil"})
	for _, text := range []string{"pupil", "course", "host", project} {
		if kinds, _ := find(pupil, text); len(kinds) > 0 {
			t.Errorf("a member finds %v by %s", kinds, text)
		}
	}
	kinds, _ = find(pupil, "own")
	testx.Equal(t, kinds, []string{"network own"})
}

// events gives the data of the events of some topics as they come.
func (w *browser) events(topics string) <-chan string {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", w.base+"/dashboard/events?topics="+topics, nil)
	testx.NoErr(w.t, err)
	resp, err := w.http.Do(req)
	testx.NoErr(w.t, err)
	testx.Equal(w.t, resp.StatusCode, http.StatusOK)
	out, done := make(chan string, 16), make(chan struct{})
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() { // the stream is open
		w.t.Fatal("the stream of events has ended")
	}
	go func() {
		defer close(done)
		defer close(out)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				out <- data
			}
		}
	}()
	w.t.Cleanup(func() {
		stop()
		resp.Body.Close() //nolint:errcheck // it was left
		for range out {   // what nobody asked for
		}
		<-done
	})
	return out
}
