package app

import (
	"net/http"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// TestDashboardBroker looks at the broker's pages as an administrator and as
// a member.
func TestDashboardBroker(t *testing.T) {
	b := testCloud(t, "")
	admin := newBrowser(t, b)
	admin.signIn("admin", b.c.sec.AdminPassword)
	const api = "/dashboard/api/messaging"

	t.Run("names with slashes survive", func(t *testing.T) {
		for _, step := range []struct {
			method, path string
			body         any
			want         int
		}{
			{"PUT", "/vhosts/a%2Fb", map[string]any{}, http.StatusCreated},
			{"PUT", "/queues/a%2Fb/c%2Fd%3F%25", map[string]any{"durable": true}, http.StatusCreated},
			{"POST", "/exchanges/a%2Fb/amq.default/publish", map[string]any{"properties": map[string]any{}, "routing_key": "c/d?%", "payload": "x", "payload_encoding": "string"}, http.StatusOK},
			{"GET", "/queues/a%2Fb/c%2Fd%3F%25", nil, http.StatusOK},
			{"GET", "/queues/a%2Fb/c", nil, http.StatusNotFound},
			{"PUT", "/queues/none/q", map[string]any{}, http.StatusNotFound},
		} {
			status, body := admin.do(step.method, api+step.path, step.body)
			if status != step.want {
				t.Errorf("%s %s: %d %s; want %d", step.method, step.path, status, body, step.want)
			}
		}
		status, body := admin.do("GET", "/dashboard/pages/broker-queue?vhost=a%2Fb&name=c%2Fd%3F%25&age=60&incr=5", nil)
		if status != http.StatusOK || !strings.Contains(body, `"messages_ready":1`) || !strings.Contains(body, `"samples":[{`) {
			t.Errorf("%d %s", status, body)
		}
		_, body = admin.do("GET", "/dashboard/pages/broker-queues?vhost=a%2Fb&limit=10&name=none", nil)
		testx.Equal(t, strings.Contains(body, `"filtered_count":0`), true)
	})
	t.Run("a write needs the page's header", func(t *testing.T) {
		status, _ := admin.do("DELETE", api+"/vhosts/a%2Fb", nil, func(r *http.Request) { r.Header.Del("X-Nubo-Dashboard") })
		testx.Equal(t, status, http.StatusForbidden)
	})
	t.Run("what another does is told", func(t *testing.T) {
		ticks := admin.events("none&ticks=broker")
		for range 2 { // one may be of what was before
			if e := <-ticks; e != `{"topic":"broker"}` {
				t.Fatalf("the event is %s", e)
			}
			status, _ := admin.do("PUT", api+"/queues/%2F/another", map[string]any{})
			testx.Equal(t, status < 300, true)
		}
		status, _ := admin.do("GET", "/dashboard/events?ticks=none", nil)
		testx.Equal(t, status, http.StatusBadRequest)
	})
	t.Run("a member", func(t *testing.T) {
		dashboardMember(t, b, admin)
		pupil := newBrowser(t, b)
		pupil.signIn("pupil", "pupil-pw")
		for _, path := range []string{"/dashboard/pages/broker-overview", "/dashboard/pages/broker-queues", api + "/overview", api + "/queues/%2F/another", "/dashboard/events?ticks=broker"} {
			status, body := pupil.do("GET", path, nil)
			if status != http.StatusForbidden {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		status, _ := pupil.do("DELETE", api+"/queues/%2F/another", nil)
		testx.Equal(t, status, http.StatusForbidden)
		status, _ = admin.do("GET", api+"/queues/%2F/another", nil)
		testx.Equal(t, status, http.StatusOK)
		_, body := pupil.do("GET", "/dashboard/can?rules=dashboard:broker", nil)
		testx.Equal(t, strings.Contains(body, `"allowed":false`), true)
		_, body = admin.do("GET", "/dashboard/can?rules=dashboard:broker", nil)
		testx.Equal(t, strings.Contains(body, `"allowed":true`), true)
	})
}
