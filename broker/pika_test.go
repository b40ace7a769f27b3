package broker_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"nubo/broker"
	"nubo/internal/testx"
)

// TestPika runs the tutorial's programs with Debian's python3-pika over TCP.
func TestPika(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import pika").CombinedOutput(); err != nil {
		t.Fatalf("Debian's python3-pika is needed, which make test installs: %v\n%s", err, out)
	}
	b := newBroker(t, broker.Config{})
	l, err := net.Listen("tcp", "localhost:0")
	testx.NoErr(t, err)
	served := make(chan error, 1)
	go func() { served <- b.Serve(l) }()
	t.Cleanup(func() { l.Close() })
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)

	// Python interrupts only who did not inherit that interrupts are ignored, as
	// what a shell runs in the background does.
	rev := exec.Command("env", "--default-signal=INT", python, "../test/pika/rev.py", port)
	out, err := rev.StdoutPipe()
	testx.NoErr(t, err)
	testx.NoErr(t, rev.Start())
	t.Cleanup(func() { rev.Process.Kill(); rev.Wait() })
	lines := bufio.NewScanner(out)
	read := func() string {
		if !lines.Scan() {
			t.Fatalf("rev.py ended: %v", lines.Err())
		}
		return lines.Text()
	}
	testx.Equal(t, read(), " [*] Waiting for messages. To exit press CTRL+C")
	for range 2 {
		sent, err := exec.Command(python, "../test/pika/send.py", port).CombinedOutput()
		if err != nil {
			t.Fatalf("send.py: %v\n%s", err, sent)
		}
		testx.Equal(t, string(sent), " [x] Sent 'Hello World!'\n")
		testx.Equal(t, read(), " [x] Received 'Hello World!'")
	}
	testx.NoErr(t, rev.Process.Signal(os.Interrupt))
	testx.NoErr(t, rev.Wait())
}
