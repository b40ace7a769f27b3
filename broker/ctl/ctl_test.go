package ctl_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"nubo/broker/ctl"
	"nubo/broker/node"
	"nubo/internal/rpc/rabbittest"
	"nubo/internal/testx"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	testx.NoErr(t, err)
	defer l.Close()
	return l.Addr().String()
}

// peer is a broker with a command line.
type peer struct {
	dir, amqp, management string
	ended                 chan error
}

// start runs a node until the test ends, or it is told to stop.
func start(t *testing.T, dir string) *peer {
	t.Helper()
	p := &peer{dir: dir, amqp: freeAddress(t), management: freeAddress(t), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	go func() {
		p.ended <- node.Run(ctx, node.Options{
			Dir: dir, AMQP: p.amqp, Management: p.management, Metrics: freeAddress(t), MemoryLimit: "0.4", Stop: cancel,
			LogFile: "-", Version: "test", Settings: []ctl.Setting{{Name: "sync", Value: "always"}},
		}, func() { close(ready) })
		close(p.ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	select {
	case <-ready:
	case err := <-p.ended:
		t.Fatalf("the node did not start: %v", err)
	}
	return p
}

// run runs a command line and tells what it printed and how it ended.
func (p *peer) run(program ctl.Program, input string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = ctl.Invocation{
		Program: program, Args: args, Dir: p.dir, Stdin: strings.NewReader(input), Stdout: &out, Stderr: &errs,
	}.Run(context.Background())
	return out.String(), errs.String(), code
}

// words splits a command line; quotes keep spaces.
func words(line string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}

// play runs a command line as in a shell, and puts all it said in one text.
func (p *peer) play(line string) string {
	program, args := ctl.RabbitMQCtl, words(line)
	switch args[0] {
	case "plugins", "diagnostics", "queues":
		program, args = ctl.Program("rabbitmq-"+args[0]), args[1:]
	}
	out, errs, code := p.run(program, "", args...)
	return fmt.Sprintf("%s--\n%s=> %d", out, errs, code)
}

// ok runs a command that must succeed and returns what it printed.
func (p *peer) ok(t *testing.T, line string) string {
	t.Helper()
	args := words(line)
	out, errs, code := p.run(ctl.RabbitMQCtl, "", args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d: %s%s", line, code, out, errs)
	}
	return out
}

func dial(t *testing.T, address string) *rabbit.Connection {
	t.Helper()
	c, err := rabbit.Dial("amqp://guest:guest@" + address + "/")
	testx.NoErr(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// TestPasswords takes them from arguments and from standard input.
func TestPasswords(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	_, _, code := p.run(ctl.RabbitMQCtl, "from input\nmore", "add_user", "nova")
	testx.Equal(t, code, 0)
	_, _, code = p.run(ctl.RabbitMQCtl, "", "authenticate_user", "nova", "from input")
	testx.Equal(t, code, 0)
	_, _, code = p.run(ctl.RabbitMQCtl, "new\n", "change_password", "nova")
	testx.Equal(t, code, 0)
	_, errs, code := p.run(ctl.RabbitMQCtl, "from input\n", "authenticate_user", "nova")
	testx.Equal(t, []any{code, errs}, []any{65, "Error:\nError: failed to authenticate user \"nova\"\nuser 'nova' - invalid credentials\n"})
	p.ok(t, "clear_password nova")
	_, _, code = p.run(ctl.RabbitMQCtl, "", "authenticate_user", "nova", "")
	testx.Equal(t, code, 65)
	_, errs, code = p.run(ctl.RabbitMQCtl, "", "change_password", "nova")
	testx.Equal(t, []any{code, errs}, []any{70, "Error:\nPassword is not provided via argument or stdin\n"})
}

// TestDefinitions exports to a file and imports into another broker.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	p, other := start(t, t.TempDir()), start(t, t.TempDir())
	p.ok(t, "add_vhost v1")
	p.ok(t, "add_user nova secret")
	p.ok(t, "set_permissions -p v1 nova ^n .* .*")
	file := filepath.Join(t.TempDir(), "definitions.json")
	p.ok(t, "export_definitions "+file)
	info, err := os.Stat(file)
	testx.NoErr(t, err)
	testx.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
	other.ok(t, "import_definitions "+file)
	testx.Equal(t, other.ok(t, "list_permissions -s -p v1"), "nova\t^n\t.*\t.*\n")
	text := p.ok(t, "export_definitions -")
	_, errs, code := other.run(ctl.RabbitMQCtl, text, "import_definitions")
	testx.Equal(t, []any{code, errs}, []any{0, ""})
	_, _, code = other.run(ctl.RabbitMQCtl, "{", "import_definitions")
	testx.Equal(t, code, 65)
}

// TestConnections closes connections by pid, by name and by user.
func TestConnections(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	closed := make([]chan *rabbit.Error, 3)
	for i := range closed {
		closed[i] = dial(t, p.amqp).NotifyClose(make(chan *rabbit.Error, 1))
	}
	column := func(name string) []string {
		return strings.Split(strings.TrimSpace(p.ok(t, "list_connections -s "+name)), "\n")
	}
	testx.Equal(t, len(column("name")), 3)
	p.ok(t, "close_connection '"+column("pid")[0]+"' 'by pid'")
	testx.Equal(t, (<-closed[0]).Reason, "CONNECTION_FORCED - by pid")
	testx.Eventually(t, "a connection less", func() bool { return len(column("name")) == 2 })
	p.ok(t, "close_connection '"+column("name")[0]+"' 'by name'")
	testx.Equal(t, (<-closed[1]).Reason, "CONNECTION_FORCED - by name")
	testx.Eventually(t, "a connection less", func() bool { return len(column("name")) == 1 })
	p.ok(t, "close_all_user_connections guest 'by user'")
	testx.Equal(t, (<-closed[2]).Reason, "CONNECTION_FORCED - by user")
	testx.Equal(t, p.play("close_connection nonsense why"), "Closing connection nonsense, reason: why...\n--\nError:\nError:\n{:invalid_pid_syntax, \"nonsense\"}\n=> 69")
}

// TestShovels sets the shovel that moves a queue's messages, as the dashboard
// says it is done.
func TestShovels(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	const move = `{"src-uri":"amqp:///%2F","src-queue":"from","src-delete-after":"queue-length","dest-uri":"amqp:///%2F","dest-queue":"to"}`
	p.ok(t, "set_parameter shovel m '"+move+"'")
	testx.Equal(t, strings.Contains(p.ok(t, "list_parameters -s"), "shovel\tm\t{"), true) // its queues are not there
	p.ok(t, "clear_parameter shovel m")
	testx.Equal(t, strings.Contains(p.ok(t, "list_parameters -s"), "shovel"), false)
}

// TestApp stops, resets and starts the broker in its process.
func TestApp(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	p.ok(t, "add_user nova secret")
	p.ok(t, "stop_app")
	testx.Equal(t, p.ok(t, "ping -q"), "Ping succeeded\n")
	for line, want := range map[string]int{
		"list_queues": 64, "diagnostics check_running": 69, "diagnostics is_running": 0, "join_cluster rabbit@other": 69,
		"join_cluster rabbit@" + hostname(t): 70, "change_cluster_node_type ram": 69, "force_boot": 0, "stop_app": 0,
	} {
		if got := p.play(line); !strings.HasSuffix(got, fmt.Sprint("=> ", want)) {
			t.Errorf("%s: %s; want exit code %d", line, got, want)
		}
	}
	_, err := net.Dial("tcp", p.amqp)
	if err == nil {
		t.Error("a stopped broker still listens")
	}
	p.ok(t, "start_app")
	testx.Equal(t, strings.Contains(p.ok(t, "list_users -s"), "nova"), true)
	dial(t, p.amqp)
	testx.Equal(t, strings.HasSuffix(p.play("reset"), "=> 64"), true)
	p.ok(t, "stop_app")
	p.ok(t, "reset")
	p.ok(t, "start_app")
	testx.Equal(t, p.ok(t, "list_users -s"), "guest\t[administrator]\n")
	p.ok(t, "await_startup")
	p.ok(t, "wait -q "+filepath.Join(p.dir, "pid"))
	p.ok(t, "stop")
	testx.NoErr(t, <-p.ended)
	_, _, code := p.run(ctl.RabbitMQCtl, "", "list_users")
	testx.Equal(t, code, 69)
}

func hostname(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	testx.NoErr(t, err)
	host, _, _ = strings.Cut(host, ".")
	return host
}

// TestPlugins switches the management API off and on while the broker runs,
// and before it does.
func TestPlugins(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("a long name for a directory ", 5))
	off := &peer{dir: dir}
	_, _, code := off.run(ctl.RabbitMQPlugins, "", "disable", "--all", "-q")
	testx.Equal(t, code, 0)
	p := start(t, dir)
	reachable := func() bool {
		nc, err := net.Dial("tcp", p.management)
		if err != nil {
			return false
		}
		testx.NoErr(t, nc.Close())
		return true
	}
	testx.Equal(t, reachable(), false)
	testx.Equal(t, p.play("plugins enable rabbitmq_management"), "Enabling plugins on node rabbit@"+hostname(t)+":\nrabbitmq_management\n"+
		"The following plugins have been configured:\n  rabbitmq_management\n  rabbitmq_management_agent\n  rabbitmq_web_dispatch\n"+
		"Applying plugin configuration to rabbit@"+hostname(t)+"...\n"+
		"The following plugins have been enabled:\n  rabbitmq_management\n  rabbitmq_management_agent\n  rabbitmq_web_dispatch\n\nstarted 3 plugins.\n--\n=> 0")
	testx.Equal(t, reachable(), true)
	text, err := os.ReadFile(filepath.Join(dir, "enabled_plugins"))
	testx.NoErr(t, err)
	testx.Equal(t, string(text), "[rabbitmq_management].\n")
	testx.Equal(t, strings.HasSuffix(p.play("plugins is_enabled rabbitmq_prometheus"), "=> 69"), true)
	testx.Equal(t, strings.HasSuffix(p.play("plugins enable rabbitmq_shovel"), "Error:\n{:plugins_not_found, [:rabbitmq_shovel]}\n=> 70"), true)
	out, _, _ := p.run(ctl.RabbitMQPlugins, "", "list", "-e", "-q")
	testx.Equal(t, out, "[E*] rabbitmq_management       3.10.8\n[e*] rabbitmq_management_agent 3.10.8\n[e*] rabbitmq_web_dispatch     3.10.8\n")
	p.run(ctl.RabbitMQPlugins, "", "disable", "rabbitmq_web_dispatch") // takes what needs it along
	testx.Equal(t, reachable(), false)
	out, _, _ = p.run(ctl.RabbitMQPlugins, "", "list", "-e", "-m", "-q")
	testx.Equal(t, out, "")
}

// TestOneProcess keeps a second broker away from a directory.
func TestOneProcess(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	err := node.Run(context.Background(), node.Options{Dir: p.dir, AMQP: freeAddress(t), MemoryLimit: "0.4"}, func() {})
	want := fmt.Sprintf("a broker with directory %s runs already (pid %d); stop it first, or give another --data-dir", p.dir, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	info, err := os.Stat(filepath.Join(p.dir, "control.sock"))
	testx.NoErr(t, err)
	testx.Equal(t, info.Mode().Perm(), os.FileMode(0o600))
	_, errs, code := p.run(ctl.RabbitMQCtl, "", "-n", "rabbit@elsewhere", "list_users")
	testx.Equal(t, []any{code, strings.HasPrefix(errs, "Error: unable to perform an operation on node 'rabbit@elsewhere'")}, []any{69, true})
}

// TestMemoryLimit makes publishers wait by a limit that leaves no memory.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	ch, err := dial(t, p.amqp).Channel()
	testx.NoErr(t, err)
	_, err = ch.QueueDeclare("q", false, false, false, false, nil)
	testx.NoErr(t, err)
	p.ok(t, "set_vm_memory_high_watermark 0.00001")
	testx.NoErr(t, ch.Publish("", "q", false, false, rabbit.Publishing{Body: []byte("m")}))
	testx.Eventually(t, "an alarm", func() bool {
		return strings.HasSuffix(p.play("diagnostics check_alarms"), "=> 69")
	})
	p.ok(t, "set_vm_memory_high_watermark absolute 2GB")
	testx.Eventually(t, "no alarm", func() bool {
		return strings.HasSuffix(p.play("diagnostics check_alarms"), "=> 0")
	})
	p.ok(t, "set_disk_free_limit 1000TB")
	testx.Equal(t, strings.HasSuffix(p.play("diagnostics check_local_alarms"), "Error:\nFree disk space alarm on node rabbit@"+hostname(t)+"\n=> 69"), true)
	testx.Equal(t, strings.HasSuffix(p.play("node_health_check"), "=> 70"), true)
	p.ok(t, "set_disk_free_limit mem_relative 0.0")
	testx.Equal(t, strings.HasSuffix(p.play("node_health_check"), "Health check passed\n--\n=> 0"), true)
}
