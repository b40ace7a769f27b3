package api

import (
	"net/http"

	"nubo/internal/fault"
	"nubo/internal/httpx"
)

// versionDocument describes v3, the only major version there is.
func versionDocument(r *http.Request) map[string]any {
	return map[string]any{"versions": []any{map[string]any{
		"id": "v3.0", "status": "CURRENT", "version": maxVersion.String(), "min_version": minVersion.String(), "updated": "2023-08-31T00:00:00Z",
		"links": []any{
			map[string]any{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
			map[string]any{"rel": "self", "href": httpx.BaseURL(r) + "/v3/"},
		},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}},
	}}}
}

func (h *handler) versions(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusMultipleChoices, versionDocument(r))
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusOK, versionDocument(r))
}

// empty answers a list of what nubo does not keep: there is none.
func empty(key string) httpx.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		return httpx.JSON(w, http.StatusOK, map[string]any{key: []any{}})
	}
}

// absent answers for one of what nubo does not keep.
func absent(kind, param string) httpx.Handler {
	return func(_ http.ResponseWriter, r *http.Request) error {
		return fault.NotFoundf("%s %s could not be found.", kind, httpx.Param(r, param))
	}
}
