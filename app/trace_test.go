package app

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nubo/internal/testx"
	"nubo/internal/trace"
)

// traceAnswer is what the dashboard shows of a trace.
type traceAnswer struct {
	Trace string `json:"trace_id"`
	Whole bool
	Spans []trace.Span
}

// traceOf asks the dashboard for a trace as long as it takes until it has
// all hops: a span is there once it has ended.
func (w *browser) traceOf(request string, hops ...string) traceAnswer {
	w.t.Helper()
	var out traceAnswer
	testx.Eventually(w.t, "the trace of "+request, func() bool {
		status, body := w.do("GET", "/dashboard/traces/"+request, nil)
		if status != http.StatusOK {
			return false
		}
		out = traceAnswer{}
		testx.NoErr(w.t, json.Unmarshal([]byte(body), &out))
		return !slices.ContainsFunc(hops, func(hop string) bool { return out.find(hop) < 0 })
	})
	return out
}

// describe is a span as one line: kind service name exchange key queue.
func describeSpan(s trace.Span) string {
	return strings.Join([]string{string(s.Kind), s.Service, s.Name, s.Exchange, s.Key, s.Queue}, " ")
}

// find gives the index of the first span that a hop describes by its
// beginning; -1 if there is none.
func (a traceAnswer) find(hop string) int {
	return slices.IndexFunc(a.Spans, func(s trace.Span) bool { return strings.HasPrefix(describeSpan(s), hop) })
}

// above reports whether a span hangs, over any number of others, on another.
func (a traceAnswer) above(upper, lower trace.Span) bool {
	byID := map[trace.ID]trace.Span{}
	for _, s := range a.Spans {
		byID[s.ID] = s
	}
	for lower.Parent != 0 {
		if lower.Parent == upper.ID {
			return true
		}
		lower = byID[lower.Parent]
	}
	return false
}

// createHops are the hops of a server's creation, by when they begin. Each
// hangs on the one of the number given.
var createHops = []struct {
	hop   string
	above int
}{
	{"http.server compute-api POST /v2.1/servers", -1},
	{"http.client compute-api GET /v2.0/networks", 0},
	{"http.server network-api GET /v2.0/networks", 1},
	{"sql network-api SELECT … FROM networks", 2},
	{"rpc.cast compute-api schedule_and_build_instances nova conductor", 0},
	{"rpc.handle compute-conductor schedule_and_build_instances nova conductor conductor", 4},
	{"rpc.call compute-conductor select_destinations nova scheduler", 5},
	{"rpc.handle compute-scheduler select_destinations nova scheduler scheduler", 6},
	{"http.client compute-scheduler GET /allocation_candidates", 7},
	{"http.server placement GET /allocation_candidates", 8},
	{"http.client compute-scheduler PUT /allocations/", 7},
	{"rpc.cast compute-conductor build_and_run_instance nova compute.sim0", 5},
	{"rpc.handle compute-agent build_and_run_instance nova compute.sim0 compute.sim0", 11},
	{"http.client compute-agent POST /v2.0/ports", 12},
	{"http.server network-api POST /v2.0/ports", 13},
	{"rpc.notify network-api port.create.end neutron notifications.info", 14},
	{"native compute-agent simulated: spawn", 12},
	{"rpc.call compute-agent instance_update nova conductor", 12},
	{"rpc.cast network-api resources_changed neutron network_agent", 14},
	{"rpc.handle network-agent resources_changed neutron network_agent.sim0 network_agent.sim0", 18},
	{"native network-agent simulated: apply port", 19},
}

// volumeHops are those of its volume.
var volumeHops = []string{
	"http.client compute-agent PUT /v3/attachments/", "http.server volume-api PUT /v3/attachments/",
	"rpc.call volume-api attachment_update openstack cinder-volume.", "rpc.handle volume-manager attachment_update openstack cinder-volume.",
	"native volume-manager simulated: export",
}

func TestTraceOfAServer(t *testing.T) {
	b := testCloud(t, "")
	s := newSeed(b)
	volume := s.id(s.aMember, "volume", "/v3/"+s.aMember.project+"/volumes", obj{"volume": obj{"size": 1, "imageRef": s.value("image", "image_id")}}, "volume/id")
	s.available(s.aMember, volume)
	r := b.do(call{who: s.aMember, service: "compute", method: "POST", path: "/v2.1/servers", body: obj{"server": obj{
		"name": "traced", "flavorRef": s.roomy, "networks": arr{obj{"uuid": s.network("networks")}},
		"block_device_mapping_v2": arr{obj{"boot_index": 0, "uuid": volume, "source_type": "volume", "destination_type": "volume"}},
	}}})
	testx.Equal(t, r.status, http.StatusAccepted)
	request := r.header.Get("X-Openstack-Request-Id")
	var made struct{ Server struct{ ID string } }
	testx.NoErr(t, json.Unmarshal(r.body, &made))
	hops := slices.Clone(volumeHops)
	for _, h := range createHops {
		hops = append(hops, h.hop)
	}
	admin := newBrowser(t, b)
	admin.signIn("admin", b.c.sec.AdminPassword)
	whole := admin.traceOf(request, hops...)
	t.Run("the hops hang together", func(t *testing.T) { hangTogether(t, whole, request) })
	member := newBrowser(t, b)
	member.signIn("memberA", "password of memberA")
	t.Run("its project sees it without the cloud's insides", func(t *testing.T) {
		mine := member.traceOf(request)
		testx.Equal(t, mine.Whole, false)
		if mine.find("http.server compute-api POST /v2.1/servers") < 0 || mine.find("rpc.handle compute-agent build_and_run_instance") < 0 {
			t.Errorf("hops are missing: %v", mine.Spans)
		}
		for _, s := range mine.Spans {
			if s.Kind == trace.SQL || s.Host+s.Key+s.Queue+s.Exchange != "" {
				t.Errorf("a member sees %s of host %s", describeSpan(s), s.Host)
			}
		}
	})
	t.Run("the server's requests", func(t *testing.T) {
		for _, w := range []*browser{admin, member} {
			status, body := w.do("GET", "/dashboard/traces?server="+made.Server.ID, nil)
			testx.Equal(t, status, http.StatusOK)
			var out struct{ Requests []trace.Span }
			testx.NoErr(t, json.Unmarshal([]byte(body), &out))
			testx.Equal(t, len(out.Requests), 1)
			testx.Equal(t, []string{out.Requests[0].Request, out.Requests[0].Name}, []string{request, "POST /v2.1/servers"})
		}
	})
	foreigner := newBrowser(t, b)
	foreigner.signIn("memberB", s.bPassword)
	t.Run("others do not", func(t *testing.T) {
		for path, want := range map[string]int{
			"traces/" + request: 404, "traces/req-" + absent: 404, "traces/x": 400, "traces?server=" + made.Server.ID: 404, "traces?server=..": 400,
			"traces?limit=0": 400, "traces?slower=-1": 400, "rpc-map": 403,
		} {
			if status, body := foreigner.do("GET", "/dashboard/"+path, nil); status != want {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		// A request of his own that bears the other's id shows him no more.
		r := b.do(call{who: s.bMember, service: "compute", method: "GET", path: "/v2.1/servers", header: map[string]string{"X-Openstack-Request-Id": request}})
		own := r.header.Get("X-Openstack-Request-Id")
		for _, s := range foreigner.traceOf(own).Spans {
			if s.Name == "POST /v2.1/servers" || s.Kind == trace.Handle {
				t.Errorf("somebody else's hop is shown: %s", describeSpan(s))
			}
		}
		status, body := foreigner.do("GET", "/dashboard/traces?reads=true&limit=500", nil)
		if status != http.StatusOK || strings.Contains(body, request+`","id`) || !strings.Contains(body, own) {
			t.Errorf("the list of his requests is %d %s", status, body)
		}
	})
	t.Run("the RPC map", func(t *testing.T) {
		status, body := admin.do("GET", "/dashboard/rpc-map", nil)
		testx.Equal(t, status, http.StatusOK)
		for _, want := range []string{
			`"caller":"compute-conductor","kind":"rpc.call","exchange":"nova","topic":"scheduler","method":"select_destinations"`,
			`"caller":"compute-scheduler","kind":"rpc.handle","exchange":"nova","topic":"scheduler","method":"select_destinations"`,
			`"caller":"compute-agent","kind":"rpc.call","exchange":"nova","topic":"conductor","method":"service_heartbeat"`,
			`"caller":"compute-conductor","kind":"rpc.cast","exchange":"nova","topic":"compute","method":"build_and_run_instance"`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("the map has no %s", want)
			}
		}
	})
}

// hangTogether checks that each hop is there, below its cause, in its time.
func hangTogether(t *testing.T, whole traceAnswer, request string) {
	testx.Equal(t, []any{whole.Trace, whole.Whole}, []any{request, true})
	for i, h := range createHops {
		at := whole.find(h.hop)
		one := whole.Spans[at]
		if h.above < 0 {
			testx.Equal(t, one.Parent, trace.ID(0))
			continue
		}
		cause := whole.Spans[whole.find(createHops[h.above].hop)]
		if !whole.above(cause, one) {
			t.Errorf("hop %d, %s, does not hang on %s", i, describeSpan(one), describeSpan(cause))
		}
		if one.Start.Before(cause.Start) {
			t.Errorf("hop %d, %s, began before its cause", i, describeSpan(one))
		}
		asynchronous := cause.Kind == trace.Cast || one.Kind == trace.Handle && cause.Kind == trace.Cast
		if !asynchronous && one.Start.Add(one.Duration).After(cause.Start.Add(cause.Duration)) {
			t.Errorf("hop %d, %s, ended after its cause", i, describeSpan(one))
		}
	}
	for _, s := range whole.Spans {
		if s.Kind == trace.SQL && strings.Contains(s.Name, "'") {
			t.Errorf("a statement shows values: %s", s.Name)
		}
	}
}
