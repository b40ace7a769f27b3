package metrics_test

import (
	"context"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	rabbit "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/broker/metrics"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is what Prometheus accepts besides comments.
var line = regexp.MustCompile(`^[a-z_]+(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? [0-9.e+-]+$`)

func scrape(t *testing.T, b *broker.Broker, path string) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.Handler(b).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	testx.Equal(t, w.Code, 200)
	got := make(map[string]string)
	for l := range strings.SplitSeq(strings.TrimSpace(w.Body.String()), "\n") {
		if strings.HasPrefix(l, "# ") {
			continue
		}
		if !line.MatchString(l) {
			t.Errorf("%s: Prometheus cannot read %q", path, l)
		}
		i := strings.LastIndexByte(l, ' ')
		if _, twice := got[l[:i]]; twice {
			t.Errorf("%s: %s is there twice", path, l[:i])
		}
		got[l[:i]] = l[i+1:]
	}
	return got
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := broker.New(broker.Config{})
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		testx.NoErr(t, b.Shutdown(ctx))
	}()
	c, err := rabbit.DialConfig("amqp://guest:guest@memory/", rabbit.Config{Dial: func(string, string) (net.Conn, error) { return b.Dial() }})
	testx.NoErr(t, err)
	defer c.Close()
	ch, err := c.Channel()
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Confirm(false))
	for _, name := range []string{"a", "quote\" back\\ line\n"} {
		_, err := ch.QueueDeclare(name, false, false, false, false, nil)
		testx.NoErr(t, err)
		for range 3 {
			conf, err := ch.PublishWithDeferredConfirm("", name, false, false, rabbit.Publishing{Body: []byte("body")})
			testx.NoErr(t, err)
			conf.Wait()
		}
	}
	got := scrape(t, b, "/metrics")
	for name, want := range map[string]string{
		"rabbitmq_queues": "2", "rabbitmq_connections": "1", "rabbitmq_channels": "1", "rabbitmq_queue_messages_ready": "6",
		"rabbitmq_queue_messages_bytes": "24", "rabbitmq_channel_messages_published_total": "6", "rabbitmq_queues_created_total": "2",
		"rabbitmq_alarms_memory_used_watermark": "0", `rabbitmq_global_messages_received_total{protocol="amqp091"}`: "6",
		`rabbitmq_auth_attempts_succeeded_total{protocol="amqp091"}`: "1",
	} {
		testx.Equal(t, []string{name, got[name]}, []string{name, want})
	}
	got = scrape(t, b, "/metrics/per-object")
	testx.Equal(t, got[`rabbitmq_queue_messages{vhost="/",queue="a"}`], "3")
	testx.Equal(t, got[`rabbitmq_queue_messages{vhost="/",queue="quote\" back\\ line\n"}`], "3")
	got = scrape(t, b, "/metrics/detailed?family=queue_coarse_metrics&family=exchange_bindings&vhost=/")
	testx.Equal(t, got[`rabbitmq_detailed_queue_messages_ready{vhost="/",queue="a"}`], "3")
	testx.Equal(t, got[`rabbitmq_cluster_exchange_bindings{vhost="/",exchange="",type="direct"}`], "2")
	testx.Equal(t, got["rabbitmq_detailed_connections_opened_total"], "")
	got = scrape(t, b, "/metrics/detailed?family=queue_coarse_metrics&vhost=other")
	testx.Equal(t, got[`rabbitmq_detailed_queue_messages_ready{vhost="/",queue="a"}`], "")
	got = scrape(t, b, "/metrics/memory-breakdown")
	testx.Equal(t, got["rabbitmq_memory_messages_bytes"] != "", true)
}
