package identity

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"nubo/internal/fault"
)

// DomainOption is one option of a domain's own configuration.
type DomainOption struct {
	DomainID string
	Section  string
	Name     string
	Value    string // as JSON
}

// DomainConfig is a domain's configuration by section and option.
type DomainConfig map[string]map[string]any

// domainOptions are the options a domain may have of its own, with their
// defaults. A value of a sensitive option can be set and is never shown.
var domainOptions = DomainConfig{
	"identity": {"driver": "sql", "list_limit": 0},
	"ldap": {
		"url": "ldap://localhost", "user": nil, "password": nil, "suffix": "cn=example,cn=com", "query_scope": "one",
		"user_tree_dn": nil, "user_filter": nil, "user_objectclass": "inetOrgPerson", "user_id_attribute": "cn", "user_name_attribute": "sn",
		"user_mail_attribute": "mail", "user_description_attribute": "description", "user_enabled_attribute": "enabled",
		"group_tree_dn": nil, "group_filter": nil, "group_objectclass": "groupOfNames", "group_id_attribute": "cn", "group_name_attribute": "ou",
		"group_member_attribute": "member", "group_desc_attribute": "description", "group_members_are_ids": false,
		"use_tls": false, "tls_cacertfile": nil, "page_size": 0,
	},
}

var sensitiveOptions = map[string]bool{"ldap.password": true}

// DefaultConfig is what holds where a domain has nothing of its own; the
// rules for passwords are shown with it.
func (s *Identity) DefaultConfig() DomainConfig {
	out := DomainConfig{}
	for section, options := range domainOptions {
		out[section] = maps.Clone(options)
		for name := range options {
			if sensitiveOptions[section+"."+name] {
				delete(out[section], name)
			}
		}
	}
	out["security_compliance"] = map[string]any{
		"password_regex": orNil(s.rules.PasswordRegex), "password_regex_description": orNil(s.rules.PasswordRegexDescription),
	}
	return out
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// checkOptions refuses what a domain cannot configure.
func checkOptions(c DomainConfig) error {
	if len(c) == 0 {
		return fault.Invalidf("Invalid domain specific configuration: No options specified.")
	}
	for section, options := range c {
		if domainOptions[section] == nil {
			return fault.Invalidf("Invalid domain specific configuration: Group %s is not supported for domain specific configurations.", section)
		}
		if len(options) == 0 {
			return fault.Invalidf("Invalid domain specific configuration: No options specified.")
		}
		for name, v := range options {
			def, ok := domainOptions[section][name]
			if !ok {
				return fault.Invalidf("Invalid domain specific configuration: Option %s in group %s is not supported for domain specific configurations.", name, section)
			}
			if !sameKind(def, v) {
				return fault.Invalidf("Invalid domain specific configuration: %v is no value of option %s in group %s.", v, name, section)
			}
		}
	}
	return nil
}

// sameKind reports whether a value is of the kind that an option's default
// is: a truth, a number, or else a text. Anything may be unset.
func sameKind(def, v any) bool {
	if v == nil {
		return true
	}
	var ok bool
	switch def.(type) {
	case bool:
		_, ok = v.(bool)
	case int:
		_, ok = v.(float64)
	default:
		_, ok = v.(string)
	}
	return ok
}

// DomainConfigOf gives what a domain has of its own, with what must not be
// shown if all is true.
func (s *Identity) DomainConfigOf(ctx context.Context, domainID string, all bool) (DomainConfig, error) {
	if _, err := s.Domain(ctx, domainID); err != nil {
		return nil, err
	}
	options, err := s.store.DomainOptions(ctx, domainID)
	if err != nil {
		return nil, err
	}
	out := DomainConfig{}
	for _, o := range options {
		if sensitiveOptions[o.Section+"."+o.Name] && !all {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(o.Value), &v); err != nil {
			return nil, err
		}
		if out[o.Section] == nil {
			out[o.Section] = map[string]any{}
		}
		out[o.Section][o.Name] = v
	}
	return out, nil
}

// SaveDomainConfig sets options of a domain; anew removes all others.
func (s *Identity) SaveDomainConfig(ctx context.Context, domainID string, c DomainConfig, anew bool) error {
	if err := checkOptions(c); err != nil {
		return err
	}
	err := s.change(ctx, func(ctx context.Context) error {
		if _, err := s.Domain(ctx, domainID); err != nil {
			return err
		}
		if anew {
			if err := s.store.RemoveDomainOptions(ctx, domainID, "", ""); err != nil {
				return err
			}
		}
		for _, section := range slices.Sorted(maps.Keys(c)) {
			for _, name := range slices.Sorted(maps.Keys(c[section])) {
				v, err := json.Marshal(c[section][name])
				if err != nil {
					return err
				}
				if err := s.store.SetDomainOption(ctx, DomainOption{domainID, section, name, string(v)}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// RemoveDomainConfig removes a domain's options: all, a section's, or one.
// What is not there is NotFound.
func (s *Identity) RemoveDomainConfig(ctx context.Context, domainID, section, name string) error {
	return s.change(ctx, func(ctx context.Context) error {
		c, err := s.DomainConfigOf(ctx, domainID, true)
		if err != nil {
			return err
		}
		if err := c.has(domainID, section, name); err != nil {
			return err
		}
		return s.store.RemoveDomainOptions(ctx, domainID, section, name)
	})
}

// has answers NotFound unless the section, and the option if one is named,
// is there.
func (c DomainConfig) has(domainID, section, name string) error {
	if _, ok := c[section][name]; len(c) == 0 || section != "" && c[section] == nil || name != "" && !ok {
		what := "any options"
		switch {
		case name != "":
			what = "option " + name + " in group " + section
		case section != "":
			what = "group " + section
		}
		return fault.NotFoundf("Could not find %s in domain configuration for domain %s.", what, domainID)
	}
	return nil
}

// Part gives the whole, a section or an option of a configuration in the
// form that the API shows, or NotFound.
func (c DomainConfig) Part(domainID, section, name string) (any, error) {
	if section != "" || name != "" {
		if err := c.has(domainID, section, name); err != nil {
			return nil, err
		}
	}
	switch {
	case name != "":
		return map[string]any{name: c[section][name]}, nil
	case section != "":
		return map[string]any{section: c[section]}, nil
	}
	return c, nil
}
