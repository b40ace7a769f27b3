package api

import (
	"net/http"
	"slices"

	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

// viewAttachment is an attachment in short.
func viewAttachment(a *volume.Attachment) map[string]any {
	return map[string]any{"id": a.ID, "status": a.Status, "instance": orNil(a.ServerID), "volume_id": a.VolumeID}
}

// viewAttachmentDetail is an attachment in full. As Cinder has it, the data of
// the connection stand beside its type.
func viewAttachmentDetail(a *volume.Attachment) map[string]any {
	out := viewAttachment(a)
	out["attached_at"], out["detached_at"], out["attach_mode"] = stamp(a.AttachedAt), nil, orNil(a.Mode)
	connection := map[string]any{}
	if len(a.Connection) > 0 {
		data, _ := a.Connection["data"].(map[string]any)
		for k, v := range data {
			connection[k] = v
		}
		connection["driver_volume_type"], connection["attachment_id"] = a.Connection["driver_volume_type"], a.ID
	}
	out["connection_info"] = connection
	return out
}

var attachmentSort = httpx.PageSpec{
	Sort:    map[string]string{"id": "id", "volume_id": "volume_id", "status": "status", "created_at": "created_at"},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

var attachmentFilters = httpx.FilterSpec{"volume_id": httpx.Text, "instance_id": httpx.Text, "status": httpx.Text, "id": httpx.Text}

func (h *handler) attachments(w http.ResponseWriter, r *http.Request, view func(*volume.Attachment) map[string]any) error {
	p, err := httpx.ParsePage(r, attachmentSort)
	if err != nil {
		return err
	}
	f, err := httpx.ParseFilters(r, attachmentFilters)
	if err != nil {
		return err
	}
	if f, err = onlyOwn(r, f); err != nil {
		return err
	}
	rows, err := h.svc.Attachments(r.Context(), p, f)
	if err != nil {
		return marker(err, p, "Volume attachment")
	}
	views := make([]any, len(rows))
	for i := range rows {
		views[i] = view(&rows[i])
	}
	out := map[string]any{"attachments": views}
	if len(rows) > 0 {
		withNext(out, "attachments", httpx.NextLink(r, p, len(rows), rows[len(rows)-1].ID))
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) listAttachments(w http.ResponseWriter, r *http.Request) error {
	return h.attachments(w, r, viewAttachment)
}

func (h *handler) listAttachmentsDetail(w http.ResponseWriter, r *http.Request) error {
	return h.attachments(w, r, viewAttachmentDetail)
}

// newAttachment is the body of create and update.
type newAttachment struct {
	Attachment struct {
		VolumeID  string            `json:"volume_uuid"`
		ServerID  string            `json:"instance_uuid"`
		Mode      string            `json:"mode"`
		Connector *volume.Connector `json:"connector"`
	} `json:"attachment"`
}

func (h *handler) createAttachment(w http.ResponseWriter, r *http.Request) error {
	var in newAttachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	mode := "rw"
	if in.Attachment.Mode != "" && since(r, 54) {
		mode = in.Attachment.Mode
	}
	a, err := h.svc.Reserve(r.Context(), in.Attachment.VolumeID, in.Attachment.ServerID, mode)
	if err != nil {
		return err
	}
	if c := in.Attachment.Connector; c != nil && c.Host != "" {
		if a, err = h.svc.Connect(r.Context(), a.ID, *c); err != nil {
			return err
		}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"attachment": viewAttachmentDetail(a)})
}

func (h *handler) showAttachment(w http.ResponseWriter, r *http.Request) error {
	a, err := h.svc.Attachment(r.Context(), httpx.Param(r, "attachment_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"attachment": viewAttachmentDetail(a)})
}

func (h *handler) updateAttachment(w http.ResponseWriter, r *http.Request) error {
	var in newAttachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	a, err := h.svc.Connect(r.Context(), httpx.Param(r, "attachment_id"), *in.Attachment.Connector)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"attachment": viewAttachmentDetail(a)})
}

// mayEnd refuses a user who would take the disk from under a server that runs
// with it: compute must let go first. Services and administrators may.
func mayEnd(r *http.Request, a *volume.Attachment) error {
	c := caller(r)
	if a.ServerID == "" || a.Connector == nil || c.IsAdmin || c.HasRole("service") || slices.Contains(c.ServiceRoles, "service") {
		return nil
	}
	return fault.Conflictf("Detach volume from instance %s using the Compute API", a.ServerID)
}

func (h *handler) deleteAttachment(w http.ResponseWriter, r *http.Request) error {
	a, err := h.svc.Attachment(r.Context(), httpx.Param(r, "attachment_id"))
	if err != nil {
		return err
	}
	if err := mayEnd(r, a); err != nil {
		return err
	}
	if err := h.svc.Detach(r.Context(), a.ID); err != nil {
		return err
	}
	left, err := h.svc.AttachmentsOf(r.Context(), a.VolumeID)
	if err != nil {
		return err
	}
	views := make([]any, len(left))
	for i := range left {
		views[i] = viewAttachment(&left[i])
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"attachments": views})
}

func (h *handler) completeAttachment(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Complete(r.Context(), httpx.Param(r, "attachment_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
