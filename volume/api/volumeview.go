package api

import (
	"net/http"
	"strconv"

	"nubo/volume"
)

// viewer shows volumes as one request may see them.
type viewer struct {
	r *http.Request
	// What the caller may see: who keeps the volume, whose it is, its migration.
	host, tenant, migration, image bool
}

func newViewer(r *http.Request) *viewer {
	return &viewer{
		r: r, host: allowed(r, "volume_extension:volume_host_attribute"), tenant: allowed(r, "volume_extension:volume_tenant_attribute"),
		migration: allowed(r, "volume_extension:volume_mig_status_attribute"), image: allowed(r, "volume_extension:volume_image_metadata:show"),
	}
}

// volume is a volume in full.
func (s *viewer) volume(v *volume.Volume, attached []volume.Attachment) map[string]any {
	out := map[string]any{
		"id": v.ID, "name": v.Name, "description": orNil(v.Description), "status": v.Status, "size": v.SizeGB, "availability_zone": v.AZ,
		"created_at": stamp(v.CreatedAt), "updated_at": nil, "volume_type": v.TypeName,
		"snapshot_id": nil, "source_volid": orNil(v.SourceID), "metadata": orEmpty(v.Metadata), "links": links(s.r, "volumes", v.ID),
		"user_id": v.UserID, "bootable": strconv.FormatBool(v.Bootable), "encrypted": false, "multiattach": false,
		"replication_status": nil, "consistencygroup_id": nil, "migration_status": nil,
		"attachments": s.attachments(attached),
	}
	if v.UpdatedAt.After(v.CreatedAt) {
		out["updated_at"] = stamp(v.UpdatedAt)
	}
	if v.ReadOnly {
		out["metadata"] = withReadOnly(v.Metadata)
	}
	if s.image && len(v.ImageMetadata) > 0 {
		out["volume_image_metadata"] = v.ImageMetadata
	}
	if s.host {
		out["os-vol-host-attr:host"] = orNil(v.Host)
	}
	if s.tenant {
		out["os-vol-tenant-attr:tenant_id"] = v.ProjectID
	}
	if s.migration {
		out["os-vol-mig-status-attr:migstat"], out["os-vol-mig-status-attr:name_id"] = nil, nil
	}
	s.newer(out, v)
	return out
}

// newer adds what came with microversions.
func (s *viewer) newer(out map[string]any, v *volume.Volume) {
	if since(s.r, 13) {
		out["group_id"] = nil
	}
	if since(s.r, 21) && s.host {
		out["provider_id"] = nil
	}
	if since(s.r, 48) {
		out["shared_targets"], out["service_uuid"] = false, nil
	}
	if since(s.r, 61) && s.host {
		out["cluster_name"] = nil
	}
	if since(s.r, 63) {
		out["volume_type_id"] = v.TypeID
	}
	if since(s.r, 65) {
		out["consumes_quota"] = true
	}
}

// withReadOnly adds the flag, which Cinder keeps among the metadata.
func withReadOnly(m map[string]string) map[string]string {
	out := map[string]string{"readonly": "True"}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// attachments are those a volume shows: servers that have it.
func (s *viewer) attachments(list []volume.Attachment) []any {
	out := []any{}
	for i := range list {
		a := &list[i]
		if a.Status != volume.AttachAttached && a.Status != volume.AttachDetaching {
			continue
		}
		var host any
		if s.host && a.Connector != nil {
			host = orNil(a.Connector.Host)
		}
		out = append(out, map[string]any{
			"id": a.VolumeID, "attachment_id": a.ID, "volume_id": a.VolumeID, "server_id": orNil(a.ServerID),
			"host_name": host, "device": orNil(a.Device), "attached_at": stamp(a.AttachedAt),
		})
	}
	return out
}
