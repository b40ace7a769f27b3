package api

import (
	"net/http"

	"nubo/internal/auth"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

// own is what routes' rules are enforced on before the handler has loaded
// anything: something of the caller's own. Handlers enforce them again on
// what it is really about.
func own(r *http.Request) (policy.Target, error) {
	p := auth.From(r.Context()).ProjectID
	return policy.Target{"project_id": p, "tenant_id": p, "network:project_id": p, "security_group:project_id": p}, nil
}

// ofPath is the project that the path names.
func ofPath(r *http.Request) (policy.Target, error) {
	p := httpx.Param(r, "id")
	return policy.Target{"project_id": p, "tenant_id": p}, nil
}

// routes is the table of all operations.
func (h *handler) routes() []httpx.Route {
	on := httpx.On(own)
	n, s, p, r := h.networks(), h.subnets(), h.ports(), h.routers()
	f, g, u, a := h.floatingIPs(), h.securityGroups(), h.securityGroupRules(), h.agents()
	out := []httpx.Route{
		httpx.GET("//", httpx.Public, versions),
		httpx.GET("", "get_api", resources),
		httpx.GET("/extensions", "get_extension", listExtensions),
		httpx.GET("/extensions/{alias}", "get_extension", showExtension),

		httpx.GET("/networks", "get_network", n.listAll),
		httpx.POST("/networks", "create_network", n.createAll, n.res.create()),
		httpx.GET("/networks/{id}", "get_network", n.showOne),
		httpx.PUT("/networks/{id}", "update_network", n.updateOne, n.res.update()),
		httpx.DELETE("/networks/{id}", "delete_network", n.deleteOne),

		httpx.GET("/subnets", "get_subnet", s.listAll, on),
		httpx.POST("/subnets", "create_subnet", s.createAll, s.res.create(), on),
		httpx.GET("/subnets/{id}", "get_subnet", s.showOne, on),
		httpx.PUT("/subnets/{id}", "update_subnet", s.updateOne, s.res.update(), on),
		httpx.DELETE("/subnets/{id}", "delete_subnet", s.deleteOne, on),

		httpx.GET("/ports", "get_port", p.listAll, on),
		httpx.POST("/ports", "create_port", p.createAll, p.res.create(), on),
		httpx.GET("/ports/{id}", "get_port", p.showOne, on),
		httpx.PUT("/ports/{id}", "update_port", p.updateOne, p.res.update(), on),
		httpx.DELETE("/ports/{id}", "delete_port", p.deleteOne, on),

		httpx.GET("/routers", "get_router", r.listAll),
		httpx.POST("/routers", "create_router", r.createAll, r.res.create()),
		httpx.GET("/routers/{id}", "get_router", r.showOne),
		httpx.PUT("/routers/{id}", "update_router", r.updateOne, r.res.update()),
		httpx.DELETE("/routers/{id}", "delete_router", r.deleteOne),
		httpx.PUT("/routers/{id}/add_router_interface", "add_router_interface", h.addInterface, httpx.Body(interfaceBody{})),
		httpx.PUT("/routers/{id}/remove_router_interface", "remove_router_interface", h.removeInterface, httpx.Body(interfaceBody{})),

		httpx.GET("/floatingips", "get_floatingip", f.listAll),
		httpx.POST("/floatingips", "create_floatingip", f.createAll, f.res.create()),
		httpx.GET("/floatingips/{id}", "get_floatingip", f.showOne),
		httpx.PUT("/floatingips/{id}", "update_floatingip", f.updateOne, f.res.update()),
		httpx.DELETE("/floatingips/{id}", "delete_floatingip", f.deleteOne),

		httpx.GET("/security-groups", "get_security_group", g.listAll),
		httpx.POST("/security-groups", "create_security_group", g.createAll, g.res.create()),
		httpx.GET("/security-groups/{id}", "get_security_group", g.showOne),
		httpx.PUT("/security-groups/{id}", "update_security_group", g.updateOne, g.res.update()),
		httpx.DELETE("/security-groups/{id}", "delete_security_group", g.deleteOne),
		httpx.GET("/security-group-rules", "get_security_group_rule", u.listAll, on),
		httpx.POST("/security-group-rules", "create_security_group_rule", u.createAll, u.res.create(), on),
		httpx.GET("/security-group-rules/{id}", "get_security_group_rule", u.showOne, on),
		httpx.DELETE("/security-group-rules/{id}", "delete_security_group_rule", u.deleteOne, on),

		httpx.GET("/agents", "get_agent", a.listAll),
		httpx.GET("/agents/{id}", "get_agent", a.showOne),
		httpx.PUT("/agents/{id}", "update_agent", a.updateOne, a.res.update()),
		httpx.DELETE("/agents/{id}", "delete_agent", a.deleteOne),
		httpx.GET("/availability_zones", "get_availability_zone", h.listZones),
		httpx.GET("/service-providers", "get_service_provider", listServiceProviders),
		httpx.GET("/network-ip-availabilities", "get_network_ip_availability", h.listAvailability),
		httpx.GET("/network-ip-availabilities/{id}", "get_network_ip_availability", h.showAvailability),

		httpx.GET("/quotas", "list_quotas", h.listQuotas),
		httpx.GET("/quotas/{id}", "get_quota", h.showQuota, httpx.On(ofPath)),
		httpx.GET("/quotas/{id}/default", "get_quota", h.showDefaultQuota, httpx.On(ofPath)),
		httpx.GET("/quotas/{id}/details.json", "get_quota", h.showQuotaDetails, httpx.On(ofPath)),
		httpx.GET("/quotas/{id}/details", "get_quota", h.showQuotaDetails, httpx.On(ofPath)),
		httpx.PUT("/quotas/{id}", "update_quota", h.updateQuota, httpx.Body(quotaBody)),
		httpx.DELETE("/quotas/{id}", "delete_quota", h.deleteQuota),
	}
	out = append(out, tagRoutes("networks", n)...)
	out = append(out, tagRoutes("subnets", s)...)
	out = append(out, tagRoutes("ports", p)...)
	out = append(out, tagRoutes("routers", r)...)
	out = append(out, tagRoutes("floatingips", f)...)
	return append(out, tagRoutes("security-groups", g)...)
}

// tagRoutes are the tags of one resource.
func tagRoutes[T any](collection string, k *kind[T]) []httpx.Route {
	on, list, one := httpx.On(own), "/"+collection+"/{id}/tags", "/"+collection+"/{id}/tags/{tag}"
	rule := func(verb string) string { return tagRule(verb, collection) }
	return []httpx.Route{
		httpx.GET(list, rule("get"), k.listTags, on),
		httpx.PUT(list, rule("update"), k.replaceTags, httpx.Body(tagsBody{}), on),
		httpx.POST(list, rule("update"), k.addTags, httpx.Body(tagsBody{}), on),
		httpx.DELETE(list, rule("delete"), k.removeTags, on),
		httpx.GET(one, rule("get"), k.showTag, on),
		httpx.PUT(one, rule("update"), k.addTag, on),
		httpx.DELETE(one, rule("delete"), k.removeTag, on),
	}
}
