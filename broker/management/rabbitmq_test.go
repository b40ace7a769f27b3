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
	go func() { served <- management.Serve(ctx, l, a.b, management.Options{}) }()
	t.Cleanup(func() {
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

// step is a request, and why the answers may differ: "status" if the status
// alone is compared.
type step struct{ method, path, body, only string }

// steps are played one after the other.
var steps = []step{
	{"GET", "nosuch", "", ""},
	{"GET", "whoami", "", ""},
	{"GET", "wrong@whoami", "", ""},
	{"POST", "overview", "", ""},
	{"GET", "cluster-name", "", "status"},
	{"PUT", "cluster-name", `{"name":"x@y"}`, ""},
	{"GET", "cluster-name", "", ""},
	{"PUT", "cluster-name", `{"nam":"x@y"}`, ""},
	{"PUT", "cluster-name", `{"name`, ""},

	{"PUT", "vhosts/v1", "", ""},
	{"PUT", "vhosts/v1", "", ""},
	{"PUT", "vhosts/v2", `{"description":"d","tags":"a,b"}`, ""},
	{"GET", "vhosts/none", "", ""},
	{"DELETE", "vhosts/none", "", ""},
	{"DELETE", "vhosts/v2", "", ""},
	{"GET", "vhosts/v1/permissions", "", ""},
	{"GET", "vhosts/none/permissions", "", ""},
	{"POST", "vhosts/none/start/NODE", "", "status"},
	{"POST", "vhosts/%2F/start/NODE", "", ""},

	{"PUT", "users/u1", `{"password":"u1","tags":"management"}`, ""},
	{"PUT", "users/u1", `{"password":"u1","tags":["management","x"]}`, ""},
	{"PUT", "users/u2", `{"password":"u2","tags":""}`, ""},
	{"PUT", "users/u3", `{"password":"u3"}`, ""},
	{"PUT", "users/u3", `{"password_hash":"zz","tags":""}`, "status"},
	{"GET", "users/none", "", ""},
	{"DELETE", "users/none", "", ""},
	{"POST", "users/bulk-delete", `{"users":["none"]}`, ""},
	{"GET", "u2@overview", "", ""},
	{"GET", "u1@users", "", ""},
	{"GET", "u1@nodes", "", ""},
	{"GET", "u1@queues/v1", "", ""},
	{"GET", "u1@queues/none", "", ""},
	{"PUT", "u1@queues/v1/q", `{}`, ""},
	{"GET", "u1@definitions", "", ""},
	{"GET", "users/u1/permissions", "", ""},
	{"GET", "users/none/permissions", "", ""},
	{"PUT", "permissions/%2F/u1", `{"configure":".*","write":".*","read":"x"}`, ""},
	{"PUT", "permissions/%2F/u1", `{"configure":".*","write":".*"}`, ""},
	{"PUT", "permissions/%2F/u1", `{"configure":"(","write":".*","read":""}`, "status"},
	{"GET", "permissions/%2F/u1", "", ""},
	{"GET", "permissions/%2F/none", "", ""},
	{"PUT", "permissions/%2F/none", `{"configure":".*","write":".*","read":"x"}`, ""},
	{"PUT", "permissions/none/u1", `{"configure":".*","write":".*","read":"x"}`, ""},
	{"DELETE", "permissions/%2F/u2", "", ""},
	{"PUT", "topic-permissions/%2F/u1", `{"exchange":"amq.topic","write":".*","read":"x"}`, ""},
	{"GET", "topic-permissions/%2F/u1", "", ""},
	{"DELETE", "topic-permissions/%2F/u1/amq.topic", "", ""},
	{"DELETE", "topic-permissions/%2F/u1/amq.topic", "", ""},
	{"GET", "topic-permissions/%2F/u1", "", ""},

	{"PUT", "queues/%2F/q1", `{"durable":true}`, ""},
	{"PUT", "queues/%2F/q1", `{"durable":true}`, ""},
	{"PUT", "queues/%2F/q1", `{"durable":false}`, ""},
	{"PUT", "queues/%2F/amq.q1", `{}`, ""},
	{"PUT", "queues/none/q1", `{}`, ""},
	{"PUT", "queues/%2F/q2", `{"durable":"x"}`, ""},
	{"PUT", "queues/%2F/q2", `{"arguments":{"x-max-length":"y"}}`, "status"},
	{"PUT", "queues/%2F/q2", `[]`, ""},
	{"GET", "queues/%2F/none", "", ""},
	{"DELETE", "queues/%2F/none", "", ""},
	{"DELETE", "queues/%2F/none/contents", "", ""},
	{"POST", "queues/%2F/q1/actions", `{"action":"sync"}`, ""},
	{"POST", "queues/%2F/q1/actions", `{"action":"none"}`, ""},
	{"POST", "queues/%2F/q1/actions", `{}`, ""},
	{"PUT", "exchanges/%2F/x1", `{"type":"direct","durable":true}`, ""},
	{"PUT", "exchanges/%2F/x1", `{"type":"direct","durable":true}`, ""},
	{"PUT", "exchanges/%2F/x1", `{"type":"fanout","durable":true}`, ""},
	{"PUT", "exchanges/%2F/x2", `{"type":"none"}`, ""},
	{"GET", "exchanges/%2F/x1", "", ""},
	{"GET", "exchanges/%2F/amq.default", "", ""},
	{"DELETE", "exchanges/%2F/amq.direct", "", ""},
	{"DELETE", "exchanges/%2F/none", "", ""},

	{"POST", "bindings/%2F/e/x1/q/q1", `{"routing_key":"k"}`, ""},
	{"POST", "bindings/%2F/e/x1/q/q1", `{"routing_key":"k"}`, ""},
	{"POST", "bindings/%2F/e/x1/q/q1", `{"routing_key":"a.#"}`, ""},
	{"POST", "bindings/%2F/e/x1/q/none", `{"routing_key":"k"}`, ""},
	{"POST", "bindings/%2F/e/x1/q/q1", `{}`, ""},
	{"POST", "bindings/%2F/e/x1/e/amq.fanout", `{}`, ""},
	{"POST", "bindings/%2F/e/amq.default/q/q1", `{"routing_key":"k"}`, ""},
	{"GET", "bindings/%2F/e/x1/q/q1/k", "", ""},
	{"GET", "bindings/%2F/e/x1/q/q1/none", "", ""},
	{"DELETE", "bindings/%2F/e/x1/q/q1/none", "", ""},
	{"DELETE", "bindings/%2F/e/x1/q/q1/a.%2523", "", ""},
	{"DELETE", "exchanges/%2F/x1?if-unused=true", "", ""},
	{"GET", "bindings/%2F/e/x1/q/none", "", ""},
	{"GET", "bindings/%2F/e/none/q/q1", "", ""},
	{"GET", "bindings/none", "", ""},
	{"GET", "queues/%2F/q1/bindings", "", ""},
	{"GET", "exchanges/%2F/x1/bindings/source", "", ""},
	{"GET", "exchanges/%2F/amq.fanout/bindings/destination", "", ""},

	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{"delivery_mode":2,"headers":{"a":1,"b":[1,"x",true],"c":{"d":"e"}},"timestamp":12345,"expiration":"600000","priority":3,"content_type":"a/b"},"routing_key":"q1","payload":"hello","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/x1/publish", `{"properties":{},"routing_key":"k","payload":"aGVsbG8=","payload_encoding":"base64"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{},"routing_key":"nowhere","payload":"hello","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/none/publish", `{"properties":{},"routing_key":"k","payload":"hello","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{},"routing_key":"q1","payload":"%%","payload_encoding":"base64"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{},"routing_key":"q1","payload":"%%","payload_encoding":"none"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{},"payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{"delivery_mode":"x"},"routing_key":"q1","payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{"user_id":"x"},"routing_key":"q1","payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "queues/%2F/q1/get", `{"count":2,"ackmode":"ack_requeue_true","encoding":"auto"}`, ""},
	{"POST", "queues/%2F/q1/get", `{"count":1,"ackmode":"reject_requeue_true","encoding":"base64","truncate":2}`, ""},
	{"POST", "queues/%2F/q1/get", `{"count":1,"encoding":"base64"}`, ""},
	{"POST", "queues/%2F/q1/get", `{"ackmode":"ack_requeue_false","encoding":"auto"}`, ""},
	{"POST", "queues/%2F/none/get", `{"count":1,"ackmode":"ack_requeue_false","encoding":"auto"}`, ""},
	{"DELETE", "queues/%2F/q1?if-empty=true", "", ""},
	{"DELETE", "queues/%2F/q1/contents", "", ""},
	{"POST", "queues/%2F/q1/get", `{"count":5,"ackmode":"ack_requeue_true","encoding":"auto"}`, ""},
	{"GET", "queues/%2F/q1/get", "", "status"},

	{"PUT", "policies/%2F/p1", `{"pattern":"^q","definition":{"max-length":3},"priority":1,"apply-to":"queues"}`, ""},
	{"PUT", "policies/%2F/p1", `{"pattern":"^q","definition":{"max-length":3}}`, ""},
	{"GET", "policies/%2F/p1", "", ""},
	{"GET", "policies", "", ""},
	{"PUT", "policies/%2F/p2", `{"pattern":"^q","definition":{"nope":3}}`, "status"},
	{"PUT", "policies/%2F/p2", `{"definition":{"max-length":3}}`, ""},
	{"PUT", "policies/%2F/p2", `{"pattern":"x"}`, ""},
	{"PUT", "policies/%2F/p2", `{"pattern":"(","definition":{"max-length":3}}`, "status"},
	{"PUT", "policies/%2F/p2", `{"pattern":"a","definition":{"max-length":3},"priority":"x"}`, "status"},
	{"GET", "policies/%2F/none", "", ""},
	{"DELETE", "policies/%2F/none", "", ""},
	{"PUT", "operator-policies/%2F/o1", `{"pattern":"^q","definition":{"message-ttl":3000}}`, ""},
	{"GET", "operator-policies/%2F/o1", "", ""},
	{"GET", "parameters/operator_policy", "", ""},
	{"GET", "vhost-limits", "", ""},
	{"PUT", "vhost-limits/%2F/max-queues", `{"value":100}`, ""},
	{"PUT", "vhost-limits/%2F/max-fun", `{"value":100}`, ""},
	{"PUT", "vhost-limits/%2F/max-queues", `{"value":"x"}`, ""},
	{"PUT", "vhost-limits/%2F/max-queues", `{}`, ""},
	{"GET", "vhost-limits", "", ""},
	{"GET", "vhost-limits/v1", "", ""},
	{"GET", "vhost-limits/none", "", ""},
	{"DELETE", "vhost-limits/%2F/max-queues", "", ""},
	{"PUT", "user-limits/u1/max-channels", `{"value":5}`, ""},
	{"PUT", "user-limits/u1/max-fun", `{"value":5}`, ""},
	{"PUT", "user-limits/none/max-channels", `{"value":5}`, ""},
	{"GET", "user-limits", "", ""},
	{"GET", "user-limits/u1", "", ""},
	{"GET", "user-limits/u2", "", ""},
	{"GET", "user-limits/none", "", ""},
	{"DELETE", "user-limits/u1/max-channels", "", ""},
	{"PUT", "parameters/policy/%2F/s", `{"value":{}}`, ""},
	{"PUT", "parameters/none/%2F/s", `{"value":{}}`, ""},
	{"GET", "parameters/none", "", ""},
	{"PUT", "global-parameters/g1", `{"value":{"a":[1,2]}}`, ""},
	{"PUT", "global-parameters/g1", `{"value":{"a":[1,2]}}`, ""},
	{"PUT", "global-parameters/g1", `{}`, ""},
	{"GET", "global-parameters/g1", "", ""},
	{"GET", "global-parameters/none", "", ""},
	{"DELETE", "global-parameters/g1", "", ""},
	{"DELETE", "global-parameters/g1", "", ""},

	{"PUT", "feature-flags/none/enable", `{}`, ""},
	{"PUT", "feature-flags/quorum_queue/enable", `{}`, ""},
	{"DELETE", "reset", "", ""},
	{"DELETE", "reset/none", "", ""},
	{"POST", "rebalance/queues", `{}`, ""},
	{"GET", "aliveness-test/%2F", "", ""},
	{"GET", "aliveness-test/none", "", ""},
	{"GET", "healthchecks/node", "", ""},
	{"GET", "healthchecks/node/none", "", ""},
	{"GET", "health/checks/alarms", "", ""},
	{"GET", "health/checks/local-alarms", "", ""},
	{"GET", "health/checks/certificate-expiration/1/days", "", ""},
	{"GET", "health/checks/certificate-expiration/x/days", "", ""},
	{"GET", "health/checks/certificate-expiration/1/none", "", ""},
	{"GET", "health/checks/port-listener/99", "", "status"},
	{"GET", "health/checks/port-listener/x", "", ""},
	{"GET", "health/checks/protocol-listener/mqtt", "", "status"},
	{"GET", "health/checks/virtual-hosts", "", ""},
	{"GET", "health/checks/node-is-quorum-critical", "", ""},
	{"GET", "health/checks/node-is-mirror-sync-critical", "", ""},

	{"GET", "queues?page=9&page_size=2", "", ""},
	{"GET", "queues?page=x", "", ""},
	{"GET", "queues?page=0", "", ""},
	{"GET", "queues?page=1&page_size=x", "", ""},
	{"GET", "queues?page=1&page_size=1000", "", ""},
	{"GET", "queues?page=1&name=(&use_regex=true", "", ""},
	{"GET", "queues?page=1&columns=name", "", ""},
	{"GET", "queues?page=1&name=zzz&columns=name", "", ""},
	{"GET", "queues?page=1&name=^q&use_regex=true&columns=name,arguments", "", ""},
	{"GET", "queues?sort_reverse=true&columns=name", "", ""},
	{"GET", "queues?sort=vhost&sort_reverse=true&columns=vhost,name", "", ""},
	{"GET", "exchanges?page=1&page_size=1&columns=name", "", ""},
	{"GET", "users?columns=name&page=1&page_size=1", "", ""},
	{"GET", "queues/%2F/q1?columns=name,durable", "", ""},
	{"GET", "queues/%2F/q1?msg_rates_age=6000000&msg_rates_incr=1", "", ""},
	{"GET", "connections/none", "", ""},
	{"DELETE", "connections/none", "", ""},
	{"GET", "channels/none", "", ""},
	{"GET", "definitions/none", "", ""},
	{"POST", "definitions", `{"vhosts":[{"name":"dv"}],"queues":[{"name":"dq","vhost":"dv","durable":true,"auto_delete":false,"arguments":{}}]}`, ""},
	{"POST", "definitions", `{"queues":[{"name":"dq","vhost":"none","durable":true,"auto_delete":false,"arguments":{}}]}`, "status"},
	{"POST", "definitions", `{`, ""},
	{"POST", "definitions/dv", `{"queues":[{"name":"dq2","durable":true,"auto_delete":false,"arguments":{}}]}`, ""},
	{"POST", "definitions/none", `{}`, ""},
	{"GET", "dv@whoami", "", ""},

	{"DELETE", "exchanges/%2F/x1", "", ""},
	{"DELETE", "queues/%2F/q1", "", ""},
	{"DELETE", "queues/%2F/aliveness-test", "", ""},
	{"DELETE", "policies/%2F/p1", "", ""},
	{"DELETE", "operator-policies/%2F/o1", "", ""},
	{"DELETE", "vhosts/dv", "", ""},
	{"DELETE", "vhosts/v1", "", ""},
	{"DELETE", "users/u1", "", ""},
	{"DELETE", "users/u2", "", ""},
}

// lockedSteps are played while a connection has the queues own and used.
var lockedSteps = []step{
	{"PUT", "queues/%2F/own", `{}`, ""},
	{"PUT", "queues/%2F/own", `{"durable":true}`, ""},
	{"DELETE", "queues/%2F/own/contents", "", ""},
	{"POST", "queues/%2F/own/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`, ""},
	{"POST", "bindings/%2F/e/amq.direct/q/own", `{}`, ""},
	{"DELETE", "queues/%2F/own", "", ""},
	{"DELETE", "queues/%2F/used?if-unused=true", "", ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{},"routing_key":"own","payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/amq.rabbitmq.trace/publish", `{"properties":{},"routing_key":"own","payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "exchanges/%2F/amq.default/publish", `{"properties":{"expiration":"x"},"routing_key":"own","payload":"x","payload_encoding":"string"}`, ""},
	{"POST", "queues/%2F/stream/get", `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`, ""},
	{"DELETE", "queues/%2F/stream/contents", "", ""},
	{"DELETE", "queues/%2F/stream", "", ""},
	{"DELETE", "queues/%2F/used", "", ""},
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
