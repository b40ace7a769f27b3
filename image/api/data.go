package api

import (
	"io"
	"net/http"
	"strconv"
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

// announced is the body of an upload, and how long it is going to be: -1 where
// nobody says. One that the client says the size of must have it.
func announced(r *http.Request) (io.Reader, int64, error) {
	text := r.Header.Get("X-OpenStack-Image-Size")
	if text == "" {
		return r.Body, r.ContentLength, nil
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 0 {
		return nil, 0, fault.Invalidf("Invalid or missing image size in request headers.")
	}
	return &exact{r.Body, size, size}, size, nil
}

// exact is a reader of so many bytes; more and fewer are an error.
type exact struct {
	io.Reader
	size, left int64
}

// Read implements io.Reader.
func (e *exact) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left > 0 {
		return n, fault.Invalidf("The size of the image is not %d bytes, as its request says.", e.size)
	}
	return n, err
}

func (h *handler) upload(w http.ResponseWriter, r *http.Request) error {
	if err := octets(r); err != nil {
		return err
	}
	body, size, err := announced(r)
	if err != nil {
		return err
	}
	store := r.Header.Get("X-Image-Meta-Store")
	if err := h.svc.Upload(r.Context(), httpx.Param(r, "image_id"), store, body, size); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) stage(w http.ResponseWriter, r *http.Request) error {
	if err := octets(r); err != nil {
		return err
	}
	body, size, err := announced(r)
	if err != nil {
		return err
	}
	if err := h.svc.Stage(r.Context(), httpx.Param(r, "image_id"), body, size); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// download sends the bytes; http.ServeContent answers ranges (RFC 9110 §14).
func (h *handler) download(w http.ResponseWriter, r *http.Request) error {
	var prefer []string
	for store := range strings.SplitSeq(r.URL.Query().Get("prefer"), ",") {
		if store = strings.TrimSpace(store); store != "" {
			prefer = append(prefer, store)
		}
	}
	if len(prefer) > 0 {
		t, err := h.target(r)
		if err != nil {
			return err
		}
		if err := httpx.Enforce(r.Context(), "download_from_store", t); err != nil {
			return err
		}
	}
	i, body, err := h.svc.Download(r.Context(), httpx.Param(r, "image_id"), prefer...)
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
