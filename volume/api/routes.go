package api

import (
	"nubo/internal/httpx"
)

// routes is every URL of volume with its policy rule.
func (h *handler) routes() []httpx.Route {
	var all []httpx.Route
	for _, part := range [][]httpx.Route{
		h.documentRoutes(), h.volumeRoutes(), h.actionRoutes(), h.attachmentRoutes(), h.typeRoutes(), h.otherRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

func (h *handler) documentRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("//", httpx.Public, h.versions),
		httpx.GET("//v3", httpx.Public, h.version),
		httpx.GET("/extensions", "volume_extension:extensions", empty("extensions")),
	}
}

func (h *handler) volumeRoutes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("/volumes", "volume:get_all", h.listVolumes),
		httpx.GET("/volumes/detail", "volume:get_all", h.listVolumesDetail),
		httpx.GET("/volumes/summary", "volume:get_all", h.summary, httpx.Since(3, 12)),
		httpx.POST("/volumes", "volume:create", h.createVolume, body("volumes.create")),
		httpx.GET("/volumes/{volume_id}", "volume:get", h.showVolume),
		httpx.PUT("/volumes/{volume_id}", "volume:update", h.updateVolume, body("volumes.update")),
		httpx.DELETE("/volumes/{volume_id}", "volume:delete", h.deleteVolume),

		httpx.GET("/volumes/{volume_id}/metadata", "volume:get_volume_metadata", h.listMetadata),
		httpx.POST("/volumes/{volume_id}/metadata", "volume:create_volume_metadata", h.addMetadata, body("metadata.set")),
		httpx.PUT("/volumes/{volume_id}/metadata", "volume:update_volume_metadata", h.replaceMetadata, body("metadata.set")),
		httpx.GET("/volumes/{volume_id}/metadata/{key}", "volume:get_volume_metadata", h.showMetadata),
		httpx.PUT("/volumes/{volume_id}/metadata/{key}", "volume:update_volume_metadata", h.setMetadata, body("metadata.item")),
		httpx.DELETE("/volumes/{volume_id}/metadata/{key}", "volume:delete_volume_metadata", h.deleteMetadata),
	}
}

func (h *handler) actionRoutes() []httpx.Route {
	const path = "/volumes/{volume_id}/action"
	return []httpx.Route{
		httpx.Action(path, "os-extend", "volume:extend", h.extend, body("actions.extend")),
		httpx.Action(path, "os-set_bootable", "volume:update", h.setBootable, body("actions.bootable")),
		httpx.Action(path, "os-update_readonly_flag", "volume:update_readonly_flag", h.setReadOnly, body("actions.readonly")),
		httpx.Action(path, "os-show_image_metadata", "volume_extension:volume_image_metadata:show", h.showImageMetadata),
		httpx.Action(path, "os-set_image_metadata", "volume_extension:volume_image_metadata:set", h.setImageMetadata, body("actions.imagemetadata")),
		httpx.Action(path, "os-unset_image_metadata", "volume_extension:volume_image_metadata:remove", h.unsetImageMetadata, body("actions.imagekey")),
		httpx.Action(path, "os-reset_status", "volume_extension:volume_admin_actions:reset_status", h.resetStatus, body("actions.status")),
		httpx.Action(path, "os-force_delete", "volume_extension:volume_admin_actions:force_delete", h.forceDelete),
		httpx.Action(path, "os-force_detach", "volume_extension:volume_admin_actions:force_detach", h.forceDetach, body("actions.detach")),
		httpx.Action(path, "os-detach", "volume_extension:volume_actions:detach", h.detach, body("actions.detach")),
	}
}

func (h *handler) attachmentRoutes() []httpx.Route {
	const path = "/attachments/{attachment_id}"
	return []httpx.Route{
		httpx.GET("/attachments", "volume:get_all", h.listAttachments, httpx.Since(3, 27)),
		httpx.GET("/attachments/detail", "volume:get_all", h.listAttachmentsDetail, httpx.Since(3, 27)),
		httpx.POST("/attachments", "volume:attachment_create", h.createAttachment, httpx.Since(3, 27), body("attachments.create")),
		httpx.GET(path, "volume:get", h.showAttachment, httpx.Since(3, 27)),
		httpx.PUT(path, "volume:attachment_update", h.updateAttachment, httpx.Since(3, 27), body("attachments.update")),
		httpx.DELETE(path, "volume:attachment_delete", h.deleteAttachment, httpx.Since(3, 27)),
		httpx.Action(path+"/action", "os-complete", "volume:attachment_complete", h.completeAttachment, httpx.Since(3, 44)),
	}
}

func (h *handler) typeRoutes() []httpx.Route {
	const specs = "/types/{type_id}/extra_specs"
	return []httpx.Route{
		httpx.GET("/types", "volume_extension:type_get_all", h.listTypes),
		httpx.POST("/types", "volume_extension:type_create", h.createType, body("types.create")),
		httpx.GET("/types/default", "volume_extension:type_get", h.showDefaultType),
		httpx.GET("/types/{type_id}", "volume_extension:type_get", h.showType),
		httpx.PUT("/types/{type_id}", "volume_extension:type_update", h.updateType, body("types.update")),
		httpx.DELETE("/types/{type_id}", "volume_extension:type_delete", h.deleteType),
		httpx.GET(specs, "volume_extension:types_extra_specs:index", h.listExtraSpecs),
		httpx.POST(specs, "volume_extension:types_extra_specs:create", h.addExtraSpecs, body("types.extraspecs")),
		httpx.GET(specs+"/{key}", "volume_extension:types_extra_specs:show", h.showExtraSpec),
		httpx.PUT(specs+"/{key}", "volume_extension:types_extra_specs:update", h.updateExtraSpec, body("types.extraspec")),
		httpx.DELETE(specs+"/{key}", "volume_extension:types_extra_specs:delete", h.deleteExtraSpec),
	}
}

func (h *handler) otherRoutes() []httpx.Route {
	const quotas, quotaClass = "/os-quota-sets/{target_id}", "/os-quota-class-sets/{quota_class_name}"
	return []httpx.Route{
		httpx.GET("/limits", "limits_extension:used_limits", h.limits),
		httpx.GET(quotas, "volume_extension:quotas:show", h.showQuotas, httpx.On(quotaTarget)),
		httpx.GET(quotas+"/defaults", "volume_extension:quotas:show", h.showDefaultQuotas, httpx.On(quotaTarget)),
		httpx.PUT(quotas, "volume_extension:quotas:update", h.updateQuotas, httpx.On(quotaTarget), body("quotas.update")),
		httpx.DELETE(quotas, "volume_extension:quotas:delete", h.deleteQuotas, httpx.On(quotaTarget)),
		httpx.GET(quotaClass, "volume_extension:quota_classes:get", h.showQuotaClass),
		httpx.PUT(quotaClass, "volume_extension:quota_classes:update", h.updateQuotaClass, body("quotaclasses.update")),

		httpx.GET("/os-services", "volume_extension:services:index", h.listServices),
		httpx.PUT("/os-services/enable", "volume_extension:services:update", h.enableService, body("services.enable")),
		httpx.PUT("/os-services/disable", "volume_extension:services:update", h.disableService, body("services.enable")),
		httpx.PUT("/os-services/disable-log-reason", "volume_extension:services:update", h.disableServiceWithReason, body("services.disablereason")),
		httpx.GET("/scheduler-stats/get_pools", "scheduler_extension:scheduler_stats:get_pools", h.listPools),
		httpx.GET("/os-availability-zone", "volume:availability_zone_list", h.listZones),

		httpx.GET("/messages", "message:get_all", h.listMessages, httpx.Since(3, 3)),
		httpx.GET("/messages/{message_id}", "message:get", h.showMessage, httpx.Since(3, 3)),
		httpx.DELETE("/messages/{message_id}", "message:delete", h.deleteMessage, httpx.Since(3, 3)),

		// What nubo does not keep; clients ask for it all the same.
		httpx.GET("/snapshots", "volume:get_all_snapshots", empty("snapshots")),
		httpx.GET("/snapshots/detail", "volume:get_all_snapshots", empty("snapshots")),
		httpx.GET("/snapshots/{snapshot_id}", "volume:get_snapshot", absent("Snapshot", "snapshot_id")),
		httpx.GET("/backups", "backup:get_all", empty("backups")),
		httpx.GET("/backups/detail", "backup:get_all", empty("backups")),
		httpx.GET("/backups/{backup_id}", "backup:get", absent("Backup", "backup_id")),
		httpx.GET("/qos-specs", "volume_extension:qos_specs_manage:get_all", empty("qos_specs")),
	}
}
