// Package auth carries who is asking: the credentials of a validated token,
// in the request's context, from the HTTP door to the last RPC hop.
package auth

import (
	"context"
	"slices"
	"time"
)

// Context is a caller: a user with roles on a project, a domain or the system.
type Context struct {
	Token     string `json:"auth_token,omitempty"`
	ExpiresAt time.Time

	UserID         string
	UserName       string
	UserDomainID   string
	UserDomainName string

	// At most one of ProjectID, DomainID and System is set: the token's scope.
	ProjectID         string
	ProjectName       string
	ProjectDomainID   string
	ProjectDomainName string
	DomainID          string
	DomainName        string
	System            bool

	// Roles are names, implied ones included.
	Roles []string
	// IsAdmin is what the service's rule context_is_admin says of the roles.
	IsAdmin bool
	// ServiceRoles are those of the X-Service-Token's user, if one came.
	ServiceRoles []string
	// AccessRules are the only requests that the token's application
	// credential may make; none means all.
	AccessRules []AccessRule

	RequestID       string
	GlobalRequestID string
}

// HasRole reports whether the caller holds the role (names are compared
// exactly; policy compares them without case).
func (c *Context) HasRole(name string) bool { return slices.Contains(c.Roles, name) }

// Scope names the token's scope as oslo.policy does: "system", "domain",
// "project", or "" for an unscoped token.
func (c *Context) Scope() string {
	switch {
	case c.System:
		return "system"
	case c.DomainID != "":
		return "domain"
	case c.ProjectID != "":
		return "project"
	}
	return ""
}

type contextKey struct{}

// With returns ctx carrying the caller.
func With(ctx context.Context, c *Context) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns the caller in ctx; an anonymous one if there is none. It is
// never nil and must not be changed.
func From(ctx context.Context) *Context {
	if c, ok := ctx.Value(contextKey{}).(*Context); ok {
		return c
	}
	return &anonymous
}

var anonymous Context

// Admin returns a context for work that nubo does on its own behalf inside
// one component: it sees every project.
func Admin(ctx context.Context) context.Context {
	c := *From(ctx)
	c.IsAdmin = true
	c.Roles = append(slices.Clone(c.Roles), "admin")
	return With(ctx, &c)
}
