package api

import (
	"net/http"
	"regexp"
	"slices"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// maxTags is how many tags a server may have.
const maxTags = 50

var tagPattern = regexp.MustCompile(`^[^,/]{1,60}$`)

func (h *handler) listTags(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tags": list(s.Tags)})
}

// setTags writes a server's tags, if nobody changed it since it was read.
func (h *handler) setTags(r *http.Request, s *compute.Server, tags []string) error {
	if len(tags) > maxTags {
		return fault.Invalidf("The number of tags exceeded the per-server limit %d", maxTags)
	}
	_, err := h.svc.Update(r.Context(), s, compute.ServerFields{Tags: &tags})
	return err
}

func (h *handler) replaceTags(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Tags []string `json:"tags"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	s, err := h.server(r)
	if err != nil {
		return err
	}
	var unique []string
	for _, t := range in.Tags {
		if !slices.Contains(unique, t) {
			unique = append(unique, t)
		}
	}
	if err := h.setTags(r, s, unique); err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tags": list(unique)})
}

func (h *handler) deleteTags(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if err := h.setTags(r, s, nil); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

// tag loads the server and says whether it has the tag of the path.
func (h *handler) tag(r *http.Request) (s *compute.Server, tag string, has bool, err error) {
	tag = httpx.Param(r, "tag")
	if s, err = h.server(r); err != nil {
		return nil, tag, false, err
	}
	return s, tag, slices.Contains(s.Tags, tag), nil
}

func noTag(s *compute.Server, tag string) error {
	return fault.NotFoundf("Server %s has no tag '%s'", s.ID, tag)
}

func (h *handler) checkTag(w http.ResponseWriter, r *http.Request) error {
	s, tag, has, err := h.tag(r)
	if err != nil {
		return err
	}
	if !has {
		return noTag(s, tag)
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) addTag(w http.ResponseWriter, r *http.Request) error {
	s, tag, has, err := h.tag(r)
	if err != nil {
		return err
	}
	if !tagPattern.MatchString(tag) {
		return fault.Invalidf("Tag '%s' is invalid. It must be a non-empty string without '/' and ',' of at most 60 characters.", tag)
	}
	if has {
		return httpx.NoContent(w, http.StatusNoContent)
	}
	if err := h.setTags(r, s, append(slices.Clone(s.Tags), tag)); err != nil {
		return err
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	return httpx.NoContent(w, http.StatusCreated)
}

func (h *handler) deleteTag(w http.ResponseWriter, r *http.Request) error {
	s, tag, has, err := h.tag(r)
	if err != nil {
		return err
	}
	if !has {
		return noTag(s, tag)
	}
	rest := slices.DeleteFunc(slices.Clone(s.Tags), func(t string) bool { return t == tag })
	if err := h.setTags(r, s, rest); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
