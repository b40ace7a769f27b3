package rpc

import (
	"encoding/json"
	"time"

	"nubo/internal/auth"
)

// appendContext appends the caller as `,"_context_<key>":<value>` members.
// The keys and their order are those of oslo_context's to_dict, which Python
// services rebuild their own context from; the names and the expiry that
// to_dict leaves out follow. A context nobody put a caller in adds nothing.
func appendContext(dst []byte, c *auth.Context, secret bool) []byte {
	if c.RequestID == "" && c.UserID == "" && c.Token == "" && !c.IsAdmin {
		return dst
	}
	str := func(key, value string) {
		dst = append(append(append(dst, `,"_context_`...), key...), `":`...)
		if value == "" {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, value)
		}
	}
	list := func(key string, values []string) {
		dst = append(append(append(dst, `,"_context_`...), key...), `":[`...)
		for i, v := range values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, v)
		}
		dst = append(dst, ']')
	}
	system := ""
	if c.System {
		system = "all"
	}
	str("user", c.UserID)
	str("project_id", c.ProjectID)
	str("system_scope", system)
	str("project", c.ProjectID)
	str("domain", c.DomainID)
	str("user_domain", c.UserDomainID)
	str("project_domain", c.ProjectDomainID)
	if c.IsAdmin {
		dst = append(dst, `,"_context_is_admin":true`...)
	} else {
		dst = append(dst, `,"_context_is_admin":false`...)
	}
	dst = append(dst, `,"_context_read_only":false,"_context_show_deleted":false`...)
	if secret {
		str("auth_token", c.Token)
	}
	str("request_id", c.RequestID)
	str("global_request_id", c.GlobalRequestID)
	str("resource_uuid", "")
	list("roles", c.Roles)
	str("user_identity", identity(c))
	dst = append(dst, `,"_context_is_admin_project":true`...)

	str("user_id", c.UserID)
	str("user_name", c.UserName)
	str("user_domain_name", c.UserDomainName)
	str("project_name", c.ProjectName)
	str("project_domain_name", c.ProjectDomainName)
	str("domain_name", c.DomainName)
	list("service_roles", c.ServiceRoles)
	if !c.ExpiresAt.IsZero() {
		str("expires_at", c.ExpiresAt.UTC().Format(time.RFC3339Nano))
	}
	return dst
}

// identity is the user_identity text of log lines: user, project, domain,
// user's domain and project's domain, a dash for what is not set.
func identity(c *auth.Context) string {
	var out []byte
	for i, s := range [...]string{c.UserID, c.ProjectID, c.DomainID, c.UserDomainID, c.ProjectDomainID} {
		if i > 0 {
			out = append(out, ' ')
		}
		if s == "" {
			s = "-"
		}
		out = append(out, s...)
	}
	return string(out)
}

// readContext takes one _context_ member; key is without that prefix. Old and
// new names of a thing both count, whichever comes with a value.
func readContext(c *auth.Context, key, value []byte) {
	set := func(field *string) {
		if s := text(value); s != "" {
			*field = s
		}
	}
	switch string(key) {
	case "user", "user_id":
		set(&c.UserID)
	case "user_name":
		set(&c.UserName)
	case "user_domain", "user_domain_id":
		set(&c.UserDomainID)
	case "user_domain_name":
		set(&c.UserDomainName)
	case "project_id", "project", "tenant":
		set(&c.ProjectID)
	case "project_name":
		set(&c.ProjectName)
	case "project_domain", "project_domain_id":
		set(&c.ProjectDomainID)
	case "project_domain_name":
		set(&c.ProjectDomainName)
	case "domain", "domain_id":
		set(&c.DomainID)
	case "domain_name":
		set(&c.DomainName)
	case "system_scope":
		c.System = text(value) == "all"
	case "is_admin":
		c.IsAdmin = string(value) == "true"
	case "auth_token":
		set(&c.Token)
	case "request_id":
		set(&c.RequestID)
	case "global_request_id":
		set(&c.GlobalRequestID)
	case "roles":
		c.Roles = stringList(value)
	case "service_roles":
		c.ServiceRoles = stringList(value)
	case "expires_at":
		if t, err := time.Parse(time.RFC3339Nano, text(value)); err == nil {
			c.ExpiresAt = t
		}
	}
}

func stringList(value []byte) []string {
	if string(value) == "[]" {
		return nil
	}
	var list []string
	if json.Unmarshal(value, &list) != nil {
		return nil // not the list it should be: no roles
	}
	return list
}
