// Package rabbittest gives tests a real RabbitMQ: Debian's rabbitmq-server,
// run as a plain process on loopback with its own ports and directories.
package rabbittest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	programs    = "/usr/lib/rabbitmq/bin/"
	script      = programs + "rabbitmq-server"
	bootTimeout = 2 * time.Minute

	// supervise runs RabbitMQ, and epmd, which RabbitMQ would start as a
	// daemon that stays, in one process group. It kills the group when
	// RabbitMQ ends, or when its input does: also when the tests crash.
	supervise = `epmd -address 127.0.0.1 & ("$0"; kill -KILL 0) & read _; kill -KILL 0`
)

// server is the one RabbitMQ of a test binary.
type server struct {
	dir, url string
	env      []string // of the node and of its command line
	api      string   // of the management plugin, if it is enabled
	node     *exec.Cmd
	lifeline io.Closer
	exited   chan struct{} // closed when node has ended
}

var (
	mu     sync.Mutex // guards the fields below
	shared *server
)

// Start gives the transport URL of the test binary's RabbitMQ, started by the
// first call. TestMain must call Stop after the tests have run.
func Start(t testing.TB) (url string) {
	t.Helper()
	return start(t, false).url
}

// StartManagement is Start with the management plugin, whose address it gives
// too. A test binary uses the one or the other.
func StartManagement(t testing.TB) (url, api string) {
	t.Helper()
	s := start(t, true)
	if s.api == "" {
		t.Fatal("RabbitMQ runs already, without management")
	}
	return s.url, s.api
}

func start(t testing.TB, management bool) *server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if shared == nil {
		s, err := boot(management)
		if err != nil {
			t.Fatalf("start RabbitMQ: %v", err)
		}
		shared = s
	}
	return shared
}

// Run runs one of RabbitMQ's command line tools for the test binary's RabbitMQ,
// with nothing on its standard input, and tells what it printed and its exit
// code. Start goes first.
func Run(t testing.TB, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	mu.Lock()
	s := shared
	mu.Unlock()
	var out, errs strings.Builder
	cmd := exec.Command(programs+program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", program, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Stop ends RabbitMQ if it was started.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	if shared != nil {
		shared.stop()
		shared = nil
	}
}

func boot(management bool) (*server, error) {
	if _, err := os.Stat(script); err != nil {
		return nil, errors.New("rabbitmq-server is not installed; run: apt-get install rabbitmq-server")
	}
	dir, err := os.MkdirTemp("", "rabbittest")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if err := s.start(management); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "out"))
		s.stop()
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return s, nil
}

func (s *server) start(management bool) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	amqp, dist, epmd := ports[0], ports[1], ports[2]
	s.url = "rabbit://guest:guest@127.0.0.1:" + amqp + "/"
	out, err := os.Create(filepath.Join(s.dir, "out"))
	if err != nil {
		return err
	}
	defer out.Close()
	conf, plugins := "listeners.tcp.1 = 127.0.0.1:"+amqp+"\nlog.file.level = warning\n", "[].\n"
	if management {
		conf += "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = " + ports[3] + "\n"
		plugins = "[rabbitmq_management].\n"
		s.api = "http://127.0.0.1:" + ports[3] + "/api/"
	}
	for name, text := range map[string]string{"rabbitmq.conf": conf, "env.conf": "", "plugins": plugins} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.node = exec.Command("/bin/sh", "-c", supervise, script)
	s.env = append(os.Environ(),
		"HOME="+s.dir, "ERL_EPMD_PORT="+epmd, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_DIST_PORT="+dist, "RABBITMQ_NODENAME=rabbittest"+amqp+"@localhost",
		"RABBITMQ_MNESIA_BASE="+s.dir+"/mnesia", "RABBITMQ_LOG_BASE="+s.dir+"/log", "RABBITMQ_HOME="+s.dir,
		"RABBITMQ_CONFIG_FILE="+s.dir+"/rabbitmq.conf", "RABBITMQ_CONF_ENV_FILE="+s.dir+"/env.conf",
		"RABBITMQ_ENABLED_PLUGINS_FILE="+s.dir+"/plugins", "RABBITMQ_PID_FILE="+s.dir+"/pid",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	)
	s.node.Env, s.node.Stdout, s.node.Stderr = s.env, out, out
	s.node.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.lifeline, err = s.node.StdinPipe(); err != nil {
		return err
	}
	if err := s.node.Start(); err != nil {
		return fmt.Errorf("start %s: %w", script, err)
	}
	s.exited = make(chan struct{})
	go func() {
		defer close(s.exited)
		_ = s.node.Wait() // killed: that is how it ends
	}()
	return s.await("127.0.0.1:" + amqp)
}

// await waits until the broker greets a client, or its process ends.
func (s *server) await(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	for {
		select {
		case <-s.exited:
			return errors.New("rabbitmq-server ended")
		case <-ctx.Done():
			return fmt.Errorf("rabbitmq-server was not ready in %s", bootTimeout)
		case <-time.After(50 * time.Millisecond):
		}
		if greets(addr) {
			return nil
		}
	}
}

func greets(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return false
	}
	var first [1]byte
	n, _ := conn.Read(first[:])
	return n == 1 && first[0] == 1 // a method frame: connection.start
}

func (s *server) stop() {
	if s.exited != nil {
		s.lifeline.Close()
		<-s.exited
	}
	_ = os.RemoveAll(s.dir)
}

func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().String()[strings.LastIndexByte(l.Addr().String(), ':')+1:])
	}
	return ports, nil
}
