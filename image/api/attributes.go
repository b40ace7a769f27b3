package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"nubo/image"
	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/internal/httpx"
)

var visibilities = []string{image.VisibilityPublic, image.VisibilityPrivate, image.VisibilityShared, image.VisibilityCommunity}

// readOnly are the attributes only Glance itself sets.
var readOnly = []string{
	"id", "status", "checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "self", "file",
	"schema", "direct_url", "locations", "stores", "deleted", "deleted_at", "owner",
}

// limits of what a client can have kept.
const (
	maxName       = 255
	maxProperties = 128
	maxTags       = 128
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func invalid(format string, args ...any) error {
	return fault.Invalidf("Provided object does not match schema 'image': "+format, args...)
}

// known are the attributes that are not custom properties and can be set.
var known = []string{"name", "visibility", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden", "tags"}

// setAll sets the attributes of a new image.
func (h *handler) setAll(r *http.Request, i *image.Image, in map[string]any) error {
	for _, key := range sortedKeys(in) {
		if !slices.Contains(known, key) && !slices.Contains(readOnly, key) {
			if err := h.svc.Protections.Check(auth.From(r.Context()), image.PropertyCreate, key); err != nil {
				return err
			}
		}
		if err := setAttribute(i, key, in[key]); err != nil {
			return err
		}
	}
	return h.mayBe(r, i)
}

// setAttribute sets an attribute to a JSON value.
func setAttribute(i *image.Image, key string, value any) error {
	if slices.Contains(readOnly, key) {
		return fault.Forbiddenf("Attribute '%s' is read-only.", key)
	}
	switch key {
	case "name":
		return setText(&i.Name, key, value, nil)
	case "visibility":
		return setText(&i.Visibility, key, value, visibilities)
	case "disk_format":
		return setFormat(i, &i.DiskFormat, key, value, image.DiskFormats)
	case "container_format":
		return setFormat(i, &i.ContainerFormat, key, value, image.ContainerFormats)
	case "min_disk":
		return setNumber(&i.MinDisk, key, value)
	case "min_ram":
		return setNumber(&i.MinRAM, key, value)
	case "protected":
		return setBool(&i.Protected, key, value)
	case "os_hidden":
		return setBool(&i.Hidden, key, value)
	case "tags":
		list, ok := value.([]any)
		if !ok {
			return invalid("tags is not a list")
		}
		tags := []string{}
		for _, v := range list {
			text, ok := v.(string)
			if !ok {
				return invalid("%v is not a string", v)
			}
			if !slices.Contains(tags, text) {
				tags = append(tags, text)
			}
		}
		return setTags(i, tags)
	}
	return setProperty(i, key, value)
}

func setTags(i *image.Image, tags []string) error {
	if len(tags) > maxTags {
		return fault.New(fault.TooLarge, "The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d", len(tags), maxTags)
	}
	for _, t := range tags {
		if t == "" || len(t) > maxName {
			return invalid("%q is too short or too long for a tag", t)
		}
	}
	i.Tags = tags
	return nil
}

func setProperty(i *image.Image, key string, value any) error {
	text, ok := value.(string)
	if !ok {
		return invalid("%v is not of type 'string' (%s)", value, key)
	}
	if strings.HasPrefix(key, "os_glance") {
		return fault.Forbiddenf("Attribute '%s' is reserved.", key)
	}
	if key == "" || len(key) > maxName {
		return invalid("%q is no name of a property", key)
	}
	props := maps.Clone(i.Properties)
	if props == nil {
		props = map[string]string{}
	}
	props[key] = text
	if len(props) > maxProperties {
		return fault.New(fault.TooLarge, "The limit has been exceeded on the number of allowed image properties. Attempted: %d, Maximum: %d", len(props), maxProperties)
	}
	i.Properties = props
	return nil
}

func setText(to *string, key string, value any, among []string) error {
	text, ok := value.(string)
	if value == nil && among == nil {
		*to = ""
		return nil
	}
	if !ok || len(text) > maxName {
		return invalid("%v is not of type 'string' of at most %d characters (%s)", value, maxName, key)
	}
	if among != nil && !slices.Contains(among, text) {
		return invalid("'%s' is not one of ['%s']", text, strings.Join(among, "', '"))
	}
	*to = text
	return nil
}

// setFormat changes a format, which is fixed once there are bytes.
func setFormat(i *image.Image, to *string, key string, value any, among []string) error {
	if i.Status != "" && i.Status != image.StatusQueued {
		return fault.Forbiddenf("Attribute %s can be only replaced for a queued image.", key)
	}
	if value == nil {
		*to = ""
		return nil
	}
	return setText(to, key, value, among)
}

func setNumber(to *int, key string, value any) error {
	n, ok := value.(float64)
	if !ok || n != float64(int(n)) {
		return invalid("%v is not of type 'integer' (%s)", value, key)
	}
	if n < 0 || n > 1<<31-1 {
		return invalid("%v is less than the minimum of 0 or too large (%s)", value, key)
	}
	*to = int(n)
	return nil
}

func setBool(to *bool, key string, value any) error {
	b, ok := value.(bool)
	if !ok {
		return invalid("%v is not of type 'boolean' (%s)", value, key)
	}
	*to = b
	return nil
}

// change is one operation of a patch.
type change struct {
	Op    string
	Path  string
	Value any
	has   bool // a value came
}

// The media types of patches (Image API reference, "Update image").
const (
	patchV21 = "application/openstack-images-v2.1-json-patch"
	patchV20 = "application/openstack-images-v2.0-json-patch"
)

// parsePatch reads a patch in either of the two forms.
func parsePatch(r *http.Request) ([]change, error) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if media = strings.TrimSpace(media); media != patchV21 && media != patchV20 {
		return nil, fault.New(fault.UnsupportedType, "The media type of a patch is %s", patchV21)
	}
	var list []map[string]any
	if err := httpx.Decode(r, &list); err != nil {
		return nil, fault.Invalidf("Request body must be a JSON array of operation objects.").WithCause(err)
	}
	var out []change
	for _, one := range list {
		var c change
		if media == patchV20 { // {"replace": "/name", "value": …}
			for _, op := range []string{"add", "replace", "remove"} {
				if path, ok := one[op].(string); ok {
					c.Op, c.Path = op, path
				}
			}
		} else {
			c.Op, _ = one["op"].(string)
			c.Path, _ = one["path"].(string)
		}
		c.Value, c.has = one["value"]
		switch {
		case !slices.Contains([]string{"add", "replace", "remove"}, c.Op):
			return nil, fault.Invalidf("Operations must be 'add', 'replace' or 'remove'.")
		case !strings.HasPrefix(c.Path, "/") || strings.Contains(c.Path[1:], "/"):
			return nil, fault.Invalidf("Invalid JSON pointer for this resource: '%s'", c.Path)
		case c.Op != "remove" && !c.has:
			return nil, fault.Invalidf("Operation \"%s\" requires a member named \"value\".", c.Op)
		}
		out = append(out, c)
	}
	return out, nil
}

// apply carries one operation out. An admin may also give the image away.
func (c change) apply(ctx context.Context, i *image.Image, protections *image.Protections) error {
	caller := auth.From(ctx)
	key := strings.NewReplacer("~1", "/", "~0", "~").Replace(c.Path[1:])
	if key == "owner" && c.Op != "remove" {
		if !caller.IsAdmin {
			return fault.Forbiddenf("Owner can't be updated by non admin.")
		}
		return setText(&i.Owner, key, c.Value, nil)
	}
	if slices.Contains(readOnly, key) {
		return fault.Forbiddenf("Attribute '%s' is read-only.", key)
	}
	_, custom := i.Properties[key]
	known := slices.Contains(known, key)
	switch {
	case c.Op == "remove" && known:
		return fault.Forbiddenf("Property %s may not be removed.", key)
	case c.Op == "remove" && !custom, c.Op == "replace" && !known && !custom:
		return fault.Conflictf("Property %s does not exist.", key)
	case strings.HasPrefix(key, "os_glance"):
		return fault.Forbiddenf("Attribute '%s' is reserved.", key)
	}
	if !known {
		op := image.PropertyUpdate
		if c.Op == "remove" {
			op = image.PropertyDelete
		} else if !custom {
			op = image.PropertyCreate
		}
		if err := protections.Check(caller, op, key); err != nil {
			return err
		}
	}
	if c.Op == "remove" {
		i.Properties = maps.Clone(i.Properties)
		delete(i.Properties, key)
		return nil
	}
	return setAttribute(i, key, c.Value)
}
