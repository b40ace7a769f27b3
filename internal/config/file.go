package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"nubo/internal/nearest"
)

// parseFile sets the options a TOML file names. Errors begin with the file and
// the line.
func (l *Loaded) parseFile(data []byte, file string) error {
	var tables map[string]any
	if err := toml.Unmarshal(data, &tables); err != nil {
		var decode *toml.DecodeError
		if errors.As(err, &decode) {
			line, _ := decode.Position()
			// Not its String, which quotes the lines around, secrets or not.
			return fmt.Errorf("%s:%d: %w", file, line, err)
		}
		return fmt.Errorf("%s: %w", file, err)
	}
	entries, err := entriesOf(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, e := range entries {
		if err := l.apply(tables, e, file); err != nil {
			return fmt.Errorf("%s:%d: %w", file, e.line, err)
		}
	}
	return nil
}

// apply sets what one line of the file says.
func (l *Loaded) apply(tables map[string]any, e entry, file string) error {
	path := e.path
	if len(path) == 1 && !e.table {
		path = []string{DefaultSection, path[0]}
	}
	section := path[0]
	keys := l.keys(section)
	if keys == nil {
		if len(e.path) == 1 && !e.table {
			return fmt.Errorf("key %s stands before the first [section]", e.path[0])
		}
		return fmt.Errorf("there is no section [%s]; the nearest known is [%s]", section, nearest.Of(section, l.sections()))
	}
	if _, plain := tables[section].(map[string]any); e.table && !plain {
		return fmt.Errorf("section [%s] is not a plain table", section)
	}
	if len(path) == 1 {
		return nil // the header of a known section
	}
	o := l.byName[section+"."+path[1]]
	if o == nil {
		return fmt.Errorf("section [%s] has no key %q; the nearest known is %q", section, path[1], nearest.Of(path[1], keys))
	}
	if len(path) > 2 {
		return fmt.Errorf("[%s] %s: want %s, not a table", section, o.key, withArticle(kindOf(o.field)))
	}
	var value any = tables
	for _, name := range e.path {
		value = value.(map[string]any)[name] // headers have been checked above
	}
	if err := o.setTOML(value); err != nil {
		return fmt.Errorf("[%s] %s: %w", section, o.key, err)
	}
	o.source = fmt.Sprintf("%s:%d", file, e.line)
	return nil
}

// entry is a line of the file that names something: a table's header or a key.
type entry struct {
	path  []string
	line  int
	table bool
}

// entriesOf lists the headers and keys of a document that is known to be
// valid TOML, in order. The decoder proper tells values but not places.
func entriesOf(data []byte) ([]entry, error) {
	var (
		out   []entry
		table []string
		p     unstable.Parser
	)
	p.Reset(data)
	for p.NextExpression() {
		n := p.Expression()
		path, line := keyOf(&p, n)
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = path
			out = append(out, entry{path: path, line: line, table: true})
		case unstable.KeyValue:
			full := append(append([]string{}, table...), path...)
			// An inline table at the top is a section written in one line.
			if v := n.Value(); len(full) == 1 && v.Kind == unstable.InlineTable {
				out = append(out, entry{path: full, line: line, table: true})
				for it := v.Children(); it.Next(); {
					inner, innerLine := keyOf(&p, it.Node())
					out = append(out, entry{path: append([]string{full[0]}, inner...), line: innerLine})
				}
				continue
			}
			out = append(out, entry{path: full, line: line})
		}
	}
	return out, p.Error()
}

// keyOf gives the dotted key of an expression and its line.
func keyOf(p *unstable.Parser, n *unstable.Node) (path []string, line int) {
	for it := n.Key(); it.Next(); {
		k := it.Node()
		if line == 0 {
			line = p.Shape(k.Raw).Start.Line
		}
		path = append(path, string(k.Data))
	}
	return path, line
}

// copies makes sections of fresh structs of the same types, so that the
// caller's values stay.
func copies(sections []Section) []Section {
	out := make([]Section, len(sections))
	for i, s := range sections {
		out[i] = s
		if v := reflect.ValueOf(s.Ptr); v.Kind() == reflect.Pointer {
			out[i].Ptr = reflect.New(v.Type().Elem()).Interface()
		}
	}
	return out
}
