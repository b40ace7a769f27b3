package ctl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// kind is what values an option takes.
type kind int

const (
	flag kind = iota // none
	text
	integer
	number
)

// commonOptions are those every command takes, if only to ignore them.
var commonOptions = map[string]kind{
	"node": text, "longnames": flag, "quiet": flag, "silent": flag, "dry-run": flag, "help": flag,
	"timeout": number, "vhost": text, "formatter": text, "printer": text, "file": text, "print-stacktrace": flag,
	"table-headers": flag, "erlang-cookie": text, "script-name": text, "rabbitmq-home": text, "mnesia-dir": text,
	"plugins-dir": text, "enabled-plugins-file": text, "aliases-file": text,
}

var shortOptions = map[byte]string{'n': "node", 'q': "quiet", 's': "silent", 'l': "longnames", 't': "timeout", 'p': "vhost", '?': "help", 'P': "pid"}

// call is a command with its arguments and options.
type call struct {
	program Program
	cmd     *command
	given   []string // all arguments, as they were given
	args    []string
	opts    map[string]string
	dir     string
	node    Node   // where the command runs; nil for the client
	input   []byte // what the client read for the command
	out     []byte // what the client is to write for the command
}

func (c *call) has(option string) bool { _, ok := c.opts[option]; return ok }

func (c *call) str(option string) string { return c.opts[option] }

// or is an option's value, or another if it was not given.
func (c *call) or(option, otherwise string) string {
	if v, ok := c.opts[option]; ok {
		return v
	}
	return otherwise
}

// vhost is the virtual host the command is about.
func (c *call) vhost() string { return c.or("vhost", "/") }

// quiet tells that only the result is wanted.
func (c *call) quiet() bool {
	return c.has("quiet") || c.has("silent") || c.formatter() == "json" || c.formatter() == "csv"
}

func (c *call) formatter() string { return c.str("formatter") }

// usageError is a wrong use, which ends with the command's usage.
type usageError struct {
	text string
	code int
	// validation tells that the arguments themselves are wrong, not the time.
	validation bool
}

func (e *usageError) Error() string { return e.text }

func badArgument(format string, a ...any) error {
	return &usageError{"Bad argument: " + fmt.Sprintf(format, a...), exitData, true}
}

var (
	errTooFew  = &usageError{"not enough arguments.", exitUsage, true}
	errTooMany = &usageError{"too many arguments.", exitUsage, true}
)

// parse finds the command and its options, and checks what can be checked
// without a broker. The call is good for an error message even if there is one.
func parse(p Program, args []string) (*call, error) {
	c := &call{program: p, given: args, opts: make(map[string]string)}
	known := commonOptions
	if name := commandName(args); name != "" {
		c.cmd = find(p, name)
		if c.cmd == nil {
			return c, &unknownCommand{name}
		}
		known = c.cmd.options()
	}
	invalid := c.split(known)
	if c.cmd == nil || c.has("help") {
		return c, c.help(nil)
	}
	if len(invalid) > 0 {
		return c, &usageError{"Invalid options for this command:\n" + strings.Join(invalid, "\n"), exitUsage, true}
	}
	switch n := len(c.args); {
	case n < c.cmd.min:
		return c, errTooFew
	case c.cmd.max >= 0 && n > c.cmd.max:
		return c, errTooMany
	}
	if f := c.formatter(); c.has("formatter") && !slices.Contains(formatters, f) {
		return c, &usageError{fmt.Sprintf("Formatter %s is not one of %s", f, strings.Join(formatters, ", ")), exitUsage, true}
	}
	if c.cmd.check != nil {
		return c, c.cmd.check(c)
	}
	return c, nil
}

// commandName is the first argument that is no option, nor the value of one of
// the options that may go before the command.
func commandName(args []string) string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if !isOption(a) {
			return a
		}
		name, _, hasValue := optionName(a)
		if k, ok := commonOptions[name]; ok && k != flag && !hasValue {
			i++
		}
	}
	return ""
}

// isOption tells an option from a negative number.
func isOption(a string) bool {
	return len(a) > 1 && a[0] == '-' && (a == "--" || !unicode.IsDigit(rune(a[1])))
}

// optionName splits --name=value; short options get their long name.
func optionName(a string) (name, value string, hasValue bool) {
	if strings.HasPrefix(a, "--") {
		return strings.Cut(a[2:], "=")
	}
	name, value, hasValue = strings.Cut(a[1:], "=")
	if len(name) == 1 && shortOptions[name[0]] != "" {
		name = shortOptions[name[0]]
	}
	return name, value, hasValue
}

// split sorts the arguments into options and the rest, without the command,
// and returns the options that are wrong.
func (c *call) split(known map[string]kind) (invalid []string) {
	args, seen := c.given, false
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			c.args = append(c.args, args[i+1:]...)
			break
		}
		if !isOption(a) {
			if seen {
				c.args = append(c.args, a)
			}
			seen = true
			continue
		}
		name, value, hasValue := optionName(a)
		if no, ok := strings.CutPrefix(name, "no-"); ok && known[no] == flag && !hasValue {
			if _, ok := known[no]; ok {
				c.opts[name] = "true"
				continue
			}
		}
		k, ok := known[name]
		switch {
		case !ok:
			invalid = append(invalid, a+" : "+value)
			continue
		case k == flag:
			value = "true"
		case !hasValue && i+1 < len(args):
			i++
			value = args[i]
		case !hasValue:
			invalid = append(invalid, a+" : ")
			continue
		}
		if !k.takes(value) {
			invalid = append(invalid, strings.SplitN(a, "=", 2)[0]+" : "+value)
			continue
		}
		c.opts[name] = value
	}
	return invalid
}

func (k kind) takes(value string) bool {
	switch k {
	case integer:
		_, err := strconv.Atoi(value)
		return err == nil
	case number:
		_, err := strconv.ParseFloat(value, 64)
		return err == nil || value == "infinity"
	}
	return true
}
