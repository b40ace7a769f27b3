package policy

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.yaml.in/yaml/v4"

	"nubo/internal/nearest"
)

// file is a loaded policy file.
type file struct {
	source string
	rules  []fileRule
}

// fileRule is a rule of a file.
type fileRule struct {
	name, text string
	tree       *node
	line       int
}

// LoadYAML overrides rules by those of a policy file (JSON is YAML too). Files
// add up, the later one wins, and a source loaded again replaces what it said
// before. On an error nothing changes.
//
// A file may define rules of its own, as long as some rule refers to them; any
// other name that is not registered is an error, since it would silently do
// nothing.
func (e *Enforcer) LoadYAML(data []byte, source string) error {
	rules, err := parseFile(data, source)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	files := slices.DeleteFunc(slices.Clone(e.files), func(f file) bool { return f.source == source })
	files = append(files, file{source: source, rules: rules})
	t, err := e.build(files)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if err := e.checkNames(t, files); err != nil {
		return err
	}
	e.warn(t, files)
	e.files = files
	e.inForce.Store(&t)
	return nil
}

// checkNames refuses rules that nothing asks for.
func (e *Enforcer) checkNames(t table, files []file) error {
	used := map[string]bool{defaultRule: true}
	known := make([]string, 0, len(e.registered))
	for _, r := range e.registered {
		used[r.Name] = true
		known = append(known, r.Name)
		if r.Deprecated != nil {
			used[r.Deprecated.Name] = true
		}
	}
	for _, r := range t.references() {
		used[r.ref] = true
	}
	for _, f := range files {
		for _, r := range f.rules {
			if !used[r.name] {
				return fmt.Errorf("%s:%d: there is no rule %q; the nearest known is %q", f.source, r.line, r.name, nearest.Of(r.name, known))
			}
		}
	}
	return nil
}

// warn logs what works, but likely not as meant.
func (e *Enforcer) warn(t table, files []file) {
	for _, d := range t.dangling() {
		slog.Warn("policy rule refers to a rule that is not defined and is therefore false",
			slog.String("service", e.service), slog.String("rule", d.from.name),
			slog.String("undefined", d.ref), slog.String("nearest", nearest.Of(d.ref, t.names())))
	}
	for _, r := range e.registered {
		if r.Deprecated == nil || r.Deprecated.Name == r.Name {
			continue
		}
		for _, f := range files {
			if slices.ContainsFunc(f.rules, func(fr fileRule) bool { return fr.name == r.Deprecated.Name }) {
				slog.Warn("policy file uses a deprecated rule name",
					slog.String("service", e.service), slog.String("file", f.source),
					slog.String("deprecated", r.Deprecated.Name), slog.String("rule", r.Name))
			}
		}
	}
}

// parseFile reads the rules of a policy file. Errors begin with the source and
// the line.
func parseFile(data []byte, source string) ([]fileRule, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, nil // nothing but comments
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: a policy file is a mapping of rule names to checks", source, root.Line)
	}
	var rules []fileRule
	seen := map[string]bool{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		name, ok := text(key)
		switch {
		case !ok || name == "":
			return nil, fmt.Errorf("%s:%d: a rule's name is a string", source, key.Line)
		case seen[name]:
			return nil, fmt.Errorf("%s:%d: rule %q is defined twice", source, key.Line, name)
		}
		seen[name] = true
		r := fileRule{name: name, line: key.Line}
		var err error
		if r.text, r.tree, err = parseValue(value); err != nil {
			return nil, fmt.Errorf("%s:%d: rule %q: %w", source, key.Line, name, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// parseValue reads a check: a string, or the older list of lists. Null is
// refused: the original takes it to allow everyone, which nobody who left a
// value out can have meant.
func parseValue(n *yaml.Node) (string, *node, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if s, ok := text(n); ok {
		tree, err := parse(s)
		return s, tree, err
	}
	if n.Kind != yaml.SequenceNode {
		return "", nil, errors.New(`a check is a string ("" allows everyone, "!" nobody) or a list`)
	}
	var alternatives [][]string
	for _, inner := range n.Content {
		if s, ok := text(inner); ok {
			checks := []string{s}
			if s == "" { // counts as an empty list
				checks = nil
			}
			alternatives = append(alternatives, checks)
			continue
		}
		if inner.Kind != yaml.SequenceNode {
			return "", nil, errors.New("a list of checks holds strings and lists of strings")
		}
		checks := []string{}
		for _, m := range inner.Content {
			s, ok := text(m)
			if !ok {
				return "", nil, errors.New("a list of checks holds strings and lists of strings")
			}
			checks = append(checks, s)
		}
		alternatives = append(alternatives, checks)
	}
	tree, err := parseList(alternatives)
	if err != nil {
		return "", nil, err
	}
	return tree.String(), tree, nil
}

// text gives a YAML string.
func text(n *yaml.Node) (string, bool) {
	return n.Value, n.Kind == yaml.ScalarNode && n.Tag == "!!str"
}

// String writes the tree in the policy language.
func (n *node) String() string {
	switch n.op {
	case opNot:
		return "not " + n.kids[0].String()
	case opAnd, opOr:
		out := "("
		for i, k := range n.kids {
			if i > 0 {
				out += " " + n.text + " "
			}
			out += k.String()
		}
		return out + ")"
	}
	return n.text
}
