package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nubo/broker"
)

// helpText is help in the place of a result.
type helpText struct {
	text string
	code int
}

func (h *helpText) Error() string { return "help" }

// sections are the groups of commands, in the order help shows them.
var sections = []string{
	"Help", "Nodes", "Cluster", "Replication", "Users", "Access Control", "Monitoring, observability and health checks",
	"Parameters", "Policies", "Virtual hosts", "Configuration and Environment", "Definitions", "Feature flags", "Plugins",
	"Operations", "Queues", "Deprecated",
}

func helpCommands() []command {
	return []command{
		{
			name: "help", section: "Help", usage: "<command>", about: "Displays usage information for a command", in: allPrograms, max: 1,
			local: func(_ context.Context, c *call) (result, error) {
				if len(c.args) == 0 {
					return result{text: programUsage(c.program)}, nil
				}
				cmd := find(c.program, c.args[0])
				if cmd == nil {
					return result{}, failed(exitUsage, "\nCommand '%s' not found.", c.args[0])
				}
				return result{text: commandHelp(c.program, cmd)}, nil
			},
		},
		{
			name: "version", section: "Help", about: "Displays CLI tools version", in: everywhere,
			local: func(context.Context, *call) (result, error) { return message("%s", broker.Compatible) },
		},
		{
			name: "autocomplete", section: "Help", usage: "<prefix>", about: "Provides command name autocomplete variants", in: allPrograms, min: 1, max: 1,
			local: func(_ context.Context, c *call) (result, error) {
				var names []string
				for _, cmd := range commands() {
					if slices.Contains(cmd.of(), c.program) && strings.HasPrefix(cmd.name, c.args[0]) {
						names = append(names, cmd.name)
					}
				}
				slices.Sort(names)
				return result{text: strings.Join(names, "\n")}, nil
			},
		},
	}
}

// help is the answer to --help, or to no command at all.
func (c *call) help(error) error {
	if c.cmd != nil {
		return &helpText{commandHelp(c.program, c.cmd) + "\n", exitOK}
	}
	code := exitUsage
	if c.has("help") {
		code = exitOK
	}
	return &helpText{programUsage(c.program) + "\n", code}
}

// usage is a command's line of usage.
func usage(c *call) string { return usageOf(c.program, c.cmd) }

func usageOf(p Program, cmd *command) string {
	return strings.TrimSpace(fmt.Sprintf("%s [--node <node>] [--longnames] [--quiet] %s %s", p, cmd.name, cmd.usage))
}

func commandHelp(p Program, cmd *command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%sUsage%s\n\n%s\n\n%s.\n\n", bold, plain, usageOf(p, cmd), strings.TrimSuffix(cmd.about, "."))
	if len(cmd.columns) > 0 {
		columns := slices.Sorted(slices.Values(cmd.columns))
		fmt.Fprintf(&b, "\n%sArguments and Options%s\n\n<column>\n\tmust be one of %s\n\n", bold, plain, strings.Join(columns, ", "))
	}
	fmt.Fprintf(&b, "\n%sGeneral Options%s\n\n%s", bold, plain, generalOptions)
	return b.String()
}

const generalOptions = `The following options are accepted by all commands.

short            | long          | description
-----------------|---------------|--------------------------------
-?               | --help        | displays command help
-n <node>        | --node <node> | refuse to talk to any other node
-t <n>           | --timeout <n> | give up after n seconds
-q               | --quiet       | print the result only
-s               | --silent      | print the result only, and no header
-p <vhost>       | --vhost       | the virtual host the command is about
                 | --formatter   | table, pretty_table, json, csv or erlang
`

// programUsage lists a program's commands.
func programUsage(p Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%sUsage%s\n\n%s [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> [<command options>]\n\nAvailable commands:\n", bold, plain, p)
	width := 0
	bySection := map[string][]*command{}
	for _, cmd := range commands() {
		if slices.Contains(cmd.of(), p) {
			width = max(width, len(cmd.name))
			bySection[cmd.section] = append(bySection[cmd.section], cmd)
		}
	}
	for _, section := range sections {
		list := bySection[section]
		if len(list) == 0 {
			continue
		}
		slices.SortFunc(list, func(a, b *command) int { return strings.Compare(a.name, b.name) })
		fmt.Fprintf(&b, "\n%s%s%s:\n\n", bold, section, plain)
		for _, cmd := range list {
			fmt.Fprintf(&b, "   %-*s  %s\n", width, cmd.name, cmd.about)
		}
	}
	fmt.Fprintf(&b, "\nUse '%s help <command>' to learn more about a specific command", p)
	return b.String()
}

// notFound says that there is no such command, and which was meant.
func notFound(p Program, name string) string {
	best, distance := "", 0
	for _, cmd := range commands() {
		if slices.Contains(cmd.of(), p) {
			if d := editDistance(name, cmd.name); best == "" || d < distance {
				best, distance = cmd.name, d
			}
		}
	}
	if best != "" && distance <= max(1, len(name)/4) {
		return fmt.Sprintf("\nCommand '%s' not found. \nDid you mean '%s'? \n\n", name, best)
	}
	return fmt.Sprintf("\nCommand '%s' not found. \n%s\n", name, programUsage(p))
}

// editDistance is how many letters must change to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
