package api_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nubo/internal/db/dbtest"
	"nubo/internal/testx"
)

const (
	clients     = 64
	clientSteps = 8
)

// model is what many clients did to the same few things, as they were told.
type model struct {
	*cloud
	url, token string
	http       *http.Client
	role       string
	kept       [2]string // a project and a group that nobody deletes
	people     []string  // users that nobody deletes

	mu     sync.Mutex     // guards what follows
	there  map[string]int // how often a name was created less how often deleted
	id     map[string]string
	tags   []string
	extra  map[string]string
	counts map[string]int // of answers
}

// TestManyClients has 64 clients create, change and delete the same projects,
// users, groups and assignments over HTTP. No update is lost, nothing is there
// twice, nothing refers to what is gone, and no answer is a 5xx.
func TestManyClients(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		manyClients(t, "sqlite://"+filepath.ToSlash(filepath.Join(t.TempDir(), "x.db"))+"?synchronous=off")
	})
	if os.Getenv("NUBO_TEST_POSTGRES") != "" {
		t.Run("postgres", func(t *testing.T) { manyClients(t, dbtest.PostgresURL(t)) })
	}
}

func manyClients(t *testing.T, url string) {
	c := newCloud(t, url)
	server := httptest.NewServer(c.h)
	defer server.Close()
	m := &model{
		cloud: c, url: server.URL, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
		token: c.token("admin", adminPassword, onProject("admin")), there: map[string]int{}, id: map[string]string{}, extra: map[string]string{}, counts: map[string]int{},
	}
	defer m.http.CloseIdleConnections()
	m.role = c.do(m.token, "GET", "/v3/roles?name=reader", "").JSON["roles"].([]any)[0].(map[string]any)["id"].(string)
	m.kept = [2]string{c.make(m.token, "/v3/projects", `{"project":{"name":"kept"}}`), c.make(m.token, "/v3/groups", `{"group":{"name":"kept"}}`)}
	for i := range 4 {
		m.people = append(m.people, c.make(m.token, "/v3/users", fmt.Sprintf(`{"user":{"name":"person%d"}}`, i)))
	}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			for i := range clientSteps {
				m.step(n, i)
			}
		})
	}
	wg.Wait()
	t.Logf("answers: %v", m.counts)
	m.check()
}

// ask sends a request, counts its answer and gives the status.
func (m *model) ask(method, path, body string) (int, string) {
	req, err := http.NewRequest(method, m.url+path, strings.NewReader(body))
	if err != nil {
		m.t.Error(err)
		return 0, ""
	}
	req.Header.Set("X-Auth-Token", m.token)
	resp, err := m.http.Do(req)
	if err != nil {
		m.t.Errorf("%s %s: %v", method, path, err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 500 {
		m.t.Errorf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[fmt.Sprint(method, " ", resp.StatusCode)]++
	return resp.StatusCode, string(b)
}

// step is one thing a client does.
func (m *model) step(n, i int) {
	kind := []string{"project", "user", "group"}[rand.IntN(3)]
	name := fmt.Sprintf("%s%d", kind, rand.IntN(2))
	m.mu.Lock()
	id := m.id[name]
	m.mu.Unlock()
	switch rand.IntN(8) {
	case 0, 1:
		status, body := m.ask("POST", "/v3/"+kind+"s", fmt.Sprintf(`{%q:{"name":%q}}`, kind, name))
		if status == http.StatusCreated {
			_, after, _ := strings.Cut(body, `"id":"`)
			made, _, _ := strings.Cut(after, `"`)
			m.mu.Lock()
			m.there[name]++
			m.id[name] = made
			m.mu.Unlock()
		} else if status != http.StatusConflict {
			m.t.Errorf("create %s: %d %s", name, status, body)
		}
	case 2:
		if status, _ := m.ask("DELETE", "/v3/"+kind+"s/"+id, ""); status == http.StatusNoContent {
			m.mu.Lock()
			m.there[name]--
			m.mu.Unlock()
		}
	case 3:
		m.ask("PATCH", "/v3/"+kind+"s/"+id, fmt.Sprintf(`{%q:{"description":"%d"}}`, kind, n))
	case 4:
		tag := fmt.Sprintf("tag-%d-%d", n, i)
		if status, body := m.ask("PUT", "/v3/projects/"+m.kept[0]+"/tags/"+tag, ""); status != http.StatusCreated {
			m.t.Errorf("tag: %d %s", status, body)
		}
		m.mu.Lock()
		m.tags = append(m.tags, tag)
		m.mu.Unlock()
	case 5:
		key := fmt.Sprintf("key_%d_%d", n, i)
		if status, body := m.ask("PATCH", "/v3/projects/"+m.kept[0], fmt.Sprintf(`{"project":{%q:"x"}}`, key)); status != http.StatusOK {
			m.t.Errorf("change: %d %s", status, body)
		}
		m.mu.Lock()
		m.extra[key] = "x"
		m.mu.Unlock()
	default:
		m.relate(name, kind, id)
	}
}

// relate joins two things, or parts them.
func (m *model) relate(name, kind, id string) {
	person, project, group := m.people[rand.IntN(len(m.people))], m.kept[0], m.kept[1]
	path := "/v3/projects/" + project + "/users/" + person + "/roles/" + m.role
	switch kind {
	case "project":
		path = "/v3/projects/" + id + "/users/" + person + "/roles/" + m.role
	case "user":
		path = "/v3/groups/" + group + "/users/" + id
	case "group":
		path = "/v3/projects/" + project + "/groups/" + id + "/roles/" + m.role
	}
	if strings.HasSuffix(name, "0") {
		path = "/v3/groups/" + group + "/users/" + person
	}
	m.ask([]string{"PUT", "PUT", "DELETE", "HEAD"}[rand.IntN(4)], path, "")
}

// names lists a collection by id.
func (m *model) names(kind string) map[string]string {
	out := map[string]string{}
	for _, v := range m.want(m.do(m.token, "GET", "/v3/"+kind+"s", ""), 200, "").JSON[kind+"s"].([]any) {
		o := v.(map[string]any)
		out[o["id"].(string)] = o["name"].(string)
	}
	return out
}

func (m *model) check() {
	m.t.Helper()
	ids := map[string]map[string]string{}
	for _, kind := range []string{"project", "user", "group"} {
		ids[kind] = m.names(kind)
		for i := range 2 {
			name, n := fmt.Sprintf("%s%d", kind, i), 0
			for _, other := range ids[kind] {
				if other == name {
					n++
				}
			}
			if n != m.there[name] {
				m.t.Errorf("%s was created %d times more than deleted, and is there %d times", name, m.there[name], n)
			}
		}
	}
	kept := m.do(m.token, "GET", "/v3/projects/"+m.kept[0], "").JSON["project"].(map[string]any)
	for _, tag := range m.tags {
		if !slices.Contains(kept["tags"].([]any), any(tag)) {
			m.t.Errorf("tag %s is lost", tag)
		}
	}
	testx.Equal(m.t, len(kept["tags"].([]any)), len(m.tags))
	for key, v := range m.extra {
		if kept[key] != v {
			m.t.Errorf("attribute %s is lost", key)
		}
	}
	for _, v := range m.do(m.token, "GET", "/v3/role_assignments", "").JSON["role_assignments"].([]any) {
		a := v.(map[string]any)
		scope := a["scope"].(map[string]any)
		for kind, of := range map[string]map[string]any{"user": a, "group": a, "project": scope} {
			if ref, ok := of[kind].(map[string]any); ok && ids[kind][ref["id"].(string)] == "" {
				m.t.Errorf("an assignment refers to %s %v, which is gone", kind, ref["id"])
			}
		}
	}
	for _, v := range m.do(m.token, "GET", "/v3/groups/"+m.kept[1]+"/users", "").JSON["users"].([]any) {
		if id := v.(map[string]any)["id"].(string); ids["user"][id] == "" {
			m.t.Errorf("the group has user %s, who is gone", id)
		}
	}
}
