package management_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/queue"
	"nubo/broker/vhost"
	"nubo/internal/testx"
)

// declare makes queues without the API.
func (a *api) declare(names ...string) {
	a.t.Helper()
	v, err := a.b.VHost("/")
	testx.NoErr(a.t, err)
	for _, name := range names {
		if _, err := v.DeclareQueue(vhost.QueueSpec{Name: name, Flags: queue.Flags{Durable: true}, Args: amqp.Table{"x-max-length": int64(len(name))}}, nil); err != nil {
			a.t.Fatal(err)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.declare("alpha", "Beta", "gamma.1", "gamma.22", "delta")
	names := func(query string) string {
		t.Helper()
		var items []object
		if strings.Contains(query, "page=") {
			items = get[struct{ Items []object }](a, "queues?"+query).Items
		} else {
			items = get[[]object](a, "queues?"+query)
		}
		var list []string
		for _, o := range items {
			list = append(list, fmt.Sprint(o["name"]))
		}
		return strings.Join(list, " ")
	}
	for query, want := range map[string]string{
		"":                                  "Beta alpha delta gamma.1 gamma.22",
		"page=1&page_size=2":                "Beta alpha",
		"page=3&page_size=2":                "gamma.22",
		"page=1&name=GAMMA":                 "gamma.1 gamma.22",
		"page=1&name=^.{5}$&use_regex=true": "alpha delta",
		"name=gamma":                        "Beta alpha delta gamma.1 gamma.22", // filters need a page
		"sort=name&sort_reverse=true":       "gamma.22 gamma.1 delta alpha Beta",
		"sort=arguments.x-max-length":       "Beta alpha delta gamma.1 gamma.22",
		"page=1&page_size=1&sort=arguments.x-max-length&sort_reverse=true": "gamma.22",
		"sort=none":    "Beta alpha delta gamma.1 gamma.22",
		"columns=name": "Beta alpha delta gamma.1 gamma.22",
	} {
		testx.Equal(t, []string{query, names(query)}, []string{query, want})
	}
	page := get[object](a, "queues?page=2&page_size=2&name=a&columns=name")
	delete(page, "items")
	testx.Equal(t, page, object{
		"page": 2.0, "page_count": 3.0, "page_size": 2.0, "item_count": 2.0, "filtered_count": 5.0, "total_count": 5.0,
	})
	got := get[object](a, "queues/%2F/delta?columns=name,arguments.x-max-length,messages_details.rate,none.at.all")
	testx.Equal(t, got, object{"name": "delta", "arguments": object{"x-max-length": 5.0}, "messages_details": object{"rate": 0.0}})
}

// TestWhoSeesWhat shows users what their tags and permissions let them see.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.want(201, "PUT", "vhosts/mine", "")
	a.want(201, "PUT", "queues/mine/q", `{}`)
	a.declare("theirs")
	for _, tag := range []string{"management", "policymaker", "monitoring"} {
		a.want(201, "PUT", "users/"+tag, `{"password":"`+tag+`","tags":"`+tag+`"}`)
		a.want(201, "PUT", "permissions/mine/"+tag, `{"configure":"^q","write":"","read":".*"}`)
	}
	for name, want := range map[string]int{"management": 1, "policymaker": 1, "monitoring": 2} {
		testx.Equal(t, len(get[[]object](a.as(name), "vhosts")), want)
		testx.Equal(t, len(get[[]object](a.as(name), "queues")), want)
		testx.Equal(t, get[object](a.as(name), "overview")["node"] != nil, name == "monitoring")
	}
	for _, tc := range []struct {
		as, method, path, body string
		status                 int
	}{
		{"management", "PUT", "queues/mine/q2", `{}`, 201},
		{"management", "PUT", "queues/mine/other", `{}`, 401},
		{"management", "PUT", "queues/%2F/q2", `{}`, 401},
		{"management", "DELETE", "queues/mine/q2", "", 204},
		{"management", "POST", "exchanges/mine/amq.direct/publish", `{"properties":{},"routing_key":"","payload":"","payload_encoding":"string"}`, 400},
		{"management", "POST", "bindings/mine/e/amq.direct/q/q", `{}`, 401},
		{"management", "PUT", "policies/mine/p", `{"pattern":"","definition":{"max-length":1}}`, 401},
		{"policymaker", "PUT", "policies/mine/p", `{"pattern":"","definition":{"max-length":1}}`, 201},
		{"policymaker", "PUT", "policies/%2F/p", `{"pattern":"","definition":{"max-length":1}}`, 401},
		{"policymaker", "PUT", "operator-policies/mine/p", `{"pattern":"","definition":{"max-length":1}}`, 401},
		{"policymaker", "PUT", "global-parameters/p", `{"value":1}`, 201},
		{"management", "GET", "nodes", "", 401},
		{"policymaker", "GET", "nodes", "", 401},
		{"monitoring", "GET", "nodes", "", 200},
		{"monitoring", "GET", "users", "", 401},
		{"monitoring", "GET", "definitions", "", 401},
		{"monitoring", "PUT", "vhosts/new", "", 401},
		{"monitoring", "DELETE", "vhosts/mine", "", 401},
	} {
		got := a.as(tc.as).do(tc.method, tc.path, tc.body)
		testx.Equal(t, []any{tc.as, tc.method, tc.path, got.status}, []any{tc.as, tc.method, tc.path, tc.status})
	}
}

// TestManyQueues lists ten thousand queues while messages go on flowing.
func TestManyQueues(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	names := make([]string, 10000)
	for i := range names {
		names[i] = fmt.Sprintf("q%05d", i)
	}
	a.declare(names...)
	stop, published := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				published <- n
				return
			default:
			}
			if _, err := a.b.Publish("/", broker.Publication{RoutingKey: "q00007"}); err != nil {
				t.Error(err)
			}
			n++
		}
	}()
	page := get[struct {
		Items []object
		Total int `json:"total_count"`
	}](a, "queues?page=100&page_size=100")
	testx.Equal(t, []any{page.Total, len(page.Items), page.Items[99]["name"]}, []any{10000, 100, "q09999"})
	testx.Equal(t, len(get[[]json.RawMessage](a, "queues")), 10000)
	close(stop)
	if n := <-published; n < 10 {
		t.Errorf("%d messages went through while queues were listed", n)
	}
}

func BenchmarkQueues(b *testing.B) {
	a := newAPI(b)
	names := make([]string, 10000)
	for i := range names {
		names[i] = fmt.Sprintf("q%05d", i)
	}
	a.declare(names...)
	for name, path := range map[string]string{"all": "queues", "page": "queues?page=50&page_size=100", "sorted": "queues?page=1&page_size=100&sort=messages"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a.want(200, "GET", path, "")
			}
		})
	}
}

// FuzzQuery lists with any parameters: what cannot be is the client's fault.
func FuzzQuery(f *testing.F) {
	a := newAPI(f)
	a.declare("a", "b", "c")
	for _, seed := range []string{
		"page=1&page_size=2&name=a&use_regex=true&sort=name&sort_reverse=true&columns=name,arguments.x-max-length",
		"lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5", "columns=,.,..", "sort=message_stats.publish_details.rate",
		"page=-1", "page=99999999999999999999", "msg_rates_age=1&msg_rates_incr=2", "disable_stats=true", "page=1&page_size=0", "%",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		a := *a
		a.t = t
		for _, path := range []string{"queues", "exchanges", "vhosts", "queues/%2F/a", "overview"} {
			if got := a.query(path, query); got.status != 200 && got.status != 400 {
				t.Errorf("%s?%s: got %d %s", path, query, got.status, got.body)
			}
		}
	})
}

// bodies are paths that take a body.
var bodies = []string{
	"PUT queues/%2F/q", "PUT exchanges/%2F/x", "POST bindings/%2F/e/amq.direct/q/a", "POST exchanges/%2F/amq.default/publish",
	"POST queues/%2F/a/get", "PUT policies/%2F/p", "PUT operator-policies/%2F/p", "PUT parameters/shovel/%2F/s", "PUT global-parameters/g",
	"PUT users/u", "PUT permissions/%2F/u", "PUT topic-permissions/%2F/u", "PUT vhosts/v", "PUT vhost-limits/%2F/max-queues",
	"PUT user-limits/guest/max-channels", "POST definitions", "POST definitions/%2F", "PUT cluster-name", "POST users/bulk-delete",
}

// FuzzBody sends any body anywhere: it is taken or refused, and never the
// broker's failure.
func FuzzBody(f *testing.F) {
	a := newAPI(f)
	a.declare("a")
	for i := range bodies {
		for _, seed := range []string{
			``, `null`, `[]`, `{`, `{"value":100,"name":"x"}`, `{"properties":{"headers":{"a":[1,{"b":null}]},"timestamp":1},"routing_key":"a","payload":"x","payload_encoding":"string"}`,
			`{"count":1,"ackmode":"ack_requeue_true","encoding":"auto","truncate":-1}`, `{"pattern":"(","definition":{"max-length":1e99}}`,
			`{"queues":[{"name":"\u0000","vhost":"/"}]}`, `{"users":[{"name":"u","limits":{"max-channels":1}}],"parameters":[{"component":"operator_policy","value":[]}]}`,
			`{"durable":"x","arguments":{"x-max-priority":300,"x-queue-type":"quorum"}}`, `{"type":7,"arguments":[1]}`, `{"tags":[1],"password":2}`,
			`{"configure":".*","write":".*","read":".*","exchange":"x"}`, `{"bindings":[{"source":"amq.direct","destination":"a","destination_type":"queue","vhost":"/","arguments":{"x":[[]]}}]}`,
		} {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, body string) {
		a := *a
		a.t = t
		method, path, _ := strings.Cut(bodies[uint(i)%uint(len(bodies))], " ")
		if got := a.do(method, path, body); got.status >= 500 {
			t.Errorf("%s %s %q: got %d %s", method, path, body, got.status, got.body)
		}
	})
}
