package api

import (
	"maps"
	"net/http"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

func (h *handler) extend(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Extend struct {
			Size httpx.LenientInt `json:"new_size"`
		} `json:"os-extend"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if err := h.svc.Extend(r.Context(), httpx.Param(r, "volume_id"), int(in.Extend.Size)); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

// change alters the path's volume and answers with a status.
func (h *handler) change(w http.ResponseWriter, r *http.Request, status int, fn func(*volume.Volume) error) error {
	if _, err := h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), fn); err != nil {
		return err
	}
	return httpx.NoContent(w, status)
}

func (h *handler) setBootable(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set struct {
			Bootable httpx.LenientBool `json:"bootable"`
		} `json:"os-set_bootable"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	return h.change(w, r, http.StatusOK, func(v *volume.Volume) error {
		v.Bootable = bool(in.Set.Bootable)
		return nil
	})
}

func (h *handler) setReadOnly(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set struct {
			ReadOnly httpx.LenientBool `json:"readonly"`
		} `json:"os-update_readonly_flag"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	return h.change(w, r, http.StatusAccepted, func(v *volume.Volume) error {
		if v.Status != volume.StatusAvailable {
			return fault.Invalidf("Invalid volume: Volume %s status must be available to update readonly flag, but current status is: %s.", v.ID, v.Status)
		}
		v.ReadOnly = bool(in.Set.ReadOnly)
		return nil
	})
}

func (h *handler) showImageMetadata(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "volume_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": orEmpty(v.ImageMetadata)})
}

// changeImageMetadata alters what a volume says of its image. While the image
// is being written that would change how it is read.
func (h *handler) changeImageMetadata(r *http.Request, fn func(*volume.Volume) error) (*volume.Volume, error) {
	return h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), func(v *volume.Volume) error {
		if v.Status == volume.StatusCreating || v.Status == volume.StatusDownloading {
			return fault.Invalidf("Invalid volume: Volume %s status must not be creating or downloading to change its image metadata, but current status is: %s.",
				v.ID, v.Status)
		}
		if v.ImageMetadata == nil {
			v.ImageMetadata = map[string]string{}
		}
		return fn(v)
	})
}

func (h *handler) setImageMetadata(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Set struct {
			Metadata httpx.Texts `json:"metadata"`
		} `json:"os-set_image_metadata"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	v, err := h.changeImageMetadata(r, func(v *volume.Volume) error {
		maps.Copy(v.ImageMetadata, in.Set.Metadata)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": v.ImageMetadata})
}

func (h *handler) unsetImageMetadata(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Unset struct {
			Key string `json:"key"`
		} `json:"os-unset_image_metadata"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	_, err := h.changeImageMetadata(r, func(v *volume.Volume) error {
		if _, ok := v.ImageMetadata[in.Unset.Key]; !ok {
			return fault.NotFoundf("Metadata item was not found.")
		}
		delete(v.ImageMetadata, in.Unset.Key)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusOK)
}

func (h *handler) resetStatus(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Reset struct {
			Status       string `json:"status"`
			AttachStatus string `json:"attach_status"`
		} `json:"os-reset_status"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id := httpx.Param(r, "volume_id")
	if in.Reset.AttachStatus == "detached" {
		if err := h.svc.DetachAll(r.Context(), id, ""); err != nil {
			return err
		}
	}
	return h.change(w, r, http.StatusAccepted, func(v *volume.Volume) error {
		if in.Reset.Status != "" {
			v.Status = in.Reset.Status
		}
		return nil
	})
}

func (h *handler) forceDelete(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.Delete(r.Context(), httpx.Param(r, "volume_id"), true); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

// detachment is the body of both detach actions.
type detachment struct {
	Detach *struct {
		AttachmentID string `json:"attachment_id"`
	} `json:"os-detach"`
	Force *struct {
		AttachmentID string `json:"attachment_id"`
	} `json:"os-force_detach"`
}

func (h *handler) forceDetach(w http.ResponseWriter, r *http.Request) error {
	var in detachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id := ""
	if in.Force != nil {
		id = in.Force.AttachmentID
	}
	if err := h.svc.DetachAll(r.Context(), httpx.Param(r, "volume_id"), id); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

// detach ends attachments from the volume's side; those that a server still
// uses are refused like their deletion is.
func (h *handler) detach(w http.ResponseWriter, r *http.Request) error {
	var in detachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	id := ""
	if in.Detach != nil {
		id = in.Detach.AttachmentID
	}
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "volume_id"))
	if err != nil {
		return err
	}
	list, err := h.svc.AttachmentsOf(r.Context(), v.ID)
	if err != nil {
		return err
	}
	for i := range list {
		if id != "" && list[i].ID != id {
			continue
		}
		if err := mayEnd(r, &list[i]); err != nil {
			return err
		}
	}
	if err := h.svc.DetachAll(r.Context(), v.ID, id); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}
