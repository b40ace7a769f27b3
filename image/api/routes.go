package api

import (
	"maps"
	"slices"

	"nubo/internal/httpx"
)

// routes is every URL of image with its policy rule.
func (h *handler) routes() []httpx.Route {
	one := httpx.On(h.target)
	out := []httpx.Route{
		httpx.GET("//", httpx.Public, h.rootVersions),
		httpx.GET("//versions", httpx.Public, h.versions),
		httpx.GET("//healthcheck", httpx.Public, httpx.Healthy),
		httpx.GET("//v2", httpx.Public, h.versions),

		httpx.GET("/images", "get_images", h.list),
		httpx.POST("/images", "add_image", h.create, httpx.On(h.newTarget)),
		httpx.GET("/images/{image_id}", "get_image", h.show, one),
		httpx.PATCH("/images/{image_id}", "modify_image", h.update, one),
		httpx.DELETE("/images/{image_id}", "delete_image", h.remove, one),
		httpx.PUT("/images/{image_id}/file", "upload_image", h.upload, one, httpx.Stream()),
		httpx.GET("/images/{image_id}/file", "download_image", h.download, one, httpx.Stream()),
		httpx.PUT("/images/{image_id}/stage", "modify_image", h.stage, one, httpx.Stream()),
		httpx.POST("/images/{image_id}/import", "modify_image", h.importImage, one, httpx.Body(schemas.Body("import"))),
		httpx.GET("/images/{image_id}/tasks", "get_image", h.imageTasks, one),
		httpx.GET("/images/{image_id}/locations", "fetch_image_location", h.listLocations, one),
		httpx.POST("/images/{image_id}/locations", "add_image_location", h.addLocation, one, httpx.Body(schemas.Body("location"))),
		httpx.PUT("/images/{image_id}/tags/{tag}", "modify_image", h.addTag, one),
		httpx.DELETE("/images/{image_id}/tags/{tag}", "modify_image", h.removeTag, one),
		httpx.POST("/images/{image_id}/actions/deactivate", "deactivate", h.deactivate, one),
		httpx.POST("/images/{image_id}/actions/reactivate", "reactivate", h.reactivate, one),

		httpx.GET("/images/{image_id}/members", "get_members", h.listMembers, one),
		httpx.POST("/images/{image_id}/members", "add_member", h.addMember, one),
		httpx.GET("/images/{image_id}/members/{member_id}", "get_member", h.showMember, one),
		httpx.PUT("/images/{image_id}/members/{member_id}", "modify_member", h.updateMember, one),
		httpx.DELETE("/images/{image_id}/members/{member_id}", "delete_member", h.removeMember, one),

		httpx.GET("/tasks", "tasks_api_access", h.listTasks),
		httpx.POST("/tasks", "tasks_api_access", h.createTask, httpx.Body(schemas.Body("task"))),
		httpx.GET("/tasks/{task_id}", "tasks_api_access", h.showTask),

		httpx.DELETE("/stores/{store_id}/{image_id}", "delete_image_location", h.removeCopy, one),
		httpx.GET("/info/import", "get_info", h.importInfo),
		httpx.GET("/info/stores", "get_info", h.storesInfo),
		httpx.GET("/info/stores/detail", "stores_info_detail", h.storesDetail),
		httpx.GET("/info/usage", "get_info", h.usage),

		httpx.GET("/cache", "cache_list", h.cacheState),
		httpx.DELETE("/cache", "cache_delete", h.clearCache),
		httpx.POST("/cache/clean", "cache_clean", h.cleanCache),
		httpx.POST("/cache/prune", "cache_prune", h.pruneCache),
		httpx.PUT("/cache/{image_id}", "cache_image", h.cacheImage),
		httpx.DELETE("/cache/{image_id}", "cache_delete", h.uncacheImage),
	}
	for _, name := range slices.Sorted(maps.Keys(served)) {
		out = append(out, httpx.GET("/schemas/"+name, "get_schema", h.schemaOf(name)))
	}
	return append(out, h.metadefRoutes()...)
}

// metadefRoutes are the URLs of the metadata definitions.
func (h *handler) metadefRoutes() []httpx.Route {
	const all = "/metadefs/namespaces"
	const ns = all + "/{namespace_name}"
	one := httpx.On(h.namespaceTarget)
	body := func(name string) httpx.Option { return httpx.Body(schemas.Body(name)) }
	return []httpx.Route{
		httpx.GET("/metadefs/resource_types", "list_metadef_resource_types", h.listResourceTypes),
		httpx.GET(all, "get_metadef_namespaces", h.listNamespaces),
		httpx.POST(all, "add_metadef_namespace", h.createNamespace, body("namespace")),
		httpx.GET(ns, "get_metadef_namespace", h.showNamespace, one),
		httpx.PUT(ns, "modify_metadef_namespace", h.updateNamespace, one, body("namespace")),
		httpx.DELETE(ns, "delete_metadef_namespace", h.deleteNamespace, one),

		httpx.GET(ns+"/objects", "get_metadef_objects", objects.list(h), one),
		httpx.POST(ns+"/objects", "add_metadef_object", objects.create(h), one, body("object")),
		httpx.DELETE(ns+"/objects", "delete_metadef_namespace", objects.removeAll(h), one),
		httpx.GET(ns+"/objects/{object_name}", "get_metadef_object", objects.show(h), one),
		httpx.PUT(ns+"/objects/{object_name}", "modify_metadef_object", objects.update(h), one, body("object")),
		httpx.DELETE(ns+"/objects/{object_name}", "delete_metadef_object", objects.remove(h), one),

		httpx.GET(ns+"/properties", "get_metadef_properties", h.listProperties, one),
		httpx.POST(ns+"/properties", "add_metadef_property", properties.create(h), one, body("property")),
		httpx.DELETE(ns+"/properties", "delete_metadef_namespace", properties.removeAll(h), one),
		httpx.GET(ns+"/properties/{property_name}", "get_metadef_property", h.showProperty, one),
		httpx.PUT(ns+"/properties/{property_name}", "modify_metadef_property", properties.update(h), one, body("property")),
		httpx.DELETE(ns+"/properties/{property_name}", "remove_metadef_property", properties.remove(h), one),

		httpx.GET(ns+"/tags", "get_metadef_tags", tags.list(h), one),
		httpx.POST(ns+"/tags", "add_metadef_tags", h.createTags, one, body("tags")),
		httpx.DELETE(ns+"/tags", "delete_metadef_tags", tags.removeAll(h), one),
		httpx.GET(ns+"/tags/{tag_name}", "get_metadef_tag", tags.show(h), one),
		httpx.POST(ns+"/tags/{tag_name}", "add_metadef_tag", h.createTag, one),
		httpx.PUT(ns+"/tags/{tag_name}", "modify_metadef_tag", tags.update(h), one, body("tag")),
		httpx.DELETE(ns+"/tags/{tag_name}", "delete_metadef_tag", tags.remove(h), one),

		httpx.GET(ns+"/resource_types", "get_metadef_resource_type", h.listAssociations, one),
		httpx.POST(ns+"/resource_types", "add_metadef_resource_type_association", associations.create(h), one, body("resource_type")),
		httpx.DELETE(ns+"/resource_types/{name}", "remove_metadef_resource_type_association", associations.remove(h), one),
	}
}
