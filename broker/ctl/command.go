package ctl

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// state is what the broker must do for a command.
type state int

const (
	running state = iota // serve
	stopped              // not serve: stop_app was called
	always               // either
)

// command is one command of a program.
type command struct {
	name, section string
	// usage is what follows the name, about is a line for help.
	usage, about string
	// in are the programs that have it; rabbitmqctl alone if nil.
	in       []Program
	min, max int // arguments; max -1 is any number
	more     map[string]kind
	columns  []string // of lists, those there are
	needs    state
	// check checks the arguments further.
	check func(*call) error
	// files checks the files they name, which are the client's.
	files func(*call) error
	// banner says what is about to be done.
	banner func(*call) string
	// run does it, inside the broker.
	run func(context.Context, *call) (result, error)
	// local does it without a broker, offline does it if none is running.
	local, offline func(context.Context, *call) (result, error)
	// input reads what the client sends along, output writes what it gets.
	input  func(*call, io.Reader) ([]byte, error)
	output func(*call, []byte) error
}

// options are those the command takes.
func (cmd *command) options() map[string]kind {
	all := maps.Clone(commonOptions)
	maps.Copy(all, cmd.more)
	return all
}

// of are the programs that have the command.
func (cmd *command) of() []Program {
	if cmd.in == nil {
		return []Program{RabbitMQCtl}
	}
	return cmd.in
}

var (
	everywhere  = []Program{RabbitMQCtl, RabbitMQDiagnostics}
	diagnostics = []Program{RabbitMQDiagnostics}
	queues      = []Program{RabbitMQQueues}
	checks      = []Program{RabbitMQDiagnostics, RabbitMQQueues}
	allPrograms = []Program{RabbitMQCtl, RabbitMQPlugins, RabbitMQDiagnostics, RabbitMQQueues}
)

var (
	commandsOnce sync.Once
	commandsList []*command
)

// commands are all commands of all programs.
func commands() []*command {
	commandsOnce.Do(func() {
		for _, list := range [][]command{
			helpCommands(), nodeCommands(), clusterCommands(), userCommands(), permissionCommands(), vhostCommands(), limitCommands(),
			listCommands(), parameterCommands(), policyCommands(), settingCommands(), definitionCommands(), featureCommands(),
			connectionCommands(), queueCommands(), statusCommands(), checkCommands(), pluginCommands(),
		} {
			for i := range list {
				commandsList = append(commandsList, &list[i])
			}
		}
	})
	return commandsList
}

// find looks a program's command up.
func find(p Program, name string) *command {
	for _, cmd := range commands() {
		if cmd.name == name && slices.Contains(cmd.of(), p) {
			return cmd
		}
	}
	return nil
}

// say is a banner that depends on nothing.
func say(text string) func(*call) string { return func(*call) string { return text } }

// nonEmpty is a check that the first argument, a user or the like, has a name.
func nonEmpty(what string) func(*call) error {
	return func(c *call) error {
		if c.args[0] == "" {
			return badArgument("%s cannot be an empty string", what)
		}
		return nil
	}
}

// columnsOf are a list's columns: those asked for, separated by spaces or
// commas, or the usual ones.
func columnsOf(c *call, usual string) []string {
	if len(c.args) == 0 {
		return strings.Fields(usual)
	}
	return strings.FieldsFunc(strings.Join(c.args, " "), func(r rune) bool { return r == ' ' || r == ',' })
}

// knownColumns checks the columns asked for.
func knownColumns(c *call) error {
	var unknown []string
	for _, col := range columnsOf(c, "") {
		if !slices.Contains(c.cmd.columns, col) {
			unknown = append(unknown, col)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return &usageError{"Info key(s) " + strings.Join(unknown, ",") + " are not supported", exitUsage, true}
	}
	return nil
}
