package api

import "nubo/internal/httpx"

// routes is every URL of image with its policy rule.
func (h *handler) routes() []httpx.Route {
	return []httpx.Route{
		httpx.GET("//", httpx.Public, h.rootVersions),
		httpx.GET("//versions", httpx.Public, h.versions),
		httpx.GET("//v2", httpx.Public, h.versions),

		httpx.GET("/images", "get_images", h.list),
		httpx.POST("/images", "add_image", h.create, httpx.On(h.newTarget)),
		httpx.GET("/images/{image_id}", "get_image", h.show, httpx.On(h.target)),
		httpx.PATCH("/images/{image_id}", "modify_image", h.update, httpx.On(h.target)),
		httpx.DELETE("/images/{image_id}", "delete_image", h.remove, httpx.On(h.target)),
		httpx.PUT("/images/{image_id}/file", "upload_image", h.upload, httpx.On(h.target), httpx.Stream()),
		httpx.GET("/images/{image_id}/file", "download_image", h.download, httpx.On(h.target), httpx.Stream()),
		httpx.PUT("/images/{image_id}/tags/{tag}", "modify_image", h.addTag, httpx.On(h.target)),
		httpx.DELETE("/images/{image_id}/tags/{tag}", "modify_image", h.removeTag, httpx.On(h.target)),
		httpx.POST("/images/{image_id}/actions/deactivate", "deactivate", h.deactivate, httpx.On(h.target)),
		httpx.POST("/images/{image_id}/actions/reactivate", "reactivate", h.reactivate, httpx.On(h.target)),

		httpx.GET("/images/{image_id}/members", "get_members", h.listMembers, httpx.On(h.target)),
		httpx.POST("/images/{image_id}/members", "add_member", h.addMember, httpx.On(h.target)),
		httpx.GET("/images/{image_id}/members/{member_id}", "get_member", h.showMember, httpx.On(h.target)),
		httpx.PUT("/images/{image_id}/members/{member_id}", "modify_member", h.updateMember, httpx.On(h.target)),
		httpx.DELETE("/images/{image_id}/members/{member_id}", "delete_member", h.removeMember, httpx.On(h.target)),

		httpx.GET("/schemas/image", "get_schema", h.imageSchema),
		httpx.GET("/schemas/images", "get_schema", h.imagesSchema),
		httpx.GET("/schemas/member", "get_schema", h.memberSchema),
		httpx.GET("/schemas/members", "get_schema", h.membersSchema),
		httpx.GET("/info/import", "get_info", h.importInfo),
		httpx.GET("/info/stores", "get_info", h.storesInfo),
	}
}
