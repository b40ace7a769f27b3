package app

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// brokerOffset is a port offset at which none of the broker's ports is taken.
// None is among those that the system gives to whoever asks for any.
func brokerOffset(t *testing.T) int {
	t.Helper()
	for range 100 {
		offset, free := 1000+rand.IntN(16000), true
		for _, port := range []int{portAMQP, portManagement, portMetrics} {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+offset)))
			if free = free && err == nil; err == nil {
				testx.NoErr(t, l.Close())
			}
		}
		if free {
			return offset
		}
	}
	t.Fatal("no port offset is free")
	return 0
}

// TestBrokerAlone runs a broker and its command line, under all the names it
// has.
func TestBrokerAlone(t *testing.T) {
	t.Parallel()
	dir, offset := t.TempDir(), brokerOffset(t)
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- mqServe{DataDir: dir, PortOffset: &offset, Sync: "always", MemoryLimit: "0.4", DiskLimit: "50MB"}.Run(ctx, output{write, write})
		write.Close() //nolint:errcheck // a pipe of memory
	}()
	line := make([]byte, 200)
	n, err := read.Read(line)
	if err != nil {
		t.Fatalf("the broker did not start: %v", <-ended)
	}
	testx.Equal(t, string(line[:n]), "nubo mq is ready: amqp://127.0.0.1:"+strconv.Itoa(portAMQP+offset)+"\n")
	for _, tc := range []struct {
		args string
		code int
		want string // a part of what is printed
	}{
		{"nubo mq ctl --data-dir DIR list_users -s", 0, "guest\t[administrator]\n"},
		{"nubo mq ctl -q --data-dir=DIR add_user nova secret", 0, ""},
		{"/usr/sbin/rabbitmqctl --data-dir DIR authenticate_user nova secret", 0, "Success\n"},
		{"rabbitmqctl --data-dir DIR delete_user nobody", 67, `User "nobody" does not exist`},
		{"nubo mq plugins --data-dir DIR disable rabbitmq_management", 0, "stopped 1 plugins."},
		{"rabbitmq-plugins --data-dir DIR enable rabbitmq_management", 0, "started 1 plugins."},
		{"rabbitmq-diagnostics --data-dir DIR check_port_listener " + strconv.Itoa(portManagement+offset), 0, "is running on node"},
		{"rabbitmq-queues --data-dir DIR check_if_node_is_quorum_critical", 0, "does not apply"},
		{"nubo mq ctl --data-dir DIR/none list_users", 69, "unable to perform an operation on node"},
		{"nubo mq ctl nosuch", 64, "Command 'nosuch' not found."},
		{"nubo mq ctl version", 0, "3.10.8\n"},
	} {
		var out bytes.Buffer
		code := Main(strings.Fields(strings.ReplaceAll(tc.args, "DIR", dir)), &out, &out)
		if code != tc.code || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%s: exit code %d: %s; want %d and %q", tc.args, code, out.String(), tc.code, tc.want)
		}
	}
	second := mqServe{DataDir: dir, PortOffset: &offset, Sync: "always", MemoryLimit: "0.4", DiskLimit: "50MB"}.Run(ctx, output{io.Discard, io.Discard})
	if second == nil || !strings.Contains(second.Error(), "runs already") {
		t.Errorf("a second broker on the directory: %v", second)
	}
	cancel()
	testx.NoErr(t, <-ended)
}
