package api

import (
	"net/http"
	"strings"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// viewVolume is a volume attachment.
func viewVolume(r *http.Request, s *compute.Server, b *compute.BlockDevice) map[string]any {
	v := map[string]any{"serverId": s.ID, "volumeId": b.VolumeID, "device": b.DeviceName}
	if !since(r, 89) {
		v["id"] = b.VolumeID
	} else {
		v["bdm_uuid"], v["attachment_id"] = b.ID, orNil(b.AttachmentID)
	}
	if since(r, 70) {
		v["tag"] = orNil(b.Tag)
	}
	if since(r, 79) {
		v["delete_on_termination"] = b.DeleteOnTermination
	}
	return v
}

func (h *handler) listVolumes(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	views := []any{}
	for i := range s.BlockDevices {
		if s.BlockDevices[i].VolumeID != "" {
			views = append(views, viewVolume(r, s, &s.BlockDevices[i]))
		}
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volumeAttachments": views})
}

// attachment loads the server and its attachment of the path's volume.
func (h *handler) attachment(r *http.Request) (*compute.Server, *compute.BlockDevice, error) {
	s, err := h.server(r)
	if err != nil {
		return nil, nil, err
	}
	b, err := s.Attachment(httpx.Param(r, "volume_id"))
	return s, b, err
}

func (h *handler) showVolume(w http.ResponseWriter, r *http.Request) error {
	s, b, err := h.attachment(r)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volumeAttachment": viewVolume(r, s, b)})
}

// newAttachment is the body of an attach or update request.
type newAttachment struct {
	Attachment struct {
		VolumeID            string             `json:"volumeId"`
		Device              string             `json:"device"`
		Tag                 string             `json:"tag"`
		DeleteOnTermination *httpx.LenientBool `json:"delete_on_termination"`
	} `json:"volumeAttachment"`
}

func (h *handler) attachVolume(w http.ResponseWriter, r *http.Request) error {
	var in newAttachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	a := in.Attachment
	device := a.Device
	if device != "" && !strings.HasPrefix(device, "/dev/") {
		device = "/dev/" + device
	}
	b, err := h.svc.AttachVolume(r.Context(), s, compute.BlockDevice{
		VolumeID: a.VolumeID, DeviceName: device, Tag: a.Tag, DeleteOnTermination: bool(httpx.Deref(a.DeleteOnTermination)),
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"volumeAttachment": viewVolume(r, s, b)})
}

func (h *handler) updateVolume(w http.ResponseWriter, r *http.Request) error {
	var in newAttachment
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, b, err := h.attachment(r)
	if err != nil {
		return err
	}
	a := in.Attachment
	if a.VolumeID != b.VolumeID {
		if err := httpx.Enforce(r.Context(), prefix+"os-volumes-attachments:swap", ownTarget(r)); err != nil {
			return err
		}
		return fault.New(fault.NotImplemented, "Volumes of a running server cannot be swapped.")
	}
	if a.Device != "" && a.Device != b.DeviceName {
		return fault.Invalidf("The device of an attached volume cannot be changed.")
	}
	if a.DeleteOnTermination != nil {
		if err := h.svc.SetDeleteOnTermination(r.Context(), s, b.VolumeID, bool(*a.DeleteOnTermination)); err != nil {
			return err
		}
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) detachVolume(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if err := h.svc.DetachVolume(r.Context(), s, httpx.Param(r, "volume_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}
