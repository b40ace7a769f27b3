package api

import (
	"net/http"
	"regexp"
	"slices"

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

// changeTags changes the tags of the path's server.
func (h *handler) changeTags(r *http.Request, change func(tags []string) ([]string, error)) ([]string, error) {
	return h.svc.ChangeTags(r.Context(), httpx.Param(r, "server_id"), func(tags []string) ([]string, error) {
		tags, err := change(slices.Clone(tags))
		if err == nil && len(tags) > maxTags {
			err = fault.Invalidf("The number of tags exceeded the per-server limit %d", maxTags)
		}
		return tags, err
	})
}

func (h *handler) replaceTags(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Tags []string `json:"tags"`
	}
	if err := httpx.Decode(r, &in); err != nil {
		return err
	}
	tags, err := h.changeTags(r, func([]string) ([]string, error) {
		var unique []string
		for _, t := range in.Tags {
			if !slices.Contains(unique, t) {
				unique = append(unique, t)
			}
		}
		return unique, nil
	})
	if err != nil {
		return err
	}
	return httpx.JSON(w, http.StatusOK, map[string]any{"tags": list(tags)})
}

func (h *handler) deleteTags(w http.ResponseWriter, r *http.Request) error {
	if _, err := h.changeTags(r, func([]string) ([]string, error) { return nil, nil }); err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func noTag(r *http.Request) error {
	return fault.NotFoundf("Server %s has no tag '%s'", httpx.Param(r, "server_id"), httpx.Param(r, "tag"))
}

func (h *handler) checkTag(w http.ResponseWriter, r *http.Request) error {
	s, err := h.server(r)
	if err != nil {
		return err
	}
	if !slices.Contains(s.Tags, httpx.Param(r, "tag")) {
		return noTag(r)
	}
	return httpx.NoContent(w, http.StatusNoContent)
}

func (h *handler) addTag(w http.ResponseWriter, r *http.Request) error {
	tag := httpx.Param(r, "tag")
	if !tagPattern.MatchString(tag) {
		return fault.Invalidf("Tag '%s' is invalid. It must be a non-empty string without '/' and ',' of at most 60 characters.", tag)
	}
	had := false
	_, err := h.changeTags(r, func(tags []string) ([]string, error) {
		if had = slices.Contains(tags, tag); had {
			return tags, nil
		}
		return append(tags, tag), nil
	})
	if err != nil {
		return err
	}
	if had {
		return httpx.NoContent(w, http.StatusNoContent)
	}
	w.Header().Set("Location", httpx.SelfURL(r))
	return httpx.NoContent(w, http.StatusCreated)
}

func (h *handler) deleteTag(w http.ResponseWriter, r *http.Request) error {
	_, err := h.changeTags(r, func(tags []string) ([]string, error) {
		i := slices.Index(tags, httpx.Param(r, "tag"))
		if i < 0 {
			return nil, noTag(r)
		}
		return slices.Delete(tags, i, i+1), nil
	})
	if err != nil {
		return err
	}
	return httpx.NoContent(w, http.StatusNoContent)
}
