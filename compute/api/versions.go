package api

import (
	"net/http"

	"nubo/internal/httpx"
)

// versionDocument describes v2.1, the only major version there is.
func versionDocument(r *http.Request) map[string]any {
	return map[string]any{
		"id": "v2.1", "status": "CURRENT", "version": maxVersion.String(), "min_version": minVersion.String(), "updated": "2013-07-23T11:33:21Z",
		"links": []any{map[string]any{"rel": "self", "href": httpx.BaseURL(r) + "/v2.1/"}},
	}
}

func (h *handler) versions(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusOK, map[string]any{"versions": []any{versionDocument(r)}})
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) error {
	doc := versionDocument(r)
	doc["links"] = append(doc["links"].([]any), map[string]any{
		"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/",
	})
	doc["media-types"] = []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"}}
	return httpx.JSON(w, http.StatusOK, map[string]any{"version": doc})
}

// extensions answers a question of the past: there are none.
func (h *handler) extensions(w http.ResponseWriter, _ *http.Request) error {
	return httpx.JSON(w, http.StatusOK, map[string]any{"extensions": []any{}})
}
