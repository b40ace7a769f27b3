package policy

import (
	"slices"
	"strings"

	"nubo/internal/auth"
)

// none is how an unset credential compares, as in the original: it equals the
// literal None and a target attribute that is nil, but never an empty string.
const none = "None"

// credential reads what a rule calls the caller's attribute. Exactly one of
// its functions is set.
type credential struct {
	value func(*auth.Context) (string, bool) // false: the caller has no such attribute
	list  func(*auth.Context) []string       // the check passes if any member matches
}

// credentials are the caller's attributes by their name in rules. A name that
// is not here is one no caller has: its check is false, not an error.
var credentials = map[string]credential{
	"user_id":           {value: orNone(func(c *auth.Context) string { return c.UserID })},
	"user_domain_id":    {value: orNone(func(c *auth.Context) string { return c.UserDomainID })},
	"project_id":        {value: orNone(func(c *auth.Context) string { return c.ProjectID })},
	"tenant_id":         {value: orNone(func(c *auth.Context) string { return c.ProjectID })},
	"project_domain_id": {value: orNone(func(c *auth.Context) string { return c.ProjectDomainID })},
	"domain_id":         {value: orNone(func(c *auth.Context) string { return c.DomainID })},
	"system_scope":      {value: orNone(systemScope)},
	"is_admin":          {value: func(c *auth.Context) (string, bool) { return pythonBool(c.IsAdmin), true }},
	// nubo has no admin project, and then every project counts as one.
	"is_admin_project": {value: func(*auth.Context) (string, bool) { return "True", true }},
	"roles":            {list: func(c *auth.Context) []string { return c.Roles }},
	"service_roles":    {list: func(c *auth.Context) []string { return c.ServiceRoles }},

	// The enforcer of the original adds this one, and only for such tokens.
	"system": {value: ifSet(systemScope)},

	// Keystone's rules see the token itself; what the token's scope does not
	// have is absent there.
	"token.user.id":             {value: ifSet(func(c *auth.Context) string { return c.UserID })},
	"token.user.name":           {value: ifSet(func(c *auth.Context) string { return c.UserName })},
	"token.user.domain.id":      {value: ifSet(func(c *auth.Context) string { return c.UserDomainID })},
	"token.user.domain.name":    {value: ifSet(func(c *auth.Context) string { return c.UserDomainName })},
	"token.project.id":          {value: ifSet(func(c *auth.Context) string { return c.ProjectID })},
	"token.project.name":        {value: ifSet(func(c *auth.Context) string { return c.ProjectName })},
	"token.project.domain.id":   {value: ifSet(func(c *auth.Context) string { return c.ProjectDomainID })},
	"token.project.domain.name": {value: ifSet(func(c *auth.Context) string { return c.ProjectDomainName })},
	"token.domain.id":           {value: ifSet(func(c *auth.Context) string { return c.DomainID })},
	"token.domain.name":         {value: ifSet(func(c *auth.Context) string { return c.DomainName })},
}

func systemScope(c *auth.Context) string {
	if c.System {
		return "all"
	}
	return ""
}

func orNone(get func(*auth.Context) string) func(*auth.Context) (string, bool) {
	return func(c *auth.Context) (string, bool) {
		if s := get(c); s != "" {
			return s, true
		}
		return none, true
	}
}

func ifSet(get func(*auth.Context) string) func(*auth.Context) (string, bool) {
	return func(c *auth.Context) (string, bool) {
		s := get(c)
		return s, s != ""
	}
}

// matches reports whether the caller's attribute is, or holds, want.
func (cr credential) matches(c *auth.Context, want string) bool {
	if cr.list != nil {
		return slices.Contains(cr.list(c), want)
	}
	got, ok := cr.value(c)
	return ok && got == want
}

// describe says for an explanation what the caller's attribute is.
func (cr credential) describe(c *auth.Context) string {
	if cr.list != nil {
		return "[" + strings.Join(cr.list(c), " ") + "]"
	}
	got, ok := cr.value(c)
	switch {
	case !ok || got == none:
		return "not set"
	default:
		return `"` + got + `"`
	}
}

// scopeOf is the token's scope for Rule.Scopes. As in the original, a token
// without a scope counts as project-scoped.
func scopeOf(c *auth.Context) string {
	if s := c.Scope(); s != "" {
		return s
	}
	return "project"
}
