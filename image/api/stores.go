package api

import (
	"net/http"
	"strings"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// storeViews are the stores, with what an administrator is told.
func (h *handler) storeViews(detail bool) []object {
	var out []object
	for k, b := range h.svc.Backends {
		v := object{"id": b.ID, "description": b.Description}
		if k == 0 {
			v["default"] = "true"
		}
		if b.ReadOnly {
			v["read-only"] = "true"
		}
		if detail {
			v["type"], v["properties"], v["weight"] = b.Type, b.Properties, 0
		}
		out = append(out, v)
	}
	return out
}

func (h *handler) storesInfo(w http.ResponseWriter, _ *http.Request) error {
	return httpx.JSON(w, http.StatusOK, object{"stores": h.storeViews(false)})
}

func (h *handler) storesDetail(w http.ResponseWriter, _ *http.Request) error {
	return httpx.JSON(w, http.StatusOK, object{"stores": h.storeViews(true)})
}

func (h *handler) usage(w http.ResponseWriter, r *http.Request) error {
	all, err := h.svc.Usages(r.Context(), auth.From(r.Context()).ProjectID)
	if err != nil {
		return err
	}
	out := object{}
	for name, u := range all {
		out[name] = object{"limit": u.Limit, "usage": u.Usage}
	}
	return httpx.JSON(w, http.StatusOK, object{"usage": out})
}

func storesOf(i *image.Image) string {
	var ids []string
	for _, l := range i.Locations {
		ids = append(ids, l.Store)
	}
	return strings.Join(ids, ",")
}

func (h *handler) listLocations(w http.ResponseWriter, r *http.Request) error {
	i, err := h.svc.Get(r.Context(), httpx.Param(r, "image_id"))
	if err != nil {
		return err
	}
	out := []object{}
	for _, l := range i.Locations {
		out = append(out, object{"url": h.svc.LocationURL(l), "metadata": object{"store": l.Store}})
	}
	return httpx.JSON(w, http.StatusOK, out)
}

func (h *handler) addLocation(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		URL        string
		Validation struct {
			Hash string `json:"os_hash_value"`
		} `json:"validation_data"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	if _, err := h.svc.AddLocation(r.Context(), httpx.Param(r, "image_id"), in.URL, in.Validation.Hash); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) removeCopy(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.RemoveCopy(r.Context(), httpx.Param(r, "image_id"), httpx.Param(r, "store_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// cache gives the cache of images, if there is one.
func (h *handler) cache() (*image.Cache, error) {
	if h.svc.Cache == nil {
		return nil, fault.NotFoundf("Caching via API is not supported at this site.")
	}
	return h.svc.Cache, nil
}

func (h *handler) cacheState(w http.ResponseWriter, _ *http.Request) error {
	c, err := h.cache()
	if err != nil {
		return err
	}
	cached, queued := c.State()
	list := []object{}
	for _, e := range cached {
		list = append(list, object{
			"image_id": e.ImageID, "hits": e.Hits, "size": e.Size,
			"last_accessed": float64(e.Accessed.UnixMilli()) / 1000, "last_modified": float64(e.Modified.UnixMilli()) / 1000,
		})
	}
	return httpx.JSON(w, http.StatusOK, object{"cached_images": list, "queued_images": append([]string{}, queued...)})
}

func (h *handler) clearCache(w http.ResponseWriter, r *http.Request) error {
	c, err := h.cache()
	if err != nil {
		return err
	}
	target := strings.ToLower(r.Header.Get("X-Image-Cache-Clear-Target"))
	switch target {
	case "", "cache", "queue":
	default:
		return fault.Invalidf("If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty string.")
	}
	c.Clear(target != "queue", target != "cache")
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) cleanCache(w http.ResponseWriter, _ *http.Request) error {
	c, err := h.cache()
	if err != nil {
		return err
	}
	c.Clean()
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) pruneCache(w http.ResponseWriter, _ *http.Request) error {
	c, err := h.cache()
	if err != nil {
		return err
	}
	files, bytes := c.Prune()
	return httpx.JSON(w, http.StatusOK, object{"total_files_pruned": files, "total_bytes_pruned": bytes})
}

func (h *handler) cacheImage(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.cache(); err != nil {
		return err
	}
	if _, err := h.target(r); err != nil {
		return err
	}
	if err := h.svc.CacheImage(r.Context(), httpx.Param(r, "image_id")); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusAccepted)
}

func (h *handler) uncacheImage(w http.ResponseWriter, r *http.Request) error {
	c, err := h.cache()
	if err != nil {
		return err
	}
	id := httpx.Param(r, "image_id")
	if c.Forget(id) {
		return httpx.NoContent(w, http.StatusNoContent)
	}
	if _, err := h.target(r); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
