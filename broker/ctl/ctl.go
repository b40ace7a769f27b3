// Package ctl is the broker's command line: rabbitmqctl, rabbitmq-plugins,
// rabbitmq-diagnostics and rabbitmq-queues, with RabbitMQ's commands, options,
// output and exit codes.
//
// A command runs in the broker's process, as RabbitMQ's do. The client checks
// the arguments, so that a wrong use is told without a broker, and sends them
// through the control socket in the broker's directory, which only the owner
// can reach; what comes back is what to print.
//
//	ctl.go           an invocation, from arguments to exit code
//	options.go       the arguments
//	command.go       what a command is; all of them
//	client.go        the control socket, as seen from outside
//	server.go        the same from inside, and what a Node must provide
//	output.go        results, errors, formatters
//	erlang.go        values as RabbitMQ prints them
//	help.go          usage
//	<resources>.go   the commands, one file a resource
package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Program is the name of one of RabbitMQ's command line tools.
type Program string

// The programs.
const (
	RabbitMQCtl         Program = "rabbitmqctl"
	RabbitMQPlugins     Program = "rabbitmq-plugins"
	RabbitMQDiagnostics Program = "rabbitmq-diagnostics"
	RabbitMQQueues      Program = "rabbitmq-queues"
)

// ProgramOf tells which of the programs a process was started as.
func ProgramOf(arg0 string) (Program, bool) {
	switch p := Program(filepath.Base(arg0)); p {
	case RabbitMQCtl, RabbitMQPlugins, RabbitMQDiagnostics, RabbitMQQueues:
		return p, true
	}
	return "", false
}

// Exit codes, as sysexits.h has them.
const (
	exitOK          = 0
	exitUsage       = 64
	exitData        = 65
	exitNoUser      = 67
	exitUnavailable = 69
	exitSoftware    = 70
	exitTempFail    = 75
)

// Invocation is one call of a program.
type Invocation struct {
	Program Program
	Args    []string
	// Dir is the broker's directory, where its control socket is.
	Dir            string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run carries the invocation out and returns the exit code.
func (i Invocation) Run(ctx context.Context) int {
	c, err := parse(i.Program, i.Args)
	if err != nil {
		return i.fail(c, err)
	}
	c.dir = i.Dir
	if c.cmd.files != nil {
		if err := c.cmd.files(c); err != nil {
			return i.fail(c, err)
		}
	}
	if c.cmd.local != nil {
		return i.print(c, func() (result, error) { return c.cmd.local(ctx, c) })
	}
	req := request{Program: i.Program, Args: i.Args}
	if c.cmd.input != nil {
		if req.Input, err = c.cmd.input(c, i.Stdin); err != nil {
			return i.fail(c, err)
		}
	}
	resp, err := send(ctx, i.Dir, c, req)
	switch {
	case errors.Is(err, errNotRunning) && c.cmd.offline != nil:
		return i.print(c, func() (result, error) { return c.cmd.offline(ctx, c) })
	case err != nil:
		return i.fail(c, unreachable(c, i.Dir, err))
	}
	if c.cmd.output != nil && resp.Code == exitOK {
		if err := c.cmd.output(c, resp.Output); err != nil {
			return i.fail(c, err)
		}
	}
	fmt.Fprint(i.Stderr, resp.Stderr) //nolint:errcheck // nobody to tell
	fmt.Fprint(i.Stdout, resp.Stdout) //nolint:errcheck // nobody to tell
	return resp.Code
}

// print runs what needs no broker and prints what came of it.
func (i Invocation) print(c *call, f func() (result, error)) int {
	r := execute(c, f)
	fmt.Fprint(i.Stderr, r.Stderr) //nolint:errcheck // nobody to tell
	fmt.Fprint(i.Stdout, r.Stdout) //nolint:errcheck // nobody to tell
	return r.Code
}

// fail prints an error and returns its exit code.
func (i Invocation) fail(c *call, err error) int {
	text, code := describe(c, err)
	fmt.Fprint(i.Stderr, text) //nolint:errcheck // nobody to tell
	return code
}

// errNotRunning is that there is no broker behind the socket.
var errNotRunning = errors.New("no broker is running")

// unreachable explains why a command did not reach the broker.
func unreachable(c *call, dir string, err error) error {
	var wrong *nodeError
	if errors.As(err, &wrong) {
		return &failure{code: exitUnavailable, raw: true, text: fmt.Sprintf(
			"Error: unable to perform an operation on node '%s'. The broker with data directory %s is node '%s'.", c.str("node"), dir, wrong.name)}
	}
	if !errors.Is(err, errNotRunning) {
		return &failure{code: exitUnavailable, raw: true, text: fmt.Sprintf("Error: unable to perform an operation on the broker in %s: %v", dir, err)}
	}
	return &failure{code: exitUnavailable, raw: true, text: fmt.Sprintf(`Error: unable to perform an operation on node '%s'. Please see diagnostics information and suggestions below.

Most common reasons for this are:

 * The broker is not running: start it with 'nubo mq serve' or 'nubo up'
 * It has another data directory: name it with --data-dir, or in NUBO_DEFAULT_DATA_DIR
 * It runs as another user, whose control socket this user may not open

DIAGNOSTICS
===========

attempted to contact: %s
`, nodeName(c), filepath.Join(dir, socketName))}
}

// nodeName is the node a command is for, as it was named or as it would be.
func nodeName(c *call) string {
	if n := c.str("node"); n != "" {
		return n
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	host, _, _ = strings.Cut(host, ".")
	return "rabbit@" + host
}
