package api

import (
	"io"
	"net/http"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

func (h *handler) upload(w http.ResponseWriter, r *http.Request) error {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(media) != "application/octet-stream" {
		return fault.New(fault.UnsupportedType, "The media type of an image's data is application/octet-stream")
	}
	if err := h.svc.Upload(r.Context(), httpx.Param(r, "image_id"), r.Body); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// download sends the bytes; http.ServeContent answers ranges (RFC 9110 §14).
func (h *handler) download(w http.ResponseWriter, r *http.Request) error {
	i, body, err := h.svc.Download(r.Context(), httpx.Param(r, "image_id"))
	if err != nil {
		return err
	}
	if body == nil {
		return httpx.NoContent(w, http.StatusNoContent)
	}
	defer body.Close() //nolint:errcheck // it was only read
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-MD5", i.Checksum)
	if r.Header.Get("Range") == "" {
		w.Header().Set("Content-Length", itoa(i.Size))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodHead {
			return nil
		}
		_, err := io.Copy(w, body)
		return err
	}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}
