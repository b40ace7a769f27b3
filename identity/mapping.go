package identity

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nubo/internal/fault"
)

// Assertion is what a provider says of a user: attributes with their values.
type Assertion map[string][]string

// Mapped is whom an assertion stands for.
type Mapped struct {
	Local    bool // a user who is kept here, not mirrored
	User     UserRef
	Email    string
	Groups   []GroupRef
	Projects []MappedProject
}

// GroupRef names a group by id, or by name and domain.
type GroupRef struct{ ID, Name, DomainID, DomainName string }

// MappedProject is a project that a mapping makes, with the user's roles.
type MappedProject struct {
	Name  string
	Roles []string
}

// MappingRules are a mapping's rules, checked.
type MappingRules []mappingRule

type mappingRule struct {
	Local  []localRule  `json:"local"`
	Remote []remoteRule `json:"remote"`
}

type domainPart struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

type localRule struct {
	User *struct {
		ID     string      `json:"id"`
		Name   string      `json:"name"`
		Email  string      `json:"email"`
		Type   string      `json:"type"`
		Domain *domainPart `json:"domain"`
	} `json:"user"`
	Group *struct {
		ID     string      `json:"id"`
		Name   string      `json:"name"`
		Domain *domainPart `json:"domain"`
	} `json:"group"`
	Groups   string      `json:"groups"`
	GroupIDs string      `json:"group_ids"`
	Domain   *domainPart `json:"domain"`
	Projects []struct {
		Name   string      `json:"name"`
		Domain *domainPart `json:"domain"`
		Roles  []struct {
			Name   string      `json:"name"`
			Domain *domainPart `json:"domain"`
		} `json:"roles"`
	} `json:"projects"`
}

type remoteRule struct {
	Type      string   `json:"type"`
	AnyOneOf  []string `json:"any_one_of"`
	NotAnyOf  []string `json:"not_any_of"`
	Whitelist []string `json:"whitelist"`
	Blacklist []string `json:"blacklist"`
	Regex     bool     `json:"regex"`
}

// ParseRules reads and checks a mapping's rules.
func ParseRules(rules []any) (MappingRules, error) {
	b, err := json.Marshal(rules)
	if err != nil {
		return nil, err
	}
	var out MappingRules
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		return nil, fault.Invalidf("Invalid input for field 'rules': %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	bad := func(why string) error { return fault.Invalidf("Invalid input for field 'rules': %s", why) }
	if len(out) == 0 {
		return nil, bad("[] is too short")
	}
	for _, r := range out {
		if len(r.Local) == 0 || len(r.Remote) == 0 {
			return nil, bad("each rule has a local and a remote list that are not empty")
		}
		for _, m := range r.Remote {
			exclusive := 0
			for _, l := range [][]string{m.AnyOneOf, m.NotAnyOf, m.Whitelist, m.Blacklist} {
				if l != nil {
					exclusive++
				}
			}
			if m.Type == "" || exclusive > 1 {
				return nil, bad("a remote rule has a type and at most one of any_one_of, not_any_of, whitelist and blacklist")
			}
			if err := m.compiles(); err != nil {
				return nil, bad(err.Error())
			}
		}
		for _, l := range r.Local {
			if l.Group != nil && l.Group.ID == "" && (l.Group.Name == "" || l.Group.Domain == nil) {
				return nil, bad("a local group is named by id, or by name and domain")
			}
			if l.User != nil && l.User.Type != "" && l.User.Type != "local" && l.User.Type != "ephemeral" {
				return nil, bad("a user's type is local or ephemeral")
			}
		}
	}
	return out, nil
}

func (m *remoteRule) compiles() error {
	if !m.Regex {
		return nil
	}
	for _, p := range slices.Concat(m.AnyOneOf, m.NotAnyOf, m.Whitelist, m.Blacklist) {
		if _, err := regexp.Compile(p); err != nil {
			return err
		}
	}
	return nil
}

// matches reports whether a value is one of the list.
func (m *remoteRule) matches(list []string, value string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		if !m.Regex {
			return p == value
		}
		re, err := regexp.Compile(p)
		return err == nil && re.FindStringIndex(value) != nil && re.FindStringIndex(value)[0] == 0
	})
}

// fulfilled checks the remote part of a rule, and gives the values that its
// local part refers to by number.
func (r *mappingRule) fulfilled(a Assertion) (values [][]string, ok bool) {
	for i := range r.Remote {
		m := &r.Remote[i]
		given := a[m.Type]
		if len(given) == 0 {
			return nil, false
		}
		in := func(list []string) bool {
			return slices.ContainsFunc(given, func(v string) bool { return m.matches(list, v) })
		}
		switch {
		case m.AnyOneOf != nil:
			if !in(m.AnyOneOf) {
				return nil, false
			}
			continue
		case m.NotAnyOf != nil:
			if in(m.NotAnyOf) {
				return nil, false
			}
			continue
		case m.Whitelist != nil:
			given = slices.DeleteFunc(slices.Clone(given), func(v string) bool { return !m.matches(m.Whitelist, v) })
		case m.Blacklist != nil:
			given = slices.DeleteFunc(slices.Clone(given), func(v string) bool { return m.matches(m.Blacklist, v) })
		}
		values = append(values, given)
	}
	return values, true
}

var place = regexp.MustCompile(`\{(\d+)\}`)

// each gives a text with the values put into its places, once for every
// value of the first place that has several. ok is false where a place has
// no values.
func each(text string, values [][]string) (out []string, ok bool) {
	out, ok = []string{""}, true
	last := 0
	for _, m := range place.FindAllStringSubmatchIndex(text, -1) {
		n, err := strconv.Atoi(text[m[2]:m[3]])
		if err != nil || n >= len(values) || len(values[n]) == 0 {
			return nil, false
		}
		var next []string
		for _, head := range out {
			for _, v := range values[n] {
				next = append(next, head+text[last:m[0]]+v)
			}
		}
		out, last = next, m[1]
	}
	for i := range out {
		out[i] += text[last:]
	}
	return out, ok
}

// one is each where a single value is wanted.
func one(text string, values [][]string) string {
	if out, ok := each(text, values); ok && len(out) > 0 {
		return out[0]
	}
	return ""
}

func (d *domainPart) in(values [][]string) (id, name string) {
	if d == nil {
		return "", ""
	}
	return one(d.ID, values), one(d.Name, values)
}

// Map finds whom an assertion stands for by all rules it fulfils. ok is false
// if they name no user.
func (rules MappingRules) Map(a Assertion) (who Mapped, ok bool) {
	matched := false
	for i := range rules {
		values, fits := rules[i].fulfilled(a)
		if !fits {
			continue
		}
		matched = true
		for j := range rules[i].Local {
			rules[i].Local[j].apply(&who, values)
		}
	}
	if remote := a["REMOTE_USER"]; who.User.ID == "" && who.User.Name == "" && len(remote) > 0 {
		who.User.Name = remote[0]
	}
	if who.User.Name == "" {
		who.User.Name = who.User.ID
	}
	return who, matched && who.User.Name != ""
}

// apply adds what one local rule says.
func (l *localRule) apply(who *Mapped, values [][]string) {
	if u := l.User; u != nil {
		who.Local = who.Local || u.Type == "local"
		for to, text := range map[*string]string{&who.User.ID: u.ID, &who.User.Name: u.Name, &who.Email: u.Email} {
			if *to == "" && text != "" {
				*to = one(text, values)
			}
		}
		if u.Domain != nil {
			who.User.DomainID, who.User.DomainName = u.Domain.in(values)
		}
	}
	add := func(text string, domain *domainPart, make func(name, domainID, domainName string) GroupRef) {
		names, _ := each(text, values)
		id, name := domain.in(values)
		for _, n := range names {
			for _, part := range strings.Split(n, ";") {
				if part != "" {
					who.Groups = append(who.Groups, make(part, id, name))
				}
			}
		}
	}
	byName := func(n, id, name string) GroupRef { return GroupRef{Name: n, DomainID: id, DomainName: name} }
	byID := func(n, _, _ string) GroupRef { return GroupRef{ID: n} }
	if g := l.Group; g != nil && g.ID != "" {
		add(g.ID, nil, byID)
	} else if g != nil {
		add(g.Name, g.Domain, byName)
	}
	if l.Groups != "" {
		add(l.Groups, l.Domain, byName)
	}
	if l.GroupIDs != "" {
		add(l.GroupIDs, nil, byID)
	}
	for _, p := range l.Projects {
		m := MappedProject{Name: one(p.Name, values)}
		for _, role := range p.Roles {
			m.Roles = append(m.Roles, one(role.Name, values))
		}
		if m.Name != "" {
			who.Projects = append(who.Projects, m)
		}
	}
}
