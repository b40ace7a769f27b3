package ctl

import (
	"errors"
	"strings"
	"testing"

	"nubo/internal/testx"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		args []string
		opts map[string]string
	}{
		"-p v1 list_queues name messages":         {[]string{"name", "messages"}, map[string]string{"vhost": "v1"}},
		"list_queues -p=v1 --formatter=json -q":   {nil, map[string]string{"vhost": "v1", "formatter": "json", "quiet": "true"}},
		"list_queues --no-table-headers -t 1.5":   {nil, map[string]string{"no-table-headers": "true", "timeout": "1.5"}},
		"set_policy a b {} --priority -3":         {[]string{"a", "b", "{}"}, map[string]string{"priority": "-3"}},
		"add_user -- -name -password":             {[]string{"-name", "-password"}, map[string]string{}},
		"set_disk_free_limit mem_relative 1.0 -s": {[]string{"mem_relative", "1.0"}, map[string]string{"silent": "true"}},
	} {
		c, err := parse(RabbitMQCtl, strings.Fields(line))
		testx.NoErr(t, err)
		testx.Equal(t, c.args, want.args)
		testx.Equal(t, c.opts, want.opts)
	}
	for line, want := range map[string]string{
		"list_users --nosuch":              "Invalid options for this command:\n--nosuch : ",
		"set_policy --priority x a b {}":   "Invalid options for this command:\n--priority : x",
		"list_users -p":                    "Invalid options for this command:\n-p : ",
		"list_users extra":                 "too many arguments.",
		"add_vhost":                        "not enough arguments.",
		"list_users --formatter nosuch":    "Formatter nosuch is not one of table, json, csv, erlang, pretty_table, json_stream, string, string_per_line",
		"set_vm_memory_high_watermark 1.5": "Bad argument: The threshold should be a fraction between 0.0 and 1.0",
	} {
		_, err := parse(RabbitMQCtl, strings.Fields(line))
		var use *usageError
		if !errors.As(err, &use) || use.text != want {
			t.Errorf("%s: got %v; want %q", line, err, want)
		}
	}
}

// FuzzParse has nothing on a command line do worse than end with an error.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"list_queues -p v1 name", "set_policy --priority 1 a b {}", "-n", "--", "help help", "-?", "enable --all", "list ( -e"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range allPrograms {
			c, err := parse(p, strings.Split(line, " "))
			if err != nil {
				if _, code := describe(c, err); code == exitOK && !c.has("help") {
					t.Errorf("%q: %v, and exit code 0", line, err)
				}
				continue
			}
			if c.cmd.banner != nil {
				c.cmd.banner(c)
			}
		}
	})
}
