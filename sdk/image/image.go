// Package image holds the wire types and the client of the Image v2 API
// (Glance's) that the other components use.
package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nubo/sdk/rest"
)

// Client speaks Image v2; its endpoint is the service's root, without "/v2".
type Client struct{ *rest.Client }

// The states of an image that others care for.
const (
	StatusQueued = "queued"
	StatusSaving = "saving"
	StatusActive = "active"
)

// Image is an image as the API shows it.
type Image struct {
	ID              string    `json:"id"`
	Name            string    `json:"name"`
	Status          string    `json:"status"`
	Owner           string    `json:"owner"`
	Visibility      string    `json:"visibility"`
	ContainerFormat string    `json:"container_format"`
	DiskFormat      string    `json:"disk_format"`
	Size            int64     `json:"size"`         // bytes; 0 before the upload
	VirtualSize     int64     `json:"virtual_size"` // bytes the guest sees; 0 if not known
	MinDisk         int       `json:"min_disk"`     // GiB
	MinRAM          int       `json:"min_ram"`      // MiB
	Checksum        string    `json:"checksum"`     // md5
	HashAlgo        string    `json:"os_hash_algo"`
	HashValue       string    `json:"os_hash_value"`
	Hidden          bool      `json:"os_hidden"`
	Protected       bool      `json:"protected"`
	Tags            []string  `json:"tags"`
	CreatedAt       time.Time `json:"created_at"`
	UpdatedAt       time.Time `json:"updated_at"`

	// Properties are all further attributes but the service's own notes:
	// hw_disk_bus, os_distro …
	Properties map[string]string `json:"-"`
}

// base has Image's fields without its methods.
type base Image

// notProperties are the attributes that are no custom properties.
var notProperties = map[string]bool{
	"id": true, "name": true, "status": true, "owner": true, "visibility": true, "container_format": true,
	"disk_format": true, "size": true, "virtual_size": true, "min_disk": true, "min_ram": true, "checksum": true,
	"os_hash_algo": true, "os_hash_value": true, "os_hidden": true, "protected": true, "tags": true,
	"created_at": true, "updated_at": true, "file": true, "self": true, "schema": true, "direct_url": true,
	"locations": true, "stores": true,
}

// UnmarshalJSON reads an image, whose custom properties stand among its
// attributes.
func (i *Image) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, (*base)(i)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	i.Properties = map[string]string{}
	for name, raw := range all {
		var s string
		if !notProperties[name] && !strings.HasPrefix(name, "os_glance_") && json.Unmarshal(raw, &s) == nil {
			i.Properties[name] = s
		}
	}
	return nil
}

// Create is a new image. Zero fields are left out.
type Create struct {
	Name            string
	ContainerFormat string
	DiskFormat      string
	Visibility      string
	MinDisk, MinRAM int
	Protected       bool
	Tags            []string
	Properties      map[string]string
}

// MarshalJSON writes the properties among the attributes.
func (c Create) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for k, v := range c.Properties {
		out[k] = v
	}
	for k, v := range map[string]string{
		"name": c.Name, "container_format": c.ContainerFormat, "disk_format": c.DiskFormat, "visibility": c.Visibility,
	} {
		if v != "" {
			out[k] = v
		}
	}
	if c.MinDisk > 0 {
		out["min_disk"] = c.MinDisk
	}
	if c.MinRAM > 0 {
		out["min_ram"] = c.MinRAM
	}
	if c.Protected {
		out["protected"] = true
	}
	if len(c.Tags) > 0 {
		out["tags"] = c.Tags
	}
	return json.Marshal(out)
}

// Show gives one image.
func (c Client) Show(ctx context.Context, id string) (*Image, error) {
	var out Image
	if err := c.Get(ctx, "/v2/images/"+url.PathEscape(id), &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// List gives all images that match the query, page by page.
func (c Client) List(ctx context.Context, query url.Values) ([]Image, error) {
	var all []Image
	path := "/v2/images"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	for path != "" {
		var page struct {
			Images []Image `json:"images"`
			Next   string  `json:"next"`
		}
		if err := c.Get(ctx, path, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Images...)
		path = page.Next
	}
	return all, nil
}

// Create makes an image without data.
func (c Client) Create(ctx context.Context, in Create) (*Image, error) {
	var out Image
	if err := c.Post(ctx, "/v2/images", in, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Remove deletes an image; one that is gone is no error.
func (c Client) Remove(ctx context.Context, id string) error {
	err := c.Client.Delete(ctx, "/v2/images/"+url.PathEscape(id))
	if rest.IsNotFound(err) {
		return nil
	}
	return err
}

// Upload gives an image its data.
func (c Client) Upload(ctx context.Context, id string, data io.Reader) error {
	resp, err := c.Stream(ctx, http.MethodPut, "/v2/images/"+url.PathEscape(id)+"/file", "application/octet-stream", data)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Download opens an image's data and says how many bytes come; -1 if that is
// not known. The caller closes it.
func (c Client) Download(ctx context.Context, id string) (io.ReadCloser, int64, error) {
	resp, err := c.Send(ctx, http.MethodGet, "/v2/images/"+url.PathEscape(id)+"/file", nil)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusNoContent {
		resp.Body.Close() //nolint:errcheck // nothing in it
		return nil, 0, fmt.Errorf("download image %s: it has no data yet", id)
	}
	return resp.Body, resp.ContentLength, nil
}
