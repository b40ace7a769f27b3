package api

import "nubo/internal/policy"

// The checks of the newest release, by who they let in. A manager acts in
// his own domain; a reader of the system sees everything.
const (
	admin            = "rule:admin_required"
	systemReader     = "rule:admin_required or (role:reader and system_scope:all)"
	anyone           = "" // anyone with a token
	userDomainReader = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s"
	userDomain       = "rule:admin_required or (role:manager and domain_id:%(target.user.domain_id)s)"
	projectReader    = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s) or project_id:%(target.project.id)s"
	projectDomain    = "rule:admin_required or (role:manager and domain_id:%(target.project.domain_id)s)"
	groupReader      = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)"
	groupDomain      = "rule:admin_required or (role:manager and domain_id:%(target.group.domain_id)s)"
	domainList       = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)"
	tokenReader      = "rule:admin_required or rule:service_role or rule:token_subject or (role:reader and system_scope:all)"
	grantReader      = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and rule:domain_matches_target)"
)

// What is of the whole cloud is for tokens of a domain neither to see nor to
// change.
var anyScope, noDomain = []string{"system", "domain", "project"}, []string{"system", "project"}

// Rules are the policy defaults of every route.
func Rules() []policy.Rule {
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "rule:admin_required"},
		{Name: "admin_required", Check: "role:admin or is_admin:1"},
		{Name: "service_role", Check: "role:service"},
		{Name: "token_subject", Check: "user_id:%(target.token.user_id)s"},
		{Name: "domain_matches_target", Check: "domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s"},
	}
	for _, group := range []struct {
		check string
		names []string
	}{
		{tokenReader, []string{"validate_token"}},
		{"rule:admin_required or rule:token_subject or (role:reader and system_scope:all)", []string{"check_token"}},
		{"rule:admin_required or rule:token_subject", []string{"revoke_token"}},
		{anyone, []string{"get_auth_catalog", "get_auth_projects", "get_auth_domains", "get_auth_system", "list_regions", "get_region"}},
		{systemReader, []string{
			"list_services", "get_service", "list_endpoints", "get_endpoint", "list_implied_roles",
			"get_implied_role", "check_implied_role", "list_role_inference_rules",
			"list_system_grants_for_user", "check_system_grant_for_user", "list_system_grants_for_group", "check_system_grant_for_group",
		}},
		{systemReader + " or (role:reader and domain_id:%(target.domain.id)s)", []string{"list_domains"}},
		{systemReader + " or (role:manager and not domain_id:None)", []string{"list_roles"}},
		{systemReader + " or role:manager", []string{"get_role"}},
		{systemReader + " or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s or (role:manager and domain_id:%(target.domain.id)s)", []string{"get_domain"}},
		{admin, []string{
			"create_domain", "update_domain", "delete_domain", "create_region", "update_region", "delete_region",
			"create_service", "update_service", "delete_service", "create_endpoint", "update_endpoint", "delete_endpoint",
			"create_role", "update_role", "delete_role", "create_implied_role", "delete_implied_role",
			"create_system_grant_for_user", "revoke_system_grant_for_user", "create_system_grant_for_group", "revoke_system_grant_for_group",
		}},
		{domainList, []string{"list_projects", "list_users", "list_groups"}},
		{projectReader, []string{"get_project"}},
		{projectDomain, []string{"create_project", "update_project", "delete_project"}},
		{userDomainReader, []string{"get_user", "list_user_projects", "list_groups_for_user"}},
		{userDomain, []string{"create_user", "update_user", "delete_user"}},
		{groupReader, []string{"get_group", "list_users_in_group", "check_user_in_group"}},
		{groupDomain, []string{"create_group", "update_group", "delete_group", "add_user_to_group", "remove_user_from_group"}},
		{grantReader, []string{"list_grants", "check_grant"}},
		{admin + " or (role:manager and rule:domain_matches_target and domain_id:%(target.target_domain_id)s and rule:domain_managed_target_role)", []string{"create_grant", "revoke_grant"}},
		{systemReader + " or (role:reader and domain_id:%(target.domain_id)s) or (role:admin and project_id:%(target.project.id)s)", []string{"list_role_assignments"}},
	} {
		scopes := anyScope
		if group.check == admin || group.check == systemReader {
			scopes = noDomain
		}
		for _, name := range group.names {
			rules = append(rules, policy.Rule{Name: "identity:" + name, Check: group.check, Scopes: scopes})
		}
	}
	return append(rules, policy.Rule{Name: "domain_managed_target_role", Check: "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s"})
}
