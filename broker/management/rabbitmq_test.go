package management_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker/management"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

// peer is a broker that is asked the same as another.
type peer struct {
	t    *testing.T
	api  string
	dial func() (*rabbit.Connection, error)
}

// do does a request as guest, or as the user a path begins with: "name@path".
func (p *peer) do(method, path, body string) answer {
	p.t.Helper()
	name := "guest"
	if before, after, ok := strings.Cut(path, "@"); ok && !strings.Contains(before, "/") {
		name, path = before, after
	}
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.api+path, r)
	testx.NoErr(p.t, err)
	req.SetBasicAuth(name, name)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	testx.NoErr(p.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	testx.NoErr(p.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (p *peer) get(path string) any {
	p.t.Helper()
	a := p.do("GET", path, "")
	if a.status != http.StatusOK {
		p.t.Fatalf("%s%s: got %d %s", p.api, path, a.status, a.body)
	}
	var v any
	testx.NoErr(p.t, json.Unmarshal([]byte(a.body), &v))
	return v
}

// peers are this broker and RabbitMQ.
func peers(t *testing.T) (ours, theirs *peer) {
	url, api := rabbittest.StartManagement(t)
	t.Cleanup(rabbittest.Stop)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	theirs = &peer{t, api, func() (*rabbit.Connection, error) {
		return rabbit.Dial(strings.Replace(url, "rabbit://", "amqp://", 1))
	}}
	a := newAPI(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	gone := a.b.Listening("http", l.Addr())
	go func() { served <- management.Serve(ctx, l, management.New(a.b, management.Options{})) }()
	t.Cleanup(func() {
		gone()
		cancel()
		testx.NoErr(t, <-served)
	})
	ours = &peer{t, "http://" + l.Addr().String() + "/api/", func() (*rabbit.Connection, error) {
		return rabbit.DialConfig("amqp://guest:guest@memory/", rabbit.Config{Dial: func(string, string) (net.Conn, error) { return a.b.Dial() }})
	}}
	testx.Eventually(t, "RabbitMQ's management answers", func() bool {
		resp, err := http.Get(api) //nolint:noctx // it is only asked whether it is there
		if err != nil {
			return false
		}
		resp.Body.Close()
		return true
	})
	return ours, theirs
}

func TestRabbitMQ(t *testing.T) {
	ours, theirs := peers(t)
	t.Run("answers", func(t *testing.T) { compareAnswers(ours, theirs, steps) })
	t.Run("queues of connections", func(t *testing.T) {
		for _, p := range []*peer{ours, theirs} {
			conn, err := p.dial()
			testx.NoErr(t, err)
			defer conn.Close()
			ch, err := conn.Channel()
			testx.NoErr(t, err)
			for q, own := range map[string]bool{"own": true, "used": false} {
				_, err = ch.QueueDeclare(q, false, false, own, false, nil)
				testx.NoErr(t, err)
				_, err = ch.Consume(q, "tag-"+q, false, false, false, false, nil)
				testx.NoErr(t, err)
			}
			_, err = ch.QueueDeclare("stream", true, false, false, false, rabbit.Table{"x-queue-type": "stream"})
			testx.NoErr(t, err)
		}
		compareAnswers(ours, theirs, lockedSteps)
	})
	t.Run("rights", func(t *testing.T) { compareRights(t, ours, theirs) })
	t.Run("definitions", func(t *testing.T) { compareDefinitions(t, ours, theirs) })
	t.Run("fields", func(t *testing.T) { compareFields(t, ours, theirs) })
}

// work makes a broker have one of everything, and messages that went through
// it; stop ends the connections.
func (p *peer) work() (stop func()) {
	t := p.t
	t.Helper()
	conn, err := p.dial()
	testx.NoErr(t, err)
	ch, err := conn.Channel()
	testx.NoErr(t, err)
	declare := func(name string, exclusive bool, args rabbit.Table) {
		t.Helper()
		_, err := ch.QueueDeclare(name, !exclusive, false, exclusive, false, args)
		testx.NoErr(t, err)
	}
	declare("classic", false, rabbit.Table{"x-max-length": 1000})
	declare("quorum", false, rabbit.Table{"x-queue-type": "quorum"})
	declare("own", true, nil)
	testx.NoErr(t, ch.ExchangeDeclare("x", "topic", true, false, false, false, rabbit.Table{"alternate-exchange": "amq.fanout"}))
	testx.NoErr(t, ch.QueueBind("classic", "a.#", "x", false, nil))
	testx.NoErr(t, ch.QueueBind("quorum", "a.*", "x", false, rabbit.Table{"h": 1}))
	testx.NoErr(t, ch.ExchangeBind("amq.direct", "e", "x", false, nil))
	consumer, err := conn.Channel()
	testx.NoErr(t, err)
	for _, q := range []string{"classic", "quorum", "own"} {
		d, err := consumer.Consume(q, "tag-"+q, q == "own", q == "own", false, false, nil)
		testx.NoErr(t, err)
		go func() {
			for m := range d {
				if q != "own" {
					_ = m.Ack(false) // the connection may be gone
				}
			}
		}()
	}
	testx.NoErr(t, ch.Confirm(false))
	for range 20 {
		for _, to := range [][2]string{{"x", "a.b"}, {"", "own"}, {"x", "nowhere"}} {
			c, err := ch.PublishWithDeferredConfirm(to[0], to[1], false, false, rabbit.Publishing{Body: []byte("m"), DeliveryMode: 2, Timestamp: time.Now()})
			testx.NoErr(t, err)
			c.Wait()
		}
	}
	return func() { conn.Close() }
}

// exceptions are the fields RabbitMQ has and we have not.
var exceptions = map[string]string{
	"backing_queue_status": "how RabbitMQ keeps a queue, in Erlang's terms",
	"socket_opts":          "the options of Erlang's sockets",
	"applications":         "Erlang's",
	"priority_lengths":     "part of backing_queue_status",
	"cluster_state":        "keyed by the node's name",
	"open_files":           "keyed by the node's name",
	"readers":              "keyed by the node's name",
	"auth_mechanisms":      "a list of others",
	"client_properties":    "the client's",
	"idle_since":           "there only after a while",
	"config_files":         "there is none here",
}

// lacks lists what of theirs is not in ours, or of another type.
func lacks(path string, ours, theirs any) []string {
	if theirs == nil || ours == nil {
		return nil
	}
	switch theirs := theirs.(type) {
	case map[string]any:
		our, ok := ours.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T, not an object", path, ours)}
		}
		var bad []string
		for k, v := range theirs {
			if exceptions[k] != "" {
				continue
			}
			if w, ok := our[k]; ok {
				bad = append(bad, lacks(path+"."+k, w, v)...)
			} else {
				bad = append(bad, path+"."+k+": missing")
			}
		}
		return bad
	case []any:
		if len(theirs) == 0 {
			return nil // which is {} too, as Erlang cannot tell
		}
		our, ok := ours.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T, not a list", path, ours)}
		}
		if len(our) == 0 {
			return []string{path + ": empty"}
		}
		return lacks(path+"[]", merge(our), merge(theirs))
	}
	if a, b := fmt.Sprintf("%T", ours), fmt.Sprintf("%T", theirs); a != b {
		return []string{fmt.Sprintf("%s: %s, not %s", path, a, b)}
	}
	return nil
}

// merge makes one of all elements of a list that are objects.
func merge(list []any) any {
	all := map[string]any{}
	for _, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			return list[0]
		}
		for k, v := range o {
			before, ok := all[k].(map[string]any)
			if now, also := v.(map[string]any); ok && also {
				all[k] = merge([]any{before, now})
			} else if all[k] == nil {
				all[k] = v
			}
		}
	}
	return all
}

// compareFields has both do the same and compares what they tell of it.
func compareFields(t *testing.T, ours, theirs *peer) {
	for _, p := range []*peer{ours, theirs} {
		q := &peer{t, p.api, p.dial}
		for path, body := range map[string]string{
			"vhost-limits/%2F/max-queues":    `{"value":100}`,
			"user-limits/guest/max-channels": `{"value":100}`,
			"policies/%2F/p":                 `{"pattern":"^classic$","definition":{"max-length":300}}`,
			"operator-policies/%2F/o":        `{"pattern":"^classic$","definition":{"max-length":200}}`,
			"topic-permissions/%2F/guest":    `{"exchange":"amq.topic","write":".*","read":".*"}`,
		} {
			testx.Equal(t, q.do("PUT", path, body).status < 300, true)
		}
		defer q.work()()
		testx.Eventually(t, "figures", func() bool {
			o, _ := merge(q.get("channels").([]any)).(map[string]any)
			x, _ := q.get("exchanges/%2F/x").(map[string]any)
			v, _ := q.get("vhosts/%2F").(map[string]any)
			c, _ := q.get("queues/%2F/classic").(map[string]any)
			return o != nil && o["message_stats"] != nil && x["message_stats"] != nil && v["message_stats"] != nil && c["message_stats"] != nil
		})
	}
	const ranges = "?lengths_age=60&lengths_incr=5&msg_rates_age=60&msg_rates_incr=5&data_rates_age=60&data_rates_incr=5"
	theirNode := merge(theirs.get("nodes").([]any)).(map[string]any)["name"].(string)
	ourNode := merge(ours.get("nodes").([]any)).(map[string]any)["name"].(string)
	for _, path := range []string{
		"overview", "overview" + ranges, "nodes", "nodes/NODE?memory=true", "nodes/NODE/memory", "nodes/NODE/memory/relative", "connections", "channels",
		"consumers", "consumers/%2F", "exchanges", "exchanges/%2F/x", "queues", "queues/%2F/classic", "queues/%2F/classic" + ranges,
		"queues/%2F/quorum", "queues/%2F/own", "queues?page=1&page_size=2", "queues?disable_stats=true&enable_queue_totals=true",
		"bindings", "queues/%2F/classic/bindings", "exchanges/%2F/x/bindings/source", "vhosts", "vhosts/%2F", "vhosts/%2F" + ranges,
		"users", "permissions", "topic-permissions", "policies", "operator-policies", "parameters", "global-parameters", "vhost-limits",
		"user-limits", "feature-flags", "definitions", "definitions/%2F", "extensions", "whoami", "auth", "cluster-name",
		"auth/attempts/NODE", "health/checks/alarms", "vhosts/%2F/connections", "connections/username/guest",
	} {
		bad := lacks(path, ours.get(strings.Replace(path, "NODE", ourNode, 1)), theirs.get(strings.Replace(path, "NODE", theirNode, 1)))
		slices.Sort(bad)
		for _, b := range bad {
			t.Error(b)
		}
	}
}

// normal is an answer's body in a form that can be compared: keys sorted, the
// node's name taken out, < and > as they are.
func normal(node, body string) string {
	body = strings.NewReplacer(node, "NODE", "&lt;", "<", "&gt;", ">").Replace(body)
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	if o, ok := v.(map[string]any); ok {
		delete(o, "user_who_performed_action") // we do not keep who declared an exchange
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return body
	}
	return buf.String()
}

// compareAnswers plays the steps on both.
func compareAnswers(ours, theirs *peer, steps []step) {
	t := ours.t
	names := map[*peer]string{}
	for _, p := range []*peer{ours, theirs} {
		names[p] = merge(p.get("nodes").([]any)).(map[string]any)["name"].(string)
	}
	for _, s := range steps {
		show := map[*peer]string{}
		for _, p := range []*peer{ours, theirs} {
			a := p.do(s.method, strings.Replace(s.path, "NODE", names[p], 1), s.body)
			show[p] = fmt.Sprint(a.status)
			if s.only != "status" {
				show[p] += " " + a.header.Get("Location") + " " + normal(names[p], a.body)
			}
		}
		if show[ours] != show[theirs] {
			t.Errorf("%s %s %s:\n ours   %s theirs %s", s.method, s.path, s.body, show[ours], show[theirs])
		}
	}
}

// compareRights has users of every tag try everything.
func compareRights(t *testing.T, ours, theirs *peer) {
	tags := []string{"management", "policymaker", "monitoring", "administrator", "impersonator"}
	names := map[*peer]string{}
	for _, p := range []*peer{ours, theirs} {
		q := &peer{t, p.api, p.dial}
		names[p] = merge(q.get("nodes").([]any)).(map[string]any)["name"].(string)
		for _, tag := range tags {
			testx.Equal(t, q.do("PUT", "users/"+tag, `{"password":"`+tag+`","tags":"`+tag+`"}`).status, http.StatusCreated)
			testx.Equal(t, q.do("PUT", "permissions/%2F/"+tag, `{"configure":"^mine","write":"","read":".*"}`).status, http.StatusCreated)
		}
		testx.Equal(t, q.do("PUT", "vhosts/closed", "").status, http.StatusCreated)
		testx.Equal(t, q.do("PUT", "queues/%2F/theirs", "{}").status, http.StatusCreated)
	}
	for _, s := range []step{
		{"GET", "overview", "", ""}, {"GET", "cluster-name", "", ""}, {"PUT", "cluster-name", `{"name":"x"}`, ""}, {"GET", "extensions", "", ""},
		{"GET", "nodes", "", ""}, {"GET", "nodes/NODE", "", ""}, {"GET", "nodes/NODE/memory", "", ""}, {"GET", "auth/attempts/NODE", "", ""},
		{"GET", "definitions", "", ""}, {"GET", "definitions/%2F", "", ""}, {"POST", "definitions", `{}`, ""},
		{"GET", "connections", "", ""}, {"GET", "channels", "", ""}, {"GET", "consumers", "", ""}, {"GET", "consumers/closed", "", ""},
		{"GET", "vhosts", "", ""}, {"GET", "vhosts/%2F", "", ""}, {"GET", "vhosts/closed", "", ""}, {"PUT", "vhosts/%2F", `{}`, ""},
		{"GET", "vhosts/%2F/permissions", "", ""}, {"GET", "vhosts/%2F/topic-permissions", "", ""}, {"GET", "vhosts/%2F/connections", "", ""},
		{"GET", "queues", "", ""}, {"GET", "queues/%2F", "", ""}, {"GET", "queues/closed", "", ""}, {"GET", "queues/%2F/theirs", "", ""},
		{"PUT", "queues/%2F/mine", `{}`, ""}, {"PUT", "queues/%2F/other", `{}`, ""}, {"PUT", "queues/closed/mine", `{}`, ""},
		{"DELETE", "queues/%2F/theirs/contents", "", ""}, {"POST", "queues/%2F/theirs/actions", `{"action":"sync"}`, ""},
		{"POST", "queues/%2F/theirs/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`, ""},
		{"GET", "exchanges", "", ""}, {"GET", "exchanges/closed", "", ""}, {"PUT", "exchanges/%2F/mine", `{}`, ""}, {"PUT", "exchanges/%2F/other", `{}`, ""},
		{"POST", "exchanges/%2F/amq.direct/publish", `{"properties":{},"routing_key":"k","payload":"","payload_encoding":"string"}`, ""},
		{"GET", "bindings", "", ""}, {"GET", "bindings/closed", "", ""}, {"POST", "bindings/%2F/e/amq.direct/q/theirs", `{}`, ""},
		{"GET", "users", "", ""}, {"GET", "users/management", "", ""}, {"PUT", "users/new", `{"tags":""}`, ""}, {"DELETE", "users/new", "", ""},
		{"GET", "users/without-permissions", "", ""}, {"GET", "permissions", "", ""}, {"GET", "permissions/%2F/management", "", ""},
		{"GET", "topic-permissions", "", ""}, {"GET", "policies", "", ""}, {"GET", "policies/%2F", "", ""}, {"GET", "policies/closed", "", ""},
		{"PUT", "policies/%2F/p", `{"pattern":"x","definition":{"max-length":1}}`, ""}, {"PUT", "policies/closed/p", `{"pattern":"x","definition":{"max-length":1}}`, ""},
		{"GET", "operator-policies", "", ""}, {"GET", "operator-policies/%2F", "", ""},
		{"PUT", "operator-policies/%2F/p", `{"pattern":"x","definition":{"max-length":1}}`, ""},
		{"GET", "parameters", "", ""}, {"GET", "parameters/vhost-limits", "", ""}, {"GET", "parameters/vhost-limits/%2F", "", ""},
		{"GET", "global-parameters", "", ""}, {"PUT", "global-parameters/g", `{"value":1}`, ""}, {"DELETE", "global-parameters/g", "", ""},
		{"GET", "vhost-limits", "", ""}, {"GET", "vhost-limits/%2F", "", ""}, {"GET", "vhost-limits/closed", "", ""}, {"PUT", "vhost-limits/%2F/max-queues", `{"value":100}`, ""},
		{"GET", "user-limits", "", ""}, {"GET", "user-limits/management", "", ""}, {"PUT", "user-limits/management/max-channels", `{"value":100}`, ""},
		{"GET", "feature-flags", "", ""}, {"PUT", "feature-flags/quorum_queue/enable", `{}`, ""},
		{"GET", "aliveness-test/%2F", "", ""}, {"GET", "aliveness-test/closed", "", ""}, {"GET", "healthchecks/node", "", ""},
		{"GET", "health/checks/alarms", "", ""}, {"GET", "health/checks/virtual-hosts", "", ""}, {"GET", "health/checks/port-listener/1", "", ""},
		{"DELETE", "reset", "", ""}, {"POST", "rebalance/queues", `{}`, ""}, {"DELETE", "vhosts/closed", "", ""}, {"PUT", "vhosts/closed", "", ""},
	} {
		for _, tag := range tags {
			got := map[*peer]int{}
			for _, p := range []*peer{ours, theirs} {
				got[p] = p.do(s.method, tag+"@"+strings.Replace(s.path, "NODE", names[p], 1), s.body).status
			}
			if got[ours] != got[theirs] {
				t.Errorf("%s: %s %s: ours %d, theirs %d", tag, s.method, s.path, got[ours], got[theirs])
			}
		}
	}
}

// compareDefinitions takes definitions from one to the other, both ways.
func compareDefinitions(t *testing.T, ours, theirs *peer) {
	for _, way := range [][2]*peer{{ours, theirs}, {theirs, ours}} {
		from, to := &peer{t, way[0].api, way[0].dial}, &peer{t, way[1].api, way[1].dial}
		for _, s := range []step{
			{"PUT", "vhosts/moved", `{"description":"d"}`, ""},
			{"PUT", "users/moved", `{"password":"moved","tags":"administrator"}`, ""},
			{"PUT", "permissions/moved/moved", `{"configure":".*","write":".*","read":".*"}`, ""},
			{"PUT", "topic-permissions/moved/moved", `{"exchange":"amq.topic","write":"w","read":"r"}`, ""},
			{"PUT", "queues/moved/q", `{"durable":true,"arguments":{"x-max-length":5,"x-queue-type":"quorum"}}`, ""},
			{"PUT", "exchanges/moved/x", `{"type":"headers","durable":true,"arguments":{"alternate-exchange":"amq.fanout"}}`, ""},
			{"POST", "bindings/moved/e/x/q/q", `{"routing_key":"k","arguments":{"x-match":"any","n":5}}`, ""},
			{"PUT", "policies/moved/p", `{"pattern":"^q","definition":{"max-length":3},"apply-to":"queues"}`, ""},
			{"PUT", "operator-policies/moved/o", `{"pattern":"^q","definition":{"message-ttl":3000}}`, ""},
			{"PUT", "vhost-limits/moved/max-queues", `{"value":7}`, ""},
			{"PUT", "user-limits/moved/max-channels", `{"value":9}`, ""},
			{"PUT", "global-parameters/moved", `{"value":{"a":1}}`, ""},
		} {
			if a := from.do(s.method, s.path, s.body); a.status >= 300 {
				t.Fatalf("%s %s: %d %s", s.method, s.path, a.status, a.body)
			}
		}
		if a := to.do("POST", "definitions", from.do("GET", "definitions", "").body); a.status != http.StatusNoContent {
			t.Fatalf("import into %s: %d %s", to.api, a.status, a.body)
		}
		for _, path := range []string{
			"users/moved", "permissions/moved/moved", "topic-permissions/moved/moved", "policies/moved/p", "operator-policies/moved/o",
			"vhost-limits/moved", "user-limits/moved", "global-parameters/moved", "exchanges/moved/x?columns=name,type,durable,arguments",
			"queues/moved/q?columns=name,type,durable,arguments", "moved@whoami",
		} {
			testx.Equal(t, to.get(path), from.get(path))
		}
		sides := map[*peer][]any{}
		for _, p := range []*peer{from, to} {
			for _, b := range p.get("queues/moved/q/bindings").([]any) {
				delete(b.(map[string]any), "properties_key") // a hash of each one's own
				sides[p] = append(sides[p], b)
			}
			for _, path := range []string{"vhosts/moved", "users/moved", "global-parameters/moved"} {
				testx.Equal(t, p.do("DELETE", path, "").status, http.StatusNoContent)
			}
		}
		testx.Equal(t, sides[to], sides[from])
	}
}
