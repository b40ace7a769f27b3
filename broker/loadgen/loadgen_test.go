package loadgen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/broker/loadgen"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a broker and returns its URL.
func serve(t testing.TB, cfg broker.Config) (*broker.Broker, string) {
	t.Helper()
	b, err := broker.Open(cfg)
	testx.NoErr(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		testx.NoErr(t, b.Shutdown(ctx))
		<-done
	})
	return b, "amqp://guest:guest@" + l.Addr().String() + "/"
}

// measure runs the options and returns the result.
func measure(t *testing.T, o loadgen.Options) loadgen.Result {
	t.Helper()
	o.JSON = true
	var out bytes.Buffer
	testx.NoErr(t, loadgen.Run(t.Context(), o, &out))
	var r loadgen.Result
	testx.NoErr(t, json.Unmarshal(out.Bytes(), &r))
	if r.Rate <= 0 && o.Count > 0 || r.Seconds <= 0 {
		t.Errorf("%+v", r)
	}
	return r
}

// TestPieces has what the broker sends come in pieces that end anywhere, also
// between a delivery and its message.
func TestPieces(t *testing.T) {
	t.Parallel()
	_, url := serve(t, broker.Config{DataDir: t.TempDir()})
	server := strings.TrimSuffix(url[strings.Index(url, "@")+1:], "/")
	for _, size := range []int{1, 41, 97} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		testx.NoErr(t, err)
		var links sync.WaitGroup
		links.Go(func() {
			for {
				client, err := l.Accept()
				if err != nil {
					return
				}
				broker, err := net.Dial("tcp", server)
				if err != nil {
					t.Error(err)
					client.Close()
					return
				}
				links.Go(func() {
					defer broker.Close()
					io.Copy(broker, client) //nolint:errcheck // either may hang up
				})
				links.Go(func() {
					defer client.Close()
					// A writer of pieces: nothing else may be known of either end.
					io.CopyBuffer(struct{ io.Writer }{client}, struct{ io.Reader }{broker}, make([]byte, size)) //nolint:errcheck // the same
				})
			}
		})
		o := loadgen.Options{URL: strings.Replace(url, server, l.Addr().String(), 1), Client: "raw", Scenario: "persistent", Producers: 1, Consumers: 1, Size: 16, Count: 501}
		testx.Equal(t, measure(t, o).Delivered, uint64(501))
		l.Close()
		links.Wait()
	}
}

// TestScenarios runs every scenario with either client.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"raw", "amqp091"} {
		for name, o := range map[string]loadgen.Options{
			"transient":         {Scenario: "transient", Producers: 1, Consumers: 1, Size: 16},
			"transient, empty":  {Scenario: "transient", Producers: 1, Consumers: 1},
			"transient, large":  {Scenario: "transient", Producers: 2, Consumers: 2, Size: 300_000},
			"transient, shared": {Scenario: "transient", Producers: 3, Consumers: 2, Queues: 1, Size: 16},
			"transient, kept":   {Scenario: "transient", Producers: 1, Size: 16},
			"persistent":        {Scenario: "persistent", Producers: 2, Consumers: 2, Size: 1024, Window: 100},
			"persistent, one":   {Scenario: "persistent", Producers: 1, Consumers: 1, Size: 16, Window: 1},
			"persistent, kept":  {Scenario: "persistent", Producers: 1, Size: 16},
			"quorum":            {Scenario: "quorum", Producers: 1, Consumers: 1, Size: 16},
		} {
			t.Run(client+"/"+name, func(t *testing.T) {
				t.Parallel()
				b, url := serve(t, broker.Config{DataDir: t.TempDir()})
				o.URL, o.Client, o.Count = url, client, 501
				r := measure(t, o)
				testx.Equal(t, []any{r.Published, r.Delivered}, []any{uint64(501), uint64(501)})
				if o.Scenario != "transient" {
					testx.Equal(t, r.Confirmed, uint64(501))
					if r.Latency.P50 <= 0 || r.Latency.P999 > r.Latency.Max {
						t.Errorf("%+v", r.Latency)
					}
				}
				testx.Equal(t, len(b.Stats().VHosts[0].Queues), 0)
			})
		}
		t.Run(client+"/rpc", func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, broker.Config{})
			r := measure(t, loadgen.Options{Scenario: "rpc", URL: url, Client: client, Producers: 3, Consumers: 2, Size: 64, Count: 100})
			testx.Equal(t, []any{r.Published, r.Delivered, r.Latency.P50 > 0}, []any{uint64(100), uint64(100), true})
		})
		t.Run(client+"/for a time", func(t *testing.T) {
			t.Parallel()
			_, url := serve(t, broker.Config{})
			r := measure(t, loadgen.Options{Scenario: "transient", URL: url, Client: client, Producers: 1, Consumers: 1, Size: 16, Time: 50 * time.Millisecond})
			testx.Equal(t, r.Published, r.Delivered)
		})
	}
}

// TestChurn declares queues and opens connections.
func TestChurn(t *testing.T) {
	t.Parallel()
	b, url := serve(t, broker.Config{})
	measure(t, loadgen.Options{Scenario: "queues", URL: url, Client: "raw", Producers: 2, Queues: 50, Time: time.Second, PID: os.Getpid()})
	testx.Equal(t, len(b.Stats().VHosts[0].Queues), 0)
	r := measure(t, loadgen.Options{Scenario: "connections", URL: url, Client: "raw", Producers: 1, Count: 40, PID: os.Getpid()})
	if r.Process.Before <= 0 || r.Process.Peak < r.Process.Before {
		t.Errorf("%+v", r.Process)
	}
	testx.Equal(t, b.Stats().Churn.ChannelsCreated, uint64(42))
	testx.Eventually(t, "all are closed", func() bool { return len(b.Stats().Connections) == 0 })
}

// TestRefused has the broker refuse, in several ways.
func TestRefused(t *testing.T) {
	t.Parallel()
	_, url := serve(t, broker.Config{})
	for name, tc := range map[string]struct {
		o    loadgen.Options
		want string
	}{
		"password":     {loadgen.Options{URL: strings.Replace(url, "guest@", "wrong@", 1)}, "ACCESS_REFUSED"},
		"vhost":        {loadgen.Options{URL: url + "none"}, "vhost none not found"},
		"no broker":    {loadgen.Options{URL: "amqp://127.0.0.1:1/"}, "connection refused"},
		"no url":       {loadgen.Options{URL: "http://x"}, "AMQP scheme"},
		"scenario":     {loadgen.Options{URL: url, Scenario: "x"}, "no scenario is called"},
		"client":       {loadgen.Options{URL: url, Client: "x"}, "no client is called"},
		"no producer":  {loadgen.Options{URL: url, Producers: -1}, "must be a producer"},
		"negative":     {loadgen.Options{URL: url, Size: -1}, "less than nothing"},
		"endless":      {loadgen.Options{URL: url, Count: -1}, "less than nothing"},
		"no process":   {loadgen.Options{URL: url, PID: 1 << 30}, "look at process"},
		"nobody there": {loadgen.Options{URL: url, Scenario: "rpc", Consumers: -1}, "less than nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := tc.o
			if o.Scenario == "" {
				o.Scenario = "transient"
			}
			if o.Client == "" {
				o.Client = "raw"
			}
			if o.Producers == 0 {
				o.Producers = 1
			}
			if o.Count == 0 {
				o.Count = 10
			}
			if err := loadgen.Run(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v; want %s", err, tc.want)
			}
		})
	}
}

// TestBrokerGoes closes the connections in the middle, which is an error.
func TestBrokerGoes(t *testing.T) {
	t.Parallel()
	for _, client := range []string{"raw", "amqp091"} {
		for _, scenario := range []string{"transient", "persistent", "rpc"} {
			t.Run(client+"/"+scenario, func(t *testing.T) {
				t.Parallel()
				b, url := serve(t, broker.Config{})
				var out bytes.Buffer
				done := make(chan error, 1)
				go func() {
					done <- loadgen.Run(t.Context(), loadgen.Options{
						Scenario: scenario, URL: url, Client: client, Producers: 1, Consumers: 1, Size: 16, Time: time.Hour,
					}, &out)
				}()
				testx.Eventually(t, "messages flow", func() bool { return b.Stats().Traffic["/"].Publish > 100 })
				for _, c := range b.Stats().Connections {
					b.CloseConnection(c.Name, "test")
				}
				if err := <-done; err == nil {
					t.Errorf("no error, but %s", &out)
				}
			})
		}
	}
}
