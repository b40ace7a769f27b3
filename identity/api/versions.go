package api

import (
	"net/http"

	"nubo/internal/httpx"
)

// versions answers 300 with the versions there are: only v3.
func (h *handler) versions(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusMultipleChoices, object{"versions": object{"values": []object{v3(r)}}})
}

func (h *handler) version(w http.ResponseWriter, r *http.Request) error {
	return httpx.JSON(w, http.StatusOK, object{"version": v3(r)})
}

func v3(r *http.Request) object {
	return object{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []object{{"rel": "self", "href": httpx.BaseURL(r) + "/v3/"}},
		"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}
