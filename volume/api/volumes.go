package api

import (
	"net/http"
	"strings"

	"nubo/internal/db"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

// newVolume is the body of a create request.
type newVolume struct {
	Volume struct {
		Name          *string           `json:"name"`
		DisplayName   *string           `json:"display_name"`
		Description   *string           `json:"description"`
		DisplayDesc   *string           `json:"display_description"`
		Size          httpx.LenientInt  `json:"size"`
		Type          string            `json:"volume_type"`
		AZ            string            `json:"availability_zone"`
		ImageRef      string            `json:"imageRef"`
		ImageID       string            `json:"image_id"`
		SourceID      string            `json:"source_volid"`
		SnapshotID    string            `json:"snapshot_id"`
		BackupID      string            `json:"backup_id"`
		GroupID       string            `json:"group_id"`
		ConsistencyID string            `json:"consistencygroup_id"`
		MultiAttach   httpx.LenientBool `json:"multiattach"`
		Metadata      httpx.Texts       `json:"metadata"`
		ProjectID     string            `json:"project_id"`
		UserID        string            `json:"user_id"`
	} `json:"volume"`
}

// refuse says what of a request nubo has not got.
func (in *newVolume) refuse(r *http.Request) error {
	v := &in.Volume
	switch {
	case v.SnapshotID != "":
		return fault.NotFoundf("Snapshot %s could not be found.", v.SnapshotID)
	case v.BackupID != "" && since(r, 47):
		return fault.NotFoundf("Backup %s could not be found.", v.BackupID)
	case v.GroupID != "" && since(r, 13):
		return fault.NotFoundf("Group %s could not be found.", v.GroupID)
	case v.ConsistencyID != "":
		return fault.NotFoundf("ConsistencyGroup %s could not be found.", v.ConsistencyID)
	case bool(v.MultiAttach):
		return fault.Invalidf("Invalid input received: Volumes that attach to several servers are not supported.")
	}
	return nil
}

func (h *handler) createVolume(w http.ResponseWriter, r *http.Request) error {
	var in newVolume
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := in.refuse(r); err != nil {
		return err
	}
	v := in.Volume
	image := v.ImageRef
	if image == "" {
		image = v.ImageID
	}
	image = image[strings.LastIndexByte(image, '/')+1:] // older clients give the image's address
	if image != "" {
		if !httpx.IsUUID(image) {
			return fault.Invalidf("Invalid image identifier or unable to access requested image.")
		}
		if err := httpx.Enforce(r.Context(), "volume:create_from_image", own(r)); err != nil {
			return err
		}
	}
	n := volume.NewVolume{
		Name: httpx.Deref(first(v.Name, v.DisplayName)), Description: httpx.Deref(first(v.Description, v.DisplayDesc)), SizeGB: int(v.Size),
		Type: v.Type, AZ: v.AZ, ImageID: image, SourceID: v.SourceID, Metadata: v.Metadata,
	}
	// Compute makes the disks of servers in their users' names.
	if v.ProjectID != "" && allowed(r, "volume:create_for_project") {
		n.ProjectID, n.UserID = v.ProjectID, v.UserID
	}
	made, err := h.svc.Create(r.Context(), n)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusAccepted, map[string]any{"volume": newViewer(r).volume(made, nil)})
}

var volumeSort = httpx.PageSpec{
	Sort: map[string]string{
		"id": "id", "status": "status", "size": "size_gb", "availability_zone": "az", "name": "name", "display_name": "name",
		"bootable": "bootable", "created_at": "created_at", "updated_at": "updated_at",
	},
	Default: []db.SortKey{{Column: "created_at", Desc: true}},
}

var volumeFilters = httpx.FilterSpec{
	"name": httpx.Text, "status": httpx.Text, "bootable": httpx.Bool, "availability_zone": httpx.Text, "volume_type": httpx.Text,
	"size": httpx.Number, "id": httpx.Text, "user_id": httpx.Text,
}

// volumeQuery reads what part of the list is asked for.
func volumeQuery(r *http.Request) (db.Page, []db.Filter, error) {
	p, err := httpx.ParsePage(r, volumeSort)
	if err != nil {
		return p, nil, err
	}
	f, err := httpx.ParseFilters(r, volumeFilters)
	if err != nil {
		return p, nil, err
	}
	q := r.URL.Query()
	if s := q.Get("display_name"); s != "" {
		f = append(f, db.Filter{Column: "name", Values: []any{s}})
	}
	if s := q.Get("host"); s != "" && caller(r).IsAdmin {
		f = append(f, db.Filter{Column: "host", Values: []any{s}})
	}
	if since(r, 34) {
		for _, name := range []string{"name", "status", "availability_zone"} {
			if s := q.Get(name + "~"); s != "" {
				f = append(f, db.Filter{Column: name, Op: db.Contains, Values: []any{s}})
			}
		}
	}
	f, err = onlyOwn(r, f)
	return p, f, err
}

func (h *handler) volumes(w http.ResponseWriter, r *http.Request, view func([]volume.Volume) ([]any, error)) error {
	p, f, err := volumeQuery(r)
	if err != nil {
		return err
	}
	rows, err := h.svc.List(r.Context(), p, f)
	if err != nil {
		return marker(err, p, "Volume")
	}
	views, err := view(rows)
	if err != nil {
		return err
	}
	out := map[string]any{"volumes": views}
	if len(rows) > 0 {
		withNext(out, "volumes", httpx.NextLink(r, p, len(rows), rows[len(rows)-1].ID))
	}
	if count, err := httpx.Bool(r.URL.Query().Get("with_count")); err == nil && count.(bool) && since(r, 45) {
		if out["count"], _, err = h.svc.Summary(r.Context(), f); err != nil {
			return err
		}
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) listVolumes(w http.ResponseWriter, r *http.Request) error {
	return h.volumes(w, r, func(rows []volume.Volume) ([]any, error) {
		views := make([]any, len(rows))
		for i := range rows {
			views[i] = map[string]any{"id": rows[i].ID, "name": rows[i].Name, "links": links(r, "volumes", rows[i].ID)}
		}
		return views, nil
	})
}

func (h *handler) listVolumesDetail(w http.ResponseWriter, r *http.Request) error {
	return h.volumes(w, r, func(rows []volume.Volume) ([]any, error) {
		ids := make([]string, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		attached, err := h.svc.AttachmentsOf(r.Context(), ids...)
		if err != nil {
			return nil, err
		}
		of := map[string][]volume.Attachment{}
		for _, a := range attached {
			of[a.VolumeID] = append(of[a.VolumeID], a)
		}
		show, views := newViewer(r), make([]any, len(rows))
		for i := range rows {
			views[i] = show.volume(&rows[i], of[rows[i].ID])
		}
		return views, nil
	})
}

// summary counts what the list would show.
func (h *handler) summary(w http.ResponseWriter, r *http.Request) error {
	f, err := onlyOwn(r, nil)
	if err != nil {
		return err
	}
	count, size, err := h.svc.Summary(r.Context(), f)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volume-summary": map[string]any{"total_count": count, "total_size": size}})
}

// answer shows a volume as it is now.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, v *volume.Volume) error {
	attached, err := h.svc.AttachmentsOf(r.Context(), v.ID)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volume": newViewer(r).volume(v, attached)})
}

func (h *handler) showVolume(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "volume_id"))
	if err != nil {
		return err
	}
	return h.answer(w, r, v)
}

func (h *handler) updateVolume(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Volume struct {
			Name        *string      `json:"name"`
			DisplayName *string      `json:"display_name"`
			Description *string      `json:"description"`
			DisplayDesc *string      `json:"display_description"`
			Metadata    *httpx.Texts `json:"metadata"`
		} `json:"volume"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	v, err := h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), func(v *volume.Volume) error {
		if s := first(in.Volume.Name, in.Volume.DisplayName); s != nil {
			v.Name = *s
		}
		if s := first(in.Volume.Description, in.Volume.DisplayDesc); s != nil {
			v.Description = *s
		}
		if in.Volume.Metadata != nil {
			v.Metadata = *in.Volume.Metadata
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.answer(w, r, v)
}

func (h *handler) deleteVolume(w http.ResponseWriter, r *http.Request) error {
	force := false
	if s := r.URL.Query().Get("force"); s != "" && since(r, 23) {
		v, err := httpx.Bool(s)
		if err != nil {
			return fault.Invalidf("Invalid value '%s' for force.", s)
		}
		force = v.(bool)
	}
	if force {
		if err := httpx.Enforce(r.Context(), "volume_extension:volume_admin_actions:force_delete", own(r)); err != nil {
			return err
		}
	}
	if err := h.svc.Delete(r.Context(), httpx.Param(r, "volume_id"), force); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}
