// Package compute holds the wire types and the client of the Compute v2.1
// API (Nova's) that the other components use.
package compute

import (
	"context"
	"net/url"
	"time"

	"nubo/sdk/rest"
)

// Version is the microversion the client speaks.
const Version = "compute 2.96"

// Client speaks Compute v2.1; its endpoint is ".../v2.1". Its Version should
// be Version.
type Client struct{ *rest.Client }

// Server is a virtual machine as the API shows it.
type Server struct {
	ID               string               `json:"id"`
	Name             string               `json:"name"`
	Status           string               `json:"status"`
	TenantID         string               `json:"tenant_id"`
	UserID           string               `json:"user_id"`
	HostID           string               `json:"hostId"`
	Created          time.Time            `json:"created"`
	Updated          time.Time            `json:"updated"`
	Addresses        map[string][]Address `json:"addresses"`
	Metadata         map[string]string    `json:"metadata"`
	Tags             []string             `json:"tags"`
	KeyName          *string              `json:"key_name"`
	Locked           bool                 `json:"locked"`
	Fault            *Fault               `json:"fault,omitempty"`
	Volumes          []AttachedVolume     `json:"os-extended-volumes:volumes_attached"`
	AvailabilityZone string               `json:"OS-EXT-AZ:availability_zone"`
	VMState          string               `json:"OS-EXT-STS:vm_state"`
	TaskState        *string              `json:"OS-EXT-STS:task_state"`
	PowerState       int                  `json:"OS-EXT-STS:power_state"`
	LaunchedAt       *string              `json:"OS-SRV-USG:launched_at"`
	TerminatedAt     *string              `json:"OS-SRV-USG:terminated_at"`
	// Host and the like are shown to admins.
	Host               string `json:"OS-EXT-SRV-ATTR:host"`
	HypervisorHostname string `json:"OS-EXT-SRV-ATTR:hypervisor_hostname"`
	InstanceName       string `json:"OS-EXT-SRV-ATTR:instance_name"`
	Flavor             Flavor `json:"flavor"`
	// Image is an object with an id, or "" for a server that boots from a volume.
	Image any `json:"image"`
}

// Address is one address of a server.
type Address struct {
	Addr    string `json:"addr"`
	Version int    `json:"version"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr"`
	Type    string `json:"OS-EXT-IPS:type"` // "fixed" or "floating"
}

// Fault is why a server is in ERROR.
type Fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"`
	Created time.Time `json:"created"`
}

// AttachedVolume is a volume of a server.
type AttachedVolume struct {
	ID                  string `json:"id"`
	DeleteOnTermination bool   `json:"delete_on_termination"`
}

// Flavor is a server's flavor as it was when it was made.
type Flavor struct {
	OriginalName string            `json:"original_name"`
	VCPUs        int               `json:"vcpus"`
	RAM          int               `json:"ram"`
	Disk         int               `json:"disk"`
	Ephemeral    int               `json:"ephemeral"`
	Swap         int               `json:"swap"`
	ExtraSpecs   map[string]string `json:"extra_specs"`
}

// Event is what another service tells compute of a server.
type Event struct {
	Name       string `json:"name"` // "network-vif-plugged", "network-changed" …
	ServerUUID string `json:"server_uuid"`
	Status     string `json:"status,omitempty"` // "completed" or "failed"
	Tag        string `json:"tag,omitempty"`    // the port
}

// The names of events.
const (
	NetworkVIFPlugged   = "network-vif-plugged"
	NetworkVIFUnplugged = "network-vif-unplugged"
	NetworkVIFDeleted   = "network-vif-deleted"
	NetworkChanged      = "network-changed"
	VolumeExtended      = "volume-extended"
)

// EventResult is what became of an event: code 200, 404 or 422.
type EventResult struct {
	Event
	Code int `json:"code"`
}

// ExternalEvents tells compute of events and says what became of each. If no
// event has a server that exists, the answer is an error, a 404.
func (c Client) ExternalEvents(ctx context.Context, events []Event) ([]EventResult, error) {
	var out struct {
		Events []EventResult `json:"events"`
	}
	err := c.Post(ctx, "/os-server-external-events", map[string]any{"events": events}, &out)
	return out.Events, err
}

// ShowServer gives a server.
func (c Client) ShowServer(ctx context.Context, id string) (*Server, error) {
	var out struct {
		Server *Server `json:"server"`
	}
	err := c.Get(ctx, "/servers/"+url.PathEscape(id), &out)
	return out.Server, err
}

// ListServers lists a page of servers; the query's limit and marker page.
func (c Client) ListServers(ctx context.Context, query url.Values) ([]Server, error) {
	path := "/servers/detail"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var out struct {
		Servers []Server `json:"servers"`
	}
	err := c.Get(ctx, path, &out)
	return out.Servers, err
}

// DeleteServer has a server removed.
func (c Client) DeleteServer(ctx context.Context, id string) error {
	return c.Delete(ctx, "/servers/"+url.PathEscape(id))
}
