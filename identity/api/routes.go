package api

import "nubo/internal/httpx"

// routes is every URL of identity with its policy rule.
func (h *handler) routes() []httpx.Route {
	return append(append(h.tokenRoutes(), h.resourceRoutes()...), h.assignmentRoutes()...)
}

func (h *handler) tokenRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("//", httpx.Public, h.versions),
		httpx.GET("", httpx.Public, h.version),

		httpx.POST("/auth/tokens", httpx.Public, h.issueToken, httpx.Body(schemas.Body("tokens.create"))),
		httpx.GET("/auth/tokens", "identity:validate_token", h.validateToken, httpx.On(h.tokenTarget)),
		httpx.HEAD("/auth/tokens", "identity:check_token", h.checkToken, httpx.On(h.tokenTarget)),
		httpx.DELETE("/auth/tokens", "identity:revoke_token", h.revokeToken, httpx.On(h.tokenTarget)),
		httpx.GET("/auth/catalog", "identity:get_auth_catalog", h.ownCatalog),
		httpx.GET("/auth/projects", "identity:get_auth_projects", h.ownProjects),
		httpx.GET("/auth/domains", "identity:get_auth_domains", h.ownDomains),
		httpx.GET("/auth/system", "identity:get_auth_system", h.ownSystem),
	}
}

func (h *handler) resourceRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/domains", "identity:list_domains", h.listDomains),
		httpx.POST("/domains", "identity:create_domain", h.createDomain, httpx.Body(schemas.Body("domains.create"))),
		httpx.GET("/domains/{domain_id}", "identity:get_domain", h.showDomain, httpx.On(h.domainTarget)),
		httpx.PATCH("/domains/{domain_id}", "identity:update_domain", h.updateDomain, httpx.On(h.domainTarget), httpx.Body(schemas.Body("domains.update"))),
		httpx.DELETE("/domains/{domain_id}", "identity:delete_domain", h.deleteDomain, httpx.On(h.domainTarget)),

		httpx.GET("/projects", "identity:list_projects", h.listProjects, httpx.On(h.listTarget)),
		httpx.POST("/projects", "identity:create_project", h.createProject, httpx.On(h.newTarget("project")), httpx.Body(schemas.Body("projects.create"))),
		httpx.GET("/projects/{project_id}", "identity:get_project", h.showProject, httpx.On(h.projectTarget)),
		httpx.PATCH("/projects/{project_id}", "identity:update_project", h.updateProject, httpx.On(h.projectTarget), httpx.Body(schemas.Body("projects.update"))),
		httpx.DELETE("/projects/{project_id}", "identity:delete_project", h.deleteProject, httpx.On(h.projectTarget)),

		httpx.GET("/users", "identity:list_users", h.listUsers, httpx.On(h.listTarget)),
		httpx.POST("/users", "identity:create_user", h.createUser, httpx.On(h.newTarget("user")), httpx.Body(schemas.Body("users.create"))),
		httpx.GET("/users/{user_id}", "identity:get_user", h.showUser, httpx.On(h.userTarget)),
		httpx.PATCH("/users/{user_id}", "identity:update_user", h.updateUser, httpx.On(h.userTarget), httpx.Body(schemas.Body("users.update"))),
		httpx.DELETE("/users/{user_id}", "identity:delete_user", h.deleteUser, httpx.On(h.userTarget)),
		httpx.POST("/users/{user_id}/password", httpx.Public, h.changePassword, httpx.Body(schemas.Body("users.password"))),
		httpx.GET("/users/{user_id}/projects", "identity:list_user_projects", h.userProjects, httpx.On(h.userTarget)),
		httpx.GET("/users/{user_id}/groups", "identity:list_groups_for_user", h.userGroups, httpx.On(h.userTarget)),

		httpx.GET("/groups", "identity:list_groups", h.listGroups, httpx.On(h.listTarget)),
		httpx.POST("/groups", "identity:create_group", h.createGroup, httpx.On(h.newTarget("group")), httpx.Body(schemas.Body("groups.create"))),
		httpx.GET("/groups/{group_id}", "identity:get_group", h.showGroup, httpx.On(h.groupTarget)),
		httpx.PATCH("/groups/{group_id}", "identity:update_group", h.updateGroup, httpx.On(h.groupTarget), httpx.Body(schemas.Body("groups.update"))),
		httpx.DELETE("/groups/{group_id}", "identity:delete_group", h.deleteGroup, httpx.On(h.groupTarget)),
		httpx.GET("/groups/{group_id}/users", "identity:list_users_in_group", h.groupUsers, httpx.On(h.groupTarget)),
		httpx.PUT("/groups/{group_id}/users/{user_id}", "identity:add_user_to_group", h.addMember, httpx.On(h.groupTarget)),
		httpx.HEAD("/groups/{group_id}/users/{user_id}", "identity:check_user_in_group", h.checkMember, httpx.On(h.groupTarget)),
		httpx.GET("/groups/{group_id}/users/{user_id}", "identity:check_user_in_group", h.checkMember, httpx.On(h.groupTarget)),
		httpx.DELETE("/groups/{group_id}/users/{user_id}", "identity:remove_user_from_group", h.removeMember, httpx.On(h.groupTarget)),

		httpx.GET("/regions", "identity:list_regions", h.listRegions),
		httpx.POST("/regions", "identity:create_region", h.createRegion, httpx.Body(schemas.Body("regions.save"))),
		httpx.GET("/regions/{region_id}", "identity:get_region", h.showRegion),
		httpx.PATCH("/regions/{region_id}", "identity:update_region", h.updateRegion, httpx.Body(schemas.Body("regions.save"))),
		httpx.DELETE("/regions/{region_id}", "identity:delete_region", h.deleteRegion),

		httpx.GET("/services", "identity:list_services", h.listServices),
		httpx.POST("/services", "identity:create_service", h.createService, httpx.Body(schemas.Body("services.create"))),
		httpx.GET("/services/{service_id}", "identity:get_service", h.showService),
		httpx.PATCH("/services/{service_id}", "identity:update_service", h.updateService, httpx.Body(schemas.Body("services.update"))),
		httpx.DELETE("/services/{service_id}", "identity:delete_service", h.deleteService),

		httpx.GET("/endpoints", "identity:list_endpoints", h.listEndpoints),
		httpx.POST("/endpoints", "identity:create_endpoint", h.createEndpoint, httpx.Body(schemas.Body("endpoints.create"))),
		httpx.GET("/endpoints/{endpoint_id}", "identity:get_endpoint", h.showEndpoint),
		httpx.PATCH("/endpoints/{endpoint_id}", "identity:update_endpoint", h.updateEndpoint, httpx.Body(schemas.Body("endpoints.update"))),
		httpx.DELETE("/endpoints/{endpoint_id}", "identity:delete_endpoint", h.deleteEndpoint),
	}
}

func (h *handler) assignmentRoutes() []httpx.Route {
	routes := []httpx.Route{
		httpx.GET("/roles", "identity:list_roles", h.listRoles),
		httpx.POST("/roles", "identity:create_role", h.createRole, httpx.Body(schemas.Body("roles.create"))),
		httpx.GET("/roles/{role_id}", "identity:get_role", h.showRole),
		httpx.PATCH("/roles/{role_id}", "identity:update_role", h.updateRole, httpx.Body(schemas.Body("roles.update"))),
		httpx.DELETE("/roles/{role_id}", "identity:delete_role", h.deleteRole),
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
