package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/uptrace/bun"

	"nubo/identity"
	"nubo/internal/db"
)

// Projects implements identity.Store.
func (s *Store) Projects() identity.Table[identity.Project] {
	return &table[identity.Project]{
		s: s, name: "projects", noun: "project", columns: []string{"id", "name", "domain_id", "parent_id", "is_domain", "enabled"},
		id:    func(p *identity.Project) string { return p.ID },
		taken: projectTaken, remove: s.removeProject, special: byTags,
	}
}

func projectTaken(p *identity.Project) string {
	if p.IsDomain {
		return "Conflict occurred attempting to store domain - Duplicate entry found with name " + p.Name + "."
	}
	return "Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain: " + p.Name + "."
}

// byTags are the filters of projects by their tags, which are kept as JSON: a
// tag is in the list if taking its text out changes it. That compares with
// case on both engines.
func byTags(q *bun.SelectQuery, f db.Filter) (*bun.SelectQuery, bool) {
	op, not := " AND ", false
	switch f.Column {
	case "tags":
	case "tags-any":
		op = " OR "
	case "not-tags":
		not = true
	case "not-tags-any":
		op, not = " OR ", true
	default:
		return q, false
	}
	var parts []string
	var args []any
	for _, v := range f.Values {
		for _, tag := range strings.Split(v.(string), ",") {
			text, _ := json.Marshal(tag) //nolint:errcheck // a string is always JSON
			parts = append(parts, "REPLACE(COALESCE(?TableAlias.tags, ''), ?, '') <> COALESCE(?TableAlias.tags, '')")
			args = append(args, string(text))
		}
	}
	where := "(" + strings.Join(parts, op) + ")"
	if not {
		where = "NOT " + where
	}
	return q.Where(where, args...), true
}

// removeProject takes along what is on it or refers to it, and all a domain
// owns.
func (s *Store) removeProject(ctx context.Context, q bun.IDB, id string) error {
	const owned = "SELECT id FROM projects WHERE domain_id = ?"
	return each(
		run(ctx, q, "DELETE FROM assignments WHERE target_id IN ("+owned+") AND target_type = 'project'", id),
		run(ctx, q, "DELETE FROM assignments WHERE target_id = ? AND target_type <> 'system'", id),
		run(ctx, q, "DELETE FROM assignments WHERE actor_id IN (SELECT id FROM users WHERE domain_id = ?)", id),
		run(ctx, q, "DELETE FROM assignments WHERE actor_id IN (SELECT id FROM user_groups WHERE domain_id = ?)", id),
		run(ctx, q, "DELETE FROM trusts WHERE project_id = ? OR project_id IN ("+owned+")", id, id),
		run(ctx, q, "DELETE FROM credentials WHERE project_id = ? OR project_id IN ("+owned+")", id, id),
		run(ctx, q, "DELETE FROM limits WHERE project_id = ? OR domain_id = ? OR project_id IN ("+owned+")", id, id, id),
		run(ctx, q, "DELETE FROM oauth_tokens WHERE project_id = ? OR project_id IN ("+owned+")", id, id),
		run(ctx, q, "DELETE FROM identity_providers WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM users WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM user_groups WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM roles WHERE domain_id = ?", id),
		run(ctx, q, "DELETE FROM projects WHERE domain_id = ?", id),
		run(ctx, q, "UPDATE users SET default_project_id = '' WHERE default_project_id = ?", id),
	)
}

// Users implements identity.Store.
func (s *Store) Users() identity.Table[identity.User] {
	return &table[identity.User]{
		s: s, name: "users", noun: "user", columns: []string{"id", "name", "domain_id", "enabled", "default_project_id", "password_expires_at"},
		id: func(u *identity.User) string { return u.ID },
		taken: func(u *identity.User) string {
			return "Conflict occurred attempting to store user - Duplicate entry found with name " + u.Name + " at domain ID " + u.DomainID + "."
		},
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			return each(
				run(ctx, q, "DELETE FROM assignments WHERE actor_id = ? AND actor_type = 'user'", id),
				run(ctx, q, "DELETE FROM oauth_tokens WHERE user_id = ?", id),
			)
		},
		special: byProvider,
	}
}

// byProvider filters users by where they are somebody, too.
func byProvider(q *bun.SelectQuery, f db.Filter) (*bun.SelectQuery, bool) {
	const prefix = "?TableAlias.id IN (SELECT user_id FROM external_users WHERE "
	switch f.Column {
	case "idp_id":
		return q.Where(prefix+"source LIKE ?)", "federation:"+f.Values[0].(string)+":%"), true
	case "protocol_id":
		return q.Where(prefix+"source LIKE ?)", "federation:%:"+f.Values[0].(string)), true
	case "unique_id":
		return q.Where(prefix+"unique_id = ?)", f.Values[0]), true
	}
	return q, false
}

// Groups implements identity.Store.
func (s *Store) Groups() identity.Table[identity.Group] {
	return &table[identity.Group]{
		s: s, name: "user_groups", noun: "group", columns: []string{"id", "name", "domain_id"},
		id: func(g *identity.Group) string { return g.ID },
		taken: func(g *identity.Group) string {
			return "Conflict occurred attempting to store group - Duplicate entry found with name " + g.Name + " at domain ID " + g.DomainID + "."
		},
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			return each(run(ctx, q, "DELETE FROM assignments WHERE actor_id = ? AND actor_type = 'group'", id))
		},
	}
}

// Roles implements identity.Store.
func (s *Store) Roles() identity.Table[identity.Role] {
	return &table[identity.Role]{
		s: s, name: "roles", noun: "role", columns: []string{"id", "name", "domain_id"},
		id: func(r *identity.Role) string { return r.ID },
		taken: func(r *identity.Role) string {
			return "Conflict occurred attempting to store role - Duplicate entry found with name " + r.Name + "."
		},
	}
}

// Regions implements identity.Store.
func (s *Store) Regions() identity.Table[identity.Region] {
	return &table[identity.Region]{
		s: s, name: "regions", noun: "region", columns: []string{"id", "parent_region_id"},
		id:    func(r *identity.Region) string { return r.ID },
		taken: duplicateID("region", func(r *identity.Region) string { return r.ID }),
	}
}

// duplicateID is what is said of an id that is taken.
func duplicateID[T any](kind string, id func(*T) string) func(*T) string {
	return func(v *T) string {
		return "Conflict occurred attempting to store " + kind + " - Duplicate ID, " + id(v) + "."
	}
}

// Services implements identity.Store.
func (s *Store) Services() identity.Table[identity.Service] {
	return &table[identity.Service]{
		s: s, name: "services", noun: "service", columns: []string{"id", "type", "name"},
		id: func(v *identity.Service) string { return v.ID },
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			// Limits outlive their service, as Keystone's do.
			return each(run(ctx, q, "DELETE FROM policy_associations WHERE service_id = ? OR endpoint_id IN (SELECT id FROM endpoints WHERE service_id = ?)", id, id))
		},
	}
}

// Endpoints implements identity.Store.
func (s *Store) Endpoints() identity.Table[identity.Endpoint] {
	return &table[identity.Endpoint]{
		s: s, name: "endpoints", noun: "endpoint", columns: []string{"id", "service_id", "region_id", "interface"},
		id: func(e *identity.Endpoint) string { return e.ID },
		remove: func(ctx context.Context, q bun.IDB, id string) error {
			return each(run(ctx, q, "DELETE FROM policy_associations WHERE endpoint_id = ?", id))
		},
	}
}

// AppCredentials implements identity.Store.
func (s *Store) AppCredentials() identity.Table[identity.AppCredential] {
	return &table[identity.AppCredential]{
		s: s, name: "application_credentials", alias: "app_credential", noun: "application credential", columns: []string{"id", "name", "user_id", "project_id"},
		id: func(c *identity.AppCredential) string { return c.ID },
		taken: func(c *identity.AppCredential) string {
			return "Conflict occurred attempting to store application_credential - Duplicate entry found with name " + c.Name + "."
		},
	}
}

// AccessRules implements identity.Store.
func (s *Store) AccessRules() identity.Table[identity.AccessRule] {
	return &table[identity.AccessRule]{
		s: s, name: "access_rules", alias: "access_rule", noun: "access rule", columns: []string{"id", "user_id", "service", "method", "path"},
		id: func(r *identity.AccessRule) string { return r.ID },
	}
}

// Trusts implements identity.Store.
func (s *Store) Trusts() identity.Table[identity.Trust] {
	return &table[identity.Trust]{
		s: s, name: "trusts", noun: "trust", columns: []string{"id", "trustor_id", "trustee_id", "project_id", "redelegated_trust_id"},
		id: func(t *identity.Trust) string { return t.ID },
	}
}

// Credentials implements identity.Store.
func (s *Store) Credentials() identity.Table[identity.Credential] {
	return &table[identity.Credential]{
		s: s, name: "credentials", noun: "credential", columns: []string{"id", "user_id", "project_id", "type"},
		id:    func(c *identity.Credential) string { return c.ID },
		taken: duplicateID("credential", func(c *identity.Credential) string { return c.ID }),
	}
}

// RegisteredLimits implements identity.Store.
func (s *Store) RegisteredLimits() identity.Table[identity.RegisteredLimit] {
	return &table[identity.RegisteredLimit]{
		s: s, name: "registered_limits", alias: "registered_limit", noun: "registered limit", columns: []string{"id", "service_id", "region_id", "resource_name"},
		id: func(l *identity.RegisteredLimit) string { return l.ID },
		taken: func(*identity.RegisteredLimit) string {
			return "Conflict occurred attempting to store registered_limit - Duplicate entry."
		},
	}
}

// Limits implements identity.Store.
func (s *Store) Limits() identity.Table[identity.Limit] {
	return &table[identity.Limit]{
		s: s, name: "limits", noun: "limit", columns: []string{"id", "service_id", "region_id", "resource_name", "project_id", "domain_id", "registered_limit_id"},
		id:    func(l *identity.Limit) string { return l.ID },
		taken: func(*identity.Limit) string { return "Conflict occurred attempting to store limit - Duplicate entry." },
	}
}

// Policies implements identity.Store.
func (s *Store) Policies() identity.Table[identity.Policy] {
	return &table[identity.Policy]{
		s: s, name: "policies", alias: "policy", noun: "policy", columns: []string{"id", "type"},
		id: func(p *identity.Policy) string { return p.ID },
	}
}

// EndpointGroups implements identity.Store.
func (s *Store) EndpointGroups() identity.Table[identity.EndpointGroup] {
	return &table[identity.EndpointGroup]{
		s: s, name: "endpoint_groups", alias: "endpoint_group", noun: "endpoint group", columns: []string{"id", "name"},
		id: func(g *identity.EndpointGroup) string { return g.ID },
	}
}

// IdentityProviders implements identity.Store.
func (s *Store) IdentityProviders() identity.Table[identity.IdentityProvider] {
	return &table[identity.IdentityProvider]{
		s: s, name: "identity_providers", alias: "identity_provider", noun: "identity provider", columns: []string{"id", "enabled", "domain_id"},
		id:    func(p *identity.IdentityProvider) string { return p.ID },
		taken: duplicateID("identity_provider", func(p *identity.IdentityProvider) string { return p.ID }),
	}
}

// Mappings implements identity.Store.
func (s *Store) Mappings() identity.Table[identity.Mapping] {
	return &table[identity.Mapping]{
		s: s, name: "mappings", noun: "mapping", columns: []string{"id"},
		id:    func(m *identity.Mapping) string { return m.ID },
		taken: duplicateID("mapping", func(m *identity.Mapping) string { return m.ID }),
	}
}

// ServiceProviders implements identity.Store.
func (s *Store) ServiceProviders() identity.Table[identity.ServiceProvider] {
	return &table[identity.ServiceProvider]{
		s: s, name: "service_providers", alias: "service_provider", noun: "service provider", columns: []string{"id", "enabled"},
		id:    func(p *identity.ServiceProvider) string { return p.ID },
		taken: duplicateID("service_provider", func(p *identity.ServiceProvider) string { return p.ID }),
	}
}

// Consumers implements identity.Store.
func (s *Store) Consumers() identity.Table[identity.Consumer] {
	return &table[identity.Consumer]{
		s: s, name: "consumers", noun: "consumer", columns: []string{"id"},
		id: func(c *identity.Consumer) string { return c.ID },
	}
}

// OAuthTokens implements identity.Store.
func (s *Store) OAuthTokens() identity.Table[identity.OAuthToken] {
	return &table[identity.OAuthToken]{
		s: s, name: "oauth_tokens", alias: "o_auth_token", noun: "OAuth token", columns: []string{"id", "access", "user_id", "consumer_id"},
		id: func(t *identity.OAuthToken) string { return t.ID },
	}
}
