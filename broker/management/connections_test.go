package management_test

import (
	"errors"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"

	"nubo/broker"
	"nubo/broker/history"
	"nubo/broker/management"
	"nubo/internal/testx"
)

func (a *api) dial() *rabbit.Connection {
	a.t.Helper()
	c, err := rabbit.DialConfig("amqp://guest:guest@memory/", rabbit.Config{
		Properties: rabbit.Table{"connection_name": "mine", "version": "1"},
		Dial:       func(string, string) (net.Conn, error) { return a.b.Dial() },
	})
	testx.NoErr(a.t, err)
	return c
}

// TestConnections lists a connection with its channels, and closes it.
func TestConnections(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	c := a.dial()
	ch, err := c.Channel()
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("q", false, false, false, false, nil)
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Qos(5, 0, false))
	_, err = ch.Consume("q", "tag", false, false, false, false, rabbit.Table{"x-priority": 3})
	testx.NoErr(t, err)

	conns := get[[]object](a, "connections")
	testx.Equal(t, len(conns), 1)
	name := conns[0]["name"].(string)
	testx.Equal(t, []any{conns[0]["user_provided_name"], conns[0]["channels"], conns[0]["state"], conns[0]["user"]}, []any{"mine", 1.0, "running", "guest"})
	path := "connections/" + url.PathEscape(name)
	testx.Equal(t, get[object](a, path)["name"], any(name))
	channels := get[[]object](a, path+"/channels")
	testx.Equal(t, []any{len(channels), channels[0]["name"], channels[0]["prefetch_count"]}, []any{1, name + " (1)", 5.0})
	channel := get[object](a, "channels/"+url.PathEscape(name+" (1)"))
	consumer := channel["consumer_details"].([]any)[0].(object)
	testx.Equal(t, consumer["arguments"], any(object{"x-priority": 3.0}))
	testx.Equal(t, consumer["queue"], any(object{"name": "q", "vhost": "/"}))
	testx.Equal(t, get[[]object](a, "consumers")[0], consumer)
	testx.Equal(t, len(get[[]object](a, "vhosts/%2F/channels")), 1)

	a.want(201, "PUT", "users/seer", `{"password":"seer","tags":"management"}`)
	testx.Equal(t, len(get[[]object](a.as("seer"), "connections")), 0)
	a.as("seer").want(401, "GET", path, "")
	a.as("seer").want(401, "DELETE", path, "")
	a.as("seer").want(401, "DELETE", "connections/username/guest", "")

	closed := c.NotifyClose(make(chan *rabbit.Error, 1))
	req := httptest.NewRequest("DELETE", "/api/"+path, nil)
	req.RemoteAddr = "127.0.0.1:1"
	req.SetBasicAuth("guest", "guest")
	req.Header.Set("X-Reason", "enough")
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, req)
	testx.Equal(t, w.Code, 204)
	var got *rabbit.Error
	if err := <-closed; !errors.As(err, &got) {
		t.Fatalf("got %v; want an error of AMQP", err)
	}
	testx.Equal(t, []any{got.Code, got.Reason}, []any{320, "CONNECTION_FORCED - enough"})
	testx.Eventually(t, "the connection is gone", func() bool { return len(get[[]object](a, "connections")) == 0 })
	a.want(404, "DELETE", path, "")

	second := a.dial().NotifyClose(make(chan *rabbit.Error, 1))
	a.want(204, "DELETE", "connections/username/guest", "")
	testx.Equal(t, (<-second).Reason, "CONNECTION_FORCED - Closed via management plugin")
}

// TestRates publishes for a minute of virtual time.
func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(broker.Config{})
		defer func() { testx.NoErr(t, b.Shutdown(t.Context())) }()
		a := &api{t, b, management.New(b, management.Options{Trusted: true}), ""}
		a.want(201, "PUT", "queues/%2F/q", `{}`)
		c := a.dial()
		defer c.Close()
		ch, err := c.Channel()
		testx.NoErr(t, err)
		testx.NoErr(t, ch.Confirm(false))
		time.Sleep(history.Step / 2) // not at the moments samples are taken
		for range 60 {
			for range 4 {
				conf, err := ch.PublishWithDeferredConfirm("", "q", false, false, rabbit.Publishing{})
				testx.NoErr(t, err)
				conf.Wait()
			}
			time.Sleep(time.Second)
		}
		const ranges = "?msg_rates_age=30&msg_rates_incr=10&lengths_age=30&lengths_incr=5"
		for _, path := range []string{"overview", "vhosts/%2F", "queues/%2F/q"} {
			stats := get[object](a, path)["message_stats"].(object)
			testx.Equal(t, stats["publish_details"], any(object{"rate": 4.0}))
			d := get[object](a, path+ranges)["message_stats"].(object)["publish_details"].(object)
			testx.Equal(t, []any{len(d["samples"].([]any)), d["avg_rate"]}, []any{4, 4.0})
		}
		q := get[object](a, "queues/%2F/q"+ranges)
		testx.Equal(t, q["messages"], any(240.0))
		testx.Equal(t, q["messages_details"].(object)["rate"], any(4.0))
		time.Sleep(2 * history.Step)
		testx.Equal(t, get[object](a, "queues/%2F/q")["message_stats"].(object)["publish_details"], any(object{"rate": 0.0}))
		a.want(204, "DELETE", "reset", "")
	})
}

// TestTrusted asks for no password, and cannot be held up by a body without end.
func TestTrusted(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.as("nobody").want(401, "GET", "overview", "")
	a.h = management.New(a.b, management.Options{Trusted: true})
	a = a.as("nobody")
	testx.Equal(t, get[object](a, "whoami")["tags"], any([]any{"administrator"}))
	a.want(201, "PUT", "queues/%2F/q", `{}`)
	a.want(413, "POST", "definitions", strings.Repeat(" ", 20_000_001))
}
