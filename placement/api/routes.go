package api

import "nubo/internal/httpx"

// routes is every URL of placement with its policy rule.
func (h *handler) routes() []httpx.Route {
	body := func(name string) httpx.Option { return httpx.Body(schemas.Body(name)) }
	routes := []httpx.Route{
		httpx.GET("/", httpx.Public, h.root),

		httpx.GET("/resource_providers", "placement:resource_providers:list", h.listProviders),
		httpx.POST("/resource_providers", "placement:resource_providers:create", h.createProvider, body("providers.create")),
		httpx.GET("/resource_providers/{uuid}", "placement:resource_providers:show", h.showProvider),
		httpx.PUT("/resource_providers/{uuid}", "placement:resource_providers:update", h.updateProvider, body("providers.update")),
		httpx.DELETE("/resource_providers/{uuid}", "placement:resource_providers:delete", h.deleteProvider),

		httpx.GET("/resource_providers/{uuid}/inventories", "placement:resource_providers:inventories:list", h.listInventories),
		httpx.POST("/resource_providers/{uuid}/inventories", "placement:resource_providers:inventories:create", h.createInventory, body("inventory.create")),
		httpx.PUT("/resource_providers/{uuid}/inventories", "placement:resource_providers:inventories:update", h.updateInventories, body("inventories.put")),
		httpx.DELETE("/resource_providers/{uuid}/inventories", "placement:resource_providers:inventories:delete", h.deleteInventories),
		httpx.GET("/resource_providers/{uuid}/inventories/{resource_class}", "placement:resource_providers:inventories:show", h.showInventory),
		httpx.PUT("/resource_providers/{uuid}/inventories/{resource_class}", "placement:resource_providers:inventories:update", h.updateInventory, body("inventory.put")),
		httpx.DELETE("/resource_providers/{uuid}/inventories/{resource_class}", "placement:resource_providers:inventories:delete", h.deleteInventory),

		httpx.GET("/resource_providers/{uuid}/usages", "placement:resource_providers:usages", h.providerUsages),
		httpx.GET("/resource_providers/{uuid}/aggregates", "placement:resource_providers:aggregates:list", h.listAggregates, httpx.Since(1, 1)),
		httpx.PUT("/resource_providers/{uuid}/aggregates", "placement:resource_providers:aggregates:update", h.updateAggregates, httpx.Since(1, 1), body("aggregates.put")),
		httpx.GET("/resource_providers/{uuid}/traits", "placement:resource_providers:traits:list", h.providerTraits, httpx.Since(1, 6)),
		httpx.PUT("/resource_providers/{uuid}/traits", "placement:resource_providers:traits:update", h.updateTraits, httpx.Since(1, 6), body("traits.put")),
		httpx.DELETE("/resource_providers/{uuid}/traits", "placement:resource_providers:traits:delete", h.deleteTraits, httpx.Since(1, 6)),
		httpx.GET("/resource_providers/{uuid}/allocations", "placement:resource_providers:allocations:list", h.providerAllocations),

		httpx.GET("/allocations/{consumer_uuid}", "placement:allocations:list", h.listAllocations),
		httpx.PUT("/allocations/{consumer_uuid}", "placement:allocations:update", h.updateAllocations, body("allocations.put")),
		httpx.DELETE("/allocations/{consumer_uuid}", "placement:allocations:delete", h.deleteAllocations),
		httpx.POST("/allocations", "placement:allocations:manage", h.manageAllocations, httpx.Since(1, 13), body("allocations.post")),
		httpx.POST("/reshaper", "placement:reshaper:reshape", h.reshape, httpx.Since(1, 30), body("reshaper")),
		httpx.GET("/allocation_candidates", "placement:allocation_candidates:list", h.listCandidates, httpx.Since(1, 10)),
		httpx.GET("/usages", "placement:usages", h.usages, httpx.Since(1, 9), httpx.On(usagesTarget)),

		httpx.GET("/resource_classes", "placement:resource_classes:list", h.listClasses, httpx.Since(1, 2)),
		httpx.POST("/resource_classes", "placement:resource_classes:create", h.createClass, httpx.Since(1, 2), body("classes.create")),
		httpx.GET("/resource_classes/{name}", "placement:resource_classes:show", h.showClass, httpx.Since(1, 2)),
		httpx.PUT("/resource_classes/{name}", "placement:resource_classes:update", h.renameClass, httpx.Since(1, 2), httpx.Until(1, 6), body("classes.create")),
		httpx.PUT("/resource_classes/{name}", "placement:resource_classes:update", h.updateClass, httpx.Since(1, 7)),
		httpx.DELETE("/resource_classes/{name}", "placement:resource_classes:delete", h.deleteClass, httpx.Since(1, 2)),

		httpx.GET("/traits", "placement:traits:list", h.listTraits, httpx.Since(1, 6)),
		httpx.GET("/traits/{name}", "placement:traits:show", h.showTrait, httpx.Since(1, 6)),
		httpx.PUT("/traits/{name}", "placement:traits:update", h.updateTrait, httpx.Since(1, 6)),
		httpx.DELETE("/traits/{name}", "placement:traits:delete", h.deleteTrait, httpx.Since(1, 6)),
	}
	for i := range routes {
		httpx.Before(mediaTypes)(&routes[i])
	}
	return routes
}
