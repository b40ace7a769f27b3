package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runningNode is a node that runs.
type runningNode struct {
	dir   string
	end   context.CancelFunc
	ended chan error

	mu      sync.Mutex
	brokers []*broker.Broker // those that were started, the last one last; guarded by mu
	stops   int              // how often one was stopped; guarded by mu
}

// start runs a node until the test ends, on ports of its own.
func start(t *testing.T, opts Options) *runningNode {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	n := &runningNode{dir: opts.Dir, ended: make(chan error, 1)}
	opts.AMQP, opts.Management, opts.Metrics, opts.MemoryLimit = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "0.4"
	opts.Started = func(b *broker.Broker) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.brokers = append(n.brokers, b)
		return nil
	}
	opts.Stopped = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.stops++
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.end = cancel
	ready := make(chan struct{})
	go func() {
		n.ended <- Run(ctx, opts, func() { close(ready) })
		close(n.ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-n.ended
	})
	select {
	case <-ready:
	case err := <-n.ended:
		t.Fatalf("the node did not start: %v", err)
	}
	return n
}

// stop ends the node and waits until it has.
func (n *runningNode) stop(t *testing.T) {
	t.Helper()
	n.end()
	testx.NoErr(t, <-n.ended)
}

// broker is the one that was started last.
func (n *runningNode) broker() *broker.Broker {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.brokers[len(n.brokers)-1]
}

// counts is how many brokers were started and stopped.
func (n *runningNode) counts() [2]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return [2]int{len(n.brokers), n.stops}
}

// address is where the broker listens for a protocol; empty if it does not.
func (n *runningNode) address(protocol string) string {
	for _, l := range n.broker().Listeners() {
		if l.Protocol == protocol {
			return net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Port))
		}
	}
	return ""
}

// run runs a command line on the node, and returns what it said.
func (n *runningNode) run(t *testing.T, want int, program ctl.Program, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	code := ctl.Invocation{Program: program, Args: args, Dir: n.dir, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}.Run(t.Context())
	if code != want {
		t.Errorf("%s %v: exit code %d; want %d: %s", program, args, code, want, out.String())
	}
	return out.String()
}

func (n *runningNode) ctl(t *testing.T, args ...string) string {
	t.Helper()
	return n.run(t, 0, ctl.RabbitMQCtl, args...)
}

// listening is address, once it listens: a goroutine of its own begins that.
func (n *runningNode) listening(t *testing.T, protocol string) (address string) {
	t.Helper()
	testx.Eventually(t, "it listens for "+protocol, func() bool {
		address = n.address(protocol)
		return address != ""
	})
	return address
}

// channel connects a client.
func (n *runningNode) channel(t *testing.T) *rabbit.Channel {
	t.Helper()
	c, err := rabbit.Dial("amqp://guest:guest@" + n.listening(t, "amqp"))
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	ch, err := c.Channel()
	testx.NoErr(t, err)
	return ch
}

// ready is how many messages a queue has.
func ready(t *testing.T, ch *rabbit.Channel, queue string) int {
	t.Helper()
	q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	testx.NoErr(t, err)
	return q.Messages
}

// TestApp stops the broker in a node and starts it again: clients are gone
// meanwhile, what is durable is not. Reset deletes it, when the broker is
// stopped.
func TestApp(t *testing.T) {
	t.Parallel()
	n := start(t, Options{})
	ch := n.channel(t)
	_, err := ch.QueueDeclare("q", true, false, false, false, nil)
	testx.NoErr(t, err)
	testx.NoErr(t, ch.Confirm(false))
	conf, err := ch.PublishWithDeferredConfirm("", "q", false, false, rabbit.Publishing{DeliveryMode: rabbit.Persistent})
	testx.NoErr(t, err)
	testx.Equal(t, conf.Wait(), true)
	closed := ch.NotifyClose(make(chan *rabbit.Error, 1))
	was := n.address("amqp")

	n.run(t, 64, ctl.RabbitMQCtl, "reset") // it runs
	n.ctl(t, "stop_app")
	testx.Equal(t, (<-closed).Code, rabbit.ConnectionForced)
	_, err = net.Dial("tcp", was)
	testx.Equal(t, err != nil, true)
	testx.Equal(t, n.counts(), [2]int{1, 1})
	n.ctl(t, "stop_app") // again: nothing
	testx.Equal(t, n.counts(), [2]int{1, 1})

	n.ctl(t, "start_app")
	testx.Equal(t, n.counts(), [2]int{2, 1})
	testx.Equal(t, ready(t, n.channel(t), "q"), 1)

	n.ctl(t, "stop_app")
	n.ctl(t, "reset")
	n.ctl(t, "start_app")
	testx.Equal(t, n.ctl(t, "list_queues", "--quiet", "--no-table-headers"), "")
	n.stop(t)
	testx.Equal(t, n.counts(), [2]int{3, 3})
}

// TestSuspend takes no new clients for a while; those that are there go on.
func TestSuspend(t *testing.T) {
	t.Parallel()
	n := start(t, Options{})
	ch := n.channel(t)
	was := n.address("amqp")
	n.ctl(t, "suspend_listeners")
	testx.Equal(t, n.address("amqp"), "")
	_, err := net.Dial("tcp", was)
	testx.Equal(t, err != nil, true)
	_, err = ch.QueueDeclare("q", false, false, false, false, nil)
	testx.NoErr(t, err)
	n.ctl(t, "suspend_listeners") // again: nothing
	n.ctl(t, "resume_listeners")
	n.channel(t)
}

// TestPlugins switches the management API off and on, at once and for the next
// start.
func TestPlugins(t *testing.T) {
	t.Parallel()
	n := start(t, Options{})
	answers := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.listening(t, "http")+"/api/overview", nil)
		testx.NoErr(t, err)
		r.SetBasicAuth("guest", "guest")
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		testx.NoErr(t, err)
		testx.NoErr(t, resp.Body.Close())
		return resp.StatusCode
	}
	testx.Equal(t, answers(), http.StatusOK)
	n.run(t, 0, ctl.RabbitMQPlugins, "disable", "rabbitmq_management")
	testx.Equal(t, n.address("http"), "")
	n.listening(t, "http/prometheus")
	n.stop(t)

	n = start(t, Options{Dir: n.dir})
	testx.Equal(t, n.address("http"), "")
	n.run(t, 0, ctl.RabbitMQPlugins, "enable", "rabbitmq_management")
	testx.Equal(t, answers(), http.StatusOK)
}

// TestLock lets one process have a directory, and the next when it has ended.
func TestLock(t *testing.T) {
	t.Parallel()
	n := start(t, Options{})
	pid := strconv.Itoa(os.Getpid())
	b, err := os.ReadFile(filepath.Join(n.dir, "pid"))
	testx.NoErr(t, err)
	testx.Equal(t, string(b), pid+"\n")
	err = Run(t.Context(), Options{Dir: n.dir, AMQP: "127.0.0.1:0", MemoryLimit: "0.4"}, func() { t.Error("two run") })
	testx.Equal(t, err != nil && strings.Contains(err.Error(), "(pid "+pid+")"), true)
	n.stop(t)
	start(t, Options{Dir: n.dir}).stop(t)
}

// TestDoesNotStart has everything that can be in the way of a start end it with
// an error that says so, and leave nothing behind.
func TestDoesNotStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	t.Cleanup(func() { l.Close() })
	taken := l.Addr().String()
	for _, tt := range []struct {
		name, want string
		spoil      func(*Options)
	}{
		{"its port is taken", "--port-offset", func(o *Options) { o.AMQP = taken }},
		{"a plugin's port is taken", "start rabbitmq_management", func(o *Options) { o.Management = taken }},
		{"its owner does not want it", "no", func(o *Options) { o.Started = func(*broker.Broker) error { return errors.New("no") } }},
		{"its limit is none", "neither a fraction", func(o *Options) { o.MemoryLimit = "much" }},
		{"its log is damaged", "corrupt", func(o *Options) {
			testx.NoErr(t, os.MkdirAll(filepath.Join(o.Dir, dataDir), 0o700))
			testx.NoErr(t, os.WriteFile(filepath.Join(o.Dir, dataDir, "garbage.wal"), nil, 0o600))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			opts := Options{Dir: dir, AMQP: "127.0.0.1:0", Management: "127.0.0.1:0", MemoryLimit: "0.4"}
			tt.spoil(&opts)
			err := Run(t.Context(), opts, func() { t.Error("it runs") })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v; want %q in it", err, tt.want)
			}
			testx.NoErr(t, os.RemoveAll(filepath.Join(dir, dataDir)))
			start(t, Options{Dir: dir}).stop(t)
		})
	}
}

// TestOfCloud has a node that belongs to a larger process refuse what would
// concern all of that; one of its own does it.
func TestOfCloud(t *testing.T) {
	t.Parallel()
	n := start(t, Options{})
	n.run(t, 70, ctl.RabbitMQCtl, "stop")
	n.run(t, 70, ctl.RabbitMQCtl, "set_log_level", "debug")

	level := new(slog.LevelVar)
	end := make(chan struct{})
	alone := start(t, Options{Level: level})
	alone.ctl(t, "set_log_level", "error")
	testx.Equal(t, level.Level(), slog.LevelError)
	testx.NoErr(t, (&Node{opts: Options{Stop: func() { close(end) }}}).Stop()) // the command waits for the process
	<-end
}

// TestLimits reads limits of memory.
func TestLimits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"0.5": ctl.TotalMemory() / 2, "1": ctl.TotalMemory(), "0": 0, "2GB": 2e9, "1.5": -1, "-1": -1, "x": -1, "": -1, "NaN": -1,
	} {
		got, err := parseLimit(in)
		if err != nil {
			got = -1
		}
		testx.Equal(t, got, want)
	}
	n := &Node{limit: 1}
	testx.Equal(t, n.watermark(0), int64(1)) // all publishers wait
	n.limit = 1 << 50
	testx.Equal(t, n.watermark(1000) <= n.limit+1000-ctl.Resident()+1<<20, true)
}
