// Package network holds the wire types and the client of the Networking v2.0
// API (Neutron's) that the other components use.
package network

import (
	"context"
	"net/url"

	"nubo/sdk/rest"
)

// Client speaks Networking v2.0; its endpoint is the service's root, without
// "/v2.0". Filters of lists are query parameters as the API names them.
type Client struct{ *rest.Client }

// Network is a virtual network. The provider attributes are only shown to
// admins.
type Network struct {
	ID                  string   `json:"id"`
	Name                string   `json:"name"`
	ProjectID           string   `json:"project_id"`
	Status              string   `json:"status"`
	AdminStateUp        bool     `json:"admin_state_up"`
	Shared              bool     `json:"shared"`
	External            bool     `json:"router:external"`
	MTU                 int      `json:"mtu"`
	PortSecurityEnabled bool     `json:"port_security_enabled"`
	Subnets             []string `json:"subnets"`
	Description         string   `json:"description"`
	NetworkType         string   `json:"provider:network_type,omitempty"`
	PhysicalNetwork     string   `json:"provider:physical_network,omitempty"`
	SegmentationID      int      `json:"provider:segmentation_id,omitempty"`
	RevisionNumber      int      `json:"revision_number"`
	Tags                []string `json:"tags"`
}

// Subnet is a block of addresses of a network. GatewayIP is empty where the
// subnet has none.
type Subnet struct {
	ID              string           `json:"id"`
	Name            string           `json:"name"`
	ProjectID       string           `json:"project_id"`
	NetworkID       string           `json:"network_id"`
	IPVersion       int              `json:"ip_version"`
	CIDR            string           `json:"cidr"`
	GatewayIP       string           `json:"gateway_ip"`
	EnableDHCP      bool             `json:"enable_dhcp"`
	AllocationPools []AllocationPool `json:"allocation_pools"`
	DNSNameservers  []string         `json:"dns_nameservers"`
	HostRoutes      []Route          `json:"host_routes"`
	IPv6AddressMode string           `json:"ipv6_address_mode"`
	IPv6RAMode      string           `json:"ipv6_ra_mode"`
	Description     string           `json:"description"`
	RevisionNumber  int              `json:"revision_number"`
}

// AllocationPool is a range of addresses that ports get theirs from.
type AllocationPool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Route is a static route.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// ShowNetwork gives a network the caller may see.
func (c Client) ShowNetwork(ctx context.Context, id string) (*Network, error) {
	return get[Network](ctx, c, "network", "/v2.0/networks/"+url.PathEscape(id))
}

// ListNetworks lists the networks the caller may see.
func (c Client) ListNetworks(ctx context.Context, query url.Values) ([]Network, error) {
	return list[Network](ctx, c, "networks", query)
}

// ListSubnets lists the subnets the caller may see.
func (c Client) ListSubnets(ctx context.Context, query url.Values) ([]Subnet, error) {
	return list[Subnet](ctx, c, "subnets", query)
}

// get reads the object that the answer holds under key.
func get[T any](ctx context.Context, c Client, key, path string) (*T, error) {
	var out map[string]*T
	if err := c.Get(ctx, path, &out); err != nil {
		return nil, err
	}
	return out[key], nil
}

// list reads the objects under the collection's name.
func list[T any](ctx context.Context, c Client, collection string, query url.Values) ([]T, error) {
	path := "/v2.0/" + collection
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var out map[string][]T
	if err := c.Get(ctx, path, &out); err != nil {
		return nil, err
	}
	return out[collection], nil
}

// create sends an object under key and reads the one that was made.
func create[T any](ctx context.Context, c Client, key, collection string, in any) (*T, error) {
	var out map[string]*T
	if err := c.Post(ctx, "/v2.0/"+collection, map[string]any{key: in}, &out); err != nil {
		return nil, err
	}
	return out[key], nil
}

// update sends what changes under key and reads the object as it is then.
func update[T any](ctx context.Context, c Client, key, path string, in any) (*T, error) {
	var out map[string]*T
	if err := c.Put(ctx, path, map[string]any{key: in}, &out); err != nil {
		return nil, err
	}
	return out[key], nil
}
