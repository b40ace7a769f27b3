package api

import "nubo/internal/policy"

// The checks of the newest release, by who they let in. A manager acts in
// his own domain; a reader of the system sees everything.
const (
	admin                  = "rule:admin_required"
	systemReader           = "rule:admin_required or (role:reader and system_scope:all)"
	anyone                 = "" // anyone with a token
	userDomainReader       = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s"
	userDomain             = "rule:admin_required or (role:manager and domain_id:%(target.user.domain_id)s)"
	projectReader          = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.project.domain_id)s) or project_id:%(target.project.id)s"
	projectDomain          = "rule:admin_required or (role:manager and domain_id:%(target.project.domain_id)s)"
	groupReader            = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.group.domain_id)s)"
	groupDomain            = "rule:admin_required or (role:manager and domain_id:%(target.group.domain_id)s)"
	domainList             = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)"
	tokenReader            = "rule:admin_required or rule:service_role or rule:token_subject or (role:reader and system_scope:all)"
	owner                  = "user_id:%(user_id)s"
	ownerReader            = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(user_id)s"
	ownerAdmin             = "rule:admin_required or user_id:%(user_id)s"
	trustor                = "user_id:%(target.trust.trustor_user_id)s"
	ownerMember            = "rule:admin_required or (role:member and user_id:%(user_id)s)"
	accessReader           = "(role:reader and system_scope:all) or user_id:%(user_id)s"
	accessOwner            = "(role:admin and system_scope:all) or user_id:%(user_id)s"
	trustAdmin             = "rule:admin_required or user_id:%(target.trust.trustor_user_id)s"
	serviceOrAdmin         = "rule:service_or_admin"
	serviceOrAdminAnywhere = "rule:admin_required or rule:service_role"
	oauthAdmin             = "rule:admin_required and not project_id:None"
	trustParty             = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.trust.trustor_user_id)s or user_id:%(target.trust.trustee_user_id)s"
	credentialReader       = "rule:admin_required or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s"
	credentialOwner        = "rule:admin_required or user_id:%(target.credential.user_id)s"
	limitReader            = "rule:admin_required or (role:reader and system_scope:all) or domain_id:%(target.limit.domain.id)s or domain_id:%(target.limit.project.domain_id)s or project_id:%(target.limit.project_id)s"
	grantReader            = "rule:admin_required or (role:reader and system_scope:all) or (role:reader and rule:domain_matches_target and domain_id:%(target.target_domain_id)s)"
)

// What is of the whole cloud is for tokens of a domain neither to see nor to
// change.
var anyScope, noDomain, projectOnly = []string{"system", "domain", "project"}, []string{"system", "project"}, []string{"project"}

// scopesOf are the scopes of rules by their check, where not any will do.
var scopesOf = map[string][]string{
	admin: noDomain, systemReader: noDomain, serviceOrAdmin: noDomain, ownerReader: noDomain, ownerAdmin: noDomain, ownerMember: noDomain,
	accessReader: noDomain, accessOwner: noDomain, trustParty: noDomain, trustAdmin: noDomain, owner: projectOnly, trustor: projectOnly, oauthAdmin: projectOnly,
}

// Rules are the policy defaults of every route.
func Rules() []policy.Rule {
	rules := []policy.Rule{
		{Name: "context_is_admin", Check: "rule:admin_required"},
		{Name: "admin_required", Check: "role:admin or is_admin:1"},
		{Name: "service_role", Check: "role:service"},
		{Name: "service_or_admin", Check: "rule:admin_required or rule:service_role"},
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
		{anyone, []string{
			"get_auth_catalog", "get_auth_projects", "get_auth_domains", "get_auth_system", "list_regions", "get_region",
			"list_registered_limits", "get_registered_limit", "list_limits", "get_limit_model", "list_credentials",
		}},
		{serviceOrAdmin, []string{"list_revoke_events"}},
		{serviceOrAdminAnywhere, []string{"ec2tokens_validate", "s3tokens_validate"}},
		// What is required of passwords is for everyone to know.
		{systemReader + " or 'security_compliance':%(group)s", []string{"get_domain_config"}},
		{ownerReader, []string{"list_application_credentials", "get_application_credential", "ec2_list_credentials", "ec2_get_credential"}},
		{owner, []string{"create_application_credential"}},
		{ownerAdmin, []string{"delete_application_credential"}},
		{ownerMember, []string{"ec2_create_credential", "ec2_delete_credential"}},
		{accessReader, []string{"list_access_rules", "get_access_rule"}},
		{accessOwner, []string{"delete_access_rule"}},
		{trustor, []string{"create_trust"}},
		{trustAdmin, []string{"delete_trust"}},
		{trustParty, []string{"list_trusts", "get_trust", "list_roles_for_trust", "get_role_for_trust"}},
		{credentialReader, []string{"get_credential"}},
		{credentialOwner, []string{"create_credential", "update_credential", "delete_credential"}},
		{limitReader, []string{"get_limit"}},
		{systemReader, []string{
			"list_policies", "get_policy", "get_policy_for_endpoint", "list_endpoints_for_policy", "check_policy_association_for_endpoint",
			"check_policy_association_for_service", "check_policy_association_for_region_and_service",
			"list_projects_for_endpoint", "list_endpoints_for_project", "check_endpoint_in_project", "list_endpoint_groups", "get_endpoint_group",
			"list_endpoints_associated_with_endpoint_group", "list_projects_associated_with_endpoint_group", "get_endpoint_group_in_project",
			"list_endpoint_groups_for_project", "get_domain_config_default", "list_identity_providers", "get_identity_provider",
			"list_protocols", "get_protocol", "list_mappings", "get_mapping", "list_service_providers", "get_service_provider", "list_consumers", "get_consumer",
			"list_services", "get_service", "list_endpoints", "get_endpoint", "list_implied_roles",
			"get_implied_role", "check_implied_role", "list_role_inference_rules",
			"list_system_grants_for_user", "check_system_grant_for_user", "list_system_grants_for_group", "check_system_grant_for_group",
		}},
		{systemReader + " or (role:reader and domain_id:%(target.domain.id)s)", []string{"list_domains"}},
		{systemReader + " or (role:manager and not domain_id:None)", []string{"list_roles"}},
		{systemReader + " or role:manager", []string{"get_role"}},
		{systemReader + " or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s or (role:manager and domain_id:%(target.domain.id)s)", []string{"get_domain"}},
		{admin, []string{
			"create_registered_limits", "update_registered_limit", "delete_registered_limit", "create_limits", "update_limit", "delete_limit",
			"create_policy", "update_policy", "delete_policy", "create_policy_association_for_endpoint", "delete_policy_association_for_endpoint",
			"create_policy_association_for_service", "delete_policy_association_for_service", "create_policy_association_for_region_and_service",
			"delete_policy_association_for_region_and_service", "add_endpoint_to_project", "remove_endpoint_from_project", "create_endpoint_group",
			"update_endpoint_group", "delete_endpoint_group", "add_endpoint_group_to_project", "remove_endpoint_group_from_project",
			"create_domain_config", "update_domain_config", "delete_domain_config", "create_identity_provider", "update_identity_provider", "delete_identity_provider",
			"create_protocol", "update_protocol", "delete_protocol", "create_mapping", "update_mapping", "delete_mapping",
			"create_service_provider", "update_service_provider", "delete_service_provider", "create_consumer", "update_consumer", "delete_consumer",
			"create_domain", "update_domain", "delete_domain", "create_region", "update_region", "delete_region",
			"create_service", "update_service", "delete_service", "create_endpoint", "update_endpoint", "delete_endpoint",
			"create_role", "update_role", "delete_role", "create_implied_role", "delete_implied_role",
			"create_system_grant_for_user", "revoke_system_grant_for_user", "create_system_grant_for_group", "revoke_system_grant_for_group",
		}},
		{oauthAdmin, []string{
			"authorize_request_token", "list_access_tokens", "get_access_token", "delete_access_token", "list_access_token_roles", "get_access_token_role",
		}},
		{domainList, []string{"list_projects", "list_users", "list_groups"}},
		{projectReader, []string{"get_project", "list_project_tags", "get_project_tag"}},
		{projectDomain, []string{
			"create_project", "update_project", "delete_project", "update_project_tags", "create_project_tag", "delete_project_tags", "delete_project_tag",
		}},
		{userDomainReader, []string{"get_user", "list_user_projects", "list_groups_for_user"}},
		{userDomain, []string{"create_user", "update_user", "delete_user"}},
		{groupReader, []string{"get_group", "list_users_in_group", "check_user_in_group"}},
		{groupDomain, []string{"create_group", "update_group", "delete_group", "add_user_to_group", "remove_user_from_group"}},
		{grantReader, []string{"list_grants", "check_grant"}},
		{admin + " or (role:manager and rule:domain_matches_target and domain_id:%(target.target_domain_id)s and rule:domain_managed_target_role)", []string{"create_grant", "revoke_grant"}},
		{systemReader + " or (role:reader and domain_id:%(target.domain_id)s) or (role:admin and project_id:%(target.project.id)s)", []string{"list_role_assignments", "list_role_assignments_for_tree"}},
		{systemReader, []string{"list_domain_roles"}},
	} {
		scopes := anyScope
		if s, ok := scopesOf[group.check]; ok {
			scopes = s
		}
		for _, name := range group.names {
			rules = append(rules, policy.Rule{Name: "identity:" + name, Check: group.check, Scopes: scopes})
		}
	}
	return append(rules, policy.Rule{Name: "domain_managed_target_role", Check: "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s"})
}
