package image

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"nubo/internal/auth"
	"nubo/internal/fault"
)

// Operation is what somebody does with a custom property.
type Operation string

// The operations, as the file of protections calls them.
const (
	PropertyCreate Operation = "create"
	PropertyRead   Operation = "read"
	PropertyUpdate Operation = "update"
	PropertyDelete Operation = "delete"
)

var operations = []Operation{PropertyCreate, PropertyRead, PropertyUpdate, PropertyDelete}

// Protections say which roles may do what with which custom properties. The
// first rule whose expression matches a property's name decides; a property
// that none matches is nobody's to touch.
type Protections struct{ rules []protection }

// protection is one section of the file.
type protection struct {
	name  *regexp.Regexp
	roles map[Operation][]string // "@" is everyone, "!" nobody
}

// ParseProtections reads a file in the form of Glance's
// property-protections.conf:
//
//	[^x_billing_.*]
//	create = admin
//	read = admin,member
//	update = admin
//	delete = admin
func ParseProtections(r io.Reader) (*Protections, error) {
	p := &Protections{}
	in := bufio.NewScanner(r)
	for n := 1; in.Scan(); n++ {
		line := strings.TrimSpace(in.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if section, ok := strings.CutPrefix(line, "["); ok {
			expression, ok := strings.CutSuffix(section, "]")
			name, err := regexp.Compile("^(?:" + expression + ")")
			if !ok || err != nil {
				return nil, fmt.Errorf("property protections, line %d: %q is no section of an expression", n, line)
			}
			p.rules = append(p.rules, protection{name, map[Operation][]string{}})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		op := Operation(strings.TrimSpace(key))
		if !ok || !slices.Contains(operations, op) || len(p.rules) == 0 {
			return nil, fmt.Errorf("property protections, line %d: %q is no operation of a section", n, line)
		}
		rule := p.rules[len(p.rules)-1]
		if rule.roles[op] != nil {
			return nil, fmt.Errorf("property protections, line %d: %s is given twice", n, op)
		}
		rule.roles[op] = []string{}
		for _, role := range strings.Split(value, ",") {
			if role = strings.ToLower(strings.TrimSpace(role)); role != "" {
				rule.roles[op] = append(rule.roles[op], role)
			}
		}
		if both := rule.roles[op]; slices.Contains(both, "@") && slices.Contains(both, "!") {
			return nil, fmt.Errorf("property protections, line %d: everyone and nobody at once", n)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read the property protections: %w", err)
	}
	for _, r := range p.rules {
		for _, op := range operations {
			if r.roles[op] == nil {
				return nil, fmt.Errorf("property protections: section [%s] says nothing of %s", r.name, op)
			}
		}
	}
	return p, nil
}

// Allows reports whether the caller may do it with a property. Without
// protections everyone may.
func (p *Protections) Allows(c *auth.Context, op Operation, property string) bool {
	if p == nil {
		return true
	}
	for _, r := range p.rules {
		if !r.name.MatchString(property) {
			continue
		}
		return slices.ContainsFunc(r.roles[op], func(role string) bool {
			return role == "@" || role != "!" && slices.ContainsFunc(c.Roles, func(have string) bool { return strings.EqualFold(have, role) })
		})
	}
	return false
}

// Check is Allows as a fault, in the words Glance has for each operation.
func (p *Protections) Check(c *auth.Context, op Operation, property string) error {
	switch {
	case p.Allows(c, op, property):
		return nil
	case op == PropertyCreate:
		return fault.Forbiddenf("Property '%s' is protected", property)
	case p.Allows(c, PropertyRead, property):
		return fault.Forbiddenf("Property '%s' is protected", property)
	}
	return fault.Conflictf("Property %s does not exist.", property) // whoever may not read it is told of nothing
}
