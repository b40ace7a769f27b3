package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// guest finds the server whose guest asks. The metadata proxy of a network
// agent says who it is, and signs.
func (h *handler) guest(r *http.Request) (*compute.Server, error) {
	return h.svc.GuestServer(r.Context(), r.Header.Get("X-Instance-ID"), r.Header.Get("X-Tenant-ID"), r.Header.Get("X-Instance-ID-Signature"))
}

// text answers plain text, as guests' shell scripts like it.
func text(w http.ResponseWriter, contentType string, b []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	w.Write(b) //nolint:errcheck // the guest is gone; nobody is left to tell
	return nil
}

const plainText = "text/plain; charset=UTF-8"

func noMetadata() error { return fault.NotFoundf("Not Found") }

func (h *handler) metadataVersions(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.guest(r); err != nil {
		return err
	}
	return text(w, plainText, []byte(strings.Join(compute.MetadataVersions, "\n")))
}

// metadata gives the files of the version of the path.
func (h *handler) metadata(r *http.Request) (map[string][]byte, error) {
	s, err := h.guest(r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(compute.MetadataVersions, httpx.Param(r, "version")) {
		return nil, noMetadata()
	}
	return s.MetadataFiles()
}

func (h *handler) metadataFiles(w http.ResponseWriter, r *http.Request) error {
	files, err := h.metadata(r)
	if err != nil {
		return err
	}
	return text(w, plainText, []byte(strings.Join(sorted(files), "\n")))
}

func (h *handler) metadataFile(w http.ResponseWriter, r *http.Request) error {
	files, err := h.metadata(r)
	if err != nil {
		return err
	}
	name := httpx.Param(r, "file")
	content, ok := files[name]
	if !ok {
		return noMetadata()
	}
	if strings.HasSuffix(name, ".json") {
		return text(w, "application/json", content)
	}
	return text(w, "application/octet-stream", content)
}

func (h *handler) ec2Root(w http.ResponseWriter, r *http.Request) error {
	s, err := h.guest(r)
	if err != nil {
		return err
	}
	names := "meta-data/"
	if s.UserData != "" {
		names += "\nuser-data"
	}
	return text(w, plainText, []byte(names))
}

func (h *handler) ec2UserData(w http.ResponseWriter, r *http.Request) error {
	s, err := h.guest(r)
	if err != nil {
		return err
	}
	b, err := s.RawUserData()
	if err != nil {
		return err
	}
	if b == nil {
		return noMetadata()
	}
	return text(w, plainText, b)
}

// ec2MetaData answers a value, or lists what is below a path.
func (h *handler) ec2MetaData(w http.ResponseWriter, r *http.Request) error {
	s, err := h.guest(r)
	if err != nil {
		return err
	}
	values := s.EC2MetaData()
	path := strings.Trim(httpx.Param(r, "*"), "/")
	if v, ok := values[path]; ok {
		return text(w, plainText, []byte(v))
	}
	below := ""
	if path != "" {
		below = path + "/"
	}
	var names []string
	for _, p := range sorted(values) {
		rest, ok := strings.CutPrefix(p, below)
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		switch {
		case path == "public-keys": // the one list that shows names
			name += "=" + s.KeyName
		case deeper:
			name += "/"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return noMetadata()
	}
	return text(w, plainText, []byte(strings.Join(names, "\n")))
}
