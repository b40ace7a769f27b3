package api

import (
	"slices"

	"nubo/identity"
	"nubo/internal/httpx"
)

// routes is every URL of identity with its policy rule.
func (h *handler) routes() []httpx.Route {
	return slices.Concat(h.tokenRoutes(), h.resourceRoutes(), h.catalogRoutes(), h.assignmentRoutes(), h.delegationRoutes(), h.limitRoutes(),
		h.filterRoutes(), h.policyRoutes(), h.domainConfigRoutes(), h.federationRoutes(), h.oauthRoutes())
}

func (h *handler) tokenRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("//", httpx.Public, h.versions),
		httpx.GET("//healthcheck", httpx.Public, httpx.Healthy),
		httpx.GET("", httpx.Public, h.version),

		httpx.POST("/auth/tokens", httpx.Public, h.issueToken, httpx.Body(schemas.Body("tokens.create"))),
		httpx.GET("/auth/tokens", "identity:validate_token", h.validateToken, httpx.On(h.tokenTarget)),
		httpx.HEAD("/auth/tokens", "identity:check_token", h.checkToken, httpx.On(h.tokenTarget)),
		httpx.DELETE("/auth/tokens", "identity:revoke_token", h.revokeToken, httpx.On(h.tokenTarget)),
		httpx.GET("/auth/catalog", "identity:get_auth_catalog", h.ownCatalog),
		httpx.GET("/auth/projects", "identity:get_auth_projects", h.ownProjects),
		httpx.GET("/auth/domains", "identity:get_auth_domains", h.ownDomains),
		httpx.GET("/auth/system", "identity:get_auth_system", h.ownSystem),
		httpx.GET("/OS-REVOKE/events", "identity:list_revoke_events", h.events),
		httpx.POST("/ec2tokens", "identity:ec2tokens_validate", h.signedToken(false), httpx.Body(schemas.Body("ec2tokens"))),
		httpx.POST("/s3tokens", "identity:s3tokens_validate", h.signedToken(true), httpx.Body(schemas.Body("ec2tokens"))),
	}
}

func (h *handler) resourceRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/domains", "identity:list_domains", h.listDomains, httpx.On(ownDomainTarget)),
		httpx.POST("/domains", "identity:create_domain", h.createDomain, httpx.Body(schemas.Body("domains.create"))),
		httpx.GET("/domains/{domain_id}", "identity:get_domain", getter(h.svc.Domain, "domain_id", "domain", domainView), httpx.On(h.domainTarget)),
		httpx.PATCH("/domains/{domain_id}", "identity:update_domain", h.updateDomain, httpx.On(h.domainTarget), httpx.Body(schemas.Body("domains.update"))),
		httpx.DELETE("/domains/{domain_id}", "identity:delete_domain", remover(h.svc.DeleteDomain, "domain_id"), httpx.On(h.domainTarget)),

		httpx.GET("/projects", "identity:list_projects", h.listProjects, httpx.On(h.listTarget)),
		httpx.POST("/projects", "identity:create_project", h.createProject, httpx.On(h.newTarget("project")), httpx.Body(schemas.Body("projects.create"))),
		httpx.GET("/projects/{project_id}", "identity:get_project", h.showProject, httpx.On(h.projectTarget)),
		httpx.PATCH("/projects/{project_id}", "identity:update_project", h.updateProject, httpx.On(h.projectTarget), httpx.Body(schemas.Body("projects.update"))),
		httpx.DELETE("/projects/{project_id}", "identity:delete_project", remover(h.svc.DeleteProject, "project_id"), httpx.On(h.projectTarget)),
		httpx.GET("/projects/{project_id}/tags", "identity:list_project_tags", h.listTags, httpx.On(h.projectTarget)),
		httpx.PUT("/projects/{project_id}/tags", "identity:update_project_tags", h.replaceTags, httpx.On(h.projectTarget), httpx.Body(schemas.Body("projects.tags"))),
		httpx.DELETE("/projects/{project_id}/tags", "identity:delete_project_tags", h.removeTags, httpx.On(h.projectTarget)),
		httpx.GET("/projects/{project_id}/tags/{tag}", "identity:get_project_tag", h.checkTag, httpx.On(h.projectTarget)),
		httpx.PUT("/projects/{project_id}/tags/{tag}", "identity:create_project_tag", h.addTag, httpx.On(h.projectTarget)),
		httpx.DELETE("/projects/{project_id}/tags/{tag}", "identity:delete_project_tag", h.removeTag, httpx.On(h.projectTarget)),

		httpx.GET("/users", "identity:list_users", h.listUsers, httpx.On(h.listTarget)),
		httpx.POST("/users", "identity:create_user", h.createUser, httpx.On(h.newTarget("user")), httpx.Body(schemas.Body("users.create"))),
		httpx.GET("/users/{user_id}", "identity:get_user", getter(h.svc.User, "user_id", "user", userView), httpx.On(h.userTarget)),
		httpx.PATCH("/users/{user_id}", "identity:update_user", h.updateUser, httpx.On(h.userTarget), httpx.Body(schemas.Body("users.update"))),
		httpx.DELETE("/users/{user_id}", "identity:delete_user", remover(h.svc.DeleteUser, "user_id"), httpx.On(h.userTarget)),
		httpx.POST("/users/{user_id}/password", httpx.Public, h.changePassword, httpx.Body(schemas.Body("users.password"))),
		httpx.GET("/users/{user_id}/projects", "identity:list_user_projects", h.userProjects, httpx.On(h.userTarget)),
		httpx.GET("/users/{user_id}/groups", "identity:list_groups_for_user", h.userGroups, httpx.On(h.userTarget)),

		httpx.GET("/groups", "identity:list_groups", h.listGroups, httpx.On(h.listTarget)),
		httpx.POST("/groups", "identity:create_group", h.createGroup, httpx.On(h.newTarget("group")), httpx.Body(schemas.Body("groups.create"))),
		httpx.GET("/groups/{group_id}", "identity:get_group", getter(h.store.Groups().Get, "group_id", "group", groupView), httpx.On(h.groupTarget)),
		httpx.PATCH("/groups/{group_id}", "identity:update_group", h.updateGroup, httpx.On(h.groupTarget), httpx.Body(schemas.Body("groups.update"))),
		httpx.DELETE("/groups/{group_id}", "identity:delete_group", remover(h.svc.DeleteGroup, "group_id"), httpx.On(h.groupTarget)),
		httpx.GET("/groups/{group_id}/users", "identity:list_users_in_group", h.groupUsers, httpx.On(h.groupTarget)),
		httpx.PUT("/groups/{group_id}/users/{user_id}", "identity:add_user_to_group", h.addMember, httpx.On(h.groupTarget)),
		httpx.HEAD("/groups/{group_id}/users/{user_id}", "identity:check_user_in_group", h.checkMember, httpx.On(h.groupTarget)),
		httpx.GET("/groups/{group_id}/users/{user_id}", "identity:check_user_in_group", h.checkMember, httpx.On(h.groupTarget)),
		httpx.DELETE("/groups/{group_id}/users/{user_id}", "identity:remove_user_from_group", h.removeMember, httpx.On(h.groupTarget)),
	}
}

func (h *handler) catalogRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/regions", "identity:list_regions", h.listRegions),
		httpx.POST("/regions", "identity:create_region", h.createRegion, httpx.Body(schemas.Body("regions.save"))),
		httpx.GET("/regions/{region_id}", "identity:get_region", getter(h.store.Regions().Get, "region_id", "region", regionView)),
		httpx.PUT("/regions/{region_id}", "identity:create_region", h.createRegion, httpx.Body(schemas.Body("regions.save"))),
		httpx.PATCH("/regions/{region_id}", "identity:update_region", h.updateRegion, httpx.Body(schemas.Body("regions.save"))),
		httpx.DELETE("/regions/{region_id}", "identity:delete_region", remover(h.svc.DeleteRegion, "region_id")),

		httpx.GET("/services", "identity:list_services", h.listServices),
		httpx.POST("/services", "identity:create_service", h.createService, httpx.Body(schemas.Body("services.create"))),
		httpx.GET("/services/{service_id}", "identity:get_service", getter(h.store.Services().Get, "service_id", "service", serviceView)),
		httpx.PATCH("/services/{service_id}", "identity:update_service", h.updateService, httpx.Body(schemas.Body("services.update"))),
		httpx.DELETE("/services/{service_id}", "identity:delete_service", remover(h.svc.DeleteService, "service_id")),

		httpx.GET("/endpoints", "identity:list_endpoints", h.listEndpoints),
		httpx.POST("/endpoints", "identity:create_endpoint", h.createEndpoint, httpx.Body(schemas.Body("endpoints.create"))),
		httpx.GET("/endpoints/{endpoint_id}", "identity:get_endpoint", getter(h.store.Endpoints().Get, "endpoint_id", "endpoint", endpointView)),
		httpx.PATCH("/endpoints/{endpoint_id}", "identity:update_endpoint", h.updateEndpoint, httpx.Body(schemas.Body("endpoints.update"))),
		httpx.DELETE("/endpoints/{endpoint_id}", "identity:delete_endpoint", remover(h.svc.DeleteEndpoint, "endpoint_id")),
	}
}

func (h *handler) assignmentRoutes() []httpx.Route {
	routes := []httpx.Route{
		httpx.GET("/roles", "identity:list_roles", h.listRoles),
		httpx.POST("/roles", "identity:create_role", h.createRole, httpx.Body(schemas.Body("roles.create"))),
		httpx.GET("/roles/{role_id}", "identity:get_role", getter(h.store.Roles().Get, "role_id", "role", roleView), httpx.On(h.roleTarget)),
		httpx.PATCH("/roles/{role_id}", "identity:update_role", h.updateRole, httpx.Body(schemas.Body("roles.update")), httpx.On(h.roleTarget)),
		httpx.DELETE("/roles/{role_id}", "identity:delete_role", remover(h.svc.DeleteRole, "role_id"), httpx.On(h.roleTarget)),
		httpx.GET("/roles/{prior_id}/implies", "identity:list_implied_roles", h.listImplied),
		httpx.PUT("/roles/{prior_id}/implies/{implied_id}", "identity:create_implied_role", h.imply),
		httpx.GET("/roles/{prior_id}/implies/{implied_id}", "identity:get_implied_role", h.showImplied),
		httpx.HEAD("/roles/{prior_id}/implies/{implied_id}", "identity:check_implied_role", h.checkImplied),
		httpx.DELETE("/roles/{prior_id}/implies/{implied_id}", "identity:delete_implied_role", h.unimply),
		httpx.GET("/role_inferences", "identity:list_role_inference_rules", h.listInferences),
		httpx.GET("/role_assignments", "identity:list_role_assignments", h.listAssignments, httpx.On(h.assignmentsTarget)),
	}
	// A role on a project, a domain or the system, for a user or a group,
	// plain or inherited: each has the same four operations.
	for _, target := range []string{"/projects/{project_id}", "/domains/{domain_id}"} {
		for _, actor := range []string{"/users/{user_id}", "/groups/{group_id}"} {
			routes = append(routes, h.grantRoutes(target+actor+"/roles", "grant", "grants", "")...)
			routes = append(routes, h.grantRoutes("/OS-INHERIT"+target+actor+"/roles", "grant", "grants", "/inherited_to_projects")...)
		}
	}
	routes = append(routes, h.grantRoutes("/system/users/{user_id}/roles", "system_grant_for_user", "system_grants_for_user", "")...)
	return append(routes, h.grantRoutes("/system/groups/{group_id}/roles", "system_grant_for_group", "system_grants_for_group", "")...)
}

func (h *handler) grantRoutes(path, one, many, suffix string) []httpx.Route {
	item := path + "/{role_id}" + suffix
	create, revoke := "identity:create_"+one, "identity:revoke_"+one
	check := "identity:check_" + one
	return []httpx.Route{
		httpx.GET(path+suffix, "identity:list_"+many, h.listGrants, httpx.On(h.grantTarget)),
		httpx.PUT(item, create, h.grant, httpx.On(h.grantTarget)),
		httpx.HEAD(item, check, h.checkGrant, httpx.On(h.grantTarget)),
		httpx.GET(item, check, h.checkGrant, httpx.On(h.grantTarget)),
		httpx.DELETE(item, revoke, h.revokeGrant, httpx.On(h.grantTarget)),
	}
}

// delegationRoutes are about what users hand on of their rights, and the
// secrets they keep here.
func (h *handler) delegationRoutes() []httpx.Route {
	const creds, rules, ec2 = "/users/{user_id}/application_credentials", "/users/{user_id}/access_rules", "/users/{user_id}/credentials/OS-EC2"
	owner := httpx.On(h.ownerTarget)
	own, trusts := h.by((*identity.Token).MayManageAppCredentials), h.by((*identity.Token).MayManageTrusts)
	held, heldKey := httpx.Before(h.heldCredential), httpx.Before(h.heldKey)
	return []httpx.Route{
		httpx.GET(creds, "identity:list_application_credentials", h.listAppCredentials, owner, own),
		httpx.POST(creds, "identity:create_application_credential", h.createAppCredential, owner, own, httpx.Body(schemas.Body("appcreds.create"))),
		httpx.GET(creds+"/{application_credential_id}", "identity:get_application_credential", h.showAppCredential, owner, own),
		httpx.DELETE(creds+"/{application_credential_id}", "identity:delete_application_credential", h.deleteAppCredential, owner, own),
		httpx.GET(rules, "identity:list_access_rules", h.listAccessRules, owner, own),
		httpx.GET(rules+"/{access_rule_id}", "identity:get_access_rule", h.showAccessRule, owner, own),
		httpx.DELETE(rules+"/{access_rule_id}", "identity:delete_access_rule", h.deleteAccessRule, owner, own),

		httpx.GET("/OS-TRUST/trusts", "identity:list_trusts", h.listTrusts, httpx.On(h.trustsTarget), trusts),
		httpx.POST("/OS-TRUST/trusts", "identity:create_trust", h.createTrust, httpx.On(h.newTrustTarget), httpx.Body(schemas.Body("trusts.create")), trusts),
		httpx.GET("/OS-TRUST/trusts/{trust_id}", "identity:get_trust", h.showTrust, httpx.On(h.trustTarget), trusts),
		httpx.DELETE("/OS-TRUST/trusts/{trust_id}", "identity:delete_trust", remover(h.svc.DeleteTrust, "trust_id"), httpx.On(h.trustTarget), trusts),
		httpx.GET("/OS-TRUST/trusts/{trust_id}/roles", "identity:list_roles_for_trust", h.trustRoles, httpx.On(h.trustTarget), trusts),
		httpx.GET("/OS-TRUST/trusts/{trust_id}/roles/{role_id}", "identity:get_role_for_trust", h.trustRole, httpx.On(h.trustTarget), trusts),

		httpx.GET("/credentials", "identity:list_credentials", h.listCredentials),
		httpx.POST("/credentials", "identity:create_credential", h.createCredential, httpx.On(h.newCredentialTarget), httpx.Body(schemas.Body("credentials.create"))),
		httpx.GET("/credentials/{credential_id}", "identity:get_credential", getter(h.svc.Credential, "credential_id", "credential", credentialView), httpx.On(h.credentialTarget), held),
		httpx.PATCH("/credentials/{credential_id}", "identity:update_credential", h.updateCredential, httpx.On(h.credentialTarget), httpx.Body(schemas.Body("credentials.update")), held),
		httpx.DELETE("/credentials/{credential_id}", "identity:delete_credential", remover(h.svc.DeleteCredential, "credential_id"), httpx.On(h.credentialTarget), held),
		httpx.GET(ec2, "identity:ec2_list_credentials", h.listEC2, owner),
		httpx.POST(ec2, "identity:ec2_create_credential", h.createEC2, owner, httpx.Body(schemas.Body("ec2.create"))),
		httpx.GET(ec2+"/{access}", "identity:ec2_get_credential", h.showEC2, owner, heldKey),
		httpx.DELETE(ec2+"/{access}", "identity:ec2_delete_credential", h.deleteEC2, owner, heldKey),
	}
}

func (h *handler) limitRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/registered_limits", "identity:list_registered_limits", h.listRegisteredLimits),
		httpx.POST("/registered_limits", "identity:create_registered_limits", h.createRegisteredLimits, httpx.Body(schemas.Body("registered_limits.create"))),
		httpx.GET("/registered_limits/{registered_limit_id}", "identity:get_registered_limit",
			getter(h.store.RegisteredLimits().Get, "registered_limit_id", "registered_limit", registeredLimitView)),
		httpx.PATCH("/registered_limits/{registered_limit_id}", "identity:update_registered_limit", h.updateRegisteredLimit, httpx.Body(schemas.Body("registered_limits.update"))),
		httpx.DELETE("/registered_limits/{registered_limit_id}", "identity:delete_registered_limit", remover(h.svc.DeleteRegisteredLimit, "registered_limit_id")),
		httpx.GET("/limits", "identity:list_limits", h.listLimits),
		httpx.GET("/limits/model", "identity:get_limit_model", h.limitModel),
		httpx.POST("/limits", "identity:create_limits", h.createLimits, httpx.Body(schemas.Body("limits.create"))),
		httpx.GET("/limits/{limit_id}", "identity:get_limit", getter(h.store.Limits().Get, "limit_id", "limit", limitView), httpx.On(h.limitTarget)),
		httpx.PATCH("/limits/{limit_id}", "identity:update_limit", h.updateLimit, httpx.On(h.limitTarget), httpx.Body(schemas.Body("limits.update"))),
		httpx.DELETE("/limits/{limit_id}", "identity:delete_limit", remover(h.svc.DeleteLimit, "limit_id"), httpx.On(h.limitTarget)),
	}
}

// filterRoutes are about which endpoints a project sees.
func (h *handler) filterRoutes() []httpx.Route {
	const ep, groups = "/OS-EP-FILTER", "/OS-EP-FILTER/endpoint_groups"
	const item, tie = ep + "/projects/{project_id}/endpoints/{endpoint_id}", groups + "/{endpoint_group_id}/projects/{project_id}"
	return []httpx.Route{
		httpx.GET(ep+"/endpoints/{endpoint_id}/projects", "identity:list_projects_for_endpoint", h.linkedProjects),
		httpx.GET(ep+"/projects/{project_id}/endpoints", "identity:list_endpoints_for_project", h.projectEndpoints),
		httpx.PUT(item, "identity:add_endpoint_to_project", h.addLink),
		httpx.GET(item, "identity:check_endpoint_in_project", h.checkLink),
		httpx.DELETE(item, "identity:remove_endpoint_from_project", h.removeLink),
		httpx.GET(groups, "identity:list_endpoint_groups", h.listEndpointGroups),
		httpx.POST(groups, "identity:create_endpoint_group", h.createEndpointGroup, httpx.Body(schemas.Body("endpoint_groups.create"))),
		httpx.GET(groups+"/{endpoint_group_id}", "identity:get_endpoint_group", getter(h.store.EndpointGroups().Get, "endpoint_group_id", "endpoint_group", endpointGroupView)),
		httpx.PATCH(groups+"/{endpoint_group_id}", "identity:update_endpoint_group", h.updateEndpointGroup, httpx.Body(schemas.Body("endpoint_groups.update"))),
		httpx.DELETE(groups+"/{endpoint_group_id}", "identity:delete_endpoint_group", remover(h.svc.DeleteEndpointGroup, "endpoint_group_id")),
		httpx.GET(groups+"/{endpoint_group_id}/endpoints", "identity:list_endpoints_associated_with_endpoint_group", h.groupEndpoints),
		httpx.GET(groups+"/{endpoint_group_id}/projects", "identity:list_projects_associated_with_endpoint_group", h.linkedProjects),
		httpx.PUT(tie, "identity:add_endpoint_group_to_project", h.addLink),
		httpx.GET(tie, "identity:get_endpoint_group_in_project", h.showLink),
		httpx.DELETE(tie, "identity:remove_endpoint_group_from_project", h.removeLink),
		httpx.GET(ep+"/projects/{project_id}/endpoint_groups", "identity:list_endpoint_groups_for_project", h.projectGroups),
	}
}

func (h *handler) policyRoutes() []httpx.Route {
	const policies, item = "/policies", "/policies/{policy_id}"
	const of = item + "/OS-ENDPOINT-POLICY"
	routes := []httpx.Route{
		httpx.GET(policies, "identity:list_policies", h.listPolicies),
		httpx.POST(policies, "identity:create_policy", h.createPolicy, httpx.Body(schemas.Body("policies.create"))),
		httpx.GET(item, "identity:get_policy", getter(h.store.Policies().Get, "policy_id", "policy", policyView)),
		httpx.PATCH(item, "identity:update_policy", h.updatePolicy, httpx.Body(schemas.Body("policies.update"))),
		httpx.DELETE(item, "identity:delete_policy", remover(h.svc.DeletePolicy, "policy_id")),
		httpx.GET(of+"/endpoints", "identity:list_endpoints_for_policy", h.policyEndpoints),
		httpx.GET(of+"/policy", "identity:get_policy_for_endpoint", getter(h.store.Policies().Get, "policy_id", "policy", policyView)),
		httpx.GET("/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "identity:get_policy_for_endpoint", getter(h.svc.PolicyFor, "endpoint_id", "policy", policyView)),
	}
	for path, kind := range map[string]string{
		"/endpoints/{endpoint_id}": "endpoint", "/services/{service_id}": "service", "/services/{service_id}/regions/{region_id}": "region_and_service",
	} {
		routes = append(routes,
			httpx.PUT(of+path, "identity:create_policy_association_for_"+kind, h.associate),
			httpx.GET(of+path, "identity:check_policy_association_for_"+kind, h.checkAssociation),
			httpx.DELETE(of+path, "identity:delete_policy_association_for_"+kind, h.dissociate),
		)
	}
	return routes
}

func (h *handler) domainConfigRoutes() []httpx.Route {
	routes := []httpx.Route{}
	for _, part := range []string{"", "/{group}", "/{group}/{option}"} {
		path, body := "/domains/{domain_id}/config"+part, httpx.Body(schemas.Body("domain_config"))
		routes = append(routes,
			httpx.GET("/domains/config"+part+"/default", "identity:get_domain_config_default", h.defaultConfig),
			httpx.GET(path, "identity:get_domain_config", h.showConfig, httpx.On(h.configTarget)),
			httpx.PATCH(path, "identity:update_domain_config", h.updateConfig, body),
			httpx.DELETE(path, "identity:delete_domain_config", h.deleteConfig),
		)
		if part == "" {
			routes = append(routes, httpx.PUT(path, "identity:create_domain_config", h.createConfig, body))
		}
	}
	return routes
}

func (h *handler) federationRoutes() []httpx.Route {
	const idps, mappings, sps = federation + "/identity_providers", federation + "/mappings", federation + "/service_providers"
	const idp, protocols = idps + "/{idp_id}", idps + "/{idp_id}/protocols"
	const protocol = protocols + "/{protocol_id}"
	return []httpx.Route{
		httpx.GET(idps, "identity:list_identity_providers", h.listProviders),
		httpx.PUT(idp, "identity:create_identity_provider", h.createProvider, httpx.Body(schemas.Body("identity_providers.save"))),
		httpx.GET(idp, "identity:get_identity_provider", getter(h.store.IdentityProviders().Get, "idp_id", "identity_provider", providerView)),
		httpx.PATCH(idp, "identity:update_identity_provider", h.updateProvider, httpx.Body(schemas.Body("identity_providers.save"))),
		httpx.DELETE(idp, "identity:delete_identity_provider", remover(h.svc.DeleteIdentityProvider, "idp_id")),
		httpx.GET(protocols, "identity:list_protocols", h.listProtocols),
		httpx.PUT(protocol, "identity:create_protocol", h.createProtocol, httpx.Body(schemas.Body("protocols.create"))),
		httpx.GET(protocol, "identity:get_protocol", h.showProtocol),
		httpx.PATCH(protocol, "identity:update_protocol", h.updateProtocol, httpx.Body(schemas.Body("protocols.update"))),
		httpx.DELETE(protocol, "identity:delete_protocol", h.deleteProtocol),
		httpx.GET(protocol+"/auth", httpx.Public, h.federatedSignIn),
		httpx.POST(protocol+"/auth", httpx.Public, h.federatedSignIn),
		httpx.GET("/auth"+federation+"/websso/{protocol_id}", httpx.Public, inBrowser(h.chooseProvider)),
		httpx.GET("/auth"+protocol+"/websso", httpx.Public, inBrowser(h.webSignIn)),
		httpx.GET("/auth"+idp+"/protocol/{protocol_id}/websso", httpx.Public, inBrowser(h.webSignIn)), // as the API reference writes it
		httpx.GET("/auth"+protocol+"/websso/callback", httpx.Public, inBrowser(h.webCallback)),
		httpx.GET(mappings, "identity:list_mappings", h.listMappings),
		httpx.PUT(mappings+"/{mapping_id}", "identity:create_mapping", h.createMapping, httpx.Body(schemas.Body("mappings.save"))),
		httpx.GET(mappings+"/{mapping_id}", "identity:get_mapping", getter(h.store.Mappings().Get, "mapping_id", "mapping", mappingView)),
		httpx.PATCH(mappings+"/{mapping_id}", "identity:update_mapping", h.updateMapping, httpx.Body(schemas.Body("mappings.save"))),
		httpx.DELETE(mappings+"/{mapping_id}", "identity:delete_mapping", remover(h.svc.DeleteMapping, "mapping_id")),
		httpx.GET(sps, "identity:list_service_providers", h.listServiceProviders),
		httpx.PUT(sps+"/{sp_id}", "identity:create_service_provider", h.createServiceProvider, httpx.Body(schemas.Body("service_providers.create"))),
		httpx.GET(sps+"/{sp_id}", "identity:get_service_provider", getter(h.store.ServiceProviders().Get, "sp_id", "service_provider", serviceProviderView)),
		httpx.PATCH(sps+"/{sp_id}", "identity:update_service_provider", h.updateServiceProvider, httpx.Body(schemas.Body("service_providers.update"))),
		httpx.DELETE(sps+"/{sp_id}", "identity:delete_service_provider", remover(h.svc.DeleteServiceProvider, "sp_id")),
		httpx.GET(federation+"/projects", "identity:get_auth_projects", h.ownProjects),
		httpx.GET(federation+"/domains", "identity:get_auth_domains", h.ownDomains),
	}
}

func (h *handler) oauthRoutes() []httpx.Route {
	const consumers, tokens = oauth1 + "/consumers", "/users/{user_id}" + oauth1 + "/access_tokens"
	const consumer, token = consumers + "/{consumer_id}", tokens + "/{access_token_id}"
	himself := h.by((*identity.Token).MayManageAccessTokens)
	return []httpx.Route{
		httpx.GET(consumers, "identity:list_consumers", h.listConsumers),
		httpx.POST(consumers, "identity:create_consumer", h.createConsumer, httpx.Body(schemas.Body("consumers.save"))),
		httpx.GET(consumer, "identity:get_consumer", getter(h.store.Consumers().Get, "consumer_id", "consumer", consumerView)),
		httpx.PATCH(consumer, "identity:update_consumer", h.updateConsumer, httpx.Body(schemas.Body("consumers.save"))),
		httpx.DELETE(consumer, "identity:delete_consumer", remover(h.svc.DeleteConsumer, "consumer_id")),
		httpx.POST(oauth1+"/request_token", httpx.Public, h.requestToken),
		httpx.PUT(oauth1+"/authorize/{request_token_id}", "identity:authorize_request_token", h.authorizeToken, httpx.Body(schemas.Body("oauth.authorize"))),
		httpx.POST(oauth1+"/access_token", httpx.Public, h.accessToken),
		httpx.GET(tokens, "identity:list_access_tokens", h.listAccessTokens, himself),
		httpx.GET(token, "identity:get_access_token", h.showAccessToken, himself),
		httpx.DELETE(token, "identity:delete_access_token", h.deleteAccessToken, himself),
		httpx.GET(token+"/roles", "identity:list_access_token_roles", h.accessTokenRoles, himself),
		httpx.GET(token+"/roles/{role_id}", "identity:get_access_token_role", h.accessTokenRole, himself),
		httpx.POST(oauth2+"/token", httpx.Public, h.oauth2Token),
	}
}
