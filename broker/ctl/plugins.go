package ctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"nubo/broker"
)

// The plugins that can be enabled: what listens beside the broker itself.
const (
	PluginManagement = "rabbitmq_management"
	PluginPrometheus = "rabbitmq_prometheus"
)

// plugin is a plugin of RabbitMQ's that is part of the broker.
type plugin struct {
	needs []string
	about string
}

var plugins = map[string]plugin{
	PluginManagement:            {[]string{"rabbitmq_management_agent", "rabbitmq_web_dispatch"}, "RabbitMQ Management Console"},
	"rabbitmq_management_agent": {nil, "RabbitMQ Management Agent"},
	PluginPrometheus:            {[]string{"rabbitmq_management_agent", "rabbitmq_web_dispatch"}, "Prometheus metrics"},
	"rabbitmq_web_dispatch":     {nil, "RabbitMQ Web Dispatcher"},
}

// pluginsFile is where the names of those enabled are kept.
const pluginsFile = "enabled_plugins"

// PluginsFile is the file in a broker's directory that holds the names of the
// plugins to enable, in RabbitMQ's own form.
func PluginsFile(dir string) string { return filepath.Join(dir, pluginsFile) }

// ReadPlugins reads the names of the plugins to enable in a broker's
// directory; they are those that are usual if it does not say.
func ReadPlugins(dir string) ([]string, error) {
	text, err := os.ReadFile(PluginsFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return []string{PluginManagement, PluginPrometheus}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the enabled plugins: %w", err)
	}
	inside, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "[")
	inside, end := strings.CutSuffix(inside, "].")
	if !ok || !end {
		return nil, fmt.Errorf("%s does not hold a list of plugins such as [%s].", PluginsFile(dir), PluginManagement)
	}
	var names []string
	for name := range strings.SplitSeq(inside, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names, known(names)
}

// WritePlugins replaces the names in the file.
func WritePlugins(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp := PluginsFile(dir) + ".tmp"
	if err := os.WriteFile(tmp, []byte("["+strings.Join(names, ",")+"].\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, PluginsFile(dir))
}

// known checks that there are plugins of all names.
func known(names []string) error {
	var strange []string
	for _, n := range names {
		if _, ok := plugins[n]; !ok {
			strange = append(strange, ":"+n)
		}
	}
	if len(strange) > 0 {
		return failed(exitSoftware, "{:plugins_not_found, [%s]}", strings.Join(strange, ", "))
	}
	return nil
}

// withImplied adds the plugins that others need.
func withImplied(names []string) []string {
	all := slices.Clone(names)
	for _, n := range names {
		all = append(all, plugins[n].needs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func pluginCommands() []command {
	section, in := "Plugins", []Program{RabbitMQPlugins}
	modes := map[string]kind{"offline": flag, "online": flag, "all": flag}
	named := func(doing string) func(*call) string {
		return func(c *call) string {
			if c.has("all") {
				return fmt.Sprintf("%s ALL plugins on node %s", doing, nameOf(c))
			}
			return fmt.Sprintf("%s plugins on node %s:\n%s", doing, nameOf(c), strings.Join(c.args, "\n"))
		}
	}
	some := func(c *call) error {
		if len(c.args) == 0 && !c.has("all") {
			return errTooFew
		}
		return nil
	}
	both := func(cmd command, f func(context.Context, *call) (result, error)) command {
		cmd.section, cmd.in, cmd.max, cmd.needs, cmd.run, cmd.offline = section, in, -1, always, f, f
		return cmd
	}
	return []command{
		both(command{
			name: "list", usage: "[pattern] [--verbose] [--minimal] [--enabled] [--implicitly-enabled]", about: "Lists plugins and their state",
			more:   map[string]kind{"verbose": flag, "minimal": flag, "enabled": flag, "implicitly-enabled": flag, "v": flag, "m": flag, "E": flag, "e": flag},
			check:  pluginPattern,
			banner: func(c *call) string { return fmt.Sprintf("Listing plugins with pattern \"%s\" ...", pattern(c)) },
		}, listPlugins),
		both(command{
			name: "enable", usage: "<plugin1> [ <plugin2>] | --all [--offline] [--online]", about: "Enables one or more plugins",
			more: modes, check: some, banner: named("Enabling"),
		}, changePlugins(func(c *call, now []string) []string {
			if c.has("all") {
				return slices.Sorted(maps.Keys(plugins))
			}
			return append(now, c.args...)
		})),
		both(command{
			name: "disable", usage: "<plugin1> [ <plugin2>] | --all [--offline] [--online]", about: "Disables one or more plugins",
			more: modes, check: some, banner: named("Disabling"),
		}, changePlugins(func(c *call, now []string) []string {
			return slices.DeleteFunc(now, func(n string) bool {
				// What needs a plugin goes with it.
				return c.has("all") || slices.ContainsFunc(c.args, func(a string) bool { return a == n || slices.Contains(plugins[n].needs, a) })
			})
		})),
		both(command{
			name: "set", usage: "[<plugin1> [<plugin2>]] [--offline] [--online]", about: "Enables one or more plugins, disables the rest",
			more: modes, banner: named("Enabling"),
		}, changePlugins(func(c *call, _ []string) []string { return slices.Clone(c.args) })),
		both(command{
			name: "is_enabled", usage: "<plugin1> [ <plugin2>]", about: "Health check that exits with a non-zero code if provided plugins are not enabled on target node",
			min: 1, more: modes,
			banner: func(c *call) string {
				return fmt.Sprintf("Asking node %s if plugin %s is enabled...", nameOf(c), strings.Join(c.args, ", "))
			},
		}, isEnabled),
		both(command{name: "directories", about: "Displays plugin directory and enabled plugin file paths", more: modes}, func(_ context.Context, c *call) (result, error) {
			return message("Enabled plugins file: %s", PluginsFile(c.brokerDir()))
		}),
	}
}

// brokerDir is the broker's directory, on either side of the control socket.
func (c *call) brokerDir() string {
	if c.node != nil {
		return filepath.Dir(c.node.Facts().PluginsFile)
	}
	return c.dir
}

// enabled are the plugins enabled in the broker, or for its next start.
func (c *call) enabled() ([]string, error) {
	if c.node != nil && !c.has("offline") {
		return c.node.Plugins(), nil
	}
	return ReadPlugins(c.brokerDir())
}

// pattern picks the plugins to list.
func pattern(c *call) string {
	if c.arg(0) == "" {
		return ".*"
	}
	return c.args[0]
}

func pluginPattern(c *call) error {
	if len(c.args) > 1 {
		return errTooMany
	}
	if _, err := regexp.Compile(pattern(c)); err != nil {
		return badArgument("%v", err)
	}
	return nil
}

func listPlugins(_ context.Context, c *call) (result, error) {
	explicit, err := c.enabled()
	if err != nil {
		return result{}, err
	}
	all, only := withImplied(explicit), regexp.MustCompile(pattern(c))
	var names []string
	for _, n := range slices.Sorted(maps.Keys(plugins)) {
		switch {
		case !only.MatchString(n), c.has("enabled") || c.has("E"):
			if slices.Contains(explicit, n) && only.MatchString(n) {
				names = append(names, n)
			}
		case !(c.has("implicitly-enabled") || c.has("e")) || slices.Contains(all, n):
			names = append(names, n)
		}
	}
	if c.has("minimal") || c.has("m") {
		return result{text: strings.Join(names, "\n")}, nil
	}
	width, lines, list := 0, []string{}, []any{}
	for _, n := range names {
		width = max(width, len(n))
	}
	if !c.quiet() {
		state := fmt.Sprintf("* = running on %s", nameOf(c))
		if c.node == nil {
			state = fmt.Sprintf("[failed to contact %s - status not shown]", nameOf(c))
		}
		lines = append(lines, " Configured: E = explicitly enabled; e = implicitly enabled", " | Status: "+state, " |/")
	}
	for _, n := range names {
		mark, word, running := " ", "not_enabled", " "
		switch {
		case slices.Contains(explicit, n):
			mark, word = "E", "enabled"
		case slices.Contains(all, n):
			mark, word = "e", "implicit"
		}
		if c.node != nil && mark != " " {
			running = "*"
		}
		list = append(list, object{{"enabled", word}, {"name", n}, {"running", running == "*"}, {"version", broker.Compatible}})
		if c.has("verbose") || c.has("v") {
			lines = append(lines, fmt.Sprintf("[%s%s] %s\n     Version:     \t%s\n     Dependencies:\t[%s]\n     Description: \t%s",
				mark, running, n, broker.Compatible, strings.Join(plugins[n].needs, ","), plugins[n].about))
			continue
		}
		lines = append(lines, fmt.Sprintf("[%s%s] %-*s %s", mark, running, width, n, broker.Compatible))
	}
	return result{text: strings.Join(lines, "\n"), value: object{{"format", "normal"}, {"plugins", list}}}, nil
}

// changePlugins is a command that makes other plugins of those enabled now.
func changePlugins(f func(c *call, now []string) []string) func(context.Context, *call) (result, error) {
	return func(ctx context.Context, c *call) (result, error) {
		if c.cmd.name != "disable" {
			if err := known(c.args); err != nil {
				return result{}, err
			}
		}
		before, err := c.enabled()
		if err != nil {
			return result{}, err
		}
		after := f(c, slices.Clone(before))
		slices.Sort(after)
		after = slices.Compact(after)
		was, is := withImplied(before), withImplied(after)
		started := slices.DeleteFunc(slices.Clone(is), func(n string) bool { return slices.Contains(was, n) })
		stopped := slices.DeleteFunc(slices.Clone(was), func(n string) bool { return slices.Contains(is, n) })
		if c.node != nil && !c.has("offline") {
			err = c.node.SetPlugins(ctx, after)
		} else {
			err = WritePlugins(c.brokerDir(), after)
		}
		if err != nil {
			return result{}, err
		}
		return result{text: pluginReport(c, is, started, stopped)}, nil
	}
}

// pluginReport says what changed.
func pluginReport(c *call, is, started, stopped []string) string {
	var b strings.Builder
	list := func(names []string) {
		for _, n := range names {
			b.WriteString("  " + n + "\n")
		}
	}
	if len(is) == 0 {
		b.WriteString("All plugins have been disabled.\n")
	} else {
		b.WriteString("The following plugins have been configured:\n")
		list(is)
	}
	fmt.Fprintf(&b, "Applying plugin configuration to %s...\n", nameOf(c))
	if len(started) > 0 {
		b.WriteString("The following plugins have been enabled:\n")
		list(started)
		b.WriteString("\n")
	}
	if len(stopped) > 0 {
		b.WriteString("The following plugins have been disabled:\n")
		list(stopped)
		b.WriteString("\n")
	}
	switch {
	case c.node == nil || c.has("offline"):
		fmt.Fprintf(&b, "set %d plugins.", len(is))
		if len(started)+len(stopped) > 0 {
			b.WriteString("\nOffline change; changes will take effect at broker restart.")
		}
	case c.cmd.name == "set" && len(started)+len(stopped) == 0:
		b.WriteString("nothing to do.")
	case len(started) > 0 && len(stopped) > 0:
		fmt.Fprintf(&b, "started %d plugins. stopped %d plugins.", len(started), len(stopped))
	case len(started) > 0:
		fmt.Fprintf(&b, "started %d plugins.", len(started))
	case len(stopped) > 0:
		fmt.Fprintf(&b, "stopped %d plugins.", len(stopped))
	default:
		b.WriteString("Plugin configuration unchanged.")
	}
	return b.String()
}

func isEnabled(_ context.Context, c *call) (result, error) {
	explicit, err := c.enabled()
	if err != nil {
		return result{}, err
	}
	all := withImplied(explicit)
	missing := slices.DeleteFunc(slices.Clone(c.args), func(n string) bool { return slices.Contains(all, n) })
	word, verb := "Plugin", "is"
	if len(c.args) > 1 {
		word, verb = "Plugins", "are"
	}
	if len(missing) > 0 {
		return result{}, failed(exitUnavailable, "%s %s %s not enabled on node %s. Enabled plugins and dependencies: %s",
			word, strings.Join(missing, ", "), verb, nameOf(c), strings.Join(all, ", "))
	}
	return message("%s %s %s enabled on node %s", word, strings.Join(c.args, ", "), verb, nameOf(c))
}
