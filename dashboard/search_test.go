package dashboard

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nubo/internal/auth"
	"nubo/internal/testx"
)

// asked is a component that answers each path with what it was given, and
// keeps what it was asked.
type asked struct {
	mu   sync.Mutex
	got  []string // guarded by mu
	says map[string]string
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.got = append(a.got, r.URL.RequestURI())
	a.mu.Unlock()
	answer, ok := a.says[r.URL.Path]
	switch {
	case !ok:
		http.Error(w, `{"error":{"message":"none"}}`, http.StatusNotFound)
	case answer == "":
		http.Error(w, `{"error":{"message":"broken"}}`, http.StatusInternalServerError)
	default:
		_, _ = fmt.Fprint(w, answer)
	}
}

// searching gives a dashboard with one component, and what asks its search as
// somebody whom the rules allow.
func searching(t *testing.T, says map[string]string, rules ...string) (*asked, func(text string) (int, string)) {
	t.Helper()
	a := &asked{says: says}
	component := httptest.NewServer(a)
	t.Cleanup(component.Close)
	s := newService(t, nil)
	for _, name := range []string{"identity", "image", "compute", "network", "volume"} {
		s.services[name] = Endpoint{Endpoint: component.URL}
	}
	s.http = component.Client()
	s.policies = func() []Explainer { return []Explainer{only(rules)} }
	until := time.Now().Add(time.Hour)
	s.callers.by[sha256.Sum256([]byte("t"))] = knownCaller{&auth.Context{}, until}
	value, err := s.sealer.seal(session{Token: "t", Expires: until})
	testx.NoErr(t, err)
	return a, func(text string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "/dashboard/search?q="+url.QueryEscape(text), nil)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: value})
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

// seenIn gives what an answer found, as KIND NAME DETAIL.
func seenIn(t *testing.T, body string) (out, more []string, errors map[string]*problem) {
	t.Helper()
	var answer struct {
		Found  []found
		More   []string
		Errors map[string]*problem
	}
	testx.NoErr(t, json.Unmarshal([]byte(body), &answer))
	out = []string{}
	for _, f := range answer.Found {
		out = append(out, strings.TrimSpace(f.Kind+" "+f.Name+" "+f.Detail))
	}
	return out, answer.More, answer.Errors
}

func TestSearch(t *testing.T) {
	t.Parallel()
	const id = "8e6591e8-0003-4384-a749-e2b499493066"
	says := map[string]string{
		"/servers/detail":  `{"servers":[{"id":"s1","name":"a web","addresses":{"n":[{"addr":"10.0.0.7"}],"m":[{"addr":"10.0.0.1"}]}},{"id":"s2","name":"Web"},{"id":"s3","name":"other"}]}`,
		"/servers/" + id:   `{"server":{"id":"` + id + `","name":"found"}}`,
		"/os-keypairs":     `{"keypairs":[{"keypair":{"name":"web-key"}},{"keypair":{"name":"more"}}]}`,
		"/v2/images":       `{"images":[{"id":"i1","name":null,"owner":"p"},{"id":"i2","name":"website","owner":"p"}]}`,
		"/v2/images/" + id: `{"id":"` + id + `","name":"picture"}`,
		"/floatingips":     `{"floatingips":[{"id":"f1","floating_ip_address":"203.0.113.10","fixed_ip_address":"10.0.0.7"}]}`,
		"/subnets":         `{"subnets":[{"id":"n1","name":"","cidr":"10.0.0.0/24","network_id":"n"}]}`,
		"/ports":           `{"ports":[{"id":"p1","name":"","fixed_ips":[{"ip_address":"10.0.0.7"}]}]}`,
		"/projects":        `{"projects":[{"id":"x","name":"webshop"}]}`,
		"/os-hypervisors":  `{"hypervisors":[{"id":"h","hypervisor_hostname":"web-host","state":"up"}]}`,
		"/networks":        "",
	}
	for _, tc := range []struct {
		text  string
		rules []string
		want  []string
	}{
		{"web", nil, []string{"server Web", "server a web 10.0.0.1 10.0.0.7", "image website", "keypair web-key"}},
		{"web", []string{"identity:list_projects", "os_compute_api:os-hypervisors:list"},
			[]string{"server Web", "server a web 10.0.0.1 10.0.0.7", "image website", "keypair web-key", "project webshop", "host web-host"}},
		{"10.0.0.", nil, []string{"server a web 10.0.0.1 10.0.0.7", "floatingip  203.0.113.10 10.0.0.7", "subnet  10.0.0.0/24", "port  10.0.0.7"}},
		{" " + id + " ", nil, []string{"server found", "image picture"}},
		{"nothing of it", nil, []string{}},
	} {
		_, search := searching(t, says, tc.rules...)
		code, body := search(tc.text)
		testx.Equal(t, code, http.StatusOK)
		got, _, errors := seenIn(t, body)
		testx.Equal(t, got, tc.want)
		if addressLike.MatchString(tc.text) || strings.Contains(tc.text, id) {
			continue // networks are not asked, or not for that
		}
		testx.Equal(t, errors["network"].Code, http.StatusInternalServerError)
		testx.Equal(t, len(errors), 1)
	}
}

// TestSearchIsBounded holds that no more is told of than one can read, and
// that a list that goes on is also asked for the very name.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	rows := make([]string, wholeList)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":"r%d","name":"many %d"}`, i, i)
	}
	a, search := searching(t, map[string]string{"/routers": `{"routers":[` + strings.Join(rows, ",") + `]}`})
	code, body := search("many")
	testx.Equal(t, code, http.StatusOK)
	got, more, _ := seenIn(t, body)
	testx.Equal(t, len(got), mostFound)
	testx.Equal(t, more, []string{"router"})
	a.mu.Lock()
	defer a.mu.Unlock()
	testx.Equal(t, slices.Contains(a.got, "/routers?name=many"), true)
}

// TestSearchAsksSafely holds that a text cannot leave its place in what the
// components are asked, and that who may not see everybody's does not ask.
func TestSearchAsksSafely(t *testing.T) {
	t.Parallel()
	for rule, everybodys := range map[string]string{"none": "", "os_compute_api:servers:detail:get_all_tenants": "&all_tenants=1"} {
		a, search := searching(t, nil, rule)
		code, _ := search("a.b&x=1#{id}/../")
		testx.Equal(t, code, http.StatusOK)
		a.mu.Lock()
		testx.Equal(t, slices.Contains(a.got, "/servers/detail?name=%28%3Fi%29a%5C.b%26x%3D1%23%5C%7Bid%5C%7D%2F%5C.%5C.%2F&limit=20"+everybodys), true)
		testx.Equal(t, slices.ContainsFunc(a.got, func(path string) bool { return strings.Contains(path, "/projects") || strings.Contains(path, "&x=1") }), false)
		a.mu.Unlock()
	}
	_, search := searching(t, nil)
	for _, text := range []string{"", "a", " a ", strings.Repeat("a", longestSearch+1), "\xff\xff"} {
		code, _ := search(text)
		testx.Equal(t, []any{text, code}, []any{text, http.StatusBadRequest})
	}
}
