package ctl

import (
	"errors"
	"fmt"
	"strings"

	"nubo/amqp"
	"nubo/broker"
	"nubo/broker/policy"
	"nubo/broker/user"
	"nubo/broker/vhost"
)

// result is what came of a command.
type result struct {
	text string // a message, or sections of text
	rows *rows  // a list
	// value is what JSON shows of a text, in its place.
	value any
	// bare keeps a text from ending with a new line.
	bare bool
}

// rows is a list of things with the same columns.
type rows struct {
	columns []string
	list    [][]any
	// stream marks RabbitMQ's lists that print nothing at all if empty.
	stream bool
	// headless marks the one that has no header.
	headless bool
}

func (r *rows) add(values ...any) { r.list = append(r.list, values) }

// message is a result that is a text.
func message(format string, a ...any) (result, error) {
	return result{text: fmt.Sprintf(format, a...)}, nil
}

// done is a result that is nothing to speak of.
func done(err error) (result, error) { return result{}, err }

// failure is an error with its exit code.
type failure struct {
	code int
	text string
	// raw keeps the word "Error" away.
	raw bool
	// value is what JSON shows in the text's place.
	value any
}

func (f *failure) Error() string { return f.text }

func failed(code int, format string, a ...any) error {
	return &failure{code: code, text: fmt.Sprintf(format, a...)}
}

// noVHost is RabbitMQ's most frequent way to say so.
func noVHost(name string) error {
	return &failure{code: exitData, text: fmt.Sprintf("Virtual host '%s' does not exist", name), raw: true}
}

// unknownCommand is a command that is not there.
type unknownCommand struct{ name string }

func (e *unknownCommand) Error() string { return fmt.Sprintf("Command '%s' not found.", e.name) }

// response is what the broker sends back.
type response struct {
	Stdout, Stderr string
	Output         []byte // for the client to write to a file
	Code           int
}

// execute runs a command and gathers what it prints.
func execute(c *call, f func() (result, error)) response {
	var out strings.Builder
	if c.cmd.banner != nil && !c.quiet() {
		if b := c.cmd.banner(c); b != "" {
			out.WriteString(b + "\n")
		}
	}
	r, err := f()
	if err != nil {
		text, code := describe(c, err)
		return response{Stdout: out.String(), Stderr: text, Code: code}
	}
	write(&out, c, r)
	return response{Stdout: out.String(), Output: c.out}
}

// describe is the text of an error, and the exit code.
func describe(c *call, err error) (string, int) {
	var help *helpText
	var unknown *unknownCommand
	var use *usageError
	switch {
	case errors.As(err, &help):
		return help.text, help.code
	case errors.As(err, &unknown):
		return notFound(c.program, unknown.name), exitUsage
	case errors.As(err, &use):
		what := "Error: "
		if use.validation {
			what = "Error (argument validation): "
		}
		return fmt.Sprintf("%s%s\nArguments given:\n\t%s\n\n%sUsage%s\n\n%s\n", what, use.text, strings.Join(c.given, " "), bold, plain, usage(c)), use.code
	}
	f := asFailure(err)
	if c.formatter() == "json" {
		value := f.value
		if value == nil {
			value = object{{"message", f.text}, {"node", nameOf(c)}, {"result", "error"}}
		}
		return toJSON(value) + "\n", f.code
	}
	if f.raw {
		return f.text + "\n", f.code
	}
	return "Error:\n" + f.text + "\n", f.code
}

// asFailure gives the broker's errors the words and exit codes RabbitMQ has.
func asFailure(err error) *failure {
	var f *failure
	var p *policy.Error
	var a *amqp.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &p):
		return &failure{code: exitUnavailable, text: p.Error()}
	case errors.As(err, &a):
		return &failure{code: exitUnavailable, text: a.Text}
	case errors.Is(err, user.ErrUnknown):
		return &failure{code: exitNoUser, text: err.Error()}
	case errors.Is(err, broker.ErrUnknownVHost), errors.Is(err, vhost.ErrLimit), errors.Is(err, user.ErrLimit), errors.Is(err, broker.ErrDefinitions):
		return &failure{code: exitUnavailable, text: err.Error()}
	}
	return &failure{code: exitSoftware, text: err.Error()}
}

func nameOf(c *call) string {
	if c.node != nil {
		return c.node.Name()
	}
	return nodeName(c)
}

var formatters = []string{"table", "json", "csv", "erlang", "pretty_table", "json_stream", "string", "string_per_line"}

// write prints a result in the format that is asked for.
func write(out *strings.Builder, c *call, r result) {
	switch {
	case r.rows != nil:
		writeRows(out, c, r.rows)
	case c.formatter() == "json":
		switch {
		case r.value != nil:
			out.WriteString(toJSON(r.value) + "\n")
		case r.text == "":
			out.WriteString(toJSON(object{{"node", nameOf(c)}, {"result", "ok"}}) + "\n")
		default:
			out.WriteString(toJSON(object{{"message", r.text}}) + "\n")
		}
	case c.formatter() == "erlang" && r.value != nil:
		out.WriteString(toErlang(r.value) + "\n")
	case r.text != "":
		out.WriteString(r.text)
		if !r.bare {
			out.WriteString("\n")
		}
	}
}

func writeRows(out *strings.Builder, c *call, r *rows) {
	head := !c.has("silent") && !c.has("no-table-headers") && !r.headless
	switch c.formatter() {
	case "json":
		if len(r.list) == 0 && !r.stream {
			out.WriteString("[]\n")
			return
		}
		out.WriteString("[\n")
		for i, row := range r.list {
			if i > 0 {
				out.WriteString(",")
			}
			out.WriteString(toJSON(r.object(row)) + "\n")
		}
		out.WriteString("]\n")
	case "json_stream":
		for _, row := range r.list {
			out.WriteString(toJSON(r.object(row)) + "\n")
		}
	case "csv":
		lines := r.list
		if head && len(lines) > 0 {
			lines = append([][]any{r.header()}, lines...)
		}
		for _, row := range lines {
			for i, v := range row {
				if i > 0 {
					out.WriteString(",")
				}
				out.WriteString(`"` + strings.ReplaceAll(toText(v), `"`, `""`) + `"`)
			}
			out.WriteString("\n")
		}
	case "erlang":
		list := make([]string, len(r.list))
		for i, row := range r.list {
			list[i] = toErlang(r.object(row))
		}
		out.WriteString("[" + strings.Join(list, ",\n ") + "]\n")
	case "pretty_table":
		writePretty(out, r)
	default:
		if len(r.list) == 0 {
			if !r.stream {
				out.WriteString("\n")
			}
			return
		}
		lines := r.list
		if head {
			lines = append([][]any{r.header()}, lines...)
		}
		for _, row := range lines {
			for i, v := range row {
				if i > 0 {
					out.WriteString("\t")
				}
				out.WriteString(toText(v))
			}
			out.WriteString("\n")
		}
	}
}

func (r *rows) header() []any {
	h := make([]any, len(r.columns))
	for i, c := range r.columns {
		h[i] = c
	}
	return h
}

func (r *rows) object(row []any) object {
	o := make(object, len(row))
	for i, v := range row {
		o[i] = field{r.columns[i], v}
	}
	return o
}

const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
	// The terminal's line drawing characters are within these.
	lineOn, lineOff = "\x1b(0", "\x1b(B"
)

// writePretty draws a table with lines between the rows.
func writePretty(out *strings.Builder, r *rows) {
	if len(r.list) == 0 {
		return
	}
	lines := append([][]any{r.header()}, r.list...)
	width := make([]int, len(r.columns))
	for _, row := range lines {
		for i, v := range row {
			width[i] = max(width[i], len([]rune(toPretty(v))))
		}
	}
	rule := func(left, middle, right string) {
		parts := make([]string, len(width))
		for i, w := range width {
			parts[i] = strings.Repeat("q", w+2)
		}
		out.WriteString(lineOn + left + strings.Join(parts, middle) + right + lineOff + "\n")
	}
	rule("l", "w", "k")
	bar := lineOn + "x" + lineOff
	for n, row := range lines {
		if n > 0 {
			rule("t", "n", "u")
		}
		for i, v := range row {
			s := toPretty(v)
			pad := strings.Repeat(" ", width[i]-len([]rune(s)))
			if n == 0 {
				s = bold + s + plain
			}
			out.WriteString(bar + " " + s + pad + " ")
		}
		out.WriteString(bar + "\n")
	}
	rule("m", "v", "j")
}
