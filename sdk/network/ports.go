package network

import (
	"context"
	"net/url"
)

// Port is an attachment point of a network. The binding attributes are only
// shown to admins and services.
type Port struct {
	ID                  string         `json:"id"`
	Name                string         `json:"name"`
	ProjectID           string         `json:"project_id"`
	NetworkID           string         `json:"network_id"`
	MACAddress          string         `json:"mac_address"`
	Status              string         `json:"status"`
	AdminStateUp        bool           `json:"admin_state_up"`
	FixedIPs            []FixedIP      `json:"fixed_ips"`
	DeviceID            string         `json:"device_id"`
	DeviceOwner         string         `json:"device_owner"`
	SecurityGroups      []string       `json:"security_groups"`
	AllowedAddressPairs []AddressPair  `json:"allowed_address_pairs"`
	PortSecurityEnabled bool           `json:"port_security_enabled"`
	HostID              string         `json:"binding:host_id,omitempty"`
	VNICType            string         `json:"binding:vnic_type,omitempty"`
	VIFType             string         `json:"binding:vif_type,omitempty"`
	VIFDetails          map[string]any `json:"binding:vif_details,omitempty"`
	Profile             map[string]any `json:"binding:profile,omitempty"`
	DNSName             string         `json:"dns_name"`
	Description         string         `json:"description"`
	RevisionNumber      int            `json:"revision_number"`
	Tags                []string       `json:"tags"`
}

// The states of a port.
const (
	PortActive = "ACTIVE"
	PortDown   = "DOWN"
	PortBuild  = "BUILD"
)

// The kinds of binding in Port.VIFType.
const (
	VIFUnbound = "unbound"
	VIFFailed  = "binding_failed"
)

// FixedIP is an address of a port. In a request either may be left out.
type FixedIP struct {
	SubnetID  string `json:"subnet_id,omitempty"`
	IPAddress string `json:"ip_address,omitempty"`
}

// AddressPair is a further source address that a port may use.
type AddressPair struct {
	MACAddress string `json:"mac_address,omitempty"`
	IPAddress  string `json:"ip_address"`
}

// PortCreate is what a new port can be asked to be. Nil fields take Neutron's
// defaults: an address of each kind, the project's default security group.
type PortCreate struct {
	NetworkID           string         `json:"network_id"`
	ProjectID           string         `json:"project_id,omitempty"`
	Name                string         `json:"name,omitempty"`
	AdminStateUp        *bool          `json:"admin_state_up,omitempty"`
	MACAddress          string         `json:"mac_address,omitempty"`
	FixedIPs            []FixedIP      `json:"fixed_ips,omitempty"`
	DeviceID            string         `json:"device_id,omitempty"`
	DeviceOwner         string         `json:"device_owner,omitempty"`
	SecurityGroups      *[]string      `json:"security_groups,omitempty"`
	PortSecurityEnabled *bool          `json:"port_security_enabled,omitempty"`
	HostID              string         `json:"binding:host_id,omitempty"`
	VNICType            string         `json:"binding:vnic_type,omitempty"`
	Profile             map[string]any `json:"binding:profile,omitempty"`
	DNSName             string         `json:"dns_name,omitempty"`
	Description         string         `json:"description,omitempty"`
}

// PortUpdate is what changes of a port; nil leaves a field as it is.
type PortUpdate struct {
	Name                *string         `json:"name,omitempty"`
	AdminStateUp        *bool           `json:"admin_state_up,omitempty"`
	FixedIPs            *[]FixedIP      `json:"fixed_ips,omitempty"`
	DeviceID            *string         `json:"device_id,omitempty"`
	DeviceOwner         *string         `json:"device_owner,omitempty"`
	SecurityGroups      *[]string       `json:"security_groups,omitempty"`
	PortSecurityEnabled *bool           `json:"port_security_enabled,omitempty"`
	HostID              *string         `json:"binding:host_id,omitempty"`
	Profile             *map[string]any `json:"binding:profile,omitempty"`
	DNSName             *string         `json:"dns_name,omitempty"`
}

// ShowPort gives a port.
func (c Client) ShowPort(ctx context.Context, id string) (*Port, error) {
	return get[Port](ctx, c, "port", portPath(id))
}

// ListPorts lists ports; {"device_id": {server}} gives a server's.
func (c Client) ListPorts(ctx context.Context, query url.Values) ([]Port, error) {
	return list[Port](ctx, c, "ports", query)
}

// CreatePort makes a port.
func (c Client) CreatePort(ctx context.Context, in PortCreate) (*Port, error) {
	return create[Port](ctx, c, "port", "ports", in)
}

// CreatePorts makes several ports, all or none.
func (c Client) CreatePorts(ctx context.Context, in []PortCreate) ([]Port, error) {
	var out struct {
		Ports []Port `json:"ports"`
	}
	err := c.Post(ctx, "/v2.0/ports", map[string]any{"ports": in}, &out)
	return out.Ports, err
}

// UpdatePort changes a port.
func (c Client) UpdatePort(ctx context.Context, id string, in PortUpdate) (*Port, error) {
	return update[Port](ctx, c, "port", portPath(id), in)
}

// DeletePort deletes a port.
func (c Client) DeletePort(ctx context.Context, id string) error {
	return c.Delete(ctx, portPath(id))
}

func portPath(id string) string { return "/v2.0/ports/" + url.PathEscape(id) }
