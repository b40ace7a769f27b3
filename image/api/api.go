// Package api is the image component's HTTP door: Image v2, as the API
// reference of Glance describes it (https://docs.openstack.org/api-ref/image/v2/).
package api

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/internal/policy"
)

type handler struct{ svc *image.Images }

// New makes the API. The app sets AuthURI.
func New(svc *image.Images, a httpx.Authenticator, p httpx.Policy, log *slog.Logger) *httpx.API {
	h := &handler{svc}
	return &httpx.API{
		Service: "image", Dialect: httpx.Glance, Auth: a, Policy: p, Log: log, Prefixes: []string{"/v2"}, Routes: h.routes(),
	}
}

type object map[string]any

// target is the image of the path. One that the caller may not see is not
// there.
func (h *handler) target(r *http.Request) (policy.Target, error) {
	id := httpx.Param(r, "image_id")
	if !httpx.IsUUID(id) {
		return nil, fault.NotFoundf("No image found with ID %s", id)
	}
	i, err := h.svc.Get(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return policy.Target{
		"project_id": i.Owner, "owner": i.Owner, "visibility": i.Visibility, "member_id": memberOf(r),
	}, nil
}

// memberOf is the member that rules about members mean: that of the path, or
// the caller.
func memberOf(r *http.Request) string {
	if id := httpx.Param(r, "member_id"); id != "" {
		return id
	}
	return auth.From(r.Context()).ProjectID
}

// newTarget is an image that is to be made: the caller's, or for whomever the
// request says.
func (h *handler) newTarget(r *http.Request) (policy.Target, error) {
	c := auth.From(r.Context())
	var in struct{ Owner *string }
	owner := c.ProjectID
	if httpx.Decode(r, &in) == nil && in.Owner != nil {
		owner = *in.Owner
	}
	return policy.Target{"project_id": c.ProjectID, "owner": owner}, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func nullable[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// view shows an image, of its properties those that the caller may read.
func (h *handler) view(ctx context.Context, i *image.Image) object {
	v := object{}
	caller := auth.From(ctx)
	for k, value := range i.Properties {
		if strings.HasPrefix(k, "os_glance_") || h.svc.Protections.Allows(caller, image.PropertyRead, k) {
			v[k] = value
		}
	}
	tags := i.Tags
	if tags == nil {
		tags = []string{}
	}
	maps.Copy(v, object{
		"id": i.ID, "name": nullable(i.Name), "status": i.Status, "visibility": i.Visibility, "owner": nullable(i.Owner),
		"disk_format": nullable(i.DiskFormat), "container_format": nullable(i.ContainerFormat), "min_disk": i.MinDisk, "min_ram": i.MinRAM,
		"protected": i.Protected, "os_hidden": i.Hidden, "tags": tags, "created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt),
		"checksum": nullable(i.Checksum), "os_hash_algo": nil, "os_hash_value": nullable(i.HashValue),
		"size": nil, "virtual_size": nullable(i.VirtualSize),
		"self": "/v2/images/" + i.ID, "file": "/v2/images/" + i.ID + "/file", "schema": "/v2/schemas/image",
	})
	if i.HasData() {
		v["size"], v["os_hash_algo"], v["stores"] = i.Size, "sha512", storesOf(i)
	}
	return v
}

func (h *handler) versions(w http.ResponseWriter, r *http.Request) error {
	return h.answerVersions(w, r, http.StatusOK)
}

func (h *handler) rootVersions(w http.ResponseWriter, r *http.Request) error {
	return h.answerVersions(w, r, http.StatusMultipleChoices)
}

// answerVersions tells the minor versions, which have no behaviour of their
// own: they only say what there is.
func (h *handler) answerVersions(w http.ResponseWriter, r *http.Request, status int) error {
	links := []object{{"rel": "self", "href": httpx.BaseURL(r) + "/v2/"}}
	current, others := "17", "15 13 12 11 10 9 8 7 6 5 4 3 2 1 0"
	if h.svc.Cache != nil {
		current, others = "18", "17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0"
	}
	list := []object{{"id": "v2." + current, "status": "CURRENT", "links": links}}
	for _, minor := range strings.Fields(others) {
		list = append(list, object{"id": "v2." + minor, "status": "SUPPORTED", "links": links})
	}
	return httpx.JSON(w, status, object{"versions": list})
}
