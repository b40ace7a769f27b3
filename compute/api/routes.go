package api

import "nubo/internal/httpx"

// routes is every URL of compute with its policy rule.
func (h *handler) routes() []httpx.Route {
	var all []httpx.Route
	for _, part := range [][]httpx.Route{
		h.documentRoutes(), h.serverRoutes(), h.actionRoutes(), h.attachmentRoutes(), h.flavorRoutes(), h.keyPairRoutes(),
		h.hostRoutes(), h.quotaRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

func (h *handler) documentRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("//", httpx.Public, h.versions),
		httpx.GET("", httpx.Public, h.version),
		httpx.GET("/extensions", "os_compute_api:extensions", h.extensions),

		// What guests read; the metadata proxies of the network agents sign for them.
		httpx.GET("//openstack", httpx.Public, h.metadataVersions),
		httpx.GET("//openstack/{version}", httpx.Public, h.metadataFiles),
		httpx.GET("//openstack/{version}/{file}", httpx.Public, h.metadataFile),
		httpx.GET("//{ec2:latest|1\\.0|[0-9-]+}", httpx.Public, h.ec2Root),
		httpx.GET("//{ec2:latest|1\\.0|[0-9-]+}/user-data", httpx.Public, h.ec2UserData),
		httpx.GET("//{ec2:latest|1\\.0|[0-9-]+}/meta-data", httpx.Public, h.ec2MetaData),
		httpx.GET("//{ec2:latest|1\\.0|[0-9-]+}/meta-data/*", httpx.Public, h.ec2MetaData),
	}
}

func (h *handler) serverRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/servers", "os_compute_api:servers:index", h.listServers),
		httpx.GET("/servers/detail", "os_compute_api:servers:detail", h.listServersDetail),
		httpx.POST("/servers", "os_compute_api:servers:create", h.createServer, body("servers.create")),
		httpx.GET("/servers/{server_id}", "os_compute_api:servers:show", h.showServer),
		httpx.PUT("/servers/{server_id}", "os_compute_api:servers:update", h.updateServer, body("servers.update")),
		httpx.DELETE("/servers/{server_id}", "os_compute_api:servers:delete", h.deleteServer),

		httpx.GET("/servers/{server_id}/metadata", "os_compute_api:server-metadata:index", h.listMetadata),
		httpx.POST("/servers/{server_id}/metadata", "os_compute_api:server-metadata:create", h.addMetadata, body("servermetadata.create")),
		httpx.PUT("/servers/{server_id}/metadata", "os_compute_api:server-metadata:update_all", h.replaceMetadata, body("servermetadata.create")),
		httpx.GET("/servers/{server_id}/metadata/{key}", "os_compute_api:server-metadata:show", h.showMetadata),
		httpx.PUT("/servers/{server_id}/metadata/{key}", "os_compute_api:server-metadata:update", h.setMetadata, body("servermetadata.item")),
		httpx.DELETE("/servers/{server_id}/metadata/{key}", "os_compute_api:server-metadata:delete", h.deleteMetadata),

		httpx.GET("/servers/{server_id}/tags", "os_compute_api:os-server-tags:index", h.listTags, httpx.Since(2, 26)),
		httpx.PUT("/servers/{server_id}/tags", "os_compute_api:os-server-tags:update_all", h.replaceTags, httpx.Since(2, 26), body("tags.replace")),
		httpx.DELETE("/servers/{server_id}/tags", "os_compute_api:os-server-tags:delete_all", h.deleteTags, httpx.Since(2, 26)),
		httpx.GET("/servers/{server_id}/tags/{tag}", "os_compute_api:os-server-tags:show", h.checkTag, httpx.Since(2, 26)),
		httpx.PUT("/servers/{server_id}/tags/{tag}", "os_compute_api:os-server-tags:update", h.addTag, httpx.Since(2, 26)),
		httpx.DELETE("/servers/{server_id}/tags/{tag}", "os_compute_api:os-server-tags:delete", h.deleteTag, httpx.Since(2, 26)),

		httpx.GET("/servers/{server_id}/ips", "os_compute_api:ips:index", h.listAddresses),
		httpx.GET("/servers/{server_id}/ips/{label}", "os_compute_api:ips:show", h.showAddresses),
		httpx.GET("/servers/{server_id}/os-instance-actions", "os_compute_api:os-instance-actions:list", h.listActions),
		httpx.GET("/servers/{server_id}/os-instance-actions/{request_id}", "os_compute_api:os-instance-actions:show", h.showAction),
		httpx.GET("/servers/{server_id}/os-security-groups", "os_compute_api:os-security-groups:list", h.listServerGroups),
		// nubo's own: why the scheduler chose the server's host.
		httpx.GET("/servers/{server_id}/nubo-decisions", "os_compute_api:nubo-decisions:list", h.listDecisions),

		httpx.POST("/servers/{server_id}/remote-consoles", "os_compute_api:os-remote-consoles", h.createConsole, httpx.Since(2, 6), body("consoles.create")),
		httpx.GET("/os-console-auth-tokens/{console_token}", "os_compute_api:os-console-auth-tokens", h.showConsoleToken),

		httpx.POST("/os-server-external-events", "os_compute_api:os-server-external-events:create", h.createEvents, body("events.create")),

		httpx.GET("/os-server-groups", "os_compute_api:os-server-groups:index", h.listGroups),
		httpx.POST("/os-server-groups", "os_compute_api:os-server-groups:create", h.createGroup, body("servergroups.create")),
		httpx.GET("/os-server-groups/{group_id}", "os_compute_api:os-server-groups:show", h.showGroup),
		httpx.DELETE("/os-server-groups/{group_id}", "os_compute_api:os-server-groups:delete", h.deleteGroup),
	}
}

func (h *handler) actionRoutes() []httpx.Route {
	const path = "/servers/{server_id}/action"
	return []httpx.Route{
		httpx.Action(path, "os-start", "os_compute_api:servers:start", h.startServer, body("servers.start")),
		httpx.Action(path, "os-stop", "os_compute_api:servers:stop", h.stopServer, body("servers.stop")),
		httpx.Action(path, "reboot", "os_compute_api:servers:reboot", h.rebootServer, body("servers.reboot")),
		httpx.Action(path, "os-getConsoleOutput", "os_compute_api:os-console-output", h.consoleOutput, body("servers.console")),
		httpx.Action(path, "os-getVNCConsole", "os_compute_api:os-remote-consoles", h.getConsole("os-getVNCConsole", "vnc"), httpx.Until(2, 5), body("consoles.vnc")),
		httpx.Action(path, "os-getSerialConsole", "os_compute_api:os-remote-consoles", h.getConsole("os-getSerialConsole", "serial"), httpx.Until(2, 5), body("consoles.serial")),
		httpx.Action(path, "os-getSPICEConsole", "os_compute_api:os-remote-consoles", h.getConsole("os-getSPICEConsole", "spice"), httpx.Until(2, 5), body("consoles.spice")),
		httpx.Action(path, "os-getRDPConsole", "os_compute_api:os-remote-consoles", h.getConsole("os-getRDPConsole", "rdp"), httpx.Until(2, 5), body("consoles.rdp")),
		httpx.Action(path, "lock", "os_compute_api:os-lock-server:lock", h.lockServer, body("servers.lock")),
		httpx.Action(path, "unlock", "os_compute_api:os-lock-server:unlock", h.unlockServer, body("servers.unlock")),
		httpx.Action(path, "os-resetState", "os_compute_api:os-admin-actions:reset_state", h.resetState, body("servers.resetstate")),
		httpx.Action(path, "addSecurityGroup", "os_compute_api:os-security-groups:add", h.addServerGroup, body("servers.addgroup")),
		httpx.Action(path, "removeSecurityGroup", "os_compute_api:os-security-groups:remove", h.removeServerGroup, body("servers.removegroup")),
	}
}

func (h *handler) attachmentRoutes() []httpx.Route {
	const volumes, interfaces = "/servers/{server_id}/os-volume_attachments", "/servers/{server_id}/os-interface"
	return []httpx.Route{
		httpx.GET(volumes, "os_compute_api:os-volumes-attachments:index", h.listVolumes),
		httpx.POST(volumes, "os_compute_api:os-volumes-attachments:create", h.attachVolume, body("volumes.attach")),
		httpx.GET(volumes+"/{volume_id}", "os_compute_api:os-volumes-attachments:show", h.showVolume),
		httpx.PUT(volumes+"/{volume_id}", "os_compute_api:os-volumes-attachments:update", h.updateVolume, body("volumes.update")),
		httpx.DELETE(volumes+"/{volume_id}", "os_compute_api:os-volumes-attachments:delete", h.detachVolume),

		httpx.GET(interfaces, "os_compute_api:os-attach-interfaces:list", h.listInterfaces),
		httpx.POST(interfaces, "os_compute_api:os-attach-interfaces:create", h.attachInterface, body("interfaces.attach")),
		httpx.GET(interfaces+"/{port_id}", "os_compute_api:os-attach-interfaces:show", h.showInterface),
		httpx.DELETE(interfaces+"/{port_id}", "os_compute_api:os-attach-interfaces:delete", h.detachInterface),
	}
}

func (h *handler) flavorRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/flavors", "os_compute_api:flavors:index", h.listFlavors),
		httpx.GET("/flavors/detail", "os_compute_api:flavors:detail", h.listFlavorsDetail),
		httpx.POST("/flavors", "os_compute_api:os-flavor-manage:create", h.createFlavor, body("flavors.create")),
		httpx.GET("/flavors/{flavor_id}", "os_compute_api:flavors:show", h.showFlavor),
		httpx.PUT("/flavors/{flavor_id}", "os_compute_api:os-flavor-manage:update", h.updateFlavor, httpx.Since(2, 55), body("flavors.update")),
		httpx.DELETE("/flavors/{flavor_id}", "os_compute_api:os-flavor-manage:delete", h.deleteFlavor),
		httpx.Action("/flavors/{flavor_id}/action", "addTenantAccess", "os_compute_api:os-flavor-access:add_tenant_access", h.grantFlavor, body("flavors.grant")),
		httpx.Action("/flavors/{flavor_id}/action", "removeTenantAccess", "os_compute_api:os-flavor-access:remove_tenant_access", h.revokeFlavor, body("flavors.revoke")),
		httpx.GET("/flavors/{flavor_id}/os-flavor-access", "os_compute_api:os-flavor-access", h.listFlavorAccess),
		httpx.GET("/flavors/{flavor_id}/os-extra_specs", "os_compute_api:os-flavor-extra-specs:index", h.listExtraSpecs),
		httpx.POST("/flavors/{flavor_id}/os-extra_specs", "os_compute_api:os-flavor-extra-specs:create", h.createExtraSpecs, body("flavors.extraspecs")),
		httpx.GET("/flavors/{flavor_id}/os-extra_specs/{key}", "os_compute_api:os-flavor-extra-specs:show", h.showExtraSpec),
		httpx.PUT("/flavors/{flavor_id}/os-extra_specs/{key}", "os_compute_api:os-flavor-extra-specs:update", h.updateExtraSpec, body("flavors.extraspec")),
		httpx.DELETE("/flavors/{flavor_id}/os-extra_specs/{key}", "os_compute_api:os-flavor-extra-specs:delete", h.deleteExtraSpec),
	}
}

func (h *handler) keyPairRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/os-keypairs", "os_compute_api:os-keypairs:index", h.listKeyPairs, httpx.On(keyOwner)),
		httpx.POST("/os-keypairs", "os_compute_api:os-keypairs:create", h.createKeyPair, httpx.On(newKeyOwner), body("keypairs.create")),
		httpx.GET("/os-keypairs/{name}", "os_compute_api:os-keypairs:show", h.showKeyPair, httpx.On(keyOwner)),
		httpx.DELETE("/os-keypairs/{name}", "os_compute_api:os-keypairs:delete", h.deleteKeyPair, httpx.On(keyOwner)),
	}
}

func (h *handler) hostRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/os-aggregates", "os_compute_api:os-aggregates:index", h.listAggregates),
		httpx.POST("/os-aggregates", "os_compute_api:os-aggregates:create", h.createAggregate, body("aggregates.create")),
		httpx.GET("/os-aggregates/{aggregate_id}", "os_compute_api:os-aggregates:show", h.showAggregate),
		httpx.PUT("/os-aggregates/{aggregate_id}", "os_compute_api:os-aggregates:update", h.updateAggregate, body("aggregates.update")),
		httpx.DELETE("/os-aggregates/{aggregate_id}", "os_compute_api:os-aggregates:delete", h.deleteAggregate),
		httpx.Action("/os-aggregates/{aggregate_id}/action", "add_host", "os_compute_api:os-aggregates:add_host", h.addHost, body("aggregates.addhost")),
		httpx.Action("/os-aggregates/{aggregate_id}/action", "remove_host", "os_compute_api:os-aggregates:remove_host", h.removeHost, body("aggregates.removehost")),
		httpx.Action("/os-aggregates/{aggregate_id}/action", "set_metadata", "os_compute_api:os-aggregates:set_metadata", h.setAggregateMetadata, body("aggregates.metadata")),

		httpx.GET("/os-availability-zone", "os_compute_api:os-availability-zone:list", h.listZones),
		httpx.GET("/os-availability-zone/detail", "os_compute_api:os-availability-zone:detail", h.listZonesDetail),

		httpx.GET("/os-services", "os_compute_api:os-services:list", h.listServices),
		httpx.PUT("/os-services/enable", "os_compute_api:os-services:update", h.enableService, httpx.Until(2, 52), body("services.enable")),
		httpx.PUT("/os-services/disable", "os_compute_api:os-services:update", h.disableService, httpx.Until(2, 52), body("services.enable")),
		httpx.PUT("/os-services/disable-log-reason", "os_compute_api:os-services:update", h.disableService, httpx.Until(2, 52), body("services.disablereason")),
		httpx.PUT("/os-services/force-down", "os_compute_api:os-services:update", h.forceDown, httpx.Since(2, 11), httpx.Until(2, 52), body("services.forcedown")),
		httpx.PUT("/os-services/{service_id}", "os_compute_api:os-services:update", h.updateService, httpx.Since(2, 53), body("services.update")),
		httpx.DELETE("/os-services/{service_id}", "os_compute_api:os-services:delete", h.deleteService),

		httpx.GET("/os-hypervisors", "os_compute_api:os-hypervisors:list", h.listHypervisors),
		httpx.GET("/os-hypervisors/detail", "os_compute_api:os-hypervisors:list-detail", h.listHypervisorsDetail),
		httpx.GET("/os-hypervisors/statistics", "os_compute_api:os-hypervisors:statistics", h.hypervisorStatistics, httpx.Until(2, 87)),
		httpx.GET("/os-hypervisors/{hypervisor_id}", "os_compute_api:os-hypervisors:show", h.showHypervisor),
	}
}

func (h *handler) quotaRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/limits", "os_compute_api:limits", h.limits),
		httpx.GET("/os-quota-sets/{tenant_id}", "os_compute_api:os-quota-sets:show", h.showQuotas, httpx.On(quotaTarget)),
		httpx.GET("/os-quota-sets/{tenant_id}/defaults", "os_compute_api:os-quota-sets:defaults", h.defaultQuotas, httpx.On(quotaTarget)),
		httpx.GET("/os-quota-sets/{tenant_id}/detail", "os_compute_api:os-quota-sets:detail", h.showQuotasDetail, httpx.On(quotaTarget)),
		httpx.PUT("/os-quota-sets/{tenant_id}", "os_compute_api:os-quota-sets:update", h.updateQuotas, httpx.On(quotaTarget), body("quotas.update")),
		httpx.DELETE("/os-quota-sets/{tenant_id}", "os_compute_api:os-quota-sets:delete", h.deleteQuotas, httpx.On(quotaTarget)),
		httpx.GET("/os-quota-class-sets/{id}", "os_compute_api:os-quota-class-sets:show", h.showQuotaClass),
		httpx.PUT("/os-quota-class-sets/{id}", "os_compute_api:os-quota-class-sets:update", h.updateQuotaClass, body("quotaclasses.update")),
		httpx.GET("/os-simple-tenant-usage", "os_compute_api:os-simple-tenant-usage:list", h.listUsage),
		httpx.GET("/os-simple-tenant-usage/{tenant_id}", "os_compute_api:os-simple-tenant-usage:show", h.showUsage, httpx.On(quotaTarget)),
	}
}
