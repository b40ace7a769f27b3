// Package volume holds the wire types and the client of the Block Storage v3
// API (Cinder's) that the other components use.
package volume

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"

	"nubo/sdk/rest"
)

// APIVersion is the microversion the client speaks: attachments with their
// completion (3.44).
const APIVersion = "volume 3.44"

// Client speaks Block Storage v3; its endpoint is ".../v3".
type Client struct{ *rest.Client }

// Volume is a block device.
type Volume struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	Status              string            `json:"status"`
	Size                int               `json:"size"` // GiB
	Bootable            string            `json:"bootable"`
	AvailabilityZone    string            `json:"availability_zone"`
	Metadata            map[string]string `json:"metadata"`
	VolumeImageMetadata map[string]string `json:"volume_image_metadata,omitempty"`
	ProjectID           string            `json:"os-vol-tenant-attr:tenant_id,omitempty"`
	Attachments         []AttachedTo      `json:"attachments"`
}

// AttachedTo is an attachment as a volume shows it.
type AttachedTo struct {
	ServerID     string `json:"server_id"`
	AttachmentID string `json:"attachment_id"`
	Device       string `json:"device"`
}

// Create is a request for a volume.
type Create struct {
	Name      string            `json:"name,omitempty"`
	Size      int               `json:"size"`
	ImageID   string            `json:"imageRef,omitempty"`
	VolumeID  string            `json:"source_volid,omitempty"`
	Type      string            `json:"volume_type,omitempty"`
	AZ        string            `json:"availability_zone,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	ProjectID string            `json:"project_id,omitempty"` // honoured for services: who owns it
	UserID    string            `json:"user_id,omitempty"`    // likewise
}

// Attachment joins a volume to a server.
type Attachment struct {
	ID             string         `json:"id"`
	VolumeID       string         `json:"volume_id"`
	ServerID       string         `json:"instance"`
	Status         string         `json:"status"`
	AttachMode     string         `json:"attach_mode"`
	ConnectionInfo ConnectionInfo `json:"connection_info"`
}

// ConnectionInfo is how the volume is reached; which keys Data has depends on
// the type. On the wire the data stand beside the type.
type ConnectionInfo struct {
	Type string
	Data map[string]any
}

// The keys on the wire that are not the driver's data.
const (
	typeKey       = "driver_volume_type"
	attachmentKey = "attachment_id"
)

// UnmarshalJSON implements json.Unmarshaler.
func (c *ConnectionInfo) UnmarshalJSON(b []byte) error {
	*c = ConnectionInfo{}
	if err := json.Unmarshal(b, &c.Data); err != nil {
		return err
	}
	c.Type, _ = c.Data[typeKey].(string)
	delete(c.Data, typeKey)
	delete(c.Data, attachmentKey)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (c ConnectionInfo) MarshalJSON() ([]byte, error) {
	wire := maps.Clone(c.Data)
	if wire == nil {
		wire = map[string]any{}
	}
	if c.Type != "" {
		wire[typeKey] = c.Type
	}
	return json.Marshal(wire)
}

// Connector describes the host that will use a volume.
type Connector struct {
	Host       string `json:"host"`
	IP         string `json:"ip,omitempty"`
	Platform   string `json:"platform,omitempty"`
	OSType     string `json:"os_type,omitempty"`
	MountPoint string `json:"mountpoint,omitempty"`
	Mode       string `json:"mode,omitempty"`
}

// ShowVolume gives one volume.
func (c Client) ShowVolume(ctx context.Context, id string) (*Volume, error) {
	var out struct{ Volume Volume }
	err := c.Get(ctx, "/volumes/"+url.PathEscape(id), &out)
	return &out.Volume, err
}

// ListVolumes lists volumes; the query is the API's.
func (c Client) ListVolumes(ctx context.Context, query url.Values) ([]Volume, error) {
	var out struct{ Volumes []Volume }
	err := c.Get(ctx, "/volumes/detail?"+query.Encode(), &out)
	return out.Volumes, err
}

// CreateVolume asks for a volume; it is there when its status is available.
func (c Client) CreateVolume(ctx context.Context, in Create) (*Volume, error) {
	var out struct{ Volume Volume }
	err := c.Post(ctx, "/volumes", map[string]any{"volume": in}, &out)
	return &out.Volume, err
}

// DeleteVolume asks for a volume's end; one that is gone is no error.
func (c Client) DeleteVolume(ctx context.Context, id string) error {
	err := c.Delete(ctx, "/volumes/"+url.PathEscape(id))
	if rest.IsNotFound(err) {
		return nil
	}
	return err
}

// CreateAttachment reserves a volume for a server; with a connector it is
// exported to its host as well.
func (c Client) CreateAttachment(ctx context.Context, volumeID, serverID string, connector *Connector) (*Attachment, error) {
	in := map[string]any{"volume_uuid": volumeID, "instance_uuid": serverID}
	if connector != nil {
		in["connector"] = connector
	}
	var out struct{ Attachment Attachment }
	err := c.Post(ctx, "/attachments", map[string]any{"attachment": in}, &out)
	return &out.Attachment, err
}

// UpdateAttachment exports a reserved volume to the connector's host.
func (c Client) UpdateAttachment(ctx context.Context, id string, connector Connector) (*Attachment, error) {
	var out struct{ Attachment Attachment }
	in := map[string]any{"attachment": map[string]any{"connector": connector}}
	err := c.Put(ctx, "/attachments/"+url.PathEscape(id), in, &out)
	return &out.Attachment, err
}

// CompleteAttachment says that the server has the volume now.
func (c Client) CompleteAttachment(ctx context.Context, id string) error {
	return c.Post(ctx, "/attachments/"+url.PathEscape(id)+"/action", map[string]any{"os-complete": map[string]any{}}, nil)
}

// DeleteAttachment lets go of the volume; one that is gone is no error.
func (c Client) DeleteAttachment(ctx context.Context, id string) error {
	err := c.Delete(ctx, "/attachments/"+url.PathEscape(id))
	if rest.IsNotFound(err) {
		return nil
	}
	return err
}

// ShowAttachment gives one attachment with its connection.
func (c Client) ShowAttachment(ctx context.Context, id string) (*Attachment, error) {
	var out struct{ Attachment Attachment }
	err := c.Get(ctx, "/attachments/"+url.PathEscape(id), &out)
	return &out.Attachment, err
}

// ListAttachments lists attachments in short form; the query is the API's.
func (c Client) ListAttachments(ctx context.Context, query url.Values) ([]Attachment, error) {
	var out struct{ Attachments []Attachment }
	err := c.Get(ctx, "/attachments?"+query.Encode(), &out)
	return out.Attachments, err
}
