// Package config fills the components' config structs from one TOML file whose
// tables carry OpenStack's section names, the environment and the command
// line.
//
// A component owns its struct, next to its code; app puts the sections
// together:
//
//	type Config struct {
//		URL  string        `default:"" help:"Where the state is kept." secret:"true"`
//		Idle time.Duration `default:"1h" help:"How long a connection may be idle."`
//	}
//
// A key is the field's name in snake case, or its toml tag. The order is
// default, file, environment (NUBO_SECTION_KEY), overrides (flags); the later
// wins. A key that nobody knows is an error, never ignored.
package config

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"nubo/internal/nearest"
)

// DefaultSection is the section of keys that stand before the first table of
// the file.
const DefaultSection = "DEFAULT"

// Section is a table of the file and the struct it fills. Several sections may
// share a name as long as their keys differ.
type Section struct {
	Name string
	Ptr  any // *struct
}

// Loaded is the effective configuration. The values are in the sections'
// structs; this knows where they came from.
type Loaded struct {
	options []*option
	byName  map[string]*option
}

// Load fills the sections' structs. file may be empty; env is os.Environ();
// overrides are by "section.key". The first mistake found is the error: it
// says where, and names the nearest known key of an unknown one.
func Load(sections []Section, file string, env []string, overrides map[string]string) (*Loaded, error) {
	l, err := declare(sections)
	if err != nil {
		return nil, err
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the config: %w", err)
		}
		if err := l.parseFile(data, file); err != nil {
			return nil, err
		}
	}
	if err := l.readEnv(env); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(overrides))
	for name := range overrides {
		names = append(names, name)
	}
	slices.Sort(names) // so that the first mistake is always the same
	for _, name := range names {
		o := l.byName[name]
		if o == nil {
			return nil, fmt.Errorf("there is no config key %q; the nearest known is %q", name, nearest.Of(name, l.names()))
		}
		if err := o.setText(overrides[name]); err != nil {
			return nil, fmt.Errorf("flag for [%s] %s: %w", o.section, o.key, err)
		}
		o.source = "flag"
	}
	return l, nil
}

// declare lists the options of the sections, set to their defaults.
func declare(sections []Section) (*Loaded, error) {
	l := &Loaded{byName: map[string]*option{}}
	byEnv := map[string]*option{}
	for _, s := range sections {
		options, err := optionsOf(s)
		if err != nil {
			return nil, err
		}
		for _, o := range options {
			if l.byName[o.name()] != nil {
				return nil, fmt.Errorf("config key [%s] %s is declared twice", o.section, o.key)
			}
			if other := byEnv[o.env()]; other != nil {
				return nil, fmt.Errorf("config keys %s and %s share the variable %s%s", other.name(), o.name(), envPrefix, o.env())
			}
			l.byName[o.name()], byEnv[o.env()] = o, o
		}
		l.options = append(l.options, options...)
	}
	return l, nil
}

func (l *Loaded) names() []string {
	out := make([]string, len(l.options))
	for i, o := range l.options {
		out[i] = o.name()
	}
	return out
}

// sections lists the sections' names in order of declaration.
func (l *Loaded) sections() []string {
	var out []string
	for _, o := range l.options {
		if !slices.Contains(out, o.section) {
			out = append(out, o.section)
		}
	}
	return out
}

// keys lists the keys of a section.
func (l *Loaded) keys(section string) []string {
	var out []string
	for _, o := range l.options {
		if o.section == section {
			out = append(out, o.key)
		}
	}
	return out
}

// readEnv takes the variables named NUBO_SECTION_KEY. One that begins with a
// section's name and goes on with no key of it is a mistake; others, such as
// NUBO_ADMIN_PASSWORD, are not for here.
func (l *Loaded) readEnv(env []string) error {
	byEnv := map[string]*option{}
	var names []string
	for _, o := range l.options {
		byEnv[o.env()] = o
		names = append(names, envPrefix+o.env())
	}
	for _, pair := range env {
		variable, value, _ := strings.Cut(pair, "=")
		name, ok := strings.CutPrefix(variable, envPrefix)
		if !ok {
			continue
		}
		if o := byEnv[name]; o != nil {
			if err := o.setText(value); err != nil {
				return fmt.Errorf("environment variable %s: %w", variable, err)
			}
			o.source = "env " + variable
			continue
		}
		if slices.ContainsFunc(l.sections(), func(s string) bool { return strings.HasPrefix(name, envName(s)+"_") }) {
			return fmt.Errorf("environment variable %s sets no config key; the nearest known is %s", variable, nearest.Of(variable, names))
		}
	}
	return nil
}

// Source tells where the value of "section.key" came from: "default",
// "file:line", "env VARIABLE" or "flag"; "" if there is no such key.
func (l *Loaded) Source(name string) string {
	if o := l.byName[name]; o != nil {
		return o.source
	}
	return ""
}

// Print writes the effective values and where they came from. It is a valid
// config file but for the secrets, which it masks.
func (l *Loaded) Print(w io.Writer) error {
	var b strings.Builder
	l.each(&b, func(o *option) {
		value := o.text()
		if o.secret && !o.field.IsZero() {
			value = `"****"`
		}
		fmt.Fprintf(&b, "%s = %s # %s\n", o.key, value, o.source)
	})
	_, err := io.WriteString(w, b.String())
	return err
}

// Sample writes every key with its help and its default, commented out.
func Sample(w io.Writer, sections []Section) error {
	l, err := declare(copies(sections))
	if err != nil {
		return err
	}
	var b strings.Builder
	l.each(&b, func(o *option) {
		fmt.Fprintf(&b, "# %s (%s)\n#%s = %s\n", o.help, kindOf(o.field), o.key, o.text())
	})
	_, err = io.WriteString(w, b.String())
	return err
}

// each calls show for every option under its section's header.
func (l *Loaded) each(b *strings.Builder, show func(*option)) {
	for i, section := range l.sections() {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "[%s]\n", section)
		for _, o := range l.options {
			if o.section == section {
				show(o)
			}
		}
	}
}
