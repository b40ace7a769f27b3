package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"nubo/broker/ctl"
	"nubo/identity/driver/hashing"
)

// Version is set when the binary is built.
var Version = "dev"

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commands is the command tree.
type commands struct {
	Up      upCommand      `cmd:"" help:"Start the cloud: every component, in this process, in the foreground."`
	Down    downCommand    `cmd:"" help:"Stop the cloud and remove every domain, bridge, namespace and process of its."`
	Status  statusCommand  `cmd:"" help:"Show the services with their state and the age of their heartbeat; exit 1 if any is down."`
	Node    nodeCommand    `cmd:"" help:"Run this host's compute and network agents for a controller elsewhere."`
	Serve   serveCommand   `cmd:"" help:"Run some modules of the cloud only."`
	MQ      mqCommand      `cmd:"" name:"mq" help:"The message broker: alone, its command line, its load generator."`
	Policy  policyCommand  `cmd:"" help:"Who may do what, and why not."`
	Config  configCommand  `cmd:"" help:"The configuration: a sample, or what is in force."`
	Keys    keysCommand    `cmd:"" help:"The keys that sign tokens."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// output is where a command prints.
type output struct{ out, err io.Writer }

// failure is an error that ends a command with one line and exit code 1.
type failure struct{ error }

// Main runs the command line and gives the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if tool, ok := ctl.ProgramOf(args[0]); ok { // through a link of that name
		return runTool(ctx, tool, args[1:], stdout, stderr)
	}
	if len(args) == 2 && args[1] == hashing.Command { // a process of identity's
		if err := hashing.Serve(os.Stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "nubo:", err)
			return exitFailed
		}
		return exitDone
	}
	var tree commands
	ended := -1
	parser, err := kong.New(&tree,
		kong.Name("nubo"),
		kong.Description("A private cloud in one binary: OpenStack's APIs, a RabbitMQ-compatible message bus, real guests.\n\n"+
			"Start with: nubo up --virt simulated"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { ended = code; panic(exited{}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(output{stdout, stderr}),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "nubo:", err)
		return exitFailed
	}
	run, err := parse(parser, args[1:])
	switch {
	case ended >= 0: // --help
		return ended
	case err != nil:
		fmt.Fprintf(stderr, "nubo: %v\nTry: nubo --help\n", err)
		return exitUsage
	}
	err = run.Run()
	var usage usageError
	var code exitCode
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "nubo: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "nubo: %v\n", err)
	return exitFailed
}

// exited carries kong's wish to end the process out of Parse.
type exited struct{}

func parse(p *kong.Kong, args []string) (c *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exited); !ok {
				panic(r)
			}
		}
	}()
	return p.Parse(args)
}

// usageError is a wrong use that only the command itself can notice.
type usageError struct{ error }

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(o output) error {
	_, err := fmt.Fprintln(o.out, "nubo", Version)
	return err
}
