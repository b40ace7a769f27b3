package api

import (
	"maps"
	"net/http"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/volume"
)

func (h *handler) listMetadata(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "volume_id"))
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": orEmpty(v.Metadata)})
}

// changeMetadata alters the metadata and answers with it.
func (h *handler) changeMetadata(w http.ResponseWriter, r *http.Request, replace bool) error {
	var in struct {
		Metadata httpx.Texts `json:"metadata"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	v, err := h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), func(v *volume.Volume) error {
		if v.Metadata == nil || replace {
			v.Metadata = map[string]string{}
		}
		maps.Copy(v.Metadata, in.Metadata)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"metadata": orEmpty(v.Metadata)})
}

func (h *handler) addMetadata(w http.ResponseWriter, r *http.Request) error {
	return h.changeMetadata(w, r, false)
}

func (h *handler) replaceMetadata(w http.ResponseWriter, r *http.Request) error {
	return h.changeMetadata(w, r, true)
}

func noMetadata(v *volume.Volume, key string) error {
	return fault.NotFoundf("Volume %s has no metadata with key %s.", v.ID, key)
}

func (h *handler) showMetadata(w http.ResponseWriter, r *http.Request) error {
	v, err := h.svc.Volume(r.Context(), httpx.Param(r, "volume_id"))
	if err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	value, ok := v.Metadata[key]
	if !ok {
		return noMetadata(v, key)
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"meta": map[string]string{key: value}})
}

func (h *handler) setMetadata(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Meta httpx.Texts `json:"meta"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	key := httpx.Param(r, "key")
	value, ok := in.Meta[key]
	if !ok {
		return fault.Invalidf("Request body and URI mismatch.")
	}
	_, err := h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), func(v *volume.Volume) error {
		if v.Metadata == nil {
			v.Metadata = map[string]string{}
		}
		v.Metadata[key] = value
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"meta": in.Meta})
}

func (h *handler) deleteMetadata(w http.ResponseWriter, r *http.Request) error {
	key := httpx.Param(r, "key")
	_, err := h.svc.Change(r.Context(), httpx.Param(r, "volume_id"), func(v *volume.Volume) error {
		if _, ok := v.Metadata[key]; !ok {
			return noMetadata(v, key)
		}
		delete(v.Metadata, key)
		return nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusOK)
}
