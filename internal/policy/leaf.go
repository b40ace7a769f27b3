package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"nubo/internal/auth"
)

// leaf is a check that refers to nothing but the caller and the target.
type leaf interface {
	check(c *auth.Context, t Target) bool
	// why says in a few words what was compared, for explanations.
	why(c *auth.Context, t Target) string
}

// roleLeaf is role:name.
type roleLeaf struct{ name template }

func (l *roleLeaf) check(c *auth.Context, t Target) bool {
	want, ok := l.name.render(t)
	if !ok {
		return false
	}
	want = strings.ToLower(want) // returns its argument if that is lower case already
	return slices.ContainsFunc(c.Roles, func(have string) bool { return strings.ToLower(have) == want })
}

func (l *roleLeaf) why(c *auth.Context, t Target) string {
	if s, missing := l.name.missing(t); missing {
		return s
	}
	return "the caller's roles are [" + strings.Join(c.Roles, " ") + "]"
}

// literalLeaf is constant:match.
type literalLeaf struct {
	constant string
	right    template
}

func (l *literalLeaf) check(_ *auth.Context, t Target) bool {
	got, ok := l.right.render(t)
	return ok && got == l.constant
}

func (l *literalLeaf) why(_ *auth.Context, t Target) string {
	if s, missing := l.right.missing(t); missing {
		return s
	}
	got, _ := l.right.render(t)
	return fmt.Sprintf("the target's value is %q", got)
}

// credentialLeaf is attribute:match. The zero credential is an attribute no
// caller has.
type credentialLeaf struct {
	name  string
	left  credential
	right template
}

func (l *credentialLeaf) check(c *auth.Context, t Target) bool {
	if l.left.value == nil && l.left.list == nil {
		return false
	}
	want, ok := l.right.render(t)
	return ok && l.left.matches(c, want)
}

func (l *credentialLeaf) why(c *auth.Context, t Target) string {
	if l.left.value == nil && l.left.list == nil {
		return "callers have no attribute " + l.name
	}
	if s, missing := l.right.missing(t); missing {
		return s
	}
	want, _ := l.right.render(t)
	return fmt.Sprintf("the caller's %s is %s, compared with %q", l.name, l.left.describe(c), want)
}

// missing says which attribute the target lacks.
func (tpl template) missing(t Target) (string, bool) {
	for _, p := range tpl.parts {
		if _, ok := p.render(t); !ok {
			return fmt.Sprintf("the target has no %s that can be compared", p.key), true
		}
	}
	return "", false
}

// fieldLeaf is Neutron's field:resource:attribute=value, which looks at the
// target alone; value may be ~ and a regular expression, matched at the start.
type fieldLeaf struct {
	attribute string
	value     string
	pattern   *regexp.Regexp
}

func newFieldLeaf(match string) (*fieldLeaf, error) {
	_, rest, ok := strings.Cut(match, ":")
	attribute, value, ok2 := strings.Cut(rest, "=")
	if !ok || !ok2 || attribute == "" {
		return nil, fmt.Errorf("a field check is written field:resource:attribute=value")
	}
	l := &fieldLeaf{attribute: attribute, value: value}
	if expr, ok := strings.CutPrefix(value, "~"); ok {
		var err error
		if l.pattern, err = regexp.Compile("^(?:" + expr + ")"); err != nil {
			return nil, fmt.Errorf("compile the expression %q: %w", expr, err)
		}
	}
	return l, nil
}

func (l *fieldLeaf) check(_ *auth.Context, t Target) bool {
	v := t[l.attribute]
	if v == nil {
		return false
	}
	got, ok := pythonString(v)
	switch {
	case !ok:
		return false
	case l.pattern != nil:
		return l.pattern.MatchString(got)
	case got == "True" || got == "False":
		return strings.EqualFold(got, l.value)
	}
	return got == l.value
}

func (l *fieldLeaf) why(_ *auth.Context, t Target) string {
	v, ok := t[l.attribute]
	if !ok {
		return "the target has no " + l.attribute
	}
	return fmt.Sprintf("the target's %s is %v", l.attribute, v)
}
