package api

import (
	"io"
	"net/http"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// octets refuses a body that is not declared as bytes.
func octets(r *http.Request) error {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(media) != "application/octet-stream" {
		return fault.New(fault.UnsupportedType, "The media type of an image's data is application/octet-stream")
	}
	return nil
}

func (h *handler) upload(w http.ResponseWriter, r *http.Request) error {
	if err := octets(r); err != nil {
		return err
	}
	store := r.Header.Get("X-Image-Meta-Store")
	if err := h.svc.Upload(r.Context(), httpx.Param(r, "image_id"), store, r.Body, r.ContentLength); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) stage(w http.ResponseWriter, r *http.Request) error {
	if err := octets(r); err != nil {
		return err
	}
	if err := h.svc.Stage(r.Context(), httpx.Param(r, "image_id"), r.Body, r.ContentLength); err != nil {
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
