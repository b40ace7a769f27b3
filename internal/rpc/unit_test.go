package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	amqp "github.com/rabbitmq/amqp091-go"

	"nubo/internal/auth"
	"nubo/internal/clock"
	"nubo/internal/fault"
	"nubo/internal/testx"
)

// inner gives the inner message of a body as encoding/json reads it.
func inner(t *testing.T, body []byte) string {
	t.Helper()
	var outer map[string]string
	testx.NoErr(t, json.Unmarshal(body, &outer))
	testx.Equal(t, outer["oslo.version"], "2.0")
	testx.Equal(t, len(outer), 2)
	if !json.Valid([]byte(outer["oslo.message"])) {
		t.Fatalf("not JSON: %s", outer["oslo.message"])
	}
	return outer["oslo.message"]
}

func TestEncodeRequest(t *testing.T) {
	t.Parallel()
	caller := &auth.Context{UserID: "u1", ProjectID: "p1", Roles: []string{"member", "reader"}, RequestID: "req-1", Token: "tok"}
	tests := []struct {
		name   string
		r      request
		args   any
		caller *auth.Context
		want   string
	}{
		{"call", request{method: "m", version: "1.0", msgID: "i", replyQ: "reply_1", uniqueID: "u"}, map[string]any{"a": `<"\`}, &auth.Context{},
			`{"method":"m","args":{"a":"<\"\\"},"version":"1.0","_msg_id":"i","_reply_q":"reply_1","_timeout":null,"_unique_id":"u"}`},
		{"monitored", request{method: "m", namespace: "n", version: "1.0", msgID: "i", replyQ: "q", uniqueID: "u", monitor: 2.5}, nil, &auth.Context{},
			`{"method":"m","args":{},"namespace":"n","version":"1.0","_msg_id":"i","_reply_q":"q","_timeout":3,"_unique_id":"u"}`},
		{"cast", request{method: "m", uniqueID: "u"}, struct{}{}, caller, `{"method":"m","args":{},"_unique_id":"u",` +
			`"_context_user":"u1","_context_project_id":"p1","_context_system_scope":null,"_context_project":"p1","_context_domain":null,` +
			`"_context_user_domain":null,"_context_project_domain":null,"_context_is_admin":false,"_context_read_only":false,` +
			`"_context_show_deleted":false,"_context_auth_token":"tok","_context_request_id":"req-1","_context_global_request_id":null,` +
			`"_context_resource_uuid":null,"_context_roles":["member","reader"],"_context_user_identity":"u1 p1 - - -",` +
			`"_context_is_admin_project":true,"_context_user_id":"u1","_context_user_name":null,"_context_user_domain_name":null,` +
			`"_context_project_name":null,"_context_project_domain_name":null,"_context_domain_name":null,"_context_service_roles":[]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body, err := encodeRequest(&tt.r, tt.args, tt.caller)
			testx.NoErr(t, err)
			testx.Equal(t, inner(t, body), tt.want)
		})
	}
	for _, args := range []any{7, []int{1}, "text", func() {}} {
		if _, err := encodeRequest(&request{method: "m"}, args, &auth.Context{}); err == nil {
			t.Errorf("arguments %T: want an error", args)
		}
	}
}

func TestContextRoundTrip(t *testing.T) {
	t.Parallel()
	for _, c := range []auth.Context{
		{},
		{UserID: "u", UserName: "Úna", UserDomainID: "d1", UserDomainName: "D1", ProjectID: "p", ProjectName: "P", ProjectDomainID: "d2",
			ProjectDomainName: "D2", Roles: []string{"a", "b"}, IsAdmin: true, ServiceRoles: []string{"s"}, RequestID: "req-1",
			GlobalRequestID: "req-0", Token: "t", ExpiresAt: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)},
		{UserID: "u", DomainID: "d", DomainName: "D", RequestID: "r"},
		{UserID: "u", System: true, RequestID: "r"},
	} {
		body, err := encodeRequest(&request{method: "m"}, nil, &c)
		testx.NoErr(t, err)
		r, err := decodeRequest(body)
		testx.NoErr(t, err)
		testx.Equal(t, r.caller, c)
	}
}

func TestDecodeRequestOfPython(t *testing.T) {
	t.Parallel()
	r, err := decodeRequest([]byte(`{"oslo.version": "2.0", "oslo.message": "{\"method\": \"ping\", \"args\": {\"a\": \"\\u00e9\"}, \"version\": \"1.2\", \"_msg_id\": \"5\", \"_reply_q\": \"reply_6\", \"_timeout\": 30, \"_unique_id\": \"7\", \"_context_tenant\": \"p\", \"_context_roles\": null}"}`))
	testx.NoErr(t, err)
	testx.Equal(t, []string{r.method, string(r.args), r.version, r.msgID, r.replyQ, r.uniqueID, r.caller.ProjectID},
		[]string{"ping", `{"a": "\u00e9"}`, "1.2", "5", "reply_6", "7", "p"})
	testx.Equal(t, r.monitor, 30.0)

	for _, body := range []string{``, `null`, `[]`, `{}`, `{"oslo.version":"3.0","oslo.message":"{\"method\":\"m\"}"}`,
		`{"oslo.version":"2.0","oslo.message":"{"}`, `{"oslo.version":"2.0","oslo.message":7}`} {
		if _, err := decodeRequest([]byte(body)); err == nil {
			t.Errorf("decodeRequest(%s): want an error", body)
		}
	}
}

func TestCompatible(t *testing.T) {
	t.Parallel()
	tests := []struct {
		have, want string
		ok         bool
	}{
		{"1.3", "1.3", true}, {"1.3", "1.0", true}, {"1.3", "1.4", false}, {"1.3", "2.0", false}, {"2.0", "1.9", false}, {"1.10", "1.9", true},
		{"", "1.0", true}, {"", "1.1", false}, {"1.3.1", "1.3.2", false}, {"1.3.2", "1.3.1", true}, {"1.4", "1.3.9", true},
		{"1.3", "1.3.1", false}, {"1.3", "", false}, {"1.3", "x", false}, {"1.3", "1", false}, {"1.3", "1.", false}, {"1.3", "1.3.0.0", false},
	}
	for _, tt := range tests {
		if got := compatible(tt.have, tt.want); got != tt.ok {
			t.Errorf("compatible(%q, %q) = %v", tt.have, tt.want, got)
		}
	}
}

func TestFailureRoundTrip(t *testing.T) {
	t.Parallel()
	conflict := fault.Conflictf("It is %q.", "busy").WithType("PortInUse")
	remote := &RemoteError{Class: "ValueError", Module: "builtins", Message: "oops", Traceback: []string{"line\n"},
		Args: json.RawMessage(`["oops"]`), Kwargs: json.RawMessage(`{}`)}
	tests := []struct {
		name      string
		err, want error
	}{
		{"fault", conflict, conflict},
		{"kind with two words", fault.New(fault.OverQuota, "no more"), fault.New(fault.OverQuota, "no more")},
		{"cause", fault.Invalidf("bad").WithCause(errors.New("deep")), fault.Invalidf("bad").WithCause(errors.New("deep"))},
		{"wrapped", fmt.Errorf("attach: %w", conflict),
			&fault.Error{Kind: fault.Conflict, Type: "PortInUse", Msg: conflict.Msg, Err: errors.New(`attach: It is "busy".`)}},
		{"unclassified", errors.New("disk on fire"), fault.New(fault.Internal, "disk on fire")},
		{"remote", fmt.Errorf("call: %w", remote), remote},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := decodeFailure(encodeFailure(tt.err))
			testx.Equal(t, got.Error(), tt.want.Error())
			testx.Equal(t, got, tt.want, cmpopts.IgnoreFields(fault.Error{}, "Err"))
		})
	}
	testx.Equal(t, decodeFailure([]byte(`no JSON`)).Error(), "remote error: RemoteError: unreadable failure: no JSON")
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		url  string
		want []endpoint
	}{
		{"rabbit://u:p@h:1/v", []endpoint{{"h:1", "u", "p", "v", false}}},
		{"rabbit://u:p%40%2F@a,b:7/%2Fx", []endpoint{{"a:5672", "u", "p@/", "/x", false}, {"b:7", "u", "p@/", "/x", false}}},
		{"amqp://u:p@a,v:q@b/", []endpoint{{"a:5672", "u", "p", "/", false}, {"b:5672", "v", "q", "/", false}}},
		{"amqps://h", []endpoint{{"h:5671", "guest", "guest", "/", true}}},
		{"rabbit://[::1]:9/", []endpoint{{"[::1]:9", "guest", "guest", "/", false}}},
		{"rabbit://[::1]?heartbeat=5", []endpoint{{"[::1]:5672", "guest", "guest", "/", false}}},
	}
	for _, tt := range tests {
		got, err := parseURL(tt.url)
		testx.NoErr(t, err)
		testx.Equal(t, got, tt.want, cmpopts.EquateComparable(endpoint{}))
	}
	for _, url := range []string{"", "h:5672", "http://h", "rabbit://", "rabbit://u:%zz@h", "rabbit://h/%zz", "rabbit://a,,b"} {
		if got, err := parseURL(url); err == nil {
			t.Errorf("parseURL(%q) = %v; want an error", url, got)
		}
	}
}

func TestFirstNode(t *testing.T) {
	t.Parallel()
	got, err := FirstNode("rabbit://u:p%40@[::1]:1,other/")
	testx.NoErr(t, err)
	testx.Equal(t, got, Node{"::1", "u", "p@"})
	_, err = FirstNode("rabbit://")
	testx.Equal(t, err != nil, true)
}

func FuzzParseURL(f *testing.F) {
	f.Add("rabbit://u:p@[::1]:1,b/v?x=1")
	f.Fuzz(func(t *testing.T, url string) {
		es, err := parseURL(url)
		for _, e := range es {
			if err != nil || e.addr == "" {
				t.Errorf("%q: %+v, %v", url, e, err)
			}
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for i := range 12 {
		got = append(got, backoff(i)/time.Millisecond)
	}
	testx.Equal(t, got, []time.Duration{0, 50, 100, 200, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWindow()
	d := func(tag uint64) amqp.Delivery { return amqp.Delivery{DeliveryTag: tag} }
	enter := func(id string, tag uint64, run, done bool) {
		t.Helper()
		r, e := w.enter(id, d(tag))
		testx.Equal(t, []bool{r, e}, []bool{run, done})
	}
	enter("a", 1, true, false)
	enter("a", 2, false, false) // it is running
	testx.Equal(t, w.settle("a", d(1), false).DeliveryTag, uint64(2))
	enter("a", 3, false, true)
	enter("b", 4, true, false)
	testx.Equal(t, w.settle("b", d(4), true).DeliveryTag, uint64(4))
	enter("b", 5, true, false) // it was put back
	enter("", 6, true, false)
	enter("", 7, true, false) // without an id nothing is a repeat
	for i := range windowSize - 2 {
		enter("x"+strconv.Itoa(i), 8, true, false)
	}
	enter("b", 9, false, false)
	enter("a", 10, true, false) // forgotten
	if len(w.seen) > windowSize {
		t.Errorf("%d ids are remembered", len(w.seen))
	}
}

func TestDeadQueues(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	q := newDeadQueues(clock.Func(func() time.Time { return now }))
	q.add("first")
	now = now.Add(deadQueueTTL - 1)
	testx.Equal(t, q.has("first"), true)
	now = now.Add(1)
	testx.Equal(t, q.has("first"), false)
	for i := range deadQueueLimit + 1 {
		now = now.Add(1)
		q.add(strconv.Itoa(i))
	}
	testx.Equal(t, []bool{q.has("0"), q.has("1"), q.has(strconv.Itoa(deadQueueLimit))}, []bool{false, true, true})
}
