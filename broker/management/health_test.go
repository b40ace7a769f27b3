package management_test

import (
	"net"
	"strconv"
	"testing"

	"nubo/broker"
	"nubo/internal/testx"
)

// TestHealth checks a broker before and while it listens, and one that is
// short of memory.
func TestHealth(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, check := range []string{"ready-to-serve-clients", "is-in-service", "protocol-listener/amqp"} {
		a.want(503, "GET", "health/checks/"+check, "")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	served := make(chan error, 1)
	go func() { served <- a.b.Serve(l) }()
	testx.Eventually(t, "it listens", func() bool { return a.do("GET", "health/checks/is-in-service", "").status == 200 })
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, check := range []string{
		"ready-to-serve-clients", "protocol-listener/amqp", "port-listener/" + port, "alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical",
		"below-node-connection-limit", "quorum-queues-without-elected-leaders/all-vhosts", "quorum-queues-without-elected-leaders/vhost/%2F/pattern/x",
		"metadata-store/initialized", "certificate-expiration/1/weeks",
	} {
		testx.Equal(t, get[object](a, "health/checks/"+check)["status"], any("ok"))
	}
	a.want(404, "GET", "health/checks/quorum-queues-without-elected-leaders/vhost/none", "")
	listeners := get[object](a, "overview")["listeners"].([]any)
	testx.Equal(t, listeners[0].(object)["port"], any(float64(l.Addr().(*net.TCPAddr).Port)))
	l.Close()
	if <-served == nil {
		t.Error("a listener that was closed ended well")
	}

	a.b.SetMemoryWatermark(1)
	a.want(201, "PUT", "queues/%2F/q", `{}`)
	_, err = a.b.Publish("/", broker.Publication{RoutingKey: "q", Body: []byte("m")})
	testx.NoErr(t, err)
	failed := a.want(503, "GET", "health/checks/alarms", "")
	testx.Equal(t, failed.body, `{"alarms":[{"node":"`+a.b.NodeName()+`","resource":"memory"}],"reason":"There are alarms in effect in the cluster","status":"failed"}`)
	testx.Equal(t, get[[]object](a, "nodes")[0]["mem_alarm"], any(true))
	testx.Equal(t, get[object](a, "healthchecks/node")["status"], any("failed"))
}
