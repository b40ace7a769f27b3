package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"nubo/broker"
	"nubo/broker/ctl"
	"nubo/broker/loadgen"
	"nubo/broker/node"
	"nubo/broker/wal"
)

type mqCommand struct {
	Serve       mqServe       `cmd:"" help:"Run the message broker alone, on the ports of RabbitMQ."`
	Ctl         mqCtl         `cmd:"" passthrough:"" help:"What rabbitmqctl does: nubo mq ctl [--data-dir DIR] help."`
	Plugins     mqPlugins     `cmd:"" passthrough:"" help:"What rabbitmq-plugins does: list, enable, disable."`
	Diagnostics mqDiagnostics `cmd:"" passthrough:"" help:"What rabbitmq-diagnostics does: health checks."`
	Queues      mqQueues      `cmd:"" passthrough:"" help:"What rabbitmq-queues does."`
	Bench       mqBench       `cmd:"" help:"Load a broker, this one or any other, and measure it."`
}

type mqServe struct {
	DataDir     string `placeholder:"DIR" help:"Where all state is; the directory is the broker's identity (default: as for nubo up)."`
	Listen      string `placeholder:"ADDR" help:"Address to listen on; :: is all there are (default 127.0.0.1)."`
	PortOffset  *int   `placeholder:"N" help:"Added to every port."`
	Config      string `placeholder:"FILE" help:"Configuration file; see: nubo config sample."`
	Sync        string `enum:"always,interval,write" default:"always" help:"When a persistent message is confirmed: always is after fdatasync; interval and write are like RabbitMQ's classic queues, and may lose the last messages with the machine's power."`
	MemoryLimit string `default:"0.4" placeholder:"LIMIT" help:"Memory the process may use before publishers wait: a fraction of the machine's, or an amount such as 2GB."`
	DiskLimit   string `default:"50MB" placeholder:"LIMIT" help:"How much disk must be free, or publishers wait."`
	TLSCert     string `name:"tls-cert" type:"existingfile" placeholder:"FILE" help:"Certificate to serve TLS with, on port 5671."`
	TLSKey      string `name:"tls-key" type:"existingfile" placeholder:"FILE" help:"Its key."`
	TLSCA       string `name:"tls-ca" type:"existingfile" placeholder:"FILE" help:"Certificates of those whose clients are let in; any client is without."`
	Debug       bool   `help:"Log much more."`
}

// mqHeadroom is memory that is asked for and never touched, so it is not
// resident. The garbage collector counts it: without it, it would run every
// few megabytes of messages, as a broker with short queues holds next to
// nothing; that was half of the processor time of messages of 16 KiB.
const mqHeadroom = 32 << 20

// Run serves the broker in the foreground.
func (m mqServe) Run(ctx context.Context, o output) error {
	headroom := make([]byte, mqHeadroom)
	defer runtime.KeepAlive(headroom)
	// Where the heap was used before, the runtime clears it: that touches it.
	if err := unix.Madvise(headroom, unix.MADV_DONTNEED); err != nil {
		return fmt.Errorf("give memory back: %w", err)
	}
	set, err := load(options{DataDir: m.DataDir, Listen: m.Listen, PortOffset: m.PortOffset, Config: m.Config, Debug: m.Debug})
	if err != nil {
		return err
	}
	disk, err := ctl.ParseOctets(m.DiskLimit)
	if err != nil {
		return usageError{fmt.Errorf("disk limit %q is no amount such as 50MB", m.DiskLimit)}
	}
	certs, err := m.tls()
	if err != nil {
		return err
	}
	set.def.Debug = true // the level below decides
	log, closeLog, err := openLog(set)
	if err != nil {
		return err
	}
	defer closeLog() //nolint:errcheck // the last line is written
	level := new(slog.LevelVar)
	if m.Debug {
		level.Set(slog.LevelDebug)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	opts := node.Options{
		Dir: set.brokerDir(), AMQP: set.address(portAMQP), Management: set.address(portManagement), Metrics: set.address(portMetrics),
		TLS: certs, Broker: broker.Config{Sync: wal.Sync(m.Sync), DiskFreeLimit: disk}, MemoryLimit: m.MemoryLimit, Stop: stop,
		Log: slog.New(leveled{log.Handler(), level}), Level: level,
		ConfigFile: absolute(m.Config), LogFile: set.logFile(), Version: Version, Settings: brokerSettings(set, m.MemoryLimit, m.Sync),
	}
	if certs != nil {
		opts.AMQPS = set.address(portAMQPS)
	}
	return node.Run(ctx, opts, func() {
		fmt.Fprintf(o.out, "nubo mq is ready: amqp://%s\n", set.address(portAMQP)) //nolint:errcheck // nobody to tell
	})
}

// tls makes what TLS needs, if it is wanted.
func (m mqServe) tls() (*tls.Config, error) {
	switch {
	case m.TLSCert == "" && m.TLSKey == "" && m.TLSCA == "":
		return nil, nil
	case m.TLSCert == "" || m.TLSKey == "":
		return nil, usageError{errors.New("TLS needs --tls-cert and --tls-key")}
	}
	return broker.TLSFiles{Cert: m.TLSCert, Key: m.TLSKey, CA: m.TLSCA, Required: m.TLSCA != ""}.Config()
}

// leveled is a log whose level changes while it is written.
type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

// Enabled implements slog.Handler.
func (l leveled) Enabled(_ context.Context, at slog.Level) bool { return at >= l.level.Level() }

// WithAttrs implements slog.Handler.
func (l leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(attrs), l.level}
}

// WithGroup implements slog.Handler.
func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}

// mqTool is one of RabbitMQ's tools as a command: all arguments are its own,
// but for the data directory.
type mqTool struct {
	Args []string `arg:"" optional:"" help:"The tool's own arguments."`
}

type (
	mqCtl         struct{ mqTool }
	mqPlugins     struct{ mqTool }
	mqDiagnostics struct{ mqTool }
	mqQueues      struct{ mqTool }
)

// Run runs rabbitmqctl.
func (m mqCtl) Run(ctx context.Context, o output) error { return m.run(ctx, o, ctl.RabbitMQCtl) }

// Run runs rabbitmq-plugins.
func (m mqPlugins) Run(ctx context.Context, o output) error {
	return m.run(ctx, o, ctl.RabbitMQPlugins)
}

// Run runs rabbitmq-diagnostics.
func (m mqDiagnostics) Run(ctx context.Context, o output) error {
	return m.run(ctx, o, ctl.RabbitMQDiagnostics)
}

// Run runs rabbitmq-queues.
func (m mqQueues) Run(ctx context.Context, o output) error { return m.run(ctx, o, ctl.RabbitMQQueues) }

// exitCode ends a command that has said all there is to say.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func (m mqTool) run(ctx context.Context, o output, p ctl.Program) error {
	if code := runTool(ctx, p, m.Args, o.out, o.err); code != exitDone {
		return exitCode(code)
	}
	return nil
}

// runTool runs one of RabbitMQ's tools for the broker of a data directory.
func runTool(ctx context.Context, p ctl.Program, args []string, stdout, stderr io.Writer) int {
	rest, dir := cutDataDir(args)
	set, err := load(options{DataDir: dir})
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p, err) //nolint:errcheck // nobody to tell
		return exitUsage
	}
	return ctl.Invocation{Program: p, Args: rest, Dir: set.brokerDir(), Stdin: os.Stdin, Stdout: stdout, Stderr: stderr}.Run(ctx)
}

// cutDataDir takes the data directory from the arguments.
func cutDataDir(args []string) (rest []string, dir string) {
	for i := 0; i < len(args); i++ {
		value, ok := strings.CutPrefix(args[i], "--data-dir=")
		switch {
		case ok:
			dir = value
		case args[i] == "--data-dir" && i+1 < len(args):
			i++
			dir = args[i]
		default:
			rest = append(rest, args[i])
		}
	}
	return rest, dir
}

type mqBench struct {
	loadgen.Options `embed:""`
}

// Run loads a broker.
func (m mqBench) Run(ctx context.Context, o output) error {
	return loadgen.Run(ctx, m.Options, o.out)
}
